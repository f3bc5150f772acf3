"""``cr.bulk``: what the caller says, and the parts of an import put together."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, Unpack

import anyio
import attrs

from cleverreach_async.bulk.delivery.body_size import Ceiling
from cleverreach_async.bulk.delivery.delivery import Delivery, Lessons
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.intake import Source
from cleverreach_async.bulk.journal.journal import Journal
from cleverreach_async.bulk.options import AUTO_CONCURRENCY, ImportOptions, Settings
from cleverreach_async.bulk.outcomes.checkpoint import JournalLedger, RejectsLedger, run_in_thread
from cleverreach_async.bulk.outcomes.reject_limit import Breaker
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.pacing.limiter import Permits
from cleverreach_async.bulk.pacing.limits import FixedPacing, LimitFinder, Pacing, RowRate
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.run import ImportRun, Limits
from cleverreach_async.bulk.strategies import Strategy, StrategyName, find_strategy
from cleverreach_async.errors import ConfigurationError, ImportFailedError
from cleverreach_async.sources.counted import countable
from cleverreach_async.sources.resumable import Resumable
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.transport.retry import RetryPolicy
from cleverreach_async.transport.stop import Stop, StopRequestedError, is_stop
from cleverreach_async.transport.transport import Transport

__all__ = ["Bulk"]

SPARE_SLOTS: Final = 4
"""Batches beyond those on the wire that may be held: prefetched, or sleeping before a retry."""


class Bulk:
    """``cr.bulk``: imports of any size into a group.

    All calls share the options of :class:`ImportOptions`. Rows are delivered in parallel batches.
    Rows of one address keep their order; within a window of ``batch_size`` rows the last one wins
    and the earlier are ``superseded``. A row that cannot be sent is rejected and never stops the
    others. The server's troubles (429, 5xx, lost connections) are waited out; a row that must not
    be stored twice is looked up when an answer is lost, and is ``unknown`` where that does not
    tell.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def upsert(
        self,
        source: Source,
        *,
        group_id: int,
        strategy: Literal["upsertplus", "upsert"] = "upsertplus",
        **options: Unpack[ImportOptions],
    ) -> ImportReport:
        """Add or change every receiver of a source.

        Args:
            source: Receivers, mappings of their fields, or what :func:`read_csv` yields.
            group_id: The group.
            strategy: The vendor's call: ``upsertplus`` takes orders; ``upsert`` does not, and its
                answers are smaller.
            **options: See :class:`ImportOptions`.

        Returns:
            The report. Rejected rows do not raise; see ``report.raise_for_failures()``.

        Raises:
            ImportFailedError: The import stopped early; ``.report`` tells how far it came.
            ConfigurationError: An argument is out of range.

        ``POST /groups/{group_id}/receivers/upsertplus``, ``POST …/upsert``
        """
        return await self._run(source, group_id, strategy, options)

    async def insert(
        self, source: Source, *, group_id: int, **options: Unpack[ImportOptions]
    ) -> ImportReport:
        """Add every receiver of a source; those whom the group has already are left as they are.

        The latter are rejected as ``duplicate``. Arguments and errors are those of :meth:`upsert`.

        ``POST /groups/{group_id}/receivers/insert``
        """
        return await self._run(source, group_id, "insert", options)

    async def update(
        self, source: Source, *, group_id: int, **options: Unpack[ImportOptions]
    ) -> ImportReport:
        """Change every receiver of a source whom the group has; the others are ``not_found``.

        Nobody is set active by it unless ``activate`` is given. Arguments and errors are those of
        :meth:`upsert`.

        ``PUT /groups/{group_id}/receivers/update``
        """
        return await self._run(source, group_id, "update", options)

    async def delete(
        self, source: Source, *, group_id: int, **options: Unpack[ImportOptions]
    ) -> ImportReport:
        """Remove every address of a source from the group; unknown ones are ``not_found``.

        Rows may be plain addresses. Arguments and errors are those of :meth:`upsert`.

        ``POST /groups/{group_id}/receivers/delete``
        """
        return await self._run(source, group_id, "delete", options)

    @asynccontextmanager
    async def open(
        self,
        *,
        group_id: int,
        strategy: StrategyName = "upsertplus",
        **options: Unpack[ImportOptions],
    ) -> AsyncGenerator[ImportRun, None]:
        """Open an import for rows that are pushed: ``await run.put(row)``.

        Leaving the block delivers what was put. With a journal to resume, the same rows are put
        again, and those that are done are passed over.

        Raises:
            ImportFailedError: The import stopped early; ``.report`` tells how far it came.
            ConfigurationError: An argument is out of range.
        """
        async with self._open(None, group_id, strategy, options) as run:
            yield run

    async def _run(
        self, source: Source, group_id: int, strategy: StrategyName, options: ImportOptions
    ) -> ImportReport:
        if options.get("journal") is not None:
            source = countable(source)
        async with self._open(source, group_id, strategy, options) as run:
            try:
                await run.feed(source)
            except StopRequestedError:
                raise
            except Exception as error:
                # What was read before it is delivered all the same.
                words = f"the source failed after {run.rows_taken} rows: {mask_emails(str(error))}"
                run.report.stopped = run.report.stopped or words
                raise ImportFailedError(words, run.report) from error
        return run.report

    @asynccontextmanager
    async def _open(
        self,
        source: Source | None,
        group_id: int,
        strategy_name: StrategyName,
        options: ImportOptions,
    ) -> AsyncGenerator[ImportRun, None]:
        strategy = find_strategy(strategy_name)
        settings = Settings(**options)
        settings.check(strategy)
        with ExitStack() as files:
            journal = await self._open_journal(files, source, group_id, strategy, settings)
            try:
                run = self._assemble(files, journal, group_id, strategy, settings)
            except ConfigurationError:
                if journal is not None and not settings.resume:
                    journal.discard()  # nothing has happened yet that could be resumed
                raise
            if journal is not None and journal.state.sent:
                # What the killed run had on the wire may still be landing.
                await self._transport.clock.sleep(settings.settle)
            async with _conducted(run):
                if settings.on_start is not None:
                    settings.on_start(run)
                yield run

    async def _open_journal(
        self,
        files: ExitStack,
        source: Source | None,
        group_id: int,
        strategy: Strategy,
        settings: Settings,
    ) -> Journal | None:
        if settings.journal is None:
            return None
        now = self._transport.clock.now()
        path = Path(settings.journal)

        def open_it() -> Journal:
            identity = {
                "server": self._transport.base_url,
                "group_id": group_id,
                "strategy": strategy.name,
                "inactive": settings.inactive,
                "activate": settings.activate,
                "source": _identity(source),
            }
            if settings.resume:
                return Journal.resume(path, identity, now=now)
            return Journal.create(path, identity, now=now)

        return files.enter_context(await run_in_thread(open_it))

    def _assemble(
        self,
        files: ExitStack,
        journal: Journal | None,
        group_id: int,
        strategy: Strategy,
        settings: Settings,
    ) -> ImportRun:
        clock = self._transport.clock
        resumed = journal.state.snapshot() if journal is not None and settings.resume else None
        lessons = Lessons(closings=self._transport.own_account().gate.closings)
        delivery = Delivery(
            transport=self._transport,
            group_id=group_id,
            strategy=strategy,
            permits=_permits(settings, clock),
            stop=Stop(),
            timeout=settings.timeout,
            max_outage=settings.max_outage,
            settle=settings.settle,
            policy=RetryPolicy(cap=30.0),
            lessons=lessons,
        )
        if resumed is not None:
            delivery = attrs.evolve(delivery, doubtful=resumed.sent)
            lessons.ceiling = Ceiling.known(resumed.ceiling)
        rejects = files.enter_context(
            RejectsFile(settings.rejects, keep=None if resumed is None else resumed.rejects_bytes)
        )
        return ImportRun(
            delivery,
            RejectsLedger(rejects, settings.on_accepted)
            if journal is None
            else JournalLedger(
                rejects, journal, lambda: lessons.ceiling.max_bytes, clock, settings.on_accepted
            ),
            limits=Limits(
                slots=settings.most_at_once + SPARE_SLOTS,
                rows=settings.batch_size,
                canary=settings.canary,
                drain=settings.drain,
            ),
            encoder=Encoder(strategy, activate=settings.activate, inactive=settings.inactive),
            breaker=Breaker(max_rejects=settings.max_rejects, max_share=settings.max_reject_share),
            resumed=resumed,
            on_progress=settings.on_progress,
        )


