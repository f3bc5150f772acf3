"""One loop over the rows of a database."""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo
from typing import Any, Final, Self

import attrs

from cleverreach_async.errors import CleverReachError, ConfigurationError, SourceError
from cleverreach_async.sources.columns import ColumnMapping, map_columns
from cleverreach_async.sources.cursor_chunks import Chunks, column_names, read_chunks
from cleverreach_async.sources.query_keys import check_key
from cleverreach_async.sources.records import as_record
from cleverreach_async.sources.row_reader import ReadRow, row_reader
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["PLACE", "CursorOptions", "CursorRows", "LastKey"]

PLACE: Final = "the cursor"
_SHOWN_OF_KEY: Final = 40


@attrs.frozen
class CursorOptions:
    """How rows are read.

    Attributes:
        mapping: Target by column, over what is recognised.
        chunk_size: Rows that are fetched at a time.
        zone: Where the clocks of naive times stood.
        date_attributes: Attributes that hold a day.
    """

    mapping: Mapping[str, str] | None
    chunk_size: int
    zone: tzinfo
    date_attributes: Collection[str]


@attrs.define
class LastKey:
    """The key up to which rows were yielded.

    Attributes:
        column: Its column.
        value: The key of the row yielded last, or where to begin; ``None`` for the start.
        tell: Called with each.
    """

    column: str
    value: Any
    tell: Callable[[Any], None]


class CursorRows:
    """The rows of a cursor, or of one after the other that a function makes.

    Args:
        open_result: Makes the cursor that begins after a key; without ``last`` it is called once.
        options: How rows are read.
        set_mapping: Called with what column goes where.
        last: The key, where there is one.
    """

    def __init__(
        self,
        open_result: Callable[..., Awaitable[Any]],
        options: CursorOptions,
        set_mapping: Callable[[ColumnMapping], None],
        last: LastKey | None = None,
    ) -> None:
        self._open_result = open_result
        self._options = options
        self._set_mapping = set_mapping
        self._last = last
        self._result: Any = None
        self._chunks: Chunks | None = None
        self._waiting: deque[Any] = deque()
        self._columns: tuple[str, ...] = ()
        self._read: ReadRow | None = None
        self._row = 0
        self._row_at_begin = 0
        self._has_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SourceRow | BadRow:
        try:
            while not self._has_ended:
                if self._waiting:
                    return self._next_row(self._waiting.popleft())
                await self._fetch()
        except Exception:
            with suppress(Exception):  # what came first tells more
                await self.aclose()
            raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop reading. A cursor that the function made is closed, any other stays open."""
        self._has_ended = True
        self._waiting.clear()
        await self._leave_result()

    async def _fetch(self) -> None:
        try:
            if self._chunks is None:
                await self._begin()
            rows = await self._next_chunk()
            if self._read is None:
                self._map(column_names(self._result))
        except CleverReachError:
            raise
        except Exception as error:
            raise self._failure(error) from error
        if rows:
            self._waiting.extend(rows)
            return
        await self._leave_result()
        # The query may have a limit: only one without rows is the end.
        self._has_ended = self._last is None or self._row == self._row_at_begin

    async def _begin(self) -> None:
        last = self._last
        self._result = await (
            self._open_result() if last is None else self._open_result(last.value)
        )
        size = self._options.chunk_size
        self._chunks = read_chunks(self._result, size, is_ours=last is not None)
        self._row_at_begin = self._row

    async def _next_chunk(self) -> Sequence[Any]:
        if self._chunks is not None:
            async for rows in self._chunks:
                return rows
        return ()

    async def _leave_result(self) -> None:
        chunks, self._chunks, self._result = self._chunks, None, None
        if chunks is not None:
            await chunks.aclose()

    def _map(self, names: Sequence[Any] | None) -> None:
        if names is None:
            raise SourceError("the statement returns no rows; it takes a SELECT", path=PLACE)
        options, last = self._options, self._last
        self._columns = tuple(names)
        if last is not None and last.column not in self._columns:
            listed = ", ".join(repr(name) for name in self._columns)
            raise ConfigurationError(
                f"key is {last.column!r}, and the query has no such column. The columns: {listed}"
            )
        mapping = map_columns(
            self._columns, options.mapping, date_attributes=options.date_attributes, path=PLACE
        )
        self._set_mapping(mapping)
        self._read = row_reader(mapping, options.zone)

    def _next_row(self, row: Any) -> SourceRow | BadRow:
        assert self._read is not None  # noqa: S101 - the columns are known before the first row
        values = self._values(row)
        self._row += 1
        last = self._last
        if last is not None:
            key = values[self._columns.index(last.column)]
            check_key(last.column, key, last.value, row=self._row, place=PLACE)
            last.value = key
            last.tell(key)
        return self._read(values, None)

    def _values(self, row: Any) -> Sequence[Any]:
        return row if _is_positional(row) else self._values_by_name(row)

    def _values_by_name(self, row: object) -> Sequence[Any]:
        record = as_record(row)  # cursors may make dictionaries or objects of rows
        if record is None:
            kind = type(row).__name__
            raise SourceError(f"the cursor makes rows of type {kind}, without columns", path=PLACE)
        return [record.get(column) for column in self._columns]

    def _failure(self, error: Exception) -> CleverReachError:
        """Say how far reading came. Drivers quote values in their messages: those are chained."""
        if "same thread" in str(error):
            return ConfigurationError(
                "the cursor is read in worker threads, which sqlite3 has to be told:"
                " sqlite3.connect(path, check_same_thread=False)"
            )
        after = f"after row {self._row:,}"
        if self._last is not None and self._last.value is not None:
            key = mask_emails(str(self._last.value))[:_SHOWN_OF_KEY]
            after += f", {self._last.column} {key}; seek there to go on"
        return SourceError(f"reading failed {after} ({type(error).__name__})", path=PLACE)


def _is_positional(row: object) -> bool:
    return isinstance(row, Sequence)  # rows of SQLAlchemy and sqlite3 are no tuples
