"""The gate that every call of one account passes.

Push-back closes it for all callers, not only for the one that met it. When the wait is over, one
caller goes first as the probe; its success lets the others through, one by one over half a second,
its failure closes the gate again for longer.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext

import anyio
import attrs

from cleverreach_async.errors import RateLimitError
from cleverreach_async.transport.clock import Clock, Random
from cleverreach_async.transport.stop import Stop

__all__ = ["AccountGate", "Passage"]

_STREAK_THAT_CLOSES = 3
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 15.0
_SPREAD = 0.5


@attrs.define(eq=False)
class Passage:
    """One caller's way through the gate; it tells how the call went.

    Attributes:
        probe: Whether this caller goes ahead to see if the server is back.
        gate: The gate it passed.
    """

    probe: bool
    gate: "AccountGate"
    _told: bool = False

    def succeeded(self) -> None:
        """The server answered; whatever it said, it is there."""
        self._told = True
        self.gate.succeeded(probe=self.probe)

    def pushed_back(self, retry_after: float | None) -> None:
        """The server pushed back or could not be reached.

        Args:
            retry_after: Seconds the server asked to wait, or ``None``.
        """
        self._told = True
        self.gate.push_back(retry_after, probe=self.probe)

    def leave(self) -> None:
        """Give the probe's place to the next caller when this one ended without a verdict."""
        if self.probe and not self._told:
            self.gate.release_probe()


class AccountGate:
    """Open, closed until an instant, or half open with one probe on its way."""

    def __init__(self, clock: Clock, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self._closed = False
        self._until = 0.0
        self._streak = 0
        self._rounds = 0
        self._probing = False
        self._changed = anyio.Event()
        self.closings = 0
        """How often it has closed, to tell whether it was closed meanwhile."""

    @property
    def closed(self) -> bool:
        """Whether callers have to wait."""
        return self._closed

    @asynccontextmanager
    async def passage(
        self, *, max_wait: float, stop: Stop | None = None
    ) -> AsyncGenerator[Passage, None]:
        """Wait for the gate and pass it.

        Args:
            max_wait: Longest wait in seconds, probes of other callers included.
            stop: Ends the wait.

        Raises:
            RateLimitError: The gate stays closed for longer than ``max_wait``.
            StopRequestedError: The stop was requested while the gate was closed.
        """
        with (stop or Stop()).ending_waits() if self._closed else nullcontext():
            passage = await self._enter(max_wait)
        try:
            yield passage
        finally:
            passage.leave()

    async def _enter(self, max_wait: float) -> Passage:
        give_up_at = self._clock.monotonic() + max_wait
        has_waited = False
        while self._closed or has_waited:
            if not self._closed:
                # Else all who waited would arrive at a server that has only just recovered.
                has_waited = False
                await self._clock.sleep(self._rng.random() * _SPREAD)
                continue
            has_waited = True
            remaining = self._until - self._clock.monotonic()
            if self._until > give_up_at:
                raise RateLimitError(
                    f"calls of the account are paused for {remaining:.0f} s more, after push-back "
                    "or lost connections",
                    status_code=429,
                    retry_after=remaining,
                )
            if remaining > 0:
                await self._clock.sleep(remaining)
            elif self._probing:
                await self._changed.wait()
            else:
                self._probing = True
                return Passage(probe=True, gate=self)
        return Passage(probe=False, gate=self)

    def succeeded(self, *, probe: bool) -> None:
        """Open after a good probe. A late success from before the closing changes nothing.

        Nor does the probe open it when the server meanwhile told another caller to wait.
        """
        if self._closed and not probe:
            return
        self._streak = 0
        self._rounds = 0
        self._closed = self._closed and self._until > self._clock.monotonic()
        self.release_probe()

    def push_back(self, retry_after: float | None, *, probe: bool) -> None:
        """Close after a told wait, a failed probe, or three push-backs in a row."""
        self._streak += 1
        if retry_after is not None:
            self._close_for(retry_after + self._rng.random() * max(0.25, retry_after / 10))
        elif probe or (self._streak >= _STREAK_THAT_CLOSES and not self._closed):
            ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**self._rounds)
            self._rounds += 1
            self._close_for(ceiling / 2 + self._rng.random() * ceiling / 2)
        if probe:
            self.release_probe()

    def _close_for(self, seconds: float) -> None:
        self.closings += not self._closed
        self._closed = True
        self._until = max(self._until, self._clock.monotonic() + seconds)

    def release_probe(self) -> None:
        """Wake the waiting callers, so that one of them becomes the next probe."""
        self._probing = False
        self._changed.set()
        self._changed = anyio.Event()
