"""The result of an import in one sentence, the same for the terminal and the page."""

from typing import Final

from cleverreach_async.bulk.report import ImportReport

__all__ = ["headline", "rows_per_second"]

_VERBS: Final = {"update": ("Updated", "in"), "delete": ("Deleted", "from")}


def headline(report: ImportReport, *, group: str, strategy: str, has_stopped: bool) -> str:
    """Return the result over all runs of an import, without a full stop.

    Args:
        report: The counters.
        group: Name and id of the group; empty if the rows were only checked.
        strategy: The batch call.
        has_stopped: Whether it ended early.
    """
    if not group:
        return f"Checked {report.read:,} rows; nothing was sent"
    verb, preposition = _VERBS.get(strategy, ("Imported", "into"))
    rows = f"{report.total('accepted'):,} of {report.total('read'):,} rows"
    return f"{verb} {rows}{' read so far' if has_stopped else ''} {preposition} {group}"


def rows_per_second(report: ImportReport, *, is_dry_run: bool) -> float | None:
    """Return the rows that this run has done per second; ``None`` if it took no time."""
    if report.elapsed <= 0:
        return None
    done = report.read - report.skipped - (0 if is_dry_run else report.pending)
    return done / report.elapsed
