"""Time and chance under a test's control."""

import anyio
import anyio.lowlevel
from anyio import wait_all_tasks_blocked

START = 1_767_225_600.0
"""The wall clock at the beginning of every test: New Year 2026, in unix seconds."""


class FakeClock:
    """Time that passes when somebody sleeps or, once held, when the test says so."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.jump = 0.0
        self.sleeps: list[float] = []
        self._held = False
        self._sleepers: list[tuple[float, anyio.Event]] = []

    def monotonic(self) -> float:
        """Seconds since an unknown instant."""
        return 5000.0 + self.elapsed

    def now(self) -> float:
        """Unix time, with whatever ``jump`` the wall clock has made."""
        return START + self.elapsed + self.jump

    async def sleep(self, seconds: float) -> None:
        """Note the wait; it is over at once unless time is held."""
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
        """Stop time; from now on it passes in :meth:`advance` only."""
        self._held = True

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking sleepers in the order of their waits."""
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
    """Chance that always falls the same way."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def random(self) -> float:
        """Return the one number."""
        return self.value
