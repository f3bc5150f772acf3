"""Receivers from rows with the fields of ``ReceiverInput``: nested values converted, or refused."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final, cast
from uuid import UUID

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.resources.times import seconds_on_wire
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.sources.consent import read_word
from cleverreach_async.sources.converters import is_missing, missing_email, tags
from cleverreach_async.sources.numbers import decimal_text, has_usual_size
from cleverreach_async.sources.rows import BadValueError

__all__ = ["ToSeconds", "are_simple", "is_plain", "read_fields", "unix_time"]

ToSeconds = Callable[[Any, str], int | Unset]
"""From a value and the name of its field to Unix seconds; raises :class:`BadValueError`."""

_SIMPLE: Final = frozenset({str, int, float, type(None)})
_TEXT: Final = frozenset({str})
_RECEIVER: Final = attrs.fields_dict(ReceiverInput)
_ORDER: Final = attrs.fields_dict(OrderInput)
_ORDER_TEXTS: Final = frozenset(
    {"order_id", "product", "product_id", "currency", "source", "brand", "product_category"}
    | {"attributes"}
)
_AS_TAGS: Final = (str, Sequence, AbstractSet)


def is_plain(receiver: ReceiverInput) -> bool:
    """Whether attributes, tags and orders of a receiver need no conversion; times are ignored."""
    of_group, of_account = receiver.attributes, receiver.global_attributes
    return (
        (of_account is UNSET or _has_plain_values(of_account))
        and (of_group is UNSET or _has_plain_values(of_group))
        and (receiver.tags is UNSET or _are_texts(receiver.tags))
        and (not receiver.orders or all(type(order) is OrderInput for order in receiver.orders))
    )


def _has_plain_values(values: object) -> bool:
    return type(values) is dict and are_simple(cast("dict[str, Any]", values).values())


def are_simple(values: Iterable[Any]) -> bool:
    """Whether values of attributes can be sent as they are."""
    found = list(values)
    kinds = {*map(type, found)}
    return kinds <= _SIMPLE and (
        float not in kinds or all(map(math.isfinite, (it for it in found if type(it) is float)))
    )


def _are_texts(labels: object) -> bool:
    return isinstance(labels, list | tuple) and _TEXT.issuperset(
        map(type, cast("Sequence[object]", labels))
    )


def unix_time(value: Any, name: str) -> int | Unset:
    """Return a time of a row in Unix seconds; one without time zone is refused.

    Raises:
        BadValueError: It is no time that can be sent.
    """
    try:
        return seconds_on_wire(value, name)
    except ConfigurationError as error:
        raise BadValueError("invalid_date", str(error)) from None


def read_fields(
    fields: Mapping[str, Any], to_seconds: ToSeconds = unix_time, *, null_unsets: bool = True
) -> ReceiverInput:
    """Return the receiver with these fields.

    Args:
        fields: Values by the names of the fields of ``ReceiverInput``.
        to_seconds: Reads times.
        null_unsets: Whether an attribute that is ``None`` is unset; otherwise it is not sent.

    Raises:
        BadValueError: A field is unknown, or its value cannot be converted; the message names it.
    """
    _refuse_unknown(fields, _RECEIVER, "")
    fields = {name: None if is_missing(value) else value for name, value in fields.items()}
    email = fields.get("email")
    if email is None or email == "":
        raise BadValueError("missing_email", "key 'email': the e-mail address is missing")
    if not isinstance(email, str):
        raise _unusable("email", email, "text")
    if not email.strip():
        raise missing_email()
    return ReceiverInput(
        email,
        _time(fields, "registered", to_seconds),
        _activated(fields, to_seconds),
        _deactivated(fields, to_seconds),
        _text(fields, "source"),
        _attributes(fields, "attributes", null_unsets=null_unsets),
        _attributes(fields, "global_attributes", null_unsets=null_unsets),
        _tags(fields),
        _orders(fields, to_seconds),
    )


def _refuse_unknown(fields: Mapping[str, Any], known: Mapping[str, Any], of: str) -> None:
    unknown = next((name for name in fields if name not in known), None)
    if unknown is not None:
        raise BadValueError(
            "unknown_field", f"unknown key {unknown!r}{of}; known are {', '.join(known)}"
        )


def _time(fields: Mapping[str, Any], name: str, to_seconds: ToSeconds) -> int | Unset:
    value = fields.get(name, UNSET)
    return UNSET if value is UNSET or value is None else to_seconds(value, name)


def _activated(fields: Mapping[str, Any], to_seconds: ToSeconds) -> int | bool | Unset | None:
    """Read when somebody confirmed; an empty value says that they have not."""
    value = fields.get("activated", UNSET)
    if value is UNSET or value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = read_word(value, "subscribed")
        if word is not None:
            return word == "" or None
        return to_seconds(value, "activated") or None
    return to_seconds(value, "activated")


def _deactivated(fields: Mapping[str, Any], to_seconds: ToSeconds) -> int | bool | Unset:
    """Read when, or whether, somebody unsubscribed."""
    value = fields.get("deactivated", UNSET)
    if value is UNSET or value is None or value == "":
        return UNSET
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = read_word(value, "unsubscribed")
        if word is not None:
            return bool(word)
    return True if value == 1 else to_seconds(value, "deactivated")


def _text(fields: Mapping[str, Any], name: str) -> str | Unset:
    value = fields.get(name, UNSET)
    if value is UNSET or value is None:
        return UNSET
    if isinstance(value, str):
        return value
    raise _unusable(name, value, "text")


def _attributes(
    fields: Mapping[str, Any], field: str, *, null_unsets: bool
) -> dict[str, AttributeValue] | Unset:
    values = fields.get(field, UNSET)
    if values is UNSET or values is None:
        return UNSET
    if not isinstance(values, Mapping):
        raise _unusable(field, values, "an object with a value for each attribute")
    found: dict[str, AttributeValue] = {}
    for name, value in cast("Mapping[object, Any]", values).items():
        if not isinstance(name, str):
            raise _unusable(f"a name in {field}", name, "text")
        # Data frames store NaN where there is no value.
        if not is_missing(value) or (value is None and null_unsets):
            found[name] = _attribute(f"{field}.{name}", value)
    return found or UNSET


def _attribute(key: str, value: Any) -> AttributeValue:
    if isinstance(value, Enum):
        value = cast("object", value.value)
    if isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float | Decimal):
        if math.isfinite(value):
            return value if isinstance(value, float) else decimal_text(value)
        raise BadValueError("invalid_value", f"key {key!r}: the number is infinite")
    if isinstance(value, date):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise _unusable(key, value, "text, a number, a truth value, a day or null")


def _tags(fields: Mapping[str, Any]) -> Sequence[str] | Unset:
    value = fields.get("tags", UNSET)
    if value is UNSET or value is None:
        return UNSET
    if isinstance(value, bytes) or not isinstance(value, _AS_TAGS):
        raise _unusable("tags", value, "a list of text")
    try:
        return tags(value if isinstance(value, str | AbstractSet) else [*value])
    except BadValueError as error:
        raise BadValueError(error.code, f"key 'tags': {error}") from None


def _orders(fields: Mapping[str, Any], to_seconds: ToSeconds) -> list[OrderInput] | Unset:
    value = fields.get("orders", UNSET)
    if value is UNSET or value is None:
        return UNSET
    if not isinstance(value, list | tuple):
        raise _unusable("orders", value, "a list of orders")
    return [_order(order, to_seconds) for order in cast("Sequence[object]", value)] or UNSET


def _order(order: object, to_seconds: ToSeconds) -> OrderInput:
    if isinstance(order, OrderInput):
        return order
    if not isinstance(order, Mapping):
        raise _unusable("orders", order, "orders: objects with the fields of OrderInput")
    fields = cast("Mapping[str, Any]", order)
    _refuse_unknown(fields, _ORDER, " of an order")
    made: dict[str, Any] = {}
    for name, value in fields.items():
        if value is not UNSET and value is not None:
            made[name] = _order_value(name, value, to_seconds)
    for name in ("order_id", "product"):
        if name not in made:
            raise BadValueError("invalid_value", f"key {name!r} of an order is missing")
    return OrderInput(**made)


def _order_value(name: str, value: Any, to_seconds: ToSeconds) -> Any:
    if name == "stamp":
        return to_seconds(value, "stamp")
    if name in _ORDER_TEXTS or name == "mailing_id":
        if isinstance(value, str):
            return value
        if type(value) is int:
            return str(value) if name in _ORDER_TEXTS else value
        raise _unusable(f"{name} of an order", value, "text or a whole number")
    number = _number(value)
    if number is None:
        raise _unusable(f"{name} of an order", value, "a number, such as 49.90")
    if name == "price":
        return value if type(value) in {int, float} else number
    if number != number.to_integral_value():
        raise BadValueError("invalid_value", f"key {name!r} of an order is no whole number")
    return int(number)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and has_usual_size(number) else None


def _unusable(name: str, value: object, accepted: str) -> BadValueError:
    kind = "text" if isinstance(value, str) else type(value).__name__
    return BadValueError("invalid_value", f"key {name!r} is of type {kind}; it takes {accepted}")
