"""A set of row numbers that stays small while rows come mostly in order."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, Self

__all__ = ["RowSet"]

_RANGE: Final = re.compile(r"([1-9][0-9]*)(?:-([1-9][0-9]*))?")


class RowSet:
    """A mutable set of row numbers, kept as sorted closed ranges that neither overlap nor touch.

    Its size is that of its gaps: a million rows in order are one range.

    Args:
        rows: One-based row numbers, in any order.

    Raises:
        ValueError: A row number is below one.
    """

    __slots__ = ("_first", "_last")

    def __init__(self, rows: Iterable[int] = ()) -> None:
        # The two ends of range i are _first[i] and _last[i]; both lists ascend.
        self._first: list[int] = []
        self._last: list[int] = []
        self.update(rows)

    def __contains__(self, row: int) -> bool:
        at = bisect_right(self._first, row) - 1
        return at >= 0 and row <= self._last[at]

    def __len__(self) -> int:
        return sum(self._last) - sum(self._first) + len(self._first)

    def __bool__(self) -> bool:
        return bool(self._first)

    def __eq__(self, other: object) -> bool:
        return self.ranges == other.ranges if isinstance(other, RowSet) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # the way to say that it is mutable

    def __repr__(self) -> str:
        return f"<RowSet {self.to_json()}>"

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last row of each range, ascending."""
        return tuple(zip(self._first, self._last, strict=True))

    def add(self, row: int) -> None:
        """Add one row.

        Raises:
            ValueError: It is below one.
        """
        self._add_range(row, row)

    def update(self, rows: Iterable[int]) -> None:
        """Add rows; those that follow each other cost next to nothing.

        Raises:
            ValueError: A row number is below one; those before it have been added.
        """
        for first, last in _runs(rows):
            self._add_range(first, last)

    def discard(self, row: int) -> None:
        """Remove one row, if it is there."""
        self._remove_range(row, row)

    def difference_update(self, rows: Iterable[int]) -> None:
        """Remove those of the rows that are there."""
        for first, last in _runs(rows):
            self._remove_range(first, last)

    def trim(self, below: int) -> None:
        """Remove every row below this one."""
        self._remove_range(1, below - 1)

    def first_gap(self, start: int) -> int:
        """Return the lowest row that is not in the set, looking from ``start`` on."""
        at = bisect_right(self._first, start) - 1
        return self._last[at] + 1 if at >= 0 and start <= self._last[at] else start

    def copy(self) -> Self:
        """Return a set of the same rows that changes on its own."""
        return self._of(self._first.copy(), self._last.copy())

    def to_json(self) -> str:
        """Return the ranges as text, such as ``1-1000,1005``."""
        return ",".join(
            str(first) if first == last else f"{first}-{last}" for first, last in self.ranges
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote, and nothing else.

        Raises:
            ValueError: The text is something else.
        """
        firsts: list[int] = []
        lasts: list[int] = []
        for part in text.split(",") if text else ():
            match = _RANGE.fullmatch(part)
            if match is None:
                raise ValueError(f"not a range of rows: {part[:40]!r}")
            first = int(match[1])
            last = int(match[2]) if match[2] else first
            if (match[2] and last <= first) or (lasts and first <= lasts[-1] + 1):
                raise ValueError(f"ranges of rows that do not ascend: {part[:40]!r}")
            firsts.append(first)
            lasts.append(last)
        return cls._of(firsts, lasts)

    @classmethod
    def _of(cls, firsts: list[int], lasts: list[int]) -> Self:
        rows = cls()
        rows._first, rows._last = firsts, lasts
        return rows

    def _add_range(self, first: int, last: int) -> None:
        if first < 1:
            raise ValueError(f"rows are counted from one, not from {first}")
        # Ranges low to high, high not included, overlap the new one or touch it.
        low = bisect_left(self._last, first - 1)
        high = bisect_right(self._first, last + 1)
        if low < high:
            first, last = min(first, self._first[low]), max(last, self._last[high - 1])
        self._first[low:high] = [first]
        self._last[low:high] = [last]

    def _remove_range(self, first: int, last: int) -> None:
        # Ranges low to high, high not included, have a row in common with the one to remove.
        low = bisect_left(self._last, first)
        high = bisect_right(self._first, last)
        if low >= high:
            return
        left, right = self._first[low], self._last[high - 1]
        keep = [(left, first - 1)] if left < first else []
        keep += [(last + 1, right)] if right > last else []
        self._first[low:high] = [pair[0] for pair in keep]
        self._last[low:high] = [pair[1] for pair in keep]


def _runs(rows: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last row of each run of rows that follow each other."""
    if isinstance(rows, range) and rows.step == 1:
        if rows:
            yield rows[0], rows[-1]
        return
    iterator = iter(rows)
    first = last = next(iterator, None)
    if first is None or last is None:
        return
    for row in iterator:
        if row != last + 1:
            yield first, last
            first = row
        last = row
    yield first, last
