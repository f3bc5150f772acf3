"""How fast an import goes, how much of it is done, and how long the rest takes. Pure."""

from typing import Final, Protocol

import attrs

from cleverreach_async.bulk.report import ImportProgress

__all__ = ["Measured", "Moment", "Observer", "Pace", "fraction_done"]

RATE_WINDOW: Final = 10.0
"""Seconds that the rows/s are of."""
FORECAST_WINDOW: Final = 60.0
"""Seconds whose pace the rest is expected to keep; more than those of the rate, to be steadier."""

_STEPS: Final = 20


class Measured(Protocol):
    """What tells how much of a source was read."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""
        ...


def fraction_done(source: Measured, progress: ImportProgress) -> float:
    """Return the share of a file whose rows have their outcome, now or from an earlier run.

    Rows are read ahead of those, so the bytes read are scaled down to them.
    """
    done = progress.done + progress.skipped
    if progress.finished and done == progress.read:
        return 1.0
    if not source.size or not progress.read:
        return 0.0
    return min(1.0, source.bytes_read / source.size * done / progress.read)


class Pace:
    """How many rows per second have arrived at their outcome lately.

    Args:
        window: Seconds that count as lately; or more, to hold the time between two events.

    Attributes:
        samples: Seconds and rows done by then; few, however fast the events come.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        # Replaced, never changed: the screen reads it from a thread of its own.
        self.samples: tuple[tuple[float, int], ...] = ((0.0, 0),)

    def note(self, elapsed: float, done: int) -> None:
        """Take note that ``done`` rows have their outcome after ``elapsed`` seconds."""
        samples = list(self.samples)
        if len(samples) > 1 and elapsed - samples[-2][0] < self._window / _STEPS:
            samples.pop()
        samples.append((elapsed, done))
        while len(samples) > 2 and samples[1][0] <= elapsed - self._window:  # noqa: PLR2004
            samples.pop(0)
        self.samples = tuple(samples)

    def rate(self, elapsed: float) -> float:
        """Return the rows per second at a moment; it sinks while nothing arrives."""
        samples = self.samples
        since = samples[0]
        for sample in samples[:-1]:
            if sample[0] <= elapsed - self._window:
                since = sample
        latest, done = samples[-1]
        seconds = max(elapsed, latest) - since[0]
        return (done - since[1]) / seconds if seconds > 0 else 0.0


@attrs.frozen(kw_only=True)
class Moment:
    """An import at one moment.

    Attributes:
        progress: The latest event.
        elapsed: Seconds since the import began.
        fraction: Share of the file that is done, from 0 to 1.
        rate: Rows per second lately; of the whole import when it has ended.
        seconds_left: Seconds that the rest takes, or ``None`` for no idea.
    """

    progress: ImportProgress
    elapsed: float
    fraction: float
    rate: float
    seconds_left: float | None


class Observer:
    """Turns events into moments.

    Args:
        source: The file being read.
    """

    def __init__(self, source: Measured) -> None:
        self._source = source
        self._rate = Pace(RATE_WINDOW)
        self._forecast = Pace(FORECAST_WINDOW)
        self._fraction = 0.0

    def note(self, progress: ImportProgress) -> None:
        """Take an event."""
        # Bytes are read in blocks, so the estimate jumps; what is shown never goes back.
        self._fraction = max(self._fraction, fraction_done(self._source, progress))
        self._rate.note(progress.elapsed, progress.done)
        self._forecast.note(progress.elapsed, progress.done)

    def moment(self, progress: ImportProgress, elapsed: float) -> Moment:
        """Return how things stand.

        Args:
            progress: The latest event.
            elapsed: Seconds since the import began; beyond the event's while none follows it.
        """
        ended = progress.finished
        return Moment(
            progress=progress,
            elapsed=progress.elapsed if ended else elapsed,
            fraction=self._fraction,
            rate=progress.rows_per_second if ended else self._rate.rate(elapsed),
            seconds_left=None if ended else self._seconds_left(progress, elapsed),
        )

    def _seconds_left(self, progress: ImportProgress, elapsed: float) -> float | None:
        rate, fraction = self._forecast.rate(elapsed), self._fraction
        if rate <= 0 or fraction <= 0:
            return None
        done = progress.done + progress.skipped
        return done * (1 - fraction) / fraction / rate
