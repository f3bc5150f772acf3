"""The importer: a source, a bounded queue of batches, and workers that deliver them."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from cleverreach_async.bulk.batching import KeyQueue, Window
from cleverreach_async.bulk.delivery import Delivery, Tally
from cleverreach_async.bulk.encoding import EncodedRow, Item, encode_rows
from cleverreach_async.bulk.report import (
    ImportReport,
    OnProgress,
    RejectsFile,
)
from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import ConfigurationError, ImportFailedError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.retry import RetryPolicy
from cleverreach_async.transport.transport import Transport

__all__ = ["Bulk", "ImportRun"]

MAX_ROWS: Final = 1000
MAX_BYTES: Final = 4 * 1024 * 1024
SLICE_ROWS: Final = 64
SPARE_SLOTS: Final = 4
"""Batches beyond those on the wire that may be held: prefetched, or sleeping before a retry."""

Batch = list[EncodedRow]


class ImportRun:
    """One import under way. Made by :meth:`Bulk.open`.

    Attributes:
        report: The counters, true at any moment for the rows that arrived at their outcome.
    """

    def __init__(
        self,
        delivery: Delivery,
        *,
        slots: int,
        max_rows: int,
        rejects: RejectsFile,
        on_progress: OnProgress | None,
        clock: Clock,
    ) -> None:
        self.report = ImportReport()
        self._delivery = delivery
        self._slots = slots
        self._max_rows = max_rows
        self._rejects = rejects
        self._on_progress = on_progress
        self._clock = clock
        self._started = clock.monotonic()
        self._slice: list[Item] = []
        self._window = Window(max_rows=max_rows, max_bytes=MAX_BYTES)
        self._keys = KeyQueue()
        self._arrived = anyio.Event()
        self._failure: Exception | None = None
        self._callback_failure: Exception | None = None
        streams = anyio.create_memory_object_stream[Batch](0)
        self._batches: MemoryObjectSendStream[Batch] = streams[0]
        self._inbox: MemoryObjectReceiveStream[Batch] = streams[1]

    async def put(self, row: Item) -> None:
        """Add one row. Waits only when all slots are taken.

        Raises:
            ImportFailedError: The import has stopped; its cause is chained.
        """
        self._slice.append(row)
        if len(self._slice) >= SLICE_ROWS:
            await self._take_slice()

    async def feed(self, source: Iterable[Item] | AsyncIterable[Item]) -> None:
        """Add every row of a source.

        Raises:
            ImportFailedError: The import has stopped; its cause is chained.
        """
        if isinstance(source, AsyncIterable):
            async for row in source:
                await self.put(row)
            return
        await self._take_slice()
        rows = iter(source)
        while chunk := list(islice(rows, SLICE_ROWS)):
            self._slice = chunk
            await self._take_slice()

    def start(self, tasks: anyio.abc.TaskGroup) -> None:
        """Start the workers, one per slot."""
        for _ in range(self._slots):
            tasks.start_soon(self._work, self._inbox.clone())
        self._inbox.close()

    async def finish(self) -> None:
        """Send what is left and let the workers go home once it has arrived."""
        try:
            await self._take_slice()
            await self._seal_window()
            while self._keys.waiting:
                await self._send_ready()
        except _Stopped:
            pass  # close() accounts for what was not sent
        finally:
            self._batches.close()

    def abandon(self) -> None:
        """Take no more rows; for a caller that is cancelled."""
        self._batches.close()

    def close(self) -> None:
        """Account for what was not sent, and check that no row is lost.

        Raises:
            ImportFailedError: The import stopped before every row was sent.
            Exception: What ``on_progress`` raised.
        """
        report = self.report
        report.read += len(self._slice)
        report.pending += len(self._slice) + len(self._window.take()) + len(self._keys.drain())
        self._slice = []
        report.elapsed = self._clock.monotonic() - self._started
        report.assert_balanced()
        self._tell(finished=True)
        if self._failure is not None:
            raise ImportFailedError(
                f"the import stopped after {report.accepted} rows: {self._failure}", report
            ) from self._failure
        if self._callback_failure is not None:
            raise self._callback_failure

    async def _take_slice(self) -> None:
        if self._failure is not None:
            raise _Stopped
        items, self._slice = self._slice, []
        rows, rejected = encode_rows(items, first=self.report.read + 1)
        self.report.read += len(items)
        self._record(rejected)
        start = 0
        while True:
            start, superseded = self._window.extend(rows, start)
            self._record([_superseded(earlier, by) for earlier, by in superseded])
            if start == len(rows):
                break
            try:
                await self._seal_window()
            except BaseException:
                self.report.pending += len(rows) - start
                raise
        await anyio.lowlevel.checkpoint()

    async def _seal_window(self) -> None:
        admitted = self._keys.admit(self._window.take())
        room = self._max_rows - len(admitted)
        if room > 0:
            size = sum(len(row.body) for row in admitted)
            admitted += self._keys.take_ready(max_rows=room, max_bytes=MAX_BYTES - size)
        await self._submit(admitted)
        while self._keys.waiting > self._max_rows:
            await self._send_ready()

    async def _send_ready(self) -> None:
        ready = self._keys.take_ready(max_rows=self._max_rows, max_bytes=MAX_BYTES)
        if ready:
            await self._submit(ready)
        else:
            await self._arrived.wait()
        if self._failure is not None:
            raise _Stopped

    async def _submit(self, batch: Batch) -> None:
        if not batch:
            return
        try:
            await self._batches.send(batch)
        except BaseException:
            self.report.pending += len(batch)
            raise

    async def _work(self, inbox: MemoryObjectReceiveStream[Batch]) -> None:
        with inbox:
            async for batch in inbox:
                await self._deliver(batch)
                self._keys.release([row.key for row in batch])
                arrived, self._arrived = self._arrived, anyio.Event()
                arrived.set()

    async def _deliver(self, batch: Batch) -> None:
        """Deliver a batch; a failure stops the import but never the accounting."""
        tally = Tally()
        try:
            if self._failure is None:
                await self._delivery.deliver(batch, tally)
                self.report.batches += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the import in order
            self._failure = self._failure or error
        finally:
            report = self.report
            report.accepted += tally.accepted
            report.pending += len(batch) - tally.done
            report.requests += tally.requests
            report.retries += tally.retries
            self._record(tally.results)
            self._tell()

    def _record(self, results: list[RowResult]) -> None:
        if not results:
            return
        self.report.count(results)
        try:
            self._rejects.write(results)
        except OSError as error:
            self._failure = self._failure or error

    def _tell(self, *, finished: bool = False) -> None:
        if self._on_progress is None:
            return
        try:
            elapsed = self._clock.monotonic() - self._started
            self._on_progress(self.report.progress(elapsed, finished=finished))
        except Exception as error:  # noqa: BLE001 - raised at the end; rows are not its hostages
            self._callback_failure = self._callback_failure or error


class _Stopped(Exception):  # noqa: N818 - never leaves this file
    """The import has failed; the producer has nothing more to do."""


class Bulk:
    """``cr.bulk``: imports of any size into a group."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def upsert(
        self,
        source: Iterable[Item] | AsyncIterable[Item],
        *,
        group_id: int,
        concurrency: int = 4,
        batch_size: int = MAX_ROWS,
        rejects: str | Path | None = None,
        on_progress: OnProgress | None = None,
        timeout: float = 120.0,
        max_outage: float = 1800.0,
    ) -> ImportReport:
        """Add or change every receiver of a source.

        Rows are delivered in parallel batches. Rows of one address keep their order; within a
        window of ``batch_size`` rows the last one wins and the earlier are ``superseded``. A row
        that cannot be sent is rejected and never stops the others. The server's troubles (429,
        5xx, lost connections) are waited out; rows with orders, which must not be stored twice,
        become ``unknown`` when an answer is lost.

        Args:
            source: Receivers, mappings of their fields, or what :func:`read_csv` yields.
            group_id: The group.
            concurrency: Requests on the wire at a time.
            batch_size: Most rows per request, at most 1000.
            rejects: File for the rows that were not accepted, as JSON Lines.
            on_progress: Called after each batch with an :class:`ImportProgress`.
            timeout: Seconds that one request may take.
            max_outage: Seconds that one batch may fail before the import stops.

        Returns:
            The report. Rejected rows do not raise; see ``report.raise_for_failures()``.

        Raises:
            ImportFailedError: The import stopped early; ``.report`` tells how far it came.
            ConfigurationError: An argument is out of range.

        ``POST /groups/{group_id}/receivers/upsertplus``
        """
        async with self.open(
            group_id=group_id,
            concurrency=concurrency,
            batch_size=batch_size,
            rejects=rejects,
            on_progress=on_progress,
            timeout=timeout,
            max_outage=max_outage,
        ) as run:
            await run.feed(source)
        return run.report

    @asynccontextmanager
    async def open(
        self,
        *,
        group_id: int,
        concurrency: int = 4,
        batch_size: int = MAX_ROWS,
        rejects: str | Path | None = None,
        on_progress: OnProgress | None = None,
        timeout: float = 120.0,
        max_outage: float = 1800.0,
    ) -> AsyncGenerator[ImportRun, None]:
        """Open an import for rows that are pushed: ``await run.put(row)``.

        Leaving the block delivers what was put. The arguments are those of :meth:`upsert`.

        Raises:
            ImportFailedError: The import stopped early; ``.report`` tells how far it came.
        """
        _check_range("concurrency", concurrency, 1, 32)
        _check_range("batch_size", batch_size, 1, MAX_ROWS)
        delivery = Delivery(
            transport=self._transport,
            group_id=group_id,
            permits=anyio.Semaphore(concurrency),
            timeout=timeout,
            max_outage=max_outage,
            policy=RetryPolicy(cap=30.0),
        )
        with RejectsFile(rejects) as rejects_file:
            run = ImportRun(
                delivery,
                slots=concurrency + SPARE_SLOTS,
                max_rows=batch_size,
                rejects=rejects_file,
                on_progress=on_progress,
                clock=self._transport.clock,
            )
            fault = None
            async with anyio.create_task_group() as tasks:
                run.start(tasks)
                try:
                    yield run
                except Exception as error:  # noqa: BLE001
                    fault = error  # raised below, where no exception group wraps it
                except BaseException:
                    run.abandon()
                    raise
                await run.finish()
            _raise_first(run, fault)


def _raise_first(run: ImportRun, fault: Exception | None) -> None:
    """End the run; the caller's own error comes before what the import has to say."""
    if fault is None or isinstance(fault, _Stopped):
        run.close()
        return
    with suppress(ImportFailedError):
        run.close()
    report = run.report
    fault.add_note(f"{report.accepted} of {report.read} rows read before it were imported")
    raise fault


def _superseded(row: EncodedRow, by: EncodedRow) -> RowResult:
    message = f"row {by.number} of the same address follows close behind"
    return RowResult(row.number, row.line, Outcome.SUPERSEDED, "superseded", message)


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigurationError(f"{name} is {value}; it goes from {least} to {most}")
