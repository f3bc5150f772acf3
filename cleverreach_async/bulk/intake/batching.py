"""Which rows are sent together, and which have to wait: pure bookkeeping.

Two rules keep repeated addresses in order. Within a window of rows the last row of an address wins;
the earlier ones are superseded and never sent. Across windows a row waits while an earlier one of
the same address is in flight. Which rows are superseded depends on the source alone, never on
timing, so the same file gives the same report however often the server fails.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.bulk.rows import EncodedRow

__all__ = ["KeyQueue", "Window"]


class Window:
    """The rows gathered for the next batch, one per address.

    Args:
        max_rows: Most rows of a batch.
        max_bytes: Most bytes of a batch; a single larger row is a batch on its own.
        lasting: Numbers of rows that are never superseded, because they may have been stored.
        keeps_orders: Whether rows that must not be sent twice are never superseded, because their
            orders would be lost.

    Attributes:
        max_rows: Most rows of a batch; may be changed.
    """

    def __init__(
        self,
        *,
        max_rows: int,
        max_bytes: int,
        lasting: RowSet | None = None,
        keeps_orders: bool = False,
    ) -> None:
        self.max_rows = max_rows
        self._lasting = RowSet() if lasting is None else lasting
        self._keeps_orders = keeps_orders
        self._max_bytes = max_bytes
        self._rows: dict[str, EncodedRow] = {}
        self._later: list[EncodedRow] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._rows) + len(self._later)

    def extend(
        self, rows: Sequence[EncodedRow], start: int = 0
    ) -> tuple[int, list[tuple[EncodedRow, EncodedRow]]]:
        """Add rows until one does not fit; then :meth:`take` the window.

        Args:
            rows: Rows in the order of the source.
            start: Index of the first row to add.

        Returns:
            The index of the row that did not fit, or the number of rows; and each row that was
            superseded, with the later row of the same address that took its place.
        """
        if self._take_all(rows[start:] if start else rows):
            return len(rows), []
        superseded: list[tuple[EncodedRow, EncodedRow]] = []
        for position in range(start, len(rows)):
            row = rows[position]
            earlier = self._rows.get(row.key)
            if earlier is None or self._lasts(earlier):
                if not self._has_room(row, earlier):
                    return position, superseded
            else:
                del self._rows[row.key]
                self._bytes -= len(earlier.body) + 1
                superseded.append((earlier, row))
            if earlier is not None and self._lasts(earlier):
                self._later.append(row)
            else:
                self._rows[row.key] = row
            self._bytes += len(row.body) + 1
        return len(rows), superseded

    def _take_all(self, rows: Sequence[EncodedRow]) -> bool:
        """Add all rows at once if all are new and fit: the usual case, and much faster."""
        fresh = {row.key: row for row in rows}
        if len(fresh) < len(rows) or not self._rows.keys().isdisjoint(fresh):
            return False
        size = self._bytes + sum([len(row.body) for row in rows]) + len(rows)
        if len(self) + len(rows) > self.max_rows or size > self._max_bytes:
            return False
        self._rows.update(fresh)
        self._bytes = size
        return True

    def _lasts(self, row: EncodedRow) -> bool:
        """Return whether a row is never superseded."""
        return (self._keeps_orders and not row.repeatable) or row.number in self._lasting

    def _has_room(self, row: EncodedRow, earlier: EncodedRow | None) -> bool:
        if earlier is not None and earlier.number in self._lasting:
            return False
        is_small = self._bytes + len(row.body) + 1 <= self._max_bytes
        return not self or (len(self) < self.max_rows and is_small)

    def take(self) -> list[EncodedRow]:
        """Return the rows and start a new window; the second row of an address comes last."""
        rows, self._rows, self._bytes = [*self._rows.values(), *self._later], {}, 0
        self._later = []
        return rows


class KeyQueue:
    """Keeps at most one row per address in flight; later ones wait in a queue."""

    def __init__(self) -> None:
        self._in_flight: set[str] = set()
        self._waiting: dict[str, deque[EncodedRow]] = {}
        self._ready: deque[str] = deque()
        self.waiting = 0
        """Number of rows that wait."""

    def admit(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        """Return the rows that may be sent now; the others wait for :meth:`release`."""
        keys = {row.key for row in rows}
        if len(keys) == len(rows) and not self._waiting and self._in_flight.isdisjoint(keys):
            self._in_flight |= keys
            return list(rows)
        admitted: list[EncodedRow] = []
        for row in rows:
            if row.key in self._in_flight or row.key in self._waiting:
                self._waiting.setdefault(row.key, deque()).append(row)
                self.waiting += 1
            else:
                self._in_flight.add(row.key)
                admitted.append(row)
        return admitted

    def release(self, keys: Iterable[str]) -> None:
        """Record that the rows of these keys have a result."""
        gone = set(keys)
        self._in_flight -= gone
        if self._waiting:
            self._ready.extend(key for key in self._waiting.keys() & gone)

    def take_ready(self, *, max_rows: int, max_bytes: int) -> list[EncodedRow]:
        """Return waiting rows whose turn has come, as many as fit."""
        taken: list[EncodedRow] = []
        size = 0
        while self._ready and len(taken) < max_rows:
            key = self._ready[0]
            row = self._waiting[key][0]
            size += len(row.body) + 1
            if taken and size > max_bytes:
                break
            self._ready.popleft()
            self._pop(key)
            self._in_flight.add(key)
            taken.append(row)
        return taken

    def drain(self) -> list[EncodedRow]:
        """Remove and return all waiting rows, in no particular order."""
        rows = [row for line in self._waiting.values() for row in line]
        self._waiting.clear()
        self._ready.clear()
        self.waiting = 0
        return rows

    def _pop(self, key: str) -> None:
        line = self._waiting[key]
        line.popleft()
        self.waiting -= 1
        if not line:
            del self._waiting[key]
