"""Base of the sources of Arrow data: batches of columns become rows."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, Self

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.attributes import AttributeType
from cleverreach_async.sources.column_options import ColumnOptions
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.headers import KNOWN_TARGETS
from cleverreach_async.sources.row_repair import ReadRow
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.threads import ThreadedRows, in_thread

__all__ = ["CHUNK_ROWS", "ArrowRows", "RowChunk", "import_arrow", "read_batch", "with_types"]

CHUNK_ROWS: Final = 1024
"""Rows that are held as Python objects at a time."""


def import_arrow(name: str) -> Any:
    """Return a module of pyarrow.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise ConfigurationError(
            "Arrow and Parquet need pyarrow: pip install 'cleverreach-async[arrow]'"
        ) from None


class Unreadable:
    """A value of a column that Python cannot hold, such as a date of the year 20000."""


@attrs.frozen
class RowChunk:
    """Some rows of Arrow data, as Python objects.

    Attributes:
        group: Index of their row group; 0 where there are none.
        first: Index of the first of them in the group.
        rows: The values of the mapped columns, by row.
    """

    group: int
    first: int
    rows: Sequence[tuple[Any, ...]]


class ArrowRows(abc.ABC):
    """Rows of Arrow data. An ``async for`` loop reads them in a worker thread.

    Attributes:
        mapping: Target of each column.
    """

    def __init__(self, mapping: ColumnMapping, options: ColumnOptions) -> None:
        self.mapping: ColumnMapping = mapping
        self.options = options
        self._read = self._reader_of(mapping)
        self._place = (0, 0)

    def take_types(self, types: Mapping[str, str], *, relative: bool) -> None:
        """See :class:`TakesTypes`."""
        self.options = attrs.evolve(self.options, types=types, relative=relative)
        self.mapping = self.options.with_types(self.mapping)
        self._read = self._reader_of(self.mapping)

    def _reader_of(self, mapping: ColumnMapping) -> ReadRow:
        # Only the mapped columns are read.
        headers = tuple(column for column, _ in mapping.pairs)
        return self.options.reader(attrs.evolve(mapping, headers=headers))

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        return self._all_rows(self.chunks())

    def __aiter__(self) -> "AsyncArrowRows":
        return AsyncArrowRows(self, self.chunks())

    def rows_of(self, chunk: RowChunk) -> Iterator[SourceRow | BadRow]:
        """Convert the rows of a chunk, and record where the row after each begins."""
        for after, values in enumerate(chunk.rows, chunk.first + 1):
            self._place = (chunk.group, after)
            yield self._read(values, None)

    def _all_rows(self, chunks: Iterator[RowChunk]) -> Iterator[SourceRow | BadRow]:
        for chunk in chunks:
            yield from self.rows_of(chunk)

    @abc.abstractmethod
    def chunks(self) -> Iterator[RowChunk]:
        """Begin a loop over the rows."""


class AsyncArrowRows:
    """One loop over Arrow data, read by chunks in a worker thread."""

    def __init__(self, source: ArrowRows, chunks: Iterator[RowChunk]) -> None:
        self._source = source
        self._chunks: ThreadedRows[RowChunk] = in_thread(chunks, chunk_size=1)
        self._rows: Iterator[SourceRow | BadRow] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SourceRow | BadRow:
        while True:
            for row in self._rows:
                return row
            self._rows = self._source.rows_of(await anext(self._chunks))

    async def aclose(self) -> None:
        """Stop reading, and close what is read."""
        self._rows = iter(())
        await self._chunks.aclose()


def with_types(mapping: ColumnMapping, schema: Any) -> ColumnMapping:
    """Give attributes the type of their column, where it holds numbers or days.

    A customer number or a postcode stays text, whatever its column's type is.

    Args:
        mapping: Target of each column.
        schema: The schema of pyarrow.
    """
    types = import_arrow("pyarrow.types")
    plain = {target for target, kind in mapping.types.items() if kind == "text"} - KNOWN_TARGETS
    found: dict[str, AttributeType] = {}
    for column, target in mapping.pairs:
        kind = schema.field(column).type
        if target not in plain:
            continue
        if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
            found[target] = "number"
        elif types.is_date(kind):
            found[target] = "date"
    return attrs.evolve(mapping, types={**mapping.types, **found})


def read_batch(batch: Any, mapping: ColumnMapping) -> list[tuple[Any, ...]]:
    """Return the values of the mapped columns, by row.

    Args:
        batch: The record batch of pyarrow.
        mapping: Target of each column.
    """
    columns = [_values(batch.column(column)) for column, _ in mapping.pairs]
    return list(zip(*columns, strict=True))


def _values(column: Any) -> list[Any]:
    pa = import_arrow("pyarrow")
    kind = column.type
    try:
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            # The resolution of Python's datetime is microseconds.
            column = column.cast(pa.timestamp("us", kind.tz), safe=False)
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        # One value fails for the whole column, so convert one after the other.
        return [_value(pa, scalar) for scalar in column]
    return values


def _value(pa: Any, scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return Unreadable()
