"""Results of database drivers, synchronous or asynchronous, as chunks of rows."""

from collections.abc import Callable, Iterator, Sequence
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Self, cast

import anyio

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.threads import CLOSE_TIMEOUT, ThreadedRows

__all__ = ["Chunks", "await_all", "column_names", "read_chunks"]

_ACCEPTED = (
    "it takes a DB-API cursor that has executed its query, a result of SQLAlchemy, or a function"
    " that returns one, with key="
)


async def await_all(result: Any) -> Any:
    """Await a result as often as needed: ``AsyncConnection.stream()`` may be passed as it is."""
    while isawaitable(result):
        result = await result
    return result


def read_chunks(cursor: Any, size: int, *, closes: bool) -> "Chunks":
    """Return the rows of a cursor in chunks. A synchronous cursor is read in a worker thread.

    Args:
        cursor: A cursor, or a result of SQLAlchemy.
        size: Rows per chunk.
        closes: Whether to close the cursor in the end.

    Raises:
        ConfigurationError: It is neither.
    """
    fetch = getattr(cursor, "fetchmany", None)
    if fetch is None or not (hasattr(cursor, "description") or hasattr(cursor, "keys")):
        raise ConfigurationError(f"not a cursor but {type(cursor).__name__}: {_ACCEPTED}")
    close: Callable[[], Any] | None = getattr(cursor, "close", None) if closes else None
    # The functions of some drivers return a future (aiomysql, aioodbc), or are compiled (asyncmy).
    if iscoroutinefunction(fetch) or hasattr(cursor, "__aiter__"):
        return AsyncChunks(fetch, size, close)
    return ThreadedRows(_chunks(fetch, size), 1, close)


def column_names(cursor: Any) -> tuple[Any, ...] | None:
    """Return the columns of a cursor, or ``None`` for a statement that returns no rows."""
    keys = getattr(cursor, "keys", None)
    if keys is not None:
        return tuple(keys())
    description = cast("Sequence[Sequence[Any]] | None", cursor.description)
    return None if description is None else tuple(column[0] for column in description)


def _chunks(fetch: Callable[[int], Sequence[Any]], size: int) -> Iterator[Sequence[Any]]:
    while rows := fetch(size):
        if isawaitable(rows):
            getattr(rows, "close", lambda: None)()  # otherwise Python warns that nobody awaits it
            raise ConfigurationError(
                "fetchmany() of the cursor is asynchronous, and the cursor is not: it needs an"
                " async def fetchmany(), or __aiter__()"
            )
        yield rows


class AsyncChunks:
    """Rows of an asynchronous cursor."""

    def __init__(
        self,
        fetch: Callable[[int], Any],
        size: int,
        close: Callable[[], Any] | None,
    ) -> None:
        self._fetch = fetch
        self._size = size
        self._close = close

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[Any]:
        rows: Sequence[Any] = await await_all(self._fetch(self._size))
        if not rows:
            raise StopAsyncIteration
        return rows

    async def aclose(self) -> None:
        """Close the cursor, if that was requested."""
        close, self._close = self._close, None
        if close is not None:
            with anyio.move_on_after(CLOSE_TIMEOUT, shield=True):
                await await_all(close())


Chunks = ThreadedRows[Sequence[Any]] | AsyncChunks
"""An asynchronous iterator over chunks of rows."""
