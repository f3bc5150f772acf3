"""Parquet files, and Arrow data of any library."""

import os
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.arrow_rows import (
    BATCH_ROWS,
    ArrowRows,
    Batch,
    import_arrow,
    read_batch,
    with_types,
)
from cleverreach_async.sources.columns import ColumnMapping, map_columns
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.resumable import Position, fingerprint, zone_name

__all__ = ["ArrowSource", "ParquetSource", "read_arrow", "read_parquet"]

_PLACE: Final = "the Arrow data"
_READ_AT_ONCE: Final = 1 << 18
"""Bytes. Left to itself pyarrow reads whole columns of a row group ahead."""

_NO_ARROW: Final = (
    "it takes a table, a batch, a reader or a list of batches of pyarrow, or what has"
    " __arrow_c_stream__, as frames of polars and of pandas 2.2 have"
)


def read_parquet(
    path: str | os.PathLike[str],
    *,
    mapping: Mapping[str, str] | None = None,
    timezone: str | tzinfo = "Europe/Berlin",
    date_attributes: Collection[str] = frozenset(),
) -> "ParquetSource":
    """Read receivers from a Parquet file. Only the columns that are used are read.

    Args:
        path: The file.
        mapping: Target by column, as for :func:`read_csv`.
        timezone: Where the clocks of times without a time zone stood.
        date_attributes: Attributes that hold a day, named as targets are.

    Raises:
        ConfigurationError: pyarrow is not installed, or the arguments do not fit the file.
        SourceError: The file cannot be read as rows.
    """
    zone = find_zone(timezone)
    name = os.fsdecode(path)
    with _opened(name) as file:
        schema = file.schema_arrow
        counts = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    found = _map(schema, mapping, date_attributes, name)
    return ParquetSource(name, counts, found, zone)


def read_arrow(
    data: Any,
    *,
    mapping: Mapping[str, str] | None = None,
    timezone: str | tzinfo = "Europe/Berlin",
    date_attributes: Collection[str] = frozenset(),
) -> "ArrowSource":
    """Read receivers from Arrow data: frames of polars and pandas, results of DuckDB, and so on.

    Args:
        data: A table, batch, reader or list of batches of pyarrow, or anything that offers the
            Arrow PyCapsule interface (``__arrow_c_stream__``).
        mapping: Target by column, as for :func:`read_csv`.
        timezone: Where the clocks of times without a time zone stood.
        date_attributes: Attributes that hold a day, named as targets are.

    Raises:
        ConfigurationError: pyarrow is not installed, the data are not Arrow's, or the arguments do
            not fit them.
        SourceError: The columns make no receiver.
    """
    zone = find_zone(timezone)
    reader = _open_data(data)
    found = _map(reader.schema, mapping, date_attributes, _PLACE)
    return ArrowSource(data, reader, found, zone)


def _map(
    schema: Any, mapping: Mapping[str, str] | None, dates: Collection[str], place: str
) -> ColumnMapping:
    found = map_columns(schema.names, mapping, date_attributes=dates, path=place)
    return with_types(found, schema)


class ParquetSource(ArrowRows):
    """Rows of a Parquet file; :func:`~cleverreach_async.read_parquet` makes one.

    Every loop reads it from the start, but for the one after :meth:`seek`.

    Attributes:
        path: The file as the caller named it.
        size: Bytes of the file.
        mapping: What column goes where.
    """

    kind: Final = "parquet"

    def __init__(
        self,
        path: str,
        counts: Sequence[int],
        mapping: ColumnMapping,
        zone: tzinfo,
    ) -> None:
        super().__init__(mapping, zone)
        self.path = path
        self.size, self._digest = _content(path)
        self._counts = counts
        self._zone = zone
        self._is_sought = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    @property
    def bytes_read(self) -> int:
        """How far the latest loop is in the file, by the share of its rows."""
        group, row = self._place
        rows = sum(self._counts)
        return self.size * (sum(self._counts[:group]) + row) // rows if rows else self.size

    def identity(self) -> Mapping[str, Any]:
        """Return what makes the rows what they are; neither name nor date of the file."""
        return {
            "kind": self.kind,
            "size": self.size,
            "sha256": self._digest,
            "rows": sum(self._counts),
            "timezone": zone_name(self._zone),
            **self.mapping.identity(),
        }

    def tell(self) -> Position:
        """Return where the row after the one yielded last begins; asked between rows only."""
        group, row = self._place
        return {"row_group": group, "row": row}

    def seek(self, position: Position) -> None:
        """Let the next loop, and only that, begin where :meth:`tell` was asked.

        Raises:
            SourceError: No row of the file begins there.
        """
        match position:
            case {"row_group": int(group), "row": int(row)} if self._has(group, row):
                self._place = (group, row)
                self._is_sought = True
            case _:
                raise SourceError(
                    f"no row begins at {str(position)[:80]!r}; it is a position in another file."
                    " Begin at the start",
                    path=self.path,
                )

    def _has(self, group: int, row: int) -> bool:
        if (group, row) == (0, 0):
            return True
        return 0 <= group < len(self._counts) and 0 <= row <= self._counts[group]

    def batches(self) -> Iterator[Batch]:
        """Begin a loop over the batches, at the start or where it was sought."""
        if not self._is_sought:
            self._place = (0, 0)
        self._is_sought = False
        return self._read_from(*self._place)

    def _read_from(self, group: int, row: int) -> Iterator[Batch]:
        columns = [column for column, _ in self.mapping.pairs]
        self._check_size()
        with _opened(self.path) as file:
            for number in range(group, len(self._counts)):
                first = 0
                for batch in file.iter_batches(BATCH_ROWS, [number], columns, use_threads=False):
                    passed = max(0, min(row - first, batch.num_rows)) if number == group else 0
                    if passed < batch.num_rows:
                        part = batch.slice(passed)
                        yield Batch(number, first + passed, read_batch(part, self.mapping))
                    first += batch.num_rows

    def _check_size(self) -> None:
        size = Path(self.path).stat().st_size
        if size != self.size:
            raise SourceError(
                f"the file changed: it had {self.size:,} bytes, and has {size:,}", path=self.path
            )


