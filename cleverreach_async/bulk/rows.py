"""Encoded rows, and the results of rows."""

import enum
from collections.abc import Iterator, Sequence
from typing import Final

import attrs
import msgspec

from cleverreach_async.bulk.encoded_lines import EncodedLines
from cleverreach_async.bulk.spellings import PUNYCODE, unified
from cleverreach_async.errors import CleverReachError, InternalServerError
from cleverreach_async.resources.relative import is_relative
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.transport.wire import as_object, encode_json

__all__ = [
    "CANARY_ROWS",
    "MAX_ROWS",
    "Batch",
    "EncodedRow",
    "Outcome",
    "RowResult",
    "cut_message",
    "email_key",
    "failed",
    "join_rows",
    "not_shown",
    "receiver_json",
    "rejected",
    "repeatable_part",
    "sent_address",
    "size_of",
    "unknown",
]

_MESSAGE_BYTES: Final = 2048

MAX_ROWS: Final = 1000
CANARY_ROWS: Final = 100
"""Most rows of the first batch, which is sent alone."""


class EncodedRow(msgspec.Struct, gc=False):
    """A row ready to be sent.

    A msgspec struct rather than an attrs class, because the garbage collector can ignore it:
    thousands are alive at a time.

    Attributes:
        key: The address in lower case, which identifies the receiver.
        encoded: The row as JSON, or the lines that it is one of.
        number: One-based number of the row in the source.
        line: Line of the file, if the source is a file.
        repeatable: Whether sending it twice has the same effect as sending it once.
        relative: Whether it changes numbers by an amount, which no look-up can show.
    """

    key: str
    encoded: bytes | EncodedLines
    number: int
    line: int | None
    repeatable: bool
    relative: bool = False

    @property
    def body(self) -> bytes:
        """The row as JSON."""
        encoded = self.encoded
        return encoded if isinstance(encoded, bytes) else encoded.row(self.number)


Batch = list[EncodedRow]


def email_key(email: str) -> str:
    """Return the key of an address, which is the same for all its spellings.

    They are upper and lower case, a domain with and without Punycode, and letters with accents that
    are one character or two.
    """
    key = email.strip().lower()
    return key if key.isascii() and PUNYCODE not in key else unified(key)


def sent_address(row: EncodedRow) -> str:
    """Return the address of a row in lower case, in the spelling in which it was sent."""
    if row.key.isascii():
        return row.key
    sent = msgspec.json.decode(row.body)
    return str(sent if isinstance(sent, str) else sent["email"]).lower()


class Outcome(enum.Enum):
    """The outcome of a row."""

    ACCEPTED = "accepted"
    """The server shows that it stored the row."""
    REJECTED = "rejected"
    """The row was refused, here or by the server."""
    UNKNOWN = "unknown"
    """It may or may not be stored, and sending it again could store something twice."""
    PENDING = "pending"
    """The import stopped before the row was sent."""
    EXCLUDED = "excluded"
    """The row itself says that the person is not subscribed, so it was not sent."""
    SUPERSEDED = "superseded"
    """A later row of the same address, which fills the same fields, replaced it before it was sent.
    """


@attrs.define
class RowResult:
    """The result of one row.

    Attributes:
        row: One-based number of the row in the source.
        line: Line of the file, if the source is a file.
        outcome: The outcome.
        code: Stable code of the reason, such as ``invalid_email``; empty if accepted.
        message: The reason as text, from the server if it gave one.
        receiver: The receiver as JSON, if the row made one.
        record: The record as it was read, as JSON, if it did not make a receiver.
    """

    row: int
    line: int | None
    outcome: Outcome
    code: str = ""
    message: str = ""
    receiver: bytes = attrs.field(default=b"", repr=False)
    record: bytes = attrs.field(default=b"", repr=False)


def join_rows(rows: Sequence[EncodedRow]) -> bytes:
    """Return the body of a batch: a JSON array."""
    parts = [it if isinstance(it, bytes) else it.elements for it in _encoded_parts(rows)]
    parts[:1] = [b"[" + part for part in parts[:1]] or [b"["]
    parts[-1] += b"]"  # so that the whole body is copied only once
    return b",".join(parts)


