"""A set of row numbers that stays small if rows arrive mostly in order."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Self

import attrs

__all__ = ["RowSet"]


@attrs.define(init=False, repr=False)
class RowSet:
    """A mutable set of row numbers, stored as sorted closed ranges that neither overlap nor touch.

    Its size is the number of ranges: a million rows in order are one range.

    Args:
        rows: One-based row numbers in any order.

    Raises:
        ValueError: A row number is less than one.
    """

    # Range i is _first[i] to _last[i]; both lists are sorted.
    _first: list[int]
    _last: list[int]

    def __init__(self, rows: Iterable[int] = ()) -> None:
        self._first, self._last = [], []
        self.update(rows)

    def __contains__(self, row: int) -> bool:
        at = bisect_right(self._first, row) - 1
        return at >= 0 and row <= self._last[at]

    def __len__(self) -> int:
        return sum(self._last) - sum(self._first) + len(self._first)

    def __bool__(self) -> bool:
        return bool(self._first)

    def __repr__(self) -> str:
        return f"<RowSet {self.to_json()}>"

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last row of each range, in ascending order."""
        return tuple(zip(self._first, self._last, strict=True))

    def add(self, row: int) -> None:
        """Add one row.

        Raises:
            ValueError: It is less than one.
        """
        self._add_range(row, row)

    def update(self, rows: Iterable[int]) -> None:
        """Add rows; consecutive rows are added as one range.

        Raises:
            ValueError: A row number is less than one; the rows before it have been added.
        """
        for first, last in _runs(rows):
            self._add_range(first, last)

    def difference_update(self, rows: Iterable[int]) -> None:
        """Remove rows; those that are not in the set are ignored."""
        for first, last in _runs(rows):
            self._remove_range(first, last)

    def trim(self, below: int) -> None:
        """Remove every row below this one."""
        self._remove_range(1, below - 1)

    def first_gap(self, start: int) -> int:
        """Return the lowest row from ``start`` on that is not in the set."""
        at = bisect_right(self._first, start) - 1
        return self._last[at] + 1 if at >= 0 and start <= self._last[at] else start

    def copy(self) -> Self:
        """Return an independent copy."""
        twin = type(self)()
        twin._first, twin._last = self._first.copy(), self._last.copy()  # noqa: SLF001
        return twin

    def to_json(self) -> str:
        """Return the ranges as text, such as ``1-1000,1005``."""
        return ",".join(
            str(first) if first == last else f"{first}-{last}" for first, last in self.ranges
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` returned.

        Raises:
            ValueError: The text is anything else.
        """
        rows = cls()
        with suppress(ValueError):
            for part in text.split(",") if text else ():
                first, _, last = part.partition("-")
                rows.update(range(int(first), int(last or first) + 1))
        if rows.to_json() != text:
            raise ValueError(f"not ascending ranges of rows: {text[:40]!r}")
        return rows

    def _add_range(self, first: int, last: int) -> None:
        if first < 1:
            raise ValueError(f"row numbers begin at 1, not at {first}")
        # Ranges low to high - 1 overlap the new one or touch it.
        low = bisect_left(self._last, first - 1)
        high = bisect_right(self._first, last + 1)
        if low < high:
            first, last = min(first, self._first[low]), max(last, self._last[high - 1])
        self._first[low:high] = [first]
        self._last[low:high] = [last]

    def _remove_range(self, first: int, last: int) -> None:
        # Ranges low to high - 1 overlap the one to remove.
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
    """Yield the first and last row of each run of consecutive rows."""
    # The numbers of most batches are one run, and a list is compared at once faster than in a loop.
    run = range(rows[0], rows[0] + len(rows)) if isinstance(rows, list | range) and rows else None
    if run is not None and (rows == run if isinstance(rows, range) else rows == list(run)):
        yield run[0], run[-1]
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
