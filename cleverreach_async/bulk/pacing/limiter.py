"""Permits for requests on the wire, as many as the pacing allows at the moment."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import attrs

from cleverreach_async.bulk.pacing.limits import Pacing, RowRate
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.stop import Stop

__all__ = ["Hold", "Permits"]


@attrs.define(eq=False)
class Hold:
    """A permit that is held; it tells the pacing how the request went.

    Attributes:
        permits: Where it comes from.
        sent_at: Instant at which the request went out the last time, ``None`` before that.
    """

    permits: "Permits"
    sent_at: float | None = None

    def sent(self) -> None:
        """The request goes out now; the last call counts, since a request may be resent."""
        first = self.sent_at is None
        self.sent_at = self.permits.note_sent(first=first)

    def succeeded(self, rows: int) -> None:
        """The server took ``rows`` rows. Without :meth:`sent` this says nothing."""
        if self.sent_at is not None:
            self.permits.note_success(rows, self.sent_at)

    def pushed_back(self) -> None:
        """The server pushed back. Without :meth:`sent` this says nothing."""
        if self.sent_at is not None:
            self.permits.note_push_back(self.sent_at)


class Permits:
    """Lets requests go, first come, first served, within a limit that changes.

    A permit is handed to the longest waiting caller; a newcomer does not overtake. When the limit
    goes down, permits that are held stay valid, and no new ones are given until enough are back.

    The rate of rows is waited for with the permit in hand. That blocks nobody: places in the rate
    are taken in the same order, so whoever comes later has to wait longer anyway. The pacing is
    told of requests on the wire, not of permits, so such a wait does not look like a limit in use.

    Args:
        pacing: Decides the limit. It is told everything through this object only, because a limit
            that grows has to wake those who wait.
        clock: Measures and waits.
        rate: Limit of rows per second, ``None`` for none.
    """

    def __init__(self, pacing: Pacing, clock: Clock, *, rate: RowRate | None = None) -> None:
        self._pacing = pacing
        self._clock = clock
        self._rate = rate
        self._in_flight = 0
        self._on_wire = 0
        self._waiters: deque[anyio.Event] = deque()

    @property
    def limit(self) -> int:
        """Permits that may be held now."""
        return self._pacing.limit

    @property
    def in_flight(self) -> int:
        """Permits that are held."""
        return self._in_flight

    @asynccontextmanager
    async def hold(self, rows: int, stop: Stop) -> AsyncGenerator[Hold, None]:
        """Hold a permit for a request with so many rows.

        Args:
            rows: Rows of the request, for the rate.
            stop: Ends the waits, not the block.

        Raises:
            StopRequestedError: The stop was requested before the permit was there.
        """
        with stop.ending_waits():
            await self._acquire()
            try:
                await self._wait_for_rate(rows)
            except BaseException:
                self._release()
                raise
        hold = Hold(self)
        try:
            yield hold
        finally:
            self._on_wire -= hold.sent_at is not None
            self._release()

    def reopened(self) -> None:
        """The account's gate was closed and is open again."""
        self._pacing.reopened(self._clock.monotonic())
        self._hand_out()

    def note_sent(self, *, first: bool) -> float:
        """Count a request that goes out, for its :class:`Hold`; returns the instant."""
        self._on_wire += first
        self._pacing.started(self._on_wire)
        return self._clock.monotonic()

    def note_success(self, rows: int, sent_at: float) -> None:
        """Tell the pacing of a success, for its :class:`Hold`."""
        self._pacing.succeeded(rows=rows, sent_at=sent_at, now=self._clock.monotonic())
        self._hand_out()

    def note_push_back(self, sent_at: float) -> None:
        """Tell the pacing of a push-back, for its :class:`Hold`."""
        self._pacing.pushed_back(sent_at=sent_at, now=self._clock.monotonic())
        self._hand_out()

    async def _acquire(self) -> None:
        await anyio.lowlevel.checkpoint()
        if not self._waiters and self._in_flight < self.limit:
            self._in_flight += 1
            return
        turn = anyio.Event()
        self._waiters.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._release()  # the permit came in the same moment as the cancellation
            else:
                self._waiters.remove(turn)
            raise

    async def _wait_for_rate(self, rows: int) -> None:
        if self._rate is None:
            return
        wait = self._rate.reserve(rows, self._clock.monotonic())
        if wait > 0:
            await self._clock.sleep(wait)

    def _release(self) -> None:
        self._in_flight -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        """Give free permits to those who wait longest."""
        while self._waiters and self._in_flight < self.limit:
            self._in_flight += 1
            self._waiters.popleft().set()
