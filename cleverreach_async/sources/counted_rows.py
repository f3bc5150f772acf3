"""Rows of any iterable, counted, so that an import of them can be resumed by reading them again."""

import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import Any, Final, cast

from cleverreach_async.errors import SourceError
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.sources.column_options import columns_of
from cleverreach_async.sources.resumable import Position, Resumable
from cleverreach_async.sources.rows import BadRow, SourceRow

__all__ = ["CountedRows", "as_resumable"]

_MOST_AT_ONCE: Final = 1000
_TEXT: Final = frozenset({str})


def as_resumable(source: Any) -> Any:
    """Return a source that can be resumed: the same source, or one that counts its rows."""
    if isinstance(source, Resumable):
        return source
    return _AsyncRows(source) if hasattr(source, "__aiter__") else _SyncRows(source)


class CountedRows:
    """Counts the rows that were read, with a checksum of their addresses, one after the other.

    Rows are counted several at once, which takes a small part of the time of a checksum for each.
    The sum is the same wherever they are cut, so a later run may cut them elsewhere.
    """

    def __init__(self, rows: Any) -> None:
        self._source = rows
        self._rows = 0
        self._sum = 0
        self._uncounted: list[Any] = []
        self._target: Mapping[str, int] = {"rows": 0, "sum": 0}
        self._ahead: Mapping[str, int] | None = None

    def identity(self) -> Mapping[str, Any]:
        """See :class:`Resumable`. Nothing is known of the rows before they are read."""
        return {"kind": "rows"}

    def tell(self) -> Mapping[str, int]:
        """See :class:`Resumable`."""
        self._count()
        return {"rows": self._rows, "sum": self._sum}

    def with_read(self, position: Position | None, read: Position) -> Position:
        """Return a position that also says which rows after it were read, and perhaps sent.

        Args:
            position: Where to resume; ``None`` for the beginning.
            read: What :meth:`tell` returned after the last row that was read.
        """
        return {**(position or {"rows": 0, "sum": 0}), "read": read}

    def seek(self, position: Mapping[str, Any]) -> None:
        """See :class:`Resumable`. Rows that were read before are compared by checksum."""
        self._target = {name: position[name] for name in ("rows", "sum")}
        # Values of columns are converted when rows are read, which must not happen too early.
        self._ahead = position.get("read") if columns_of(self._source) is None else None

    def _count(self) -> None:
        """Count the rows that were read since the last call."""
        text = "".join(_addresses(self._uncounted))
        self._sum = zlib.crc32(text.encode("utf-8", "replace"), self._sum)
        self._rows += len(self._uncounted)
        self._uncounted.clear()

    @property
    def _left_to_skip(self) -> int:
        """Rows to read before the position to resume at."""
        return max(0, self._target["rows"] - self._rows)

    def _check(self) -> None:
        if self.tell() != self._target:
            raise _other_rows(self._target["rows"])

    @property
    def _left_to_read_ahead(self) -> int:
        """Rows after the position to resume at that an earlier run has read."""
        return 0 if self._ahead is None else max(0, self._ahead["rows"] - self._rows)

    def _check_ahead(self, rows: list[Any]) -> None:
        """Compare rows before one of them is sent: those of an earlier run have their numbers."""
        if self._ahead is None:
            return
        text = "".join(_addresses(rows))
        found = zlib.crc32(text.encode("utf-8", "replace"), self._sum)
        if (self._rows + len(rows), found) != (self._ahead["rows"], self._ahead["sum"]):
            raise _other_rows(self._ahead["rows"])


class _SyncRows(CountedRows):
    def __iter__(self) -> Iterator[Any]:
        rows: Iterator[Any] = iter(self._source)
        uncounted = self._uncounted
        try:
            self._skip(rows)
            ahead = list(islice(rows, self._left_to_read_ahead))
            self._check_ahead(ahead)
            for item in chain(ahead, rows):
                uncounted.append(item)
                if len(uncounted) > _MOST_AT_ONCE:
                    self._count()
                yield item
        finally:
            # The caller may hold a reference, and the rows must be closed all the same.
            close: Callable[[], None] | None = getattr(rows, "close", None)
            if close is not None:
                close()

    def _skip(self, rows: Iterator[Any]) -> None:
        """Read the rows before the position to resume at again, and compare them."""
        while left := self._left_to_skip:
            self._uncounted += islice(rows, min(left, _MOST_AT_ONCE))
            are_all = not self._uncounted
            self._count()
            if are_all or not self._left_to_skip:
                self._check()


class _AsyncRows(CountedRows):
    def __aiter__(self) -> AsyncIterator[Any]:
        self._iterator = aiter(self._source)
        self._read: deque[Any] = deque()
        return self

    async def __anext__(self) -> Any:
        while left := self._left_to_skip:
            await self._skip(min(left, _MOST_AT_ONCE))
        if self._ahead is not None:
            await self._read_ahead()
        item = self._read.popleft() if self._read else await anext(self._iterator)
        self._uncounted.append(item)
        if len(self._uncounted) > _MOST_AT_ONCE:
            self._count()
        return item

    async def _skip(self, rows: int) -> None:
        """Read rows before the position to resume at again, and compare them."""
        try:
            for _ in range(rows):
                self._uncounted.append(await anext(self._iterator))
        except StopAsyncIteration:
            self._check()
            raise
        self._count()
        if not self._left_to_skip:
            self._check()

    async def _read_ahead(self) -> None:
        rows: list[Any] = []
        with suppress(StopAsyncIteration):
            for _ in range(self._left_to_read_ahead):
                rows.append(await anext(self._iterator))  # noqa: PERF401 - keep those before the end
        self._check_ahead(rows)
        self._read.extend(rows)
        self._ahead = None

    async def aclose(self) -> None:
        """Close the rows, when reading ends early."""
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()


def _other_rows(count: int) -> SourceError:
    return SourceError(
        f"the first {count:,} rows are not those of the import that is to be resumed; pass the"
        " same rows in the same order",
        path="the source",
    )


def _addresses(items: list[Any]) -> Iterable[str]:
    """Return the addresses of rows, without a call for each if they are of one usual kind."""
    found: list[Any] = []
    kinds = {*map(type, items)}
    try:
        if kinds == {SourceRow}:
            found = [item.receiver.email for item in items]
        elif kinds == {ReceiverInput}:
            found = [item.email for item in items]
        elif kinds == {dict}:
            found = [item["email"] for item in items]
    except (AttributeError, KeyError):
        pass
    return found if found and _TEXT.issuperset(map(type, found)) else map(_address, items)


def _address(item: Any) -> str:
    if type(item) is SourceRow:
        item = item.receiver
    if isinstance(item, BadRow):
        return ""
    if isinstance(item, Mapping):
        return str(cast("Mapping[str, Any]", item).get("email"))
    return item if isinstance(item, str) else str(getattr(item, "email", ""))
