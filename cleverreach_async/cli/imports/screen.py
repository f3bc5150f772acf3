"""The progress of an import in three live lines on a terminal, drawn with rich."""

from collections.abc import Iterator, Sequence
from typing import Final, Self

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.text import Text

from cleverreach_async.bulk.report import ImportProgress
from cleverreach_async.cli.imports.estimates import Estimate, Estimator
from cleverreach_async.cli.imports.progress import (
    GAP,
    Display,
    Part,
    counts,
    fit,
    rates,
    times,
)

__all__ = ["ScreenDisplay"]

_MIN_BAR: Final = 4
_MAX_BAR: Final = 60
_FRAMES_PER_SECOND: Final = 4
# Room for the ^C that a terminal prints after the last line: if that wraps the line, it cannot be
# overwritten any more.
_MARGIN: Final = 2
_NO_PROGRESS: Final = ImportProgress(
    read=0, accepted=0, rejected=0, unknown=0, superseded=0, requests=0, retries=0, elapsed=0.0
)


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
            [*_segments(console, fit(counts(progress, self._accepted), width))],
            [*_segments(console, fit(rates(estimate), width))],
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
        parts = fit(times(estimate), width)
        room = width - len(GAP) - len(GAP.join(part.text for part in parts))
        room = min(room, _MAX_BAR)
        if room >= _MIN_BAR:
            bar = ProgressBar(total=1.0, completed=estimate.fraction, width=room)
            segments = list(console.render(bar, options))
            # Without colours rich draws only the completed part.
            yield from Segment.adjust_line_length(segments, room)
            yield Segment(GAP)
        yield from _segments(console, parts)


def _segments(console: Console, parts: Sequence[Part]) -> Iterator[Segment]:
    for number, part in enumerate(parts):
        if number:
            yield Segment(GAP)
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
