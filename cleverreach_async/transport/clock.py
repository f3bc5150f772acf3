"""Time and chance as values that tests can replace."""

import random
import time
from typing import Final, Protocol

import anyio

__all__ = ["SYSTEM_CLOCK", "Clock", "Random", "SystemClock"]


class Clock(Protocol):
    """What the library knows of time."""

    def monotonic(self) -> float:
        """Seconds that never jump; only differences mean something."""
        ...

    def now(self) -> float:
        """Unix time in seconds; may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        ...


class Random(Protocol):
    """The one thing asked of a source of chance."""

    def random(self) -> float:
        """A number in ``[0, 1)``."""
        ...


class SystemClock:
    """The event loop's clock and the system's wall clock."""

    def monotonic(self) -> float:
        """The event loop's time, so that a virtual clock of the loop is followed."""
        return anyio.current_time()

    def now(self) -> float:
        """The system's Unix time."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep in the event loop."""
        await anyio.sleep(seconds)


SYSTEM_CLOCK: Final[Clock] = SystemClock()
SYSTEM_RANDOM: Final[Random] = random.Random()
