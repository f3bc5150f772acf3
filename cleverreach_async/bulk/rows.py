"""Rows on their way, and what becomes of them."""

import enum
from collections.abc import Sequence
from typing import Final

import attrs
import msgspec

from cleverreach_async.errors import CleverReachError, InternalServerError
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.transport.wire import encode_json

__all__ = [
    "CANARY_ROWS",
    "MAX_ROWS",
    "Batch",
    "EncodedRow",
    "Outcome",
    "RowResult",
    "blamed",
    "email_key",
    "join_rows",
    "not_returned",
    "receiver_json",
    "rejected",
    "unknown",
    "without_orders",
]

MAX_ROWS: Final = 1000
CANARY_ROWS: Final = 100
"""Most rows of the first batch, which goes alone."""


class EncodedRow(msgspec.Struct, gc=False):
    """A row ready to be sent.

    A msgspec struct rather than an attrs class because it can be kept out of the garbage
    collector's sight: thousands are alive at a time.

    Attributes:
        key: What identifies the receiver: the address in lower case.
        body: The row as JSON.
        number: One-based number of the row in the source.
        line: Line of the file, where the source is a file.
        repeatable: Whether sending it twice stores the same as sending it once.
    """

    key: str
    body: bytes
    number: int
    line: int | None
    repeatable: bool


Batch = list[EncodedRow]


def email_key(email: str) -> str:
    """Return what two spellings of one address share."""
    return email.strip().lower()


class Outcome(enum.Enum):
    """What became of a row."""

    ACCEPTED = "accepted"
    """The server shows that it stored the row."""
    REJECTED = "rejected"
    """The row was refused, here or by the server."""
    UNKNOWN = "unknown"
    """It may or may not have been stored, and sending it again could store something twice."""
    PENDING = "pending"
    """The import stopped before the row was sent."""
    SUPERSEDED = "superseded"
    """A later row of the same address, close behind, took its place before it was sent."""


@attrs.define
class RowResult:
    """The outcome of one row.

    Attributes:
        row: One-based number of the row in the source.
        line: Line of the file, where the source is a file.
        outcome: What became of it.
        code: Stable word for the reason, such as ``invalid_email``; empty when accepted.
        message: The reason in words; from the server where it gave one.
        receiver: The receiver as JSON, when there is one.
        record: The record as it was read, as JSON, when it did not make a receiver.
    """

    row: int
    line: int | None
    outcome: Outcome
    code: str = ""
    message: str = ""
    receiver: bytes = attrs.field(default=b"", repr=False)
    record: bytes = attrs.field(default=b"", repr=False)


def join_rows(rows: Sequence[EncodedRow]) -> bytes:
    """Return the body of a batch: a bare JSON array."""
    bodies = [row.body for row in rows]
    bodies[:1] = [b"[" + body for body in bodies[:1]] or [b"["]
    bodies[-1] += b"]"  # so that the whole is copied once only
    return b",".join(bodies)


def receiver_json(row: EncodedRow) -> bytes:
    """Return the row as a receiver, also where it travels as an address only."""
    return row.body if row.body.startswith(b"{") else b'{"email":' + row.body + b"}"


def without_orders(row: EncodedRow) -> EncodedRow:
    """Return the row without what must not be sent twice."""
    if row.repeatable:
        return row
    fields = msgspec.json.decode(row.body)
    fields.pop("orders", None)
    return EncodedRow(row.key, encode_json(fields), row.number, row.line, repeatable=True)


def rejected(row: EncodedRow, code: str, words: str) -> RowResult:
    """Return a rejection in the server's words, addresses masked."""
    return _result(row, Outcome.REJECTED, code, mask_emails(words))


def unknown(row: EncodedRow, message: str, *, code: str = "unknown_outcome") -> RowResult:
    """Return the outcome of a row that may be stored or not."""
    return _result(row, Outcome.UNKNOWN, code, message)


def blamed(row: EncodedRow, error: CleverReachError, *, alone: bool) -> RowResult:
    """Return the outcome of a row that fails whatever it travels with."""
    words: str = getattr(error, "message", str(error))
    if isinstance(error, InternalServerError):
        doubt = f"the server fails on it again and again: {mask_emails(words)}"
        return unknown(row, doubt, code="server_error")
    return rejected(row, "refused" if alone else "refused_with_batch", words)


def not_returned(row: EncodedRow) -> RowResult:
    """Return the rejection of a row that no answer shows."""
    message = "the server's answers do not show this receiver"
    return _result(row, Outcome.REJECTED, "not_returned", message)


def _result(row: EncodedRow, outcome: Outcome, code: str, message: str) -> RowResult:
    return RowResult(row.number, row.line, outcome, code, message, receiver=receiver_json(row))
