"""What every token store guarantees: load, save, lock."""

from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import pytest

from cleverreach_async import Secret, Token
from cleverreach_async.auth.stores import TokenStore

KINDS = [
    pytest.param(kind, loop, id=f"{kind}-{loop}")
    for kind in ("memory", "file", "redis")
    for loop in ("asyncio", "trio")
    if (kind, loop) != ("redis", "trio")  # its client runs on asyncio
]
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize(("kind", "anyio_backend"), KINDS)]

OLD = Token(access_token=Secret("old"))
TOKENS = {
    "bare": OLD,
    "full": Token(
        access_token=Secret("a.b.c"),
        refresh_token=Secret("r-1"),
        expires_at=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
        scope="basic groups:read",
    ),
    "fraction": Token(
        access_token=Secret("a"), expires_at=datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
    ),
    "unicode": Token(access_token=Secret("a"), scope="größe"),
}

Opener = Callable[[], TokenStore]


async def is_held(store: TokenStore) -> bool:
    """Whether another holder keeps the lock for longer than it takes to acquire it."""
    patience = anyio.CancelScope(deadline=anyio.current_time() + 0.15)

    async def take() -> None:
        with patience:
            async with store.lock():
                pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
    return patience.cancelled_caught


async def is_free(store: TokenStore) -> bool:
    """Whether the lock can be acquired."""
    with anyio.move_on_after(5) as patience:
        async with store.lock():
            return True
    return not patience.cancelled_caught


async def test_an_empty_store_has_no_token(opener: Opener) -> None:
    """Before anything was saved."""
    assert await opener().load() is None


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
async def test_what_is_saved_is_loaded(opener: Opener, token: Token) -> None:
    """An equal token is loaded, from another store for the same place as well."""
    store = opener()
    await store.save(token)
    assert token == await store.load()
    assert token == await opener().load()


async def test_saving_replaces_the_token(opener: Opener) -> None:
    """Nothing of the older token remains."""
    store = opener()
    await store.save(TOKENS["full"])
    await store.save(OLD)
    assert OLD == await opener().load()


async def test_the_lock_excludes_until_it_is_released(opener: Opener) -> None:
    """A second holder waits, may stop waiting, and gets it afterwards."""
    first, second = opener(), opener()
    async with first.lock():
        assert await is_held(second)
        assert await is_held(first)
    assert await is_free(second)
    assert await is_free(first)


async def test_a_waiting_task_gets_the_lock_next(opener: Opener) -> None:
    """After the work of the holder has ended."""
    first, second = opener(), opener()
    order: list[str] = []

    async def follow() -> None:
        async with second.lock():
            order.append("second")

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, first.lock():
            tasks.start_soon(follow)
            assert await is_held(opener())
            order.append("first")
    assert ["first", "second"] == order


async def test_token_and_lock_are_used_together(opener: Opener) -> None:
    """The holder of the lock can load and save the token."""
    store = opener()
    async with store.lock():
        await store.save(OLD)
        assert OLD == await store.load()


async def test_a_lock_whose_holder_raises_is_free(opener: Opener) -> None:
    """And the error is raised unchanged."""
    store = opener()
    with pytest.raises(LookupError, match=r"^mine$"):
        async with store.lock():
            raise LookupError("mine")
    assert await is_free(opener())


async def test_a_lock_whose_holder_is_cancelled_is_free(opener: Opener) -> None:
    """The cancellation does not interrupt the release."""
    store = opener()
    with anyio.CancelScope() as scope:
        async with store.lock():
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert await is_free(opener())


async def test_a_cancelled_task_does_not_acquire_the_lock(opener: Opener) -> None:
    """It was cancelled before it began to wait."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with opener().lock():
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert await is_free(opener())
