"""A refresh that is cancelled at any point does not lose the rotated token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cleverreach_async import CleverReach, OAuthApp, Token
from cleverreach_async.auth.file_store import FileTokenStore
from cleverreach_async.auth.stores import MemoryTokenStore, TokenStore
from cleverreach_async.transport.transport import Auth

if TYPE_CHECKING:
    from pathlib import Path

    from support.clocks import FakeClock

    from cleverreach_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

Connect = Callable[["Auth | str"], CleverReach]
Call = Callable[[], Awaitable[object]]


async def after(rounds: int, cancel: Callable[[], Any]) -> None:
    """Cancel something after every other task has run a number of times."""
    for _ in range(rounds):
        await anyio.lowlevel.checkpoint()
    cancel()


async def by_scope(call: Call, rounds: int) -> bool:
    """Cancel by a scope of anyio, on either event loop. Return whether it was cancelled in time."""
    ended = False
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(after, rounds, scope.cancel)
            await call()
            ended = not scope.cancel_called
        tasks.cancel_scope.cancel()
    return not ended


async def by_task(call: Call, rounds: int) -> bool:
    """Cancel the task by asyncio's own means."""

    async def run() -> None:
        await call()

    task = asyncio.create_task(run())
    striker = asyncio.create_task(after(rounds, task.cancel))
    await asyncio.wait([task])
    striker.cancel()
    await asyncio.wait([striker])
    if not task.cancelled():
        task.result()
    return task.cancelled()


async def by_timeout(call: Call, rounds: int) -> bool:
    """Let asyncio's own timeout expire."""
    striker: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(None) as timeout:
            now = partial(timeout.reschedule, asyncio.get_running_loop().time())
            striker = asyncio.create_task(after(rounds, now))
            await call()
            striker.cancel()
    except TimeoutError:
        return True
    finally:
        if striker is not None:
            await asyncio.wait([striker])
    return False


WAYS = [
    pytest.param(by_scope, "asyncio", id="scope-asyncio"),
    pytest.param(by_scope, "trio", id="scope-trio"),
    pytest.param(by_task, "asyncio", id="task"),
    pytest.param(by_timeout, "asyncio", id="timeout"),
]


def valid_tokens(sandbox: Sandbox) -> list[str]:
    """The refresh tokens that the sandbox accepts."""
    rows = sandbox.store.rows("SELECT token FROM refresh_tokens WHERE used = 0")
    return [str(row["token"]) for row in rows]


@pytest.mark.parametrize("why", ["refused", "ended", "stale"])
@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize(("way", "anyio_backend"), WAYS)
async def test_a_refresh_may_be_cancelled_anywhere(
    connect: Connect,
    app: OAuthApp,
    sandbox: Sandbox,
    token: Token,
    clock: FakeClock,
    tmp_path: Path,
    way: Callable[[Call, int], Awaitable[bool]],
    kind: str,
    why: str,
) -> None:
    """Store and sandbox agree afterwards, the locks are free, and the next call works."""
    store: TokenStore = (
        MemoryTokenStore() if kind == "memory" else FileTokenStore(tmp_path / "token.json")
    )
    await store.save(token)
    rounds, cancelled = -1, True
    while cancelled and (kind == "memory" or rounds < 20):  # a thread may take any time
        rounds += 1
        cr = connect(app.user(store=store))
        await cr.debug.ttl()
        if why == "refused":
            sandbox.expire_tokens()
        else:
            clock.elapsed += 950.0 if why == "ended" else 850.0
        cancelled = await way(cr.debug.ttl, rounds)
        with anyio.fail_after(5):
            async with store.lock():
                stored = await store.load()
            assert stored is not None
            assert stored.refresh_token is not None
            assert [stored.refresh_token.reveal()] == valid_tokens(sandbox)
            await cr.debug.ttl()
    assert rounds >= 5


async def test_waiting_for_another_process_can_be_cancelled(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, token: Token
) -> None:
    """A task that waits for the renewal by another process ends at once, and nothing is sent."""
    store = MemoryTokenStore(token)
    cr = connect(app.user(store=store))
    sandbox.expire_tokens()
    before = sandbox.count("POST", "/oauth")
    async with store.lock():
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cr.debug.ttl)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
    assert before == sandbox.count("POST", "/oauth")
    await cr.debug.ttl()
    assert before + 1 == sandbox.count("POST", "/oauth")
