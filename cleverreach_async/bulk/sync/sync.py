"""One synchronisation: compare, send, and care for receivers that the source no longer has."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import attrs

from cleverreach_async.bulk.attributes.account import AccountAttributes
from cleverreach_async.bulk.intake.reading import Source
from cleverreach_async.bulk.intake.slices import SliceLimit
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.report import message_of
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.sync.comparison import Comparison
from cleverreach_async.bulk.sync.missing import count_missing, remove_missing
from cleverreach_async.bulk.sync.options import SyncSettings
from cleverreach_async.bulk.sync.report import SyncReport
from cleverreach_async.bulk.sync.state import SyncState
from cleverreach_async.bulk.threads import opened_in_thread, to_end_in_thread
from cleverreach_async.errors import CleverReachError, SyncFailedError
from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.sources.column_options import columns_of
from cleverreach_async.transport.arguments import check_answer
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.transport.transport import Transport

__all__ = ["Synchronisation"]

OpenImport = Callable[..., AbstractAsyncContextManager[ImportRun]]


@attrs.frozen(kw_only=True, eq=False)
class Synchronisation:
    """Brings a group in step with a source.

    Attributes:
        transport: Sends requests.
        open_import: ``cr.bulk.open``.
        group_id: The group.
        state: File of the state.
        settings: The options.
    """

    transport: Transport
    open_import: OpenImport
    group_id: int
    state: Path
    settings: SyncSettings

    async def run(self, source: Source) -> SyncReport:
        """Send what is new or changed.

        Raises:
            SyncFailedError: It is not complete.
            ConfigurationError: An option is wrong, or the state is that of something else.
            SyncStateError: The state cannot be used.
        """
        report = SyncReport()
        identity: dict[str, str | int] = {
            "server": self.transport.base_url,
            "group_id": self.group_id,
        }
        create = partial(SyncState.open, self.state, identity)
        async with opened_in_thread(create) as state:
            with RejectsFile(self.settings.rejects, overwrite=self.settings.overwrite) as rejects:
                try:
                    compared = await self._send(source, state, report, rejects)
                    rejects.finish()
                    await self._care_for_missing(state, compared, report)
                except Exception as error:
                    report.stopped = mask_emails(message_of(error))
                    raise SyncFailedError(
                        f"the synchronisation stopped after {report.read} rows: {report.stopped}",
                        report,
                    ) from error
        report.assert_balanced()
        return report

    async def _send(
        self, source: Source, state: SyncState, report: SyncReport, rejects: RejectsFile
    ) -> Comparison:
        """Send what is new or changed; returns what was compared."""
        adapt = self._adapter(source)
        await adapt()
        comparison = Comparison(
            state,
            report,
            rejects=rejects,
            limit=SliceLimit(self.transport.clock),
            on_progress=self.settings.on_progress,
        )
        open_import = partial(self.open_import, group_id=self.group_id)
        try:
            async with (
                open_import(strategy="update", **self.settings.of_changes) as changes,
                open_import(strategy="insert", **self.settings.imports) as additions,
            ):
                await comparison.run(source, adapt, additions=additions, changes=changes)
        finally:
            comparison.refresh()
        if comparison.failure is not None:
            raise comparison.failure
        return comparison

    def _adapter(self, source: Source) -> Callable[[], Awaitable[None]]:
        """Return what lets a source with columns convert values to the types of the account."""
        columns = columns_of(source)
        mode = self.settings.imports.get("attributes", "check")
        account = AccountAttributes(
            attributes=Attributes(self.transport.call),
            group_id=self.group_id,
            creates=mode == "create",
            relative=False,
            has_columns=columns is not None,
        )

        async def adapt() -> None:
            if columns is None:
                return
            if mode == "ignore":
                columns.take_types({}, relative=False)
            else:
                await account.adapt(columns)

        return adapt

    async def _care_for_missing(
        self, state: SyncState, compared: Comparison, report: SyncReport
    ) -> None:
        settings, seen = self.settings, compared.selection.seen
        missing, share = settings.missing, settings.max_missing_share
        known = await to_end_in_thread(state.count)
        report.missing = await to_end_in_thread(partial(count_missing, state, seen))
        if missing == "keep" or not report.missing:
            return
        if report.missing > share * known:
            raise CleverReachError(
                f"the source lacks {report.missing} of {known} receivers of earlier runs, which is"
                f" more than max_missing_share={share:g} allows; nobody was removed: check that the"
                " source is complete, or allow more with --max-missing or max_missing_share="
            )
        if compared.unsendable.unclear:
            raise CleverReachError(
                f"{compared.unsendable.unclear} rows of the source are cut or cannot be read, and"
                " may be about anybody, so nobody was removed: correct these rows, which --rejects"
                " or rejects= lists"
            )
        if settings.before_removal is not None:
            answer = settings.before_removal(report.missing)
            check_answer("before_removal", answer)
            if not answer:
                return
        strategy = "delete" if missing == "delete" else "update"
        report.removed = await remove_missing(
            state,
            seen,
            Receivers(self.transport.call),
            partial(
                self.open_import,
                group_id=self.group_id,
                strategy=strategy,
                **settings.of_changes,
            ),
            group_id=self.group_id,
            missing=missing,
            now=int(self.transport.clock.now()),
        )
