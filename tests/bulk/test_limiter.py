"""ConcurrencyLimiter: their order, a limit that changes, and nothing lost to cancellation."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import attrs
import pytest
from anyio import wait_all_tasks_blocked
from support.clocks import FakeClock

from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.pacing.limits import ConcurrencyLimit, FixedLimit, RateLimit
from cleverreach_async.transport.retry import Diagnosis
from cleverreach_async.transport.stop import Stop, StopRequestedError

pytestmark = pytest.mark.anyio

PUSHED_BACK = Diagnosis(lowers_limit=True)


@attrs.define
class Recorded:
    """A pacing whose limit the test sets; it writes down what it is told.

    Attributes:
        limit: The limit now.
        then: The limit after the next thing it is told about an answer.
        told: What it was told.
    """

    limit: int = 1
    then: int | None = None
    told: list[tuple[object, ...]] = attrs.field(factory=list[tuple[object, ...]])

    def started(self, in_flight: int) -> None:
        """Write it down."""
        self.told.append(("started", in_flight))

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Write it down."""
        self._note("succeeded", rows, sent_at, now)

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Write it down."""
        self._note("pushed_back", sent_at, now)

    def reopened(self, now: float) -> None:
        """Write it down."""
        self._note("reopened", now)

    def _note(self, *what: object) -> None:
        self.told.append(what)
        self.limit = self.then or self.limit


@attrs.define(eq=False)
class Crowd:
    """Callers that take a permit each and keep it until they are told to go.

    Attributes:
        limiter: What is under test.
        tasks: Where the callers run.
        stop: Ends their waits.
        inside: Names of those who hold a permit, in the order in which they got it.
        stopped: Names of those whose wait was ended by the stop.
        leave: What tells each to go.
    """

    limiter: ConcurrencyLimiter
    tasks: anyio.abc.TaskGroup
    stop: Stop = attrs.field(factory=Stop)
    inside: list[str] = attrs.field(factory=list[str])
    stopped: list[str] = attrs.field(factory=list[str])
    leave: dict[str, anyio.Event] = attrs.field(factory=dict[str, anyio.Event])
    _scopes: dict[str, anyio.CancelScope] = attrs.field(factory=dict[str, anyio.CancelScope])

    async def come(self, *names: str, rows: int = 1) -> None:
        """Let callers come, one after the other."""
        for name in names:
            self.tasks.start_soon(self._call, name, rows)
            await wait_all_tasks_blocked()

    async def go(self, *names: str) -> None:
        """Let callers give their permits back."""
        for name in names:
            self.leave[name].set()
        await wait_all_tasks_blocked()

    def cancel(self, name: str) -> None:
        """Cancel a caller, wherever it is; takes effect when the test awaits."""
        self._scopes[name].cancel()

    async def _call(self, name: str, rows: int) -> None:
        leave = self.leave[name] = anyio.Event()
        with anyio.CancelScope() as self._scopes[name]:
            try:
                async with self.limiter.permit(rows, self.stop):
                    self.inside.append(name)
                    try:
                        await leave.wait()
                    finally:
                        self.inside.remove(name)
            except StopRequestedError:
                self.stopped.append(name)


@asynccontextmanager
async def crowd(limiter: ConcurrencyLimiter) -> AsyncGenerator[Crowd, None]:
    """A crowd; at the end all leave, and every permit has to be back."""
    async with anyio.create_task_group() as tasks:
        yield Crowd(limiter, tasks)
        tasks.cancel_scope.cancel()
    assert 0 == limiter.in_use


def make(
    pacing: ConcurrencyLimit, clock: FakeClock | None = None, rate: RateLimit | None = None
) -> ConcurrencyLimiter:
    """ConcurrencyLimiter on a clock of the test's."""
    return ConcurrencyLimiter(pacing, clock or FakeClock(), rate=rate)


async def test_permits_are_given_in_the_order_of_asking() -> None:
    """No more than the limit at a time, and first come, first served."""
    async with crowd(make(FixedLimit(2))) as they:
        await they.come("a", "b", "c", "d")
        assert ["a", "b"] == they.inside
        assert 2 == they.limiter.in_use == they.limiter.limit

        await they.go("b")
        assert ["a", "c"] == they.inside
        await they.go("a")
        assert ["c", "d"] == they.inside


async def test_a_newcomer_does_not_overtake() -> None:
    """A permit that is free again belongs to the one who waits, although a newcomer asks first."""
    pacing = Recorded(limit=1)
    async with crowd(make(pacing)) as they:
        await they.come("a", "waiting")
        pacing.limit = 2  # not told: the room is there, and nobody has been woken
        await they.come("new")
        assert ["a"] == they.inside

        await they.go("a")
        assert ["new", "waiting"] == sorted(they.inside)


@pytest.mark.parametrize("grows_on", ["succeeded", "pushed_back", "reopened"])
async def test_growth_wakes_as_many_as_there_is_room_for(grows_on: str) -> None:
    """Nobody waits while there is room, even when no permit comes back."""
    pacing = Recorded(limit=1)
    limiter = make(pacing)
    async with crowd(limiter) as they, limiter.permit(1, they.stop) as permit:
        permit.sent()
        await they.come("a", "b", "c")
        pacing.then = 3
        if grows_on == "succeeded":
            permit.succeeded(10)
        elif grows_on == "pushed_back":
            permit.failed(PUSHED_BACK)
        else:
            limiter.reopened()
        await wait_all_tasks_blocked()

        assert ["a", "b"] == sorted(they.inside)


