"""Rows of any iterable, counted, so that an import of them can be resumed by reading them again."""

import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, cast

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.resumable import Resumable
from cleverreach_async.sources.rows import BadRow, SourceRow

__all__ = ["as_resumable"]


def as_resumable(source: Any) -> Any:
    """Return a source that can be resumed: the same source, or one that counts its rows."""
    if isinstance(source, Resumable):
        return source
    return _AsyncCountedRows(source) if hasattr(source, "__aiter__") else _CountedRows(source)


class _Counter:
    """Counts the rows that were read, with a checksum of their addresses."""

    def __init__(self, rows: Any) -> None:
        self._source = rows
        self._rows = 0
        self._sum = 0
        self._target: Mapping[str, int] = {"rows": 0, "sum": 0}

    def identity(self) -> Mapping[str, Any]:
        """See :class:`Resumable`. Nothing is known of the rows before they are read."""
        return {"kind": "rows"}

    def tell(self) -> Mapping[str, int]:
        """See :class:`Resumable`."""
        return {"rows": self._rows, "sum": self._sum}

    def seek(self, position: Mapping[str, int]) -> None:
        """See :class:`Resumable`. The rows before it are read again and compared by checksum."""
        self._target = position

    def _count(self, item: object) -> bool:
        """Count a row, and return whether it comes after the position to resume at."""
        is_new = self._rows >= self._target["rows"]
        self._rows += 1
        self._sum = zlib.crc32(_address(item).encode("utf-8", "replace"), self._sum)
        if self._rows == self._target["rows"]:
            self._check()
        return is_new

    def _check(self) -> None:
        if self.tell() != self._target:
            raise SourceError(
                f"the first {self._target['rows']:,} rows are not those of the import that is to"
                " be resumed; pass the same rows in the same order",
                path="the source",
            )

    def _check_end(self) -> None:
        """Check that the rows did not end before the position to resume at."""
        if self._rows < self._target["rows"]:
            self._check()


class _CountedRows(_Counter):
    def __iter__(self) -> Iterator[Any]:
        rows = iter(self._source)
        try:
            for item in rows:
                if self._count(item):
                    yield item
            self._check_end()
        finally:
            # The caller may hold a reference, and the rows must be closed all the same.
            close: Callable[[], None] | None = getattr(rows, "close", None)
            if close is not None:
                close()


class _AsyncCountedRows(_Counter):
    def __aiter__(self) -> AsyncIterator[Any]:
        self._iterator = aiter(self._source)
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                item = await anext(self._iterator)
            except StopAsyncIteration:
                self._check_end()
                raise
            if self._count(item):
                return item

    async def aclose(self) -> None:
        """Close the rows, when reading ends early."""
        close = getattr(self._iterator, "aclose", None)
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
