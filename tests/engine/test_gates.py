"""One table of cases for the gate of one process and for that of several."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup
from support.redis_server import redis_port
from support.virtual_redis import VirtualRedis

from cleverreach_async.auth.redis_account import RedisAccount
from cleverreach_async.errors import RateLimitError
from cleverreach_async.transport.passage import Gate
from cleverreach_async.transport.retry import Diagnosis
from cleverreach_async.transport.shared.local_share import LimitedGate
from cleverreach_async.transport.stop import Stop, StopRequestedError

if TYPE_CHECKING:
    from support.clocks import FakeClock, FixedRandom

__all__ = ["redis_port"]

pytestmark = pytest.mark.anyio

Make = Callable[..., list[Gate]]


async def settle() -> None:
    """Let all tasks go on until each waits. No answer is from a real socket."""
    for _ in range(40):
        await anyio.lowlevel.checkpoint()


class Calls:
    """Calls that pass gates and stay in flight until the test ends them.

    Attributes:
        passed: Name, instant and whether it is a probe, in the order in which they passed.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.passed: list[tuple[str, float, bool]] = []
        self.ended: dict[str, anyio.Event] = {}
        self.outcome: dict[str, Diagnosis | bool] = {}
        self.scopes: dict[str, anyio.CancelScope] = {}

    @property
    def names(self) -> str:
        """The names of the calls that have passed."""
        return "".join(name for name, _, _ in self.passed)

    @property
    def probes(self) -> list[bool]:
        """For each call that passed, whether it is a probe."""
        return [probe for _, _, probe in self.passed]

    async def call(self, gate: Gate, name: str, max_wait: float) -> None:
        """Pass a gate and wait until the test ends the call."""
        self.ended[name] = anyio.Event()
        with anyio.CancelScope() as scope:
            self.scopes[name] = scope
            async with gate.passage(max_wait=max_wait) as passage:
                self.passed.append((name, self.clock.elapsed, passage.probe))
                await self.ended[name].wait()
                outcome = self.outcome[name]
                if outcome is True:
                    passage.succeeded()
                elif isinstance(outcome, Diagnosis):
                    passage.failed(outcome)

    async def arrive(
        self, tasks: TaskGroup, gates: list[Gate], names: str, max_wait: float = 3600.0
    ) -> None:
        """Start calls one after another; each letter is a name, and the gates take turns."""
        for number, name in enumerate(names):
            tasks.start_soon(self.call, gates[number % len(gates)], name, max_wait)
            await settle()

    async def end(self, name: str, outcome: Diagnosis | bool) -> None:
        """End a call: ``True`` success, ``False`` without a report, else a failure."""
        self.outcome[name] = outcome
        self.ended[name].set()
        await settle()


def throttled(retry_after: float | None = None) -> Diagnosis:
    """A failure that closes the gate."""
    return Diagnosis(closes_gate=True, retry_after=retry_after)


@pytest.fixture
def calls(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Calls in a time that passes only in ``clock.advance()``."""
    # On asyncio that of anyio sleeps a tenth of a second each time.
    monkeypatch.setattr("support.clocks.wait_all_tasks_blocked", settle)
    clock.hold()
    return Calls(clock)


@pytest.fixture
def redis(redis_port: int, clock: FakeClock) -> Generator[VirtualRedis]:
    """A Redis whose time is the clock's."""
    from redis import Redis  # noqa: PLC0415 - an extra

    with Redis(host="127.0.0.1", port=redis_port) as client:
        yield VirtualRedis(client, clock)


@pytest.fixture
def make_shared(redis: VirtualRedis, clock: FakeClock, rng: FixedRandom) -> Make:
    """Return a function that makes two gates of one account, as two processes have."""
    key = f"{secrets.token_hex(8)}"

    def make(**limits: Any) -> list[Gate]:
        limits = {"max_in_flight": None, **limits}
        return [RedisAccount(redis, key, **limits).gate(clock, rng) for _ in range(2)]

    return make


@pytest.fixture(params=["local", "shared"])
def make(request: pytest.FixtureRequest, clock: FakeClock, rng: FixedRandom) -> Make:
    """Return a function that makes the gates of one account: one, or those of two processes."""

    def make_local(**limits: Any) -> list[Gate]:
        return [LimitedGate(clock, rng, **limits)]

    shared: Make = request.getfixturevalue("make_shared")
    return make_local if request.param == "local" else shared


async def test_one_retry_after_holds_all_calls_and_one_probe_goes_first(
    make: Make, calls: Calls, clock: FakeClock
) -> None:
    """The others follow within half a second of its success, in all processes."""
    gates = make()
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "a")
        await calls.end("a", throttled(10.0))
        await calls.arrive(tasks, gates, "bcd")
        await clock.advance(10.0)
        assert "a" == calls.names
        await clock.advance(1.1)
        await clock.advance(30.0)
        assert [False, True] == calls.probes
        await calls.end(calls.passed[-1][0], outcome=True)
        await clock.advance(0.5)
        assert [False, True, False, False] == calls.probes
        assert [False] * len(gates) == [gate.closed for gate in gates]
        tasks.cancel_scope.cancel()


