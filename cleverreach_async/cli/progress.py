"""How an import is doing: a bar for somebody who watches, a line now and then for a log."""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

from rich.progress import BarColumn, Progress, TextColumn

from cleverreach_async.bulk.report import ImportProgress
from cleverreach_async.cli.output import Output

__all__ = ["BarDisplay", "Display", "Estimate", "LineDisplay", "facts", "make_display"]

SECONDS_BETWEEN_LINES: Final = 5.0
_NARROWEST_BAR: Final = 8
_WIDEST_BAR: Final = 40
# Two blanks between bar and figures, and room for the ^C that a terminal prints behind them: a
# line that it pushes over the edge could not be overwritten any more.
_MARGIN: Final = 4


class Measured(Protocol):
    """What tells how much of a source was read."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def position(self) -> int:
        """Bytes read so far."""
        ...


class Estimate:
    """How much is done and how long the rest takes, by the bytes of the file.

    Args:
        source: The file being read.
    """

    def __init__(self, source: Measured) -> None:
        self._source = source

    def fraction(self, progress: ImportProgress) -> float:
        """Return the share of the file whose rows have arrived at their outcome.

        Rows are read ahead of those, so the bytes read are scaled down to them.
        """
        if progress.finished and progress.done == progress.read:
            return 1.0
        if not self._source.size or not progress.read:
            return 0.0
        read = self._source.position / self._source.size
        return min(1.0, read * progress.done / progress.read)

    def seconds_left(self, progress: ImportProgress) -> float | None:
        """Return the time that the rest takes at the pace so far, or ``None`` for no idea."""
        fraction = self.fraction(progress)
        return progress.elapsed * (1 - fraction) / fraction if fraction > 0 else None


def facts(
    progress: ImportProgress, estimate: Estimate, width: int, *, accepted: str = "accepted"
) -> str:
    """Return the figures that fit a width; the percentage and the counts matter most.

    Args:
        progress: The counters.
        estimate: What tells percentage and remaining time.
        width: Most characters.
        accepted: The word for rows that are well.
    """
    left = estimate.seconds_left(progress)
    parts = {
        "percent": f"{estimate.fraction(progress):4.0%}",
        "accepted": f"{progress.accepted:,} {accepted}",
        "rejected": f"{progress.rejected:,} rejected",
        "unknown": f"{progress.unknown:,} unknown" if progress.unknown else "",
        "retries": f"{progress.retries:,} retries" if progress.retries else "",
        "rate": f"{progress.rows_per_second:,.0f} rows/s",
        "left": "" if left is None or progress.finished else f"{_clock(left)} left",
    }
    for dispensable in ("", "retries", "rate", "left", "unknown", "rejected", "accepted"):
        parts.pop(dispensable, None)
        text = "  ".join(part for part in parts.values() if part)
        if len(text) <= width:
            break
    return text


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
    estimate = Estimate(source)
    if output.is_terminal:
        return BarDisplay(output, estimate, accepted)
    return LineDisplay(output, estimate, accepted)


class BarDisplay:
    """A bar with figures on a terminal, fitted to its width at each event."""

    def __init__(self, output: Output, estimate: Estimate, accepted: str) -> None:
        self.latest: ImportProgress | None = None
        self._estimate = estimate
        self._accepted = accepted
        self._console = output.console
        self._bar = BarColumn()
        self._progress = Progress(
            self._bar, TextColumn("{task.fields[facts]}", markup=False), console=output.console
        )
        self._task = self._progress.add_task("", total=1.0, facts="  0%")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, progress: ImportProgress) -> None:
        """Take an event."""
        self.latest = progress
        room = self._console.width - _MARGIN
        text = facts(progress, self._estimate, room - _NARROWEST_BAR, accepted=self._accepted)
        self._bar.bar_width = max(_NARROWEST_BAR, min(_WIDEST_BAR, room - len(text)))
        fraction = self._estimate.fraction(progress)
        self._progress.update(self._task, completed=fraction, facts=text)


class LineDisplay:
    """A line every few seconds, by the import's own clock; nothing for a short one."""

    def __init__(self, output: Output, estimate: Estimate, accepted: str) -> None:
        self.latest: ImportProgress | None = None
        self._say: Callable[[str], None] = output.note
        self._estimate = estimate
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
        if progress.elapsed < self._next or progress.finished:
            return
        self._next = progress.elapsed + SECONDS_BETWEEN_LINES
        self._say(facts(progress, self._estimate, 1000, accepted=self._accepted).strip())
