"""The accounting of an import: counters, results, the reject limit, the checkpoint, callbacks.

All errors of an import end here: those of its workers, its callbacks and its files are recorded,
and :meth:`Accounting.close` decides which of them the caller gets.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from cleverreach_async.bulk.journal.record import encode_report
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.outcomes.checkpoint import Checkpoint
from cleverreach_async.bulk.outcomes.reject_limit import RejectLimit
from cleverreach_async.bulk.outcomes.results import ResultBuffer
from cleverreach_async.bulk.report import (
    ImportReport,
    OnProgress,
    as_import_failure,
    message_of,
    too_many_rejects,
)
from cleverreach_async.bulk.rows import Batch, Outcome, RowResult, unknown
from cleverreach_async.errors import ImportFailedError, TooManyRejectsError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.transport.stop import Stop, StopRequestedError

__all__ = ["Accounting"]

_NOT_FAULTY: Final = frozenset({"duplicate", "not_found"})


@attrs.define(kw_only=True, eq=False)
class Accounting:
    """Counts rows, records their results, and decides what an error means for the import.

    Attributes:
        report: The counters.
        checkpoint: Writes results down.
        reject_limit: Decides when there are too many rejects.
        results: Results for a caller who iterates over them.
        stop_signal: Stops the import.
        clock: Source of time.
        on_progress: Called with an :class:`ImportProgress`, or ``None``.
        activity: Returns the other fields of that event: in_flight, limit, paused.
        rows_per_event: Rows read after which progress is reported even if nothing was sent.
    """

    report: ImportReport
    checkpoint: Checkpoint
    reject_limit: RejectLimit
    results: ResultBuffer
    stop_signal: Stop
    clock: Clock
    on_progress: OnProgress | None
    activity: Callable[[], Mapping[str, Any]]
    rows_per_event: int
    _read_at_event: int = attrs.field(default=0, init=False)
    _started: float = attrs.field(init=False)
    _failure: Exception | None = attrs.field(default=None, init=False)
    _callback_failure: BaseException | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Start to measure the time."""
        self._started = self.clock.monotonic()

    async def record_unsent(self, results: list[RowResult]) -> None:
        """Record rows that have a result without being sent.

        Raises:
            StopRequestedError: They could not be written down, so the import stops.
        """
        self._count(0, results, answered=False)
        self.results.add((), results)
        if self.report.read - self._read_at_event >= self.rows_per_event:
            self.emit_progress()
        try:
            await self.checkpoint.record_unsent(results)
        except Exception as error:
            self.fail(error)
            raise StopRequestedError from error

    def record(self, batch: Batch, result: BatchResult) -> None:
        """Count the results of a batch."""
        report = self.report
        left = result.without_result(batch)
        if not self.checkpoint.is_resumable:
            # No later run will look these up, so they are more than pending.
            message = "the import stopped before it was known whether the row was stored"
            lost = [row for row in left if row.number in result.in_doubt and not row.repeatable]
            result.results += [unknown(row, message) for row in lost]
            left = result.without_result(batch)
        report.pending += len(left)
        report.requests += result.requests
        report.retries += result.retries
        report.replayed += len(result.resent)
        report.unexpected += result.unexpected
        for row, remark in result.remarks:
            report.remark([remark], row.line or row.number)
        self._count(len(result.accepted), result.results, answered=True)
        self.results.add(result.accepted, result.results)

    def _count(self, accepted: int, results: list[RowResult], *, answered: bool) -> None:
        self.report.accepted += accepted
        self.report.count(results)
        faulty = sum(
            result.outcome is Outcome.REJECTED and result.code not in _NOT_FAULTY
            for result in results
        )
        if accepted or faulty:
            self.reject_limit.add(accepted, faulty, answered=answered)
        if self.reject_limit.exceeded and self._failure is None:
            self.fail(too_many_rejects(self.reject_limit.exceeded, self.report))

    def fail(self, error: Exception) -> None:
        """Record an error that ends the import, and stop it; the first one counts."""
        self.refuse(error)
        self.stop(message_of(error))

    def refuse(self, error: Exception) -> None:
        """Record an error because of which no more rows are taken; those before it are sent."""
        self._failure = self._failure or error
        self.report.stopped = self.report.stopped or message_of(error)

    def stop(self, reason: str) -> None:
        """Stop the import; the first reason counts."""
        self.report.stopped = self.report.stopped or reason
        self.stop_signal.request()

    def emit_progress(self, *, finished: bool = False) -> None:
        """Call ``on_progress``; an error of it is raised when the import has ended."""
        if self.on_progress is None:
            return
        self._read_at_event = self.report.read
        elapsed = self.clock.monotonic() - self._started
        try:
            self.on_progress(self.report.progress(elapsed, finished=finished, **self.activity()))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - see close()
            # Nothing is awaited here, so even a cancellation is an error of the callback.
            self._callback_failure = self._callback_failure or error

    def gate_switched(self) -> None:
        """Count a pause, and report that the account's calls wait or go on."""
        self.report.pauses += bool(self.activity()["paused"])
        self.emit_progress()

    def source_error(self, error: Exception, rows: int) -> ImportFailedError:
        """Return the error for a source that failed; what was read before it is delivered.

        Args:
            error: What the source raised.
            rows: Rows read before it.
        """
        message = f"the source failed after {rows} rows: {mask_emails(str(error))}"
        self.report.stopped = self.report.stopped or message
        return ImportFailedError(message, self.report)

    async def close(
        self, *, unsent: int, all_taken: bool, error: Exception | None = None
    ) -> Exception | None:
        """Complete the counters, check that no row is lost, and decide which error to raise.

        Args:
            unsent: Rows that were read but not sent.
            all_taken: Whether the source was read to its end.
            error: What the caller's block raised.

        Returns:
            The error for the caller: that of the caller's block; or one that stopped the import;
            or one of ``on_progress``, which did not stop it; or ``None``.
        """
        report = self.report
        if error is not None:
            report.stopped = report.stopped or "the caller failed"
        report.pending += unsent
        report.elapsed = self.clock.monotonic() - self._started
        try:
            report.assert_balanced()
        except AssertionError as bug:
            self.fail(bug)  # an earlier error, which may be the cause, is the one to raise
        if isinstance(self._failure, TooManyRejectsError) and all_taken and not report.pending:
            # The limit was exceeded by the last rows: there was nothing left to stop.
            self._failure, report.stopped = None, ""
        try:
            complete = not report.stopped and not report.pending and self._failure is None
            await self.checkpoint.finish(report=encode_report(report) if complete else "")
        except Exception as failure:  # noqa: BLE001 - returned below
            self.fail(failure)
        report.unwritten = self.checkpoint.unwritten
        self.results.end()
        self.emit_progress(finished=True)
        return self._error(error)

    def _error(self, of_caller: Exception | None) -> Exception | None:
        report = self.report
        if of_caller is not None:
            of_caller.add_note(
                f"{report.accepted} of {report.read} rows read before it were imported"
            )
            return of_caller
        if self._failure is not None:
            return as_import_failure(self._failure, report)
        if self._callback_failure is not None:
            message = message_of(self._callback_failure)
            failure = ImportFailedError(
                f"on_progress failed, and the import went on: {message}", report
            )
            failure.__cause__ = self._callback_failure
            return failure
        return None
