"""Conversion of values of any type for their target."""

import enum
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from functools import lru_cache, partial
from numbers import Integral
from typing import Any, Final, cast
from uuid import UUID

from cleverreach_async.resources.attributes import AttributeType
from cleverreach_async.resources.receiver_arguments import split_tags
from cleverreach_async.resources.times import FIRST_SECOND
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.sources.addresses import strip_address
from cleverreach_async.sources.columns import GROUP_PREFIX, ColumnMapping
from cleverreach_async.sources.consent import read_word
from cleverreach_async.sources.dates import (
    DayParser,
    TimeParser,
    bad_time,
    day_of,
    day_parser,
    seconds_of_number,
    time_parser,
    unix_seconds,
)
from cleverreach_async.sources.numbers import decimal_text, parse_number
from cleverreach_async.sources.rows import BadValueError

__all__ = [
    "Convert",
    "attribute_converters",
    "converters",
    "gender",
    "missing_email",
    "tags",
]

Convert = Callable[[Any], Any]
"""From a value to what is sent, or ``UNSET`` for nothing; raises :class:`BadValueError`."""

_WHOLE_FLOATS: Final = 2.0**53
"""Up to here a float holds every whole number."""

_TEXT_ACCEPTED: Final = "it takes text, a number, a truth value, a date or a UUID"
_GENDERS: Final = {
    **dict.fromkeys(("male", "m", "mann", "maennlich", "männlich", "man", "1"), "male"),
    **dict.fromkeys(("herr", "herrn", "hr", "hr.", "mr", "mr.", "mister", "m."), "male"),
    **dict.fromkeys(("monsieur", "homme", "masculin", "sir"), "male"),
    **dict.fromkeys(("female", "f", "w", "weiblich", "woman", "2"), "female"),
    **dict.fromkeys(("frau", "fr", "fr.", "mrs", "mrs.", "ms", "ms.", "miss"), "female"),
    **dict.fromkeys(("madame", "mme", "mme.", "mademoiselle", "femme", "féminin"), "female"),
    **dict.fromkeys(("0", "9", "-", "k.a.", "unbekannt", "unknown", "not specified"), ""),
}
"""Numbers as in ISO 5218: 0 and 9 stand for no value."""


def converters(mapping: ColumnMapping, zone: tzinfo, *, only_text: bool) -> dict[str, Convert]:
    """Return the converter of every receiver field and of every attribute of a mapping, by target.

    Args:
        mapping: Target of each column.
        zone: Time zone of naive times.
        only_text: Whether all values are strings. Then their type is not checked, and blank text
            is returned as ``""``.
    """
    parse_time = time_parser(zone)
    to_time: Convert = parse_time if only_text else partial(_moment, parse_time, zone)
    to_text: Convert = str.strip if only_text else plain_text
    of_attributes = attribute_converters(
        mapping.types, zone, only_text=only_text, relative=mapping.relative
    )
    return {
        "email": _address_in_text if only_text else _address,
        "registered": to_time,
        "activated": partial(_confirmed, to_time),
        "deactivated": partial(_unsubscribed, to_time),
        "source": to_text,
        "tags": _tags_in_text if only_text else tags,
        **{target: of_attributes.get(target, to_text) for target in mapping.types},
    }


def attribute_converters(
    types: Mapping[str, AttributeType],
    zone: tzinfo,
    *,
    only_text: bool = False,
    relative: bool = False,
) -> dict[str, Convert]:
    """Return the converter of every attribute that is not text, by target.

    Args:
        types: Type by target.
        zone: Time zone of times with an offset, of which the day is sent.
        only_text: Whether all values are strings.
        relative: Whether numbers may have a sign, so that the server adds them.
    """
    by_type: Mapping[AttributeType, Convert] = {
        "date": _day_converter(zone, only_text=only_text, is_past=False),
        "gender": gender,
        "number": partial(_number, allows_relative=relative),
    }
    birthday = _day_converter(zone, only_text=only_text, is_past=True)
    return {
        target: birthday if kind == "date" and _is_birthday(target) else by_type[kind]
        for target, kind in types.items()
        if kind != "text"
    }


def _is_birthday(target: str) -> bool:
    return target.removeprefix(GROUP_PREFIX) == "birthday"


def _address_in_text(text: str) -> str:
    address = text.strip() if text.isascii() else strip_address(text)
    if address:
        return address
    raise missing_email()


def _address(value: Any) -> str:
    """Return an e-mail address without blanks and invisible characters around it."""
    if isinstance(value, str):
        text = strip_address(value)
        if text:
            return text
    elif not is_missing(value):
        raise _unusable(value, "it takes text")
    raise missing_email()


def missing_email() -> BadValueError:
    """Return the error for a row without an e-mail address."""
    return BadValueError("missing_email", "the e-mail address is missing")


def plain_text(value: Any) -> str | Unset:
    """Return a value as the text of an attribute."""
    if type(value) is str:
        return value.strip() or UNSET
    if value is None:
        return UNSET
    if type(value) in {int, bool}:
        return str(int(value))
    return _other_text(value)


def _other_text(value: Any) -> str | Unset:
    """Return the text of anything but a plain string or a plain whole number."""
    if is_missing(value):
        return UNSET
    if isinstance(value, enum.Enum):
        return plain_text(cast("object", value.value))
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
        raise BadValueError("invalid_value", "the number is infinite")
    if isinstance(value, Decimal):
        return decimal_text(value)
    number = float(value)
    # A data frame stores whole numbers as floats as soon as one value of the column is missing.
    whole = number.is_integer() and abs(number) < _WHOLE_FLOATS
    return str(int(number)) if whole else repr(number)


