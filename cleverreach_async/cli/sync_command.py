"""``cleverreach sync``: send the rows of a file that are new or changed since the last run."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import attrs
import typer

from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.attributes.plan import plan_attributes
from cleverreach_async.bulk.report import counted
from cleverreach_async.bulk.sync.report import COUNTS, SyncReport
from cleverreach_async.cli.completion import one_of
from cleverreach_async.cli.confirmation import Yes, check_yes, confirm
from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.exit_statuses import INCOMPLETE, STOPPED, USAGE
from cleverreach_async.cli.failures import explain
from cleverreach_async.cli.imports.arguments import IntoGroup, Overwrite
from cleverreach_async.cli.imports.consent import announce, consent_of_sync
from cleverreach_async.cli.imports.contents import show_mapping, survey
from cleverreach_async.cli.imports.destination import (
    check_missing,
    create_attributes,
    existing_group,
)
from cleverreach_async.cli.imports.readers import FileOptions
from cleverreach_async.cli.imports.send_options import parse_concurrency, parse_share
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import (
    CleverReachError,
    ConfigurationError,
    ImportFailedError,
    SourceError,
    SyncFailedError,
    TooManyRejectsError,
)
from cleverreach_async.resources.groups import Group
from cleverreach_async.sources import RowFile

__all__ = ["SyncArguments", "synchronise"]

_ROWS_PER_LINE: Final = 100_000
_DEFAULT_SHARE: Final[Any] = "10%"
_DEFAULT_CONCURRENCY: Final[Any] = "auto"
_GOES_ON: Final = "the same command sends what is left"
_UNTIL_CORRECTED: Final = (ConfigurationError, SourceError, TooManyRejectsError)
"""Errors that the same command would end with again."""


@attrs.frozen(kw_only=True)
class SyncArguments:
    """The command line."""

    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV, Excel, JSON or Parquet file with all receivers that the group is to have.",
        ),
    ]
    group: IntoGroup
    state: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="File that remembers what was accepted; created by the first run. Keep it.",
        ),
    ]
    missing: Annotated[
        Literal["keep", "deactivate", "delete"],
        typer.Option(help="What to do with receivers of earlier runs that the file no longer has."),
    ] = "keep"
    yes: Yes = False
    max_missing: Annotated[
        str,
        typer.Option(
            metavar="SHARE",
            help="Do nothing with them if there are more, since the file may be incomplete.",
        ),
    ] = attrs.field(default=_DEFAULT_SHARE)
    create_attributes: Annotated[
        bool, typer.Option("--create-attributes", help="Create missing attributes.")
    ] = False
    inactive: Annotated[
        bool, typer.Option("--inactive", help="Add new receivers as not yet confirmed.")
    ] = False
    concurrency: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Requests in flight at a time.",
            autocompletion=one_of("auto", "1", "2", "4", "8", "16", "32"),
        ),
    ] = attrs.field(default=_DEFAULT_CONCURRENCY)
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File for rows that are not accepted.")
    ] = None
    overwrite: Overwrite = False
    as_json: AsJson = False
    reader: FileOptions

    def settings(self) -> dict[str, Any]:
        """Return arguments of ``cr.bulk.sync()``.

        Raises:
            ConfigurationError: One cannot be read.
        """
        return {
            "state": self.state,
            "missing": self.missing,
            "max_missing_share": parse_share(self.max_missing, "--max-missing"),
            "inactive": self.inactive,
            "concurrency": parse_concurrency(self.concurrency),
            "rejects": self.rejects,
            "overwrite": self.overwrite,
        }


def synchronise(output: Output, arguments: SyncArguments, account: AccountOptions) -> int:
    """Send what is new or changed in a file; returns the exit status.

    Args:
        output: Where to print.
        arguments: The command line.
        account: The account.

    Raises:
        CleverReachError: It did not begin.
    """
    access = account.access(output)
    if arguments.missing != "keep" and access is not None:
        check_yes(output, f"--missing {arguments.missing}", yes=arguments.yes)
    settings = arguments.settings()
    source = arguments.reader.read(arguments.file)
    show_mapping(output, source)
    for remark in arguments.reader.remarks(source):
        output.info(remark)
    started = _SyncRun(output, arguments, source)
    try:
        report = run(partial(started.run, access, settings))
    except SyncFailedError as error:
        started.show(error.report)
        output.error(explain(error))
        return _end_of_failed_run(output, error)
    except KeyboardInterrupt:
        output.advise(_GOES_ON)
        raise
    started.show(report)
    if started.has_declined:
        return STOPPED
    return INCOMPLETE if report.rejected or report.unknown else 0


def _end_of_failed_run(output: Output, error: SyncFailedError) -> int:
    """Say whether the next run can go on, and return the exit status."""
    cause = error.__cause__
    if isinstance(cause, ImportFailedError):
        cause = cause if isinstance(cause, TooManyRejectsError) else cause.__cause__
    if isinstance(cause, _UNTIL_CORRECTED) or type(cause) is CleverReachError:
        output.advise("correct this first: until then every run ends here")
    else:
        output.advise(_GOES_ON)
    is_wrong_usage = isinstance(cause, ConfigurationError) and not error.report.requests
    return USAGE if is_wrong_usage else STOPPED


class _SyncRun:
    """One run of the command.

    Args:
        output: Where to print.
        arguments: The command line.
        source: The rows.

    Attributes:
        has_declined: Whether the user did not want receivers to be removed.
    """

    def __init__(self, output: Output, arguments: SyncArguments, source: RowFile) -> None:
        self._output = output
        self._arguments = arguments
        self._source = source
        contents = survey(source)
        announce(output, consent_of_sync(contents, inactive=arguments.inactive))
        self._wanted = contents.attributes if arguments.create_attributes else Definitions()
        self._created: list[str] = []
        self._shown = 0
        self.has_declined: bool = False

    async def run(self, access: Access | None, settings: dict[str, Any]) -> SyncReport:
        """Synchronise.

        Args:
            access: The account.
            settings: The arguments of ``cr.bulk.sync()``.

        Raises:
            CleverReachError: It is not complete.
        """
        async with connect(access) as client:
            group = existing_group(await client.groups.list(), self._arguments.group)
            self._output.info(f"group {group.name} ({group.id})")
            if self._wanted.labels:
                await self._create_attributes(client, group)
            return await client.bulk.sync(
                self._source,
                group_id=group.id,
                before_removal=partial(self._may_remove, group),
                on_progress=self._tell,
                **settings,
            )

    async def _create_attributes(self, client: CleverReach, group: Group) -> None:
        plan = await plan_attributes(
            client.attributes, self._wanted, group_id=group.id, create=False
        )
        await check_missing(client, plan, create=True)
        done = await create_attributes(client, plan, self._output, group_id=group.id)
        self._created = done.created.labels

    def _may_remove(self, group: Group, count: int) -> bool:
        arguments = self._arguments
        place, verb = f"{group.name} ({group.id})", arguments.missing.capitalize()

        def question() -> str:
            if count == 1:
                return f"1 receiver of {place} is no longer in the file. {verb} it?"
            return f"{count:,} receivers of {place} are no longer in the file. {verb} them?"

        self.has_declined = not confirm(self._output, question, yes=arguments.yes)
        return not self.has_declined

    def _tell(self, report: SyncReport) -> None:
        if report.read - self._shown >= _ROWS_PER_LINE:
            self._shown = report.read
            self._output.info(f"{report.read:,} rows read, {report.unchanged:,} unchanged")

    def show(self, report: SyncReport) -> None:
        """Print the result."""
        if self._arguments.as_json:
            self._output.result_json(_as_json(report) | {"attributes_created": self._created})
            return
        rows = counted(report.read, {name: getattr(report, name) for name in COUNTS})
        self._output.result(f"{rows} ({report.requests:,} requests)")
        self._show_reasons(report)
        if report.missing:
            removed = f", {report.removed:,} removed" if report.removed else ""
            removed = ", nobody was removed" if self.has_declined else removed
            self._output.result(f"{report.missing:,} receivers are no longer in the file{removed}")

    def _show_reasons(self, report: SyncReport) -> None:
        reasons = _reasons(report)
        reasons.pop("not_found", None)  # counted as gone
        samples = [*report.additions.samples, *report.changes.samples]
        for code, count in reasons.items():
            message = next((f": {it.message}" for it in samples if it.code == code), "")
            self._output.result(f"  {count:,} {code}{message}")
        if reasons and self._arguments.rejects is None:
            self._output.advise("--rejects FILE lists these rows with their lines and the reasons")


def _reasons(report: SyncReport) -> dict[str, int]:
    reasons = {**report.additions.reasons}
    reasons.pop("duplicate", None)  # they became changes
    for code, count in report.changes.reasons.items():
        reasons[code] = reasons.get(code, 0) + count
    return reasons


def _as_json(report: SyncReport) -> dict[str, object]:
    names = ("read", *COUNTS, "missing", "removed", "requests")
    fields: dict[str, object] = {name: getattr(report, name) for name in names}
    return {**fields, "stopped": report.stopped, "reasons": _reasons(report)}
