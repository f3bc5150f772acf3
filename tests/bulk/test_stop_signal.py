"""A request to stop: what it ends, what it leaves alone, and what an abort cuts short."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

import anyio
import httpx
import httpx2
import pytest
from anyio import wait_all_tasks_blocked
from support.clocks import FakeClock, FixedRandom

from cleverreach_async import APIConnectionError, APITimeoutError
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.http import ClientSender
from cleverreach_async.transport.stop import Stop, StopRequestedError

pytestmark = pytest.mark.anyio

URL = "https://api.example/v3/groups"
Handler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


async def test_a_request_ends_the_waits_under_way() -> None:
    """Everybody who waits inside such a block is told at once."""
    stop = Stop()
    told: list[str] = []

    async def wait(name: str) -> None:
        try:
            with stop.ending_waits():
                await anyio.sleep_forever()
        except StopRequestedError:
            told.append(name)

    async with anyio.create_task_group() as tasks:
        for name in ("a", "b", "c"):
            tasks.start_soon(wait, name)
        await wait_all_tasks_blocked()
        stop.request()

    assert ["a", "b", "c"] == sorted(told)


async def test_a_request_ends_the_waits_to_come() -> None:
    """After it no wait begins."""
    stop = Stop()
    stop.request()

    with pytest.raises(StopRequestedError), stop.ending_waits():
        raise AssertionError


async def test_a_wait_that_is_over_is_not_ended() -> None:
    """A stop that comes in the very moment in which the wait ends takes nothing back."""
    stop = Stop()
    with stop.ending_waits():
        stop.request()

    assert stop.requested
    assert not stop.aborted


async def test_a_request_leaves_exchanges_alone() -> None:
    """Only the second stage cuts what is on the wire, begun before or after it."""
    stop = Stop()
    with anyio.CancelScope() as scope, stop.cutting(scope):
        stop.request()
        await anyio.lowlevel.checkpoint()

    assert not scope.cancelled_caught

    with anyio.CancelScope() as running, stop.cutting(running):
        stop.abort()
        await anyio.sleep_forever()
    with anyio.CancelScope() as late, stop.cutting(late):
        await anyio.sleep_forever()

    assert (True, True) == (running.cancelled_caught, late.cancelled_caught)


async def test_a_cancelled_wait_is_a_cancelled_wait() -> None:
    """The caller's own cancellation is not mistaken for a stop."""
    stop = Stop()
    with anyio.CancelScope() as scope, stop.ending_waits():
        scope.cancel()
        await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert not stop.requested


async def test_the_gate_lets_go_of_those_who_are_to_stop() -> None:
    """Behind a closed gate a stop ends the wait, and others go on waiting."""
    clock = FakeClock()
    clock.hold()
    gate = AccountGate(clock, FixedRandom(0.0))
    gate.push_back(60.0, probe=False)
    stop, passed, stopped = Stop(), [0.0], 0

    async def go(stop: Stop | None) -> None:
        nonlocal stopped
        try:
            async with gate.passage(max_wait=600.0, stop=stop):
                passed.append(clock.elapsed)
        except StopRequestedError:
            stopped += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go, stop)
        tasks.start_soon(go, None)
        await wait_all_tasks_blocked()
        stop.request()
        await wait_all_tasks_blocked()

        assert (1, 0.0) == (stopped, clock.elapsed)

        await clock.advance(61.0)

    assert [0.0, 60.0] == passed


async def test_a_stopped_probe_gives_its_place_away() -> None:
    """Whoever waits for the probe of another is let go; the probe itself stays the only one."""
    clock = FakeClock()
    clock.hold()
    gate = AccountGate(clock, FixedRandom(0.0))
    gate.push_back(1.0, probe=False)
    stop = Stop()
    probes: list[bool] = []

    async def probe() -> None:
        async with gate.passage(max_wait=600.0, stop=stop) as passage:
            probes.append(passage.probe)
            await clock.sleep(10.0)

    async def follow() -> None:
        with pytest.raises(StopRequestedError):
            async with gate.passage(max_wait=600.0, stop=stop):
                raise AssertionError

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(probe)
        await wait_all_tasks_blocked()
        await clock.advance(2.0)
        tasks.start_soon(follow)
        await wait_all_tasks_blocked()
        stop.request()
        await wait_all_tasks_blocked()
        await clock.advance(20.0)

    assert [True] == probes
    async with gate.passage(max_wait=0.0) as passage:
        assert passage.probe


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_the_sender_breaks_off_an_exchange(library: Any, when: str) -> None:
    """An aborted request counts as sent, and as lost rather than late."""
    arrived = anyio.Event()

    async def hang(request: Any) -> Any:
        arrived.set()
        await anyio.sleep_forever()

    client = library.AsyncClient(transport=library.MockTransport(cast("Handler", hang)))
    stop = Stop()
    if when == "before":
        stop.abort()
    caught: list[Exception] = []

    async def send() -> None:
        try:
            await ClientSender(client).send(
                "POST", URL, headers=[], content=b"{}", timeout=60.0, stop=stop
            )
        except APIConnectionError as error:
            caught.append(error)

    async with client, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        if when == "meanwhile":
            await arrived.wait()
            stop.request()
            await wait_all_tasks_blocked()

            assert [] == caught

            stop.abort()

    [error] = caught
    assert isinstance(error, APIConnectionError)
    assert not isinstance(error, APITimeoutError)
    assert error.sent
    assert "aborted" in str(error)
