"""``cleverreach export``: write the receivers of a group to a file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

import attrs
import typer

from cleverreach_async.bulk.export.export import ExportReport
from cleverreach_async.bulk.export.formats import ExportFormat
from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.imports.destination import existing_group
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.errors import CleverReachError, ConfigurationError
from cleverreach_async.resources.groups import Group
from cleverreach_async.resources.receiver_models import Detail, ReceiverState

__all__ = ["ExportArguments", "export_group"]

_STEP: Final = 50_000
"""Receivers after which a line shows the progress."""
_RESUMABLE: Final = "the same command with --resume goes on with it"


@attrs.frozen(kw_only=True)
class ExportArguments:
    """The command line of ``export``."""

    group: Annotated[str, typer.Option(help="Id or exact name of the group.", metavar="ID|NAME")]
    file: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="File to write; not in use yet.")
    ]
    format: Annotated[
        ExportFormat | None,
        typer.Option(help="Format of the file.", show_default="by the suffix of the file"),
    ] = None
    state: Annotated[ReceiverState, typer.Option(help="Only receivers in this state.")] = "all"
    detail: Annotated[
        Literal["tags", "all"],
        typer.Option(help="all: with events and orders, as JSON Lines only."),
    ] = "tags"
    delimiter: Annotated[
        str, typer.Option(metavar="CHAR", help=r"Column separator of a CSV file; \t for a tab.")
    ] = ","
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted export.")] = (
        False
    )
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the file, and discard an interrupted export."),
    ] = False


def export_group(
    output: Output,
    arguments: ExportArguments,
    *,
    as_json: AsJson = False,
    account: AccountOptions,
) -> None:
    """Write the receivers of a group to a file.

    Args:
        output: Where to print.
        arguments: The command line.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials, or the file cannot be written.
        CleverReachError: A call failed.
    """
    if str(arguments.file) == "-":
        raise ConfigurationError("an export is written to a file; name one with --output")
    access = account.access(output)
    try:
        group, report = run(partial(_export, access, arguments, output))
    except KeyboardInterrupt:
        if _is_begun(arguments.file):
            output.advise(_RESUMABLE)
        raise
    except CleverReachError as error:
        if not isinstance(error, ConfigurationError) and _is_begun(arguments.file):
            error.add_note(_RESUMABLE)
        raise
    if as_json:
        fields = attrs.asdict(report) | {"group_id": group.id, "group_name": group.name}
        output.result_json(fields)
        return
    _show(output, group, report)


def _is_begun(file: Path) -> bool:
    return file.with_name(f"{file.name}.part.json").exists()


async def _export(
    access: Access | None, arguments: ExportArguments, output: Output
) -> tuple[Group, ExportReport]:
    async with connect(access) as client:
        group = existing_group(await client.groups.list(), arguments.group)
        export = client.bulk.export(
            group_id=group.id,
            state=arguments.state,
            detail=Detail.ALL if arguments.detail == "all" else Detail.TAGS,
        )
        return group, await export.write(
            arguments.file,
            format=arguments.format,
            delimiter="\t" if arguments.delimiter == r"\t" else arguments.delimiter,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            on_progress=_progress(output),
        )


def _progress(output: Output) -> Callable[[int], None]:
    shown = 0

    def on_progress(count: int) -> None:
        nonlocal shown
        if count // _STEP > shown // _STEP:
            output.info(f"{count:,} receivers")
            shown = count

    return on_progress


def _show(output: Output, group: Group, report: ExportReport) -> None:
    earlier = f", {report.resumed:,} of them by an earlier run" if report.resumed else ""
    output.result(
        f"{report.receivers:,} receivers of {group.name} ({group.id}) written to {report.path}"
        f"{earlier}."
    )
    if report.doubles:
        output.warn(
            f"others wrote to the group meanwhile: {report.doubles:,} receivers came twice and were"
            " left out once, and some may be missing"
        )
    for name, count in report.without_column.items():
        output.warn(f"{name}: {count:,} values left out, defined after the export had begun")
    for name, count in report.read_otherwise.items():
        output.warn(f"{name}: {count:,} values that an import of this file reads otherwise")
