"""How an import is doing: three live lines for somebody who watches, one now and then for a log."""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

import attrs
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.text import Text

from cleverreach_async.bulk.report import ImportProgress
from cleverreach_async.cli.imports.estimates import Measured, Moment, Observer
from cleverreach_async.cli.output import Output

__all__ = [
    "Display",
    "LineDisplay",
    "Part",
    "ScreenDisplay",
    "fit",
    "make_display",
]

SECONDS_BETWEEN_LINES: Final = 5.0
_NARROWEST_BAR: Final = 4
_WIDEST_BAR: Final = 60
_FRAMES_PER_SECOND: Final = 4
_GAP: Final = "  "
# Room for the ^C that a terminal prints behind the last line: a line that it pushes over the edge
# could not be overwritten any more.
_MARGIN: Final = 2
_NOTHING_YET: Final = ImportProgress(
    read=0, accepted=0, rejected=0, unknown=0, superseded=0, requests=0, retries=0, elapsed=0.0
)


@attrs.frozen
class Part:
    """A figure of a line.

    Attributes:
        text: What is shown; nothing if it is empty.
        worth: The smallest goes first where room is short.
        style: Colour in the words of rich.
    """

    text: str
    worth: int
    style: str = ""


def fit(parts: Sequence[Part], width: int) -> list[Part]:
    """Return the parts that fit a width side by side; the worthiest always stays."""
    kept = [part for part in parts if part.text]
    while len(kept) > 1 and len(_GAP.join(part.text for part in kept)) > width:
        kept.remove(min(kept, key=lambda part: part.worth))
    return kept


def _headline(moment: Moment) -> list[Part]:
    left = moment.seconds_left
    return [
        Part(f"{int(moment.fraction * 100):3}%", 3),
        Part(f"{_clock(moment.elapsed)} gone", 1),
        Part("" if left is None else f"{_clock(left)} left", 2),
    ]


def _counts(progress: ImportProgress, accepted: str) -> list[Part]:
    return [
        Part(f"{progress.accepted:,} {accepted}", 5),
        Part(f"{progress.rejected:,} rejected", 4, "red" if progress.rejected else ""),
        Part(_some(progress.unknown, "unknown"), 3, "yellow"),
        Part(_some(progress.skipped, "skipped"), 2),
        Part(_some(progress.superseded, "superseded"), 1),
    ]


def _pace(moment: Moment) -> list[Part]:
    progress = moment.progress
    parts = [Part(f"{moment.rate:,.0f} rows/s", 3)]
    if progress.limit and not progress.finished:
        parts.append(Part(f"{progress.in_flight} of {progress.limit} in flight", 2))
    parts.append(Part(_some(progress.retries, "retry", "retries"), 1))
    if progress.paused and not progress.finished:
        parts.append(Part("paused by the server", 4, "bold yellow"))
    return parts


def _some(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one}" if count else ""


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class Display(Protocol):
    """Shows progress events.

    Attributes:
        latest: The last event, from which an interrupted import tells how far it came.
    """

    latest: ImportProgress | None

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, progress: ImportProgress) -> None:
        """Take an event."""
        ...


def make_display(output: Output, source: Measured, *, accepted: str = "accepted") -> Display:
    """Return the display that suits stderr.

    Args:
        output: Where to show it.
        source: The file being read.
        accepted: The word for rows that are well.
    """
    observer = Observer(source)
    if output.is_terminal:
        return ScreenDisplay(output.console, observer, accepted)
    return LineDisplay(output, observer, accepted)


