"""What sources of Arrow data have in common: batches of columns become rows."""

import abc
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from importlib import import_module
from typing import Any, Final, Self

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.columns import KNOWN_TARGETS, AttributeType, ColumnMapping
from cleverreach_async.sources.row_reader import row_reader
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.threads import ThreadedRows, in_thread

__all__ = ["BATCH_ROWS", "ArrowRows", "Batch", "import_arrow", "read_batch", "with_types"]

BATCH_ROWS: Final = 1024
"""Rows that are Python objects at a time."""


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
class Batch:
    """A few rows, read.

    Attributes:
        group: The row group they are of; 0 where there are none.
        first: Place of the first of them in the group, from 0.
        rows: The values of the columns that are used, by row.
    """

    group: int
    first: int
    rows: Sequence[tuple[Any, ...]]


class ArrowRows(abc.ABC):
    """Rows of Arrow data. An ``async for`` loop reads them in a worker thread.

    Attributes:
        mapping: What column goes where.
    """

    def __init__(self, mapping: ColumnMapping, zone: tzinfo) -> None:
        self.mapping = mapping
        self._read = row_reader(narrow(mapping), zone)
        self._place = (0, 0)

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        return self._items(self.batches())

    def __aiter__(self) -> "AsyncArrowRows":
        return AsyncArrowRows(self, self.batches())

    def rows_of(self, batch: Batch) -> Iterator[SourceRow | BadRow]:
        """Read the rows of a batch, and note where the next of each begins."""
        group, read = batch.group, self._read
        for after, values in enumerate(batch.rows, batch.first + 1):
            self._place = (group, after)
            yield read(values, None)

    def _items(self, batches: Iterator[Batch]) -> Iterator[SourceRow | BadRow]:
        for batch in batches:
            yield from self.rows_of(batch)

    @abc.abstractmethod
    def batches(self) -> Iterator[Batch]:
        """Begin a loop over the batches."""


class AsyncArrowRows:
    """One loop over Arrow data, a batch ahead in a worker thread."""

    def __init__(self, source: ArrowRows, batches: Iterator[Batch]) -> None:
        self._source = source
        self._batches: ThreadedRows[Batch] = in_thread(batches, chunk_size=1)
        self._rows: Iterator[SourceRow | BadRow] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SourceRow | BadRow:
        while True:
            for row in self._rows:
                return row
            self._rows = self._source.rows_of(await anext(self._batches))

    async def aclose(self) -> None:
        """Stop reading, and close what is read."""
        self._rows = iter(())
        await self._batches.aclose()


def narrow(mapping: ColumnMapping) -> ColumnMapping:
    """Return the mapping of the columns that are used, as if there were no others."""
    return attrs.evolve(mapping, headers=tuple(column for column, _ in mapping.pairs))


def with_types(mapping: ColumnMapping, schema: Any) -> ColumnMapping:
    """Take columns of numbers and days for attributes of that type.

    A customer number or a postcode stays text, whatever its column is made of.

    Args:
        mapping: What column goes where.
        schema: The schema of pyarrow.
    """
    plain = {target for target, kind in mapping.types.items() if kind == "text"} - KNOWN_TARGETS
    kinds: dict[str, AttributeType] = {
        target: kind
        for column, target in mapping.pairs
        if target in plain and (kind := _type(schema.field(column).type))
    }
    return mapping.with_types(kinds)


def _type(of_column: Any) -> AttributeType | None:
    types = import_arrow("pyarrow.types")
    numbers = (types.is_integer, types.is_floating, types.is_decimal)
    if any(is_number(of_column) for is_number in numbers):
        return "number"
    return "date" if types.is_date(of_column) else None


def read_batch(batch: Any, mapping: ColumnMapping) -> list[tuple[Any, ...]]:
    """Return the values of the columns that are used, by row.

    Args:
        batch: The record batch of pyarrow.
        mapping: What column goes where.
    """
    columns = [_values(batch.column(column)) for column, _ in mapping.pairs]
    return list(zip(*columns, strict=True))


def _values(column: Any) -> list[Any]:
    pa = import_arrow("pyarrow")
    kind = column.type
    try:
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            # Python's datetime ends at microseconds.
            column = column.cast(pa.timestamp("us", kind.tz), safe=False)
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        # One value spoils the column: find the others.
        return [_value(pa, scalar) for scalar in column]
    return values


def _value(pa: Any, scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return Unreadable()
