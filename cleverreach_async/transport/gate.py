"""The circuit breaker of an account: a gate that all of its calls pass.

When the server throttles or cannot be reached, the gate closes for all calls, not only for the one
that failed. When the wait is over, one call goes first as the probe. If it succeeds, the others
follow, spread over half a second; if it fails, the gate stays closed for longer.
"""

from typing import Final, Self

import anyio
import attrs

from cleverreach_async.transport.clock import Clock, Random
from cleverreach_async.transport.passage import paused
from cleverreach_async.transport.retry import MAX_PAUSE, Diagnosis
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.switch import Switch

__all__ = ["AccountGate", "LocalPassage"]

_FAILURES_TO_CLOSE: Final = 3
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 15.0
_SPREAD: Final = 0.5


@attrs.define(eq=False)
class LocalPassage:
    """One call that passes the gate, and reports how the call went. Enter it with ``async with``.

    Attributes:
        gate: The gate.
        max_wait: Longest wait in seconds, including that for probes of other calls.
        max_pause: Longest time in seconds for which a ``Retry-After`` closes the gate.
        stop: Ends the wait.
        probe: Whether this call goes first to test the server.
    """

    gate: "AccountGate"
    max_wait: float
    max_pause: float = MAX_PAUSE
    stop: Stop | None = None
    probe: bool = False
    _reported: bool = False

    async def __aenter__(self) -> Self:
        if self.gate.closed:
            with (self.stop or Stop()).ending_waits():
                self.probe = await self.gate.wait(self.max_wait)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self.probe and not self._reported:
            # Otherwise no other call would become the probe.
            self.gate.release_probe()

    def succeeded(self) -> None:
        """Record that the server responded, whatever the response says."""
        self._reported = True
        self.gate.succeeded(probe=self.probe)

    def failed(self, diagnosis: Diagnosis) -> None:
        """Record a failed call.

        Args:
            diagnosis: What the failure means.
        """
        if not diagnosis.closes_gate:
            self.succeeded()
            return
        self._reported = True
        self.gate.push_back(diagnosis.retry_after, probe=self.probe, max_pause=self.max_pause)


class AccountGate(Switch):
    """The circuit breaker that all calls of one account pass.

    It is open, closed until an instant, or half open while one probe is in flight.
    """

    def __init__(self, clock: Clock, rng: Random) -> None:
        super().__init__()
        self._clock = clock
        self._rng = rng
        self._until = 0.0
        self._failures = 0
        self._rounds = 0
        self._asked_for = 0.0
        self._probing = False
        self._probe_ended = anyio.Event()

    @property
    def remaining(self) -> float:
        """Seconds until a probe is sent; 0 when the gate is open or half open."""
        return max(0.0, self._until - self._clock.monotonic()) if self.closed else 0.0

    def passage(
        self, *, max_wait: float, max_pause: float = MAX_PAUSE, stop: Stop | None = None
    ) -> LocalPassage:
        """Return a passage, which waits for the gate when it is entered.

        Args:
            max_wait: Longest wait in seconds, including that for probes of other calls.
            max_pause: Longest time in seconds for which a ``Retry-After`` to this call closes the
                gate.
            stop: Ends the wait.

        Raises:
            RateLimitError: Entering it: the gate stays closed for longer than ``max_wait``.
            StopRequestedError: Entering it: a stop was requested while the gate was closed.
        """
        return LocalPassage(self, max_wait, max_pause, stop)

    async def wait(self, max_wait: float) -> bool:
        """Wait for the gate; returns whether the call is the probe.

        Raises:
            RateLimitError: It stays closed for longer than ``max_wait`` seconds.
        """
        give_up_at = self._clock.monotonic() + max_wait
        has_waited = False
        while self.closed or has_waited:
            if not self.closed:
                # Otherwise all waiting calls would reach a server that has only just recovered.
                has_waited = False
                await self._clock.sleep(self._rng.random() * _SPREAD)
                continue
            has_waited = True
            remaining = self._until - self._clock.monotonic()
            if self._until > give_up_at:
                raise paused(remaining, self._asked_for)
            if remaining > 0:
                await self._clock.sleep(remaining)
            elif self._probing:
                await self._probe_ended.wait()
            else:
                self._probing = True
                return True
        return False

    def succeeded(self, *, probe: bool) -> None:
        """Open the gate after a successful probe.

        A late success of a call from before the closing changes nothing. Nor does the probe open
        the gate when the server meanwhile asked another call to wait.
        """
        if self.closed and not probe:
            return
        self._failures = 0
        self._rounds = 0
        self._asked_for = 0.0
        if self.closed and self._until <= self._clock.monotonic():
            self.turn(closed=False)
        self.release_probe()

    def push_back(
        self, retry_after: float | None, *, probe: bool, max_pause: float = MAX_PAUSE
    ) -> None:
        """Close the gate for ``retry_after``, after a failed probe, or after three failures.

        Args:
            retry_after: Seconds the server asked to wait, or ``None``.
            probe: Whether the probe failed.
            max_pause: Longest time in seconds for which the gate closes; after it a probe is sent.
        """
        self._failures += 1
        if retry_after is not None:
            wait = retry_after + self._rng.random() * max(0.25, retry_after / 10)
            self._asked_for = retry_after if retry_after > max_pause else 0.0
            self._close_for(min(wait, max_pause))
        elif probe or (self._failures >= _FAILURES_TO_CLOSE and not self.closed):
            ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**self._rounds)
            self._rounds += 1
            self._close_for(ceiling / 2 + self._rng.random() * ceiling / 2)
        if probe:
            self.release_probe()

    def _close_for(self, seconds: float) -> None:
        self._until = max(self._until, self._clock.monotonic() + seconds)
        self.turn(closed=True)

    def release_probe(self) -> None:
        """Wake the waiting calls, so that one of them becomes the next probe."""
        if not self._probing:
            return
        self._probing = False
        self._probe_ended.set()
        self._probe_ended = anyio.Event()
