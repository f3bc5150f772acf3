"""Why rows were not accepted or left out, and what became of values, grouped."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
import msgspec

from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.rows import Outcome

__all__ = ["Reason", "find_exclusions", "find_reasons", "find_remarks"]

_LINES_SHOWN: Final = 5


@attrs.define
class Reason:
    """Why rows were not accepted or left out, or what became of values.

    Attributes:
        code: Code of the reason, which does not change between versions; for values ``dropped``
            or ``changed``.
        message: Message of the first row.
        count: Number of rows.
        lines: First lines of the file with such a row.
    """

    code: str
    message: str
    count: int = 0
    lines: list[int] = attrs.field(factory=list[int])

    @property
    def shown_lines(self) -> str:
        """The lines, for people."""
        more = ", …" if self.count > len(self.lines) else ""
        return ", ".join(map(str, self.lines)) + more


class _Line(msgspec.Struct):
    row: int
    line: int | None
    code: str
    message: str


def find_reasons(rejects: Path, report: ImportReport) -> list[Reason]:
    """Return the reasons, the most frequent first.

    Args:
        rejects: The rejects file; only it has the rows of earlier runs.
        report: The counters of this run.
    """
    found: dict[str, Reason] = {}
    if report.earlier:
        with suppress(OSError):
            _count(_read(rejects), found)
    if not found:
        _count(_samples(report), found)
        for code, count in report.reasons.items():
            found.setdefault(code, Reason(code, "")).count = count
    return sorted(found.values(), key=lambda reason: -reason.count)


def _count(rows: Iterable[_Line], found: dict[str, Reason]) -> None:
    for row in rows:
        reason = found.setdefault(row.code, Reason(row.code, row.message))
        reason.count += 1
        if len(reason.lines) < _LINES_SHOWN:
            reason.lines.append(row.row if row.line is None else row.line)


def find_exclusions(report: ImportReport) -> list[Reason]:
    """Return why rows were left out, the most frequent reason first."""
    found = {code: Reason(code, "", count) for code, count in report.exclusions.items()}
    for sample in report.samples:
        if sample.outcome is Outcome.EXCLUDED:
            reason = found[sample.code]
            reason.message = sample.message
            reason.lines.append(sample.row if sample.line is None else sample.line)
    return sorted(found.values(), key=lambda reason: -reason.count)


def find_remarks(report: ImportReport) -> list[Reason]:
    """Return what became of values, those that were not sent first."""
    found = [
        Reason(remark.kind, text, remark.count, remark.rows)
        for text, remark in report.remarks.items()
    ]
    return sorted(found, key=lambda reason: (reason.code != "dropped", -reason.count))


def _read(rejects: Path) -> Iterator[_Line]:
    """Read the lines; those that somebody has changed beyond recognition are left out."""
    if not rejects.is_file():
        return
    decode = msgspec.json.Decoder(_Line).decode
    with rejects.open("rb") as lines:
        for line in lines:
            with suppress(ValueError):
                yield decode(line)


def _samples(report: ImportReport) -> Iterator[_Line]:
    for sample in report.samples:
        if sample.outcome is Outcome.EXCLUDED:
            continue
        yield _Line(sample.row, sample.line, sample.code, sample.message)
