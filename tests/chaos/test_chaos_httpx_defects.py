"""Three defects of httpx 0.28.1, each shown with plain httpx and absent from our sender.

The tests that show a defect are the reason for parts of the sender. They are skipped with any other
version of httpx: when a defect is fixed there, the sender may become simpler.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import httpcore
import httpx
import pytest
from chaos.chaos_proxy import CountingServer, Gathering, at_once, settled
from support.checkpoints import cancelled_at
from support.http_clients import CLIENTS, opened

from cleverreach_async import APITimeoutError
from cleverreach_async.transport.http.choice import make_sender
from cleverreach_async.transport.http.sender import Sender

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when a caller leaves.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

of_plain_httpx = pytest.mark.skipif(
    httpx.__version__ != "0.28.1",
    reason="shows a defect of httpx 0.28.1; another one may have none",
)

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CALLERS = 10
Ask = Callable[..., Coroutine[Any, Any, Any]]


def plain(connections: int, keep: int | None = None) -> httpx.AsyncClient:
    """Return a plain httpx client."""
    limits = httpx.Limits(
        max_connections=connections,
        max_keepalive_connections=connections if keep is None else keep,
    )
    return httpx.AsyncClient(verify=NO_TLS, trust_env=False, limits=limits, timeout=20.0)


def ask_with(sender: Sender, url: str) -> Ask:
    """Return a function that sends a request with a sender."""

    async def ask(path: str = "/", timeout: float = 20.0) -> int:
        response = await sender.send("GET", url + path, headers=[], content=b"", timeout=timeout)
        return response.status_code

    return ask


@pytest.fixture(params=CLIENTS)
async def ask(request: pytest.FixtureRequest, server: CountingServer) -> AsyncGenerator[Ask]:
    """A function that sends a request with our sender, over ten connections of any library."""
    async with opened(request.param, connections=CALLERS) as client:
        sender = make_sender(client, base_url=server.url, max_connections=CALLERS)
        yield ask_with(sender, server.url)
        await sender.aclose()


async def send_together(ask: Ask, number: int, *path: str) -> None:
    """Send that many requests at once."""
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(number):
                tasks.start_soon(ask, *path)


# First: a cancelled request may occupy its connection in the pool permanently.


@of_plain_httpx
async def test_httpx_loses_a_connection_when_a_waiting_request_is_cancelled(
    server: CountingServer,
) -> None:
    """Cancelled while a connection is created for it: no other request gets the connection."""
    arrived = anyio.Event()

    async def stay_silent(request: bytes) -> None:
        del request
        arrived.set()
        await anyio.sleep_forever()

    server.before_response = stay_silent
    first, second = anyio.CancelScope(), anyio.CancelScope()
    async with plain(1) as client:
        pool: Any = getattr(client._transport, "_pool")  # noqa: B009 - has no type
        make = pool.create_connection

        def cancel_as_it_is_created(origin: Any) -> Any:
            second.cancel()
            return make(origin)

        async def ask(scope: anyio.CancelScope) -> None:
            with scope:
                await client.get(server.url)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, first)
            await arrived.wait()
            tasks.start_soon(ask, second)
            await anyio.wait_all_tasks_blocked()
            pool.create_connection = cancel_as_it_is_created
            first.cancel()
        pool.create_connection = make
        server.before_response = at_once
        with pytest.raises(httpx.PoolTimeout):
            await client.get(server.url, timeout=httpx.Timeout(20.0, pool=0.1))
        assert 1 == len(pool.connections)


async def test_ours_keeps_its_connections_wherever_it_is_cancelled(
    ask: Ask, server: CountingServer
) -> None:
    """Cancelled at each checkpoint: there are never more connections than callers."""
    number, was_reached = 0, True
    while was_reached:
        number += 1
        was_reached = await cancelled_at(number, ask())
        with anyio.fail_after(10):
            assert 200 == await ask()
    assert number > 1
    await send_together(ask, 3 * CALLERS)
    assert server.accepted <= CALLERS


async def test_ours_survives_many_cancelled_scopes(ask: Ask, server: CountingServer) -> None:
    """Three hundred callers are cancelled after zero to ten milliseconds."""
    chance = random.Random(1)
    server.before_response = lambda _: anyio.sleep(chance.random() * 0.005)

    async def leave_early() -> None:
        for _ in range(10):
            with anyio.move_on_after(chance.random() * 0.01):
                await ask()

    async with anyio.create_task_group() as tasks:
        for _ in range(3 * CALLERS):
            tasks.start_soon(leave_early)
    server.before_response = Gathering(CALLERS, "/after").wait
    await send_together(ask, 3 * CALLERS, "/after")
    assert server.accepted <= CALLERS


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_ours_survives_many_cancelled_tasks(ask: Ask, server: CountingServer) -> None:
    """The same with ``Task.cancel``, which ignores shields: ten requests can be sent at once."""
    chance = random.Random(2)
    server.before_response = lambda _: anyio.sleep(chance.random() * 0.005)

    async def leave_early() -> None:
        for _ in range(10):
            task = asyncio.ensure_future(ask())
            await anyio.sleep(chance.random() * 0.01)
            task.cancel()
            await asyncio.wait([task])

    async with anyio.create_task_group() as tasks:
        for _ in range(3 * CALLERS):
            tasks.start_soon(leave_early)
    server.before_response = Gathering(CALLERS, "/after").wait
    await send_together(ask, 3 * CALLERS, "/after")
    await settled(server, connections=CALLERS)


@pytest.mark.parametrize("callers", [CALLERS, 3 * CALLERS], ids=["a place each", "a queue"])
async def test_ours_survives_many_timeouts(ask: Ask, server: CountingServer, callers: int) -> None:
    """A timeout cancels inside the library, but never a request that waits in a pool."""
    chance = random.Random(4)
    server.before_response = lambda _: anyio.sleep(chance.random() * 0.01)
    timeouts = 0

    async def run_out_of_time() -> None:
        nonlocal timeouts
        for _ in range(10):
            try:
                await ask("/", 0.0005 + chance.random() * 0.01)
            except APITimeoutError:
                timeouts += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(run_out_of_time)
    assert timeouts > 0
    server.before_response = Gathering(CALLERS, "/after").wait
    await send_together(ask, 3 * CALLERS, "/after")
    await settled(server, connections=CALLERS)


# Second: the keep-alive limit also counts busy connections.


async def connections_beside_busy_ones(ask: Ask, server: CountingServer) -> int:
    """Send ten requests in a row while nine are in flight; return the connections opened."""
    go_on = anyio.Event()

    async def hold(request: bytes) -> None:
        del request
        await go_on.wait()

    server.before_response = hold
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(9):
                tasks.start_soon(ask)
            while len(server.requests) < 9:
                await anyio.lowlevel.checkpoint()
            server.before_response = at_once
            for _ in range(10):
                await ask()
            go_on.set()
    return server.accepted


@of_plain_httpx
async def test_httpx_reconnects_above_its_keepalive_limit(server: CountingServer) -> None:
    """Five may be kept and at most one is idle; still, each request opens a connection."""
    async with plain(CALLERS, keep=5) as client:
        assert 9 + 10 == await connections_beside_busy_ones(partial(client.get, server.url), server)


async def test_ours_reuses_idle_connections(server: CountingServer) -> None:
    """The tenth connection serves all ten requests."""
    sender = make_sender(None, base_url=server.url, max_connections=100)
    assert 9 + 1 == await connections_beside_busy_ones(ask_with(sender, server.url), server)
    await sender.aclose()


async def test_ours_connects_once_per_caller(server: CountingServer) -> None:
    """Also above httpx's own limit of twenty."""
    sender = make_sender(None, base_url=server.url, max_connections=100)
    server.before_response = Gathering(30).wait
    for _ in range(4):
        await send_together(ask_with(sender, server.url), 30)
    assert (30, 4 * 30) == (server.accepted, len(server.requests))
    await sender.aclose()