async def test_three_failures_in_a_row_close_it(make: Make, calls: Calls, clock: FakeClock) -> None:
    """The fourth call waits; without Retry-After for about a second, then for about two."""
    gates = make()
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            await calls.arrive(tasks, gates, name)
            await calls.end(name, throttled())
        await calls.arrive(tasks, gates, "de")
        assert "abc" == calls.names
        await clock.advance(0.76)
        assert [True] == calls.probes[3:]
        probe = calls.passed[-1][0]
        await calls.end(probe, throttled())
        await clock.advance(1.4)
        assert 4 == len(calls.passed)
        await clock.advance(0.6)
        assert [True, True] == calls.probes[3:]
        tasks.cancel_scope.cancel()


async def test_a_success_between_failures_starts_the_count_anew(make: Make, calls: Calls) -> None:
    """Only failures without a success between them close the gate."""
    gates = make()
    async with anyio.create_task_group() as tasks:
        outcomes: list[Diagnosis | bool] = [throttled(), throttled(), True]
        for number, outcome in enumerate(outcomes * 3):
            name = chr(ord("a") + number)
            await calls.arrive(tasks, gates, name)
            await calls.end(name, outcome)
    assert "abcdefghi" == calls.names
    assert not any(gate.closed for gate in gates)


async def test_a_late_success_does_not_open_it(make: Make, calls: Calls, clock: FakeClock) -> None:
    """A call sent before the closing says nothing about the server now."""
    gates = make()
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "ab")
        await calls.end("a", throttled(10.0))
        await calls.arrive(tasks, gates, "c")
        await calls.end("b", outcome=True)
        await clock.advance(9.0)
        assert "ab" == calls.names
        tasks.cancel_scope.cancel()


async def test_a_later_retry_after_extends_the_wait(
    make: Make, calls: Calls, clock: FakeClock
) -> None:
    """And a shorter one does not shorten it."""
    gates = make()
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "abc")
        for name, seconds in (("a", 5.0), ("b", 20.0), ("c", 1.0)):
            await calls.end(name, throttled(seconds))
        await calls.arrive(tasks, gates, "d")
        await clock.advance(20.5)
        assert "abc" == calls.names
        await clock.advance(1.0)
        assert "abcd" == calls.names
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("way", ["cancelled", "without a report"])
async def test_another_call_becomes_the_probe(
    make: Make, calls: Calls, clock: FakeClock, way: str
) -> None:
    """When the first is cancelled, or ends without knowing how it went."""
    gates = make()
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "a")
        await calls.end("a", throttled(1.0))
        await calls.arrive(tasks, gates, "bc")
        await clock.advance(2.0)
        probe = calls.passed[-1][0]
        if way == "cancelled":
            calls.scopes[probe].cancel()
        else:
            await calls.end(probe, outcome=False)
        await settle()
        await clock.advance(0.5)
        assert [False, True, True] == calls.probes
        tasks.cancel_scope.cancel()


async def test_a_call_that_cannot_wait_gets_an_error(
    make: Make, calls: Calls, clock: FakeClock
) -> None:
    """It names the remaining seconds, and what the server asked for if that is more."""
    gates = make()
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "a")
        await calls.end("a", throttled(999_999_999.0))
    await clock.advance(600.0)
    with pytest.raises(RateLimitError, match=r"paused for 3000 s more.*wait for 999999999 s") as it:
        async with gates[-1].passage(max_wait=60.0):
            pytest.fail("a call passed a closed gate")
    assert 3000.0 == it.value.retry_after


async def test_permits_limit_the_calls_in_flight(
    make: Make, calls: Calls, clock: FakeClock
) -> None:
    """The rest follows as soon as one ends, in the order of arrival."""
    gates = make(max_in_flight=2)
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "abcde")
        await clock.advance(1.0)
        assert "ab" == calls.names
        for ended, names in (("a", "abc"), ("c", "abcd"), ("b", "abcde")):
            await calls.end(ended, outcome=True)
            await clock.advance(1.0)
            assert names == calls.names
        tasks.cancel_scope.cancel()


async def test_a_call_that_is_cancelled_leaves_no_permit_behind(
    make: Make, calls: Calls, clock: FakeClock
) -> None:
    """Neither in flight nor while it waits."""
    gates = make(max_in_flight=1)
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "abc")
        calls.scopes["b"].cancel()
        calls.scopes["a"].cancel()
        await settle()
        await clock.advance(1.0)
        assert "ac" == calls.names
        tasks.cancel_scope.cancel()


async def test_a_call_without_a_permit_gives_up(make: Make, calls: Calls, clock: FakeClock) -> None:
    """After ``max_wait``, by an error that says why."""
    gates = make(max_in_flight=1)
    errors: list[RateLimitError] = []

    async def impatient() -> None:
        try:
            await calls.call(gates[-1], "b", 5.0)
        except RateLimitError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "a")
        tasks.start_soon(impatient)
        await clock.advance(3.9)
        assert [] == errors
        await clock.advance(1.2)
        assert ["429 no turn within 5 s"] == [str(error)[:22] for error in errors]
        tasks.cancel_scope.cancel()


