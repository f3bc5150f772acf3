"""Rows by column name: mappings, dataclasses, attrs objects, named tuples, rows of databases."""

import dataclasses
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, Final, Self, Unpack, cast, overload

import attrs

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.sources.column_options import ColumnOptions, ColumnParameters
from cleverreach_async.sources.column_source import ColumnSource
from cleverreach_async.sources.row_repair import ReadRow
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.source_check import check_source

__all__ = [
    "AsyncRecordSource",
    "RecordSource",
    "as_receiver_fields",
    "as_record",
    "read_records",
]

_ACCEPTED: Final = "a mapping, dataclass, attrs object, named tuple or row of a database"


def as_record(row: object) -> Mapping[str, Any] | None:
    """Return the values of a row by column, or ``None`` for an object without columns.

    A mapping is returned as it is; do not change it.
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
        return {name: lookup[name] for name in lookup.keys()}  # noqa: SIM118 - not a mapping
    return None


def _field_names(row: object) -> Sequence[str] | None:
    kind: type = type(row)
    if attrs.has(kind):
        return [field.name for field in attrs.fields(kind)]
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    # Named tuples have this attribute.
    names: Sequence[str] | None = getattr(row, "_fields", None)
    return names if isinstance(row, tuple) else None


def as_receiver_fields(row: object) -> Mapping[str, Any] | None:
    """Return the fields of an object that has fields of ``ReceiverInput``.

    Args:
        row: A mapping, dataclass, attrs object, named tuple or row of a database.

    Returns:
        Keyword arguments for ``ReceiverInput``, if the names are its own: a mapping as it is, of
        any other object the fields that are not ``None``, and ``activated``, of which ``None``
        says that the person has not confirmed. ``None`` for an object without fields.
    """
    record = as_record(row)
    if record is None or record is row:
        return record
    # An object always has all of its fields; None stands for no value.
    return {
        name: value for name, value in record.items() if value is not None or name == "activated"
    }


@overload
def read_records(
    rows: AsyncIterable[Any],
    **columns: Unpack[ColumnParameters],
) -> "AsyncRecordSource": ...
@overload
def read_records(
    rows: Iterable[Any],
    **columns: Unpack[ColumnParameters],
) -> "RecordSource": ...
def read_records(
    rows: Iterable[Any] | AsyncIterable[Any],
    **columns: Unpack[ColumnParameters],
) -> "RecordSource | AsyncRecordSource":
    """Read receivers from rows with names: mappings, dataclasses, attrs objects, database rows.

    The first row defines the columns; they are recognised as in a CSV file. Later rows may omit
    some. ``None``, empty text and NaN are not sent, so the server keeps its value. A row that
    cannot be used is rejected and does not stop the import.

    Args:
        rows: The rows. A ``ReceiverInput`` among them is passed on. Wrap an iterable that blocks
            in :func:`in_thread`.
        **columns: See :class:`ColumnParameters`.

    Raises:
        ConfigurationError: There is no such time zone, or the rows are none, such as a path; while
            reading: the mapping does not fit the columns.
        SourceError: While reading: the columns cannot become receivers.
    """
    options = ColumnOptions(**columns)
    check_source(rows, "rows")
    if isinstance(rows, AsyncIterable):
        return AsyncRecordSource(cast("AsyncIterable[object]", rows), options)
    return RecordSource(rows, options)


class RecordSource(ColumnSource):
    """Rows by name of an iterable; :func:`~cleverreach_async.read_records` returns one.

    Attributes:
        mapping: Target of each column; ``None`` before the first row.
    """

    def __init__(self, rows: Iterable[object], options: ColumnOptions) -> None:
        super().__init__(options, "the records")
        self._rows = rows

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        reader = _RecordReader(self)
        for row in self._rows:
            yield reader.read(row)


class AsyncRecordSource(ColumnSource):
    """Rows by name of an async iterable; :func:`~cleverreach_async.read_records` returns one.

    Attributes:
        mapping: Target of each column; ``None`` before the first row.
    """

    def __init__(self, rows: AsyncIterable[object], options: ColumnOptions) -> None:
        super().__init__(options, "the records")
        self._rows = rows

    def __aiter__(self) -> "AsyncRecords":
        return AsyncRecords(aiter(self._rows), _RecordReader(self))


class AsyncRecords:
    """One loop over an :class:`AsyncRecordSource`."""

    def __init__(self, rows: AsyncIterator[object], reader: "_RecordReader") -> None:
        self._rows = rows
        self._reader = reader

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SourceRow | BadRow:
        return self._reader.read(await anext(self._rows))

    async def aclose(self) -> None:
        """Close the rows, if they can be closed."""
        close: Callable[[], Awaitable[None]] | None = getattr(self._rows, "aclose", None)
        if close is not None:
            await close()


class _RecordReader:
    """Converts the rows of one loop; the first of them defines the columns."""

    def __init__(self, source: ColumnSource) -> None:
        self._source = source
        self._columns: Mapping[str, Any] = {}
        self._read: ReadRow | None = None

    def read(self, row: object) -> SourceRow | BadRow:
        """Convert a row.

        Raises:
            ConfigurationError: The mapping does not fit the columns.
            SourceError: The columns cannot become receivers.
        """
        if isinstance(row, SourceRow | BadRow):
            return row
        if isinstance(row, ReceiverInput):
            return SourceRow(row, None)
        try:
            return self._read_record(row, as_record(row))
        except (ConfigurationError, SourceError):
            raise
        except Exception as error:  # noqa: BLE001 - no object may end the import
            message = f"the row cannot be read ({type(error).__name__})"
            return BadRow(None, "invalid_value", message, {})

    def _read_record(self, row: object, record: Mapping[str, Any] | None) -> SourceRow | BadRow:
        if record is None:
            message = f"a row is {_ACCEPTED}, not {type(row).__name__}"
            return BadRow(None, "invalid_value", message, {})
        if self._read is None:
            self._read = self._source.read_columns(tuple(record))
            self._columns = dict.fromkeys(record)
        if not record.keys() <= self._columns.keys():
            # The values of a new column would be lost.
            names = ", ".join(repr(name) for name in record if name not in self._columns)
            message = f"the first row has no column {names}; give all rows the same columns"
            return BadRow(None, "unknown_field", message, dict(record))
        return self._read([record.get(name) for name in self._columns], None)
