"""One import under way: rows in, a bounded number of batches held, outcomes out."""

from collections.abc import Callable
from functools import partial
from typing import Final

import anyio
import anyio.abc
import anyio.lowlevel
import attrs
from anyio.streams.memory import MemoryObjectReceiveStream

from cleverreach_async.bulk.delivery.batch_result import Tally
from cleverreach_async.bulk.delivery.delivery import Delivery
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.intake import SLICE_ROWS, Intake, Source, read_source
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.outcomes.checkpoint import Ledger
from cleverreach_async.bulk.outcomes.reject_limit import Breaker
from cleverreach_async.bulk.outcomes.results import Outbox, Results
from cleverreach_async.bulk.report import (
    ImportReport,
    OnProgress,
    as_import_failure,
    in_words,
    too_many_rejects,
)
from cleverreach_async.bulk.rows import MAX_ROWS, Batch, Outcome, RowResult, unknown
from cleverreach_async.errors import ConfigurationError, ImportFailedError, TooManyRejectsError
from cleverreach_async.sources.resumable import Resumable
from cleverreach_async.sources.rows import Item
from cleverreach_async.transport.stop import StopRequestedError

__all__ = ["ImportRun", "Limits"]

_COUNTED: Final = ("accepted", "rejected", "unknown", "superseded")
_NO_FAULT_OF_THE_ROWS: Final = frozenset({"duplicate", "not_found"})


def _nowhere(row: int) -> None:
    """Take no note of a position: the source cannot go on in the middle."""
    del row


@attrs.frozen(kw_only=True)
class Limits:
    """How much an import holds.

    Attributes:
        slots: Batches held at a time: on the wire, waiting for a permit, or for a retry.
        rows: Most rows of a batch.
        canary: Whether the first batch is small and goes alone.
        drain: Seconds that a stop leaves to what is on the wire.
    """

    slots: int
    rows: int = MAX_ROWS
    canary: bool = True
    drain: float = 30.0


