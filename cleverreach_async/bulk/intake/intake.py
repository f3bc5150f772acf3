"""Rows in, batches out: encode rows, gather them in windows, and pass full batches to workers."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import anyio
import attrs
from anyio.streams.memory import MemoryObjectSendStream

from cleverreach_async.bulk.attributes.account import AccountAttributes
from cleverreach_async.bulk.attributes.known import AttributesNeededError
from cleverreach_async.bulk.intake.batching import KeyQueue, Window
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.rows import (
    CANARY_ROWS,
    MAX_ROWS,
    Batch,
    EncodedRow,
    Outcome,
    RowResult,
    size_of,
)
from cleverreach_async.errors import CleverReachError
from cleverreach_async.sources.rows import Item, SourceRow
from cleverreach_async.transport.stop import Stop, StopRequestedError

__all__ = ["Intake"]

MAX_BYTES: Final = 4 * 1024 * 1024


@attrs.define(kw_only=True, eq=False)
class Intake:
    """Encodes rows, gathers them in windows, and passes each full batch to a worker.

    Attributes:
        encoder: Encodes rows.
        report: Counts rows read, pending and skipped.
        stop: Ends waits.
        batches: Receives batches; sending waits until a worker is free.
        record_unsent: Called with the results of rows that are not sent.
        window_starts: Called with the number of the row that begins the next window.
        on_refused: Called with the error because of which no more rows are taken.
        attributes: The attributes of the account; ``None`` if those of rows are not checked.
        max_rows: Most rows of a batch.
        canary: Whether the first batch is small; the workers send the others after it.
        resumed: State of an earlier run.
    """

    encoder: Encoder
    report: ImportReport
    stop: Stop
    batches: MemoryObjectSendStream[Batch]
    record_unsent: Callable[[list[RowResult]], Awaitable[None]]
    window_starts: Callable[[int], None]
    on_refused: Callable[[Exception], None]
    attributes: AccountAttributes | None = None
    max_rows: int = MAX_ROWS
    canary: bool = True
    resumed: JournalState | None = None
    _is_closed: bool = attrs.field(default=False, init=False)
    _offered: Batch | None = attrs.field(default=None, init=False)
    _window: Window = attrs.field(init=False)
    _keys: KeyQueue = attrs.field(factory=KeyQueue, init=False)
    _turn: anyio.Lock = attrs.field(factory=lambda: anyio.Lock(fast_acquire=True), init=False)
    _batch_done: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        """Create the first window."""
        resumed = self.resumed or JournalState()
        # A resumed import has to gather the same windows as one that was never interrupted.
        is_small = self.canary and resumed.window_row == 1
        first = min(CANARY_ROWS, self.max_rows) if is_small else self.max_rows
        self._window = Window(max_rows=first, max_bytes=MAX_BYTES, lasting=resumed.sent)

    async def add(self, items: list[Item], position: Callable[[int], None]) -> None:
        """Encode rows and send every batch that they fill.

        Args:
            items: The rows; they are removed, and counted as read, when their turn has come.
            position: Called when they are encoded, with the number of the row that follows them.

        Raises:
            StopRequestedError: The import is to stop, or an attribute of a row does not exist; then
                the rows before it are sent, and those after it remain in ``items``. Other rows that
                were not sent are counted as pending.
        """
        async with self._turn:
            if self._is_closed:
                raise StopRequestedError
            count, refusal = None, None
            while True:
                try:
                    rows, results = self._encode(items, count)
                    break
                except AttributesNeededError as needed:
                    refusal = await self._provide_attributes(needed, items)
                    if refusal is not None:
                        count = needed.row - self.report.read - 1
            await self._gather(rows, results, position if refusal is None else None)
            if refusal is not None:
                await self._refuse(refusal)
                raise StopRequestedError

    async def refuse(self, error: CleverReachError) -> None:
        """Send all rows so far, and take no more of them.

        Args:
            error: Why; the caller of the import gets it.

        Raises:
            StopRequestedError: The import is to stop.
        """
        async with self._turn:
            await self._refuse(error)

    async def flush(self) -> None:
        """Send the current batch although it is not full, and rows whose turn has come.

        Raises:
            StopRequestedError: The import is to stop.
        """
        async with self._turn:
            await self._close_window(self.report.read + 1)
            await self._submit(self._take_ready(self.max_rows, MAX_BYTES))

    async def drain(self) -> None:
        """Send all rows, waiting for those whose turn has not come.

        Raises:
            StopRequestedError: The import is to stop.
        """
        async with self._turn:
            await self._drain()

    @property
    def is_offering(self) -> bool:
        """Whether a batch is submitted, and no worker has begun with it."""
        return self._offered is not None

    def batch_taken(self, batch: Batch) -> None:
        """Record that a worker has taken a batch; the worker counts its rows."""
        if self._offered is batch:
            self._offered = None

    def batch_done(self, batch: Iterable[EncodedRow]) -> None:
        """Record that every row of a batch has a result."""
        self._keys.release([row.key for row in batch])
        done, self._batch_done = self._batch_done, anyio.Event()
        done.set()

    def discard(self) -> int:
        """Discard the rows that were not sent; returns their number."""
        return len(self._take_window()) + len(self._keys.drain())

    def _encode(
        self, items: list[Item], count: int | None
    ) -> tuple[list[EncodedRow], list[RowResult]]:
        """Encode rows; of those that an earlier run has done only the ones still to be gathered.

        They are never sent again, but which rows supersede others depends on all rows of a window.

        Args:
            items: The rows; they are removed and counted as read.
            count: Take only this many of them.

        Raises:
            AttributesNeededError: More must be known of the attributes of a row; nothing is taken.
        """
        report, resumed = self.report, self.resumed
        first, taken = report.read + 1, items[:count]
        numbers = range(first, first + len(taken))
        if resumed is None or first > resumed.last_done:
            rows, results = self.encoder.encode(taken, numbers)
            report.remark_rows(taken, numbers)
        else:
            before_window = max(0, resumed.window_row - first)
            rows, results = self.encoder.encode(taken[before_window:], numbers[before_window:])
            results = [result for result in results if not resumed.has_done(result.row)]
            report.skipped += sum(map(resumed.has_done, numbers))
            report.remark_rows(taken, numbers, but_not=resumed.has_done)
        for number, remark in self.encoder.take_remarks():
            if not self._has_done(number):
                report.remark([remark], _line(taken[number - first]) or number)
        del items[: len(taken)]
        report.read += len(taken)
        return rows, results

    async def _provide_attributes(
        self, needed: AttributesNeededError, items: Sequence[Item]
    ) -> CleverReachError | None:
        """Ask for what a row needs; returns the error if there is no such attribute."""
        if self.attributes is None:
            raise needed
        try:
            await self.attributes.provide(needed, items)
        except CleverReachError as error:
            return error
        return None

    async def _gather(
        self,
        rows: list[EncodedRow],
        results: list[RowResult],
        position: Callable[[int], None] | None,
    ) -> None:
        """Add rows to the window, and send every batch that they fill."""
        start = 0
        try:
            if position is not None:
                position(self.report.read + 1)
            while True:
                start, superseded = self._window.extend(rows, start)
                results += [
                    _superseded(earlier, by)
                    for earlier, by in superseded
                    if not self._has_done(earlier.number)
                ]
                unsent, results = results, []
                if unsent:
                    await self.record_unsent(unsent)
                if start == len(rows):
                    return
                await self._close_window(rows[start].number)
        except BaseException:
            self.report.pending += sum(not self._has_done(row.number) for row in rows[start:])
            self.report.pending += len(results)
            raise

    async def _refuse(self, error: CleverReachError) -> None:
        self._is_closed = True
        self.on_refused(error)
        await self._drain()

    async def _drain(self) -> None:
        await self._close_window(self.report.read + 1)
        while self._keys.waiting:
            await self._send_ready()

    def _has_done(self, number: int) -> bool:
        """Return whether an earlier run has done the row with a number."""
        return self.resumed is not None and self.resumed.has_done(number)

    def _take_window(self) -> Batch:
        """Start a new window; returns the rows of the old one that are to be sent."""
        window = self._window.take()
        if self.resumed is None:
            return window
        return [row for row in window if not self._has_done(row.number)]

    async def _close_window(self, next_row: int) -> None:
        if self._window:
            self._window.max_rows = self.max_rows
        admitted = self._keys.admit(self._take_window())
        self.window_starts(next_row)
        if self.canary and admitted:
            admitted = await self._submit_canary(admitted)
        if self._keys.waiting:
            room = MAX_BYTES - size_of(admitted)
            admitted += self._take_ready(self.max_rows - len(admitted), room)
        await self._submit(admitted)
        while self._keys.waiting > self.max_rows:
            await self._send_ready()

    async def _submit_canary(self, batch: Batch) -> Batch:
        """Submit the first rows of the first batch; returns the others."""
        self.canary = False
        rest = batch[CANARY_ROWS:]
        try:
            await self._submit(batch[:CANARY_ROWS])
        except BaseException:
            self.report.pending += len(rest)
            self._keys.release([row.key for row in rest])
            raise
        return rest

    async def _send_ready(self) -> None:
        ready = self._take_ready(self.max_rows, MAX_BYTES)
        if ready:
            await self._submit(ready)
            return
        with self.stop.ending_waits():
            await self._batch_done.wait()

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
            # If asyncio itself cancels the task, a worker may have taken the batch already.
            if self._offered is batch:
                self._offered = None
                self.report.pending += len(batch)
                # The caller may put later rows of these addresses; they must not wait for these.
                self._keys.release([row.key for row in batch])
            raise


def _superseded(row: EncodedRow, by: EncodedRow) -> RowResult:
    message = f"row {by.number} has the same address and fills the same fields"
    return RowResult(row.number, row.line, Outcome.SUPERSEDED, "superseded", message)


def _line(item: Item) -> int | None:
    return item.line if type(item) is SourceRow else None
