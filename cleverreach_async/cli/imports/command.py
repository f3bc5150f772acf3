"""``cleverreach import``: a file into a group."""

import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

import attrs

from cleverreach_async.bulk.attributes import Definitions
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.outcomes.checkpoint import OnAccepted, noop
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.failures import INCOMPLETE, INTERRUPTED, STOPPED, explain
from cleverreach_async.cli.imports import summary
from cleverreach_async.cli.imports.arguments import Arguments
from cleverreach_async.cli.imports.consent import announce
from cleverreach_async.cli.imports.contents import show, show_attributes, survey
from cleverreach_async.cli.imports.destination import Target, prepare
from cleverreach_async.cli.imports.dry_run import check_rows
from cleverreach_async.cli.imports.files import check_files
from cleverreach_async.cli.imports.html_report import write_page
from cleverreach_async.cli.imports.job import Job
from cleverreach_async.cli.imports.opt_in import OptInMails, look_up_form
from cleverreach_async.cli.imports.progress import make_display
from cleverreach_async.cli.options import AccountOptions
from cleverreach_async.cli.output import Output, plain
from cleverreach_async.cli.signals import ImportInterrupts
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import (
    ConfigurationError,
    ImportFailedError,
    TooManyRejectsError,
)

__all__ = ["import_file"]

_HARMLESS_TWICE: Final = frozenset({"upsertplus", "upsert", "update"})


def import_file(options: Arguments, account: AccountOptions, output: Output) -> int:
    """Import a file and return the exit status.

    Args:
        options: What the command line says.
        account: Whose group.
        output: Where to print.

    Raises:
        CleverReachError: The import did not begin.
    """
    access = None if options.send.dry_run else account.access(output)
    if access is None and options.send.resume:
        raise ConfigurationError(
            "--sandbox is empty at each start, so there is nothing to --resume in it; cleverreach"
            " sandbox --store FILE keeps what it was sent"
        )
    source = options.reader.read(options.file)
    check_files(options)
    show(output, source)
    for remark in options.reader.remarks(source):
        output.note(plain(remark))
    contents = survey(source)
    show_attributes(output, source, contents)
    job = Job(options, output, source, contents)
    _warn(job)
    interrupts = ImportInterrupts(output)
    work = (
        partial(check_rows, job)
        if options.send.dry_run
        else partial(_send, job, access, interrupts)
    )
    failure: ImportFailedError | None = None
    try:
        job.report = run(work, interrupts=interrupts)
    except ImportFailedError as error:
        failure, job.report = error, error.report
    except KeyboardInterrupt:
        pass  # what was reached by then is told below
    if job.report is None:
        output.note(_how_far(job))
        return _interrupted_status(interrupts)
    return _finish(job, job.report, failure, interrupts)


def _warn(job: Job) -> None:
    if job.options.send.strategy == "delete":
        job.output.warn("the receivers of this file are about to be removed from the group")
        return
    announce(job.output, job.consent)


async def _send(job: Job, access: Access | None, interrupts: ImportInterrupts) -> ImportReport:
    options, output = job.options, job.output
    if access is None:
        output.note("sandbox: nothing leaves this computer, and nothing is kept afterwards")
    else:
        output.note(plain(f"connecting to {access.host}"))
    async with connect(access, on_event=job.on_event) as client:
        opt_in = options.send.new_receivers
        form = await look_up_form(client, opt_in)
        job.target = target = await prepare(
            client,
            options.group,
            _wanted(job),
            create=options.create,
            create_attributes=options.create_attributes,
        )
        _fit_types(job, target)
        _tell_target(output, target)
        deliver = partial(_deliver, job, client, target, interrupts.watch)
        if form is None:
            return await deliver()
        if form.group_id not in {0, target.group.id}:
            output.warn(f"form {form.id} belongs to another group, {form.group_id}")
        job.opt_ins = OptInMails(
            form,
            opt_in,
            group_id=target.group.id,
            rejects=options.rejects,
            journaled=options.send.journal is not None,
            output=output,
        )
        return await job.opt_ins.run(
            client,
            deliver,
            should_stop=lambda: interrupts.caught is not None,
        )


async def _deliver(
    job: Job,
    client: CleverReach,
    target: Target,
    on_start: Callable[[ImportRun], None],
    on_accepted: OnAccepted = noop,
) -> ImportReport:
    send = _method(client.bulk, job.options.send.strategy)
    with ExitStack() as screen:

        def begin(run: ImportRun) -> None:
            # Not before: an import that is refused has no progress to show.
            job.display = screen.enter_context(make_display(job.output, job.source))
            on_start(run)

        job.report = report = await send(
            job.source,
            group_id=target.group.id,
            rejects=job.options.rejects,
            on_start=begin,
            on_progress=job.on_progress,
            on_accepted=on_accepted,
            **job.options.send.settings(),
        )
    return report


