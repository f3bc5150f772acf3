"""The progress of an import: three live lines on a terminal, a line now and then in a log."""

from collections.abc import Iterator, Sequence
from typing import Final, Self

import attrs
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.text import Text

from cleverreach_async.bulk.report import ImportProgress
from cleverreach_async.cli.imports.estimates import Estimate, Estimator, MeasuredSource
from cleverreach_async.cli.output import Output

__all__ = ["Display", "LineDisplay", "Part", "ScreenDisplay", "fit", "make_display"]

SECONDS_BETWEEN_LINES: Final = 5.0
_MIN_BAR: Final = 4
_MAX_BAR: Final = 60
_FRAMES_PER_SECOND: Final = 4
_GAP: Final = "  "
# Room for the ^C that a terminal prints after the last line: if that wraps the line, it cannot be
# overwritten any more.
_MARGIN: Final = 2
_NO_PROGRESS: Final = ImportProgress(
    read=0, accepted=0, rejected=0, unknown=0, superseded=0, requests=0, retries=0, elapsed=0.0
)


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
    while len(kept) > 1 and len(_GAP.join(part.text for part in kept)) > width:
        kept.remove(min(kept, key=lambda part: part.priority))
    return kept


def _times(estimate: Estimate) -> list[Part]:
    left = estimate.seconds_left
    return [
        Part(f"{int(estimate.fraction * 100):3}%", 3),
        Part(f"{_clock(estimate.elapsed)} elapsed", 1),
        Part("" if left is None else f"{_clock(left)} left", 2),
    ]


def _counts(progress: ImportProgress, accepted: str) -> list[Part]:
    return [
        Part(f"{progress.accepted:,} {accepted}", 5),
        Part(f"{progress.rejected:,} rejected", 4, "red" if progress.rejected else ""),
        Part(_count(progress.unknown, "unknown"), 3, "yellow"),
        Part(_count(progress.skipped, "skipped"), 2),
        Part(_count(progress.excluded, "excluded"), 2),
        Part(_count(progress.superseded, "superseded"), 1),
    ]


def _rates(estimate: Estimate) -> list[Part]:
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
    """Shows progress events.

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
    if output.is_terminal:
        return ScreenDisplay(output.console, estimator, accepted)
    return LineDisplay(output, estimator, accepted)


class ScreenDisplay(Display):
    """A bar with percentage and times, a line of counts, and a line of rates.

    A thread of rich draws it four times a second, so that times change while there are no events.

    Args:
        console: The terminal.
        estimator: Estimates percentage, rate and time left.
        accepted: The word for accepted rows.
        auto_refresh: Whether the thread runs.
    """

    def __init__(
        self, console: Console, estimator: Estimator, accepted: str, *, auto_refresh: bool = True
    ) -> None:
        super().__init__(estimator, accepted)
        self._console = console
        self._shown = _NO_PROGRESS
        self._shown_at = 0.0
        self._widths: tuple[int, ...] = ()
        self._live = _ResizableLive(self, console, auto_refresh=auto_refresh)

    def __enter__(self) -> Self:
        self._shown_at = self._console.get_time()
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()

    def show(self, progress: ImportProgress) -> None:
        """Show an event."""
        super().show(progress)
        self._shown, self._shown_at = progress, self._console.get_time()

    def wrapped_lines(self, width: int) -> int:
        """Return by how many lines the last frame grew when the terminal became narrower."""
        return sum(max(0, drawn - 1) // width for drawn in self._widths)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        progress = self._shown
        since = max(0.0, console.get_time() - self._shown_at)
        estimate = self._estimator.estimate(progress, progress.elapsed + since)
        width = max(1, options.max_width - _MARGIN)
        lines = [
            [*self._bar(console, options, estimate, width)],
            [*_segments(console, fit(_counts(progress, self._accepted), width))],
            [*_segments(console, fit(_rates(estimate), width))],
        ]
        lines = [Segment.adjust_line_length(line, width, pad=False) for line in lines]
        self._widths = tuple(map(Segment.get_line_length, lines))
        for line in lines:
            yield from line
            yield Segment.line()

    def _bar(
        self, console: Console, options: ConsoleOptions, estimate: Estimate, width: int
    ) -> Iterator[Segment]:
        """The first line; the bar takes the width that the times leave, or is left out."""
        parts = fit(_times(estimate), width)
        room = width - len(_GAP) - len(_GAP.join(part.text for part in parts))
        room = min(room, _MAX_BAR)
        if room >= _MIN_BAR:
            bar = ProgressBar(total=1.0, completed=estimate.fraction, width=room)
            segments = list(console.render(bar, options))
            # Without colours rich draws only the completed part.
            yield from Segment.adjust_line_length(segments, room)
            yield Segment(_GAP)
        yield from _segments(console, parts)


def _segments(console: Console, parts: Sequence[Part]) -> Iterator[Segment]:
    for number, part in enumerate(parts):
        if number:
            yield Segment(_GAP)
        yield from Text(part.text, style=part.style, end="").render(console)


class _ResizableLive(Live):
    """A live display that stays in its place when the terminal becomes narrower.

    Terminals then wrap the lines on the screen. Rich moves the cursor up by the lines that it has
    printed and would leave the others behind, at each step of a resize.
    """

    def __init__(self, screen: ScreenDisplay, console: Console, *, auto_refresh: bool) -> None:
        super().__init__(
            screen,
            console=console,
            auto_refresh=auto_refresh,
            refresh_per_second=_FRAMES_PER_SECOND,
        )
        self._screen_display = screen

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Move up by the wrapped lines, before rich moves up by those that it has printed."""
        wrapped = self._screen_display.wrapped_lines(self.console.width)
        erase = (ControlType.ERASE_IN_LINE, 2)
        up = Control(*(erase, (ControlType.CURSOR_UP, 1)) * wrapped)
        return [up, *super().process_renderables(renderables)]


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
        parts = [*_times(estimate), *_counts(progress, self._accepted), *_rates(estimate)]
        self._output.info(_GAP.join(part.text for part in parts if part.text).strip())
