"""The end of an import: its result, advice how to continue, and the exit status."""

import signal
from typing import Final

from cleverreach_async.cli.exit_statuses import INCOMPLETE, INTERRUPTED, STOPPED, USAGE
from cleverreach_async.cli.failures import explain
from cleverreach_async.cli.imports.job import Job
from cleverreach_async.cli.imports.paths import same_command
from cleverreach_async.cli.imports.summary import Result, as_json, as_text
from cleverreach_async.errors import ImportFailedError, TooManyRejectsError

__all__ = ["finish_import"]

_IDEMPOTENT: Final = frozenset({"upsertplus", "upsert", "update"})


def finish_import(job: Job, error: ImportFailedError | None, caught: signal.Signals | None) -> int:
    """Print the result of an import and return the exit status.

    Args:
        job: The import.
        error: The error that stopped it, if any.
        caught: The signal that interrupted it, if any.
    """
    output = job.output
    if job.report is None:
        output.advise(_progress_until_now(job))
        return _status_of_signal(caught)
    result = Result.of(job, job.report, error)
    if job.arguments.send.as_json:
        output.result_json(as_json(result))
    else:
        output.result(as_text(result))
    page = job.arguments.send.report
    if page is not None:
        from cleverreach_async.cli.imports.html_report import write_html_report  # noqa: PLC0415

        write_html_report(page, job, result)
    problems = job.account_check.problems if job.account_check else []
    for problem in problems:
        output.error(f"a run would not begin: {problem}")
    if result.stopped:
        advice = _advice(result, error)
        if error is not None:
            output.error(explain(error))
        output.advise(advice if error else f"{result.stopped}; {advice}")
    if caught is not None:
        return _status_of_signal(caught)
    if problems:
        return USAGE
    status = _finish_mails(job)
    if result.stopped or status == STOPPED:
        return STOPPED
    return INCOMPLETE if result.rejects else status


def _finish_mails(job: Job) -> int:
    mails = None if job.opt_ins is None else job.opt_ins.result
    if mails is None:
        return 0
    if mails.stopped:
        job.output.error(f"activation mails: {mails.stopped}")
        return STOPPED
    return INCOMPLETE if mails.refused or mails.unknown else 0


def _status_of_signal(caught: signal.Signals | None) -> int:
    return INTERRUPTED if caught in {None, signal.SIGINT} else STOPPED


def _progress_until_now(job: Job) -> str:
    latest = job.display.latest if job.display else None
    if latest is None:
        return "interrupted before the first response"
    verb = "valid" if job.arguments.send.dry_run else "accepted"
    counts = f"{latest.accepted:,} {verb}, {latest.rejected:,} rejected"
    if latest.unknown:
        counts += f", {latest.unknown:,} unknown"
    others = latest.read - latest.done - latest.skipped
    rest = f"; the other {others:,} were not sent, or have no response" if others else ""
    return f"interrupted after {latest.read - latest.skipped:,} rows: {counts}{rest}"


def _advice(result: Result, error: Exception | None) -> str:
    """Return how to continue an import that stopped."""
    send = result.job.arguments.send
    if isinstance(error, TooManyRejectsError):
        repair = "repair the file or the mapping and start again"
        allow = "allow more rejects with --max-reject-share and --max-rejects"
        if result.is_resumable:
            return f"{repair} with another journal; or {allow}, and add --resume"
        return f"{repair}, or {allow}"
    if result.is_file_at_fault:
        again = "start again" + (" with another journal" if result.journal else "")
        return f"repair the file and {again}: --resume would stop at the same line"
    if result.is_resumable:
        return f"continue with the same command{'' if send.resume else ' and --resume'}"
    advice = f"{same_command(result.job.arguments)} sends the whole file again"
    if result.source.mapping is not None and send.strategy in _IDEMPOTENT:
        advice += "; no receiver is stored twice"
    return f"{advice}. With --journal FILE an import can be resumed"
