"""Rows in, batches out: the part of an import that reads."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import anyio
import attrs
from anyio.streams.memory import MemoryObjectSendStream

from cleverreach_async.bulk.batching import KeyQueue, Window
from cleverreach_async.bulk.breaker import CANARY_ROWS
from cleverreach_async.bulk.encoding import Encoder, Item
from cleverreach_async.bulk.journal_state import JournalState
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.rows import EncodedRow, Outcome, RowResult
from cleverreach_async.transport.stop import Stop

__all__ = ["MAX_BYTES", "MAX_ROWS", "Batch", "Intake"]

MAX_ROWS: Final = 1000
MAX_BYTES: Final = 4 * 1024 * 1024

Batch = list[EncodedRow]
Note = Callable[[list[RowResult]], Awaitable[None]]


@attrs.define(eq=False)
class Intake:
    """Encodes rows, gathers them in windows, and sends each batch that is full.

    Attributes:
        encoder: Makes bytes of rows.
        report: Counts rows read, pending and skipped.
        stop: Ends waits.
        batches: Where batches go; sending waits until a worker is free.
        note: Takes outcomes of rows that are not sent.
        max_rows: Most rows of a batch.
        canary: Whether the first batch is small, and is waited for.
        resumed: What an earlier run has done.
    """

    encoder: Encoder
    report: ImportReport
    stop: Stop
    batches: MemoryObjectSendStream[Batch]
    note: Note
    max_rows: int
    canary: bool
    resumed: JournalState | None
    _window: Window = attrs.field(init=False)
    _keys: KeyQueue = attrs.field(factory=KeyQueue, init=False)
    _turn: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)
    _arrived: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        """Make the first window."""
        first = min(CANARY_ROWS, self.max_rows) if self.canary else self.max_rows
        self._window = Window(max_rows=first, max_bytes=MAX_BYTES)

    async def take(self, items: Sequence[Item], position: Callable[[int], None]) -> None:
        """Encode rows and send every batch that they fill.

        Args:
            items: The rows, which are counted as read from now on.
            position: Called with the number of the row that follows them.

        Raises:
            StopRequestedError: The import is to stop; what was not sent is counted as pending.
        """
        async with self._turn:
            rows, results = self._encode(items)
            position(self.report.read + 1)
            start = 0
            try:
                while True:
                    start, superseded = self._window.extend(rows, start)
                    results += [_superseded(earlier, by) for earlier, by in superseded]
                    if results:
                        await self.note(results)
                    if start == len(rows):
                        return
                    results = []
                    await self._seal()
            except BaseException:
                self.report.pending += len(rows) - start
                raise

    async def flush(self) -> None:
        """Send the batch at hand although it is not full, and rows whose turn has come.

        Raises:
            StopRequestedError: The import is to stop.
        """
        async with self._turn:
            await self._seal()
            await self._submit(self._take_ready(self.max_rows, MAX_BYTES))

    async def drain(self) -> None:
        """Send everything that was taken, and wait for rows whose turn has not come.

        Raises:
            StopRequestedError: The import is to stop.
        """
        async with self._turn:
            await self._seal()
            while self._keys.waiting:
                await self._send_ready()

    def arrived(self, batch: Iterable[EncodedRow]) -> None:
        """Take note that a batch has its outcomes."""
        self._keys.release([row.key for row in batch])
        arrived, self._arrived = self._arrived, anyio.Event()
        arrived.set()

    def give_up(self) -> int:
        """Drop the rows that were not sent; returns their number."""
        return len(self._window.take()) + len(self._keys.drain())

    def _encode(self, items: Sequence[Item]) -> tuple[list[EncodedRow], list[RowResult]]:
        """Encode rows, passing over those that an earlier run has done."""
        report, resumed = self.report, self.resumed
        first = report.read + 1
        report.read += len(items)
        numbers = range(first, report.read + 1)
        if resumed is None:
            return self.encoder.encode(items, numbers)
        left = [
            (number, item)
            for number, item in zip(numbers, items, strict=True)
            if number >= resumed.next_row and number not in resumed.done
        ]
        report.skipped += len(items) - len(left)
        return self.encoder.encode([item for _, item in left], [number for number, _ in left])

    async def _seal(self) -> None:
        admitted = self._keys.admit(self._window.take())
        if self.canary and admitted:
            await self._send_ahead(admitted)
            return
        size = sum(len(row.body) for row in admitted)
        admitted += self._take_ready(self.max_rows - len(admitted), MAX_BYTES - size)
        await self._submit(admitted)
        while self._keys.waiting > self.max_rows:
            await self._send_ready()

    async def _send_ahead(self, first: Batch) -> None:
        """Send the first batch and wait for it: what is wrong with all rows shows in it."""
        self.canary = False
        self._window.max_rows = self.max_rows
        back = self._arrived
        await self._submit(first)
        with self.stop.ending_waits():
            await back.wait()

    async def _send_ready(self) -> None:
        ready = self._take_ready(self.max_rows, MAX_BYTES)
        if ready:
            await self._submit(ready)
            return
        with self.stop.ending_waits():
            await self._arrived.wait()

    def _take_ready(self, max_rows: int, max_bytes: int) -> Batch:
        return self._keys.take_ready(max_rows=max_rows, max_bytes=max_bytes)

    async def _submit(self, batch: Batch) -> None:
        if not batch:
            return
        try:
            with self.stop.ending_waits():
                await self.batches.send(batch)
        except BaseException:
            self.report.pending += len(batch)
            raise


def _superseded(row: EncodedRow, by: EncodedRow) -> RowResult:
    message = f"row {by.number} of the same address follows close behind"
    return RowResult(row.number, row.line, Outcome.SUPERSEDED, "superseded", message)
