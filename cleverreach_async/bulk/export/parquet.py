"""A Parquet file from the lines of an unfinished export."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from cleverreach_async.bulk.export.columns import TIMES, Columns
from cleverreach_async.sources.arrow_rows import import_arrow

__all__ = ["check_parquet", "write_parquet"]

_GROUP_ROWS: Final = 20_000
"""Rows that are in memory at a time."""


def check_parquet() -> None:
    """Check that Parquet files can be written.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    import_arrow("pyarrow.parquet")


def write_parquet(lines: Path, path: Path, columns: Columns) -> None:
    """Write a Parquet file.

    Args:
        lines: A file with a list of values a line.
        path: The Parquet file; it is replaced.
        columns: The columns.

    Raises:
        OSError: A file cannot be read or written.
    """
    pa, parquet = import_arrow("pyarrow"), import_arrow("pyarrow.parquet")
    kinds = {
        "id": pa.int64(),
        "tags": pa.list_(pa.string()),
        **{name: pa.timestamp("s", tz="UTC") for name in TIMES},
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns.names])
    with lines.open("rb") as file, parquet.ParquetWriter(str(path), schema) as writer:
        for rows in _batches(file, schema.names):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _batches(lines: Any, names: list[str]) -> Iterator[list[dict[str, Any]]]:
    decode = msgspec.json.Decoder(list[Any]).decode
    while rows := [dict(zip(names, decode(it), strict=True)) for it in islice(lines, _GROUP_ROWS)]:
        yield rows
