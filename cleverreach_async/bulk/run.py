"""One import in progress: what the caller holds."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
import attrs

from cleverreach_async.bulk.attributes.account import AccountAttributes
from cleverreach_async.bulk.delivery.workers import Workers
from cleverreach_async.bulk.intake.intake import Intake
from cleverreach_async.bulk.intake.reading import Source, read_source
from cleverreach_async.bulk.intake.slices import SliceLimit
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.outcomes.accounting import Accounting
from cleverreach_async.bulk.outcomes.results import ResultStream
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.turns import Turns
from cleverreach_async.errors import CleverReachError, ConfigurationError, SourceError
from cleverreach_async.sources.column_options import TakesTypes, columns_of
from cleverreach_async.sources.counted_rows import CountedRows, as_resumable
from cleverreach_async.sources.later import inspect_source
from cleverreach_async.sources.resumable import Resumable
from cleverreach_async.sources.rows import Item
from cleverreach_async.transport.stop import Stop, StopRequestedError, is_stop

__all__ = ["ImportRun"]


def _ignore_position(row: int) -> None:
    """Do nothing: the source cannot be resumed."""
    del row


@attrs.define(kw_only=True, eq=False)
class ImportRun:
    """One import in progress. Created by ``cr.bulk.open()``.

    Attributes:
        report: The counters, correct at any moment for the rows that have a result.
    """

    _intake: Intake = attrs.field(alias="intake")
    _workers: Workers = attrs.field(alias="workers")
    _accounting: Accounting = attrs.field(alias="accounting")
    _stop: Stop = attrs.field(alias="stop")
    _limit: SliceLimit = attrs.field(alias="limit")
    _turns: Turns = attrs.field(alias="turns")
    _attributes: AccountAttributes | None = attrs.field(default=None, alias="attributes")
    _resumed: JournalState | None = attrs.field(default=None, alias="resumed")
    _answer: ImportReport | None = attrs.field(default=None, alias="answer")
    _slice: list[Item] = attrs.field(factory=list[Item], init=False)
    _has_ended: bool = attrs.field(default=False, init=False)
    _all_taken: bool = attrs.field(default=False, init=False)

    @property
    def report(self) -> ImportReport:
        """The counters; of a complete import those of the run that completed it."""
        return self._answer or self._accounting.report

    async def put(self, row: Item) -> None:
        """Add one row. Waits only when too many batches are in progress, or results are not read.

        Raises:
            StopRequestedError: The import is stopping; leave the block to get the reason.
            ConfigurationError: The import has ended.
        """
        if self._has_ended:
            raise ConfigurationError("put() was called after end(); open another import")
        self._slice.append(row)
        if len(self._slice) >= self._limit.rows:
            await self._take_slice()

    async def feed(self, source: Source) -> None:
        """Add every row of a source, resuming it where an earlier run with the same journal ended.

        Raises:
            StopRequestedError: The import is stopping; leave the block to get the reason.
        """
        await inspect_source(source)
        await self._feed(source, columns_of(source))

    async def _feed(self, source: Source, columns: TakesTypes | None) -> None:
        """Add every row of a source.

        Args:
            source: The rows.
            columns: What knows the columns of the rows, if they have some.
        """
        await self._take_slice()
        await self._adapt(columns)
        self._seek(source)
        await inspect_source(source)  # to skip rows may take long
        position = _ignore_position
        if isinstance(source, Resumable):
            position = partial(self._record_position, source)
        take: Callable[[], Awaitable[None]] = partial(self._take_slice, position)
        if columns is not None and columns.mapping is None:
            take = self._adapting_first(columns, take)
        # A source may block for longer than a stop can wait.
        with self._stop.ending_waits():
            await read_source(source, self._slice, take, self._limit)

    def _adapting_first(
        self, columns: TakesTypes, take: Callable[[], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        """Take slices of a source whose columns are known only when its first row is read."""
        has_adapted = False

        async def adapt_and_take() -> None:
            nonlocal has_adapted
            if columns.mapping is not None and not has_adapted:
                has_adapted = True
                await self._adapt(columns)
            await take()

        return adapt_and_take

    async def _adapt(self, columns: TakesTypes | None) -> None:
        """Check the columns of a source.

        Raises:
            StopRequestedError: An attribute does not exist, or the account does not say.
        """
        if self._attributes is None or columns is None:
            return
        try:
            await self._attributes.adapt(columns)
        except CleverReachError as error:
            await self._intake.refuse(error)
            raise StopRequestedError from error

    async def import_all(self, source: Source) -> None:
        """Add every row of a source; see :meth:`feed`.

        Raises:
            StopRequestedError: The import is stopping.
            ImportFailedError: The source failed; what was read before it is delivered.
        """
        try:
            is_counted = self._accounting.checkpoint.is_resumable
            await self._feed(as_resumable(source) if is_counted else source, columns_of(source))
        except StopRequestedError:
            raise
        except Exception as error:
            raise self._accounting.source_error(error, self.rows_taken) from error

    async def flush(self) -> None:
        """Send the rows that were put, without waiting for a full batch.

        Raises:
            StopRequestedError: The import is stopping; leave the block to get the reason.
        """
        await self._take_slice()
        await self._intake.flush()

    def results(self, *, until_end: bool = False) -> ResultStream:
        """Iterate over the results of all rows, including accepted ones.

        The rows put so far are sent, and the loop ends when each has a result. Call it before more
        than 2000 rows are put. Rows are taken no faster than results are read.

        Args:
            until_end: For a task other than the one that puts rows: the loop goes on until that
                task has called :meth:`end`.

        Raises:
            ConfigurationError: It was called too late, or is being read already.
        """
        flush = None if until_end else self._flush_for_reader
        return ResultStream(self._accounting.results, flush=flush)

    async def end(self) -> None:
        """Send the remaining rows and wait until each has a result; no rows can be put after it.

        Leaving the block does the same.
        """
        self._has_ended = True
        try:
            await self._take_slice()
            self._all_taken = True
            await self._intake.drain()
        except StopRequestedError:
            pass  # the rows that were not sent are counted when the import is closed
        finally:
            self._intake.batches.close()
        await self._workers.wait()

    @property
    def rows_taken(self) -> int:
        """Rows taken from the source so far."""
        return self._accounting.report.read + len(self._slice)

    def stop(self, reason: str = "stop was requested") -> None:
        """Take no more rows, let requests in flight complete, and leave the rest pending.

        Args:
            reason: What the report says; after ``drain`` seconds requests are aborted.
        """
        self._accounting.stop(reason)

    def abort(self, reason: str = "the import was aborted") -> None:
        """Abort requests in flight as well; whether their rows were stored remains unknown.

        Args:
            reason: What the report says.
        """
        self._accounting.report.stopped = self._accounting.report.stopped or reason
        self._stop.abort()

    @asynccontextmanager
    async def running(self, *, settle: float) -> AsyncGenerator[None, None]:
        """Run the workers around the caller's block, and account for every row after it.

        Args:
            settle: Seconds after which a request of an earlier run has surely ended on the server.

        Raises:
            ImportFailedError: The import stopped itself, or a callback failed.
            JournalError: The journal cannot be written.
        """
        accounting = self._accounting
        async with accounting.checkpoint.holding(accounting.fail, settle=settle), self._working():
            yield

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None, None]:
        error: Exception | None = None
        try:
            async with anyio.create_task_group() as tasks:
                self._workers.start(
                    tasks, on_taken=self._intake.batch_taken, on_done=self._intake.batch_done
                )
                try:
                    try:
                        yield
                    except Exception as caught:  # noqa: BLE001
                        error = caught  # raised below, where no exception group wraps it
                    await self.end()
                except BaseException:
                    self.stop("the caller was cancelled")
                    self._intake.batches.close()
                    raise
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._close(None)
            raise
        failure = await self._close(None if error is None or is_stop(error) else error)
        if failure is not None:
            raise failure

    async def _close(self, error: Exception | None) -> Exception | None:
        unsent = len(self._slice) + self._intake.discard()
        self._accounting.report.read += len(self._slice)
        self._slice.clear()
        return await self._accounting.close(unsent=unsent, all_taken=self._all_taken, error=error)

    def _seek(self, source: Source) -> None:
        """Resume the source at the journal's position, instead of reading done rows again."""
        resumed = self._resumed
        if resumed is None or resumed.position is None or self._accounting.report.read:
            return
        if isinstance(source, Resumable):
            source.seek(resumed.position)
            self._accounting.report.read = self._accounting.report.skipped = (
                resumed.position_row - 1
            )

    @property
    def _is_beyond_end(self) -> bool:
        """Whether the next rows come after the last one of an import that is complete."""
        resumed = self._resumed
        return resumed is not None and resumed.finished and self.rows_taken >= resumed.next_row

    def _record_position(self, source: Resumable, row: int) -> None:
        with_read = source.with_read if isinstance(source, CountedRows) else None
        self._accounting.checkpoint.position(row, source.tell(), with_read=with_read)

    async def _take_slice(self, position: Callable[[int], None] = _ignore_position) -> None:
        if self._stop.requested:
            raise StopRequestedError
        if self._slice and self._is_beyond_end:
            await self._intake.refuse(
                SourceError(
                    f"the import is complete with {self._accounting.report.read:,} rows, and there"
                    " are more rows now; import them with another journal",
                    path="the source",
                )
            )
            raise StopRequestedError
        if self._accounting.results.is_full:
            with self._stop.ending_waits():
                await self._accounting.results.wait_for_room()
        rows, limit = len(self._slice), self._limit
        limit.start()

        def encoded(next_row: int) -> None:
            position(next_row)
            limit.stop(rows)

        await self._intake.add(self._slice, encoded)
        if limit.must_yield or not rows:
            await self._turns.take()
            limit.yielded()

    async def _flush_for_reader(self) -> bool:
        """Send the rows at hand for a waiting reader; returns whether more results will come."""
        try:
            await self.flush()
        except StopRequestedError:
            return self._workers.delivering > 0 or self._intake.is_offering
        return self._accounting.report.settled < self._accounting.report.read
