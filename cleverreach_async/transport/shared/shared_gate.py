"""The gate that all processes of an account pass, with its state in Redis.

Each call asks Redis for a permit, keeps it alive while it is in flight, and returns it with how the
call went. While Redis cannot be reached, a gate of this process stands in, with its share.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from secrets import token_hex
from typing import Final

import attrs

from cleverreach_async.transport.clock import Clock, Random
from cleverreach_async.transport.passage import Passage, paused
from cleverreach_async.transport.retry import MAX_PAUSE, Diagnosis
from cleverreach_async.transport.shared.local_share import LimitedGate, no_permit
from cleverreach_async.transport.shared.redis_remedies import redis_remedy
from cleverreach_async.transport.shared.script import AccountScript, Reply
from cleverreach_async.transport.shield import in_background, uninterrupted
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.switch import Switch

__all__ = ["SharedGate", "SharedPassage"]

_log: Final = logging.getLogger("cleverreach_async")

_ASK_AGAIN: Final = 2.0
"""Seconds after which Redis is asked again once it could not be reached."""

_SPREAD: Final = 0.25
_SHARE: Final = 0.03
_MOST_WAIT: Final = 1.0

_LONG_TURN: Final = 0.05
"""Seconds of waiting for the rate after which the gate may have been closed meanwhile."""


@attrs.define(eq=False)
class SharedPassage:
    """One call that passes the shared gate; it reports when it leaves.

    Attributes:
        call: Names its permit in Redis.
        probe: Whether this call goes first to test the server.
        entered_at: Clock reading when it passed.
        failure: What the failure of the server means, if it failed.
        reported: Whether it is known how the call went.
    """

    call: str = attrs.field(factory=partial(token_hex, 8))
    probe: bool = False
    entered_at: float = 0.0
    failure: Diagnosis | None = None
    reported: bool = False

    def succeeded(self) -> None:
        """Record that the server responded, whatever the response says."""
        self.reported, self.failure = True, None

    def failed(self, diagnosis: Diagnosis) -> None:
        """Record a failed call."""
        self.reported = True
        self.failure = diagnosis if diagnosis.closes_gate else None


class SharedGate(Switch):
    """A gate whose state is in Redis.

    Args:
        script: Runs the operations.
        clock: Source of time.
        rng: Source of jitter.
    """

    def __init__(self, script: AccountScript, clock: Clock, rng: Random) -> None:
        super().__init__()
        self._script = script
        self._clock = clock
        self._rng = rng
        self._process = token_hex(8)
        self._probe_at = 0.0
        self._processes = 1
        # One for all outages: it counts what is in flight, also if Redis comes and goes.
        self._local = LimitedGate(clock, rng)
        self._stand_in: LimitedGate | None = None
        self._following = ExitStack()
        self._ask_at = 0.0
        self._has_warned = False

    @asynccontextmanager
    async def passage(
        self, *, max_wait: float, max_pause: float = MAX_PAUSE, stop: Stop | None = None
    ) -> AsyncGenerator[Passage, None]:
        """Wait for a permit of the account, and hold it during the block.

        Args:
            max_wait: Longest wait in seconds, including that for probes of other calls.
            max_pause: Longest time in seconds for which a ``Retry-After`` to this call closes the
                gate.
            stop: Ends the wait.

        Raises:
            RateLimitError: There is no permit, or the gate stays closed, for longer than
                ``max_wait``.
            StopRequestedError: A stop was requested meanwhile.
        """
        passage = SharedPassage()
        give_up_at = self._clock.monotonic() + max_wait
        with (stop or Stop()).ending_waits():
            stand_in = await self._enter(passage, give_up_at, max_wait)
        if stand_in is not None:
            left = max(0.0, give_up_at - self._clock.monotonic())
            local = stand_in.passage(max_wait=left, max_pause=max_pause, stop=stop)
            async with local as own:
                yield own
                return
        self._local.occupy()
        try:
            async with in_background(partial(self._renew, passage)):
                yield passage
        finally:
            self._local.release()
            await uninterrupted(partial(self._leave, passage, max_pause))

    async def _enter(
        self, passage: SharedPassage, give_up_at: float, max_wait: float
    ) -> LimitedGate | None:
        """Wait for a permit; returns the gate that stands in when Redis cannot be reached."""
        try:
            return await self._ask_until_granted(passage, give_up_at, max_wait)
        except BaseException:
            # It may wait in the queue, or have got a permit at the moment of a cancellation.
            await uninterrupted(partial(self._withdraw, passage))
            raise

    async def _ask_until_granted(
        self, passage: SharedPassage, give_up_at: float, max_wait: float
    ) -> LimitedGate | None:
        began = self._clock.monotonic()
        while True:
            reply = await self._ask("enter", passage.call)
            if reply is None:
                return self._stand_in
            if reply.granted:
                if await self._may_send(passage, reply):
                    return None
                continue
            if self._clock.monotonic() + reply.wait > give_up_at:
                if reply.closed is None:
                    raise no_permit(max_wait)
                raise paused(reply.closed, reply.asked)
            wait = reply.wait
            if not wait:
                continue  # Redis has just heard what this process learned without it
            if reply.closed == 0:
                # Otherwise all would go on at the instant at which the probe has succeeded.
                wait += _SPREAD * self._rng.random()
            elif reply.closed is None:
                # The estimate is too short when calls take longer than they did lately.
                now = self._clock.monotonic()
                wait = max(wait, min(_SHARE * (now - began), _MOST_WAIT, give_up_at - now))
            await self._clock.sleep(wait)

    async def _withdraw(self, passage: SharedPassage) -> None:
        await self._ask("leave", passage.call, "", -1, 0, "0", 0)

    async def _may_send(self, passage: SharedPassage, reply: Reply) -> bool:
        """Wait for the turn in the rate; ``False`` if the gate was closed meanwhile."""
        passage.probe = reply.probe
        if reply.wait > 0:
            await self._clock.sleep(reply.wait)
        if reply.wait > _LONG_TURN and not reply.probe:
            now = await self._ask("renew", passage.call)
            if now is not None and now.closed is not None:
                await self._withdraw(passage)
                return False
        passage.entered_at = self._clock.monotonic()
        return True

    async def _renew(self, passage: SharedPassage) -> None:
        while True:
            await self._clock.sleep(self._script.lease / 3)
            await self._ask("renew", passage.call)

    async def _leave(self, passage: SharedPassage, max_pause: float) -> None:
        """Return the permit, with how the call went."""
        outcome = "failed" if passage.failure else "ok" if passage.reported else ""
        asked = None if passage.failure is None else passage.failure.retry_after
        held = self._clock.monotonic() - passage.entered_at
        reply = await self._ask(
            *("leave", passage.call, outcome, -1 if asked is None else _micro(asked)),
            *(_micro(max_pause), f"{self._rng.random():.6f}", _micro(held)),
        )
        if reply is None and passage.failure is not None and self._stand_in is not None:
            self._stand_in.push_back(asked, max_pause)

    async def _ask(self, operation: str, call: str, *more: str | int) -> Reply | None:
        """Run an operation; ``None`` if Redis cannot be reached."""
        if self._stand_in is not None:
            if self._clock.monotonic() < self._ask_at:
                return None
            # Only one call finds out, the others go on.
            self._ask_at = self._clock.monotonic() + _ASK_AGAIN
        try:
            reply = await self._script.run(operation, call, self._process, *more)
            if self._stand_in is not None:
                reply = await self._return_to_redis(self._stand_in, reply)
        except Exception as error:  # noqa: BLE001 - of any client; no call may fail because of it
            self._stand_in = self._stand_in or self._replace_redis(error)
            return None
        if reply.differ and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "Processes share the account %s with different limits: each keeps to its own, and"
                " one with lower limits may wait for long. Pass the same to all",
                self._script.key,
            )
        self._processes = reply.processes
        self._probe_at = self._clock.monotonic() + (reply.closed or 0.0)
        self.turn(closed=reply.closed is not None)
        return reply

    def _replace_redis(self, error: Exception) -> LimitedGate:
        """Return a gate with this process's share, because Redis cannot be reached."""
        script, processes = self._script, self._processes
        limit, rate = script.max_in_flight, script.requests_per_second
        stand_in = self._local
        stand_in.reopen()
        stand_in.limit(
            None if limit is None else max(1, limit // processes),
            None if rate is None else rate / processes,
        )
        self._following.enter_context(
            stand_in.on_switched(lambda: self.turn(closed=stand_in.closed))
        )
        self._ask_at = self._clock.monotonic() + _ASK_AGAIN
        if self.closed:
            stand_in.push_back(max(0.0, self._probe_at - self._clock.monotonic()))
        # The text of the error may contain a password.
        remedy = redis_remedy(error, script.redis)
        _log.log(
            logging.WARNING if remedy is None else logging.ERROR,
            "Redis cannot be used for the account %s (%s%s): until it answers, this process sends"
            " 1/%d of what the account may send",
            *(script.key, type(error).__name__, f"; {remedy}" if remedy else "", processes),
        )
        return stand_in

    async def _return_to_redis(self, stand_in: LimitedGate, reply: Reply) -> Reply:
        """Tell Redis what this process has learned, and forget the gate that stood in."""
        if stand_in.closed:
            pause = _micro(stand_in.remaining)
            reply = await self._script.run(
                *("leave", token_hex(8), self._process, "failed", pause, pause, "0", 0)
            )
        self._stand_in = None
        self._following.close()
        # Those that wait for a permit of this process get one, whatever Redis now lets through.
        stand_in.limit(self._script.max_in_flight, self._script.requests_per_second)
        _log.warning("Redis answers again for the account %s", self._script.key)
        return reply


def _micro(seconds: float) -> int:
    return max(0, round(min(seconds, 1e9) * 1e6))
