"""How long ago something was, also if the computer slept meanwhile."""

from cleverreach_async.transport.clock import Clock

__all__ = ["Stopwatch"]


class Stopwatch:
    """Measures from now on with both clocks of a computer.

    While it sleeps one of them may stand still, but leases in a database go on.

    Args:
        clock: Source of time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = (clock.monotonic(), clock.now())

    def elapsed(self) -> float:
        """Return the seconds since the start, by the clock that shows more."""
        monotonic, wall = self._started
        return max(self._clock.monotonic() - monotonic, self._clock.now() - wall)
