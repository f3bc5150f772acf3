"""The gate: when it closes, which call is the probe, and which calls pass."""

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


async def test_watchers_are_told_when_it_has_closed_and_opened(
    clock: FakeClock, rng: FixedRandom
) -> None:
    """Once for each, and only during their block."""
    gate = AccountGate(clock, rng)
    seen: list[bool] = []
    with gate.on_switched(lambda: seen.append(gate.closed)):
        gate.push_back(5.0, probe=False)
        gate.push_back(9.0, probe=False)
        async with gate.passage(max_wait=60.0) as passage:
            passage.succeeded()
    gate.push_back(5.0, probe=False)

    assert [True, False] == seen


class Callers:
    """Calls that pass a gate and stay in flight until the test ends them."""

    def __init__(self, gate: AccountGate, clock: FakeClock) -> None:
        self.gate = gate
        self.clock = clock
        self.passed: list[tuple[str, float, bool]] = []
        self.ended: dict[str, anyio.Event] = {}
        self.outcome: dict[str, float | bool | None] = {}
        self.scopes: dict[str, anyio.CancelScope] = {}

    @property
    def latest(self) -> str:
        """The call that passed last; the event loop chooses which waiting call is first."""
        return self.passed[-1][0]

    @property
    def probes(self) -> list[bool]:
        """For each call that passed, whether it was a probe."""
        return [probe for _, _, probe in self.passed]

    async def call(self, name: str) -> None:
        """Pass the gate, record when, and wait until the test ends the call."""
        self.ended[name] = anyio.Event()
        with anyio.CancelScope() as scope:
            self.scopes[name] = scope
            async with self.gate.passage(max_wait=3600.0) as passage:
                self.passed.append((name, self.clock.elapsed, passage.probe))
                await self.ended[name].wait()
                outcome = self.outcome[name]
                if outcome is True:
                    passage.succeeded()
                elif outcome is not False:
                    passage.failed(Diagnosis(closes_gate=True, retry_after=outcome))

    async def end(self, name: str, outcome: float | bool | None) -> None:
        """End a call: ``True`` success, ``False`` no report, else failure with ``Retry-After``."""
        self.outcome[name] = outcome
        self.ended[name].set()
        await wait_all_tasks_blocked()


@pytest.fixture
def gate(clock: FakeClock, rng: FixedRandom) -> AccountGate:
    """The gate under test; time passes only in ``clock.advance()``."""
    clock.hold()
    return AccountGate(clock, rng)


@pytest.fixture
def callers(gate: AccountGate, clock: FakeClock) -> Callers:
    """Calls of that gate."""
    return Callers(gate, clock)


async def arrive(tasks: TaskGroup, callers: Callers, names: str) -> None:
    """Start calls one after another; each letter is a name."""
    for name in names:
        tasks.start_soon(callers.call, name)
        await wait_all_tasks_blocked()


def test_three_push_backs_in_a_row_close_it(gate: AccountGate) -> None:
    """The first two do not."""
    states: list[bool] = []
    for _ in range(3):
        gate.push_back(None, probe=False)
        states.append(gate.closed)
    assert [False, False, True] == states


def test_a_success_between_starts_the_count_anew(gate: AccountGate) -> None:
    """Only failures without a success between them close the gate."""
    for _ in range(4):
        gate.push_back(None, probe=False)
        gate.push_back(None, probe=False)
        gate.succeeded(probe=False)
    assert not gate.closed


