"""Ends tests that wait for the system's clock, as imports and retries do by default."""

import time
from typing import Final

import pytest

from cleverreach_async.transport.clock import SystemClock

__all__ = ["MOST_SECONDS", "RealTime"]

MOST_SECONDS: Final = 10.0
"""Seconds that one test may wait. Virtual time is not counted."""


class RealTime:
    """Counts for how long a test waits. Waits at the same time count once.

    Args:
        patch: Undoes it.
        most: Seconds after which the next wait fails.
    """

    def __init__(self, patch: pytest.MonkeyPatch, *, most: float = MOST_SECONDS) -> None:
        self._most = most
        self._waited = 0.0
        self._end = 0.0
        sleep = SystemClock.sleep

        async def watched(clock: SystemClock, seconds: float) -> None:
            began = time.monotonic()
            await sleep(clock, seconds)
            self._add(began)
            self.check()

        patch.setattr(SystemClock, "sleep", watched)

    def check(self) -> None:
        """Fail the test if it has waited for too long."""
        if self._waited > self._most:
            pytest.fail(
                f"the test has waited for {self._waited:.1f} s of the system's clock:"
                " pass clock=FakeClock(), or limit attempts and max_outage"
            )

    def _add(self, began: float) -> None:
        now = time.monotonic()
        self._waited += now - max(began, self._end)
        self._end = now
