"""Run work that must not be interrupted, and work in the background of other work."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio

__all__ = ["alongside", "in_background", "uninterrupted"]

T = TypeVar("T")


async def uninterrupted(work: Callable[[], Awaitable[T]]) -> T:
    """Run work to its end even when the caller is cancelled meanwhile.

    A shielded scope alone does not protect a task that asyncio itself cancels
    (``asyncio.timeout``, ``Task.cancel``). So the work gets a task of its own.

    Args:
        work: Returns the result, or raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    async def run() -> None:
        with anyio.CancelScope(shield=True):
            try:
                results.append(await work())
            except BaseException as error:  # noqa: BLE001 - raised below, outside the task group
                # Cancellations too: the work may await something that was cancelled elsewhere.
                errors.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
    if errors:
        raise errors[0]
    return results[0]


async def alongside(
    background: Callable[[], Coroutine[Any, Any, None]], work: Callable[[], Awaitable[T]]
) -> T:
    """Run work with something else in the background. Both have ended on return.

    Args:
        background: Runs meanwhile. It handles its own errors.
        work: Returns the result, or raises.
    """
    results: list[T] = []
    errors: list[Exception] = []

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(background)
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised below, outside the task group
            errors.append(error)
    if errors:
        raise errors[0]
    return results[0]


@asynccontextmanager
async def in_background(
    work: Callable[[], Coroutine[Any, Any, None]],
) -> AsyncGenerator[None, None]:
    """Run work during the block, and cancel it at its end.

    Args:
        work: It handles its own errors.
    """
    errors: list[Exception] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below, outside the task group
            errors.append(error)
        tasks.cancel_scope.cancel()
    if errors:
        raise errors.pop()  # kept in no variable, or the traceback and it would be a cycle
