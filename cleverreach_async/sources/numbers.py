"""Numbers as spreadsheets write them: ``1.234,56``, ``1,234.56``, ``49,90 €``."""

import re
from decimal import Decimal
from typing import Final

from cleverreach_async.sources.rows import BadValueError

__all__ = ["decimal_text", "has_usual_size", "parse_number"]

_MOST_DIGITS: Final = 400
"""Before or behind the point: more than a float has."""

_PLAIN: Final = re.compile(r"\d+(?:\.\d+)?|\.\d+", re.ASCII)
_AROUND: Final = re.compile(r"^(?:€|EUR|CHF|\$|USD|£|GBP)\s*|\s*(?:€|EUR|CHF|\$|USD|£|GBP|,-|,--)$")
_GROUPED: Final = re.compile(
    r"(\d{1,3}(?:([., '\u2019\u00a0\u202f])\d{3})(?:\2\d{3})*)(?:([.,])(\d+))?", re.ASCII
)
_DECIMAL: Final = re.compile(r"(\d+)([.,])(\d+)", re.ASCII)
_AMBIGUOUS: Final = re.compile(r"[1-9]\d{0,2}[.,]\d{3}", re.ASCII)


def has_usual_size(number: Decimal) -> bool:
    """Whether a number can be written in digits: ``1E+999999999`` fills the memory."""
    return abs(number.adjusted()) <= _MOST_DIGITS


def decimal_text(number: Decimal) -> str:
    """Return a finite number in digits, without an exponent.

    Raises:
        BadValueError: It has too many.
    """
    if not has_usual_size(number):
        raise BadValueError("invalid_value", "the number has too many digits")
    return format(number, "f")


def parse_number(text: str) -> str:
    """Return a number as the API takes it: digits, with a point before decimals.

    Args:
        text: The number, without a sign.

    Raises:
        BadValueError: It is no number, or it is unclear whether its separator is one of thousands
            or of decimals.
    """
    number = _AROUND.sub("", text.strip())
    if _AMBIGUOUS.fullmatch(number):
        raise BadValueError(
            "unclear_number", "it is unclear whether the separator is one of thousands or decimals"
        )
    if _PLAIN.fullmatch(number):
        return number
    decimal = _DECIMAL.fullmatch(number)
    if decimal:
        return f"{decimal[1]}.{decimal[3]}"
    grouped = _GROUPED.fullmatch(number)
    if grouped is None or grouped[2] == grouped[3]:
        raise BadValueError("invalid_number", "not a number")
    whole = re.sub(r"\D", "", grouped[1])
    return f"{whole}.{grouped[4]}" if grouped[4] else whole