class ArrowSource(ArrowRows):
    """Rows of Arrow data; :func:`~cleverreach_async.read_arrow` makes one.

    Every loop reads them from the start, unless the data are a stream, which can be read once.
    """

    def __init__(self, data: Any, reader: Any, mapping: ColumnMapping, zone: tzinfo) -> None:
        super().__init__(mapping, zone)
        self._data = data
        self._reader: Any = reader

    def batches(self) -> Iterator[Batch]:
        """Begin a loop over the batches."""
        # The first loop gets the reader that told the columns: of a stream there is no other.
        reader, self._reader = self._reader, None
        if reader is None:
            if _is_stream(self._data):
                raise SourceError("a stream can be read once, and was", path=_PLACE)
            reader = _open_data(self._data)
        return self._read_all(reader)

    def _read_all(self, reader: Any) -> Iterator[Batch]:
        done = 0
        with _translated(_PLACE, "reading stopped"):
            for batch in reader:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    part = batch.slice(start, BATCH_ROWS)
                    yield Batch(0, done, read_batch(part, self.mapping))
                    done += part.num_rows


def _content(path: str) -> tuple[int, str]:
    """Return the size and the digest of a file."""
    with open(path, "rb") as file:  # noqa: PTH123 - the caller's own spelling
        return os.fstat(file.fileno()).st_size, fingerprint(file)


@contextmanager
def _opened(path: str) -> Generator[Any]:
    parquet = import_arrow("pyarrow.parquet")
    with (
        _translated(path, "cannot be read as Parquet"),
        parquet.ParquetFile(
            path,
            buffer_size=_READ_AT_ONCE,
            pre_buffer=False,
            page_checksum_verification=True,
        ) as file,
    ):
        yield file


@contextmanager
def _translated(place: str, what: str) -> Generator[None]:
    """Raise what pyarrow raises as an error of ours."""
    pa = import_arrow("pyarrow")
    try:
        yield
    except OSError as error:
        reason = error.strerror or "damaged"
        raise SourceError(f"{what}: {reason}", path=place) from error
    except pa.ArrowException as error:
        # Its message may quote a value.
        raise SourceError(f"{what} ({type(error).__name__})", path=place) from error


def _open_data(data: Any) -> Any:
    """Return a reader of pyarrow for whatever holds Arrow data."""
    pa = import_arrow("pyarrow")
    with _translated(_PLACE, "cannot be read"):
        if isinstance(data, pa.RecordBatchReader):
            return data
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data)
        if hasattr(data, "__arrow_c_array__"):
            return _reader_of(pa, [data])
        if isinstance(data, list | tuple):
            return _reader_of(pa, [*data])
    raise ConfigurationError(f"no Arrow data but {type(data).__name__}: {_NO_ARROW}")


def _reader_of(pa: Any, parts: Sequence[Any]) -> Any:
    if not parts:
        raise SourceError("an empty list; at least one batch tells the columns", path=_PLACE)
    if not all(hasattr(part, "__arrow_c_array__") for part in parts):
        raise ConfigurationError(f"the list holds something else than batches: {_NO_ARROW}")
    batches = [pa.record_batch(part) for part in parts]
    return pa.RecordBatchReader.from_batches(batches[0].schema, batches)


def _is_stream(data: Any) -> bool:
    return isinstance(data, import_arrow("pyarrow").RecordBatchReader)
