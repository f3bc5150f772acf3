"""A call over sockets is cancelled at each of its checkpoints; the next call must succeed."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.abc
import pytest
from chaos.chaos_proxy import ChaosProxy, Exchange, settled
from support.checkpoints import cancelled_at, counted
from support.clocks import FakeClock

from cleverreach_async import CleverReach, CleverReachError, OAuthApp
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.server import running
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.http.pooled_sender import PooledSender

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when a caller is cancelled.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

CONNECTIONS = 2


@pytest.fixture(scope="module")
def served() -> Generator[tuple[Sandbox, int]]:
    """A sandbox that runs in a thread, and its port."""
    with Sandbox() as sandbox, running(sandbox) as url:
        yield sandbox, urlsplit(url).port or 0


@pytest.fixture
def sandbox(served: tuple[Sandbox, int]) -> Sandbox:
    """That sandbox; tests compare differences of its counts."""
    return served[0]


@pytest.fixture
async def sandbox_proxy(
    served: tuple[Sandbox, int], tasks: anyio.abc.TaskGroup
) -> AsyncGenerator[ChaosProxy]:
    """A proxy in front of it."""
    proxy = ChaosProxy(served[1])
    proxy.listen(tasks)
    yield proxy
    proxy.close()


def client(proxy: ChaosProxy, http_client: Any = None) -> CleverReach:
    """Return a client that has to fetch its token first."""
    return CleverReach(
        OAuthApp("sandbox", "sandbox-secret").client_credentials(),
        base_url=proxy.url,
        http_client=http_client,
        max_connections=CONNECTIONS,
        clock=FakeClock(),
    )


async def check(cr: CleverReach) -> None:
    """Check that a cancelled call has released everything that calls share."""
    responses: list[int] = []

    async def ask() -> None:
        responses.append(len(await cr.groups.list()))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as callers:
            for _ in range(CONNECTIONS + 1):
                callers.start_soon(ask)
    assert [0] * (CONNECTIONS + 1) == responses
    gate = cr._transport.own_account().gate
    assert isinstance(gate, AccountGate)
    assert (False, False) == (gate.closed, gate._probing)
    sender = cr._connections._sender
    if isinstance(sender, PooledSender):
        assert 0 == sender.pool.in_use
        assert CONNECTIONS == sender.pool._limit.value


@pytest.mark.parametrize("state", ["token to fetch", "token known", "gate closed"])
async def test_a_listing_may_be_cancelled_anywhere(
    http_client: Any, sandbox: Sandbox, sandbox_proxy: ChaosProxy, state: str
) -> None:
    """Token lock, gate, permits and pool are usable afterwards; a token is fetched once."""
    number, was_reached = 0, True
    while was_reached:
        number += 1
        before = sandbox.count("POST", "/oauth")
        async with client(sandbox_proxy, http_client) as cr:
            if state != "token to fetch":
                await cr.groups.list()
            if state == "gate closed":
                gate = cr._transport.own_account().gate
                assert isinstance(gate, AccountGate)
                gate.push_back(5.0, probe=False)
            was_reached = await cancelled_at(number, whole_listing(cr))
            await check(cr)
        assert 1 == sandbox.count("POST", "/oauth") - before
    assert number > (1 if state == "token known" else 2)


async def whole_listing(cr: CleverReach) -> None:
    """List the groups."""
    assert 0 == len(await cr.groups.list())


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("fresh", [True, False], ids=["token to fetch", "token known"])
async def test_a_listing_may_be_cancelled_anywhere_by_asyncio(
    http_client: Any, sandbox: Sandbox, sandbox_proxy: ChaosProxy, *, fresh: bool
) -> None:
    """``Task.cancel`` ignores shields: a token may be fetched again, but nothing blocks."""
    number, was_reached = 0, True
    while was_reached:
        number += 1
        before = sandbox.count("POST", "/oauth")
        async with client(sandbox_proxy, http_client) as cr:
            if not fresh:
                await cr.groups.list()
            was_reached = await task_cancelled_at(number, cr)
            await check(cr)
        if http_client is None:
            await settled(sandbox_proxy)
        assert sandbox.count("POST", "/oauth") - before in ({1, 2} if fresh else {1})
    assert number > 1 + fresh


async def task_cancelled_at(number: int, cr: CleverReach) -> bool:
    """Cancel the task of a listing at a checkpoint; ``False`` if it ends before."""
    reached = False

    def cancel(checkpoint: int) -> None:
        nonlocal reached
        if checkpoint == number:
            reached = True
            # A task cannot cancel itself while it runs; when the callback runs it is suspended.
            asyncio.get_running_loop().call_soon(task.cancel)

    async def run() -> None:
        await counted(whole_listing(cr), cancel)

    task = asyncio.ensure_future(run())
    await asyncio.wait([task])
    assert reached or not task.cancelled()
    return reached


async def test_cancelled_callers_and_faults_leave_the_client_usable(
    http_client: Any, sandbox_proxy: ChaosProxy
) -> None:
    """With cancelled callers and faults at the same time, calls, gate and pool stay usable."""
    chance = random.Random(3)
    faults = [
        Exchange(),
        Exchange(response_bytes=0),
        Exchange(request_bytes=10),
        Exchange(delay=0.01),
    ]
    sandbox_proxy.decide = lambda: chance.choice(faults)
    async with client(sandbox_proxy, http_client) as cr:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as callers:
                for _ in range(30):
                    callers.start_soon(list_until, cr, chance.random() * 0.05)
        sandbox_proxy.decide = Exchange
        gate = cr._transport.own_account().gate
        assert isinstance(gate, AccountGate)
        gate.succeeded(probe=True)
        await check(cr)
    if http_client is None:
        await settled(sandbox_proxy)


async def list_until(cr: CleverReach, seconds: float) -> None:
    """List groups, and cancel it after that many seconds; a typed error is accepted."""
    with anyio.move_on_after(seconds), suppress(CleverReachError):
        await cr.groups.list()
