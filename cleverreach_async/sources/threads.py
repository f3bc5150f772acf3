"""Iterables that block, read in a worker thread."""

import sys
from collections import deque
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from threading import Lock
from typing import Final, Generic, Self, TypeVar, cast

import anyio
import anyio.to_thread

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.reused_rows import ReuseCheck
from cleverreach_async.sources.source_check import check_source

__all__ = ["CLOSE_TIMEOUT", "ThreadedRows", "in_thread", "run_in_worker"]

R = TypeVar("R")
T = TypeVar("T")

CLOSE_TIMEOUT: Final = 5.0
"""Seconds to wait for closing; after that the thread finishes it in the background."""


def in_thread(rows: Iterable[T], *, chunk_size: int = 500) -> "ThreadedRows[T]":
    """Read an iterable that blocks, such as a generator over a database, in a worker thread.

    It is read in chunks; the next is not read before all rows of the last were yielded. An error
    of the iterable is raised after the rows before it. When you stop early, call ``aclose()``; the
    importer does.

    Args:
        rows: The iterable. Its steps may run in different threads, but never two at a time.
        chunk_size: Rows per chunk. Use 1 for an iterable that yields a row only now and then.

    Raises:
        ConfigurationError: The chunk size is not a positive number, or the rows are none, such as
            a path, or asynchronous.
    """
    if type(chunk_size) is not int or not 1 <= chunk_size <= sys.maxsize:
        raise ConfigurationError(f"chunk_size is {chunk_size!r}; it is a whole number, at least 1")
    check_source(rows, "rows")
    if isinstance(rows, AsyncIterable) and not hasattr(type(rows), "__iter__"):
        raise ConfigurationError("rows are asynchronous; pass them without in_thread()")
    return ThreadedRows(rows, chunk_size)


class ThreadedRows(Generic[T]):
    """Rows read in a worker thread, once; :func:`~cleverreach_async.in_thread` returns one.

    Waiting for rows can be cancelled at any time: the thread continues, and the rows that it reads
    are returned by the next wait.

    Args:
        rows: The iterable.
        chunk_size: Rows read at a time.
        on_close: Called once, in a worker thread, after the iterable was closed.

    Attributes:
        source: The iterable.
    """

    def __init__(
        self, rows: Iterable[T], chunk_size: int, on_close: Callable[[], object] | None = None
    ) -> None:
        self.source = rows
        self._chunk_size = chunk_size
        self._on_close = on_close
        self._iterator: Iterator[T] | None = None
        self._rows: deque[T] = deque()  # filled in a thread, emptied in the event loop
        self._failure: BaseException | None = None
        self._reuse = ReuseCheck()
        self._has_ended = False
        self._is_stopped = False
        self._is_closed = False
        self._busy = Lock()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._is_stopped:
            # Checked before the rows: once it is set, no rows are added.
            has_ended = self._has_ended
            if self._rows:
                return self._rows.popleft()
            if has_ended:
                self._raise_failure()
                break
            await run_in_worker(self._fill)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the iterable, at the latest when its current step ends.

        Raises:
            Exception: Closing the iterable failed.
        """
        self._is_stopped = True
        with anyio.move_on_after(CLOSE_TIMEOUT, shield=True):
            await run_in_worker(self._close_if_idle)

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if isinstance(failure, StopAsyncIteration | StopIteration):
            # Raised as it is, it would look like the end of the rows.
            message = f"the source raised {type(failure).__name__}"
            raise RuntimeError(message) from failure  # noqa: TRY004 - as generators do
        if failure is not None:
            raise failure

    # The methods below run in worker threads.

    def _fill(self) -> None:
        """Read a chunk, unless a thread whose wait was cancelled has read one."""
        with self._busy:
            if not self._rows and not self._has_ended:
                self._read_chunk()
        if self._is_stopped:
            # aclose() could not close while the lock was held. No caller waits for an error now.
            with suppress(Exception):
                self._close_if_idle()

    def _read_chunk(self) -> None:
        found: deque[T] = deque()
        try:
            if self._iterator is None:
                self._iterator = iter(self.source)
            for row in islice(self._iterator, self._chunk_size):
                if not self._reuse.is_done:
                    self._reuse.see(row)
                found.append(row)
                if self._is_stopped:
                    break
        except BaseException as error:  # noqa: BLE001 - any error is raised in the event loop
            self._failure = error
        is_last = self._failure is not None or len(found) < self._chunk_size
        self._rows = found
        self._has_ended = is_last

    def _close_if_idle(self) -> None:
        """Close the iterable, unless a step of it is running: then that thread closes it."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._has_ended = True
            self._rows.clear()
            if not self._is_closed:
                self._is_closed = True
                self._close()
        finally:
            self._busy.release()

    def _close(self) -> None:
        # Any other object with a close(), such as a file or a cursor, belongs to the caller.
        iterator: object = self._iterator
        try:
            if isinstance(iterator, Generator):
                cast("Generator[T]", iterator).close()
        finally:
            if self._on_close is not None:
                self._on_close()


async def run_in_worker(function: Callable[[], R]) -> R:
    """Run a function in a worker thread. If the wait is cancelled, the thread continues."""
    # With a limiter of its own: threads that hang must not use up those of the event loop.
    limiter = anyio.CapacityLimiter(1)
    return await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=limiter)
