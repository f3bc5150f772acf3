"""Words that databases, spreadsheets and programs write for no value."""

from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["NULL_WORDS", "null_finder"]

NULL_WORDS: Final = frozenset(
    {
        *("NULL", "null", "\\N", "(NULL)", "(null)", "<NULL>", "<null>", "[NULL]", "[null]"),
        *("#NV", "#N/A", "#N/V", "#WERT!", "#VALUE!", "#BEZUG!", "#REF!", "#NAME?", "#DIV/0!"),
        *("NaN", "nan", "NaT", "<NA>", "None", "undefined"),
    }
)
"""Case matters: a name may be Null or Nan."""


def null_finder(*, only_text: bool) -> Callable[[Sequence[Any]], bool]:
    """Return a function that says whether no value is such a word.

    Args:
        only_text: Whether all values are strings; it is faster then.
    """
    return NULL_WORDS.isdisjoint if only_text else _are_none_null


def _are_none_null(values: Sequence[Any]) -> bool:
    return not any(type(value) is str and value in NULL_WORDS for value in values)