async def test_a_stop_ends_the_wait_for_a_permit(make: Make, calls: Calls) -> None:
    """At once, and the call is not sent."""
    [gate, *_] = gates = make(max_in_flight=1)
    stop, stopped = Stop(), anyio.Event()

    async def wait() -> None:
        with pytest.raises(StopRequestedError):
            async with gate.passage(max_wait=60.0, stop=stop):
                pytest.fail("it passed")
        stopped.set()

    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "a")
        tasks.start_soon(wait)
        await settle()
        stop.request()
        await stopped.wait()
        tasks.cancel_scope.cancel()


async def test_the_rate_spaces_the_calls(make: Make, calls: Calls, clock: FakeClock) -> None:
    """Four per second in the long run, whichever process they are from."""
    gates = make(requests_per_second=4.0)
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "abcdef")
        await clock.advance(2.0)
        instants = [at for _, at, _ in calls.passed]
        assert "abcdef" == "".join(sorted(calls.names))
        # One turn that was missed may be made up for, here that before the first call.
        late = [at - 0.25 * number for number, at in enumerate(instants)]
        assert [] == [it for it in late if not -0.26 < it < 0.03]
        tasks.cancel_scope.cancel()


async def test_subscribers_are_told_when_it_closes_and_reopens(
    make: Make, calls: Calls, clock: FakeClock
) -> None:
    """In the process whose calls notice it: of the opening and of each change."""
    gates = make()
    seen: list[str] = []
    async with anyio.create_task_group() as tasks:
        with (
            gates[0].on_reopened(lambda: seen.append("reopened")),
            gates[0].on_switched(lambda: seen.append(f"closed={gates[0].closed}")),
        ):
            await calls.arrive(tasks, gates, "a")
            await calls.end("a", throttled(1.0))
            await calls.arrive(tasks, gates, "b")
            await clock.advance(2.0)
            await calls.end("b", outcome=True)
    assert ["closed=True", "reopened", "closed=False"] == seen


async def test_the_permit_of_a_dead_process_comes_back(
    make_shared: Make, calls: Calls, clock: FakeClock
) -> None:
    """Its lease ends, within fifteen seconds; one that is renewed does not end."""
    gates = make_shared(max_in_flight=1)
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "ab")
        await clock.advance(60.0)
        assert "a" == calls.names
        gates[0]._ask = _never  # type: ignore[attr-defined]
        await clock.advance(15.0)
        assert "ab" == calls.names
        tasks.cancel_scope.cancel()


async def test_a_dead_probe_is_replaced(make_shared: Make, calls: Calls, clock: FakeClock) -> None:
    """Otherwise the account would stay closed for good."""
    gates = make_shared()
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "a")
        await calls.end("a", throttled(1.0))
        await calls.arrive(tasks, gates, "b")
        await clock.advance(2.0)
        gates[0]._ask = _never  # type: ignore[attr-defined]
        await calls.arrive(tasks, gates[1:], "c")
        await clock.advance(15.0)
        assert [False, True, True] == calls.probes
        tasks.cancel_scope.cancel()


async def _never(*arguments: Any) -> None:
    """Do nothing, as a dead process does."""


async def test_a_permit_that_met_trouble_is_not_given_again_at_once(
    make_shared: Make, calls: Calls, clock: FakeClock
) -> None:
    """So that an outage costs few requests; a success of a call sent after it gives all back."""
    gates = make_shared(max_in_flight=4)
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "abcdefgh")
        for name in "ab":
            await calls.end(name, throttled())
            await clock.advance(1.0)
        assert "abcd" == calls.names
        await calls.end("c", outcome=True)
        await clock.advance(1.0)
        assert "abcde" == calls.names
        await calls.end("e", outcome=True)
        await clock.advance(1.0)
        assert set("abcdefgh") == set(calls.names)
        tasks.cancel_scope.cancel()


async def test_redis_is_asked_few_times(
    make_shared: Make, calls: Calls, clock: FakeClock, redis: VirtualRedis
) -> None:
    """A call that has to wait is told when to come back."""
    gates = make_shared(max_in_flight=1)
    async with anyio.create_task_group() as tasks:
        await calls.arrive(tasks, gates, "abcd")
        for name in "abcd":
            await clock.advance(0.1)
            before = redis.calls
            await calls.end(name, outcome=True)
            await clock.advance(0.1)
            assert redis.calls - before < 12
    assert "abcd" == calls.names


async def test_keys_of_one_account_are_on_one_node_of_a_cluster(redis: VirtualRedis) -> None:
    """All have one hash tag: the user's, or the whole key."""
    tags = [repr(RedisAccount(redis, key)).partition("}")[0] for key in ("cr:shop-42", "cr:{7}")]
    assert ["RedisAccount('{cr:shop-42", "RedisAccount('cr:{7"] == tags
