"""Rows of a JSON Lines file: one receiver per line, in the shape the API takes."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from decimal import Decimal
from typing import Annotated, Any, Final, TextIO, cast

import msgspec

from cleverreach_async.errors import SourceError
from cleverreach_async.resources.base import UNSET, Unset
from cleverreach_async.resources.orders import OrderInput
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.sources.dates import TIMES_ACCEPTED, show_date
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["JsonLinesSource"]

_REJECTED: Final = "receiver"
"""The key under which a line of a rejects file holds what was refused."""

Time = Annotated[int, msgspec.Meta(ge=0)] | str
TimeParser = Callable[[str], int | Unset]


class OrderRow(msgspec.Struct, forbid_unknown_fields=True):
    """An order line as a file holds it; the fields are those of ``OrderInput``."""

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
    """A receiver as a file holds it; the fields are those of ``ReceiverInput``."""

    email: str = ""
    registered: Time | Unset = UNSET
    activated: Time | Unset = UNSET
    deactivated: Time | Unset = UNSET
    source: str | Unset = UNSET
    attributes: dict[str, AttributeValue] | Unset = UNSET
    global_attributes: dict[str, AttributeValue] | Unset = UNSET
    tags: list[str] | Unset = UNSET
    orders: list[OrderRow] | Unset = UNSET


class _BadValueError(ValueError):
    """A line that is no receiver.

    Attributes:
        code: Stable word for the kind of problem.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class JsonLinesSource(FileSource):
    """Rows of a JSON Lines file; :func:`~cleverreach_async.read_json_lines` makes one."""

    kind = "json lines"

    def __init__(self, text: TextFile, parse_time: TimeParser, zone: tzinfo) -> None:
        super().__init__(text, zone)
        self._parse_time = parse_time
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
            except (msgspec.DecodeError, RecursionError, _BadValueError):
                receiver = None
            if receiver is not None:
                yield SourceRow(receiver, line)
            elif text.strip():
                yield _second_look(text, line, parse_time)


def _receiver(row: ReceiverRow, parse_time: TimeParser) -> ReceiverInput:
    email = row.email.strip()
    if not email:
        raise _BadValueError("missing_email", "the key 'email' is missing or empty")
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
    return OrderInput(
        row.order_id,
        row.product,
        row.product_id,
        row.price,
        row.currency,
        row.quantity,
        row.mailing_id,
        row.source,
        row.brand,
        row.product_category,
        row.attributes,
        _time("stamp", row.stamp, parse_time),
    )


def _time(key: str, value: int | str | Unset, parse_time: TimeParser) -> int | Unset:
    if not isinstance(value, str):
        return value
    try:
        return parse_time(value)
    except ValueError as error:
        message = f"{key!r}: {show_date(value)}: {error}; it takes {TIMES_ACCEPTED}"
        raise _BadValueError("invalid_date", message) from None


def _second_look(text: str, line: int, parse_time: TimeParser) -> SourceRow | BadRow:
    """Read a line that is no plain receiver: one of a rejects file, or a bad one."""
    record: Mapping[str, Any] = {"text": text.strip()}
    try:
        value = _loads(text)
        if isinstance(value, dict):
            record = cast("dict[str, Any]", value)
        inner = record.get(_REJECTED, value)
        return SourceRow(_receiver(_structured(inner), parse_time), line)
    except _BadValueError as error:
        return BadRow(line, error.code, str(error), record)


def _loads(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _BadValueError("invalid_json", _json_problem(text, error)) from None


def _json_problem(text: str, error: Exception) -> str:
    """Say where a line stops being JSON; the fast decoder does not always tell."""
    try:
        json.loads(text.rstrip())
    except json.JSONDecodeError as failure:
        return f"not JSON at column {failure.colno}: {failure.msg}"
    except RecursionError:
        return "the objects are nested too deeply"
    return f"not JSON: {error}"


def _structured(value: Any) -> ReceiverRow:
    if not isinstance(value, dict):
        raise _BadValueError("invalid_value", "a line takes one JSON object, a receiver")
    fields = cast("dict[str, Any]", value)
    _refuse_unknown(fields, ReceiverRow, "")
    orders = fields.get("orders")
    if isinstance(orders, list):
        for order in cast("list[object]", orders):
            if isinstance(order, dict):
                _refuse_unknown(cast("dict[str, Any]", order), OrderRow, " of an order")
    try:
        return msgspec.convert(fields, ReceiverRow)
    except msgspec.ValidationError as error:
        raise _BadValueError("invalid_value", str(error)) from None


def _refuse_unknown(fields: Mapping[str, Any], kind: type[msgspec.Struct], of: str) -> None:
    known = kind.__struct_fields__
    unknown = next((name for name in fields if name not in known), None)
    if unknown is not None:
        raise _BadValueError(
            "unknown_field", f"unknown key {unknown!r}{of}; known are {', '.join(known)}"
        )