def size_of(rows: Sequence[EncodedRow]) -> int:
    """Return the bytes of rows as JSON, without what stands between them."""
    return sum(len(it) if isinstance(it, bytes) else it.size for it in _encoded_parts(rows))


def _encoded_parts(rows: Sequence[EncodedRow]) -> Iterator[bytes | EncodedLines]:
    """Return the JSON of rows: of one, or of all that were encoded together.

    To join and to count a few long texts takes a small part of the time of many short ones.
    """
    start = 0
    while start < len(rows):
        encoded = rows[start].encoded
        if not isinstance(encoded, EncodedLines) or not _begin_with(rows, start, encoded):
            yield rows[start].body
            start += 1
        else:
            yield encoded
            start += encoded.count


def _begin_with(rows: Sequence[EncodedRow], start: int, lines: EncodedLines) -> bool:
    """Whether all rows of some lines, in their order, are next."""
    if rows[start].number != lines.first:
        return False
    part = rows[start : start + lines.count]
    numbers = [row.number for row in part]
    encoded = [row.encoded for row in part]
    return numbers == lines.numbers and encoded.count(lines) == lines.count


def receiver_json(row: EncodedRow) -> bytes:
    """Return the row as a receiver object, even if only its address is sent."""
    return row.body if row.body.startswith(b"{") else b'{"email":' + row.body + b"}"


def repeatable_part(row: EncodedRow) -> EncodedRow:
    """Return the row without what must not be sent twice: orders and relative values."""
    if row.repeatable:
        return row
    fields = msgspec.json.decode(row.body)
    fields.pop("orders", None)
    if row.relative:
        for name in fields.keys() & {"attributes", "global_attributes"}:
            values = as_object(fields[name])
            fields[name] = {key: values[key] for key in values if not is_relative(values[key])}
    return EncodedRow(row.key, encode_json(fields), row.number, row.line, repeatable=True)


def cut_message(text: str) -> str:
    """Return at most 2 kB of a server's text, since it may be written down for each row."""
    if len(text) <= _MESSAGE_BYTES and len(text.encode(errors="replace")) <= _MESSAGE_BYTES:
        return text
    start = text[:_MESSAGE_BYTES].encode(errors="replace")[: _MESSAGE_BYTES - len("…".encode())]
    return start.decode(errors="ignore") + "…"


def _safe_words(message: str) -> str:
    # Placeholders may be longer than the addresses.
    return cut_message(mask_emails(cut_message(message)))


def rejected(row: EncodedRow, code: str, message: str) -> RowResult:
    """Return a rejection with the server's message, cut; addresses in it are masked."""
    return _result(row, Outcome.REJECTED, code, _safe_words(message))


def unknown(row: EncodedRow, message: str, *, code: str = "unknown_outcome") -> RowResult:
    """Return the result of a row that may or may not be stored."""
    return _result(row, Outcome.UNKNOWN, code, message)


def failed(rows: Sequence[EncodedRow], error: CleverReachError) -> list[RowResult]:
    """Return the results of a batch that fails and is not split further.

    Args:
        rows: The rows.
        error: The error of the last attempt.
    """
    message = _safe_words(getattr(error, "message", str(error)))
    outcome, code = Outcome.REJECTED, "refused" if len(rows) == 1 else "refused_with_batch"
    if isinstance(error, InternalServerError):
        outcome, code = Outcome.UNKNOWN, "server_error"
        message = f"the server fails on this row repeatedly: {message}"
    return [_result(row, outcome, code, message) for row in rows]


def not_shown(row: EncodedRow, *, perhaps: bool) -> RowResult:
    """Return the result of a row that no response shows.

    Args:
        row: The row.
        perhaps: Whether a response shows a receiver that may be meant by it.
    """
    if perhaps:
        return unknown(row, "the responses show receivers under other addresses than were sent")
    message = "the responses of the server do not show this receiver"
    return _result(row, Outcome.REJECTED, "not_returned", message)


def _result(row: EncodedRow, outcome: Outcome, code: str, message: str) -> RowResult:
    return RowResult(row.number, row.line, outcome, code, message, receiver=receiver_json(row))
