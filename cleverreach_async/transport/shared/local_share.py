"""The gate of a process that cannot reach Redis: its share of what the account may send."""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager

import anyio

from cleverreach_async.errors import RateLimitError
from cleverreach_async.transport.clock import Clock, Random
from cleverreach_async.transport.gate import AccountGate, LocalPassage
from cleverreach_async.transport.rate import RateLimit
from cleverreach_async.transport.retry import MAX_PAUSE
from cleverreach_async.transport.stop import Stop

__all__ = ["LimitedGate", "no_permit"]


class LimitedGate:
    """A gate of one process that limits the requests in flight and per second too.

    Args:
        clock: Source of time.
        rng: Source of jitter.
        max_in_flight: Most requests in flight; ``None`` for no limit.
        requests_per_second: Most requests per second; ``None`` for no limit.
    """

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        *,
        max_in_flight: int | None = None,
        requests_per_second: float | None = None,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._gate = AccountGate(clock, rng)
        self._in_flight = 0
        self._waiting: deque[anyio.Event] = deque()
        self._rate: RateLimit | None = None
        self.limit(max_in_flight, requests_per_second)

    def limit(self, max_in_flight: int | None, requests_per_second: float | None) -> None:
        """Change the limits; what is in flight, and what was sent, counts for the new ones too.

        Args:
            max_in_flight: Most requests in flight; ``None`` for no limit.
            requests_per_second: Most requests per second; ``None`` for no limit.
        """
        self._most = float("inf") if max_in_flight is None else max_in_flight
        rate = requests_per_second
        self._rate = (
            None if rate is None else RateLimit(rate, "requests_per_second", after=self._rate)
        )
        self._pass_on()

    def reopen(self) -> None:
        """Forget failures and pauses. Calls that wait for the end of a pause still do."""
        self._gate = AccountGate(self._clock, self._rng)

    @property
    def closed(self) -> bool:
        """Whether calls have to wait for a probe."""
        return self._gate.closed

    @property
    def remaining(self) -> float:
        """Seconds until a probe is sent; 0 when the gate is open or half open."""
        return self._gate.remaining

    def on_reopened(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call back, during the block, each time the gate reopens."""
        return self._gate.on_reopened(callback)

    def on_switched(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call back, during the block, each time after the gate has closed or opened."""
        return self._gate.on_switched(callback)

    def occupy(self) -> None:
        """Count a call that another gate has let through; :meth:`release` when it has ended."""
        self._in_flight += 1

    def release(self) -> None:
        """Give a permit back, to the call that has waited longest."""
        self._in_flight -= 1
        self._pass_on()

    def push_back(self, retry_after: float | None, max_pause: float = MAX_PAUSE) -> None:
        """Record what another gate has learned.

        Args:
            retry_after: Seconds the server asked to wait, or ``None``.
            max_pause: Longest time in seconds for which the gate closes.
        """
        self._gate.push_back(retry_after, probe=False, max_pause=max_pause)

    @asynccontextmanager
    async def passage(
        self, *, max_wait: float, max_pause: float = MAX_PAUSE, stop: Stop | None = None
    ) -> AsyncGenerator[LocalPassage, None]:
        """Wait for a permit, for the rate and for the gate, and hold the permit during the block.

        Args:
            max_wait: Longest wait in seconds.
            max_pause: Longest time in seconds for which a ``Retry-After`` to this call closes the
                gate.
            stop: Ends the wait.

        Raises:
            RateLimitError: There is no permit, or the gate stays closed, for longer than
                ``max_wait``.
            StopRequestedError: A stop was requested meanwhile.
        """
        give_up_at = self._clock.monotonic() + max_wait
        with (stop or Stop()).ending_waits():
            await self._take(give_up_at, max_wait)
        try:
            wait = self._reserve(give_up_at, max_wait)
            if wait > 0:
                with (stop or Stop()).ending_waits():
                    await self._clock.sleep(wait)
            left = give_up_at - self._clock.monotonic()
            async with self._gate.passage(max_wait=left, max_pause=max_pause, stop=stop) as passage:
                yield passage
        finally:
            self.release()

    def _reserve(self, give_up_at: float, max_wait: float) -> float:
        """Reserve a turn in the rate; returns the seconds to wait for it."""
        if self._rate is None:
            return 0.0
        now = self._clock.monotonic()
        if now + self._rate.wait(now) > give_up_at:
            # The turn stays free, or calls that give up would delay those that can wait.
            raise no_permit(max_wait)
        return self._rate.reserve(1, now)

    async def _take(self, give_up_at: float, max_wait: float) -> None:
        if self._in_flight < self._most:
            self._in_flight += 1
            return
        if max_wait <= 0:
            raise no_permit(max_wait)
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await _first(turn, self._clock, give_up_at - self._clock.monotonic())
        except BaseException:
            self._forget(turn)
            raise
        if not turn.is_set():
            self._forget(turn)
            raise no_permit(max_wait)

    def _forget(self, turn: anyio.Event) -> None:
        if turn.is_set():
            self.release()  # the permit was issued at the moment of a cancellation
        else:
            self._waiting.remove(turn)

    def _pass_on(self) -> None:
        while self._waiting and self._in_flight < self._most:
            self._in_flight += 1
            self._waiting.popleft().set()


def no_permit(waited: float) -> RateLimitError:
    """Return the error for a call that got no permit.

    Args:
        waited: Seconds that it has waited.
    """
    return RateLimitError(
        f"no turn within {waited:.0f} s: the account has as many requests in flight, or per second,"
        " as it may have, in this process and others",
        status_code=429,
        retry_after=waited,
    )


async def _first(event: anyio.Event, clock: Clock, seconds: float) -> None:
    """Wait until the event or for some seconds, whichever is first."""
    async with anyio.create_task_group() as tasks:

        async def end_later() -> None:
            await clock.sleep(seconds)
            tasks.cancel_scope.cancel()

        tasks.start_soon(end_later)
        await event.wait()
        tasks.cancel_scope.cancel()
