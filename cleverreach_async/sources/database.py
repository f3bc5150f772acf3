"""Rows of a database, by a cursor or by a query that can begin after a key."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final, Unpack, overload

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.column_options import ColumnOptions, ColumnParameters
from cleverreach_async.sources.column_source import ColumnSource
from cleverreach_async.sources.cursor_chunks import await_all
from cleverreach_async.sources.cursor_rows import CursorRows, LastKey
from cleverreach_async.sources.query_keys import key_from_json, key_to_json
from cleverreach_async.sources.resumable import Position, zone_name
from cleverreach_async.sources.threads import run_in_worker

__all__ = ["CursorSource", "QuerySource", "read_cursor"]

Query = Callable[[Any], Any]
"""From the key to begin after, ``None`` for the start, to a cursor or an awaitable of one."""

_NAME: Final = "the cursor"


@overload
def read_cursor(
    source: Query,
    *,
    key: str,
    chunk_size: int = 500,
    **columns: Unpack[ColumnParameters],
) -> "QuerySource": ...
@overload
def read_cursor(
    source: Any,
    *,
    key: None = None,
    chunk_size: int = 500,
    **columns: Unpack[ColumnParameters],
) -> "CursorSource": ...
def read_cursor(
    source: Any,
    *,
    key: str | None = None,
    chunk_size: int = 500,
    **columns: Unpack[ColumnParameters],
) -> "CursorSource | QuerySource":
    """Read receivers from a database.

    ``source`` is a cursor, or a function that returns one::

        read_cursor(connection.execute("SELECT email, city FROM customers"))

        def customers(after):
            return connection.execute(
                "SELECT id, email, city FROM customers WHERE id > ? ORDER BY id", (after or 0,)
            )

        read_cursor(customers, key="id")

    The second can be resumed. The function is called again after the last row, until it returns
    no more rows, so it may have a ``LIMIT``: short queries survive long pauses, a cursor may not.

    A synchronous cursor or function runs in worker threads, one at a time; a connection of
    ``sqlite3`` needs ``check_same_thread=False``. A cursor that you pass stays open; one that the
    function returns is closed.

    Args:
        source: A DB-API cursor that has executed its query, a ``Result`` or ``AsyncResult`` of
            SQLAlchemy, or a function from a key to one of them.
        key: Column of the function's rows that is unique and by which they are ordered.
        chunk_size: Rows fetched at a time.
        **columns: See :class:`ColumnParameters`.

    Raises:
        ConfigurationError: The arguments do not fit each other, or, while reading, the columns.
        SourceError: While reading: the cursor failed, or the columns cannot become receivers. All
            rows before were yielded.
    """
    if chunk_size < 1:
        raise ConfigurationError(f"chunk_size is {chunk_size}; it is at least 1")
    is_query = callable(source) and not hasattr(source, "fetchmany")
    if is_query != (key is not None):
        raise ConfigurationError(
            "a function needs key=, the column after which it begins"
            if is_query
            else "key= needs a function that returns the cursor which begins after a key"
        )
    options = ColumnOptions(**columns)
    if key is None:
        return CursorSource(source, options, chunk_size)
    return QuerySource(source, key, options, chunk_size)


class CursorSource(ColumnSource):
    """Rows of a cursor, once; :func:`~cleverreach_async.read_cursor` returns one.

    Attributes:
        mapping: Target of each column; ``None`` before the first row.
    """

    def __init__(self, cursor: Any, options: ColumnOptions, chunk_size: int) -> None:
        super().__init__(options, _NAME)
        self._rows = CursorRows(self, partial(await_all, cursor), chunk_size)

    def __aiter__(self) -> CursorRows:
        return self._rows


class QuerySource(ColumnSource):
    """Rows of a query by key; :func:`~cleverreach_async.read_cursor` returns one.

    Every loop begins at the start, except the one after :meth:`seek`.

    Attributes:
        key: The key's column.
        mapping: Target of each column; ``None`` before the first row.
    """

    def __init__(self, query: Query, key: str, options: ColumnOptions, chunk_size: int) -> None:
        super().__init__(options, _NAME)
        self.key = key
        self._query = query
        self._chunk_size = chunk_size
        self._last = LastKey(key, None)
        self._is_sought = False

    def __aiter__(self) -> CursorRows:
        if not self._is_sought:
            self._last = LastKey(self.key, None)
        self._is_sought = False
        return CursorRows(self, partial(_open, self._query), self._chunk_size, self._last)

    def identity(self) -> Mapping[str, Any]:
        """Return what is known of the rows. The query itself cannot be compared."""
        options = self.options
        return {
            "kind": "query",
            "key": self.key,
            "columns": dict(options.mapping or {}),
            "timezone": zone_name(options.zone),
            "date_attributes": sorted(options.date_attributes),
            "types": options.changed_types(),
            "relative": options.relative,
            "strict": options.strict,
        }

    def tell(self) -> Position:
        """Return the key of the row yielded last as a JSON value; ``None`` before the first."""
        return key_to_json(self._last.value)

    def seek(self, position: Position) -> None:
        """Begin the next loop, and only that one, after a key that :meth:`tell` returned.

        Raises:
            SourceError: It is not such a key.
        """
        try:
            self._last = LastKey(self.key, key_from_json(position))
        except ValueError:
            raise SourceError(
                f"the position is not a key {self.key!r}; it belongs to another source",
                path=self.name,
            ) from None
        self._is_sought = True


async def _open(query: Query, after: Any) -> Any:
    """Call the query; one that may block is called in a worker thread."""
    if iscoroutinefunction(query):
        return await query(after)
    return await await_all(await run_in_worker(partial(query, after)))
