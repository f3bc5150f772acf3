"""A clock and a random source that tests control."""

import anyio
import anyio.lowlevel
from anyio import wait_all_tasks_blocked

START = 1_767_225_600.0
"""Unix time at the start of every test: 1 January 2026, 00:00 UTC."""


class FakeClock:
    """A clock that every sleep advances; after :meth:`hold` only :meth:`advance` does.

    Attributes:
        elapsed: Seconds since the start of the test.
        jump: Seconds by which the wall clock was changed.
        sleeps: Seconds of every sleep, in order.
    """

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.jump = 0.0
        self.sleeps: list[float] = []
        self._held = False
        self._sleepers: list[tuple[float, anyio.Event]] = []

    def monotonic(self) -> float:
        """Seconds since an arbitrary instant."""
        return 5000.0 + self.elapsed

    def now(self) -> float:
        """Unix time, including ``jump``."""
        return START + self.elapsed + self.jump

    async def sleep(self, seconds: float) -> None:
        """Record the sleep; it ends immediately unless time is held."""
        self.sleeps.append(seconds)
        if not self._held:
            self.elapsed += seconds
            await anyio.lowlevel.checkpoint()
            return
        sleeper = (self.elapsed + seconds, anyio.Event())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1].wait()
        finally:
            self._sleepers.remove(sleeper)

    def hold(self) -> None:
        """Stop time; from now on only :meth:`advance` changes it."""
        self._held = True

    async def advance(self, seconds: float) -> None:
        """Advance time, and wake sleepers in the order in which they are due."""
        await wait_all_tasks_blocked()
        end = self.elapsed + seconds
        while due := [at for at, event in self._sleepers if at <= end and not event.is_set()]:
            self.elapsed = max(self.elapsed, min(due))
            for at, event in self._sleepers:
                if at <= self.elapsed:
                    event.set()
            await wait_all_tasks_blocked()
        self.elapsed = end


class FixedRandom:
    """A random source that always returns the same number."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def random(self) -> float:
        """Return that number."""
        return self.value
