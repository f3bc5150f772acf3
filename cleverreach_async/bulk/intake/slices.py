"""How many rows are encoded at once, and when other tasks have to run: pure, with a given clock.

Slices are bounded by time, so that large rows hold the event loop no longer than small ones.
"""

from typing import Final, Self

import attrs

from cleverreach_async.transport.clock import Clock

__all__ = ["MAX_SLICE_ROWS", "SMALL_SLICE_ROWS", "SliceLimit"]

MAX_SLICE_ROWS: Final = 200
"""Most rows that are encoded at once: more are no faster, and more objects would be alive."""

SMALL_SLICE_ROWS: Final = 64
"""Rows of the first slice, since it is not known how long a row takes."""

_MOST_SECONDS: Final = 0.0005


@attrs.define(eq=False)
class SliceLimit:
    """Measures slices: the next one is as large as half a millisecond allows.

    Attributes:
        clock: Source of time.
        most: Most rows of a slice.
        rows: Most rows of the next slice.
    """

    clock: Clock
    most: int = MAX_SLICE_ROWS
    rows: int = attrs.field(default=SMALL_SLICE_ROWS, init=False)
    _started: float | None = attrs.field(default=None, init=False)
    _held: float = attrs.field(default=0.0, init=False)
    _last: float = attrs.field(default=0.0, init=False)

    def start(self) -> None:
        """Start to measure a slice, unless that has been done."""
        if self._started is None:
            self._started = self.clock.monotonic()

    def stop(self, rows: int) -> None:
        """Take the measure of a slice.

        Args:
            rows: Its rows.
        """
        started, self._started = self._started, None
        if started is None or not rows:
            return
        self._last = seconds = self.clock.monotonic() - started
        self._held += seconds
        fitting = int(rows * _MOST_SECONDS / seconds) if seconds > 0 else self.most
        self.rows = min(max(fitting, 1), self.most)

    @classmethod
    def for_batches(cls, rows: int, clock: Clock) -> Self:
        """Return the limit for batches of so many rows: little is read ahead of small ones."""
        return cls(clock, most=min(max(rows, SMALL_SLICE_ROWS), MAX_SLICE_ROWS))

    @property
    def must_yield(self) -> bool:
        """Whether other tasks have to run before another slice like the last one.

        They do after every slice if the clock is too coarse to measure one.
        """
        return self._last <= 0 or self._held + self._last > _MOST_SECONDS

    def yielded(self) -> None:
        """Record that other tasks have run."""
        self._held = 0.0
