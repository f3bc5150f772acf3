"""Clock and random numbers, replaceable by tests."""

import random
import time
from typing import Final, Protocol

import anyio

__all__ = ["SYSTEM_CLOCK", "Clock", "Random", "SystemClock"]


class Clock(Protocol):
    """The library's source of time."""

    def monotonic(self) -> float:
        """Return seconds that never jump. Only differences have a meaning."""
        ...

    def now(self) -> float:
        """Return Unix time in seconds. It may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds."""
        ...


class Random(Protocol):
    """The library's source of random numbers."""

    def random(self) -> float:
        """Return a number in ``[0, 1)``."""
        ...


class SystemClock:
    """The event loop's clock and the system's wall clock."""

    def monotonic(self) -> float:
        """Return the event loop's time, which a virtual clock may replace."""
        return anyio.current_time()

    def now(self) -> float:
        """Return the system's Unix time."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep in the event loop."""
        await anyio.sleep(seconds)


SYSTEM_CLOCK: Final[Clock] = SystemClock()
# Not a generator with a state, which would be the same in all workers that a server forks.
SYSTEM_RANDOM: Final[Random] = random.SystemRandom()
