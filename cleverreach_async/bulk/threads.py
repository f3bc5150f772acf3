"""Work with files in threads, which ends before the caller goes on, even one that is cancelled."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol, TypeVar

import anyio.to_thread

from cleverreach_async.transport.shield import uninterrupted

__all__ = ["opened_in_thread", "to_end_in_thread"]

T = TypeVar("T")


class _Closeable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closeable)


async def to_end_in_thread(call: Callable[[], T]) -> T:
    """Call a function in a worker thread.

    If asyncio itself cancels the caller (``asyncio.timeout``, ``Task.cancel``), it would go on, and
    close a file with which the thread still works.
    """
    return await uninterrupted(partial(anyio.to_thread.run_sync, call))


@asynccontextmanager
async def opened_in_thread(create: Callable[[], C]) -> AsyncGenerator[C, None]:
    """Open something in a worker thread; it is closed at the end of the block.

    Args:
        create: Opens it. What it returns is closed even if nobody waits for it any more.
    """
    opened: list[C] = []
    try:
        await to_end_in_thread(lambda: opened.append(create()))
        yield opened[0]
    finally:
        for it in opened:
            it.close()
