"""The gate by itself: when it closes, who goes first, and who is let through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import TaskGroup

from cleverreach_async.errors import RateLimitError
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.retry import Diagnosis

if TYPE_CHECKING:
    from support.clocks import FakeClock, FixedRandom

pytestmark = pytest.mark.anyio


class Crowd:
    """Callers who pass a gate and stay inside until told how their call went."""

    def __init__(self, gate: AccountGate, clock: FakeClock) -> None:
        self.gate = gate
        self.clock = clock
        self.passed: list[tuple[str, float, bool]] = []
        self.verdicts: dict[str, anyio.Event] = {}
        self.outcome: dict[str, float | bool | None] = {}
        self.scopes: dict[str, anyio.CancelScope] = {}

    @property
    def latest(self) -> str:
        """Who passed last; which waiter goes first is the event loop's choice."""
        return self.passed[-1][0]

    @property
    def probes(self) -> list[bool]:
        """Of each who passed, whether as a probe."""
        return [probe for _, _, probe in self.passed]

    async def call(self, name: str) -> None:
        """Pass the gate, note when, and wait for the verdict."""
        self.verdicts[name] = anyio.Event()
        with anyio.CancelScope() as scope:
            self.scopes[name] = scope
            async with self.gate.passage(max_wait=3600.0) as passage:
                self.passed.append((name, self.clock.elapsed, passage.probe))
                await self.verdicts[name].wait()
                outcome = self.outcome[name]
                if outcome is True:
                    passage.succeeded()
                elif outcome is not False:
                    passage.failed(Diagnosis(closes_gate=True, retry_after=outcome))

    async def end(self, name: str, outcome: float | bool | None) -> None:
        """End a call: ``True`` well, ``False`` without a verdict, else pushed back so."""
        self.outcome[name] = outcome
        self.verdicts[name].set()
        await wait_all_tasks_blocked()


@pytest.fixture
def gate(clock: FakeClock, rng: FixedRandom) -> AccountGate:
    """The gate under test, on held time."""
    clock.hold()
    return AccountGate(clock, rng)


@pytest.fixture
def crowd(gate: AccountGate, clock: FakeClock) -> Crowd:
    """Callers of that gate."""
    return Crowd(gate, clock)


async def arrive(tasks: TaskGroup, crowd: Crowd, names: str) -> None:
    """Let callers arrive one after another, one letter each."""
    for name in names:
        tasks.start_soon(crowd.call, name)
        await wait_all_tasks_blocked()


def test_three_push_backs_in_a_row_close_it(gate: AccountGate) -> None:
    """Two are bad luck; the third is the server."""
    states: list[bool] = []
    for _ in range(3):
        gate.push_back(None, probe=False)
        states.append(gate.closed)
    assert [False, False, True] == states


def test_a_success_between_starts_the_count_anew(gate: AccountGate) -> None:
    """Push-backs close the gate only when nothing works in between."""
    for _ in range(4):
        gate.push_back(None, probe=False)
        gate.push_back(None, probe=False)
        gate.succeeded(probe=False)
    assert not gate.closed


