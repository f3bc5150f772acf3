"""What a shared journal contains, as text: plain values, without addresses."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Self

import attrs
import msgspec

from cleverreach_async.bulk.journal.identity import masked
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.transport.wire import USER_AGENT

__all__ = [
    "JournalRecord",
    "decode_rejects",
    "decode_report",
    "encode_rejects",
    "encode_report",
    "new_meta",
]

_FORMAT: Final = "1"
_KEPT: Final = frozenset({Outcome.REJECTED, Outcome.UNKNOWN})


@attrs.frozen(kw_only=True)
class JournalRecord:
    """The content of a shared journal.

    Attributes:
        meta: Texts by name: the unique id of the journal, the identity of its import, and more.
        state: The progress of the import.
        held: Whether an attempt has it; ``False`` when it ended in order.
        report: The report of a complete import, as :func:`encode_report` returns it.
    """

    meta: Mapping[str, str]
    state: JournalState
    held: bool
    report: str = ""

    def to_text(self) -> str:
        """Return the record as JSON with a checksum.

        Raises:
            ConfigurationError: The position of the source contains an e-mail address.
            ValueError: The state contradicts itself, or its position is not JSON.
        """
        values = {
            "format": _FORMAT,
            "meta": dict(self.meta),
            "held": self.held,
            "report": self.report,
            "state": self.state.as_row(),
        }
        return json.dumps({**values, "checksum": _checksum(values)}, sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what :meth:`to_text` returned.

        Raises:
            ValueError: It is something else, or of another format.
        """
        values = msgspec.json.decode(text, type=dict[str, Any])
        if values.pop("checksum", None) != _checksum(values):
            raise ValueError("its checksum is wrong")
        if values["format"] != _FORMAT:
            raise ValueError(f"it has format {values['format']}, this version reads {_FORMAT}")
        return cls(
            meta=values["meta"],
            state=JournalState.from_row(values["state"]),
            held=values["held"],
            report=values["report"],
        )


def new_meta(identity: str, now: float) -> dict[str, str]:
    """Return what identifies a new journal.

    Args:
        identity: The encoded identity of the import.
        now: Unix time in seconds.
    """
    return {
        "id": str(uuid.uuid4()),
        "library": USER_AGENT,
        "created": datetime.fromtimestamp(now, UTC).isoformat(),
        "identity": identity,
    }


def encode_report(report: ImportReport) -> str:
    """Return a report as JSON, with e-mail addresses masked."""
    return json.dumps(masked(msgspec.to_builtins(report)))


def decode_report(text: str) -> ImportReport:
    """Read what :func:`encode_report` returned.

    Raises:
        ValueError: It is something else.
    """
    return msgspec.json.decode(text, type=ImportReport)


def encode_rejects(results: Iterable[RowResult]) -> str:
    """Return the rejected and unknown rows as JSON Lines: which, and why, but not their data."""
    return "".join(
        json.dumps(
            [it.row, it.line, it.outcome.value, mask_emails(it.code), mask_emails(it.message)]
        )
        + "\n"
        for it in results
        if it.outcome in _KEPT
    )


def decode_rejects(texts: Sequence[str]) -> list[RowResult]:
    """Read what :func:`encode_rejects` returned, in the order of rows, each once.

    Raises:
        ValueError: It is something else.
    """
    found: dict[int, RowResult] = {}
    for line in "".join(texts).splitlines():
        row, line_of_file, outcome, code, message = json.loads(line)
        found[row] = RowResult(row, line_of_file, Outcome(outcome), code, message)
    return [found[row] for row in sorted(found)]


def _checksum(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
