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
    path = job.options.delivery.report
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
    delivery, breakers = options.delivery, options.breakers
    return {
        "strategy": delivery.strategy,
        **_text(source),
        **options.reader.settings(),
        "requests at a time": delivery.concurrency,
        "rows per request": delivery.batch_size,
        "rows per second at most": delivery.max_rows_per_second,
        "rejects at most": breakers.max_rejects,
        "share of rejects at most": f"{breakers.max_reject_share:.0%}",
        "journal": None if delivery.journal is None else str(delivery.journal),
        "resumed": delivery.resume,
    }


def _text(source: RowFile) -> Mapping[str, object]:
    if not isinstance(source, FileSource):
        return {}
    return {"encoding": source.encoding, "between cells": source.delimiter}
