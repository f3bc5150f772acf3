"""``cleverreach import``: a file into a group."""

import os
from collections.abc import Collection, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import anyio.lowlevel
import attrs

from cleverreach_async.bulk.encoding import Encoder
from cleverreach_async.bulk.rejects import RejectsFile
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.sources import RowFile, read_rows
from cleverreach_async.cli import mapping, summary
from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.failures import INCOMPLETE, INTERRUPTED, explain, told_status
from cleverreach_async.cli.output import Output, plain
from cleverreach_async.cli.progress import Display, make_display
from cleverreach_async.cli.target import Target, prepare
from cleverreach_async.errors import ConfigurationError, ImportFailedError
from cleverreach_async.transport.clock import SYSTEM_CLOCK

__all__ = ["ImportOptions", "import_file"]

_SLICE: Final = 1000


@attrs.frozen(kw_only=True)
class ImportOptions:
    """What the command line says.

    Attributes:
        file: The file.
        group: Id or name of the group.
        create: Whether to create a missing group and missing attributes.
        columns: Target by column, from ``--map``.
        rejects: File for the rows that are not accepted.
        concurrency: Requests on the wire at a time.
        batch_size: Most rows per request.
        encoding: Encoding of the file, if it is not to be found out.
        delimiter: What stands between cells, if it is not to be found out.
        timezone: Where the clocks stood that the file's dates were read from.
        dry_run: Whether to check the rows only.
        as_json: Whether the result is printed as JSON.
    """

    file: Path
    group: str
    create: bool
    columns: Mapping[str, str]
    rejects: Path
    concurrency: int
    batch_size: int
    encoding: str | None
    delimiter: str | None
    timezone: str
    dry_run: bool
    as_json: bool

    def read(self, date_attributes: Collection[str] = frozenset()) -> RowFile:
        """Return the rows of the file.

        Raises:
            ConfigurationError: The options do not fit the file.
            SourceError: The file cannot be read as rows.
        """
        return read_rows(
            self.file,
            mapping=self.columns or None,
            delimiter=self.delimiter,
            encoding=self.encoding,
            timezone=self.timezone,
            date_attributes=date_attributes,
        )


@attrs.define
class _Run:
    """What is known while an import is under way; it is read after an interruption too."""

    options: ImportOptions
    output: Output
    source: RowFile
    contents: mapping.Contents
    target: Target | None = None
    display: Display | None = None


def import_file(options: ImportOptions, access: Access | None, output: Output) -> int:
    """Import a file and return the exit status.

    Args:
        options: What the command line says.
        access: Credentials and server; ``None`` for a sandbox in this process.
        output: Where to print.

    Raises:
        CleverReachError: The import did not begin.
    """
    source = options.read()
    _check_rejects(options)
    mapping.show(output, source)
    contents = mapping.survey(source)
    if contents.has_registered and not contents.has_activated:
        output.warn(
            "no column tells when receivers confirmed (activated), only when they registered:"
            " those who are new will be inactive, as if their double opt-in were pending"
        )
    under_way = _Run(options, output, source, contents)
    failure: ImportFailedError | None = None
    try:
        if options.dry_run:
            report = run(partial(_check, under_way))
        else:
            report = run(
                partial(_import, under_way, access),
                on_interrupt=partial(_tell_of_stopping, output),
            )
    except ImportFailedError as error:
        failure, report = error, error.report
    except KeyboardInterrupt:
        output.note(_how_far(under_way))
        return INTERRUPTED
    return _finish(under_way, report, failure)


def _check_rejects(options: ImportOptions) -> None:
    """Refuse to write rejects over the rows themselves, say of an earlier rejects file."""
    rejects = options.rejects
    if rejects.exists() and rejects.samefile(options.file):
        raise ConfigurationError(
            f"{rejects} is the file to import, and it would be replaced by its own rejects; name"
            " another with --rejects"
        )
    place = rejects if rejects.exists() else rejects.parent
    if rejects.is_dir() or not os.access(place, os.W_OK):
        raise ConfigurationError(f"{rejects}: cannot write the rejects file there")


