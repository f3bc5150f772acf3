"""The parts of an import put together."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import attrs

from cleverreach_async.bulk.attributes.account import AccountAttributes
from cleverreach_async.bulk.delivery.attempts import Attempts
from cleverreach_async.bulk.delivery.body_size import BodySizeLimit
from cleverreach_async.bulk.delivery.delivery import Delivery
from cleverreach_async.bulk.delivery.workers import Workers
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.intake import Intake
from cleverreach_async.bulk.intake.reading import Source
from cleverreach_async.bulk.intake.slices import SliceLimit
from cleverreach_async.bulk.journal.opened import OpenJournal
from cleverreach_async.bulk.journal.opening import open_journal
from cleverreach_async.bulk.journal.record import decode_report
from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.options import AUTO_CONCURRENCY, Settings
from cleverreach_async.bulk.outcomes.accounting import Accounting
from cleverreach_async.bulk.outcomes.checkpoint import Checkpoint
from cleverreach_async.bulk.outcomes.reject_limit import RejectLimit
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.outcomes.results import ResultBuffer
from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.pacing.limits import AdaptiveLimit, FixedLimit
from cleverreach_async.bulk.report import ImportReport, as_import_failure, message_of
from cleverreach_async.bulk.rows import Batch
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import Strategy
from cleverreach_async.errors import CleverReachError
from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.sources.column_options import columns_of
from cleverreach_async.sources.counted_rows import as_resumable
from cleverreach_async.transport.rate import RateLimit
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.transport import Transport

__all__ = ["adapt_source", "assemble", "find_attributes", "opened_journal", "start_attempts"]

SPARE_SLOTS: Final = 4
"""Batches held beyond those in flight: prefetched, or waiting for a retry."""

_COUNTED: Final = ("accepted", "rejected", "unknown", "superseded", "excluded")


def start_attempts(resources: ExitStack, transport: Transport, settings: Settings) -> Attempts:
    """Return what sends the requests of an import; ``resources`` ends it."""
    rate = settings.max_rows_per_second
    limiter = ConcurrencyLimiter(
        AdaptiveLimit(max_limit=AUTO_CONCURRENCY)
        if settings.concurrency == "auto"
        else FixedLimit(settings.concurrency),
        transport.clock,
        rate=None if rate is None else RateLimit(rate),
    )
    resources.enter_context(transport.own_account().gate.on_reopened(limiter.reopened))
    return Attempts(
        transport=transport,
        limiter=limiter,
        stop=Stop(),
        timeout=settings.timeout,
        max_outage=settings.max_outage,
        settle=settings.settle,
    )


def find_attributes(
    attempts: Attempts,
    settings: Settings,
    source: object,
    *,
    group_id: int,
    strategy: Strategy,
) -> AccountAttributes | None:
    """Return the attributes of the account, not asked for yet; ``None`` if they do not matter."""
    if settings.attributes == "ignore" or strategy.only_address:
        return None
    return AccountAttributes(
        attributes=Attributes(attempts.query),
        group_id=group_id,
        creates=settings.attributes == "create",
        relative=settings.relative,
        has_columns=columns_of(source) is not None,
    )


async def adapt_source(
    source: object, attributes: AccountAttributes | None, settings: Settings
) -> None:
    """Let a source with columns convert its values to the types of the account's attributes.

    Raises:
        ImportFailedError: An attribute does not exist, or a call failed.
    """
    columns = columns_of(source)
    if columns is None:
        return
    if attributes is None:
        columns.take_types({}, relative=settings.relative)
        return
    try:
        await attributes.adapt(columns)
    except CleverReachError as error:
        report = ImportReport(stopped=message_of(error))
        raise as_import_failure(error, report) from error


@asynccontextmanager
async def opened_journal(
    transport: Transport,
    settings: Settings,
    source: Source | None,
    *,
    group_id: int,
    strategy: Strategy,
) -> AsyncGenerator[OpenJournal | None, None]:
    """Create or resume the journal, if the settings name one, and close it after the block."""
    if settings.journal is None:
        yield None
        return

    def identity() -> Mapping[str, Any]:
        return {
            "server": transport.base_url,
            "group_id": group_id,
            "strategy": strategy.name,
            "inactive": settings.inactive,
            "activate": settings.activate,
            "not_subscribed": "deactivate" if settings.deactivates(strategy) else "exclude",
            "reactivate": settings.reactivate,
            "source": _identity(source),
        }

    journal = await open_journal(
        settings.journal, identity, resume=settings.resume, clock=transport.clock
    )
    try:
        yield journal
    finally:
        await journal.close()


def _identity(source: Source | None) -> Mapping[str, Any]:
    return {"kind": "put"} if source is None else as_resumable(source).identity()


def assemble(
    resources: ExitStack,
    attempts: Attempts,
    settings: Settings,
    journal: OpenJournal | None,
    attributes: AccountAttributes | None,
    *,
    group_id: int,
    strategy: Strategy,
) -> ImportRun:
    """Create an import; ``resources`` closes what it opens.

    Raises:
        ConfigurationError: The rejects file cannot be written, or does not fit the journal.
    """
    stop, clock = attempts.stop, attempts.transport.clock
    resumed = None
    if journal is not None:
        attempts = attrs.evolve(attempts, hold=journal)
        if not journal.is_new:
            resumed = journal.state.snapshot()
            attempts = attrs.evolve(attempts, body_size=BodySizeLimit.known(resumed.ceiling))
    accounting = _accounting(resources, settings, attempts, journal, resumed)
    resources.enter_context(attempts.gate.on_switched(accounting.gate_switched))
    send_batch, batches = anyio.create_memory_object_stream[Batch](0)
    workers = Workers(
        delivery=_delivery(attempts, attributes, resumed, group_id, strategy),
        accounting=accounting,
        batches=batches,
        stop=stop,
        clock=clock,
        count=settings.most_in_flight + SPARE_SLOTS,
        drain=settings.drain,
        canary=settings.canary,
    )
    intake = Intake(
        encoder=_encoder(settings, strategy, int(clock.now()), attributes),
        report=accounting.report,
        stop=stop,
        batches=send_batch,
        record_unsent=accounting.record_unsent,
        window_starts=accounting.checkpoint.window_starts,
        on_refused=accounting.refuse,
        attributes=attributes,
        max_rows=settings.batch_size,
        canary=settings.canary,
        resumed=resumed,
    )
    return ImportRun(
        intake=intake,
        workers=workers,
        accounting=accounting,
        stop=stop,
        turns=attempts.turns,
        limit=SliceLimit.for_batches(settings.batch_size, clock),
        attributes=attributes,
        resumed=resumed,
        answer=None if journal is None or not journal.answer else decode_report(journal.answer),
    )


def _delivery(
    attempts: Attempts,
    attributes: AccountAttributes | None,
    resumed: JournalState | None,
    group_id: int,
    strategy: Strategy,
) -> Delivery:
    return Delivery(
        attempts=attempts,
        group_id=group_id,
        strategy=strategy,
        doubtful=RowSet() if resumed is None else resumed.sent,
        notes_lost_values=attributes is None,
    )


def _encoder(
    settings: Settings, strategy: Strategy, now: int, attributes: AccountAttributes | None
) -> Encoder:
    known = None if attributes is None else attributes.known
    return Encoder(
        settings.preparation(strategy, now=now, attributes=known),
        # The set grows with what is known, which is enough for the rows that are encoded.
        relative_names=None if known is None else known.numbers,
    )


def _accounting(
    resources: ExitStack,
    settings: Settings,
    attempts: Attempts,
    journal: OpenJournal | None,
    resumed: JournalState | None,
) -> Accounting:
    rejects = resources.enter_context(_rejects_file(settings, resumed, journal))
    if journal is not None and journal.rejects and not rejects.size:
        rejects.write(journal.rejects, sync=True)
    clock, limiter = attempts.transport.clock, attempts.limiter
    return Accounting(
        report=_report(resumed, pauses=int(attempts.is_paused)),
        checkpoint=Checkpoint(
            rejects, journal, lambda: attempts.body_size.max_bytes, clock, settings.on_accepted
        ),
        reject_limit=RejectLimit(
            max_rejects=settings.max_rejects, max_share=settings.max_reject_share
        ),
        results=ResultBuffer(),
        stop_signal=attempts.stop,
        clock=clock,
        on_progress=settings.on_progress,
        activity=lambda: {
            "in_flight": limiter.in_use,
            "limit": limiter.limit,
            "paused": attempts.is_paused,
        },
        rows_per_event=settings.batch_size,
    )


def _rejects_file(
    settings: Settings, resumed: JournalState | None, journal: OpenJournal | None
) -> RejectsFile:
    path = settings.rejects
    if resumed is None:
        return RejectsFile(path, overwrite=settings.overwrite)
    keep = resumed.rejects_bytes
    can_rebuild = journal is not None and journal.rejects is not None and _is_absent(path)
    if can_rebuild:
        keep = 0  # the file is on another machine
    elif resumed.finished:
        return RejectsFile(None)  # the file may have been repaired, or be gone
    return RejectsFile(path, keep=keep, has_done=resumed.has_done)


def _is_absent(path: str | Path | None) -> bool:
    """Whether a rejects file does not exist, or is empty."""
    return path is None or not (Path(path).exists() and Path(path).stat().st_size)


def _report(resumed: JournalState | None, *, pauses: int) -> ImportReport:
    if resumed is None:
        return ImportReport(pauses=pauses)
    return ImportReport(earlier={it: getattr(resumed, it) for it in _COUNTED}, pauses=pauses)
