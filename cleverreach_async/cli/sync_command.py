"""``cleverreach sync``: send the rows of a file that are new or changed since the last run."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import attrs
import typer

from cleverreach_async.bulk.sync.report import SyncReport
from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.exit_statuses import INCOMPLETE, STOPPED
from cleverreach_async.cli.failures import explain
from cleverreach_async.cli.imports.arguments import Group, Overwrite
from cleverreach_async.cli.imports.contents import show_mapping
from cleverreach_async.cli.imports.destination import existing_group
from cleverreach_async.cli.imports.readers import FileOptions
from cleverreach_async.cli.imports.send_options import parse_concurrency, parse_share
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.errors import SyncFailedError
from cleverreach_async.sources import RowFile

__all__ = ["SyncArguments", "synchronise"]

_ROWS_PER_LINE: Final = 100_000
_DEFAULT_SHARE: Final[Any] = "10%"
_DEFAULT_CONCURRENCY: Final[Any] = "auto"
_COUNTS: Final = (
    *("unchanged", "added", "changed", "gone", "rejected", "unknown", "superseded", "excluded"),
    "pending",
)


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
    group: Group
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
        str, typer.Option(metavar="N|auto", help="Requests in flight at a time.")
    ] = attrs.field(default=_DEFAULT_CONCURRENCY)
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File for rows that are not accepted.")
    ] = None
    overwrite: Overwrite = False
    as_json: AsJson = False
    reader: FileOptions

    def settings(self) -> dict[str, Any]:
        """Return the arguments of ``cr.bulk.sync()``.

        Raises:
            ConfigurationError: One cannot be read.
        """
        return {
            "state": self.state,
            "missing": self.missing,
            "max_missing_share": parse_share(self.max_missing, "--max-missing"),
            "attributes": "create" if self.create_attributes else "check",
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
    settings = arguments.settings()
    source = arguments.reader.read(arguments.file)
    show_mapping(output, source)
    for remark in arguments.reader.remarks(source):
        output.info(remark)
    try:
        report = run(partial(_sync, output, arguments.group, source, access, settings))
    except SyncFailedError as error:
        _show(output, error.report, as_json=arguments.as_json)
        output.error(explain(error))
        output.advise("the same command sends what is left")
        return STOPPED
    _show(output, report, as_json=arguments.as_json)
    return INCOMPLETE if report.rejected or report.unknown else 0


async def _sync(
    output: Output, group: str, source: RowFile, access: Access | None, settings: dict[str, Any]
) -> SyncReport:
    shown = 0

    def tell(report: SyncReport) -> None:
        nonlocal shown
        if report.read - shown >= _ROWS_PER_LINE:
            shown = report.read
            output.info(f"{report.read:,} rows read, {report.unchanged:,} unchanged")

    async with connect(access) as client:
        found = existing_group(await client.groups.list(), group)
        output.info(f"group {found.name} ({found.id})")
        return await client.bulk.sync(source, group_id=found.id, on_progress=tell, **settings)


def _show(output: Output, report: SyncReport, *, as_json: bool) -> None:
    if as_json:
        names = ("read", *_COUNTS, "missing", "removed", "requests")
        fields: dict[str, object] = {name: getattr(report, name) for name in names}
        reasons = {**report.additions.reasons}
        reasons.pop("duplicate", None)  # they became changes
        for code, count in report.changes.reasons.items():
            reasons[code] = reasons.get(code, 0) + count
        output.result_json({**fields, "stopped": report.stopped, "reasons": reasons})
        return
    counts = {name: getattr(report, name) for name in _COUNTS}
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    output.result(f"{report.read:,} rows: {shown or 'none'} ({report.requests:,} requests)")
    if report.missing:
        removed = f", {report.removed:,} removed" if report.removed else ""
        output.result(f"{report.missing:,} receivers are no longer in the file{removed}")