# Third: the pool checks every connection for every request.

CHECKS = ("is_closed", "has_expired", "is_idle", "is_available", "can_handle_request")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every check that a pool makes of a connection."""
    calls: list[str] = []

    def count_calls(name: str) -> None:
        original = getattr(httpcore.AsyncHTTPConnection, name)

        def counted_call(*args: Any) -> Any:
            calls.append(name)
            return original(*args)

        monkeypatch.setattr(httpcore.AsyncHTTPConnection, name, counted_call)

    for name in CHECKS:
        count_calls(name)
    return calls


async def checks_per_request(
    ask: Ask, connections: int, server: CountingServer, checks: list[str]
) -> float:
    """Open connections, and count the checks that one more request makes while they are idle."""
    server.before_response = Gathering(connections).wait
    await send_together(ask, connections)
    server.before_response = at_once
    checks.clear()
    for _ in range(10):
        await ask()
    return len(checks) / 10


@of_plain_httpx
async def test_httpx_checks_every_connection(server: CountingServer, checks: list[str]) -> None:
    """With fifty idle connections a request makes over four times as many checks as with ten."""
    costs: list[float] = []
    for connections in (10, 50):
        async with plain(connections) as client:
            ask = partial(client.get, server.url)
            costs.append(await checks_per_request(ask, connections, server, checks))
    few, many = costs
    assert many > 4 * few > 0


async def test_ours_checks_the_same_number(server: CountingServer, checks: list[str]) -> None:
    """With fifty connections a request makes as many checks as with ten."""
    costs: list[float] = []
    for connections in (10, 50):
        sender = make_sender(None, base_url=server.url, max_connections=connections)
        ask = ask_with(sender, server.url)
        costs.append(await checks_per_request(ask, connections, server, checks))
        await sender.aclose()
    assert costs[0] == costs[1] > 0
    assert 10 + 50 == server.accepted