async def _import(under_way: _Run, access: Access | None) -> ImportReport:
    options, output = under_way.options, under_way.output
    if access is None:
        output.note("sandbox: nothing leaves this computer, and nothing is kept afterwards")
    else:
        output.note(plain(f"connecting to {access.host}"))
    async with connect(access) as client:
        target = await prepare(
            client, options.group, under_way.contents.attributes, create=options.create
        )
        under_way.target = target
        _fit_types(under_way, target)
        _tell_target(output, target)
        with make_display(output, under_way.source) as display:
            under_way.display = display
            return await client.bulk.upsert(
                under_way.source,
                group_id=target.group.id,
                concurrency=options.concurrency,
                batch_size=options.batch_size,
                rejects=options.rejects,
                on_progress=display.show,
            )


def _fit_types(under_way: _Run, target: Target) -> None:
    """Send what the account takes for a date as a date, and warn of other differences."""
    wanted, present = under_way.contents.attributes, target.present
    dates: list[str] = []
    for prefix, ours, theirs in (
        ("", wanted.account, present.account),
        ("attributes.", wanted.group, present.group),
    ):
        for name, kind in ours.items():
            defined = theirs.get(name, kind)
            if defined == "date":
                dates += [prefix + name] if kind != "date" else []
            elif defined not in (kind, "text"):
                under_way.output.warn(
                    plain(f"{prefix}{name} is a {defined} in the account, a {kind} in the file")
                )
    if dates and under_way.source.mapping is not None:
        under_way.output.note(f"  read as dates, as the account has them: {', '.join(dates)}")
        under_way.source = under_way.options.read(dates)


def _tell_target(output: Output, target: Target) -> None:
    group = target.group
    output.note(plain(f"{'new ' if target.is_new else ''}group {group.name} ({group.id})"))
    if target.created.labels:
        output.note(f"new attributes: {', '.join(target.created.labels)}")


async def _check(under_way: _Run) -> ImportReport:
    """Read and check every row without a call; rows that could be sent count as pending."""
    report = ImportReport()
    started = SYSTEM_CLOCK.monotonic()
    rows = iter(under_way.source)
    display = make_display(under_way.output, under_way.source, accepted="valid")
    under_way.display = display
    with RejectsFile(under_way.options.rejects) as rejects, display:
        finished = False
        while not finished:
            chunk = list(islice(rows, _SLICE))
            good, bad = Encoder().encode(
                chunk, range(report.read + 1, report.read + len(chunk) + 1)
            )
            report.read += len(chunk)
            report.pending += len(good)
            report.count(bad)
            rejects.write(bad)
            report.elapsed = SYSTEM_CLOCK.monotonic() - started
            finished = not chunk
            progress = report.progress(report.elapsed, finished=finished)
            display.show(attrs.evolve(progress, accepted=report.pending))
            await anyio.lowlevel.checkpoint()  # Ctrl-C strikes here
    report.assert_balanced()
    return report


def _tell_of_stopping(output: Output) -> None:
    output.note("stopping when the requests on their way have ended; Ctrl-C again stops at once")


def _how_far(under_way: _Run) -> str:
    latest = under_way.display.latest if under_way.display else None
    if latest is None:
        return "interrupted before the first rows were answered"
    verb = "valid" if under_way.options.dry_run else "accepted"
    counts = f"{latest.accepted:,} {verb}, {latest.rejected:,} rejected"
    if latest.unknown:
        counts += f", {latest.unknown:,} unknown"
    others = latest.read - latest.done
    rest = f"; the other {others:,} were not sent, or not answered" if others else ""
    return f"interrupted after {latest.read:,} rows: {counts}{rest}"


def _finish(under_way: _Run, report: ImportReport, failure: ImportFailedError | None) -> int:
    options, output = under_way.options, under_way.output
    result = summary.Result.of(under_way.source, under_way.target, report, options.rejects)
    if options.as_json:
        output.result_json(summary.as_json(result))
    else:
        output.result(summary.as_text(result))
    if failure is not None:
        output.fail(explain(failure))
        if under_way.source.mapping is not None:
            output.note("the same command goes over the file again; nobody is stored twice")
        return told_status(failure)
    return INCOMPLETE if report.rejected or report.unknown else 0
