"""Virtual time that advances when all tasks wait, on asyncio and trio."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import anyio
import anyio.lowlevel
import pytest
import sniffio
import trio.testing
from anyio.abc import TaskGroup

from cleverreach_async.bulk.journal import opened, opening
from cleverreach_async.bulk.outcomes import checkpoint
from support.clocks import START

__all__ = ["VirtualClock", "switch_after", "write_in_the_loop"]

T = TypeVar("T")

_QUIET_TURNS: Final = 3


class VirtualClock:
    """A clock that jumps to the end of the next sleep once no task can run.

    Attributes:
        elapsed: Seconds since the start.
        sleeps: Seconds of every sleep, in order.
    """

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.sleeps: list[float] = []
        self._sleepers: list[tuple[float, anyio.Event]] = []
        self._has_sleepers = anyio.Event()

    def monotonic(self) -> float:
        """Seconds since an arbitrary instant."""
        return 5000.0 + self.elapsed

    def now(self) -> float:
        """Unix time."""
        return START + self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until that many seconds of virtual time have passed."""
        self.sleeps.append(seconds)
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        sleeper = (self.elapsed + seconds, anyio.Event())
        self._sleepers.append(sleeper)
        self._has_sleepers.set()
        try:
            await sleeper[1].wait()
        finally:
            self._sleepers.remove(sleeper)

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator[TaskGroup, None]:
        """Advance time during the block; yield a task group that is cancelled at its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._flow)
            yield tasks
            tasks.cancel_scope.cancel()

    async def _flow(self) -> None:
        while True:
            if not self._sleepers:
                self._has_sleepers = anyio.Event()
                await self._has_sleepers.wait()
            await _wait_until_blocked()
            if self._sleepers:
                self.elapsed = max(self.elapsed, min(at for at, _ in self._sleepers))
                for at, event in self._sleepers:
                    if at <= self.elapsed:
                        event.set()
                await anyio.lowlevel.checkpoint()


async def _wait_until_blocked() -> None:
    """Wait until all other tasks are blocked."""
    if sniffio.current_async_library() == "trio":
        await trio.testing.wait_all_tasks_blocked()
        return
    quiet = 0
    while quiet < _QUIET_TURNS:
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        waits: list[Any] = [getattr(task, "_fut_waiter", None) for task in others]
        quiet = 0 if any(wait is None or wait.done() for wait in waits) else quiet + 1


def write_in_the_loop(
    patch: pytest.MonkeyPatch, *, on_write: Callable[[], None] = lambda: None
) -> None:
    """Write journals in the event loop, because virtual time does not wait for threads.

    Args:
        patch: Restores the original functions.
        on_write: Called before and after each write.
    """

    async def run(function: Callable[..., T], *args: Any) -> T:
        on_write()
        await anyio.lowlevel.checkpoint()
        result = function(*args)
        on_write()
        return result

    patch.setattr(opened, "run_in_thread", run)
    patch.setattr(opening, "run_in_thread", run)
    patch.setattr(checkpoint, "run_in_thread", run)


def switch_after(calls: int, first: Callable[..., Any], then: Callable[..., Any]) -> Any:
    """Return a function that calls ``first`` for a number of calls, and ``then`` afterwards."""
    left = iter(range(calls))

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return (first if next(left, None) is not None else then)(*args, **kwargs)

    return wrapper
