"""Rows of a JSON Lines file: one receiver per line, with the fields of ``ReceiverInput``."""

import json
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from decimal import Decimal
from typing import Annotated, Any, Final, TextIO, cast

import msgspec

from cleverreach_async.errors import SourceError
from cleverreach_async.resources.base import UNSET, Unset
from cleverreach_async.resources.orders import OrderInput
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.sources.converters import missing_email
from cleverreach_async.sources.dates import TimeParser, time_parser
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.rows import BadRow, BadValueError, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["JsonLinesSource", "read_receiver"]

_REJECTED: Final = "receiver"
"""Key of the receiver in a line of a rejects file."""

Time = Annotated[int, msgspec.Meta(ge=0)] | str


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
    activated: Time | Unset = UNSET
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
                "a JSON list; JSON Lines has one object per line and no brackets around them",
                path=text.path,
            )

    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        decode = msgspec.json.Decoder(ReceiverRow).decode
        parse_time = self._parse_time
        for line, text in enumerate(lines.read(file), lines.line):
            lines.line = line + 1
            try:
                receiver = _receiver(decode(text), parse_time)
            except (msgspec.DecodeError, RecursionError, BadValueError):
                receiver = None
            if receiver is not None:
                yield SourceRow(receiver, line)
            elif text.strip():
                yield _reject_or_bad_row(text, line, parse_time)


def read_receiver(value: Any, parse_time: TimeParser) -> ReceiverInput:
    """Convert a decoded receiver, or a decoded line of a rejects file.

    Raises:
        BadValueError: It is not a receiver.
    """
    if isinstance(value, dict):
        value = cast("dict[str, Any]", value).get(_REJECTED, value)
    if not isinstance(value, dict):
        raise BadValueError("invalid_value", "a line must hold one JSON object, a receiver")
    fields = cast("dict[str, Any]", value)
    _refuse_unknown(fields, ReceiverRow, "")
    orders = fields.get("orders")
    if isinstance(orders, list):
        for order in cast("list[object]", orders):
            if isinstance(order, dict):
                _refuse_unknown(cast("dict[str, Any]", order), OrderRow, " of an order")
    try:
        return _receiver(msgspec.convert(fields, ReceiverRow), parse_time)
    except msgspec.ValidationError as error:
        raise BadValueError("invalid_value", str(error)) from None


def _receiver(row: ReceiverRow, parse_time: TimeParser) -> ReceiverInput:
    email = row.email.strip()
    if not email:
        raise _with_key("email", missing_email())
    return ReceiverInput(
        email,
        _time("registered", row.registered, parse_time),
        _time("activated", row.activated, parse_time),
        _time("deactivated", row.deactivated, parse_time),
        row.source,
        row.attributes,
        row.global_attributes,
        row.tags,
        [_order(order, parse_time) for order in row.orders] if row.orders else UNSET,
    )


def _order(row: OrderRow, parse_time: TimeParser) -> OrderInput:
    fields = [*msgspec.structs.astuple(row)]
    fields[-1] = _time("stamp", row.stamp, parse_time)
    return OrderInput(*fields)


def _time(key: str, value: int | str | Unset, parse_time: TimeParser) -> int | Unset:
    if not isinstance(value, str):
        return value
    try:
        return parse_time(value)
    except BadValueError as error:
        raise _with_key(key, error) from None


def _with_key(key: str, error: BadValueError) -> BadValueError:
    return BadValueError(error.code, f"key {key!r}: {error}")


def _reject_or_bad_row(text: str, line: int, parse_time: TimeParser) -> SourceRow | BadRow:
    """Read a line that is not a plain receiver: a line of a rejects file, or a bad row."""
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


def _refuse_unknown(fields: Mapping[str, Any], kind: type[msgspec.Struct], of: str) -> None:
    known = kind.__struct_fields__
    unknown = next((name for name in fields if name not in known), None)
    if unknown is not None:
        raise BadValueError(
            "unknown_field", f"unknown key {unknown!r}{of}; known are {', '.join(known)}"
        )
