"""Values that were wrapped for a spreadsheet, so that it keeps their zeros.

``="01067"`` and ``'01067`` are text for a spreadsheet, and ``"01067"`` was quoted twice. Values are
unwrapped only where each value of the column is wrapped: some names begin with an apostrophe.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs

from cleverreach_async.sources.line_marks import holds_any
from cleverreach_async.sources.null_words import NULL_WORDS
from cleverreach_async.sources.text_file import TextFile

__all__ = ["Wrapping", "find_wrappings", "looks_wrapped", "may_hold_wrapped"]

_FORMULA: Final = re.compile(r'="((?:[^"]|"")*)"')
_QUOTED: Final = re.compile(r'"((?:[^"]|"")+)"')
_BOTH_SIDES: Final = re.compile(r"'([^']+)'")
_APOSTROPHE: Final = re.compile(r"'(?![^\W\d_]{1,2}[\s-])([^'].*)", re.DOTALL)
"""Names such as 't Veld and 's-Hertogenbosch begin with an apostrophe."""

_SIGNS: Final = "+-=@"
_STARTS: Final = frozenset("=\"'")


@attrs.frozen
class Wrapping:
    """How values are wrapped.

    Attributes:
        name: How a wrapped value looks.
        pattern: A wrapped value, with its text as the only group.
        least: Values that show a habit, unless one of them is a number.
    """

    name: str
    pattern: re.Pattern[str]
    least: int

    def unwrap(self, cell: str) -> str:
        """Return the text of a wrapped value."""
        found = self.pattern.fullmatch(cell.strip())
        return found[1].replace('""', '"') if found else cell


_WRAPPINGS: Final = (
    Wrapping('="…"', _FORMULA, 1),
    Wrapping('"…"', _QUOTED, 2),
    Wrapping("'…'", _BOTH_SIDES, 2),
    Wrapping("'…", _APOSTROPHE, 3),
)


def looks_wrapped(text: str) -> bool:
    """Whether a value is unwrapped if all of its column look like it."""
    return text[:1] in _STARTS and any(it.pattern.fullmatch(text) for it in _WRAPPINGS)


@attrs.define
class _Habit:
    """What the values of a column have in common so far."""

    possible: tuple[Wrapping, ...] = _WRAPPINGS
    values: int = 0
    numbers: int = 0

    def add(self, cell: str) -> None:
        text = cell.strip()
        if text and text not in NULL_WORDS and self.possible:
            self.possible = tuple(it for it in self.possible if it.pattern.fullmatch(text))
            self.values += 1
            start = text[1:2]
            self.numbers += start.isdigit() or (bool(start) and start in _SIGNS)

    def found(self) -> Wrapping | None:
        enough = (it for it in self.possible if self.values >= it.least or self.numbers)
        return next(enough, None) if self.values else None


def find_wrappings(
    places: Iterable[int],
    first_rows: Callable[[], Iterable[Sequence[str]]],
    every_row: Callable[[], Iterable[Sequence[str]]],
    *,
    may_be_later: Callable[[], bool],
) -> dict[int, Wrapping]:
    """Find the columns whose values are all wrapped, by their index.

    Args:
        places: Columns to look at.
        first_rows: Returns some rows at the beginning.
        every_row: Returns all rows, which is slow.
        may_be_later: Whether a column that is empty in the first rows may have wrapped values.
    """
    habits = {place: _Habit() for place in places}
    for row in first_rows():
        _add(row, habits)
    later = [habit for habit in habits.values() if not habit.values]
    if not any(habit.values for habit in habits.values()) and not (later and may_be_later()):
        return {}
    habits = {place: _Habit() for place in habits}
    for row in every_row():
        _add(row, habits)
        if not habits:
            break
    return {place: found for place, habit in habits.items() if (found := habit.found())}


def _add(row: Sequence[str], habits: dict[int, _Habit]) -> None:
    """Add a row, and drop the columns that have no habit."""
    for place, habit in [*habits.items()]:
        habit.add(row[place])
        if not habit.possible:
            del habits[place]


def may_hold_wrapped(text: TextFile, delimiter: str) -> bool:
    """Whether a file holds any wrapped value.

    Raises:
        SourceError: The file cannot be opened.
    """
    starts = (delimiter, '"', "\n", "\r")
    return holds_any(text, ['="', '"""', *(f"{start}'" for start in starts)])
