"""Work that must run to its end, and work beside other work."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

__all__ = ["alongside", "uninterrupted"]

T = TypeVar("T")


async def uninterrupted(work: Callable[[], Awaitable[T]]) -> T:
    """Do work to its end although the caller is cancelled meanwhile.

    A shielded scope alone does not hold off a task that is cancelled by asyncio's own means
    (``asyncio.timeout``, ``Task.cancel``), so the work has a task of its own.
    """
    results: list[T] = []
    faults: list[BaseException] = []

    async def run() -> None:
        with anyio.CancelScope(shield=True):
            try:
                results.append(await work())
            except BaseException as error:  # noqa: BLE001 - raised below, outside of the task group
                # A cancellation too: work may await something that was cancelled elsewhere.
                faults.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
    if faults:
        raise faults[0]
    return results[0]


async def alongside(
    background: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[T]]
) -> T:
    """Do work while something else is done beside it; both have ended on return.

    Args:
        background: What else is done. It deals with its own errors.
        work: Gives the result, or raises.
    """
    results: list[T] = []
    faults: list[Exception] = []

    async def beside() -> None:
        await background()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beside)
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised below, outside of the task group
            faults.append(error)
    if faults:
        raise faults[0]
    return results[0]