async def test_retry_after_closes_it_for_all_callers(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """One Retry-After delays all calls, and none passes before it ends."""
    gate.push_back(10.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "abc")
        await clock.advance(10.0)
        assert [] == callers.passed
        await clock.advance(0.5)
        assert [(10.5, True)] == [(at, probe) for _, at, probe in callers.passed]
        await callers.end(callers.latest, outcome=True)
        await clock.advance(0.5)
        assert [True, False, False] == callers.probes
        assert {10.5, 10.75} == {at for _, at, _ in callers.passed}
        tasks.cancel_scope.cancel()


async def test_one_probe_goes_first_and_its_success_lets_all_through(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """While the probe is in flight all other calls wait, new ones included."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "abc")
        await clock.advance(2.0)
        await arrive(tasks, callers, "d")
        await clock.advance(100.0)
        assert [True] == callers.probes
        await callers.end(callers.latest, outcome=True)
        await clock.advance(0.5)
        assert [True, False, False, False] == callers.probes
        assert {"a", "b", "c", "d"} == {name for name, _, _ in callers.passed}
        assert not gate.closed
        tasks.cancel_scope.cancel()


async def test_a_failing_probe_lengthens_the_wait(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """Each failed probe about doubles the wait, up to the maximum; each is another call."""
    for _ in range(3):
        gate.push_back(None, probe=False)
    names = "abcdefgh"
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, names)
        for _ in names:
            await clock.advance(20.0)
            await callers.end(callers.latest, outcome=None)
    assert [0.75, 1.5, 3.0, 6.0, 11.25] == sorted({round(it, 3) for it in clock.sleeps})
    assert [True] * 8 == callers.probes


async def test_retry_after_of_a_probe_closes_it_for_that_long(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """The server's Retry-After replaces the gate's own backoff."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "ab")
        await clock.advance(2.0)
        await callers.end(callers.latest, outcome=30.0)
        await clock.advance(31.4)
        assert [True] == callers.probes
        await clock.advance(0.2)
        assert [True, True] == callers.probes
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("way", ["cancelled", "without a report"])
async def test_another_caller_becomes_the_probe_if_the_first_is_cancelled(
    gate: AccountGate, callers: Callers, clock: FakeClock, way: str
) -> None:
    """The gate does not wait for a probe that is cancelled or raises."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "abc")
        await clock.advance(2.0)
        if way == "cancelled":
            callers.scopes[callers.latest].cancel()
            await wait_all_tasks_blocked()
        else:
            await callers.end(callers.latest, outcome=False)
        assert [True, True] == callers.probes
        await callers.end(callers.latest, outcome=True)
        await clock.advance(0.5)
        assert [True, True, False] == callers.probes
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("passed", [9.0, 12.0], ids=["before", "after"])
async def test_a_late_success_does_not_open_it(
    gate: AccountGate, callers: Callers, clock: FakeClock, passed: float
) -> None:
    """A call sent before the closing says nothing about the server now."""
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "a")
        gate.push_back(10.0, probe=False)
        await arrive(tasks, callers, "bc")
        await clock.advance(passed)
        before = list(callers.passed)
        await callers.end("a", outcome=True)
        assert (True, before) == (gate.closed, callers.passed)
        tasks.cancel_scope.cancel()


async def test_a_success_resets_the_wait(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """The next outage starts with a short wait again."""
    async with anyio.create_task_group() as tasks:
        gate.push_back(1.0, probe=False)
        await arrive(tasks, callers, "abcd")
        for outcome in (None, None, True):
            await clock.advance(5.0)
            await callers.end(callers.latest, outcome=outcome)
        for _ in range(3):
            gate.push_back(None, probe=False)
        clock.sleeps.clear()
        await arrive(tasks, callers, "e")
        assert [0.75] == clock.sleeps
        tasks.cancel_scope.cancel()


async def test_a_late_retry_after_outlasts_the_probe(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """If Retry-After arrives while the probe is in flight, no call passes before it ends."""
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "a")
        gate.push_back(1.0, probe=False)
        await arrive(tasks, callers, "bc")
        await clock.advance(2.0)
        probe = callers.latest
        await callers.end("a", outcome=20.0)
        await callers.end(probe, outcome=True)
        await clock.advance(20.0)
        assert [False, True] == callers.probes
        await clock.advance(2.0)
        assert [False, True, True] == callers.probes
        tasks.cancel_scope.cancel()


async def test_a_later_retry_after_extends_the_wait(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """The latest end counts; a shorter wait never shortens a longer one."""
    gate.push_back(5.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "a")
        gate.push_back(20.0, probe=False)
        gate.push_back(1.0, probe=False)
        await clock.advance(20.0)
        assert [] == callers.passed
        await clock.advance(1.0)
        assert [("a", 21.0, True)] == callers.passed
        tasks.cancel_scope.cancel()


async def test_a_caller_that_cannot_wait_gets_an_error(gate: AccountGate, clock: FakeClock) -> None:
    """The error contains the remaining seconds."""
    gate.push_back(600.0, probe=False)
    await clock.advance(30.0)
    with pytest.raises(RateLimitError) as caught:
        async with gate.passage(max_wait=60.0):
            pytest.fail("a call passed a closed gate")
    assert 600.0 == caught.value.retry_after
    assert str(caught.value).startswith("429 calls of the account are paused for 600 s more")


async def test_a_waiting_caller_may_be_cancelled(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """Cancelled while it waits for time or for the probe, it does not block other calls."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "abcd")
        callers.scopes["a"].cancel()
        await clock.advance(2.0)
        assert [True] == callers.probes
        waiting = sorted({"b", "c", "d"} - {callers.latest})
        callers.scopes[waiting[0]].cancel()
        await callers.end(callers.latest, outcome=True)
        await clock.advance(0.5)
        assert [waiting[1]] == [name for name, _, probe in callers.passed if not probe]
        tasks.cancel_scope.cancel()


async def test_s2_waiting_callers_are_released_one_by_one(
    gate: AccountGate, callers: Callers, clock: FakeClock, rng: FixedRandom
) -> None:
    """They pass within half a second after the probe's success; later calls do not wait."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "abcde")
        await clock.advance(2.0)
        shares = iter([0.1, 0.4, 0.6, 0.9])
        rng.random = lambda: next(shares)  # type: ignore[method-assign]
        opened = clock.elapsed
        await callers.end(callers.latest, outcome=True)
        assert [True] == callers.probes
        await arrive(tasks, callers, "f")
        await clock.advance(0.5)
        assert [0.0, 0.05, 0.2, 0.3, 0.45] == [
            round(at - opened, 3) for _, at, _ in callers.passed[1:]
        ]
        tasks.cancel_scope.cancel()


async def test_s2_a_gate_that_closes_again_holds_waiting_callers(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """If Retry-After arrives during the release, no further call passes before it ends."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "abc")
        await clock.advance(2.0)
        await callers.end(callers.latest, outcome=True)
        gate.push_back(20.0, probe=False)
        await clock.advance(20.0)
        assert [True] == callers.probes
        await clock.advance(2.0)
        assert [True, True] == callers.probes
        tasks.cancel_scope.cancel()


async def test_subscribers_are_called_when_it_reopens(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """Once per closing that began inside their block, and not after it."""
    reopened: list[str] = []
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        with gate.on_reopened(lambda: reopened.append("a")):
            await arrive(tasks, callers, "a")
            await clock.advance(2.0)
            await callers.end("a", outcome=True)
            assert ([], False) == (reopened, gate.closed)

            gate.push_back(1.0, probe=False)
            gate.push_back(2.0, probe=False)
            await arrive(tasks, callers, "b")
            await clock.advance(3.0)
            await callers.end("b", outcome=True)
            assert ["a"] == reopened
            gate.push_back(1.0, probe=False)
        await arrive(tasks, callers, "c")
        await clock.advance(3.0)
        await callers.end("c", outcome=True)
    assert (["a"], False) == (reopened, gate.closed)


ABSURD = [3601.0, 999_999_999.0, 1_735_689_600.0, 2.5e11, 1e300, 1.7e308]


@pytest.mark.parametrize("retry_after", ABSURD)
@pytest.mark.parametrize("max_pause", [60.0, 3600.0])
async def test_an_absurd_wait_ends_with_a_probe(
    gate: AccountGate, callers: Callers, clock: FakeClock, retry_after: float, max_pause: float
) -> None:
    """However long the server asked to wait, the gate closes for ``max_pause`` at most."""
    gate.push_back(retry_after, probe=False, max_pause=max_pause)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "ab")
        await clock.advance(max_pause - 0.1)
        assert [] == callers.probes
        await clock.advance(0.1)
        assert [True] == callers.probes
        await callers.end(callers.latest, outcome=True)
        await clock.advance(0.5)
        assert ([True, False], False) == (callers.probes, gate.closed)
        tasks.cancel_scope.cancel()


async def test_a_probe_that_is_told_an_absurd_wait(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """The ceiling holds each time, and that of the call counts."""
    gate.push_back(1.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "a")
        await clock.advance(2.0)
        await callers.end("a", outcome=1e9)
        await arrive(tasks, callers, "b")
        await clock.advance(3599.0)
        assert [True] == callers.probes
        await clock.advance(1.0)
        assert [True, True] == callers.probes
        tasks.cancel_scope.cancel()


async def test_the_error_says_what_the_server_asked_for(gate: AccountGate) -> None:
    """And how long it really takes."""
    gate.push_back(999_999_999.0, probe=False)
    with pytest.raises(
        RateLimitError, match=r"paused for 3600 s more.*wait for 999999999 s"
    ) as caught:
        async with gate.passage(max_wait=60.0):
            pytest.fail("a call passed a closed gate")
    assert 3600.0 == caught.value.retry_after


async def test_an_hour_is_not_absurd(gate: AccountGate, callers: Callers, clock: FakeClock) -> None:
    """Up to the ceiling the server's word counts, with jitter."""
    gate.push_back(1800.0, probe=False)
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "a")
        await clock.advance(1889.9)
        assert [] == callers.probes
        await clock.advance(0.2)
        assert [True] == callers.probes
        tasks.cancel_scope.cancel()


async def test_late_failures_do_not_lengthen_a_closed_gate(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """Calls from before the closing say nothing new, however many fail."""
    async with anyio.create_task_group() as tasks:
        await arrive(tasks, callers, "abcdefgh")
        for name in "abc":
            await callers.end(name, outcome=None)
        await arrive(tasks, callers, "p")
        await clock.advance(0.5)
        for name in "defgh":
            await callers.end(name, outcome=None)
        await clock.advance(0.3)  # the first closing is for 0.75 s
        assert [True] == callers.probes[8:]
        clock.sleeps.clear()
        await arrive(tasks, callers, "q")
        await callers.end("p", outcome=None)
        await clock.advance(0.0)
        assert [1.5] == clock.sleeps, "only the probe counts as another round"
        tasks.cancel_scope.cancel()


async def test_a_push_back_at_a_closed_gate_is_no_second_closing(
    gate: AccountGate, callers: Callers, clock: FakeClock
) -> None:
    """Whoever subscribes while it is closed is not told of its reopening, as is promised."""
    reopened: list[str] = []
    gate.push_back(1.0, probe=False)
    with gate.on_reopened(lambda: reopened.append("late")):
        gate.push_back(2.0, probe=False)
        async with anyio.create_task_group() as tasks:
            await arrive(tasks, callers, "a")
            await clock.advance(3.0)
            await callers.end("a", outcome=True)
    assert ([], False) == (reopened, gate.closed)
