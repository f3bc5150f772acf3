"""Times that are written: checked, and in Unix seconds."""

import re
from datetime import datetime
from typing import Any, Final

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.wire import to_unix

__all__ = [
    "EARLIEST",
    "FIRST_SECOND",
    "LATEST",
    "beginning_on_wire",
    "bound_on_wire",
    "is_never",
    "seconds_on_wire",
]

EARLIEST: Final = 100_000_000
"""Unix seconds of March 1973. Smaller numbers are rather a day of a spreadsheet, or 20251231."""

FIRST_SECOND: Final = 86_400
"""Before this a time stands for never: many shops store the first midnight of 1970."""

LATEST: Final = 4_102_444_800
"""Unix seconds of the year 2100. Larger numbers are rather milliseconds, or stand for "never"."""

_NEVER: Final = re.compile(
    r"(?:0+(?:[.,]0*)?)?|0{1,2}([./-])0{1,2}\1(?:0000|00)(?:[ T]0?0:00(?::00(?:\.0+)?)?)?"
    r"|0000-?00-?00(?:[ T]?00:?00(?::?00(?:\.0+)?)?Z?)?",
    re.ASCII,
)


def is_never(text: str) -> bool:
    """Whether a text stands for no time: empty, ``0``, ``0000-00-00 00:00:00``, ``00.00.0000``."""
    return _NEVER.fullmatch(text.strip()) is not None


def seconds_on_wire(value: Any, name: str) -> int:
    """Return a time in Unix seconds; 0 stands for never.

    Args:
        value: An aware ``datetime``, Unix seconds, or a text with either.
        name: The field, for the error.

    Raises:
        ConfigurationError: It is no time, has no time zone, or is not between 1970 and 2100.
    """
    if type(value) is int and (value == 0 or EARLIEST <= value <= LATEST):
        return value
    if isinstance(value, str):
        return _of_text(value, name)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ConfigurationError(
                f"{name} is {value!r}, which has no time zone; pass an aware datetime, such as"
                " datetime.now(UTC)"
            )
        seconds = int(to_unix(value))
        if abs(seconds) < FIRST_SECOND:
            return 0
        if 0 <= seconds <= LATEST:
            return seconds
        raise ConfigurationError(
            f"{name} is in the year {value.year}; it takes a time from 1970 to 2099"
        )
    if isinstance(value, float) and value.is_integer():
        return seconds_on_wire(int(value), name)
    raise _no_time(_shown(value), name)


def bound_on_wire(value: Any, name: str) -> int | None:
    """Return a time that others are compared with, in Unix seconds; ``None`` stays.

    Args:
        value: An aware ``datetime``, or Unix seconds.
        name: The argument, for the error.

    Raises:
        ConfigurationError: It is no time, or has no time zone.
    """
    if value is None or (type(value) is int and 0 <= value <= LATEST):
        return value
    if isinstance(value, datetime):
        return int(to_unix(value))
    raise _no_time(_shown(value), name)


def beginning_on_wire(value: Any, name: str) -> int:
    """Return a time at which something begins, in Unix seconds; see :func:`bound_on_wire`.

    Raises:
        ConfigurationError: It is no time, has no time zone, or stands for none.
    """
    seconds = bound_on_wire(value, name)
    if seconds is None or seconds <= 0:
        raise _no_time(_shown(value), name)
    return seconds


def _shown(value: Any) -> str:
    return f"{value!r}" if type(value) in {int, float} else kind_of(value)


def _of_text(text: str, name: str) -> int:
    if is_never(text):
        return 0
    stripped = text.strip()
    if stripped.isascii() and stripped.isdecimal():
        return seconds_on_wire(int(stripped), name)
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise _no_time("a text that is no time", name) from None
    return seconds_on_wire(moment, name)


def _no_time(shown: str, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is {shown}; it takes an aware datetime, or Unix seconds such as 1767225600"
    )
