"""``cleverreach import --report``: the report of an import as an HTML page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cleverreach_async.cli.imports.job import Job
from cleverreach_async.cli.imports.summary import Result
from cleverreach_async.cli.report.page import RunFacts, write_report_page
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources import ExcelSource, FileSource

__all__ = ["write_html_report"]

_SETTINGS: Final = (
    *("concurrency", "batch_size", "max_rows_per_second", "max_rejects", "journal", "resume"),
)


def write_html_report(path: Path, job: Job, result: Result) -> None:
    """Write the page; if that fails, only warn.

    The rows have been sent, so the exit status is that of the import.

    Args:
        path: The page.
        job: The import, which has ended.
        result: Its result.
    """
    mapping = result.source.mapping
    facts = RunFacts(
        file=result.source.path,
        group=result.group or None,
        strategy=job.arguments.send.strategy,
        mapping=mapping.pairs if mapping else (),
        left_out=mapping.left_out if mapping else (),
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
    else:
        job.output.info(f"report: {path}")


def _settings(job: Job) -> Mapping[str, object]:
    """The options of the import, without credentials."""
    send, source = job.arguments.send, job.source
    text = (
        {"encoding": source.encoding, "column separator": source.delimiter}
        if isinstance(source, FileSource)
        else {"sheet": source.sheet}
        if isinstance(source, ExcelSource)
        else {}
    )
    return {
        "strategy": send.strategy,
        **text,
        **job.arguments.reader.settings(),
        **{name.replace("_", " "): getattr(send, name) for name in _SETTINGS},
        "max reject share": f"{send.max_reject_share:.0%}",
    }
