"""A Redis whose time is that of a test's clock, and that can be out of reach."""

import re
from typing import Any, Protocol

import anyio.lowlevel

__all__ = ["VirtualRedis"]


class Elapsed(Protocol):
    """A clock of a test."""

    elapsed: float


class VirtualRedis:
    """A client of a real Redis server for scripts that ask for its time.

    It answers without a pause of the event loop, so that virtual time does not pass meanwhile.

    Args:
        redis: A blocking client.
        clock: Its time is that of Redis.

    Attributes:
        calls: Number of commands so far.
        ahead: Seconds that its clock is ahead of the test's.
        fails: The error that it raises instead of answering; ``None`` for none.
    """

    def __init__(self, redis: Any, clock: Elapsed) -> None:
        self._redis = redis
        self._clock = clock
        self.calls = 0
        self.ahead = 0.0
        self.fails: Exception | None = None

    async def evalsha(self, sha: str, *arguments: Any) -> Any:
        """Refuse: the script is changed each time."""
        del sha, arguments
        raise type("NoScriptError", (Exception,), {}) if self.fails is None else self.fails

    async def eval(self, script: str, *arguments: Any) -> Any:
        """Run the script with the clock's time."""
        await anyio.lowlevel.checkpoint()
        self.calls += 1
        now = 1_800_000_000 + self._clock.elapsed + self.ahead
        time = f"{{{int(now)}, {int(now % 1 * 1e6)}}}"
        script, found = re.subn(r"redis\.call\('TIME'\)", time, script)
        assert found == 1
        return self._redis.eval(script, *arguments)
