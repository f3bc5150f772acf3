"""The progress of an import: live lines on a terminal, a line now and then in a log."""

from collections.abc import Sequence
from typing import Final, Self

import attrs

from cleverreach_async.bulk.report import ImportProgress
from cleverreach_async.cli.imports.estimates import Estimate, Estimator, MeasuredSource
from cleverreach_async.cli.output import Output

__all__ = [
    "GAP",
    "Display",
    "LineDisplay",
    "Part",
    "counts",
    "fit",
    "make_display",
    "rates",
    "times",
]

SECONDS_BETWEEN_LINES: Final = 5.0
GAP: Final = "  "


@attrs.frozen
class Part:
    """A part of a line.

    Attributes:
        text: The text; an empty part is left out.
        priority: The part with the lowest is left out first if there is no room.
        style: Style for rich.
    """

    text: str
    priority: int
    style: str = ""


def fit(parts: Sequence[Part], width: int) -> list[Part]:
    """Return the parts that fit in a width; the one with the highest priority always stays."""
    kept = [part for part in parts if part.text]
    while len(kept) > 1 and len(GAP.join(part.text for part in kept)) > width:
        kept.remove(min(kept, key=lambda part: part.priority))
    return kept


def times(estimate: Estimate) -> list[Part]:
    """Return percentage and times."""
    left = estimate.seconds_left
    return [
        Part(f"{int(estimate.fraction * 100):3}%", 3),
        Part(f"{_clock(estimate.elapsed)} elapsed", 1),
        Part("" if left is None else f"{_clock(left)} left", 2),
    ]


def counts(progress: ImportProgress, accepted: str) -> list[Part]:
    """Return the counters."""
    return [
        Part(f"{progress.accepted:,} {accepted}", 5),
        Part(f"{progress.rejected:,} rejected", 4, "red" if progress.rejected else ""),
        Part(_count(progress.unknown, "unknown"), 3, "yellow"),
        Part(_count(progress.skipped, "skipped"), 2),
        Part(_count(progress.excluded, "excluded"), 2),
        Part(_count(progress.superseded, "superseded"), 1),
    ]


def rates(estimate: Estimate) -> list[Part]:
    """Return the speed, and what limits it."""
    progress = estimate.progress
    parts = [Part(f"{estimate.rate:,.0f} rows/s", 3)]
    if progress.limit and not progress.finished:
        parts.append(Part(f"{progress.in_flight} of {progress.limit} in flight", 2))
    parts.append(Part(_count(progress.retries, "retry", "retries"), 1))
    if progress.paused and not progress.finished:
        parts.append(Part("paused by the server", 4, "bold yellow"))
    else:
        parts.append(Part(_count(progress.pauses, "pause", "pauses"), 1))
    return parts


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one}" if number else ""


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class Display:
    """Takes progress events, and shows nothing of them: for a quiet command.

    Args:
        estimator: Estimates percentage, rate and time left.
        accepted: The word for accepted rows.

    Attributes:
        latest: The latest event.
    """

    def __init__(self, estimator: Estimator, accepted: str) -> None:
        self.latest: ImportProgress | None = None
        self._estimator = estimator
        self._accepted = accepted

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def show(self, progress: ImportProgress) -> None:
        """Show an event."""
        self.latest = progress
        self._estimator.update(progress)


def make_display(output: Output, source: MeasuredSource, *, accepted: str = "accepted") -> Display:
    """Return the display for stderr.

    Args:
        output: Where to print.
        source: The file that is read.
        accepted: The word for accepted rows.
    """
    estimator = Estimator(source)
    if output.is_quiet:
        return Display(estimator, accepted)
    if output.is_terminal:
        from cleverreach_async.cli.imports.screen import ScreenDisplay  # noqa: PLC0415

        return ScreenDisplay(output.console, estimator, accepted)
    return LineDisplay(output, estimator, accepted)


class LineDisplay(Display):
    """A line every few seconds of the import, and at each pause; none for a short one.

    Args:
        output: Where to print.
        estimator: Estimates percentage, rate and time left.
        accepted: The word for accepted rows.
    """

    def __init__(self, output: Output, estimator: Estimator, accepted: str) -> None:
        super().__init__(estimator, accepted)
        self._output = output
        self._next = SECONDS_BETWEEN_LINES

    def show(self, progress: ImportProgress) -> None:
        """Show an event."""
        is_new_pause = progress.paused and not (self.latest and self.latest.paused)
        super().show(progress)
        if progress.finished or not (is_new_pause or progress.elapsed >= self._next):
            return
        self._next = progress.elapsed + SECONDS_BETWEEN_LINES
        estimate = self._estimator.estimate(progress, progress.elapsed)
        parts = [*times(estimate), *counts(progress, self._accepted), *rates(estimate)]
        self._output.info(GAP.join(part.text for part in parts if part.text).strip())