def _identity(source: object) -> Mapping[str, Any]:
    return source.identity() if isinstance(source, Resumable) else {"kind": "put"}


def _permits(settings: Settings, clock: Clock) -> Permits:
    pacing: Pacing
    if settings.concurrency == "auto":
        pacing = LimitFinder(max_limit=AUTO_CONCURRENCY)
    else:
        pacing = FixedPacing(settings.concurrency)
    rate = settings.max_rows_per_second
    return Permits(pacing, clock, rate=None if rate is None else RowRate(rate))


@asynccontextmanager
async def _conducted(run: ImportRun) -> AsyncGenerator[None, None]:
    """Run the workers around the caller's block, and account for every row after it."""
    fault: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
            run.start(tasks)
            try:
                yield
            except Exception as error:  # noqa: BLE001
                fault = error  # raised below, where no exception group wraps it
            except BaseException:
                run.abandon()
                raise
            try:
                await run.end()
            except BaseException:
                run.abandon()
                raise
    except BaseException:
        with anyio.CancelScope(shield=True), suppress(ImportFailedError):
            await run.close()
        raise
    if fault is None or is_stop(fault):
        await run.close()
        return
    run.report.stopped = run.report.stopped or "the caller failed"
    with suppress(ImportFailedError):
        await run.close()
    report = run.report
    fault.add_note(f"{report.accepted} of {report.read} rows read before it were imported")
    raise fault