def _method(bulk: Bulk, strategy: StrategyName) -> Callable[..., Awaitable[ImportReport]]:
    if strategy == "insert":
        return bulk.insert
    if strategy == "update":
        return bulk.update
    if strategy == "delete":
        return bulk.delete
    return partial(bulk.upsert, strategy=strategy)


def _wanted(job: Job) -> Definitions:
    """The attributes that have to exist; whoever is deleted needs none."""
    if job.options.send.strategy == "delete":
        return Definitions()
    return job.contents.attributes


def _fit_types(job: Job, target: Target) -> None:
    """Send what the account takes for a date as a date, and warn of other differences."""
    wanted, present = _wanted(job), target.present
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
                job.output.warn(
                    plain(f"{prefix}{name} is a {defined} in the account, a {kind} in the file")
                )
    if dates and job.source.mapping is not None:
        job.output.note(f"  read as dates, as the account has them: {', '.join(dates)}")
        job.source = job.options.reader.read(job.options.file, dates)


def _tell_target(output: Output, target: Target) -> None:
    group = target.group
    output.note(plain(f"{'new ' if target.is_new else ''}group {group.name} ({group.id})"))
    if target.created.labels:
        output.note(f"new attributes: {', '.join(target.created.labels)}")


def _how_far(job: Job) -> str:
    latest = job.display.latest if job.display else None
    if latest is None:
        return "interrupted before the first rows were answered"
    verb = "valid" if job.options.send.dry_run else "accepted"
    counts = f"{latest.accepted:,} {verb}, {latest.rejected:,} rejected"
    if latest.unknown:
        counts += f", {latest.unknown:,} unknown"
    others = latest.read - latest.done - latest.skipped
    rest = f"; the other {others:,} were not sent, or not answered" if others else ""
    return f"interrupted after {latest.read - latest.skipped:,} rows: {counts}{rest}"


def _finish(
    job: Job,
    report: ImportReport,
    failure: ImportFailedError | None,
    interrupts: ImportInterrupts,
) -> int:
    options, output = job.options, job.output
    stopped = "" if failure is None else str(failure)
    result = summary.Result.of(options, job.source, job.target, report, stopped)
    result = attrs.evolve(result, new_receivers=job.consent.new_receivers, opt_ins=job.opt_ins)
    if options.send.as_json:
        output.result_json(summary.as_json(result))
    else:
        output.result(summary.as_text(result))
    write_page(job, result)
    if result.stopped:
        advice = _how_to_go_on(job, result, failure)
        if failure is not None:
            output.fail(explain(failure))
        output.note(advice if failure else f"{result.stopped}; {advice}")
    if interrupts.caught is not None:
        return _interrupted_status(interrupts)
    of_mails = _status_of_mails(job)
    if result.stopped or of_mails == STOPPED:
        return STOPPED
    return INCOMPLETE if result.rejects else of_mails


def _status_of_mails(job: Job) -> int:
    mails = None if job.opt_ins is None else job.opt_ins.result
    if mails is None:
        return 0
    if mails.stopped:
        job.output.fail(plain(f"activation mails: {mails.stopped}"))
        return STOPPED
    return INCOMPLETE if mails.refused or mails.unknown else 0


def _interrupted_status(interrupts: ImportInterrupts) -> int:
    return STOPPED if interrupts.caught == signal.SIGTERM else INTERRUPTED


def _how_to_go_on(job: Job, result: summary.Result, failure: Exception | None) -> str:
    send = job.options.send
    if isinstance(failure, TooManyRejectsError):
        begin = "mend the file or the mapping and begin anew"
        if not result.is_resumable:
            return f"{begin}, or allow more with --max-reject-share and --max-rejects"
        return (
            f"{begin} with another journal; or allow more with --max-reject-share and"
            " --max-rejects, and add --resume"
        )
    if result.is_resumable:
        words = "the same command" if send.resume else "the same command with --resume"
        return f"{words} goes on where this one stopped"
    words = "the same command goes over the file again"
    if job.source.mapping is not None and send.strategy in _HARMLESS_TWICE:
        words += "; nobody is stored twice"
    return f"{words}. With --journal FILE an import can be resumed instead"
