"""Rows to bytes, a slice at a time, as they arrive.

After this step only bytes and keys are kept. Encoding early costs less than encoding whole batches
late: few row objects are alive at a time, so the garbage collector has little to look at, and no
step holds the event loop for long.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

import attrs
import msgspec

from cleverreach_async.bulk.rows import BadRow, Outcome, RowResult, SourceRow
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.receiver_models import ReceiverInput, receiver_on_wire
from cleverreach_async.transport.wire import encode_json

__all__ = ["EncodedRow", "Item", "email_key", "encode_rows", "join_rows", "without_orders"]

Item = ReceiverInput | SourceRow | BadRow | Mapping[str, Any]

# Only what the server is sure to refuse is refused here: it is the judge of addresses.
_EMAIL: Final = re.compile(
    r"[^\s@\"(),:;<>\[\]\\]+@(?:[^\s@.,:;<>()\[\]\\\"]+\.)+[^\s@.,:;<>()\[\]\\\"]{2,}"
)
_looks_like_email: Final = _EMAIL.fullmatch


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


def encode_rows(items: Sequence[Item], *, first: int) -> tuple[list[EncodedRow], list[RowResult]]:
    """Encode a slice of rows.

    Args:
        items: What the source yielded.
        first: Number of the first of them.

    Returns:
        The rows that can be sent, and a rejection for each of the others.
    """
    rows: list[EncodedRow] = []
    rejected: list[RowResult] = []
    for number, item in enumerate(items, first):
        row = _encode(item, number)
        if type(row) is EncodedRow:
            rows.append(row)
        else:
            rejected.append(cast("RowResult", row))
    return rows, rejected


def _encode(item: Item, number: int) -> EncodedRow | RowResult:
    receiver, line = (item.receiver, item.line) if type(item) is SourceRow else (item, None)
    if type(receiver) is ReceiverInput:
        return _encode_receiver(receiver, number, line)
    if isinstance(receiver, BadRow):
        return _rejection(
            receiver.code, receiver.message, number, receiver.line, record=receiver.record
        )
    if isinstance(receiver, Mapping):
        try:
            made = ReceiverInput(**receiver)
        except TypeError:
            message = f"no receiver: fields are {', '.join(attrs.fields_dict(ReceiverInput))}"
            return _rejection("unknown_field", message, number, line, record=receiver)
        return _encode_receiver(made, number, line)
    message = f"no receiver: a row is a ReceiverInput or a mapping, not {type(receiver).__name__}"
    return _rejection("invalid_value", message, number, line)


def _encode_receiver(
    receiver: ReceiverInput, number: int, line: int | None
) -> EncodedRow | RowResult:
    email: Any = receiver.email
    if type(email) is not str or not _looks_like_email(email):
        return _encode_odd_address(receiver, number, line)
    try:
        if (
            receiver.orders
            or type(receiver.registered) is datetime
            or type(receiver.activated) is datetime
            or type(receiver.deactivated) is datetime
        ):
            receiver = receiver_on_wire(receiver)
        body = encode_json(receiver)
    except (ConfigurationError, TypeError, ValueError, AttributeError) as error:
        return _rejection("invalid_value", str(error), number, line)
    return EncodedRow(email.lower(), body, number, line, not receiver.orders)


def _encode_odd_address(
    receiver: ReceiverInput, number: int, line: int | None
) -> EncodedRow | RowResult:
    """Mend blanks around the address; refuse anything else."""
    email: Any = receiver.email
    address = email.strip() if isinstance(email, str) else ""
    if address != email and _looks_like_email(address):
        return _encode_receiver(attrs.evolve(receiver, email=address), number, line)
    code, message = (
        ("invalid_email", "not an e-mail address: expected something like name@example.org")
        if address
        else ("missing_email", "the row has no e-mail address")
    )
    try:
        body = encode_json(receiver_on_wire(receiver))
    except (ConfigurationError, TypeError, ValueError, AttributeError):
        body = b""
    return RowResult(number, line, Outcome.REJECTED, code, message, receiver=body)


def _rejection(
    code: str,
    message: str,
    number: int,
    line: int | None,
    *,
    record: Mapping[str, Any] | None = None,
) -> RowResult:
    try:
        raw = encode_json(record) if record is not None else b""
    except (TypeError, ValueError):
        raw = b""
    return RowResult(number, line, Outcome.REJECTED, code, message, record=raw)


def join_rows(rows: Sequence[EncodedRow]) -> bytes:
    """Return the body of a batch: a bare JSON array."""
    return b"[" + b",".join([row.body for row in rows]) + b"]"


def without_orders(row: EncodedRow) -> EncodedRow:
    """Return the row without what must not be sent twice."""
    if row.repeatable:
        return row
    fields = msgspec.json.decode(row.body)
    fields.pop("orders", None)
    return EncodedRow(row.key, encode_json(fields), row.number, row.line, repeatable=True)
