"""``cleverreach import --dry-run``: read and check every row, and send nothing."""

from itertools import islice
from typing import Final

import anyio.lowlevel
import attrs

from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.options import Settings
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.strategies import find_strategy
from cleverreach_async.cli.imports.job import Job
from cleverreach_async.cli.imports.progress import make_display
from cleverreach_async.sources.column_options import columns_of
from cleverreach_async.transport.clock import SYSTEM_CLOCK

__all__ = ["check_rows"]

_SLICE: Final = 1000


async def check_rows(job: Job) -> ImportReport:
    """Check every row without a request; rows that could be sent count as pending."""
    send = job.arguments.send
    settings = Settings(**send.settings())
    now = int(SYSTEM_CLOCK.now())
    columns, check = columns_of(job.source), job.account_check
    known = None
    if check is not None and send.strategy != "delete":
        known = check.known_attributes(has_columns=columns is not None)
    preparation = settings.preparation(find_strategy(send.strategy), now=now, attributes=known)
    encoder = Encoder(preparation, relative_names=None if known is None else known.numbers)
    report = ImportReport()
    started = SYSTEM_CLOCK.monotonic()
    if columns is not None:
        # The types of the account are not known without a request.
        types = {} if known is None else known.definitions.by_target
        columns.take_types(types, relative=send.relative)
    rows = iter(job.source)
    job.display = make_display(job.output, job.source, accepted="valid")
    with RejectsFile(job.arguments.rejects, overwrite=True) as rejects, job.display:
        finished = False
        while not finished:
            chunk = list(islice(rows, _SLICE))
            numbers = range(report.read + 1, report.read + len(chunk) + 1)
            good, bad = encoder.encode(chunk, numbers)
            report.remark_rows(chunk, numbers)
            for number, remark in encoder.take_remarks():
                line = getattr(chunk[number - numbers.start], "line", None)
                report.remark([remark], line or number)
            if check is not None:
                check.add(good)
            report.read += len(chunk)
            report.pending += len(good)
            report.count(bad)
            rejects.write(bad)
            report.elapsed = SYSTEM_CLOCK.monotonic() - started
            finished = not chunk
            progress = report.progress(report.elapsed, finished=finished)
            job.on_progress(attrs.evolve(progress, accepted=report.pending))
            await anyio.lowlevel.checkpoint()  # for Ctrl-C
    report.assert_balanced()
    return report
