"""``cleverreach verify``: compare a file with a group."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import attrs
import typer

from cleverreach_async.bulk.verify.report import Difference, VerifyReport
from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.exit_statuses import INCOMPLETE
from cleverreach_async.cli.imports.contents import show_mapping
from cleverreach_async.cli.imports.destination import existing_group
from cleverreach_async.cli.imports.readers import FileOptions
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.resources.groups import Group
from cleverreach_async.sources import RowFile
from cleverreach_async.sources.content import Content, spool_input

__all__ = ["VerifyArguments", "verify_file"]


@attrs.frozen(kw_only=True)
class VerifyArguments:
    """The command line of ``verify``."""

    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="CSV, Excel, JSON or Parquet file, or - for standard input."
        ),
    ]
    group: Annotated[str, typer.Option(help="Id or exact name of the group.", metavar="ID|NAME")]
    differences: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File for all differences, as JSON Lines."),
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file of differences.")
    ] = False
    reader: FileOptions


def verify_file(
    output: Output,
    arguments: VerifyArguments,
    *,
    as_json: AsJson = False,
    account: AccountOptions,
) -> int:
    """Compare a file with a group.

    Args:
        output: Where to print.
        arguments: The command line.
        as_json: Whether to print JSON.
        account: The account.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: There are no credentials, or the file of differences exists.
        CleverReachError: The file cannot be read, or a call failed.
    """
    access = account.access(output)
    content: Path | Content = spool_input() if str(arguments.file) == "-" else arguments.file
    source = arguments.reader.read(content)
    show_mapping(output, source)
    group, report = run(partial(_verify, access, arguments, source))
    if as_json:
        output.result_json(_as_json(group, report, arguments))
    else:
        output.result("\n".join(_lines(group, report, arguments)))
    return 0 if report.is_equal else INCOMPLETE


async def _verify(
    access: Access | None, arguments: VerifyArguments, source: RowFile
) -> tuple[Group, VerifyReport]:
    async with connect(access) as client:
        group = existing_group(await client.groups.list(), arguments.group)
        return group, await client.bulk.verify(
            source,
            group_id=group.id,
            differences=arguments.differences,
            overwrite=arguments.overwrite,
        )


def _as_json(group: Group, report: VerifyReport, arguments: VerifyArguments) -> dict[str, object]:
    return {
        "file": str(arguments.file),
        "group_id": group.id,
        "group_name": group.name,
        "is_equal": report.is_equal,
        **attrs.asdict(report),
        "differences": arguments.differences and str(arguments.differences),
    }


def _lines(group: Group, report: VerifyReport, arguments: VerifyArguments) -> Iterator[str]:
    verdict = "is as the file says" if report.is_equal else "differs from the file"
    yield (
        f"{group.name} ({group.id}) {verdict}: {report.rows:,} rows,"
        f" {report.receivers:,} receivers, {report.equal:,} equal."
    )
    counts = {
        "missing in the group": report.missing,
        "different": report.different,
        "beyond the file": report.beyond,
        "unreadable rows, which an import rejects": report.unreadable,
        "rows that say that the person is not subscribed": report.excluded,
        "rows whose address has a later row": report.repeated,
        "with orders or numbers like +1, which cannot be compared": report.not_compared,
    }
    for name, count in counts.items():
        if count:
            yield f"  {count:,} {name}"
    if report.fields:
        yield "Fields that differ:"
        for name, count in report.fields.most_common():
            yield f"  {count:,} {name}"
    if report.samples:
        yield "For example:"
        yield from (f"  {_shown(it)}" for it in report.samples)
    if arguments.differences is not None:
        yield f"All differences are in {arguments.differences}."


def _shown(found: Difference) -> str:
    place = "" if found.line is None else f" (line {found.line})"
    fields = "; ".join(
        f"{name}: {file!r} in the file, {group!r} in the group"
        for name, (file, group) in found.fields.items()
    )
    detail = fields or found.reason
    return f"{found.kind} {found.email}{place}{f': {detail}' if detail else ''}"
