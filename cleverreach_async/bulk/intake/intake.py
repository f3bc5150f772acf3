"""Rows in, batches out: the part of an import that reads."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import anyio
import attrs
from anyio.streams.memory import MemoryObjectSendStream

from cleverreach_async.bulk.intake.batching import KeyQueue, Window
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.rows import CANARY_ROWS, Batch, EncodedRow, Outcome, RowResult
from cleverreach_async.sources.rows import Item
from cleverreach_async.transport.stop import Stop

__all__ = ["MAX_BYTES", "SLICE_ROWS", "Intake", "Source", "read_source"]

SLICE_ROWS: Final = 64
MAX_BYTES: Final = 4 * 1024 * 1024

Source = Iterable[Item] | AsyncIterable[Item]
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
        gathers_from: Called with the row that begins the next window.
        max_rows: Most rows of a batch.
        canary: Whether the first batch is small, and is waited for.
        resumed: What an earlier run has done.
    """

    encoder: Encoder
    report: ImportReport
    stop: Stop
    batches: MemoryObjectSendStream[Batch]
    note: Note
    gathers_from: Callable[[int], None]
    max_rows: int
    canary: bool
    resumed: JournalState | None
    _offered: Batch | None = attrs.field(default=None, init=False)
    _window: Window = attrs.field(init=False)
    _keys: KeyQueue = attrs.field(factory=KeyQueue, init=False)
    _turn: anyio.Lock = attrs.field(factory=lambda: anyio.Lock(fast_acquire=True), init=False)
    _arrived: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        """Make the first window."""
        resumed = self.resumed or JournalState()
        # A resumed import has to gather the same windows as one that was never interrupted.
        is_small = self.canary and resumed.window_row == 1
        first = min(CANARY_ROWS, self.max_rows) if is_small else self.max_rows
        self._window = Window(
            max_rows=first,
            max_bytes=MAX_BYTES,
            lasting=resumed.sent,
            keeps_orders=self.encoder.takes_orders,
        )

    async def take(self, items: list[Item], position: Callable[[int], None]) -> None:
        """Encode rows and send every batch that they fill.

        Args:
            items: The rows; they are removed, and counted as read, when their turn has come.
            position: Called with the number of the row that follows them.

        Raises:
            StopRequestedError: The import is to stop; what was not sent is counted as pending.
        """
        async with self._turn:
            rows, results = self._encode(items)
            start = 0
            try:
                position(self.report.read + 1)
                while True:
                    start, superseded = self._window.extend(rows, start)
                    results += [
                        _superseded(earlier, by)
                        for earlier, by in superseded
                        if not self._has_done(earlier)
                    ]
                    told, results = results, []
                    if told:
                        await self.note(told)
                    if start == len(rows):
                        return
                    await self._seal(rows[start].number)
            except BaseException:
                self.report.pending += sum(not self._has_done(row) for row in rows[start:])
                self.report.pending += len(results)
                raise

    async def flush(self) -> None:
        """Send the batch at hand although it is not full, and rows whose turn has come.

        Raises:
            StopRequestedError: The import is to stop.
        """
        async with self._turn:
            await self._seal(self.report.read + 1)
            await self._submit(self._take_ready(self.max_rows, MAX_BYTES))

    async def drain(self) -> None:
        """Send everything that was taken, and wait for rows whose turn has not come.

        Raises:
            StopRequestedError: The import is to stop.
        """
        async with self._turn:
            await self._seal(self.report.read + 1)
            while self._keys.waiting:
                await self._send_ready()

    def handed_over(self, batch: Batch) -> None:
        """Take note that a worker has a batch; what becomes of its rows is counted there."""
        if self._offered is batch:
            self._offered = None

    def arrived(self, batch: Iterable[EncodedRow]) -> None:
        """Take note that a batch has its outcomes."""
        self._keys.release([row.key for row in batch])
        arrived, self._arrived = self._arrived, anyio.Event()
        arrived.set()

    def give_up(self) -> int:
        """Drop the rows that were not sent; returns their number."""
        return len(self._take_window()) + len(self._keys.drain())

    def _encode(self, items: list[Item]) -> tuple[list[EncodedRow], list[RowResult]]:
        """Encode rows; of those that an earlier run has done only what is still to be gathered.

        They are never sent again, but whom they supersede depends on all rows of a window.
        """
        report, resumed = self.report, self.resumed
        first = report.read + 1
        taken = items.copy()
        items.clear()
        report.read += len(taken)
        numbers = range(first, report.read + 1)
        if resumed is None or first > resumed.last_done:
            return self.encoder.encode(taken, numbers)
        report.skipped += sum(map(resumed.has_done, numbers))
        passed = max(0, resumed.window_row - first)
        rows, results = self.encoder.encode(taken[passed:], numbers[passed:])
        return rows, [result for result in results if not resumed.has_done(result.row)]

    def _has_done(self, row: EncodedRow) -> bool:
        """Whether an earlier run has done a row."""
        return self.resumed is not None and self.resumed.has_done(row.number)

    def _take_window(self) -> Batch:
        """Start a new window; returns the rows of the old one that are to be sent."""
        window = self._window.take()
        if self.resumed is None:
            return window
        return [row for row in window if not self._has_done(row)]

    async def _seal(self, next_row: int) -> None:
        if self._window:
            self._window.max_rows = self.max_rows
        admitted = self._keys.admit(self._take_window())
        self.gathers_from(next_row)
        if self.canary and admitted:
            await self._send_ahead(admitted)
            return
        if self._keys.waiting:
            size = sum(len(row.body) for row in admitted)
            admitted += self._take_ready(self.max_rows - len(admitted), MAX_BYTES - size)
        await self._submit(admitted)
        while self._keys.waiting > self.max_rows:
            await self._send_ready()

    async def _send_ahead(self, batch: Batch) -> None:
        """Send the first rows and wait for them: what is wrong with all rows shows in them."""
        self.canary = False
        back, rest = self._arrived, batch[CANARY_ROWS:]
        try:
            await self._submit(batch[:CANARY_ROWS])
            with self.stop.ending_waits():
                await back.wait()
        except BaseException:
            self.report.pending += len(rest)
            self._keys.release([row.key for row in rest])
            raise
        await self._submit(rest)

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
        self._offered = batch
        try:
            with self.stop.ending_waits():
                await self.batches.send(batch)
        except BaseException:
            # A task that asyncio itself cancels may learn of it after the batch was taken.
            if self._offered is batch:
                self.report.pending += len(batch)
                # The caller may put later rows of these addresses; they must not wait for ever.
                self._keys.release([row.key for row in batch])
            raise