async def test_a_lower_limit_takes_no_permit_away() -> None:
    """Those who hold one keep it; the next is given when enough are back."""
    pacing = Recorded(limit=3)
    async with crowd(make(pacing)) as they:
        await they.come("a", "b", "c", "d")
        pacing.limit = 1
        await they.go("a", "b")
        assert ["c"] == they.inside

        await they.go("c")
        assert ["d"] == they.inside


async def test_a_cancelled_caller_loses_nothing_for_others() -> None:
    """Neither while it waits, nor in the moment in which the permit is handed to it."""
    async with crowd(make(FixedLimit(1))) as they:
        await they.come("a", "b", "c", "d", "e")
        they.cancel("b")
        await wait_all_tasks_blocked()
        they.cancel("a")
        await wait_all_tasks_blocked()
        assert ["c"] == they.inside

        they.leave["c"].set()
        await anyio.lowlevel.checkpoint()
        they.cancel("d")
        await wait_all_tasks_blocked()
        assert ["e"] == they.inside


@pytest.mark.parametrize("turns", range(6))
async def test_cancellation_at_any_turn_leaves_every_permit_in_place(turns: int) -> None:
    """Whatever a caller is about to do, its permit goes to the next."""
    limiter = make(FixedLimit(1), rate=RateLimit(1))
    async with crowd(limiter) as they:
        await they.come("a", "b", "c")
        they.leave["a"].set()
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        they.cancel("b")
        await wait_all_tasks_blocked()

        assert ["c"] == they.inside
        assert 1 == limiter.in_use


async def test_a_stop_ends_waits_but_not_what_is_held() -> None:
    """Who waits is sent home; who holds a permit stays, and newcomers are turned away."""
    limiter = make(FixedLimit(1))
    async with crowd(limiter) as they:
        await they.come("a", "b", "c")
        they.stop.request()
        await wait_all_tasks_blocked()
        assert ["a"] == they.inside
        assert ["b", "c"] == sorted(they.stopped)

        await they.come("d")
        assert "d" in they.stopped
        await they.go("a")
        assert 0 == limiter.in_use


async def test_a_stop_in_the_moment_of_the_hand_over_keeps_the_count() -> None:
    """A permit that was just handed over is given back, or used; never lost."""
    limiter = make(FixedLimit(1))
    async with crowd(limiter) as they:
        await they.come("a", "b")
        they.leave["a"].set()
        await anyio.lowlevel.checkpoint()
        they.stop.request()
        await wait_all_tasks_blocked()

        assert len(they.inside) == limiter.in_use
        assert 1 == len(they.inside + they.stopped)


async def test_the_rate_of_rows_is_kept() -> None:
    """The second thousand rows go when the first thousand are through at the rate."""
    clock = FakeClock()
    clock.hold()
    async with crowd(make(FixedLimit(3), clock, RateLimit(100))) as they:
        await they.come("a", "b", "c", rows=1000)
        assert ["a"] == they.inside

        await clock.advance(10)
        assert ["a", "b"] == they.inside
        await clock.advance(9)
        assert ["a", "b"] == they.inside
        await clock.advance(1)
        assert ["a", "b", "c"] == they.inside


async def test_a_stop_ends_the_wait_for_the_rate() -> None:
    """And the permit held meanwhile is given back."""
    clock = FakeClock()
    clock.hold()
    limiter = make(FixedLimit(3), clock, RateLimit(1))
    async with crowd(limiter) as they:
        await they.come("a", "b", rows=1000)
        they.stop.request()
        await wait_all_tasks_blocked()

        assert ["b"] == they.stopped
        assert 1 == limiter.in_use


async def test_the_pacing_is_told_with_the_instant_of_sending() -> None:
    """The last instant counts, and a request that was sent twice is one on the wire."""
    clock = FakeClock()
    pacing = Recorded(limit=2)
    limiter = make(pacing, clock)
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
    ] == pacing.told


async def test_a_failure_that_is_not_about_load_says_nothing() -> None:
    """A refused batch or a single lost response does not lower the limit."""
    pacing = Recorded(limit=1)
    async with make(pacing).permit(5, Stop()) as permit:
        permit.sent()
        permit.failed(Diagnosis())

    assert [("started", 1)] == pacing.told


async def test_a_request_that_never_left_says_nothing() -> None:
    """A token that could not be renewed is no matter of concurrency."""
    pacing = Recorded(limit=1)
    async with make(pacing).permit(5, Stop()) as permit:
        permit.succeeded(5)
        permit.failed(PUSHED_BACK)

    assert [] == pacing.told


async def test_only_requests_on_the_wire_count_as_use_of_the_limit() -> None:
    """A permit whose holder still waits for the rate or the gate does not, nor one that is back."""
    pacing = Recorded(limit=3)
    limiter = make(pacing)
    stop = Stop()
    async with limiter.permit(1, stop), limiter.permit(1, stop) as second:
        second.sent()
        async with limiter.permit(1, stop) as third:
            third.sent()
        async with limiter.permit(1, stop) as fourth:
            fourth.sent()

    assert [1, 2, 2] == [told[1] for told in pacing.told]


async def test_an_error_in_the_block_gives_the_permit_back() -> None:
    """Whatever becomes of the request."""
    limiter = make(FixedLimit(1))

    async def fail() -> None:
        async with limiter.permit(1, Stop()) as permit:
            permit.sent()
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await fail()

    assert 0 == limiter.in_use
