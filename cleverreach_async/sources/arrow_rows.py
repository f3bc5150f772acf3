"""Batches of Arrow data become rows."""

from importlib import import_module
from typing import Any

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.attributes import AttributeType
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.headers import KNOWN_TARGETS

__all__ = ["import_arrow", "read_batch", "with_types"]


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

    def __repr__(self) -> str:
        return "Unreadable()"  # the same in every process


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
