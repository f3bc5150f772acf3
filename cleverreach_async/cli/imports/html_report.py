"""The report of an import as a page: ``--report``."""

from collections.abc import Mapping

from cleverreach_async.cli.imports.job import Job
from cleverreach_async.cli.imports.summary import Result
from cleverreach_async.cli.report.page import RunFacts, write_report_page
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources import FileSource, RowFile

__all__ = ["write_page"]


def write_page(job: Job, result: Result) -> None:
    """Write the page, if one is asked for; that it cannot be written is only told.

    The rows have been sent, so the import's own result is what counts.

    Args:
        job: The import, which has ended.
        result: What came of it.
    """
    path = job.options.send.report
    if path is None:
        return
    facts = RunFacts(
        file=result.source.path,
        group=None if result.target is None else result.group_words,
        began=job.began,
        settings=_settings(job),
        reasons=result.reasons,
        rejects=None if result.rejects is None else str(result.rejects),
        stopped=result.stopped or None,
    )
    try:
        write_report_page(path, timeline=job.timeline, report=result.report, facts=facts)
    except ConfigurationError as error:
        job.output.warn(str(error))
        return
    job.output.note(f"report: {path}")


def _settings(job: Job) -> Mapping[str, object]:
    """What was in force; no credentials are among it."""
    options, source = job.options, job.source
    send = options.send
    return {
        "strategy": send.strategy,
        **_text(source),
        **options.reader.settings(),
        "requests at a time": send.concurrency,
        "rows per request": send.batch_size,
        "rows per second at most": send.max_rows_per_second,
        "rejects at most": send.max_rejects,
        "share of rejects at most": f"{send.max_reject_share:.0%}",
        "journal": None if send.journal is None else str(send.journal),
        "resumed": send.resume,
    }


def _text(source: RowFile) -> Mapping[str, object]:
    if not isinstance(source, FileSource):
        return {}
    return {"encoding": source.encoding, "between cells": source.delimiter}
