"""Which rows travel together, and which have to wait: pure bookkeeping.

Two rules keep repeated addresses in order. Within a window of rows the last row of an address wins;
the earlier ones are superseded and never sent. Across windows a row waits while an earlier one of
the same address is on its way. What is superseded depends on the source alone, never on timing, so
the same file gives the same report however often the server stumbles.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from cleverreach_async.bulk.rows import EncodedRow

__all__ = ["KeyQueue", "Window"]


class Window:
    """The rows gathered for the next batch, one per address.

    Args:
        max_rows: Most rows of a batch.
        max_bytes: Most bytes of a batch; a single larger row makes a batch of its own.

    Attributes:
        max_rows: Most rows of a batch; may be changed.
    """

    def __init__(self, *, max_rows: int, max_bytes: int) -> None:
        self.max_rows = max_rows
        self._max_bytes = max_bytes
        self._rows: dict[str, EncodedRow] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def extend(
        self, rows: Sequence[EncodedRow], start: int = 0
    ) -> tuple[int, list[tuple[EncodedRow, EncodedRow]]]:
        """Add rows until one does not fit; the window has to be taken then.

        Args:
            rows: Rows in the order of the source.
            start: Index of the first row to add.

        Returns:
            The index of the row that did not fit, or the number of rows; and each row that was
            superseded, with the later row of the same address that took its place.
        """
        window, size, max_rows, max_bytes = self._rows, self._bytes, self.max_rows, self._max_bytes
        superseded: list[tuple[EncodedRow, EncodedRow]] = []
        position = start
        for position in range(start, len(rows)):
            row = rows[position]
            length = len(row.body) + 1
            if row.key in window:
                earlier = window.pop(row.key)
                size -= len(earlier.body) + 1
                superseded.append((earlier, row))
            elif window and (len(window) >= max_rows or size + length > max_bytes):
                break
            window[row.key] = row
            size += length
        else:
            position = len(rows)
        self._bytes = size
        return position, superseded

    def take(self) -> dict[str, EncodedRow]:
        """Return the rows by key and start anew."""
        rows, self._rows, self._bytes = self._rows, {}, 0
        return rows


class KeyQueue:
    """Keeps at most one row per address on its way; later ones wait in line."""

    def __init__(self) -> None:
        self._in_flight: set[str] = set()
        self._waiting: dict[str, deque[EncodedRow]] = {}
        self._ready: deque[str] = deque()
        self.waiting = 0
        """Number of rows that wait."""

    def admit(self, window: dict[str, EncodedRow]) -> list[EncodedRow]:
        """Return the rows that may be sent now; the others are kept until :meth:`release`."""
        if not self._waiting and self._in_flight.isdisjoint(window):
            self._in_flight.update(window)
            return list(window.values())
        admitted: list[EncodedRow] = []
        for key, row in window.items():
            if key in self._in_flight or key in self._waiting:
                self._waiting.setdefault(key, deque()).append(row)
                self.waiting += 1
            else:
                self._in_flight.add(key)
                admitted.append(row)
        return admitted

    def release(self, keys: Iterable[str]) -> None:
        """Take note that the rows of these keys have arrived at their outcome."""
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
        """Give up all waiting rows, in no particular order."""
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
