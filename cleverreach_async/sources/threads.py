"""Iterables that block, read in a worker thread."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from threading import Lock
from typing import Final, Generic, Self, TypeVar, cast

import anyio
import anyio.to_thread

from cleverreach_async.errors import ConfigurationError

__all__ = ["CLOSE_PATIENCE", "ThreadedRows", "in_thread", "run_in_worker"]

R = TypeVar("R")
T = TypeVar("T")

CLOSE_PATIENCE: Final = 5.0
"""Seconds that closing may take before it is left to its thread."""


def in_thread(rows: Iterable[T], *, chunk_size: int = 500) -> "ThreadedRows[T]":
    """Read an iterable that blocks, such as a generator over a database, in a worker thread.

    It is read in chunks: one is handed out, and none is read before it is used up. What the
    iterable raises comes after the rows before it. Leaving early, call ``aclose()``; the importer
    does.

    Args:
        rows: The iterable. Its steps may run in different threads, never in two at a time.
        chunk_size: Rows per chunk. One that yields now and then, for hours, takes 1.

    Raises:
        ConfigurationError: The chunk size is not positive.
    """
    if chunk_size < 1:
        raise ConfigurationError(f"chunk_size is {chunk_size}; it is at least 1")
    return ThreadedRows(rows, chunk_size)


class ThreadedRows(Generic[T]):
    """Rows read in a worker thread, once; :func:`~cleverreach_async.in_thread` makes one.

    Args:
        rows: The iterable.
        chunk_size: Rows that are read at a time.
        on_close: Called once, in a worker thread, when the iterable has been closed.

    A wait for rows can be cancelled at any time: the thread is left to itself then, and what it
    reads is there for the next to wait.
    """

    def __init__(
        self,
        rows: Iterable[T],
        chunk_size: int,
        on_close: Callable[[], object] | None = None,
    ) -> None:
        self._reader = _Reader(rows, chunk_size, on_close)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        reader = self._reader
        while not reader.stopped:
            # Asked first: once it is set the rows are the last ones.
            has_ended = reader.ended
            if reader.rows:
                return reader.rows.popleft()
            if has_ended:
                reader.raise_failure()
                break
            await run_in_worker(reader.fill)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the iterable, at the latest when its present step ends.

        Raises:
            Exception: What closing it raises.
        """
        self._reader.stop()
        with anyio.move_on_after(CLOSE_PATIENCE, shield=True):
            await run_in_worker(self._reader.close_if_idle)


async def run_in_worker(function: Callable[[], R]) -> R:
    """Run a function in a worker thread, which is left to itself if the wait is cancelled."""
    # With a limit of its own: threads that hang must not use up those of the event loop.
    limiter = anyio.CapacityLimiter(1)
    return await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=limiter)


class _Reader(Generic[T]):
    """What happens in threads. Rows are taken in the event loop only.

    Attributes:
        rows: What was read and not yet taken.
        ended: Whether nothing more will be read.
        stopped: Whether nothing more is wanted.
    """

    def __init__(
        self, source: Iterable[T], chunk_size: int, on_close: Callable[[], object] | None
    ) -> None:
        self.rows: deque[T] = deque()
        self.ended = False
        self.stopped = False
        self._source = source
        self._chunk_size = chunk_size
        self._on_close = on_close
        self._iterator: Iterator[T] | None = None
        self._failure: BaseException | None = None
        self._is_closed = False
        self._busy = Lock()

    def fill(self) -> None:
        """Read a chunk, unless a thread that was left to itself has brought one."""
        with self._busy:
            if not self.rows and not self.ended:
                self._read_chunk()
        if self.stopped:
            # Who stopped could not close while the lock was held; nobody waits for an error now.
            with suppress(Exception):
                self.close_if_idle()

    def _read_chunk(self) -> None:
        found: deque[T] = deque()
        try:
            if self._iterator is None:
                self._iterator = iter(self._source)
            for row in islice(self._iterator, self._chunk_size):
                found.append(row)
                if self.stopped:
                    break
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised to the reader
            self._failure = error
        is_last = self._failure is not None or len(found) < self._chunk_size
        self.rows = found
        self.ended = is_last

    def raise_failure(self) -> None:
        """Raise what the iterable raised, once."""
        failure, self._failure = self._failure, None
        if isinstance(failure, StopAsyncIteration | StopIteration):
            # Left as it is, it would be taken for the end of the rows.
            message = f"the source raised {type(failure).__name__}"
            raise RuntimeError(message) from failure  # noqa: TRY004 - as generators do
        if failure is not None:
            raise failure

    def stop(self) -> None:
        """Read no more; the present step ends as it does."""
        self.stopped = True

    def close_if_idle(self) -> None:
        """Close the iterable, unless a step of it is under way: then that thread does."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            self.ended = True
            self.rows.clear()
            if not self._is_closed:
                self._is_closed = True
                self._close()
        finally:
            self._busy.release()

    def _close(self) -> None:
        # Anything else with a close(), such as a file or a cursor, is the caller's.
        iterator: object = self._iterator
        try:
            if isinstance(iterator, Generator):
                cast("Generator[T]", iterator).close()
        finally:
            if self._on_close is not None:
                self._on_close()
