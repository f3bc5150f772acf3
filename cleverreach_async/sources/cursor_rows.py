"""One loop over the rows of a database."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Self

import attrs

from cleverreach_async.errors import CleverReachError, ConfigurationError, SourceError
from cleverreach_async.sources.column_source import ColumnSource
from cleverreach_async.sources.cursor_chunks import Chunks, column_names, read_chunks
from cleverreach_async.sources.query_keys import check_key
from cleverreach_async.sources.records import as_record
from cleverreach_async.sources.row_reader import ReadRow
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["CursorRows", "LastKey"]

_SHOWN_OF_KEY: Final = 40


@attrs.define
class LastKey:
    """The key of the row yielded last.

    Attributes:
        column: Its column.
        value: The key, or where to begin; ``None`` for the start.
    """

    column: str
    value: Any


class CursorRows:
    """The rows of a cursor, or of a function that returns one cursor after the other.

    Args:
        source: The source; it gets the columns.
        open_cursor: Returns the cursor that begins after a key; without ``last`` it is called
            once, without arguments.
        chunk_size: Rows fetched at a time.
        last: The key, where there is one.
    """

    def __init__(
        self,
        source: ColumnSource,
        open_cursor: Callable[..., Awaitable[Any]],
        chunk_size: int,
        last: LastKey | None = None,
    ) -> None:
        self._source = source
        self._open_cursor = open_cursor
        self._chunk_size = chunk_size
        self._last = last
        self._cursor: Any = None
        self._chunks: Chunks | None = None
        self._fetched: deque[Any] = deque()
        self._columns: tuple[str, ...] = ()
        self._read: ReadRow | None = None
        self._row = 0
        self._rows_before_cursor = 0
        self._has_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SourceRow | BadRow:
        try:
            while not self._has_ended:
                if self._fetched:
                    return self._next_row(self._fetched.popleft())
                await self._fetch()
        except Exception:
            with suppress(Exception):  # the first error says more
                await self.aclose()
            raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop reading. A cursor that the function returned is closed, any other stays open."""
        self._has_ended = True
        self._fetched.clear()
        await self._leave_cursor()

    async def _fetch(self) -> None:
        try:
            if self._chunks is None:
                self._chunks = await self._open()
            rows = await _next_chunk(self._chunks)
            if self._read is None:
                self._read = self._map_columns()
        except CleverReachError:
            raise
        except Exception as error:
            raise self._failure(error) from error
        if rows:
            self._fetched.extend(rows)
            return
        await self._leave_cursor()
        # The query may have a limit, so only a cursor without rows is the end.
        self._has_ended = self._last is None or self._row == self._rows_before_cursor

    async def _open(self) -> Chunks:
        arguments = () if self._last is None else (self._last.value,)
        self._cursor = await self._open_cursor(*arguments)
        self._rows_before_cursor = self._row
        return read_chunks(self._cursor, self._chunk_size, closes=self._last is not None)

    async def _leave_cursor(self) -> None:
        chunks, self._chunks, self._cursor = self._chunks, None, None
        if chunks is not None:
            await chunks.aclose()

    def _map_columns(self) -> ReadRow:
        names = column_names(self._cursor)
        if names is None:
            raise SourceError(
                "the statement returns no rows; it takes a SELECT", path=self._source.name
            )
        if self._last is not None and self._last.column not in names:
            raise ConfigurationError(
                f"key is {self._last.column!r}, and the query has no such column. The columns:"
                f" {', '.join(map(repr, names))}"
            )
        self._columns = names
        return self._source.read_columns(names)

    def _next_row(self, row: Any) -> SourceRow | BadRow:
        assert self._read is not None  # noqa: S101 - the columns are known before the first row
        values = self._values(row)
        self._row += 1
        last = self._last
        if last is not None:
            key = values[self._columns.index(last.column)]
            check_key(last.column, key, last.value, row=self._row, path=self._source.name)
            last.value = key
        return self._read(values, None)

    def _values(self, row: Any) -> Sequence[Any]:
        if issubclass(type(row), Sequence):  # rows of SQLAlchemy and sqlite3 are not tuples
            values: Sequence[Any] = row
            return values
        record = as_record(row)  # some cursors return dictionaries or objects
        if record is None:
            raise SourceError(
                f"the cursor returns rows of type {type(row).__name__}, without columns",
                path=self._source.name,
            )
        return [record.get(column) for column in self._columns]

    def _failure(self, error: Exception) -> CleverReachError:
        """Say after which row reading failed.

        Drivers quote values in their messages, so the error is chained and not quoted.
        """
        if "same thread" in str(error):
            return ConfigurationError(
                "the cursor is read in worker threads, and sqlite3 does not allow that by default:"
                " sqlite3.connect(path, check_same_thread=False)"
            )
        after = f"after row {self._row:,}"
        if self._last is not None and self._last.value is not None:
            key = mask_emails(str(self._last.value))[:_SHOWN_OF_KEY]
            after += f", {self._last.column} {key}; seek there to continue"
        return SourceError(
            f"reading failed {after} ({type(error).__name__})", path=self._source.name
        )


async def _next_chunk(chunks: Chunks) -> Sequence[Any]:
    async for rows in chunks:
        return rows
    return ()
