"""A call is cancelled at each point where it can be; what it shares with others stays usable."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from anyio.abc import SocketAttribute, SocketStream

from cleverreach_async import CleverReach, OAuthApp
from cleverreach_async.sandbox import Fault, Sandbox
from cleverreach_async.transport.http import PooledSender
from cleverreach_async.transport.transport import Auth

if TYPE_CHECKING:
    from support.clocks import FakeClock

pytestmark = pytest.mark.anyio


@types.coroutine
def suspended(
    call: Coroutine[Any, Any, object], on_checkpoint: Callable[[], None]
) -> Generator[Any, Any, None]:
    """Run a coroutine, telling of each time that it gives way to the event loop."""
    step: Callable[[], Any] = partial(call.send, None)
    while True:
        try:
            trap = step()
        except StopIteration:
            return
        on_checkpoint()
        try:
            answer = yield trap
        except BaseException as error:  # noqa: BLE001 - handed in, as the event loop meant it
            step = partial(call.throw, error)
        else:
            step = partial(call.send, answer)


async def cancelled_at(number: int, call: Coroutine[Any, Any, object]) -> bool:
    """Cancel a call at its checkpoint of that number; ``False`` when it ends before."""
    seen = 0
    with anyio.CancelScope() as scope:

        def count() -> None:
            nonlocal seen
            seen += 1
            if seen == number:
                scope.cancel()

        await suspended(call, count)
    return seen >= number


Prepare = Callable[[Sandbox, CleverReach], Awaitable[None]]


async def nothing(sandbox: Sandbox, cr: CleverReach) -> None:
    """Leave the client without a token."""


async def expire(sandbox: Sandbox, cr: CleverReach) -> None:
    """Let the client hold a token that the server refuses."""
    await cr.debug.ttl()
    sandbox.expire_tokens()


async def throttle(sandbox: Sandbox, cr: CleverReach) -> None:
    """Let the next call be told to wait, and the one after it fail."""
    await cr.debug.ttl()
    sandbox.faults.add(Fault("status", code=429, retry_after=5, times=1))
    sandbox.faults.add(Fault("status", code=503, times=1))


async def close_gate(sandbox: Sandbox, cr: CleverReach) -> None:
    """Let the next call be a probe."""
    del sandbox
    await cr.debug.ttl()
    account = cr._transport.account
    assert account is not None
    account.gate.push_back(5.0, probe=False)


@pytest.mark.parametrize("prepare", [nothing, expire, throttle, close_gate])
async def test_a_call_may_be_cancelled_anywhere(
    connect: Callable[[Auth | str], CleverReach],
    sandbox: Sandbox,
    app: OAuthApp,
    clock: FakeClock,
    prepare: Prepare,
) -> None:
    """Tokens, gate and lock serve the next call, and no token is fetched twice for it."""
    number, went_on = 0, True
    while went_on:
        number += 1
        sandbox.faults.clear()
        clock.elapsed += 100.0
        cr = connect(app.client_credentials())
        fetched = sandbox.count("POST", "/oauth")
        await prepare(sandbox, cr)
        went_on = await cancelled_at(number, cr.debug.ttl())
        sandbox.faults.clear()
        with anyio.fail_after(5):
            await cr.debug.ttl()
        expected = 2 if prepare is expire else 1
        assert expected == sandbox.count("POST", "/oauth") - fetched
        assert not cr._transport.account or not cr._transport.account.gate.closed
    assert number >= 3


@attrs.define
class SlowGreeter:
    """A server that answers every request on a connection, and counts the connections."""

    connections: int = 0

    async def serve(self, stream: SocketStream) -> None:
        """Answer until the client leaves."""
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
    """With a single permit, each cancelled request gives it back, and its connection with it."""
    greeter = SlowGreeter()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django here
    url = f"http://127.0.0.1:{port}"
    number, went_on = 0, True
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, greeter.serve)
        sender = PooledSender(base_url=url, max_connections=1)
        send = partial(sender.send, "GET", url, headers=[], content=b"", timeout=5.0)
        while went_on:
            number += 1
            went_on = await cancelled_at(number, send())
            with anyio.fail_after(5):
                assert 200 == (await send()).status_code
        await sender.aclose()
        tasks.cancel_scope.cancel()
    assert number > 2
    assert 1 == greeter.connections
