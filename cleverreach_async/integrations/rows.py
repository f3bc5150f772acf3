"""The rows of a partition: Arrow data in an order that is the same in every attempt."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Self

import attrs
import msgspec

from cleverreach_async.bulk.rows import email_key
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.integrations.tables import sorted_by
from cleverreach_async.resources.unset import Unset
from cleverreach_async.sources.arrow_rows import read_batch, with_types
from cleverreach_async.sources.chunked_rows import CHUNK_ROWS, ChunkedRows, RowChunk
from cleverreach_async.sources.column_options import ColumnOptions
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.dates import time_parser
from cleverreach_async.sources.receiver_fields import read_fields, unix_time
from cleverreach_async.sources.resumable import Position, no_row_at, zone_name
from cleverreach_async.sources.rows import BadRow, BadValueError, SourceRow

__all__ = ["ORDERS", "PartitionRows", "orders_column"]

ORDERS: Final = "orders"
"""The column that contains orders: lists of structs, or the same as JSON."""

_NAME: Final = "the partition"


def orders_column(names: Sequence[str], options: ColumnOptions) -> str | None:
    """Return the column with orders, if there is one and it is not left out by name.

    Raises:
        ConfigurationError: There are several.
    """
    left_out = {name.casefold() for name in options.mapping or {}}
    found = [name for name in names if name.casefold() == ORDERS]
    if ORDERS in left_out or not found:
        return None
    if len(found) > 1:
        raise ConfigurationError(
            f"the columns {', '.join(map(repr, found))} contain orders; leave all but one out"
        )
    return found[0]


class PartitionRows(ChunkedRows):
    """The rows of a partition, sorted by address; those of one address keep their order.

    Engines may yield a partition in another order when they repeat it. Its identity covers the
    values of all mapped columns, so an attempt with other rows is refused before it sends any.

    Attributes:
        table: The rows in this order, as a table of pyarrow.
    """

    def __init__(
        self, table: Any, mapping: ColumnMapping, options: ColumnOptions, orders: str | None
    ) -> None:
        super().__init__(mapping, options)
        self.table: Any = table
        self._orders = None if orders is None else table.column(orders)
        self._parse_time = time_parser(options.zone)
        self._next = 0

    @classmethod
    def of(cls, table: Any, options: ColumnOptions) -> Self:
        """Sort a table of pyarrow.

        Raises:
            ConfigurationError: The options do not fit the columns.
            SourceError: The columns cannot become receivers.
        """
        names: list[str] = table.column_names
        orders = orders_column(names, options)
        mapping = options.map([name for name in names if name != orders], _NAME)
        mapping = with_types(mapping, table.schema)
        [addresses] = [column for column, target in mapping.pairs if target == "email"]
        keys = [email_key(str(it)) if it else "" for it in table.column(addresses).to_pylist()]
        in_order = sorted(range(len(keys)), key=keys.__getitem__)
        return cls(sorted_by(table, in_order, _NAME), mapping, options, orders)

    def identity(self) -> Mapping[str, Any]:
        """See :class:`Resumable`."""
        return {
            "kind": "partition",
            "rows": self.table.num_rows,
            "sha256": self._digest,
            "timezone": zone_name(self.options.zone),
            **self.options.identity(self.mapping),
        }

    def tell(self) -> Position:
        """See :class:`Resumable`."""
        return {"row": self._place[1]}

    def seek(self, position: Position) -> None:
        """See :class:`Resumable`."""
        match position:
            case {"row": int(row)} if 0 <= row <= self.table.num_rows:
                self._next = row
            case _:
                raise no_row_at(position, _NAME)

    def chunks(self) -> Iterator[RowChunk]:
        """Begin a loop over the rows, at the start or at the position of :meth:`seek`."""
        first, self._next = self._next, 0
        self._place = (0, first)
        return self._chunks_from(first)

    def rows_of(self, chunk: RowChunk) -> Iterator[SourceRow | BadRow]:
        """Convert the rows of a chunk, with their orders."""
        rows = super().rows_of(chunk)
        if self._orders is None:
            return rows
        found = self._orders.slice(chunk.first, len(chunk.rows)).to_pylist()
        return map(self._with_orders, rows, found)

    def _chunks_from(self, first: int) -> Iterator[RowChunk]:
        for start in range(first, self.table.num_rows, CHUNK_ROWS):
            part = self.table.slice(start, CHUNK_ROWS)
            yield RowChunk(0, start, read_batch(part, self.mapping))

    def _with_orders(self, row: SourceRow | BadRow, orders: Any) -> SourceRow | BadRow:
        if isinstance(row, BadRow) or orders is None or orders == "":
            return row
        try:
            value = msgspec.json.decode(orders) if isinstance(orders, str) else orders
            if value is None or value == []:
                return row
            fields = {"email": row.receiver.email, ORDERS: value}
            read = read_fields(fields, self._to_seconds)
        except msgspec.DecodeError:
            return BadRow(None, "invalid_json", f"column {ORDERS!r} is no JSON", {ORDERS: orders})
        except BadValueError as error:
            return BadRow(None, error.code, str(error), {ORDERS: orders})
        receiver = attrs.evolve(row.receiver, orders=read.orders)
        return attrs.evolve(row, receiver=receiver, is_checked=False)

    def _to_seconds(self, value: Any, name: str) -> int | Unset:
        """Read a time of an order; one without time zone is in that of the options."""
        if isinstance(value, str):
            return self._parse_time(value)
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=self.options.zone)
        return unix_time(value, name)

    @cached_property
    def _digest(self) -> str:
        digest = sha256()
        for chunk in self._chunks_from(0):
            digest.update(repr([*map(tuple, chunk.rows)]).encode())
            if self._orders is not None:
                found = self._orders.slice(chunk.first, len(chunk.rows)).to_pylist()
                digest.update(repr(found).encode())
        return digest.hexdigest()
