"""The rows of a rejects file, to be sent again."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal, TextIO

import attrs
import msgspec

from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.json_lines import JsonLinesSource, read_receiver
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.rows import BadRow, BadValueError, SourceRow
from cleverreach_async.sources.text_file import TextFile, inspect_text

__all__ = ["Only", "RejectsSource", "read_rejects"]

Only = Literal["rejected", "unknown"]


class _Reject(msgspec.Struct):
    """A line of a rejects file; people may have removed what they take for superfluous."""

    line: int | None = None
    outcome: str = "rejected"
    code: str = "invalid_value"
    message: str = ""
    receiver: dict[str, Any] | None = None
    record: dict[str, Any] | None = None

    @property
    def may_double_orders(self) -> bool:
        """Whether sending the row may store order lines that are stored already."""
        return self.outcome == "unknown" and bool((self.receiver or {}).get("orders"))


@attrs.define
class Passed:
    """What the latest loop found beside rows to send.

    Attributes:
        records: Rows that never became a receiver, by code.
        left_out: Rows of the other outcome.
        with_orders: Rows of unknown outcome that have orders, and were not asked for.
    """

    records: Counter[str] = attrs.field(factory=Counter[str])
    left_out: int = 0
    with_orders: int = 0


class RejectsSource(JsonLinesSource):
    """Rows of a rejects file. Lines are those of the file that was imported first.

    Attributes:
        passed: What the latest loop found beside rows to send.
    """

    def __init__(self, text: TextFile, zone: tzinfo, only: Only | None) -> None:
        super().__init__(text, zone)
        self.passed = Passed()
        self._only = only

    def identity(self) -> Mapping[str, Any]:
        """As of every file, and which rows are taken."""
        return {**super().identity(), "kind": "rejects", "only": self._only}

    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        decode = msgspec.json.Decoder(_Reject).decode
        self.passed = Passed()
        for line, text in enumerate(lines.read(file), lines.line):
            lines.line = line + 1
            if not text.strip():
                continue
            try:
                reject = decode(text)
            except (msgspec.DecodeError, RecursionError):
                message = "the line is no line of a rejects file"
                yield BadRow(line, "invalid_json", message, {"text": text.strip()})
                continue
            if self._is_wanted(reject):
                yield self._row(reject)

    def _is_wanted(self, reject: _Reject) -> bool:
        if self._only is not None and reject.outcome != self._only:
            self.passed.left_out += 1
            return False
        if self._only is None and reject.may_double_orders:
            self.passed.with_orders += 1
            return False
        return True

    def _row(self, reject: _Reject) -> SourceRow | BadRow:
        if reject.receiver is None:
            self.passed.records[reject.code] += 1
            message = reject.message or "the line has no receiver"
            return BadRow(reject.line, reject.code, message, reject.record or {})
        try:
            return SourceRow(read_receiver(reject.receiver, self._parse_time), reject.line)
        except BadValueError as error:
            return BadRow(reject.line, error.code, str(error), reject.receiver)


def read_rejects(
    path: Path, *, only: Only | None = None, timezone: str = "Europe/Berlin"
) -> RejectsSource:
    """Read the rows of a rejects file.

    Args:
        path: The file.
        only: The outcome of the rows to take. Without it rows of unknown outcome that have orders
            are left out: those might be stored twice.
        timezone: Where the clocks stood that repaired dates without an offset were read from.

    Raises:
        ConfigurationError: There is no such time zone.
        SourceError: The file is not UTF-8 text.
    """
    return RejectsSource(inspect_text(path, "utf-8"), find_zone(timezone), only)
