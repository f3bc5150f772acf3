"""Which rows are sent together, and which have to wait: pure bookkeeping.

Two rules keep repeated addresses in order. Within a window of rows an earlier row is superseded and
never sent if the next one of its address fills all its fields, so that sending it would change
nothing. A row that is sent waits while an earlier one of its address is in flight. Which rows are
superseded depends on the source alone, never on timing, so the same file gives the same report
however often the server fails.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain, takewhile
from operator import is_

from cleverreach_async.bulk.intake.superseding import supersedes
from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.bulk.rows import EncodedRow, size_of

__all__ = ["KeyQueue", "Window"]


class Window:
    """The rows gathered for the next batches.

    Usually they are one batch. Rows of one address, of which none supersedes another, are sent in
    order, each after the one before it has a result; see :class:`KeyQueue`.

    Args:
        max_rows: Most rows of a window.
        max_bytes: Most bytes of a window; a single larger row is a window on its own.
        lasting: Numbers of rows that are never superseded, because they may have been stored.

    Attributes:
        max_rows: Most rows of a window; may be changed.
    """

    def __init__(self, *, max_rows: int, max_bytes: int, lasting: RowSet | None = None) -> None:
        self.max_rows = max_rows
        self._lasting = RowSet() if lasting is None else lasting
        self._max_bytes = max_bytes
        # The last row of each address, and the rows of the same address before it.
        self._last: dict[str, EncodedRow] = {}
        self._before: dict[str, list[EncodedRow]] = {}
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

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
        end = min(start + max(self.max_rows - self._count, 0), len(rows))
        if not self._take_all(rows if end - start == len(rows) else rows[start:end]):
            end = start
        superseded: list[tuple[EncodedRow, EncodedRow]] = []
        for position in range(end, len(rows)):
            row = rows[position]
            replaced = self._replaced_by(row) if row.key in self._last else []
            if not (replaced or self._has_room(row)):
                return position, superseded
            superseded += [(earlier, row) for earlier in replaced]
            self._add(row, replaced)
        return len(rows), superseded

    def _take_all(self, rows: Sequence[EncodedRow]) -> bool:
        """Add all rows at once if all are new and fit: the usual case, and much faster."""
        size = self._bytes + size_of(rows) + len(rows)
        if size > self._max_bytes:
            return False
        last = map(self._last.setdefault, [row.key for row in rows], rows)
        if not all(map(is_, list(last), rows)):  # another row of an address was there before
            for row in rows:
                if self._last.get(row.key) is row:
                    del self._last[row.key]
            return False
        self._count += len(rows)
        self._bytes = size
        return True

    def _replaced_by(self, row: EncodedRow) -> list[EncodedRow]:
        """Return the rows that a later one of their address supersedes, the last one first.

        The first one that it does not supersede protects those before it: what they do to a
        receiver may decide what that row does.
        """
        line = chain([self._last[row.key]], reversed(self._before.get(row.key, ())))
        return list(
            takewhile(lambda it: it.number not in self._lasting and supersedes(row, it), line)
        )

    def _add(self, row: EncodedRow, replaced: Sequence[EncodedRow]) -> None:
        self._count += 1 - len(replaced)
        self._bytes += len(row.body) + 1 - sum(len(it.body) + 1 for it in replaced)
        last = self._last.pop(row.key, None)
        if last is not None:
            line = [*self._before.pop(row.key, ()), last]
            if kept := line[: len(line) - len(replaced)]:
                self._before[row.key] = kept
        self._last[row.key] = row

    def _has_room(self, row: EncodedRow) -> bool:
        is_small = self._bytes + len(row.body) + 1 <= self._max_bytes
        return not self._count or (self._count < self.max_rows and is_small)

    def take(self) -> list[EncodedRow]:
        """Return the rows, those of one address in order, and start a new window."""
        rows = [*chain.from_iterable(self._before.values()), *self._last.values()]
        self._last, self._before = {}, {}
        self._count = self._bytes = 0
        return rows


class KeyQueue:
    """Keeps at most one row per address in flight; later ones wait in a queue."""

    def __init__(self) -> None:
        self._in_flight: set[str] = set()
        self._waiting: dict[str, deque[EncodedRow]] = {}
        self._ready: deque[str] = deque()
        self.waiting: int = 0
        """Number of rows that wait."""

    def admit(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        """Return the rows that may be sent now; the others wait for :meth:`release`."""
        keys = [row.key for row in rows]
        if not self._waiting and self._in_flight.isdisjoint(keys):
            count = len(self._in_flight)
            self._in_flight.update(keys)
            if len(self._in_flight) == count + len(rows):
                return list(rows)
            self._in_flight.difference_update(keys)
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
        gone = list(keys)
        self._in_flight.difference_update(gone)
        if self._waiting:
            self._ready.extend(self._waiting.keys() & gone)

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
