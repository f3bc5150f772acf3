"""What is told after an import: counts, reasons, where the rejects are."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.sources import RowFile
from cleverreach_async.cli.output import plain
from cleverreach_async.cli.target import Target

__all__ = ["Reason", "Result", "as_json", "as_text"]

_COUNTERS: Final = (
    *("read", "accepted", "rejected", "unknown", "pending", "superseded", "skipped"),
    *("batches", "requests", "retries"),
)
_REMARKS: Final = {
    "superseded": "a later row of the same address took their place",
    "unknown": "they may be stored or not, and were not sent again",
    "pending": "not sent",
}
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
        report: The counters.
        rejects: The file of the rows that were not accepted; ``None`` when there are none.
        reasons: Why, the most frequent first.
    """

    source: RowFile
    target: Target | None
    report: ImportReport
    rejects: Path | None
    reasons: list[Reason]

    @classmethod
    def of(
        cls, source: RowFile, target: Target | None, report: ImportReport, rejects: Path
    ) -> "Result":
        """Return the result of an import, removing a rejects file that stayed empty."""
        refused = bool(report.rejected or report.unknown)
        if not refused and rejects.is_file():
            rejects.unlink()
        return cls(
            source=source,
            target=target,
            report=report,
            rejects=rejects if refused else None,
            reasons=_reasons(rejects, report) if refused else [],
        )


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
        **{name: getattr(report, name) for name in _COUNTERS},
        "elapsed": round(report.elapsed, 3),
        "rejects": result.rejects and str(result.rejects),
        "reasons": [
            {"code": reason.code, "count": reason.count, "message": reason.message}
            for reason in result.reasons
        ],
    }


def as_text(result: Result) -> str:
    """Return a result as a person reads it."""
    report = result.report
    lines = [_headline(result), *_counts(result)]
    if result.reasons:
        lines.append(f"Not accepted, and why (all of them in {result.rejects}):")
        width = max(len(f"{reason.count:,}") for reason in result.reasons)
        lines += [f"  {reason.count:{width},} {_in_words(reason)}" for reason in result.reasons]
    if report.retries:
        lines.append(f"{report.requests:,} requests, {report.retries:,} of them repeated.")
    return "\n".join(map(plain, lines))


def _headline(result: Result) -> str:
    report = result.report
    rate = f"{report.read / report.elapsed:,.0f} rows/s" if report.elapsed > 0 else "no time at all"
    took = f"in {_duration(report.elapsed)} ({rate})"
    if result.target is None:
        return f"Checked {report.read:,} rows {took}; nothing was sent."
    group = f"{result.target.group.name} ({result.target.group.id})"
    return f"Imported {report.accepted:,} of {report.read:,} rows into {group} {took}."


def _counts(result: Result) -> Iterator[str]:
    report = result.report
    if result.target is None:
        counts = {"would be sent": report.pending, "rejected": report.rejected}
    else:
        names = ("accepted", "rejected", "unknown", "pending", "superseded")
        counts = {name: getattr(report, name) for name in names}
    width = max(len(f"{count:,}") for count in counts.values())
    for name, count in counts.items():
        if count or name in ("accepted", "rejected", "would be sent"):
            remark = _REMARKS.get(name, "")
            yield f"  {count:{width},} {name}{remark and ': '}{remark}"


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
