"""Values as databases, data frames and Python hold them, for the targets of a mapping."""

import enum
import math
from collections.abc import Callable
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from functools import partial
from numbers import Integral
from typing import Any, Final, cast
from uuid import UUID

from cleverreach_async.resources.base import UNSET, Unset
from cleverreach_async.sources.columns import TIME_TARGETS, AttributeType
from cleverreach_async.sources.dates import (
    DATES_ACCEPTED,
    TIMES_ACCEPTED,
    date_attribute,
    gender,
    show_date,
    tags,
    time_parser,
    unix_seconds,
)

__all__ = ["Convert", "UnusableValueError", "address", "converter"]

Convert = Callable[[Any], Any]
"""From a value to what is sent, or ``UNSET`` for nothing; raises :class:`UnusableValueError`."""

_WHOLE_FLOATS: Final = 2.0**53
"""Up to here a float holds every whole number."""

_TEXT_ACCEPTED: Final = "it takes text, a number, a truth value, a date or a UUID"


class UnusableValueError(ValueError):
    """A value that its target cannot take. The message does not show it.

    Attributes:
        code: Stable word for the kind of problem.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def converter(target: str, kind: AttributeType, zone: tzinfo) -> Convert:
    """Return the function that makes values fit a target.

    Args:
        target: The target, as a mapping names it.
        kind: Type of the attribute, where the target is one.
        zone: Where the clocks of naive times stood.
    """
    if target == "email":
        return address
    if target == "tags":
        return _labels
    if target in TIME_TARGETS:
        return partial(_moment, time_parser(zone), zone)
    converters: dict[AttributeType, Convert] = {
        "date": partial(_day, zone),
        "gender": _gender,
        "number": _number,
        "text": _text,
    }
    return converters[kind]


def address(value: Any) -> str | Unset:
    """Return an address without the blanks around it."""
    if isinstance(value, str):
        return value.strip() or UNSET
    if _is_missing(value):
        return UNSET
    raise _unusable(value, "it takes text")


def _text(value: Any) -> str | Unset:
    if type(value) is str:
        return value.strip() or UNSET
    if value is None:
        return UNSET
    if type(value) in {int, bool}:
        return str(int(value))
    return _odd_text(value)


def _odd_text(value: Any) -> str | Unset:
    """Write what is neither plain text nor a plain number."""
    if _is_missing(value):
        return UNSET
    if isinstance(value, enum.Enum):
        return _text(cast("object", value.value))
    if isinstance(value, str):
        return str(value).strip() or UNSET
    if isinstance(value, float | Decimal):
        return _digits(value)
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Integral | UUID):
        return str(value)
    raise _unusable(value, _TEXT_ACCEPTED)


def _digits(value: float | Decimal) -> str:
    if not math.isfinite(value):
        raise UnusableValueError("invalid_value", "the number is infinite")
    if isinstance(value, Decimal):
        return format(value, "f")
    number = float(value)
    # Tables keep whole numbers as floats as soon as one of them is missing.
    whole = number.is_integer() and abs(number) < _WHOLE_FLOATS
    return str(int(number)) if whole else repr(number)


def _number(value: Any) -> str | int | float | Unset:
    """Leave numbers as they are; decimals are written out, as a float would round them."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return _text(value)


def _gender(value: Any) -> str | Unset:
    text = _text(value)
    return (gender(text) or UNSET) if text else UNSET


def _moment(parse: Callable[[str], int | Unset], zone: tzinfo, value: Any) -> int | Unset:
    if value is None:
        return UNSET
    try:
        if isinstance(value, str):
            return parse(value)
        if _is_missing(value):
            return UNSET
        if isinstance(value, datetime):
            return unix_seconds(value, zone)
        if isinstance(value, date):
            return unix_seconds(datetime.combine(value, time()), zone)
        if type(value) is not bool and isinstance(value, Integral | float | Decimal):
            # By way of the text, so that 20251231 is refused here too.
            return parse(str(int(value)))
    except (ValueError, OverflowError) as error:
        shown = show_date(value) if isinstance(value, str) else f"the {type(value).__name__}"
        reason = str(error) if isinstance(error, ValueError) else "not a date"
        message = f"{shown}: {reason}; it takes {TIMES_ACCEPTED}"
        raise UnusableValueError("invalid_date", message) from None
    raise _unusable(value, "it takes a time, a date, unix seconds or text", "invalid_date")


def _day(zone: tzinfo, value: Any) -> str | Unset:
    if isinstance(value, str):
        try:
            return date_attribute(value) or UNSET
        except ValueError as error:
            message = f"{show_date(value)}: {error}; it takes {DATES_ACCEPTED}"
            raise UnusableValueError("invalid_date", message) from None
    if _is_missing(value):
        return UNSET
    if isinstance(value, datetime):
        return _local(value, zone).date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise _unusable(value, "it takes a date or text", "invalid_date")


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """Return a moment on the zone's clocks: a birthday is kept as midnight where it was typed."""
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def _labels(value: Any) -> list[str] | Unset:
    if isinstance(value, str):
        return tags(value)
    if _is_missing(value):
        return UNSET
    if not isinstance(value, list | tuple | set | frozenset):
        raise _unusable(value, "it takes a list of text, or text with commas")
    labels = list(cast("list[object]", value))
    if not all(isinstance(label, str) for label in labels):
        raise UnusableValueError("invalid_value", "the list holds something else than text")
    found = [text for label in labels if (text := str(label).strip())]
    # A set has no order; the same row shall always make the same request.
    return (sorted(found) if isinstance(value, set | frozenset) else found) or UNSET


def _is_missing(value: Any) -> bool:
    """Tell whether there is no value: ``None``, and the NaN and NaT of data frames."""
    if value is None or value is UNSET:
        return True
    return isinstance(value, float | Decimal | datetime) and value != value  # noqa: PLR0124


def _unusable(value: Any, accepted: str, code: str = "invalid_value") -> UnusableValueError:
    return UnusableValueError(code, f"a value of type {type(value).__name__}; {accepted}")
