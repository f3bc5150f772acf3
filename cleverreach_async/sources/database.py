"""Rows of a database, by cursor or by a query that can be begun again after a key."""

from collections.abc import Callable, Collection, Mapping
from datetime import tzinfo
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, overload

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.cursor_chunks import settle
from cleverreach_async.sources.cursor_rows import (
    PLACE,
    CursorOptions,
    CursorRows,
    LastKey,
)
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.query_keys import key_of_token, token_of_key
from cleverreach_async.sources.resumable import Position, zone_name
from cleverreach_async.sources.threads import run_in_worker

__all__ = ["CursorSource", "QuerySource", "read_cursor"]

Query = Callable[[Any], Any]
"""From the key to begin after, ``None`` for the start, to a cursor, or to an awaitable of one."""


@overload
def read_cursor(
    source: Query,
    *,
    key: str,
    mapping: Mapping[str, str] | None = None,
    chunk_size: int = 500,
    timezone: str | tzinfo = "Europe/Berlin",
    date_attributes: Collection[str] = frozenset(),
) -> "QuerySource": ...
@overload
def read_cursor(
    source: Any,
    *,
    key: None = None,
    mapping: Mapping[str, str] | None = None,
    chunk_size: int = 500,
    timezone: str | tzinfo = "Europe/Berlin",
    date_attributes: Collection[str] = frozenset(),
) -> "CursorSource": ...
def read_cursor(
    source: Any,
    *,
    key: str | None = None,
    mapping: Mapping[str, str] | None = None,
    chunk_size: int = 500,
    timezone: str | tzinfo = "Europe/Berlin",
    date_attributes: Collection[str] = frozenset(),
) -> "CursorSource | QuerySource":
    """Read receivers from a database.

    ``source`` is a cursor, or a function that makes one::

        read_cursor(connection.execute("SELECT email, city FROM customers"))

        def customers(after):
            return connection.execute(
                "SELECT id, email, city FROM customers WHERE id > ? ORDER BY id", (after or 0,)
            )

        read_cursor(customers, key="id")

    The second can be resumed. It is called again after the last row, until it has no more, so it
    may have a ``LIMIT``: short queries outlive long pauses, which a cursor may not.

    A synchronous cursor or function runs in worker threads, one at a time; of ``sqlite3`` the
    connection needs ``check_same_thread=False``. A cursor that is passed stays open; one that the
    function makes is closed.

    Args:
        source: A DB-API cursor that has executed its query, a ``Result`` or ``AsyncResult`` of
            SQLAlchemy, or a function from a key to one of them.
        key: Column of the function's rows that is unique and by which they are ordered.
        mapping: Target by column, as for :func:`read_csv`.
        chunk_size: Rows that are fetched at a time.
        timezone: Where the clocks of times without a time zone stood.
        date_attributes: Attributes that hold a day, named as targets are.

    Raises:
        ConfigurationError: The arguments do not fit each other; while reading: or the columns.
        SourceError: While reading: the cursor failed, or the columns make no receiver. The rows
            before were yielded.
    """
    if chunk_size < 1:
        raise ConfigurationError(f"chunk_size is {chunk_size}; it is at least 1")
    is_query = callable(source) and not hasattr(source, "fetchmany")
    if is_query != (key is not None):
        raise ConfigurationError(
            "a function needs key=, the column after which it begins"
            if is_query
            else "key= needs a function that makes the cursor which begins after a key"
        )
    options = CursorOptions(mapping, chunk_size, find_zone(timezone), date_attributes)
    return CursorSource(source, options) if key is None else QuerySource(source, key, options)


class CursorSource:
    """Rows of a cursor, once; :func:`~cleverreach_async.read_cursor` makes one.

    Attributes:
        mapping: What column goes where; ``None`` before the first row.
    """

    def __init__(self, cursor: Any, options: CursorOptions) -> None:
        self.mapping: ColumnMapping | None = None
        self._rows = CursorRows(partial(settle, cursor), options, self._set_mapping)

    def __aiter__(self) -> "CursorRows":
        return self._rows

    def _set_mapping(self, mapping: ColumnMapping) -> None:
        self.mapping = mapping


class QuerySource:
    """Rows of a query that can begin after a key; :func:`~cleverreach_async.read_cursor` makes one.

    Every loop begins at the start, but for the one after :meth:`seek`.

    Attributes:
        key: The key's column.
        mapping: What column goes where; ``None`` before the first row.
    """

    def __init__(self, query: Query, key: str, options: CursorOptions) -> None:
        self.key = key
        self.mapping: ColumnMapping | None = None
        self._query = query
        self._options = options
        self._last: Any = None
        self._is_sought = False

    def __aiter__(self) -> "CursorRows":
        if not self._is_sought:
            self._last = None
        self._is_sought = False
        last = LastKey(self.key, self._last, self._note)
        open_result = partial(_call, self._query)
        return CursorRows(open_result, self._options, self._set_mapping, last)

    def identity(self) -> Mapping[str, Any]:
        """Return what is known of the rows; the query itself is the caller's word."""
        options = self._options
        return {
            "kind": "query",
            "key": self.key,
            "columns": dict(options.mapping or {}),
            "timezone": zone_name(options.zone),
            "date_attributes": sorted(options.date_attributes),
        }

    def tell(self) -> Position:
        """Return the key of the row yielded last as a JSON value; ``None`` before the first."""
        return token_of_key(self._last)

    def seek(self, position: Position) -> None:
        """Let the next loop, and only that, begin after a key that :meth:`tell` gave.

        Raises:
            SourceError: It is no such key.
        """
        try:
            self._last = key_of_token(position)
        except ValueError:
            raise SourceError(
                f"the position is no key {self.key!r}; it is one of another source", path=PLACE
            ) from None
        self._is_sought = True

    def _set_mapping(self, mapping: ColumnMapping) -> None:
        self.mapping = mapping

    def _note(self, key: Any) -> None:
        self._last = key


async def _call(query: Query, after: Any) -> Any:
    """Make a cursor; a function that may block does so in a worker thread."""
    if iscoroutinefunction(query):
        return await query(after)
    return await settle(await run_in_worker(partial(query, after)))
