"""The result of an import: counts, reasons, and the rejects file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.cli.imports.job import Job
from cleverreach_async.cli.report.headline import headline, rows_per_second
from cleverreach_async.cli.report.reasons import (
    Reason,
    find_exclusions,
    find_reasons,
    find_remarks,
)
from cleverreach_async.errors import SourceError
from cleverreach_async.sources import RowFile

__all__ = ["Result", "as_json", "as_text", "rows_in_group"]

_OUTCOMES: Final = (
    *("accepted", "rejected", "unknown", "pending", "superseded", "excluded", "skipped"),
)
_COUNTERS: Final = (
    *("read", *_OUTCOMES, "unwritten", "batches", "requests", "retries", "replayed"),
    "pauses",
)
_ALWAYS: Final = frozenset({"accepted", "rejected", "would be sent"})
_REMARKS: Final = {
    "excluded": "not subscribed, by what the rows say",
    "superseded": "replaced by a later row with the same address",
    "unknown": "perhaps stored, therefore not resent",
    "pending": "not sent, or without a response",
    "skipped": "done by earlier runs",
}


@attrs.frozen(kw_only=True)
class Result:
    """The result of an import.

    Attributes:
        job: The import.
        report: The counters.
        reasons: Why rows were not accepted, the most frequent first, including earlier runs.
        rejects: The file of those rows; ``None`` if there are none.
        journal: The file that makes the import resumable, if any.
        stopped: Why the import ended early; empty if it did not.
        is_file_at_fault: Whether the file itself stopped it, and would do so again.
    """

    job: Job
    report: ImportReport
    reasons: list[Reason]
    rejects: Path | None
    journal: Path | None
    stopped: str
    is_file_at_fault: bool = False

    @classmethod
    def of(cls, job: Job, report: ImportReport, error: Exception | None = None) -> "Result":
        """Return the result of an import.

        Args:
            job: The import.
            report: The counters.
            error: The error that ended it, if any.
        """
        rejects, send = job.arguments.rejects, job.arguments.send
        counts = (report.rejected, report.unknown)
        earlier = (report.earlier.get(name, 0) for name in ("rejected", "unknown"))
        has_rejects = any(counts) or any(earlier)
        return cls(
            job=job,
            report=report,
            reasons=find_reasons(rejects, report) if has_rejects else [],
            rejects=rejects if has_rejects else None,
            journal=None if send.dry_run else send.journal,
            stopped=report.stopped or ("" if error is None else str(error)),
            is_file_at_fault=error is not None and isinstance(error.__cause__, SourceError),
        )

    @property
    def source(self) -> RowFile:
        """The file."""
        return self.job.source

    @property
    def is_dry_run(self) -> bool:
        """Whether the rows were only checked."""
        return self.job.destination is None

    @property
    def is_complete(self) -> bool:
        """Whether every row of the file has an outcome."""
        return not self.stopped and (self.is_dry_run or not self.report.pending)

    @property
    def is_resumable(self) -> bool:
        """Whether ``--resume`` can continue it."""
        is_open = self.journal is not None and not self.is_complete
        return is_open and not self.is_file_at_fault

    @property
    def group(self) -> str:
        """Name and id of the group; empty if nothing was sent."""
        destination = self.job.destination
        return f"{destination.group.name} ({destination.group.id})" if destination else ""

    @property
    def where_rejects_are(self) -> str:
        """Where the rows that were not accepted can be found."""
        missing = self.report.unwritten
        if not missing:
            return f"all of them are in {self.rejects}"
        rows = "1 of them is" if missing == 1 else f"{missing:,} of them are"
        return f"{rows} not in {self.rejects}, which could not be written"

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        return headline(
            self.report,
            group=self.group,
            strategy=self.job.arguments.send.strategy,
            has_stopped=bool(self.stopped),
        )


def as_json(result: Result) -> dict[str, Any]:
    """Return a result as plain values."""
    report, mapping, opt_ins = result.report, result.source.mapping, result.job.opt_ins
    destination, check = result.job.destination, result.job.account_check
    return {
        "file": result.source.path,
        "dry_run": result.is_dry_run,
        "group_id": destination and destination.group.id,
        "group_name": destination and destination.group.name,
        "group_created": bool(destination and destination.is_new),
        "attributes_created": destination.created.labels if destination else [],
        "mapping": [
            {"column": column, "target": target}
            for column, target in (mapping.pairs if mapping else ())
        ],
        "left_out": list(mapping.left_out) if mapping else [],
        "new_receivers": result.job.consent.new_receivers,
        **{name: getattr(report, name) for name in _COUNTERS},
        "earlier": dict(report.earlier),
        "elapsed": round(report.elapsed, 3),
        "stopped": result.stopped or None,
        "resumable": result.is_resumable,
        "journal": result.journal and str(result.journal),
        "rejects": result.rejects and str(result.rejects),
        "reasons": _as_dicts(result.reasons),
        "exclusions": _as_dicts(find_exclusions(report)),
        "dropped_values": report.dropped_values,
        "changed_values": report.changed_values,
        "remarks": _as_dicts(find_remarks(report)),
        "opt_in_mails": opt_ins and opt_ins.as_json(),
        "account": check and check.as_json(),
    }


def _as_dicts(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    return [
        {"code": reason.code, "count": reason.count, "message": reason.message}
        for reason in reasons
    ]


def as_text(result: Result) -> str:
    """Return a result for people."""
    report, opt_ins = result.report, result.job.opt_ins
    check = result.job.account_check
    lines = [
        _headline(result),
        *(_counts_of_runs(result) if report.earlier else _counts(result)),
        *(check.lines() if check else ()),
        *_reasons(result),
        *_list("Rows that were left out:", find_exclusions(report)),
        *_list("Values that were left out or changed:", find_remarks(report)),
        rows_in_group(sum(it.count for it in result.reasons if it.code == "duplicate")),
        opt_ins.as_text() if opt_ins else "",
    ]
    if report.retries:
        lines.append(f"{report.requests:,} requests, {report.retries:,} of them retries.")
    if report.pauses:
        times = "once" if report.pauses == 1 else f"{report.pauses:,} times"
        lines.append(f"The server paused the import {times}.")
    if report.replayed:
        rows = "1 row was" if report.replayed == 1 else f"{report.replayed:,} rows were"
        lines.append(f"{rows} resent because a response was lost.")
    if result.journal is not None and result.is_complete:
        lines.append(f"The import is complete; its journal {result.journal} can be deleted.")
    return "\n".join(line for line in lines if line)


def rows_in_group(count: int) -> str:
    """Return a sentence about rows that were rejected as duplicates; empty if none were."""
    if not count:
        return ""
    rows = "1 rejected row is" if count == 1 else f"{count:,} rejected rows are"
    return f"{rows} in the group already (duplicate), and not changed."


def _headline(result: Result) -> str:
    report, text = result.report, result.headline
    rate = rows_per_second(report, is_dry_run=result.is_dry_run)
    took = "no time" if rate is None else f"{_clock(report.elapsed)} ({rate:,.0f} rows/s)"
    if result.is_dry_run:
        checked, semicolon, rest = text.partition(";")
        return f"{checked} in {took}{semicolon}{rest}."
    return f"{text}{'; this run took' if report.earlier else ' in'} {took}."


def _clock(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _counts(result: Result) -> Iterator[str]:
    report = result.report
    if result.is_dry_run:
        counts = {
            "would be sent": report.pending,
            "rejected": report.rejected,
            "excluded": report.excluded,
        }
    else:
        counts = {name: getattr(report, name) for name in _OUTCOMES}
    width = max(len(f"{count:,}") for count in counts.values())
    for name, count in counts.items():
        if count or name in _ALWAYS:
            yield f"  {count:{width},} {name}{_remark(result, name)}"


def _counts_of_runs(result: Result) -> Iterator[str]:
    """The counters of this run beside those of all runs."""
    yield "  this run   all runs"
    for name in _OUTCOMES:
        this_run, all_runs = getattr(result.report, name), result.report.total(name)
        if all_runs or name in _ALWAYS:
            # Rows are skipped because another run has done them: over all runs there are none.
            total = "" if name == "skipped" else f"{all_runs:,}"
            yield f"{this_run:10,} {total:>10} {name}{_remark(result, name)}"


def _remark(result: Result, name: str) -> str:
    remark = _REMARKS.get(name, "")
    if name == "pending" and result.is_resumable:
        remark += "; --resume sends them"
    return f": {remark}" if remark else ""


def _reasons(result: Result) -> Iterator[str]:
    yield from _list(f"Rows that were not accepted ({result.where_rejects_are}):", result.reasons)


def _list(heading: str, reasons: Sequence[Reason]) -> Iterator[str]:
    if not reasons:
        return
    yield heading
    width = max(len(f"{reason.count:,}") for reason in reasons)
    for reason in reasons:
        lines = f"{'line' if reason.count == 1 else 'lines'} {reason.shown_lines}"
        yield f"  {reason.count:{width},} {reason.code} ({lines}): {reason.message}"