class ScreenDisplay:
    """A bar with percent and times, a line of counts, a line of pace; fitted at each refresh.

    A thread of rich draws it anew four times a second, so that time goes on while no event comes.

    Args:
        console: The terminal.
        observer: What tells percentage, rate and remaining time.
        accepted: The word for rows that are well.
        auto_refresh: Whether the thread runs; tests do without.
    """

    def __init__(
        self, console: Console, observer: Observer, accepted: str, *, auto_refresh: bool = True
    ) -> None:
        self.latest: ImportProgress | None = None
        self._console = console
        self._observer = observer
        self._accepted = accepted
        self._shown = _NOTHING_YET
        self._shown_at = 0.0
        self._drawn: tuple[int, ...] = ()
        self._live = _SteadyLive(self, console, auto_refresh=auto_refresh)

    def __enter__(self) -> Self:
        self._shown_at = self._console.get_time()
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, progress: ImportProgress) -> None:
        """Take an event."""
        self.latest = progress
        self._observer.note(progress)
        self._shown, self._shown_at = progress, self._console.get_time()

    def wrapped_lines(self, width: int) -> int:
        """Return how many more lines the last frame takes on a terminal made narrower since."""
        return sum(max(0, drawn - 1) // width for drawn in self._drawn)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        progress = self._shown
        since = max(0.0, console.get_time() - self._shown_at)
        moment = self._observer.moment(progress, progress.elapsed + since)
        room = max(1, options.max_width - _MARGIN)
        lines = [
            [*self._bar(console, options, moment, room)],
            [*_segments(console, fit(_counts(progress, self._accepted), room))],
            [*_segments(console, fit(_pace(moment), room))],
        ]
        lines = [Segment.adjust_line_length(line, room, pad=False) for line in lines]
        self._drawn = tuple(map(Segment.get_line_length, lines))
        for line in lines:
            yield from line
            yield Segment.line()

    def _bar(
        self, console: Console, options: ConsoleOptions, moment: Moment, room: int
    ) -> Iterator[Segment]:
        """The first line; the bar takes what the figures leave, or goes."""
        parts = fit(_headline(moment), room)
        width = room - len(_GAP) - len(_GAP.join(part.text for part in parts))
        width = min(width, _WIDEST_BAR)
        if width >= _NARROWEST_BAR:
            bar = ProgressBar(total=1.0, completed=moment.fraction, width=width)
            segments = list(console.render(bar, options))
            # Without colours rich draws only what is done.
            yield from Segment.adjust_line_length(segments, width)
            yield Segment(_GAP)
        yield from _segments(console, parts)


def _segments(console: Console, parts: Sequence[Part]) -> Iterator[Segment]:
    for number, part in enumerate(parts):
        if number:
            yield Segment(_GAP)
        yield from Text(part.text, style=part.style, end="").render(console)


class _SteadyLive(Live):
    """A live display that stays in its place when the terminal becomes narrower.

    Terminals then wrap the lines that stand there. Rich goes up by the lines it has printed and
    would leave those above them behind, at each step of the mouse.
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
        """Go up by the lines that wrapping has made, before rich goes up by its own."""
        more = self._screen_display.wrapped_lines(self.console.width)
        erase = (ControlType.ERASE_IN_LINE, 2)
        up = Control(*(erase, (ControlType.CURSOR_UP, 1)) * more)
        return [up, *super().process_renderables(renderables)]


class LineDisplay:
    """A line every few seconds, by the import's own clock; nothing for a short one.

    Args:
        output: Where to print.
        observer: What tells percentage, rate and remaining time.
        accepted: The word for rows that are well.
    """

    def __init__(self, output: Output, observer: Observer, accepted: str) -> None:
        self.latest: ImportProgress | None = None
        self._say: Callable[[str], None] = output.note
        self._observer = observer
        self._accepted = accepted
        self._next = SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def show(self, progress: ImportProgress) -> None:
        """Take an event."""
        self.latest = progress
        self._observer.note(progress)
        if progress.elapsed < self._next or progress.finished:
            return
        self._next = progress.elapsed + SECONDS_BETWEEN_LINES
        moment = self._observer.moment(progress, progress.elapsed)
        parts = [*_headline(moment), *_counts(progress, self._accepted), *_pace(moment)]
        self._say(_GAP.join(part.text for part in parts if part.text).strip())
