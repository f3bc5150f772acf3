"""Stop signals: what a stop ends, what it does not, and what an abort ends."""

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
from cleverreach_async.transport.http.httpx_sender import HttpxSender
from cleverreach_async.transport.stop import Stop, StopRequestedError

pytestmark = pytest.mark.anyio

URL = "https://api.example/v3/groups"
Handler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


async def test_a_stop_ends_waits() -> None:
    """Every wait in such a block raises immediately."""
    stop = Stop()
    stopped: list[str] = []

    async def wait(name: str) -> None:
        try:
            with stop.ending_waits():
                await anyio.sleep_forever()
        except StopRequestedError:
            stopped.append(name)

    async with anyio.create_task_group() as tasks:
        for name in ("a", "b", "c"):
            tasks.start_soon(wait, name)
        await wait_all_tasks_blocked()
        stop.request()

    assert ["a", "b", "c"] == sorted(stopped)


async def test_a_stop_prevents_later_waits() -> None:
    """A later wait raises immediately."""
    stop = Stop()
    stop.request()

    with pytest.raises(StopRequestedError), stop.ending_waits():
        raise AssertionError


async def test_a_wait_that_has_ended_does_not_raise() -> None:
    """Even if the stop is requested at the moment when the wait ends."""
    stop = Stop()
    with stop.ending_waits():
        stop.request()

    assert stop.requested
    assert not stop.aborted


async def test_a_stop_does_not_abort_requests_in_flight() -> None:
    """Only an abort does, for requests sent before or after it."""
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


async def test_a_cancelled_wait_is_not_a_stop() -> None:
    """The cancellation of the caller is not replaced by StopRequestedError."""
    stop = Stop()
    with anyio.CancelScope() as scope, stop.ending_waits():
        scope.cancel()
        await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert not stop.requested


async def test_a_stop_ends_the_wait_at_the_gate() -> None:
    """Calls with another stop signal continue to wait."""
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


async def test_a_stop_ends_the_wait_for_the_probe() -> None:
    """Calls that wait for the probe of another raise; there is still only one probe."""
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
@pytest.mark.parametrize("when", ["before", "in flight"])
async def test_the_sender_aborts_a_request(library: Any, when: str) -> None:
    """It counts as sent, and is a lost connection rather than a timeout."""
    arrived = anyio.Event()

    async def never_respond(request: Any) -> Any:
        arrived.set()
        await anyio.sleep_forever()

    client = library.AsyncClient(transport=library.MockTransport(cast("Handler", never_respond)))
    stop = Stop()
    if when == "before":
        stop.abort()
    caught: list[Exception] = []

    async def send() -> None:
        try:
            await HttpxSender(client).send(
                "POST", URL, headers=[], content=b"{}", timeout=60.0, stop=stop
            )
        except APIConnectionError as error:
            caught.append(error)

    async with client, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        if when == "in flight":
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
