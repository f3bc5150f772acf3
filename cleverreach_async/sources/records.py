"""Rows by column name: mappings, dataclasses, attrs objects, named tuples, rows of databases."""

import dataclasses
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import tzinfo
from typing import Any, Final, Self, cast, overload

import attrs

from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.sources.columns import ColumnMapping, map_columns
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.row_reader import ReadRow, row_reader
from cleverreach_async.sources.rows import BadRow, SourceRow

__all__ = [
    "AsyncRecordSource",
    "RecordSource",
    "as_receiver_fields",
    "as_record",
    "read_records",
]

_ACCEPTED: Final = "a mapping, dataclass, attrs object, named tuple or row of a database"
_PLACE: Final = "the records"


def as_record(row: object) -> Mapping[str, Any] | None:
    """Return the values of a row by column; ``None`` for what has no columns.

    The row itself is returned where it is a mapping; it is not to be changed.
    """
    if isinstance(row, Mapping):
        return cast("Mapping[str, Any]", row)
    inner: object = getattr(row, "_mapping", None)  # a row of SQLAlchemy
    if isinstance(inner, Mapping):
        return cast("Mapping[str, Any]", inner)
    names = _field_names(row)
    if names is not None:
        return {name: getattr(row, name) for name in names}
    if not isinstance(row, type) and hasattr(row, "keys") and hasattr(row, "__getitem__"):
        lookup: Any = row  # sqlite3.Row, asyncpg.Record
        return {name: lookup[name] for name in lookup.keys()}  # noqa: SIM118 - no mapping
    return None


def _field_names(row: object) -> Sequence[str] | None:
    kind: type = type(row)
    if attrs.has(kind):
        return [field.name for field in attrs.fields(kind)]
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    # Else it may be a named tuple.
    names: Sequence[str] | None = getattr(row, "_fields", None)
    return names if isinstance(row, tuple) else None


def as_receiver_fields(row: object) -> Mapping[str, Any] | None:
    """Return the fields of an object that is shaped like a ``ReceiverInput``.

    Args:
        row: A mapping, dataclass, attrs object, named tuple or row of a database.

    Returns:
        What ``ReceiverInput`` takes as keywords, if the names are its own; a mapping as it is, of
        anything else without the fields that are ``None``. ``None`` for what has no fields.
    """
    record = as_record(row)
    if record is None or record is row:
        return record
    # An object always has all of its fields; None is how it says that there is no value.
    return {name: value for name, value in record.items() if value is not None}


@overload
def read_records(
    rows: AsyncIterable[Any],
    *,
    mapping: Mapping[str, str] | None = None,
    timezone: str | tzinfo = "Europe/Berlin",
    date_attributes: Collection[str] = frozenset(),
) -> "AsyncRecordSource": ...
@overload
def read_records(
    rows: Iterable[Any],
    *,
    mapping: Mapping[str, str] | None = None,
    timezone: str | tzinfo = "Europe/Berlin",
    date_attributes: Collection[str] = frozenset(),
) -> "RecordSource": ...
def read_records(
    rows: Iterable[Any] | AsyncIterable[Any],
    *,
    mapping: Mapping[str, str] | None = None,
    timezone: str | tzinfo = "Europe/Berlin",
    date_attributes: Collection[str] = frozenset(),
) -> "RecordSource | AsyncRecordSource":
    """Read receivers from rows with names: mappings, dataclasses, attrs objects, database rows.

    The first row tells the columns; they are recognised as those of a CSV file are. Later rows may
    lack some. ``None``, empty text and NaN are not sent, so what the server has stays. A row
    that cannot be used is rejected, and stops nothing.

    Args:
        rows: The rows; those that are a ``ReceiverInput`` already are passed on. An iterable that
            blocks belongs into :func:`in_thread`.
        mapping: Target by column, as for :func:`read_csv`.
        timezone: Where the clocks of naive times stood.
        date_attributes: Attributes that hold a day, named as targets are.

    Raises:
        ConfigurationError: There is no such time zone; while reading, the mapping does not fit the
            columns.
        SourceError: While reading: the columns make no receiver.
    """
    options = _Options(mapping, find_zone(timezone), date_attributes)
    if isinstance(rows, AsyncIterable):
        return AsyncRecordSource(cast("AsyncIterable[object]", rows), options)
    return RecordSource(rows, options)