async def test_retry_after_closes_it_for_all_callers(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """One Retry-After stops callers that never met it, and not one goes before its instant."""
    gate.push_back(10.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "abc")
        await clock.advance(10.0)
        assert [] == crowd.passed
        await clock.advance(0.5)
        assert [(10.5, True)] == [(at, probe) for _, at, probe in crowd.passed]
        await crowd.end(crowd.latest, outcome=True)
        await clock.advance(0.5)
        assert [True, False, False] == crowd.probes
        assert {10.5, 10.75} == {at for _, at, _ in crowd.passed}
        tasks.cancel_scope.cancel()


async def test_one_probe_goes_first_and_its_success_lets_all_through(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """While the probe is on its way the others wait, newcomers included."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "abc")
        await clock.advance(2.0)
        await arrive(tasks, crowd, "d")
        await clock.advance(100.0)
        assert [True] == crowd.probes
        await crowd.end(crowd.latest, outcome=True)
        await clock.advance(0.5)
        assert [True, False, False, False] == crowd.probes
        assert {"a", "b", "c", "d"} == {name for name, _, _ in crowd.passed}
        assert not gate.closed
        tasks.cancel_scope.cancel()


async def test_a_failing_probe_lengthens_the_wait(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """Each failed probe about doubles the wait, up to the longest; each is another caller."""
    for _ in range(3):
        gate.push_back(None, probe=False)
    names = "abcdefgh"
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, names)
        for _ in names:
            await clock.advance(20.0)
            await crowd.end(crowd.latest, outcome=None)
    assert [0.75, 1.5, 3.0, 6.0, 11.25] == sorted({round(it, 3) for it in clock.sleeps})
    assert [True] * 8 == crowd.probes


async def test_retry_after_of_a_probe_closes_it_for_that_long(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """The server's word counts for more than the gate's own schedule."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "ab")
        await clock.advance(2.0)
        await crowd.end(crowd.latest, outcome=30.0)
        await clock.advance(31.4)
        assert [True] == crowd.probes
        await clock.advance(0.2)
        assert [True, True] == crowd.probes
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("way", ["cancelled", "without a verdict"])
async def test_another_caller_becomes_the_probe_if_the_first_is_cancelled(
    gate: AccountGate, crowd: Crowd, clock: FakeClock, way: str
) -> None:
    """A probe that is cancelled or breaks does not leave the gate waiting for it."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "abc")
        await clock.advance(2.0)
        if way == "cancelled":
            crowd.scopes[crowd.latest].cancel()
            await wait_all_tasks_blocked()
        else:
            await crowd.end(crowd.latest, outcome=False)
        assert [True, True] == crowd.probes
        await crowd.end(crowd.latest, outcome=True)
        await clock.advance(0.5)
        assert [True, True, False] == crowd.probes
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("passed", [9.0, 12.0], ids=["before", "after"])
async def test_a_late_success_does_not_open_it(
    gate: AccountGate, crowd: Crowd, clock: FakeClock, passed: float
) -> None:
    """A call from before the closing says nothing about the server now, whenever it ends."""
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "a")
        gate.push_back(10.0, probe=False)
        await arrive(tasks, crowd, "bc")
        await clock.advance(passed)
        before = list(crowd.passed)
        await crowd.end("a", outcome=True)
        assert (True, before) == (gate.closed, crowd.passed)
        tasks.cancel_scope.cancel()


async def test_a_success_resets_the_wait(gate: AccountGate, crowd: Crowd, clock: FakeClock) -> None:
    """The next outage is met with short waits again."""
    async with anyio.create_task_group() as tasks:
        gate.push_back(1.0, probe=False)
        await arrive(tasks, crowd, "abcd")
        for outcome in (None, None, True):
            await clock.advance(5.0)
            await crowd.end(crowd.latest, outcome=outcome)
        for _ in range(3):
            gate.push_back(None, probe=False)
        clock.sleeps.clear()
        await arrive(tasks, crowd, "e")
        assert [0.75] == clock.sleeps
        tasks.cancel_scope.cancel()


async def test_a_late_retry_after_outlasts_the_probe(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """Told to wait while the probe is on its way, nobody goes before that instant."""
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "a")
        gate.push_back(1.0, probe=False)
        await arrive(tasks, crowd, "bc")
        await clock.advance(2.0)
        probe = crowd.latest
        await crowd.end("a", outcome=20.0)
        await crowd.end(probe, outcome=True)
        await clock.advance(20.0)
        assert [False, True] == crowd.probes
        await clock.advance(2.0)
        assert [False, True, True] == crowd.probes
        tasks.cancel_scope.cancel()


async def test_a_later_retry_after_extends_the_wait(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """The latest instant counts; a shorter wait never shortens a longer one."""
    gate.push_back(5.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "a")
        gate.push_back(20.0, probe=False)
        gate.push_back(1.0, probe=False)
        await clock.advance(20.0)
        assert [] == crowd.passed
        await clock.advance(1.0)
        assert [("a", 21.0, True)] == crowd.passed
        tasks.cancel_scope.cancel()


async def test_a_caller_that_cannot_wait_gets_an_error(gate: AccountGate, clock: FakeClock) -> None:
    """The error carries the seconds that remain."""
    gate.push_back(600.0, probe=False)
    await clock.advance(30.0)
    with pytest.raises(RateLimitError) as caught:
        async with gate.passage(max_wait=60.0):
            pytest.fail("nobody passes a closed gate")
    assert 600.0 == caught.value.retry_after
    assert str(caught.value).startswith("429 calls of the account are paused for 600 s more")


async def test_a_waiting_caller_may_be_cancelled(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """Cancelled while waiting for the instant, or for the probe, it holds up nobody."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "abcd")
        crowd.scopes["a"].cancel()
        await clock.advance(2.0)
        assert [True] == crowd.probes
        waiting = sorted({"b", "c", "d"} - {crowd.latest})
        crowd.scopes[waiting[0]].cancel()
        await crowd.end(crowd.latest, outcome=True)
        await clock.advance(0.5)
        assert [waiting[1]] == [name for name, _, probe in crowd.passed if not probe]
        tasks.cancel_scope.cancel()


async def test_s2_waiting_callers_are_released_one_by_one(
    gate: AccountGate, crowd: Crowd, clock: FakeClock, rng: FixedRandom
) -> None:
    """After the probe's success they arrive over half a second; who comes later does not wait."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "abcde")
        await clock.advance(2.0)
        shares = iter([0.1, 0.4, 0.6, 0.9])
        rng.random = lambda: next(shares)  # type: ignore[method-assign]
        opened = clock.elapsed
        await crowd.end(crowd.latest, outcome=True)
        assert [True] == crowd.probes
        await arrive(tasks, crowd, "f")
        await clock.advance(0.5)
        assert [0.0, 0.05, 0.2, 0.3, 0.45] == [
            round(at - opened, 3) for _, at, _ in crowd.passed[1:]
        ]
        tasks.cancel_scope.cancel()


async def test_s2_a_gate_that_closes_again_holds_waiting_callers(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """Told to wait while the others are leaving, nobody goes before that instant."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, crowd, "abc")
        await clock.advance(2.0)
        await crowd.end(crowd.latest, outcome=True)
        gate.push_back(20.0, probe=False)
        await clock.advance(20.0)
        assert [True] == crowd.probes
        await clock.advance(2.0)
        assert [True, True] == crowd.probes
        tasks.cancel_scope.cancel()


async def test_subscribers_are_called_when_it_reopens(
    gate: AccountGate, crowd: Crowd, clock: FakeClock
) -> None:
    """Once per closing that began inside their block, and not after it."""
    reopened: list[str] = []
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        with gate.on_reopened(lambda: reopened.append("a")):
            await arrive(tasks, crowd, "a")
            await clock.advance(2.0)
            await crowd.end("a", outcome=True)
            assert ([], False) == (reopened, gate.closed)

            gate.push_back(1.0, probe=False)
            gate.push_back(2.0, probe=False)
            await arrive(tasks, crowd, "b")
            await clock.advance(3.0)
            await crowd.end("b", outcome=True)
            assert ["a"] == reopened
            gate.push_back(1.0, probe=False)
        await arrive(tasks, crowd, "c")
        await clock.advance(3.0)
        await crowd.end("c", outcome=True)
    assert (["a"], False) == (reopened, gate.closed)
