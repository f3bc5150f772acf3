"""What a source yields, and what becomes of it."""

import enum
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from cleverreach_async.resources.receiver_models import ReceiverInput

__all__ = ["BadRow", "EncodedRow", "Outcome", "RowResult", "SourceRow", "email_key"]


@attrs.define
class SourceRow:
    """A row read from a source.

    Attributes:
        receiver: The receiver to write.
        line: One-based line of the file on which the row begins; ``None`` where no file is read.
    """

    receiver: ReceiverInput
    line: int | None


@attrs.define
class BadRow:
    """A row that could not be turned into a receiver. It is rejected; the others go on.

    Attributes:
        line: One-based line of the file on which the row begins; ``None`` where no file is read.
        code: Stable word for the kind of problem, such as ``invalid_date``.
        message: What is wrong and in which column, without personal data.
        record: The row as it was read, by column.
    """

    line: int | None
    code: str
    message: str
    record: Mapping[str, Any] = attrs.field(repr=False)


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