@attrs.frozen
class _Options:
    """How rows by name are read.

    Attributes:
        mapping: Target by column, over what is recognised.
        zone: Where the clocks of naive times stood.
        date_attributes: Attributes that hold a day.
    """

    mapping: Mapping[str, str] | None
    zone: tzinfo
    date_attributes: Collection[str]


class RecordSource:
    """Rows by name of an iterable; :func:`~cleverreach_async.read_records` makes one.

    Attributes:
        mapping: What column goes where; ``None`` before the first row.
    """

    def __init__(self, rows: Iterable[object], options: _Options) -> None:
        self.mapping: ColumnMapping | None = None
        self._rows = rows
        self._options = options

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        reader = _Reader(self._options)
        for row in self._rows:
            item = reader.read(row)
            self.mapping = reader.mapping
            yield item


class AsyncRecordSource:
    """Rows by name of an async iterable; :func:`~cleverreach_async.read_records` makes one.

    Attributes:
        mapping: What column goes where; ``None`` before the first row.
    """

    def __init__(self, rows: AsyncIterable[object], options: _Options) -> None:
        self.mapping: ColumnMapping | None = None
        self._rows = rows
        self._options = options

    def __aiter__(self) -> "AsyncRecords":
        return AsyncRecords(self, self._rows, _Reader(self._options))


class AsyncRecords:
    """One loop over an :class:`AsyncRecordSource`."""

    def __init__(
        self, source: AsyncRecordSource, rows: AsyncIterable[object], reader: "_Reader"
    ) -> None:
        self._source = source
        self._rows = aiter(rows)
        self._reader = reader

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SourceRow | BadRow:
        item = self._reader.read(await anext(self._rows))
        self._source.mapping = self._reader.mapping
        return item

    async def aclose(self) -> None:
        """Close the rows, if they can be closed."""
        close: Callable[[], Awaitable[None]] | None = getattr(self._rows, "aclose", None)
        if close is not None:
            await close()


class _Reader:
    """From one row after the other to receivers.

    Attributes:
        mapping: What column goes where, as the first row told.
    """

    def __init__(self, options: _Options) -> None:
        self.mapping: ColumnMapping | None = None
        self._options = options
        self._columns: tuple[str, ...] = ()
        self._known: frozenset[str] = frozenset()
        self._read: ReadRow | None = None

    def read(self, row: object) -> SourceRow | BadRow:
        """Read a row.

        Raises:
            ConfigurationError: The mapping does not fit the columns.
            SourceError: The columns make no receiver.
        """
        if isinstance(row, SourceRow | BadRow):
            return row
        if isinstance(row, ReceiverInput):
            return SourceRow(row, None)
        record = as_record(row)
        if record is None:
            message = f"a row is {_ACCEPTED}, not {type(row).__name__}"
            return BadRow(None, "invalid_value", message, {})
        read = self._read or self._begin(record)
        if not record.keys() <= self._known:
            return self._surplus(record)
        return read([record.get(name) for name in self._columns], None)

    def _begin(self, record: Mapping[str, Any]) -> ReadRow:
        options = self._options
        self._columns = tuple(record)
        self._known = frozenset(self._columns)
        self.mapping = map_columns(
            self._columns, options.mapping, date_attributes=options.date_attributes, path=_PLACE
        )
        self._read = row_reader(self.mapping, options.zone)
        return self._read

    def _surplus(self, record: Mapping[str, Any]) -> BadRow:
        # Dropped without a word, the value would be lost.
        names = ", ".join(repr(name) for name in record if name not in self._known)
        message = f"the first row has no column {names}; give all rows the same columns"
        return BadRow(None, "unknown_field", message, dict(record))
