"""Rows of a rejects file, to be sent again."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any, Literal, TextIO

import attrs
import msgspec

from cleverreach_async.resources.relative import has_relative_values
from cleverreach_async.sources.content import Content, FilePath
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.json_lines import JsonLinesSource, read_receiver
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.rows import BadRow, BadValueError, SourceRow
from cleverreach_async.sources.text_file import TextFile, inspect_text

__all__ = ["Only", "RejectsSource", "read_rejects"]

Only = Literal["rejected", "unknown"]


class _Reject(msgspec.Struct):
    """A line of a rejects file. Users may have removed keys, so all have defaults."""

    line: int | None = None
    outcome: str = "rejected"
    code: str = "invalid_value"
    message: str = ""
    receiver: dict[str, Any] | None = None
    record: dict[str, Any] | None = None


@attrs.define
class Skipped:
    """Rows of the latest loop that are not sent.

    Attributes:
        records: Rows that were never a receiver, by code.
        left_out: Rows with the other outcome.
        unrepeatable: Rows of unknown outcome with orders or relative values, which were not
            requested.
    """

    records: Counter[str] = attrs.field(factory=Counter[str])
    left_out: int = 0
    unrepeatable: int = 0


class RejectsSource(JsonLinesSource):
    """Rows of a rejects file. Line numbers are those of the file that was imported first.

    Attributes:
        skipped: Rows of the latest loop that are not sent.
    """

    def __init__(self, text: TextFile, zone: tzinfo, only: Only | None) -> None:
        super().__init__(text, zone)
        self.skipped: Skipped = Skipped()
        self._only = only

    def identity(self) -> Mapping[str, Any]:
        """Return what every file has, and which rows are sent."""
        return {**super().identity(), "kind": "rejects", "only": self._only}

    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        decode = msgspec.json.Decoder(_Reject).decode
        self.skipped = Skipped()
        for line, text in enumerate(lines.read(file), lines.line):
            lines.line = line + 1
            if not text.strip():
                continue
            try:
                reject = decode(text)
            except (msgspec.DecodeError, RecursionError):
                message = "the line is not a line of a rejects file"
                yield BadRow(line, "invalid_json", message, {"text": text.strip()})
                continue
            if self._is_wanted(reject):
                yield self._row(reject)

    def _is_wanted(self, reject: _Reject) -> bool:
        if self._only is not None and reject.outcome != self._only:
            self.skipped.left_out += 1
            return False
        if self._only is None and reject.outcome == "unknown" and _is_unrepeatable(reject):
            self.skipped.unrepeatable += 1
            return False
        return True

    def _row(self, reject: _Reject) -> SourceRow | BadRow:
        if reject.receiver is None:
            self.skipped.records[reject.code] += 1
            message = reject.message or "the line has no receiver"
            return BadRow(reject.line, reject.code, message, reject.record or {})
        try:
            receiver = read_receiver(reject.receiver, self._parse_time, null_unsets=True)
            return SourceRow(receiver, reject.line)
        except BadValueError as error:
            return BadRow(reject.line, error.code, str(error), reject.receiver)


def _is_unrepeatable(reject: _Reject) -> bool:
    """Whether a row may be stored already, and would be counted twice."""
    receiver = reject.receiver or {}
    maps = (receiver.get("attributes"), receiver.get("global_attributes"))
    return bool(receiver.get("orders")) or any(map(has_relative_values, maps))


def read_rejects(
    path: FilePath | Content, *, only: Only | None = None, timezone: str = "Europe/Berlin"
) -> RejectsSource:
    """Read the rows of a rejects file.

    The file is inspected at once; in a coroutine later, see :class:`FileSource`.

    Args:
        path: The file.
        only: Outcome of the rows to read. By default rows of unknown outcome are left out if they
            have orders or relative values, since the server might count them twice.
        timezone: Time zone of repaired dates without an offset.

    Raises:
        ConfigurationError: There is no such time zone.
        SourceError: The file is not UTF-8 text.
    """
    zone = find_zone(timezone)
    return RejectsSource.of_file(
        path, lambda: RejectsSource(inspect_text(path, utf8_only=True), zone, only)
    )
