"""``cr.bulk``: the calls that import rows, and those that export and compare them."""

import os
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from cleverreach_async.bulk.assembly import (
    adapt_source,
    assemble,
    find_attributes,
    opened_journal,
    start_attempts,
)
from cleverreach_async.bulk.intake.reading import Source
from cleverreach_async.bulk.options import ImportOptions, Settings, check_names
from cleverreach_async.bulk.output_files import check_apart, checked_path
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import StrategyName, find_strategy
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.resources.receiver_models import Detail, ReceiverState
from cleverreach_async.sources.later import inspect_source
from cleverreach_async.sources.source_check import check_source
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.transport import Transport

if TYPE_CHECKING:
    from cleverreach_async.bulk.export.export import Export
    from cleverreach_async.bulk.sync.options import SyncOptions
    from cleverreach_async.bulk.sync.report import SyncReport
    from cleverreach_async.bulk.verify.report import VerifyReport

__all__ = ["Bulk"]


class Bulk:
    """``cr.bulk``: imports of any size into a group, exports of it and comparisons with it.

    All imports share the options of :class:`ImportOptions`. Rows are sent in concurrent batches,
    and the group ends as if they had been sent one by one. Rows of one address keep their order;
    one is ``superseded``, and not sent, only if the next one within ``batch_size`` rows fills all
    its fields. A row that cannot be sent is rejected and never stops the others. After failures of
    the server (429, 5xx, lost connections) batches are retried; a row that must not be stored twice
    is looked up when a response is lost, and is ``unknown`` if the look-up does not decide.

    The server silently drops values of attributes that do not exist, so an import stops at the
    first row that has one; see ``attributes`` in :class:`ImportOptions`.
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

        It sends ``activated`` as the rows have it. Whether that makes people active again who have
        unsubscribed is not documented; :meth:`sync` never does.

        Args:
            source: Receivers, mappings of their fields, or a source such as :func:`read_csv`.
            group_id: The group.
            strategy: The vendor's call: ``upsertplus`` takes orders; ``upsert`` does not, and its
                responses are smaller.
            **options: See :class:`ImportOptions`.

        Returns:
            The report. Rejected rows raise nothing; see ``report.raise_for_failures()``.

        Raises:
            ImportFailedError: The import stopped early; ``.report`` contains the counters.
            ConfigurationError: An argument is out of range or unknown, ``group_id`` is not an id,
                or ``source`` is none, such as a path.
            SourceError: The file of ``source`` was not inspected yet, and cannot be read as rows.

        ``POST /groups/{group_id}/receivers/upsertplus``, ``POST …/upsert``
        """
        return await self._run(source, group_id, strategy, options)

    async def insert(
        self, source: Source, *, group_id: int, **options: Unpack[ImportOptions]
    ) -> ImportReport:
        """Add every receiver of a source; those already in the group are not changed.

        The latter are rejected as ``duplicate``. Arguments and errors are those of :meth:`upsert`.

        ``POST /groups/{group_id}/receivers/insert``
        """
        return await self._run(source, group_id, "insert", options)

    async def update(
        self, source: Source, *, group_id: int, **options: Unpack[ImportOptions]
    ) -> ImportReport:
        """Change every receiver of a source that is in the group; the others are ``not_found``.

        It sets nobody active unless ``activate`` is given. Arguments and errors are those of
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

    async def sync(
        self,
        source: Source,
        *,
        group_id: int,
        state: str | Path,
        **options: "Unpack[SyncOptions]",
    ) -> "SyncReport":
        """Send the rows of a source that are new or changed since the last run.

        New rows are sent by ``insert``, changed ones by ``update`` without ``activated``, so that
        nobody who unsubscribed or bounced becomes active again. What the group has already, but the
        state does not know, is a change. Orders are not sent. A run that is stopped goes on with
        the next one: only what the server has accepted is remembered.

        Args:
            source: Receivers, mappings of their fields, or a source such as :func:`read_csv`: all
                that the group is to have, in the same order every time.
            group_id: The group.
            state: File that says what was accepted, as fingerprints; created by the first run. Keep
                it for the next one. Whoever has it can find out whether an address is in it.
            **options: See :class:`SyncOptions`.

        Returns:
            The report. Rejected rows raise nothing; the next run sends them again.

        Raises:
            SyncFailedError: It is not complete; ``.report`` contains the counters.
            ConfigurationError: An argument is wrong, or ``state`` belongs to another group.
            SyncStateError: ``state`` is in use, damaged, or cannot be written.
            SourceError: The file of ``source`` cannot be read as rows.

        ``POST /groups/{group_id}/receivers/insert``, ``PUT …/update``
        """
        from cleverreach_async.bulk.sync.options import SyncSettings
        from cleverreach_async.bulk.sync.sync import Synchronisation

        check_source(source)
        settings, state = SyncSettings.of(options), checked_path(state, "state")
        if settings.rejects is not None:
            check_apart(checked_path(settings.rejects, "rejects"), "the rejects", source, state)
        synchronisation = Synchronisation(
            transport=self._transport,
            open_import=self.open,
            group_id=check_id("group_id", group_id),
            state=state,
            settings=settings,
        )
        await inspect_source(source)
        return await synchronisation.run(source)

    @asynccontextmanager
    async def open(
        self,
        *,
        group_id: int,
        strategy: StrategyName = "upsertplus",
        **options: Unpack[ImportOptions],
    ) -> AsyncGenerator[ImportRun, None]:
        """Open an import to push rows to: ``await run.put(row)``.

        Leaving the block sends the remaining rows. To resume with a journal, put the same rows
        again; those that are done are skipped.

        Raises:
            ImportFailedError: The import stopped early; ``.report`` contains the counters.
            ConfigurationError: An argument is out of range, or ``group_id`` is not an id.
        """
        async with self._open(None, group_id, strategy, options) as run:
            yield run

    def export(
        self,
        *,
        group_id: int,
        state: ReceiverState = "all",
        detail: Detail = Detail.TAGS,
        order_by: str | None = "id ASC",
        page_size: int = 1000,
        concurrency: int = 4,
    ) -> "Export":
        """Read every receiver of a group: ``async for receiver in cr.bulk.export(group_id=7)``.

        ``await cr.bulk.export(group_id=7).write("group.csv")`` writes them to a file. Some pages
        are requested at the same time. See :class:`Export` for what happens while others write to
        the group.

        Args:
            group_id: The group.
            state: Only receivers in this state (the vendor's ``type``).
            detail: What to return for each receiver beside the profile.
            order_by: Field and direction. In the order of ids, receivers who join the group come
                last, so that pages shift least. ``None`` for the order of the server.
            page_size: Receivers per request, 1 to 5000.
            concurrency: Most requests at a time, 1 to 32.

        Raises:
            ConfigurationError: An argument is out of range, or ``group_id`` is not an id.

        ``GET /groups/{group_id}/receivers``
        """
        from cleverreach_async.bulk.export.export import Export, ExportRequest

        wanted = ExportRequest(
            group_id=check_id("group_id", group_id),
            state=state,
            detail=detail,
            order_by=order_by,
            page_size=page_size,
            concurrency=concurrency,
        )
        wanted.check()
        return Export(self._transport, wanted)

    async def verify(
        self,
        source: Source,
        *,
        group_id: int,
        differences: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> "VerifyReport":
        """Compare a source with a group: what is missing in it, what differs, what is beyond.

        Rows are compared as an import would send them, with later rows of an address after earlier
        ones, and as the server stores them: names of attributes in lower case, values as text,
        1.50 equal to 1.5. Fields that a row does not have are not compared, and the group may have
        more tags. The rows are kept in a temporary file, not in memory.

        Args:
            source: As for :meth:`upsert`.
            group_id: The group.
            differences: File for all differences, as JSON Lines; only its owner can read it.
            overwrite: Whether to replace an existing file.

        Raises:
            ConfigurationError: An argument is out of range, ``source`` is none, or the file exists
                already or cannot be written.
            SourceError: The source cannot be read.
            CleverReachError: A call failed.

        ``GET /groups/{group_id}/receivers``, ``GET /attributes``,
        ``GET /groups/{group_id}/attributes``
        """
        from cleverreach_async.bulk.verify.verify import Verification, verify

        check_source(source)
        path = None if differences is None else checked_path(differences)
        if path is not None:
            check_apart(path, "the differences", source)
        export = self.export(group_id=group_id)
        await inspect_source(source)
        work = Verification(
            source=source,
            export=export,
            attributes=Attributes(self._transport.call),
            group_id=check_id("group_id", group_id),
            clock=self._transport.clock,
        )
        return await verify(work, path, overwrite=overwrite)

    async def _run(
        self, source: Source, group_id: int, strategy: StrategyName, options: ImportOptions
    ) -> ImportReport:
        check_source(source)
        await inspect_source(source)
        async with self._open(source, group_id, strategy, options) as run:
            await run.import_all(source)
        return run.report

    @asynccontextmanager
    async def _open(
        self,
        source: Source | None,
        group_id: int,
        strategy_name: StrategyName,
        options: ImportOptions,
    ) -> AsyncGenerator[ImportRun, None]:
        group_id = check_id("group_id", group_id)
        strategy = find_strategy(strategy_name)
        check_names(options)
        settings = Settings(**options)
        settings.check(strategy)
        if settings.rejects is not None:
            check_apart(checked_path(settings.rejects, "rejects"), "the rejects", source)
        with ExitStack() as resources:
            attempts = start_attempts(resources, self._transport, settings)
            attributes = find_attributes(
                attempts, settings, source, group_id=group_id, strategy=strategy
            )
            await adapt_source(source, attributes, settings)
            async with opened_journal(
                self._transport, settings, source, group_id=group_id, strategy=strategy
            ) as journal:
                try:
                    run = assemble(
                        resources,
                        attempts,
                        settings,
                        journal,
                        attributes,
                        group_id=group_id,
                        strategy=strategy,
                    )
                except ConfigurationError:
                    if journal is not None and journal.is_new:
                        await journal.discard()  # nothing has happened yet that could be resumed
                    raise
                async with run.running(settle=settings.settle):
                    if settings.on_start is not None:
                        settings.on_start(run)
                    yield run
