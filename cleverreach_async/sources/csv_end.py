"""Whether the last cell of a file without a final line end may have been cut.

Editors leave that line end out, and so does a download that was interrupted. A cut text looks like
any other; a cut date, address, number or word of a list differs from the values above it.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

__all__ = ["is_cut", "is_cut_after_quotes"]

_ALWAYS: Final = 100
"""If so many rows have a value in the column, an empty cell is no coincidence."""

_SHORTEST: Final = 4
"""Digits. Numbers of one length, such as postcodes, have at least so many."""

_OFTEN: Final = 3
"""Rows in which each word of a list occurs, such as ``yes`` and ``no``."""

_COMPLETE_TIME: Final = re.compile(
    r"[01]|\d{10}|(\d{1,2}[./]\d{1,2}[./]\d{4}|\d{4}-\d\d-\d\d)([ T]\d\d:\d\d(:\d\d)?)?Z?"
)
_LAST_DIGITS: Final = re.compile(r"\d*$")


def is_cut(cell: str, others: Sequence[str], target: str, *, is_time: bool) -> bool:
    """Whether the end of a value may be missing.

    Args:
        cell: The last cell.
        others: Values of the same column.
        target: Target of the column.
        is_time: Whether it holds a time or a day.
    """
    filled = [other for other in others if other]
    if not cell:
        return len(filled) == len(others) >= _ALWAYS
    if target == "email":
        return _is_cut_address(cell, filled)
    if cell in filled:
        return False
    if is_time:
        return _is_cut_time(cell, filled)
    return _is_cut_number(cell, filled, target) or _is_cut_word(cell, filled)


def is_cut_after_quotes(lines: Sequence[str], width: int) -> bool:
    """Whether a line without quotes at its end differs from all others.

    Args:
        lines: The lines before it.
        width: Number of columns.
    """
    quotes = 2 * width
    texts = [line.rstrip("\r\n") for line in lines]
    return bool(texts) and all(it.endswith('"') and it.count('"') >= quotes for it in texts)


def _is_cut_address(cell: str, others: Sequence[str]) -> bool:
    """Whether an address has no complete domain, or one that others have in full."""
    domain = _domain(cell)
    _, dot, top = domain.rpartition(".")
    if not dot or len(top) <= 1:
        return True
    domains = {*map(_domain, others)}
    tops = {other.rpartition(".")[2] for other in domains}
    return _is_only_beginning(domain, domains) or _is_only_beginning(top, tops)


def _is_only_beginning(text: str, others: Collection[str]) -> bool:
    return text not in others and any(other.startswith(text) for other in others)


def _domain(address: str) -> str:
    return address.partition("@")[2].casefold()


def _is_cut_time(cell: str, others: Sequence[str]) -> bool:
    if not others:
        return not _COMPLETE_TIME.fullmatch(cell)
    return cell not in {"0", "1"} and _form(cell) not in set(map(_form, others))


def _form(time: str) -> tuple[str, int]:
    """Return the form of a date: a day or month may have one digit or two, its end may not."""
    end = _LAST_DIGITS.search(time)
    begin = end.start() if end else len(time)
    return re.sub(r"\d+", "9", time[:begin]), len(time) - begin


def _is_cut_number(cell: str, others: Sequence[str], target: str) -> bool:
    """Whether a number is shorter than the others, which have the same length."""
    lengths = {len(other) for other in others}
    if not cell.isdigit() or len(lengths) != 1 or not all(map(str.isdigit, others)):
        return False
    is_habit = target == "zip" or len(set(others)) >= _OFTEN
    return is_habit and _SHORTEST <= max(lengths) > len(cell)


def _is_cut_word(cell: str, others: Sequence[str]) -> bool:
    """Whether a value is the beginning of one of a few."""
    counts = Counter(others)
    if not counts or min(counts.values()) < _OFTEN:
        return False
    return any(other.startswith(cell) for other in counts)
