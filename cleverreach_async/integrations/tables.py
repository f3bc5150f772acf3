"""Tables of pyarrow, as engines pass them: of one kind, and together in one."""

from collections.abc import Iterable, Sequence
from typing import Any

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.arrow_rows import import_arrow

__all__ = ["add_tables", "as_table", "sorted_by"]


def as_table(data: Any, name: str) -> Any:
    """Return a table of pyarrow for tables and batches; ``None`` if there are none.

    Args:
        data: A table, a batch, or an iterable of them.
        name: What to call it in a message.

    Raises:
        SourceError: It is something else, or the tables do not fit together.
    """
    pa = import_arrow("pyarrow")
    parts = [data] if isinstance(data, pa.Table | pa.RecordBatch) or data is None else [*data]
    for part in parts:
        if not isinstance(part, pa.Table | pa.RecordBatch):
            raise SourceError(
                f"rows are of type {type(part).__name__}; pass tables or batches of pyarrow",
                path=name,
            )
    return add_tables(map(_with_plain_types, parts), name)


def add_tables(tables: Iterable[Any], name: str) -> Any:
    """Return the rows of several tables in one; ``None`` if there are none.

    Args:
        tables: The tables; ``None`` counts as none.
        name: What to call them in a message.

    Raises:
        SourceError: They do not fit together.
    """
    pa = import_arrow("pyarrow")
    found = [table for table in tables if table is not None]
    try:
        return pa.concat_tables(found, promote_options="permissive") if found else None
    except pa.ArrowException as error:
        raise SourceError(
            f"the columns do not fit together ({error}); give each a name of its own, and the same"
            " type in every block",
            path=name,
        ) from None


def sorted_by(table: Any, order: Sequence[int], name: str) -> Any:
    """Return the rows of a table in another order.

    Args:
        table: The table.
        order: The numbers of its rows, from 0.
        name: What to call it in a message.

    Raises:
        SourceError: A column has a type that pyarrow cannot sort.
    """
    try:
        return table.take(order)
    except import_arrow("pyarrow").ArrowException as error:
        raise SourceError(
            f"a column has a type that cannot be sorted ({error}); cast it, or leave it out of the"
            " data",
            path=name,
        ) from None


def _with_plain_types(part: Any) -> Any:
    """Return a table or batch as a table whose rows pyarrow can sort, as polars and others pass."""
    pa = import_arrow("pyarrow")
    table = pa.Table.from_batches([part]) if isinstance(part, pa.RecordBatch) else part
    types = [_plain(field.type) for field in table.schema]
    if types == [field.type for field in table.schema]:
        return table
    fields = [field.with_type(it) for field, it in zip(table.schema, types, strict=True)]
    return table.cast(pa.schema(fields))


def _plain(kind: Any) -> Any:
    """Return the type for the same values that all functions of pyarrow know."""
    pa = import_arrow("pyarrow")
    views = {"string_view": pa.string(), "binary_view": pa.binary()}
    if str(kind) in views:
        return views[str(kind)]
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    for is_list, make in ((pa.types.is_list, pa.list_), (pa.types.is_large_list, pa.large_list)):
        if is_list(kind):
            return make(kind.value_field.with_type(_plain(kind.value_type)))
    return kind
