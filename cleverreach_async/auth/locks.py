"""Locks of token stores: between the tasks of an event loop, and between processes."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.lowlevel

from cleverreach_async.errors import TokenStoreError
from cleverreach_async.transport.shield import uninterrupted

__all__ = ["LOCK_SECONDS", "LoopLock", "hold_lock"]

# A renewal takes less: two token requests of three attempts each, and the waits between them.
LOCK_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05


class LoopLock:
    """One lock for each event loop, because a store may be used in several."""

    def __init__(self) -> None:
        self._loop: object = None
        self._lock = anyio.Lock()

    def get(self) -> anyio.Lock:
        """Return the lock of the running event loop."""
        loop = anyio.lowlevel.current_token()
        if loop != self._loop:
            self._loop, self._lock = loop, anyio.Lock()
        return self._lock


@asynccontextmanager
async def hold_lock(
    acquire: Callable[[], Awaitable[bool]],
    release: Callable[[], Awaitable[None]],
    *,
    name: str,
    timeout: float,
) -> AsyncGenerator[None, None]:
    """Hold a lock that other processes may hold, and try to acquire it until the timeout.

    Waiting can be cancelled, but a single attempt cannot: a lock that is acquired for a cancelled
    task would never be released.
    """
    acquired = False

    async def attempt() -> None:
        nonlocal acquired
        acquired = await acquire()

    try:
        with anyio.move_on_after(timeout):
            await uninterrupted(attempt)
            while not acquired:
                await anyio.sleep(_POLL_SECONDS)
                await uninterrupted(attempt)
        if not acquired:
            raise TokenStoreError(f"{name} has been held by another process for over {timeout:g} s")
        yield
    finally:
        if acquired:
            await uninterrupted(release)