def _superseded(row: EncodedRow, by: EncodedRow) -> RowResult:
    message = f"row {by.number} of the same address follows close behind"
    return RowResult(row.number, row.line, Outcome.SUPERSEDED, "superseded", message)


async def read_source(
    source: Source, rows: list[Item], take: Callable[[], Awaitable[None]]
) -> None:
    """Read a source to its end.

    Args:
        source: The rows.
        rows: Where they are put; what came before an error of the source stays there.
        take: Called for every slice; it empties ``rows``.
    """
    if isinstance(source, AsyncIterable):
        await _read_async(source, rows, take)
        return
    reader = iter(source)
    try:
        is_last = False
        while not is_last:
            is_last = _pull(reader, rows)
            await take()
    finally:
        close: Callable[[], None] | None = getattr(reader, "close", None)
        if close is not None:
            close()


async def _read_async(
    source: AsyncIterable[Item], rows: list[Item], take: Callable[[], Awaitable[None]]
) -> None:
    reader = aiter(source)
    try:
        async for row in reader:
            rows.append(row)
            if len(rows) >= SLICE_ROWS:
                await take()
        await take()
    finally:
        close: Callable[[], Awaitable[Any]] | None = getattr(reader, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()


def _pull(reader: Iterator[Item], rows: list[Item]) -> bool:
    """Read one slice; whether it is the last."""
    before = len(rows)
    rows.extend(islice(reader, SLICE_ROWS))
    return len(rows) - before < SLICE_ROWS
