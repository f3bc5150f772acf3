"""Permits for requests in flight, as many as the concurrency limit currently allows."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import attrs

from cleverreach_async.bulk.pacing.limits import ConcurrencyLimit
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.rate import RateLimit
from cleverreach_async.transport.retry import Diagnosis
from cleverreach_async.transport.stop import Stop

__all__ = ["ConcurrencyLimiter", "Permit"]


@attrs.define(eq=False)
class Permit:
    """A permit for one request; reports to the limit how the request went.

    Attributes:
        limiter: The limiter that issued it.
        sent_at: Clock reading when the request was last sent; ``None`` before that.
    """

    limiter: "ConcurrencyLimiter"
    sent_at: float | None = None

    def sent(self) -> None:
        """Record that the request is sent now; the last call counts, since it may be resent."""
        first = self.sent_at is None
        self.sent_at = self.limiter.record_sent(first=first)

    def succeeded(self, rows: int) -> None:
        """Record that the server accepted ``rows`` rows; ignored if nothing was sent."""
        if self.sent_at is not None:
            self.limiter.record_success(rows, self.sent_at)

    def failed(self, diagnosis: Diagnosis) -> None:
        """Record a failure; ignored if nothing was sent, or the number of requests is no cause."""
        if self.sent_at is not None and diagnosis.lowers_limit:
            self.limiter.record_push_back(self.sent_at)


class ConcurrencyLimiter:
    """Issues permits in the order of requests for them, within a limit that changes.

    When the limit is lowered, permits in use stay valid, and no new ones are issued until enough
    have been returned.

    A request waits for the rate of rows, and for that of requests if the limit has learned one,
    while it holds a permit. This does not delay others: turns are assigned in the same order, so a
    later request has to wait longer anyway. The limit counts requests in flight, not permits, so
    that such a wait does not look like a limit that is used up.

    Args:
        limit: Decides how many requests may be in flight. All events reach it through this object,
            because a higher limit has to wake waiting requests.
        clock: Source of time.
        rate: Limit of rows per second, ``None`` for none.
    """

    def __init__(
        self, limit: ConcurrencyLimit, clock: Clock, *, rate: RateLimit | None = None
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._rate = rate
        self._permits = 0
        self._in_flight = 0
        self._waiting: deque[anyio.Event] = deque()

    @property
    def limit(self) -> int:
        """Permits that may be in use now."""
        return self._limit.limit

    @property
    def in_use(self) -> int:
        """Permits in use."""
        return self._permits

    @asynccontextmanager
    async def permit(self, rows: int, stop: Stop) -> AsyncGenerator[Permit, None]:
        """Wait for a permit and hold it during the block.

        Args:
            rows: Rows of the request, for the rate.
            stop: Ends the waits, not the block.

        Raises:
            StopRequestedError: A stop was requested before the permit was issued.
        """
        with stop.ending_waits():
            await self._acquire()
            try:
                await self._wait_for_rate(rows)
            except BaseException:
                self._release()
                raise
        permit = Permit(self)
        try:
            yield permit
        finally:
            self._in_flight -= permit.sent_at is not None
            self._release()

    def reopened(self) -> None:
        """Lower the limit, because the account's gate was closed and is open again."""
        self._limit.reopened(self._clock.monotonic())
        self._issue()

    def record_sent(self, *, first: bool) -> float:
        """Count a request that is sent; returns the clock reading."""
        self._in_flight += first
        self._limit.started(self._in_flight)
        return self._clock.monotonic()

    def record_success(self, rows: int, sent_at: float) -> None:
        """Report a success to the limit."""
        self._limit.succeeded(rows=rows, sent_at=sent_at, now=self._clock.monotonic())
        self._issue()

    def record_push_back(self, sent_at: float) -> None:
        """Report to the limit that the server could not handle a request."""
        self._limit.pushed_back(sent_at=sent_at, now=self._clock.monotonic())
        self._issue()

    async def _acquire(self) -> None:
        await anyio.lowlevel.checkpoint()
        if not self._waiting and self._permits < self.limit:
            self._permits += 1
            return
        issued = anyio.Event()
        self._waiting.append(issued)
        try:
            await issued.wait()
        except BaseException:
            if issued.is_set():
                self._release()  # the permit was issued at the moment of the cancellation
            else:
                self._waiting.remove(issued)
            raise

    async def _wait_for_rate(self, rows: int) -> None:
        now = self._clock.monotonic()
        wait = self._limit.reserve(now)
        if self._rate is not None:
            wait = max(wait, self._rate.reserve(rows, now))
        if wait > 0:
            await self._clock.sleep(wait)

    def _release(self) -> None:
        self._permits -= 1
        self._issue()

    def _issue(self) -> None:
        """Issue free permits to the requests that have waited longest."""
        while self._waiting and self._permits < self.limit:
            self._permits += 1
            self._waiting.popleft().set()
