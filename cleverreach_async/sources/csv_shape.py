"""The shape of a CSV file: how many cells its rows have, and what is in its columns.

Shop systems end each line with a delimiter, or drop the empty cells at the end of a line, and they
do so in every line. Where only some rows differ from the header, a delimiter in a cell without
quotes, or a missing cell, has moved values to other columns.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import attrs

from cleverreach_async.sources.csv_records import CsvRecord
from cleverreach_async.sources.null_words import NULL_WORDS

__all__ = ["Shape", "find_shape"]

_ROWS: Final = 1000
"""Rows whose values are remembered."""

_FEW: Final = 20
"""One row in so many may be an exception from the habit."""

_FEW_OF_ENDED: Final = 5
"""The same where the exceptions end with an empty cell too, and so lack another one."""

_RARE: Final = 100
"""If fewer than one row in so many is short, its cells are missing by mistake."""

_DIGIT: Final = re.compile(r"\d")

_TELLING: Final = 3
"""Characters; shorter values occur in several columns by chance."""

_WITH_DIGITS: Final = frozenset({"zip", "phone", "house_number", "birthday"})
_WITH_LETTERS: Final = frozenset({"firstname", "lastname", "city", "country"})
"""Targets whose values have a kind even where no other row shows it."""


@attrs.define
class _Column:
    """How often a kind and a value occur in a column.

    Attributes:
        target: Target of the column; empty for none.
    """

    target: str
    kinds: Counter[str] = attrs.field(factory=Counter[str])
    values: Counter[str] = attrs.field(factory=Counter[str])

    def add(self, text: str) -> None:
        self.kinds[_kind(text)] += 1
        self.values[text] += 1


@attrs.frozen
class Shape:
    """How many cells the rows of a file have.

    Attributes:
        usual: As in :class:`Layout`.
        drops: Whether the rows leave out empty cells at their end.
        columns: What is in each column of the rows that have a cell for each, or of all rows if
            none has.
        known: Values of any column.
        counts_short: Whether short rows are counted in the columns.
    """

    usual: int
    drops: bool
    columns: Sequence[_Column]
    known: Collection[str]
    counts_short: bool

    def may_be_short(self, cells: Sequence[str]) -> bool:
        """Whether a row with fewer cells than columns lacks empty cells at its end only.

        Otherwise another cell is missing, and those after it are in wrong columns.
        """
        if not self.drops:
            return False
        here = self._contradictions(cells, 0)
        return not any(here) or not any(
            sum(here[:gap]) + sum(there[gap:]) < sum(here)
            for missing in range(1, len(self.columns) - len(cells) + 1)
            for there in [self._contradictions(cells, missing)]
            for gap in range(len(cells))
        )

    def _contradictions(self, cells: Sequence[str], shift: int) -> list[bool]:
        return [self._contradicts(cell, place + shift, place) for place, cell in enumerate(cells)]

    def _contradicts(self, cell: str, place: int, origin: int) -> bool:
        """Whether other rows have values of another kind in a column, or this one in another.

        Args:
            cell: A value.
            place: Index of the column.
            origin: Index of the column in which the value was counted.
        """
        text = cell.strip()
        if not text or text in NULL_WORDS:
            return False
        column = self.columns[place]
        own = int(self.counts_short and place == origin)
        kind = _kind(text)
        if (kind == "number" and column.target in _WITH_LETTERS) or (
            kind == "text" and column.target in _WITH_DIGITS and not _DIGIT.search(text)
        ):
            return True
        if column.kinds.get(kind, 0) <= own and any(others != kind for others in column.kinds):
            return True
        if len(text) < _TELLING or text not in self.known or column.values.get(text, 0) > own:
            return False
        return any(
            other.values.get(text, 0) > int(self.counts_short and number == origin)
            for number, other in enumerate(self.columns)
        )


def find_shape(found: Iterable[CsvRecord], targets: Sequence[str]) -> Shape:
    """Look at all rows of a file.

    Args:
        found: The records without repeated headers.
        targets: Target of each column; empty for none.
    """
    width = len(targets)
    counts: Counter[int] = Counter()
    full = [_Column(target) for target in targets]
    short_rows = [_Column(target) for target in targets]
    seen = {True: 0, False: 0}
    empty_ends = last = 0
    for _, cells, state in found:
        surplus = cells[width:]
        if (surplus and any(map(str.strip, surplus))) or not (
            state == "" or any(map(str.strip, cells))
        ):
            continue
        if state == "open_end":
            last = len(cells)
            empty_ends += last == width and not cells[-1].strip()
        if state not in {"", "odd"}:
            continue
        counts[len(cells)] += 1
        empty_ends += not cells[-1].strip()
        is_short = len(cells) < width
        if seen[is_short] < _ROWS:
            seen[is_short] += 1
            # Rows that lack cells would confirm each other.
            _add(cells, short_rows if is_short else full)
    short = sum(count for cells, count in counts.items() if cells < width)
    total = counts.total()
    drops = not empty_ends and short * _RARE >= total
    few = _FEW_OF_ENDED if empty_ends == total else _FEW
    columns = full if seen[False] else short_rows
    known = frozenset(value for column in columns for value in column.values)
    usual = _usual(counts or Counter([last]), width, few)
    return Shape(usual, drops, columns, known, counts_short=not seen[False])


def _add(cells: Sequence[str], columns: Sequence[_Column]) -> None:
    for cell, column in zip(cells, columns, strict=False):
        text = cell.strip()
        if text and text not in NULL_WORDS:
            column.add(text)


def _usual(counts: Counter[int], width: int, few: int) -> int:
    """Return the number of cells of a row; zero if many have empty ones after the columns."""
    total = counts.total()
    allowed = total // few
    surplus = [cells for cells in counts if cells > width]
    if 2 * sum(counts[cells] for cells in surplus) < total:
        return width
    return next((cells for cells in surplus if total - counts[cells] <= allowed), 0)


def _kind(text: str) -> str:
    """Return the kind of a value, as far as hardly a column holds two."""
    if "@" in text:
        return "address"
    is_number = text.lower() == text.upper() and _DIGIT.search(text)
    return "number" if is_number else "text"
