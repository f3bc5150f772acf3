"""ConcurrencyLimiter: the order of permits, a limit that changes, and cancellation."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import attrs
import pytest
from anyio import wait_all_tasks_blocked
from support.clocks import FakeClock

from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.pacing.limits import ConcurrencyLimit, FixedLimit
from cleverreach_async.transport.rate import RateLimit
from cleverreach_async.transport.retry import Diagnosis
from cleverreach_async.transport.stop import Stop, StopRequestedError

pytestmark = pytest.mark.anyio

PUSHED_BACK = Diagnosis(lowers_limit=True)


@attrs.define
class RecordingLimit:
    """A limit that the test sets; it records its calls.

    Attributes:
        limit: The limit now.
        next_limit: The limit after the next call about a response.
        wait: Seconds that each request has to wait for its turn.
        calls: Name and arguments of each call.
    """

    limit: int = 1
    next_limit: int | None = None
    wait: float = 0.0
    calls: list[tuple[object, ...]] = attrs.field(factory=list[tuple[object, ...]])

    def reserve(self, now: float) -> float:
        """Return the wait that the test sets."""
        return self.wait

    def started(self, in_flight: int) -> None:
        """Record the call."""
        self.calls.append(("started", in_flight))

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Record the call."""
        self._record("succeeded", rows, sent_at, now)

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Record the call."""
        self._record("pushed_back", sent_at, now)

    def reopened(self, now: float) -> None:
        """Record the call."""
        self._record("reopened", now)

    def _record(self, *call: object) -> None:
        self.calls.append(call)
        self.limit = self.next_limit or self.limit


@attrs.define(eq=False)
class Callers:
    """Callers that take a permit each and hold it until the test releases it.

    Attributes:
        limiter: The limiter under test.
        tasks: Runs the callers.
        stop: Ends their waits.
        holders: Names of those that hold a permit, in the order in which they got it.
        stopped: Names of those whose wait was ended by the stop.
        events: The event that makes each release its permit.
    """

    limiter: ConcurrencyLimiter
    tasks: anyio.abc.TaskGroup
    stop: Stop = attrs.field(factory=Stop)
    holders: list[str] = attrs.field(factory=list[str])
    stopped: list[str] = attrs.field(factory=list[str])
    events: dict[str, anyio.Event] = attrs.field(factory=dict[str, anyio.Event])
    _scopes: dict[str, anyio.CancelScope] = attrs.field(factory=dict[str, anyio.CancelScope])

    async def acquire(self, *names: str, rows: int = 1) -> None:
        """Start callers, one after the other."""
        for name in names:
            self.tasks.start_soon(self._call, name, rows)
            await wait_all_tasks_blocked()

    async def release(self, *names: str) -> None:
        """Make callers release their permits."""
        for name in names:
            self.events[name].set()
        await wait_all_tasks_blocked()

    def cancel(self, name: str) -> None:
        """Cancel a caller; takes effect when the test awaits."""
        self._scopes[name].cancel()

    async def _call(self, name: str, rows: int) -> None:
        event = self.events[name] = anyio.Event()
        with anyio.CancelScope() as self._scopes[name]:
            try:
                async with self.limiter.permit(rows, self.stop):
                    self.holders.append(name)
                    try:
                        await event.wait()
                    finally:
                        self.holders.remove(name)
            except StopRequestedError:
                self.stopped.append(name)


@asynccontextmanager
async def callers_of(limiter: ConcurrencyLimiter) -> AsyncGenerator[Callers, None]:
    """Callers of a limiter; at the end all are cancelled, and every permit must be back."""
    async with anyio.create_task_group() as tasks:
        yield Callers(limiter, tasks)
        tasks.cancel_scope.cancel()
    assert 0 == limiter.in_use


def make(
    limit: ConcurrencyLimit, clock: FakeClock | None = None, rate: RateLimit | None = None
) -> ConcurrencyLimiter:
    """Return a limiter with a clock that the test controls."""
    return ConcurrencyLimiter(limit, clock or FakeClock(), rate=rate)


async def test_permits_are_given_in_the_order_of_requests() -> None:
    """There are never more than the limit."""
    async with callers_of(make(FixedLimit(2))) as callers:
        await callers.acquire("a", "b", "c", "d")
        assert ["a", "b"] == callers.holders
        assert 2 == callers.limiter.in_use == callers.limiter.limit

        await callers.release("b")
        assert ["a", "c"] == callers.holders
        await callers.release("a")
        assert ["c", "d"] == callers.holders


async def test_a_later_caller_does_not_overtake_a_waiting_one() -> None:
    """A released permit goes to the caller that waits, although a new caller has just arrived."""
    limit = RecordingLimit(limit=1)
    async with callers_of(make(limit)) as callers:
        await callers.acquire("a", "waiting")
        limit.limit = 2  # a permit is free, but no waiting caller has been woken
        await callers.acquire("new")
        assert ["a"] == callers.holders

        await callers.release("a")
        assert ["new", "waiting"] == sorted(callers.holders)


@pytest.mark.parametrize("grows_on", ["succeeded", "pushed_back", "reopened"])
async def test_a_higher_limit_wakes_waiting_callers(grows_on: str) -> None:
    """As many as the limit allows, even if no permit is released."""
    limit = RecordingLimit(limit=1)
    limiter = make(limit)
    async with callers_of(limiter) as callers, limiter.permit(1, callers.stop) as permit:
        permit.sent()
        await callers.acquire("a", "b", "c")
        limit.next_limit = 3
        if grows_on == "succeeded":
            permit.succeeded(10)
        elif grows_on == "pushed_back":
            permit.failed(PUSHED_BACK)
        else:
            limiter.reopened()
        await wait_all_tasks_blocked()

        assert ["a", "b"] == sorted(callers.holders)


async def test_a_lower_limit_does_not_revoke_permits() -> None:
    """Holders keep their permit; the next is given when enough are released."""
    limit = RecordingLimit(limit=3)
    async with callers_of(make(limit)) as callers:
        await callers.acquire("a", "b", "c", "d")
        limit.limit = 1
        await callers.release("a", "b")
        assert ["c"] == callers.holders

        await callers.release("c")
        assert ["d"] == callers.holders


async def test_a_cancelled_caller_loses_no_permit() -> None:
    """Neither while it waits, nor at the moment when it gets the permit."""
    async with callers_of(make(FixedLimit(1))) as callers:
        await callers.acquire("a", "b", "c", "d", "e")
        callers.cancel("b")
        await wait_all_tasks_blocked()
        callers.cancel("a")
        await wait_all_tasks_blocked()
        assert ["c"] == callers.holders

        callers.events["c"].set()
        await anyio.lowlevel.checkpoint()
        callers.cancel("d")
        await wait_all_tasks_blocked()
        assert ["e"] == callers.holders


@pytest.mark.parametrize("turns", range(6))
async def test_cancellation_at_any_point_loses_no_permit(turns: int) -> None:
    """The permit of a cancelled caller goes to the next."""
    limiter = make(FixedLimit(1), rate=RateLimit(1))
    async with callers_of(limiter) as callers:
        await callers.acquire("a", "b", "c")
        callers.events["a"].set()
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        callers.cancel("b")
        await wait_all_tasks_blocked()

        assert ["c"] == callers.holders
        assert 1 == limiter.in_use


async def test_a_stop_ends_waits_but_revokes_no_permit() -> None:
    """Waiting and later callers get StopRequestedError; holders keep their permit."""
    limiter = make(FixedLimit(1))
    async with callers_of(limiter) as callers:
        await callers.acquire("a", "b", "c")
        callers.stop.request()
        await wait_all_tasks_blocked()
        assert ["a"] == callers.holders
        assert ["b", "c"] == sorted(callers.stopped)

        await callers.acquire("d")
        assert "d" in callers.stopped
        await callers.release("a")
        assert 0 == limiter.in_use


async def test_a_stop_while_a_permit_changes_hands_loses_no_permit() -> None:
    """A permit that was just given is used or released."""
    limiter = make(FixedLimit(1))
    async with callers_of(limiter) as callers:
        await callers.acquire("a", "b")
        callers.events["a"].set()
        await anyio.lowlevel.checkpoint()
        callers.stop.request()
        await wait_all_tasks_blocked()

        assert len(callers.holders) == limiter.in_use
        assert 1 == len(callers.holders + callers.stopped)


async def test_the_rate_limit_of_rows_is_kept() -> None:
    """The second thousand rows wait for as long as the first thousand take at the rate."""
    clock = FakeClock()
    clock.hold()
    async with callers_of(make(FixedLimit(3), clock, RateLimit(100))) as callers:
        await callers.acquire("a", "b", "c", rows=1000)
        assert ["a"] == callers.holders

        await clock.advance(10)
        assert ["a", "b"] == callers.holders
        await clock.advance(9)
        assert ["a", "b"] == callers.holders
        await clock.advance(1)
        assert ["a", "b", "c"] == callers.holders


@pytest.mark.parametrize(("learned", "waits"), [(2.0, 10), (30.0, 30)])
async def test_requests_wait_for_the_learned_rate_too(learned: float, waits: float) -> None:
    """The longer one of both waits counts."""
    clock = FakeClock()
    clock.hold()
    limit = RecordingLimit(limit=3)
    async with callers_of(make(limit, clock, RateLimit(100))) as callers:
        await callers.acquire("a", rows=1000)
        limit.wait = learned
        await callers.acquire("b", rows=1000)
        await clock.advance(waits - 1)
        assert ["a"] == callers.holders

        await clock.advance(1)
        assert ["a", "b"] == callers.holders


async def test_a_stop_ends_the_wait_for_the_rate_limit() -> None:
    """The permit held meanwhile is released."""
    clock = FakeClock()
    clock.hold()
    limiter = make(FixedLimit(3), clock, RateLimit(1))
    async with callers_of(limiter) as callers:
        await callers.acquire("a", "b", rows=1000)
        callers.stop.request()
        await wait_all_tasks_blocked()

        assert ["b"] == callers.stopped
        assert 1 == limiter.in_use


async def test_the_limit_gets_the_time_of_sending() -> None:
    """The last time counts, and a request that was sent twice counts once as in flight."""
    clock = FakeClock()
    limit = RecordingLimit(limit=2)
    limiter = make(limit, clock)
    start = clock.monotonic()
    async with limiter.permit(5, Stop()) as permit:
        permit.sent()
        clock.elapsed = 2.0
        permit.sent()
        clock.elapsed = 3.0
        permit.succeeded(5)
        permit.failed(PUSHED_BACK)
    limiter.reopened()

    assert [
        ("started", 1),
        ("started", 1),
        ("succeeded", 5, start + 2, start + 3),
        ("pushed_back", start + 2, start + 3),
        ("reopened", start + 3),
    ] == limit.calls


async def test_a_failure_that_is_not_about_load_is_ignored() -> None:
    """A refused batch or a single lost response does not lower the limit."""
    limit = RecordingLimit(limit=1)
    async with make(limit).permit(5, Stop()) as permit:
        permit.sent()
        permit.failed(Diagnosis())

    assert [("started", 1)] == limit.calls


async def test_a_request_that_was_not_sent_is_ignored() -> None:
    """A token that could not be renewed says nothing about concurrency."""
    limit = RecordingLimit(limit=1)
    async with make(limit).permit(5, Stop()) as permit:
        permit.succeeded(5)
        permit.failed(PUSHED_BACK)

    assert [] == limit.calls


async def test_only_requests_in_flight_count_as_use_of_the_limit() -> None:
    """A permit whose holder waits for the rate limit or the gate does not count."""
    limit = RecordingLimit(limit=3)
    limiter = make(limit)
    stop = Stop()
    async with limiter.permit(1, stop), limiter.permit(1, stop) as second:
        second.sent()
        async with limiter.permit(1, stop) as third:
            third.sent()
        async with limiter.permit(1, stop) as fourth:
            fourth.sent()

    assert [1, 2, 2] == [call[1] for call in limit.calls]


async def test_an_error_in_the_block_releases_the_permit() -> None:
    """Whatever the result of the request."""
    limiter = make(FixedLimit(1))

    async def fail() -> None:
        async with limiter.permit(1, Stop()) as permit:
            permit.sent()
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await fail()

    assert 0 == limiter.in_use
