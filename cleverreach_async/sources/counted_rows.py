"""Rows of any iterable, counted, so that an import of them can be resumed by reading them again."""

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.resumable import Resumable
from cleverreach_async.sources.rows import BadRow, SourceRow

__all__ = ["countable"]


def countable(source: Any) -> Any:
    """Return a source that can be resumed: the same one, or its rows counted."""
    if isinstance(source, Resumable):
        return source
    if hasattr(source, "__aiter__"):
        return _AsyncCounted(source)
    return _Counted(source)


class _Count:
    """How many rows were passed on, and a check sum over their addresses."""

    def __init__(self) -> None:
        self._rows = 0
        self._sum = 0
        self._wanted: Mapping[str, int] = {"rows": 0, "sum": 0}

    def identity(self) -> Mapping[str, Any]:
        """See :class:`Resumable`. Nothing is known of the rows before they are read."""
        return {"kind": "rows"}

    def tell(self) -> Mapping[str, int]:
        """See :class:`Resumable`."""
        return {"rows": self._rows, "sum": self._sum}

    def seek(self, position: Mapping[str, int]) -> None:
        """See :class:`Resumable`; the rows before are read again, and compared by check sum."""
        self._wanted = position

    def _take(self, item: object) -> bool:
        """Count a row; whether it lies behind the place to go on from."""
        is_new = self._rows >= self._wanted["rows"]
        self._rows += 1
        self._sum = zlib.crc32(_address(item).encode("utf-8", "replace"), self._sum)
        if self._rows == self._wanted["rows"]:
            self._check()
        return is_new

    def _check(self) -> None:
        if self.tell() != self._wanted:
            raise SourceError(
                f"the first {self._wanted['rows']:,} rows are not those of the import that is to "
                "be resumed; give the same rows in the same order",
                path="the source",
            )

    def _end(self) -> None:
        """The rows are at their end; that must not come before the place to go on from."""
        if self._rows < self._wanted["rows"]:
            self._check()


class _Counted(_Count):
    def __init__(self, rows: Iterable[Any]) -> None:
        super().__init__()
        self._source = rows

    def __iter__(self) -> Iterator[Any]:
        rows = iter(self._source)
        try:
            for item in rows:
                if self._take(item):
                    yield item
            self._end()
        finally:
            # Somebody else may hold the rows, and they have to be closed all the same.
            close: Callable[[], None] | None = getattr(rows, "close", None)
            if close is not None:
                close()


class _AsyncCounted(_Count):
    def __init__(self, rows: AsyncIterable[Any]) -> None:
        super().__init__()
        self._source = rows

    def __aiter__(self) -> AsyncIterator[Any]:
        self._rows_left = aiter(self._source)
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                item = await anext(self._rows_left)
            except StopAsyncIteration:
                self._end()
                raise
            if self._take(item):
                return item

    async def aclose(self) -> None:
        """Close the rows, when reading ends early."""
        close = getattr(self._rows_left, "aclose", None)
        if close is not None:
            await close()


def _address(item: Any) -> str:
    if type(item) is SourceRow:
        item = item.receiver
    if isinstance(item, BadRow):
        return ""
    if isinstance(item, Mapping):
        return str(cast("Mapping[str, Any]", item).get("email"))
    return item if isinstance(item, str) else str(getattr(item, "email", ""))
