"""Time and chance under a test's control."""

import anyio.lowlevel


class FakeClock:
    """A clock that moves only when somebody sleeps on it.

    Attributes:
        time: Its reading, in seconds; serves as monotonic and as Unix time.
        slept: Every wait that was asked for, in order.
    """

    def __init__(self, time: float = 1_700_000_000.0) -> None:
        self.time = time
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Return the reading."""
        return self.time

    def now(self) -> float:
        """Return the reading."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Move on by ``seconds`` without waiting for them."""
        self.slept.append(seconds)
        self.time += seconds
        await anyio.lowlevel.checkpoint()


class FixedRandom:
    """A source of chance without any."""

    def __init__(self, value: float = 1.0) -> None:
        self.value = value

    def random(self) -> float:
        """Return the same number every time."""
        return self.value
