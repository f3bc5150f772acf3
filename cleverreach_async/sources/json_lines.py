"""Rows of a JSON Lines file: one receiver per line, with the fields of ``ReceiverInput``."""

import json
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from decimal import Decimal
from functools import partial
from typing import Any, Final, TextIO, cast

import msgspec

from cleverreach_async.errors import SourceError
from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.sources.addresses import address_remarks, strip_address
from cleverreach_async.sources.converters import missing_email
from cleverreach_async.sources.dates import TimeParser, time_parser
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.numbers import decimal_text
from cleverreach_async.sources.receiver_fields import read_fields, unix_time
from cleverreach_async.sources.rows import BadRow, BadValueError, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["JsonLinesSource", "read_object", "read_receiver"]

_REJECTED: Final = "receiver"
"""Key of the receiver in a line of a rejects file."""

Time = int | str


class OrderRow(msgspec.Struct, forbid_unknown_fields=True):
    """An order line of a file, with the fields of ``OrderInput`` in their order."""

    order_id: str
    product: str
    product_id: str | Unset = UNSET
    price: Decimal | float | Unset = UNSET
    currency: str | Unset = UNSET
    quantity: int | Unset = UNSET
    mailing_id: int | str | Unset = UNSET
    source: str | Unset = UNSET
    brand: str | Unset = UNSET
    product_category: str | Unset = UNSET
    attributes: str | Unset = UNSET
    stamp: Time | Unset = UNSET


class ReceiverRow(msgspec.Struct, forbid_unknown_fields=True):
    """A receiver of a file, with the fields of ``ReceiverInput`` in their order."""

    email: str = ""
    registered: Time | Unset = UNSET
    activated: Time | Unset | None = UNSET
    deactivated: Time | Unset = UNSET
    source: str | Unset = UNSET
    attributes: dict[str, AttributeValue] | Unset = UNSET
    global_attributes: dict[str, AttributeValue] | Unset = UNSET
    tags: list[str] | Unset = UNSET
    orders: list[OrderRow] | Unset = UNSET


class JsonLinesSource(FileSource):
    """Rows of a JSON Lines file; :func:`~cleverreach_async.read_json_lines` returns one."""

    kind = "json lines"

    def __init__(self, text: TextFile, zone: tzinfo) -> None:
        super().__init__(text, zone)
        self._parse_time = time_parser(zone)
        with text.open() as file:
            start = file.read(1 << 12).lstrip()
        if start.startswith("["):
            raise SourceError(
                "a JSON list, not JSON Lines, which have one object per line; use read_json_list()",
                path=text.path,
            )

    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        decode = msgspec.json.Decoder(ReceiverRow).decode
        parse_time = self._parse_time
        for line, text in enumerate(lines.read(file), lines.line):
            lines.line = line + 1
            try:
                decoded = decode(text)
                row = SourceRow(_receiver(decoded, parse_time), line)
                if row.receiver.email is not decoded.email:
                    row.remarks = address_remarks(decoded.email, "key 'email'")
            except (msgspec.DecodeError, RecursionError, BadValueError):
                row = None
            if row is not None:
                yield row
            elif text.strip():
                yield read_object(text, line, parse_time)


def read_receiver(
    value: Any, parse_time: TimeParser, *, null_unsets: bool = False
) -> ReceiverInput:
    """Convert a decoded receiver, or a decoded line of a rejects file.

    Args:
        value: The decoded JSON.
        parse_time: Reads times.
        null_unsets: Whether ``null`` unsets an attribute, as in a rejects file; otherwise it is
            not sent.

    Raises:
        BadValueError: It is not a receiver.
    """
    fields = value
    if isinstance(value, dict) and _REJECTED in value:
        fields, null_unsets = cast("dict[str, Any]", value)[_REJECTED], True
    if not isinstance(fields, dict):
        raise BadValueError("invalid_value", "a line must hold one JSON object, a receiver")
    return read_fields(
        cast("dict[str, Any]", fields), partial(_seconds, parse_time), null_unsets=null_unsets
    )


def _seconds(parse_time: TimeParser, value: Any, key: str) -> int | Unset:
    """Read a time; one without offset is in the zone of the file."""
    if isinstance(value, Unset):
        return UNSET
    if not isinstance(value, str):
        return unix_time(value, key)
    try:
        return parse_time(value)
    except BadValueError as error:
        raise BadValueError(error.code, f"key {key!r}: {error}") from None


def _receiver(row: ReceiverRow, parse_time: TimeParser) -> ReceiverInput:
    """Convert the usual row; anything that it refuses is read by :func:`read_fields`.

    Raises:
        BadValueError: The row is unusual, or no receiver.
    """
    email = strip_address(row.email)
    if not email:
        raise missing_email()
    activated = row.activated
    if isinstance(activated, str):
        activated = _seconds(parse_time, activated, "activated") or None
    elif activated is not None:
        activated = _seconds(parse_time, activated, "activated")
    return ReceiverInput(
        email,
        _seconds(parse_time, row.registered, "registered"),
        activated,
        _seconds(parse_time, row.deactivated, "deactivated"),
        row.source,
        _without_nulls(row.attributes),
        _without_nulls(row.global_attributes),
        row.tags,
        [_order(order, parse_time) for order in row.orders] if row.orders else UNSET,
    )


def _order(row: OrderRow, parse_time: TimeParser) -> OrderInput:
    if isinstance(row.price, Decimal):
        decimal_text(row.price)  # refuses one with too many digits
    fields = [*msgspec.structs.astuple(row)]
    fields[-1] = _seconds(parse_time, row.stamp, "stamp")
    return OrderInput(*fields)


def _without_nulls(
    values: dict[str, AttributeValue] | Unset,
) -> dict[str, AttributeValue] | Unset:
    if values is UNSET or None not in values.values():
        return values
    return {name: value for name, value in values.items() if value is not None} or UNSET


def read_object(text: str, line: int, parse_time: TimeParser) -> SourceRow | BadRow:
    """Read an object that need not be a plain receiver: a line of a rejects file, or a bad row.

    Args:
        text: The object, in JSON.
        line: Line on which it begins.
        parse_time: Reads times.
    """
    record: Mapping[str, Any] = {"text": text.strip()}
    try:
        value = msgspec.json.decode(text)
        if isinstance(value, dict):
            record = cast("dict[str, Any]", value)
        return SourceRow(read_receiver(value, parse_time), line)
    except BadValueError as error:
        return BadRow(line, error.code, str(error), record)
    except (msgspec.DecodeError, RecursionError) as error:
        return BadRow(line, "invalid_json", _json_problem(text, error), record)


def _json_problem(text: str, error: Exception) -> str:
    """Say at which column a line stops being JSON; the fast decoder does not always know."""
    try:
        json.loads(text.rstrip())
    except json.JSONDecodeError as failure:
        return f"not JSON at column {failure.colno}: {failure.msg}"
    except RecursionError:
        return "the objects are nested too deeply"
    return f"not JSON: {error}"
