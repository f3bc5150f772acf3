"""What is told after an import: counts, reasons, where the rejects are."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.imports.arguments import Arguments
from cleverreach_async.cli.imports.consent import NewReceivers, in_group_already
from cleverreach_async.cli.imports.destination import Target
from cleverreach_async.cli.imports.opt_in import OptInMails, describe
from cleverreach_async.cli.output import plain
from cleverreach_async.sources import RowFile

__all__ = ["Reason", "Result", "as_json", "as_text"]

_COUNTERS: Final = (
    *("read", "accepted", "rejected", "unknown", "pending", "superseded", "skipped"),
    *("batches", "requests", "retries", "replayed"),
)
_CLASSES: Final = ("accepted", "rejected", "unknown", "pending", "superseded", "skipped")
_ALWAYS: Final = frozenset({"accepted", "rejected", "would be sent"})
_REMARKS: Final = {
    "superseded": "a later row of the same address took their place",
    "unknown": "they may be stored or not, and were not sent again",
    "pending": "not sent, or not answered",
    "skipped": "done by earlier runs",
}
_VERBS: Final = {"update": ("Updated", "in"), "delete": ("Deleted", "from")}
_LINES_SHOWN: Final = 5


@attrs.define
class Reason:
    """Why rows were not accepted.

    Attributes:
        code: Stable word for the reason.
        message: The words that came with the first such row.
        count: How many rows.
        lines: The first lines of the file with such a row.
    """

    code: str
    message: str
    count: int = 0
    lines: list[int] = attrs.field(factory=list[int])


@attrs.frozen(kw_only=True)
class Result:
    """An import that has ended.

    Attributes:
        source: The file.
        target: Where it went; ``None`` when it was only checked.
        strategy: The batch call.
        report: The counters.
        rejects: The file of the rows that were not accepted; ``None`` when there are none.
        reasons: Why, the most frequent first; those of earlier runs included.
        journal: The file that makes the import resumable, if any.
        stopped: Why the import ended early; empty when it did not.
        new_receivers: Whether new receivers are active; ``None`` where there are none.
        opt_ins: The activation mails, if any were to be sent.
    """

    source: RowFile
    target: Target | None
    strategy: StrategyName
    report: ImportReport
    rejects: Path | None
    reasons: list[Reason]
    journal: Path | None
    stopped: str
    new_receivers: NewReceivers | None = None
    opt_ins: OptInMails | None = None

    @classmethod
    def of(
        cls,
        options: Arguments,
        source: RowFile,
        target: Target | None,
        report: ImportReport,
        stopped: str = "",
    ) -> "Result":
        """Return the result of an import, removing a rejects file that stayed empty.

        Args:
            options: What the command line says.
            source: The file.
            target: Where it went; ``None`` when it was only checked.
            report: The counters.
            stopped: Why it ended early, where the report does not tell.
        """
        rejects, earlier = options.rejects, report.earlier
        refused = bool(
            report.rejected
            or report.unknown
            or earlier.get("rejected", 0)
            or earlier.get("unknown", 0)
        )
        if not refused and rejects.is_file():
            rejects.unlink()
        return cls(
            source=source,
            target=target,
            strategy=options.send.strategy,
            report=report,
            rejects=rejects if refused else None,
            reasons=_reasons(rejects, report) if refused else [],
            journal=None if options.send.dry_run else options.send.journal,
            stopped=report.stopped or stopped,
        )

    @property
    def is_complete(self) -> bool:
        """Whether every row of the file has its outcome."""
        return not self.stopped and (self.target is None or not self.report.pending)

    @property
    def is_resumable(self) -> bool:
        """Whether ``--resume`` can go on."""
        return self.journal is not None and not self.is_complete

    @property
    def group_words(self) -> str:
        """Name and id of the group; empty when nothing was sent."""
        group = self.target and self.target.group
        return f"{group.name} ({group.id})" if group else ""

    def in_all(self, name: str) -> int:
        """Return a counter over all runs of the import."""
        report = self.report
        if name == "read":
            return report.read - report.skipped + sum(report.earlier.values())
        return int(getattr(report, name)) + report.earlier.get(name, 0)


class _Line(msgspec.Struct):
    row: int
    line: int | None
    code: str
    message: str


def _reasons(rejects: Path, report: ImportReport) -> list[Reason]:
    """Group the refused rows by code: all of them, where the rejects file can be read back."""
    rows: Iterable[_Line] = _read_back(rejects) if rejects.is_file() else _samples(report)
    found: dict[str, Reason] = {}
    for row in rows:
        reason = found.setdefault(row.code, Reason(row.code, row.message))
        reason.count += 1
        if len(reason.lines) < _LINES_SHOWN:
            reason.lines.append(row.row if row.line is None else row.line)
    return sorted(found.values(), key=lambda reason: -reason.count)


def _read_back(rejects: Path) -> Iterator[_Line]:
    decode = msgspec.json.Decoder(_Line).decode
    with rejects.open("rb") as lines:
        yield from map(decode, lines)


def _samples(report: ImportReport) -> Iterator[_Line]:
    for sample in report.samples:
        yield _Line(sample.row, sample.line, sample.code, sample.message)


def as_json(result: Result) -> dict[str, Any]:
    """Return a result as plain values."""
    report, target, mapping = result.report, result.target, result.source.mapping
    return {
        "file": result.source.path,
        "dry_run": target is None,
        "group_id": target and target.group.id,
        "group_name": target and target.group.name,
        "group_created": bool(target and target.is_new),
        "attributes_created": target.created.labels if target else [],
        "mapping": [
            {"column": column, "target": goal}
            for column, goal in (mapping.pairs if mapping else ())
        ],
        "left_out": list(mapping.left_out) if mapping else [],
        "new_receivers": result.new_receivers,
        **{name: getattr(report, name) for name in _COUNTERS},
        "earlier": dict(report.earlier),
        "elapsed": round(report.elapsed, 3),
        "stopped": result.stopped or None,
        "resumable": result.is_resumable,
        "journal": result.journal and str(result.journal),
        "rejects": result.rejects and str(result.rejects),
        "reasons": [
            {"code": reason.code, "count": reason.count, "message": reason.message}
            for reason in result.reasons
        ],
        "opt_in_mails": result.opt_ins and describe(result.opt_ins)[0],
    }


def as_text(result: Result) -> str:
    """Return a result as a person reads it."""
    lines = [
        _headline(result),
        *(_both_counts(result) if result.report.earlier else _counts(result)),
    ]
    if result.reasons:
        lines.append(f"Not accepted, and why (all of them in {result.rejects}):")
        width = max(len(f"{reason.count:,}") for reason in result.reasons)
        lines += [f"  {reason.count:{width},} {_in_words(reason)}" for reason in result.reasons]
    lines += filter(None, [in_group_already(_duplicates(result))])
    lines += filter(None, [describe(result.opt_ins)[1]] if result.opt_ins else ())
    lines += _trouble(result.report)
    if result.journal is not None and result.is_complete:
        lines.append(f"The import is complete: its journal {result.journal} can be removed.")
    return "\n".join(map(plain, lines))


def _duplicates(result: Result) -> int:
    return sum(reason.count for reason in result.reasons if reason.code == "duplicate")


def _headline(result: Result) -> str:
    report = result.report
    if result.target is None:
        return f"Checked {report.read:,} rows in {_took(report, report.read)}; nothing was sent."
    verb, preposition = _VERBS.get(result.strategy, ("Imported", "into"))
    words = f"{verb} {result.in_all('accepted'):,} of {result.in_all('read'):,} rows"
    words += " read so far" if result.stopped else ""
    took = _took(report, report.read - report.skipped - report.pending)
    by_this_run = "; this run took" if report.earlier else " in"
    return f"{words} {preposition} {result.group_words}{by_this_run} {took}."


def _took(report: ImportReport, rows: int) -> str:
    rate = f"{rows / report.elapsed:,.0f} rows/s" if report.elapsed > 0 else "no time at all"
    return f"{_duration(report.elapsed)} ({rate})"


def _counts(result: Result) -> Iterator[str]:
    report = result.report
    if result.target is None:
        counts = {"would be sent": report.pending, "rejected": report.rejected}
    else:
        counts = {name: getattr(report, name) for name in _CLASSES}
    width = max(len(f"{count:,}") for count in counts.values())
    for name, count in counts.items():
        if count or name in _ALWAYS:
            yield f"  {count:{width},} {name}{_remark(result, name)}"


def _both_counts(result: Result) -> Iterator[str]:
    """The counters of this run beside those of all runs."""
    yield "  this run   all runs"
    for name in _CLASSES:
        ours, all_of_them = getattr(result.report, name), result.in_all(name)
        if all_of_them or name in _ALWAYS:
            # Rows are skipped because another run did them: over all runs there are none.
            total = "" if name == "skipped" else f"{all_of_them:,}"
            yield f"{ours:10,} {total:>10} {name}{_remark(result, name)}"


def _remark(result: Result, name: str) -> str:
    remark = _REMARKS.get(name, "")
    if name == "pending" and result.is_resumable:
        remark += "; left to --resume"
    return f": {remark}" if remark else ""


def _trouble(report: ImportReport) -> Iterator[str]:
    if report.retries:
        yield f"{report.requests:,} requests, {report.retries:,} of them repeated."
    if report.replayed:
        rows = "1 row was" if report.replayed == 1 else f"{report.replayed:,} rows were"
        yield f"{rows} sent again because an answer was lost."


def _in_words(reason: Reason) -> str:
    shown = ", ".join(map(str, reason.lines)) + (", …" if reason.count > len(reason.lines) else "")
    word = "line" if reason.count == 1 else "lines"
    return f"{reason.code} ({word} {shown}): {reason.message}"


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
