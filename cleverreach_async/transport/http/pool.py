"""A pool of connections to one server: the last one used is the next one used."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import anyio

__all__ = ["ConnectionPool"]


class _Connection(Protocol):
    def is_idle(self) -> bool: ...
    def has_expired(self) -> bool: ...
    async def aclose(self) -> None: ...


C = TypeVar("C", bound=_Connection)
T = TypeVar("T")


class ConnectionPool(Generic[C]):
    """Opens connections and uses them again. What it does takes as long for one as for thousands.

    Args:
        open_connection: Returns a connection, which connects when it is first used.
        max_connections: Most connections in use at a time; other callers wait for one, in order.
    """

    def __init__(self, open_connection: Callable[[], C], max_connections: int) -> None:
        self._open = open_connection
        self._most = max_connections
        self._limit = anyio.Semaphore(max_connections, fast_acquire=True)
        self._idle: deque[C] = deque()
        self._is_closed = False

    @property
    def idle(self) -> int:
        """The number of open connections that nobody uses."""
        return len(self._idle)

    @property
    def in_use(self) -> int:
        """The number of connections in use."""
        return self._most - self._limit.value

    async def use(self, work: Callable[[C], Awaitable[T]]) -> T:
        """Do some work with a connection.

        A connection whose work failed or was cancelled is closed, because nobody knows its state.

        Args:
            work: Uses the connection.
        """
        async with self._limit:
            connection = await self._take()
            try:
                result = await work(connection)
            except BaseException:
                await _close(connection)
                raise
            if connection.is_idle() and not self._is_closed:
                self._idle.append(connection)
                await self._close_oldest_if_expired()
            else:
                await _close(connection)
            return result

    async def _take(self) -> C:
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await _close(connection)
        return self._open()

    async def _close_oldest_if_expired(self) -> None:
        """Close what a busier time has left behind, one connection for each request."""
        if self._idle[0].has_expired():
            await _close(self._idle.popleft())

    async def aclose(self) -> None:
        """Close all connections: those in use when their work is done."""
        self._is_closed = True
        while self._idle:
            await _close(self._idle.pop())


async def _close(connection: _Connection) -> None:
    with anyio.CancelScope(shield=True):
        await connection.aclose()
