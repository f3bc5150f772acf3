"""Speed, share done and time left of a running import. Pure functions and values."""

from typing import Final, Protocol

import attrs

from cleverreach_async.bulk.report import ImportProgress

__all__ = ["Estimate", "Estimator", "MeasuredSource", "RecentRate", "fraction_done"]

RATE_WINDOW: Final = 10.0
"""Seconds over which the rate of rows is measured."""
FORECAST_WINDOW: Final = 60.0
"""Seconds over which the rate for the time left is measured; longer, to be more stable."""

_STEPS: Final = 20


class MeasuredSource(Protocol):
    """A source that knows how much of it was read."""

    @property
    def size(self) -> int:
        """Size in bytes."""
        ...

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""
        ...


def fraction_done(source: MeasuredSource, progress: ImportProgress) -> float:
    """Return the share of a file whose rows have a result, from this run or an earlier one.

    Rows are read ahead of their results, so the bytes read are scaled down accordingly.
    """
    done = progress.done + progress.skipped
    if progress.finished and done == progress.read:
        return 1.0
    if not source.size or not progress.read:
        return 0.0
    return min(1.0, source.bytes_read / source.size * done / progress.read)


class RecentRate:
    """The rate of rows over the last seconds.

    Args:
        window: Seconds over which it is measured, or more, to contain the time between two events.

    Attributes:
        samples: Times, and rows done by then; few, however many events there are.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        # Replaced, not changed: another thread reads it for the screen.
        self.samples: tuple[tuple[float, int], ...] = ((0.0, 0),)

    def add(self, elapsed: float, done: int) -> None:
        """Add a sample: ``done`` rows have a result after ``elapsed`` seconds."""
        samples = list(self.samples)
        if len(samples) > 1 and elapsed - samples[-2][0] < self._window / _STEPS:
            samples.pop()
        samples.append((elapsed, done))
        while len(samples) > 2 and samples[1][0] <= elapsed - self._window:  # noqa: PLR2004
            samples.pop(0)
        self.samples = tuple(samples)

    def rate(self, elapsed: float) -> float:
        """Return the rows per second at a time; it decreases while there are no events."""
        samples = self.samples
        since = samples[0]
        for sample in samples[:-1]:
            if sample[0] <= elapsed - self._window:
                since = sample
        latest, done = samples[-1]
        seconds = max(elapsed, latest) - since[0]
        return (done - since[1]) / seconds if seconds > 0 else 0.0


@attrs.frozen(kw_only=True)
class Estimate:
    """Progress of an import at a time.

    Attributes:
        progress: The latest event.
        elapsed: Seconds since the import began.
        fraction: Share of the file that is done, from 0 to 1.
        rate: Recent rows per second; of the whole import when it has ended.
        seconds_left: Seconds until the end; ``None`` if unknown.
    """

    progress: ImportProgress
    elapsed: float
    fraction: float
    rate: float
    seconds_left: float | None


class Estimator:
    """Turns events into estimates.

    Args:
        source: The file that is read.
    """

    def __init__(self, source: MeasuredSource) -> None:
        self._source = source
        self._recent = RecentRate(RATE_WINDOW)
        self._forecast = RecentRate(FORECAST_WINDOW)
        self._fraction = 0.0

    def update(self, progress: ImportProgress) -> None:
        """Add an event."""
        # Bytes are read in blocks, so the fraction jumps; the one shown never decreases.
        self._fraction = max(self._fraction, fraction_done(self._source, progress))
        self._recent.add(progress.elapsed, progress.done)
        self._forecast.add(progress.elapsed, progress.done)

    def estimate(self, progress: ImportProgress, elapsed: float) -> Estimate:
        """Return the estimate for a time.

        Args:
            progress: The latest event.
            elapsed: Seconds since the import began, which may be later than the event.
        """
        ended = progress.finished
        return Estimate(
            progress=progress,
            elapsed=progress.elapsed if ended else elapsed,
            fraction=self._fraction,
            rate=progress.rows_per_second if ended else self._recent.rate(elapsed),
            seconds_left=None if ended else self._seconds_left(progress, elapsed),
        )

    def _seconds_left(self, progress: ImportProgress, elapsed: float) -> float | None:
        rate, fraction = self._forecast.rate(elapsed), self._fraction
        if rate <= 0 or fraction <= 0:
            return None
        done = progress.done + progress.skipped
        return done * (1 - fraction) / fraction / rate
