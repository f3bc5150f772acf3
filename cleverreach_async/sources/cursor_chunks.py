"""Results of database drivers, synchronous or not, as chunks of rows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Protocol, Self, cast

import anyio

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.threads import CLOSE_PATIENCE, ThreadedRows

__all__ = ["Chunks", "column_names", "read_chunks", "settle"]

_NO_RESULT = (
    "it takes a DB-API cursor that has executed its query, a result of SQLAlchemy, or a function"
    " that returns one, with key="
)


class Chunks(Protocol):
    """Rows of a result, some at a time."""

    def __aiter__(self) -> AsyncIterator[Sequence[Any]]: ...

    async def __anext__(self) -> Sequence[Any]: ...

    async def aclose(self) -> None:
        """Stop reading, and close the result if it is ours."""
        ...


async def settle(result: Any) -> Any:
    """Await what is to be awaited: ``AsyncConnection.stream()`` may be passed as it is."""
    while isawaitable(result):
        result = await result
    return result


def read_chunks(result: Any, size: int, *, is_ours: bool) -> Chunks:
    """Return the rows of a result in chunks. A synchronous one is read in a worker thread.

    Args:
        result: A cursor or result.
        size: Rows per chunk.
        is_ours: Whether to close it in the end.

    Raises:
        ConfigurationError: It is neither.
    """
    fetch = getattr(result, "fetchmany", None)
    if fetch is None or not (hasattr(result, "description") or hasattr(result, "keys")):
        raise ConfigurationError(f"no cursor but {type(result).__name__}: {_NO_RESULT}")
    close: Callable[[], Any] | None = getattr(result, "close", None) if is_ours else None
    if iscoroutinefunction(fetch):
        return _AsyncChunks(fetch, size, close)
    return ThreadedRows(_chunks(fetch, size), 1, close)


def column_names(result: Any) -> tuple[Any, ...] | None:
    """Return the columns of a result; ``None`` for a statement that returns no rows."""
    keys = getattr(result, "keys", None)
    if keys is not None:
        return tuple(keys())
    description = cast("Sequence[Sequence[Any]] | None", result.description)
    return None if description is None else tuple(column[0] for column in description)


def _chunks(fetch: Callable[[int], Sequence[Any]], size: int) -> Iterator[Sequence[Any]]:
    while rows := fetch(size):
        yield rows


class _AsyncChunks:
    def __init__(
        self,
        fetch: Callable[[int], Awaitable[Sequence[Any]]],
        size: int,
        close: Callable[[], Any] | None,
    ) -> None:
        self._fetch = fetch
        self._size = size
        self._close = close

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[Any]:
        rows = await self._fetch(self._size)
        if not rows:
            raise StopAsyncIteration
        return rows

    async def aclose(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            with anyio.move_on_after(CLOSE_PATIENCE, shield=True):
                await settle(close())
