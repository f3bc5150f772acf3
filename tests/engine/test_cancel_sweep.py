"""A call is cancelled at each checkpoint; what it shares with other calls stays usable."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from anyio.abc import SocketAttribute, SocketStream
from support.checkpoints import cancelled_at

from cleverreach_async import CleverReach, OAuthApp
from cleverreach_async.sandbox import Fault, Sandbox
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.http.pooled_sender import PooledSender
from cleverreach_async.transport.transport import Auth

if TYPE_CHECKING:
    from support.clocks import FakeClock

pytestmark = pytest.mark.anyio


Prepare = Callable[[Sandbox, CleverReach], Awaitable[None]]


async def nothing(sandbox: Sandbox, cr: CleverReach) -> None:
    """Do not fetch a token."""


async def expire(sandbox: Sandbox, cr: CleverReach) -> None:
    """Give the client a token that the server refuses."""
    await cr.debug.ttl()
    sandbox.expire_tokens()


async def throttle(sandbox: Sandbox, cr: CleverReach) -> None:
    """Respond to the next call with ``Retry-After``, and to the one after it with a 503."""
    await cr.debug.ttl()
    sandbox.faults.add(Fault("status", code=429, retry_after=5, times=1))
    sandbox.faults.add(Fault("status", code=503, times=1))


async def close_gate(sandbox: Sandbox, cr: CleverReach) -> None:
    """Make the next call a probe."""
    del sandbox
    await cr.debug.ttl()
    gate = cr._transport.own_account().gate
    assert isinstance(gate, AccountGate)
    gate.push_back(5.0, probe=False)


@pytest.mark.parametrize("prepare", [nothing, expire, throttle, close_gate])
async def test_a_call_may_be_cancelled_anywhere(
    connect: Callable[[Auth | str], CleverReach],
    sandbox: Sandbox,
    app: OAuthApp,
    clock: FakeClock,
    prepare: Prepare,
) -> None:
    """Tokens, gate and lock are usable by the next call, and no token is fetched twice."""
    number, was_reached = 0, True
    while was_reached:
        number += 1
        sandbox.faults.clear()
        clock.elapsed += 100.0
        cr = connect(app.client_credentials())
        fetched = sandbox.count("POST", "/oauth")
        await prepare(sandbox, cr)
        was_reached = await cancelled_at(number, cr.debug.ttl())
        sandbox.faults.clear()
        with anyio.fail_after(5):
            await cr.debug.ttl()
        expected = 2 if prepare is expire else 1
        assert expected == sandbox.count("POST", "/oauth") - fetched
        assert not cr._transport.account or not cr._transport.account.gate.closed
    assert number >= 3


@attrs.define
class ConnectionCounter:
    """A server that responds to every request, and counts its connections."""

    connections: int = 0

    async def serve(self, stream: SocketStream) -> None:
        """Respond until the client closes the connection."""
        self.connections += 1
        async with stream:
            while True:
                try:
                    await stream.receive()
                    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return


@pytest.mark.socket
async def test_a_send_may_be_cancelled_anywhere() -> None:
    """Each cancelled request returns the only permit and its connection."""
    counter = ConnectionCounter()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    url = f"http://127.0.0.1:{port}"
    number, was_reached = 0, True
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, counter.serve)
        sender = PooledSender(base_url=url, max_connections=1)
        send = partial(sender.send, "GET", url, headers=[], content=b"", timeout=5.0)
        while was_reached:
            number += 1
            was_reached = await cancelled_at(number, send())
            with anyio.fail_after(5):
                assert 200 == (await send()).status_code
        await sender.aclose()
        tasks.cancel_scope.cancel()
    assert number > 2
    assert 1 == counter.connections
