"""Cancelled callers and timeouts do not break the pool."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from support.http_clients import opened

from cleverreach_async.errors import APIConnectionError, APITimeoutError
from cleverreach_async.transport.http.httpx_sender import HttpxSender
from cleverreach_async.transport.http.pooled_sender import PooledSender
from cleverreach_async.transport.stop import Stop

if TYPE_CHECKING:
    from http.conftest import Connection, RawServer

pytestmark = [pytest.mark.anyio, pytest.mark.socket]

CALLERS = 10
MOST_CHECKPOINTS = 40


@pytest.fixture
async def sender(server: RawServer) -> Any:
    """A sender of ten connections."""
    sender = PooledSender(base_url=server.url, max_connections=CALLERS)
    yield sender
    await sender.aclose()


async def send(sender: PooledSender | HttpxSender, url: str, timeout: float = 20.0) -> int:
    """Send a request and return the status."""
    response = await sender.send("GET", url, headers=[], content=b"", timeout=timeout)
    return response.status_code


async def assert_all_served(sender: PooledSender | HttpxSender, server: RawServer) -> None:
    """Check that more requests than there are connections get a response."""
    answers: list[int] = []

    async def call() -> None:
        answers.append(await send(sender, server.url))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(3 * CALLERS):
                tasks.start_soon(call)
    assert [200] * 3 * CALLERS == answers


@pytest.mark.parametrize("library_client", [False, True], ids=["own pool", "client"])
async def test_cancelled_scopes_break_nothing(
    sender: PooledSender, server: RawServer, *, library_client: bool
) -> None:
    """Callers are cancelled after every number of steps: nothing leaks and nothing hangs."""
    async with opened("httpx", connections=CALLERS) as client:
        ours = HttpxSender(client) if library_client else sender
        for steps in range(MOST_CHECKPOINTS):
            async with anyio.create_task_group() as tasks:
                for _ in range(CALLERS):
                    tasks.start_soon(send, ours, server.url)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        await assert_all_served(ours, server)
    assert server.accepted <= CALLERS
    assert 0 == sender.pool.in_use


async def test_a_cancelled_caller_waits_for_its_response(
    sender: PooledSender, server: RawServer
) -> None:
    """A request in flight ends first, so its result is known."""
    arrived, go_on = anyio.Event(), anyio.Event()

    async def wait_for_it(connection: Connection) -> None:
        await connection.request()
        arrived.set()
        await go_on.wait()
        await connection.respond()

    server.behaviour = wait_for_it
    done: list[int] = []

    async def call(scope: anyio.CancelScope) -> None:
        with scope:
            done.append(await send(sender, server.url))
            await anyio.lowlevel.checkpoint()
            pytest.fail("the cancellation is delivered after the response")

    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, scope)
        await arrived.wait()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert [] == done
        go_on.set()
    assert [200] == done


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cancelled_asyncio_tasks_break_nothing(
    sender: PooledSender, server: RawServer
) -> None:
    """Asyncio cancels through every shield. The connections are closed then."""
    for steps in range(MOST_CHECKPOINTS):
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(send(sender, server.url)) for _ in range(CALLERS)]
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            for call in calls:
                call.cancel()
    assert 0 == sender.pool.in_use
    await assert_all_served(sender, server)
    await anyio.wait_all_tasks_blocked()
    assert server.open <= CALLERS


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_task_closes_its_own_connection_only(
    sender: PooledSender, server: RawServer
) -> None:
    """Another request in flight gets its response, and its connection is used again."""
    go_on = anyio.Event()
    arrived = 0

    async def wait_for_it(connection: Connection) -> None:
        nonlocal arrived
        while True:
            await connection.request()
            arrived += 1
            await go_on.wait()
            await connection.respond()

    server.behaviour = wait_for_it
    async with asyncio.TaskGroup() as tasks:
        staying = tasks.create_task(send(sender, server.url))
        leaving = tasks.create_task(send(sender, server.url))
        while arrived < 2:
            await anyio.lowlevel.checkpoint()
        leaving.cancel()
        await anyio.wait_all_tasks_blocked()
        assert (1, 0) == (sender.pool.in_use, sender.pool.idle)
        go_on.set()
    assert 200 == staying.result()
    assert 200 == await send(sender, server.url)
    assert 2 == server.accepted


async def test_a_deadline_closes_the_connection(sender: PooledSender, server: RawServer) -> None:
    """Nobody knows what would arrive on it, so the next request opens another."""

    async def stay_silent(connection: Connection) -> None:
        await connection.request()
        await connection.request()

    server.behaviour = stay_silent
    with pytest.raises(APITimeoutError):
        await send(sender, server.url, 0.1)
    assert (0, 0) == (sender.pool.in_use, sender.pool.idle)
    await assert_only_a_new_connection_is_open(sender, server)


async def test_an_abort_closes_the_connection(sender: PooledSender, server: RawServer) -> None:
    """Nobody knows what would arrive on it, so the next request opens another."""
    arrived = anyio.Event()

    async def stay_silent(connection: Connection) -> None:
        await connection.request()
        arrived.set()
        await connection.request()

    server.behaviour = stay_silent
    stop = Stop()
    errors: list[APIConnectionError] = []

    async def call() -> None:
        try:
            await sender.send("GET", server.url, headers=[], content=b"", timeout=20.0, stop=stop)
        except APIConnectionError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await arrived.wait()
        stop.abort()
    assert [True] == [error.sent for error in errors]
    assert (0, 0) == (sender.pool.in_use, sender.pool.idle)
    await assert_only_a_new_connection_is_open(sender, server)


async def assert_only_a_new_connection_is_open(sender: PooledSender, server: RawServer) -> None:
    """Check that the next request opens a second connection, and that the first gets closed."""
    server.behaviour = server.respond_to_all
    assert 200 == await send(sender, server.url)
    assert 2 == server.accepted
    with anyio.fail_after(5):
        while server.open > 1:
            await anyio.lowlevel.checkpoint()


async def test_deadlines_leak_no_connection(server: RawServer) -> None:
    """After more timeouts than there are connections, the next request is sent at once."""

    async def stay_silent(connection: Connection) -> None:
        await connection.request()
        await connection.request()

    sender = PooledSender(base_url=server.url, max_connections=2)
    server.behaviour = stay_silent

    async def run_out_of_time() -> None:
        with pytest.raises(APITimeoutError):
            await send(sender, server.url, 0.05)

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(run_out_of_time)
    server.behaviour = server.respond_to_all
    with anyio.fail_after(5):
        assert 200 == await send(sender, server.url)
    await sender.aclose()


async def test_waiting_for_a_connection_is_cancellable(server: RawServer) -> None:
    """A caller that has sent nothing ends at once, and leaks no connection."""
    go_on = anyio.Event()

    async def wait_for_it(connection: Connection) -> None:
        while True:
            await connection.request()
            await go_on.wait()
            await connection.respond()

    server.behaviour = wait_for_it
    sender = PooledSender(base_url=server.url, max_connections=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, sender, server.url)
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0) as scope:
            await partial(send, sender, server.url)()
        assert scope.cancelled_caught
        go_on.set()
        assert 200 == await send(sender, server.url)
    await sender.aclose()
