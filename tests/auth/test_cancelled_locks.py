"""Cancelling a task by asyncio's own means leaves no token store locked."""

import asyncio
from collections.abc import Callable

import anyio
import pytest

from cleverreach_async.auth.stores import TokenStore

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.parametrize("kind", ["memory", "file", "redis"]),
]

Opener = Callable[[], TokenStore]


async def is_free(store: TokenStore) -> bool:
    """Whether the lock can be acquired."""
    with anyio.move_on_after(5) as patience:
        async with store.lock():
            return True
    return not patience.cancelled_caught


@pytest.mark.parametrize("rounds", range(12))
async def test_a_lock_is_free_after_a_cancelled_task(opener: Opener, rounds: int) -> None:
    """``Task.cancel`` may come while the lock is being acquired or while it is held."""
    store = opener()

    async def hold() -> None:
        async with store.lock():
            await anyio.sleep_forever()

    task = asyncio.create_task(hold())
    for _ in range(rounds):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_free(opener())


async def test_a_lock_is_free_after_its_holder_is_cancelled(opener: Opener) -> None:
    """``Task.cancel`` comes while the lock is held."""
    store, held = opener(), asyncio.Event()

    async def hold() -> None:
        async with store.lock():
            held.set()
            await anyio.sleep_forever()

    task = asyncio.create_task(hold())
    await held.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_free(opener())