class ImportRun:
    """One import under way. Made by :meth:`Bulk.open`.

    Attributes:
        report: The counters, true at any moment for the rows that arrived at their outcome.
    """

    def __init__(
        self,
        delivery: Delivery,
        ledger: Ledger,
        *,
        limits: Limits,
        encoder: Encoder,
        breaker: Breaker,
        resumed: JournalState | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.report = ImportReport()
        if resumed is not None:
            self.report.earlier = {name: getattr(resumed, name) for name in _COUNTED}
        self._delivery = delivery
        self._ledger = ledger
        self._limits = limits
        self._breaker = breaker
        self._resumed = resumed
        self._on_progress = on_progress
        self._clock = delivery.transport.clock
        self._stop = delivery.stop
        self._started = self._clock.monotonic()
        self._slice: list[Item] = []
        self._outbox = Outbox()
        self._failure: Exception | None = None
        self._callback_failure: Exception | None = None
        self._tasks: anyio.abc.TaskGroup | None = None
        self._at_work = self._delivering = self._read_at_event = 0
        self._all_home = anyio.Event()
        self._is_all_taken = self._is_ended = False
        self._patience = anyio.CancelScope(shield=True)
        self._batches, self._inbox = anyio.create_memory_object_stream[Batch](0)
        self._intake = Intake(
            encoder,
            self.report,
            self._stop,
            self._batches,
            self._note,
            ledger.gathers_from,
            limits.rows,
            limits.canary,
            resumed,
        )

    # What the caller does.

    async def put(self, row: Item) -> None:
        """Add one row. Waits only when all slots are taken, or outcomes are not read.

        Raises:
            StopRequestedError: The import stops; leave the block to learn why.
            ConfigurationError: The import has ended.
        """
        if self._is_ended:
            raise ConfigurationError("nothing can be put after end(); open another import")
        self._slice.append(row)
        if len(self._slice) >= SLICE_ROWS:
            await self._take_slice()

    async def feed(self, source: Source) -> None:
        """Add every row of a source, from where an earlier run over the same journal ended.

        Raises:
            StopRequestedError: The import stops; leave the block to learn why.
        """
        await self._take_slice()
        self._rewind(source)
        reach = partial(self._reached, source) if isinstance(source, Resumable) else _nowhere
        # A source may keep one waiting for longer than a stop can.
        with self._stop.ending_waits():
            await read_source(source, self._slice, partial(self._take_slice, reach))

    async def flush(self) -> None:
        """Send what was put without waiting for a batch to be full.

        Raises:
            StopRequestedError: The import stops; leave the block to learn why.
        """
        await self._take_slice()
        await self._intake.flush()

    def results(self, *, until_end: bool = False) -> Results:
        """Iterate over the outcomes of all rows, accepted ones included.

        The rows put so far are sent, and the loop ends when each has its outcome. To be called
        before more than 2000 rows are put. Rows are taken in no faster than outcomes are read.

        Args:
            until_end: For a task beside the one that puts rows: the loop goes on until that one
                has called :meth:`end`.

        Raises:
            ConfigurationError: It was called too late, or is being read already.
        """
        return Results(self._outbox, hurry=None if until_end else self._hurry)

    async def end(self) -> None:
        """Send what is left and wait until all has arrived; no rows can be put after it.

        Leaving the block does the same.
        """
        self._is_ended = True
        try:
            await self._take_slice()
            self._is_all_taken = True
            await self._intake.drain()
        except StopRequestedError:
            pass  # close() accounts for what was not sent
        finally:
            self._batches.close()
        await self._all_home.wait()

    @property
    def rows_taken(self) -> int:
        """Rows taken from the source so far."""
        return self.report.read + len(self._slice)

    def stop(self, reason: str = "stop was requested") -> None:
        """Take no more rows; let what is on the wire end, and leave the rest pending.

        Args:
            reason: What the report says; after ``drain`` seconds requests are broken off.
        """
        if self._stop.requested:
            return
        self.report.stopped = self.report.stopped or reason
        self._stop.request()
        if self._tasks is not None and self._at_work:
            self._tasks.start_soon(self._abort_later)

    def abort(self, reason: str = "it was broken off") -> None:
        """Break off what is on the wire as well; whether it was stored remains unknown.

        Args:
            reason: What the report says.
        """
        self.report.stopped = self.report.stopped or reason
        self._stop.abort()

    # What the block around it does.

    def start(self, tasks: anyio.abc.TaskGroup) -> None:
        """Start the workers, one per slot."""
        self._tasks = tasks
        self._at_work = self._limits.slots
        for _ in range(self._limits.slots):
            tasks.start_soon(self._work, self._inbox.clone())
        self._inbox.close()

    def abandon(self) -> None:
        """Stop, for a caller who is cancelled."""
        self.stop("the caller was cancelled")
        self._batches.close()

    async def close(self) -> None:
        """Account for what was not sent, and check that no row is lost.

        Raises:
            ImportFailedError: The import stopped by itself, or a callback failed.
        """
        report = self.report
        report.read += len(self._slice)
        report.pending += len(self._slice) + self._intake.give_up()
        self._slice.clear()
        report.elapsed = self._clock.monotonic() - self._started
        report.assert_balanced()
        is_over = self._is_all_taken and not report.pending
        if isinstance(self._failure, TooManyRejectsError) and is_over:
            # It tripped on the last rows: there was nothing left to stop.
            self._failure, report.stopped = None, ""
        try:
            complete = not report.stopped and not report.pending and self._failure is None
            await self._ledger.finish(complete=complete)
        except Exception as error:  # noqa: BLE001 - raised below with the rest
            self._fail(error)
        self._outbox.end()
        self._tell(finished=True)
        if self._failure is not None:
            raise as_import_failure(self._failure, report) from self._failure
        if self._callback_failure is not None:
            told = in_words(self._callback_failure)
            raise ImportFailedError(
                f"on_progress failed, and the import went on: {told}", report
            ) from self._callback_failure

    # Rows in.

    def _rewind(self, source: Source) -> None:
        """Let the source go on where the journal says, rather than read what is done again."""
        resumed = self._resumed
        if resumed is None or resumed.position is None or self.report.read:
            return
        if isinstance(source, Resumable):
            source.seek(resumed.position)
            self.report.read = self.report.skipped = resumed.position_row - 1

    def _reached(self, source: Resumable, row: int) -> None:
        self._ledger.reached(row, source.tell())

    async def _take_slice(self, reach: Callable[[int], None] = _nowhere) -> None:
        if self._stop.requested:
            raise StopRequestedError
        if self._outbox.is_full:
            with self._stop.ending_waits():
                await self._outbox.room()
        await self._intake.take(self._slice, reach)
        await anyio.lowlevel.checkpoint()

    async def _note(self, results: list[RowResult]) -> None:
        """Write down rows that are not sent."""
        self._count(0, results, answered=False)
        self._outbox.put((), results)
        if self.report.read - self._read_at_event >= self._limits.rows:
            self._tell()
        try:
            await self._ledger.note(results)
        except Exception as error:
            self._fail(error)
            raise StopRequestedError from error

    async def _hurry(self) -> bool:
        """Send what there is for a reader who waits; ``False`` when no outcome is on its way."""
        try:
            await self.flush()
        except StopRequestedError:
            return self._delivering > 0
        return self.report.settled < self.report.read

    # Batches out.

    async def _work(self, inbox: MemoryObjectReceiveStream[Batch]) -> None:
        """Deliver batches one after the other.

        Shielded: a caller who is cancelled stops the import in order, and outcomes that are on
        their way are not lost.
        """
        with anyio.CancelScope(shield=True), inbox:
            async for batch in inbox:
                self._intake.handed_over(batch)
                await self._deliver(batch)
                self._intake.arrived(batch)
                self._tell()
        self._at_work -= 1
        if not self._at_work:
            self._patience.cancel()
            self._outbox.end()
            self._all_home.set()

    async def _abort_later(self) -> None:
        with self._patience:
            await self._clock.sleep(self._limits.drain)
            self._stop.abort()

    async def _deliver(self, batch: Batch) -> None:
        """Deliver a batch; a failure stops the import but never the accounting."""
        tally = Tally()
        is_begun = False
        try:
            if not self._stop.requested:
                is_begun = True
                self._delivering += 1
                await self._ledger.sent(batch)
                await self._delivery.deliver(batch, tally)
                self.report.batches += 1
        except StopRequestedError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the import in order
            self._fail(error)
        finally:
            self._delivering -= is_begun
            self._settle(batch, tally)
        if not is_begun:
            return  # what an earlier run has noted of these rows still holds
        try:
            await self._ledger.settled(batch, tally)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _settle(self, batch: Batch, tally: Tally) -> None:
        """Count what became of a batch."""
        report = self.report
        left = tally.left_of(batch)
        if not self._ledger.is_resumable:
            # Nobody will look these up later, so they are not merely pending.
            doubt = "the import stopped before it was known whether it was stored"
            lost = [row for row in left if row.number in tally.in_doubt and not row.repeatable]
            tally.results += [unknown(row, doubt) for row in lost]
            left = tally.left_of(batch)
        report.pending += len(left)
        report.requests += tally.requests
        report.retries += tally.retries
        report.replayed += len(tally.replayed)
        report.unexpected += tally.unexpected
        self._count(len(tally.accepted), tally.results, answered=True)
        self._outbox.put(tally.accepted, tally.results)

    def _count(self, accepted: int, results: list[RowResult], *, answered: bool) -> None:
        self.report.accepted += accepted
        self.report.count(results)
        faulty = sum(
            result.outcome is Outcome.REJECTED and result.code not in _NO_FAULT_OF_THE_ROWS
            for result in results
        )
        if accepted or faulty:
            self._breaker.count(accepted, faulty, answered=answered)
        if self._breaker.verdict and self._failure is None:
            self._fail(too_many_rejects(self._breaker.verdict, self.report))

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.stop(in_words(error))

    def _tell(self, *, finished: bool = False) -> None:
        if self._on_progress is None:
            return
        self._read_at_event = self.report.read
        permits, transport = self._delivery.permits, self._delivery.transport
        try:
            self._on_progress(
                self.report.progress(
                    self._clock.monotonic() - self._started,
                    in_flight=permits.in_flight,
                    limit=permits.limit,
                    paused=transport.own_account().gate.closed,
                    finished=finished,
                )
            )
        except Exception as error:  # noqa: BLE001 - raised at the end; rows are not its hostages
            self._callback_failure = self._callback_failure or error
