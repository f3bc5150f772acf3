"""Read single values of a response, and refuse those that would lose something.

The API is loose with types: numbers arrive as numbers and as text, times as seconds in either form.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cleverreach_async.transport.wire import as_list, as_object, is_numbered

__all__ = [
    "MILLISECONDS",
    "read_attributes",
    "read_flag",
    "read_float",
    "read_int",
    "read_number",
    "read_text",
    "read_time",
]

_WHOLE: Final = re.compile(r"([+-]?\d+)(?:\.0*)?", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# With three digits after the comma, it could separate thousands.
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d{1,2}", re.ASCII)

_EXACT: Final = 2**53
"""From here on a float skips whole numbers."""
MILLISECONDS: Final = 10**11
"""From here on, in the year 5138, a time is in milliseconds rather than in seconds."""

_FLAGS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("", "0", "false", "no", "off"), False),
}


def read_number(value: Any, _: Any = None) -> int | float:
    """Read a number, or its text: a whole one as ``int``, another as ``float``.

    Raises:
        ValueError: It is not a number, or loses digits as a ``float``.
        TypeError: It is neither a number nor text.
    """
    if type(value) is str:
        value = _number_in(value.strip())
    if type(value) is int:
        return value
    if type(value) is not float:
        raise TypeError(f"expected a number, got {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return int(value) if value.is_integer() else value


def _number_in(text: str) -> int | float:
    whole = _WHOLE.fullmatch(text)
    if whole:
        return int(whole[1])
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    elif not _DECIMAL.fullmatch(text):
        raise ValueError("expected a number")
    number = float(text)
    if abs(number) >= _EXACT:
        raise ValueError("expected a number with fewer digits")
    return number


def read_int(value: Any, _: Any = None) -> int:
    """Read a whole number, or its text.

    Raises:
        ValueError: It is not a whole number.
        TypeError: It is neither a number nor text.
    """
    if type(value) is int:
        return value
    if type(value) is str and value.isascii() and value.isdecimal():
        return int(value)  # most ids: a shorter way than the pattern below
    number = read_number(value)
    whole = int(number)
    if whole != number:
        raise ValueError("expected a whole number")
    return whole


def read_float(value: Any, _: Any = None) -> float:
    """Read a number, or its text, as ``float``.

    Raises:
        ValueError: It is not a number, or loses digits as a ``float``.
        TypeError: It is neither a number nor text.
    """
    if type(value) is float and math.isfinite(value):
        return value
    number = read_number(value)
    if float(number) != number:
        raise ValueError("expected a number with fewer digits")
    return float(number)


def read_text(value: Any, _: Any = None) -> str:
    """Read text. A number becomes its text.

    Raises:
        TypeError: It is neither text nor a number.
    """
    if type(value) is str:
        return value
    if type(value) in (int, float):
        return str(value)
    raise TypeError(f"expected text, got {type(value).__name__}")


def read_flag(value: Any, _: Any = None) -> bool:
    """Read a truth value, its number or its word. PHP prints false as an empty text.

    Raises:
        ValueError: It is another number or word.
        TypeError: It is of another type.
    """
    if type(value) is bool:
        return value
    if type(value) not in (str, int, float):
        raise TypeError(f"expected true or false, got {type(value).__name__}")
    word = value.strip().lower() if isinstance(value, str) else f"{value:g}"
    if word not in _FLAGS:
        raise ValueError("expected true or false")
    return _FLAGS[word]


def read_time(value: Any, _: Any = None) -> datetime | None:
    """Read Unix seconds. ``None`` is never, which the API sends as 0, an empty text or ``false``.

    A date as text is not read, because it does not tell its time zone.

    Raises:
        ValueError: It is not a number of seconds.
        TypeError: It is of another type.
    """
    if value is False or value == "":
        return None
    seconds = value if type(value) is int else read_number(value)
    if seconds >= MILLISECONDS:
        raise ValueError("expected a time in seconds")
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None


def read_attributes(value: Any, _: Any = None) -> Mapping[str, Any]:
    """Read a receiver's values of attributes: an object, or a list of names and values.

    Numbers become text, as the API mostly sends them, and ``null`` an empty text. A truth value, a
    list or an object stays what it is.

    Raises:
        ValueError: A list has a name twice.
        TypeError: It is neither.
    """
    fields = as_object(value)
    if not fields or is_numbered(fields):
        named = [as_object(item) for item in as_list(value)]
        if all(isinstance(item.get("name"), str) and "value" in item for item in named):
            return _by_name(named)
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {type(value).__name__}")
    return {
        name: item if type(item) is str else _attribute_value(item) for name, item in fields.items()
    }


def _by_name(named: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    values = {item["name"]: _attribute_value(item["value"]) for item in named}
    if len(values) < len(named):
        raise ValueError("expected every name once")
    return values


def _attribute_value(value: Any) -> Any:
    if value is None:
        return ""
    return str(value) if type(value) is int or type(value) is float else value