def _number(value: Any, *, allows_relative: bool) -> str | int | float | Unset:
    """Return a number as it is, but a decimal as text, since a float would round it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        if value >= 0 or allows_relative:
            return int(value) if isinstance(value, int) else float(value)
        raise _relative()
    text = plain_text(value)
    if not text:
        return UNSET
    sign = text[0] if text[0] in "+-\u2212" else ""
    if sign and not allows_relative:
        raise _relative()
    number = parse_number(text[len(sign) :])
    return ("-" if sign == "\u2212" else sign) + number


def _relative() -> BadValueError:
    return BadValueError(
        "relative_number",
        "the server adds a number with a sign to the stored one; to do so, use --relative or"
        " relative=True, otherwise make the attribute one of text, or leave the column out",
    )


def gender(value: Any) -> str | Unset:
    """Return ``male`` or ``female``.

    Raises:
        BadValueError: The value is neither; the API has no other.
    """
    text = value.strip() if type(value) is str else plain_text(value)
    if not text:
        return UNSET
    found = _GENDERS.get(text.casefold())
    if found is None:
        raise BadValueError("no_gender", "neither male nor female, and the API has no other")
    return found or UNSET


def _confirmed(to_time: Convert, value: Any) -> int | bool | None:
    """Return when somebody confirmed: ``None`` for not yet, ``True`` for an unknown time."""
    if isinstance(value, bool):
        return value or None
    if isinstance(value, str) and not _begins_with_two_digits(value):
        word = read_word(value, "subscribed")
        if word is not None:
            return word == "" or None
    elif _is_number(value) and value == 1:
        return True
    seconds = to_time(value)
    return None if seconds is UNSET or seconds < FIRST_SECOND else int(seconds)


def _unsubscribed(to_time: Convert, value: Any) -> int | bool | Unset:
    """Return when somebody unsubscribed: 0 for never, ``True`` for an unknown time."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and not _begins_with_two_digits(value):
        word = read_word(value, "unsubscribed")
        if word is not None:
            return bool(word) if value.strip() else UNSET
    elif _is_number(value) and value == 1:
        return True
    seconds = to_time(value)
    return 0 if seconds is not UNSET and seconds < FIRST_SECOND else cast("int | Unset", seconds)


def _begins_with_two_digits(text: str) -> bool:
    """Whether a text is rather a time than a word, so that most cells are not looked up."""
    return text[:2].isdecimal() and len(text) > len("00")


def _is_number(value: Any) -> bool:
    return isinstance(value, Integral | float | Decimal)


def _moment(parse: TimeParser, zone: tzinfo, value: Any) -> int | Unset:
    if isinstance(value, str):
        return parse(value)
    if is_missing(value):
        return UNSET
    try:
        if isinstance(value, datetime):
            return unix_seconds(value, zone)
        if isinstance(value, date):
            return unix_seconds(datetime.combine(value, time()), zone)
        if type(value) is not bool and isinstance(value, Integral | float | Decimal):
            return seconds_of_number(value)
    except ValueError as error:
        raise bad_time(f"the {type(value).__name__}", error) from None
    raise _unusable(value, "it takes a time, a date, unix seconds or text", "invalid_date")


def _day_converter(zone: tzinfo, *, only_text: bool, is_past: bool) -> Convert:
    parse = day_parser(zone, is_past=is_past)
    latest = datetime.now(zone).date() if is_past else None
    return parse if only_text else partial(_day, parse, zone, latest)


def _day(parse: DayParser, zone: tzinfo, latest: date | None, value: Any) -> str | Unset:
    if isinstance(value, str):
        return parse(value)
    if is_missing(value):
        return UNSET
    if not isinstance(value, date):  # a datetime is a date
        raise _unusable(value, "it takes a date or text", "invalid_date")
    try:
        return day_of(value, zone, latest)
    except ValueError as error:
        raise BadValueError("invalid_date", f"the {type(value).__name__}: {error}") from None


def tags(value: Any) -> list[str] | Unset:
    """Return the tags of a list, or of text with commas, semicolons or bars between them.

    In text a tag may be in double quotes.
    """
    if isinstance(value, str):
        return split_tags(value) or UNSET
    if is_missing(value):
        return UNSET
    if not isinstance(value, list | tuple | set | frozenset):
        raise _unusable(value, "it takes a list of text, or text with commas")
    labels = list(cast("list[object]", value))
    if not all(isinstance(label, str) for label in labels):
        raise BadValueError("invalid_value", "the list does not hold text only")
    found = [text for label in labels if (text := str(label).strip())]
    # A set has no order, but the same row must always make the same request.
    return (sorted(found) if isinstance(value, set | frozenset) else found) or UNSET


def _tags_in_text(text: str) -> list[str] | Unset:
    return ([*_cached_tags(text)] or UNSET) if text else UNSET


@lru_cache(1024)
def _cached_tags(text: str) -> tuple[str, ...]:
    return tuple(split_tags(text))


def is_missing(value: Any) -> bool:
    """Whether there is no value: ``None``, or the NaN, NaT and NA of data frames."""
    if value is None or value is UNSET:
        return True
    if isinstance(value, float | Decimal | datetime):
        return value != value  # noqa: PLR0124
    return type(value).__name__ == "NAType"  # of pandas, which cannot be compared


def _unusable(value: Any, accepted: str, code: str = "invalid_value") -> BadValueError:
    return BadValueError(code, f"a value of type {type(value).__name__}; {accepted}")
