"""Parquet files, and Arrow data of any library."""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Unpack

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.arrow_rows import import_arrow, read_batch, with_types
from cleverreach_async.sources.chunked_rows import CHUNK_ROWS, ChunkedRows, RowChunk
from cleverreach_async.sources.column_options import ColumnOptions, ColumnParameters
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.content import path_of
from cleverreach_async.sources.resumable import (
    Position,
    check_size,
    fingerprint,
    no_row_at,
    zone_name,
)
from cleverreach_async.sources.unchanged_file import Stamp, check_content

__all__ = ["ArrowSource", "ParquetSource", "read_arrow", "read_parquet"]

_NAME: Final = "the Arrow data"
_BUFFER_SIZE: Final = 1 << 18
"""Bytes. By default pyarrow reads whole columns of a row group ahead."""

_ACCEPTED: Final = (
    "it takes a table, batch, reader or list of batches of pyarrow, or an object with"
    " __arrow_c_stream__, such as a frame of polars or of pandas 2.2"
)


def read_parquet(
    path: str | os.PathLike[str],
    **columns: Unpack[ColumnParameters],
) -> "ParquetSource":
    """Read receivers from a Parquet file. Only the mapped columns are read.

    The file is inspected at once; in a coroutine later, as :class:`FileSource` does.

    Args:
        path: The file.
        **columns: See :class:`ColumnParameters`.

    Raises:
        ConfigurationError: pyarrow is not installed, or the arguments do not fit the file.
        SourceError: The file cannot be read as rows.
    """
    options = ColumnOptions(**columns)
    name = path_of(path)

    def inspect() -> ParquetSource:
        with _open_parquet(name) as file:
            schema = file.schema_arrow
            counts = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        found = with_types(options.map(schema.names, name), schema)
        return ParquetSource(name, counts, found, options)

    return ParquetSource.of_file(name, inspect)


def read_arrow(
    data: Any,
    **columns: Unpack[ColumnParameters],
) -> "ArrowSource":
    """Read receivers from Arrow data: frames of polars and pandas, results of DuckDB, and so on.

    Args:
        data: A table, batch, reader or list of batches of pyarrow, or any object with the Arrow
            PyCapsule interface (``__arrow_c_stream__``).
        **columns: See :class:`ColumnParameters`.

    Raises:
        ConfigurationError: pyarrow is not installed, the data are not Arrow data, or the
            arguments do not fit them.
        SourceError: The columns cannot become receivers.
    """
    options = ColumnOptions(**columns)
    reader = _open_data(data)
    schema = reader.schema
    found = with_types(options.map(schema.names, _NAME), schema)
    return ArrowSource(data, reader, found, options)


class ParquetSource(ChunkedRows):
    """Rows of a Parquet file; :func:`~cleverreach_async.read_parquet` returns one.

    Every loop begins at the start, except the one after :meth:`seek`.

    Attributes:
        path: The file as the caller named it.
        size: Size of the file in bytes.
        mapping: Target of each column.
    """

    kind: Final = "parquet"

    def __init__(
        self, path: str, counts: Sequence[int], mapping: ColumnMapping, options: ColumnOptions
    ) -> None:
        super().__init__(mapping, options)
        self.path = path
        with open(path, "rb") as file:  # noqa: PTH123 - the path as the caller wrote it
            self._stamp = Stamp.of(file.fileno())
            self._digest = fingerprint(file)
        self.size: int = self._stamp.size
        self._counts = counts
        self._is_sought = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    @property
    def bytes_read(self) -> int:
        """Progress of the latest loop in the file, by the share of its rows."""
        group, row = self._place
        rows = sum(self._counts)
        return self.size * (sum(self._counts[:group]) + row) // rows if rows else self.size

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the rows; neither name nor date of the file."""
        return {
            "kind": self.kind,
            "size": self.size,
            "sha256": self._digest,
            "rows": sum(self._counts),
            "timezone": zone_name(self.options.zone),
            **self.options.identity(self.mapping),
        }

    def tell(self) -> Position:
        """Return where the row after the one yielded last begins; call it between rows only."""
        group, row = self._place
        return {"row_group": group, "row": row}

    def seek(self, position: Position) -> None:
        """Begin the next loop, and only that one, at a position that :meth:`tell` returned.

        Raises:
            SourceError: No row of the file begins there.
        """
        match position:
            case {"row_group": int(group), "row": int(row)} if self._has(group, row):
                self._place = (group, row)
                self._is_sought = True
            case _:
                raise no_row_at(position, self.path)

    def _has(self, group: int, row: int) -> bool:
        if (group, row) == (0, 0):
            return True
        return 0 <= group < len(self._counts) and 0 <= row <= self._counts[group]

    def chunks(self) -> Iterator[RowChunk]:
        """Begin a loop over the rows, at the start or at the position of :meth:`seek`."""
        if not self._is_sought:
            self._place = (0, 0)
        self._is_sought = False
        return self._read_from(*self._place)

    def _read_from(self, group: int, row: int) -> Iterator[RowChunk]:
        columns = [column for column, _ in self.mapping.pairs]
        self._check()
        with _open_parquet(self.path) as file:
            for number in range(group, len(self._counts)):
                first = 0
                for batch in file.iter_batches(CHUNK_ROWS, [number], columns, use_threads=False):
                    self._check()
                    skipped = max(0, min(row - first, batch.num_rows)) if number == group else 0
                    if skipped < batch.num_rows:
                        part = batch.slice(skipped)
                        yield RowChunk(number, first + skipped, read_batch(part, self.mapping))
                    first += batch.num_rows
            self._check()

    def _check(self) -> None:
        """Check that the file has not changed since it was inspected."""
        with _translate_errors(self.path, "cannot be read as Parquet"):
            with open(self.path, "rb") as file:  # noqa: PTH123 - as above
                now = Stamp.of(file.fileno())
            if now != self._stamp:
                check_size(self.path, self.size, now.size)
                check_content(self.path, now, self._digest)
                self._stamp = now


class ArrowSource(ChunkedRows):
    """Rows of Arrow data; :func:`~cleverreach_async.read_arrow` returns one.

    Every loop begins at the start, unless the data are a stream, which can be read once.
    """

    def __init__(
        self, data: Any, reader: Any, mapping: ColumnMapping, options: ColumnOptions
    ) -> None:
        super().__init__(mapping, options)
        self._data = data
        self._reader: Any = reader

    def chunks(self) -> Iterator[RowChunk]:
        """Begin a loop over the rows."""
        # The first loop uses the reader that the columns are from: a stream has only that one.
        reader, self._reader = self._reader, None
        if reader is None:
            if isinstance(self._data, import_arrow("pyarrow").RecordBatchReader):
                raise SourceError("a stream can be read only once", path=_NAME)
            reader = _open_data(self._data)
        return self._read_all(reader)

    def _read_all(self, reader: Any) -> Iterator[RowChunk]:
        done = 0
        with _translate_errors(_NAME, "reading failed"):
            for batch in reader:
                for start in range(0, batch.num_rows, CHUNK_ROWS):
                    part = batch.slice(start, CHUNK_ROWS)
                    yield RowChunk(0, done, read_batch(part, self.mapping))
                    done += part.num_rows


@contextmanager
def _open_parquet(path: str) -> Generator[Any]:
    parquet = import_arrow("pyarrow.parquet")
    with (
        _translate_errors(path, "cannot be read as Parquet"),
        parquet.ParquetFile(
            path, buffer_size=_BUFFER_SIZE, pre_buffer=False, page_checksum_verification=True
        ) as file,
    ):
        yield file


@contextmanager
def _translate_errors(path: str, what: str) -> Generator[None]:
    """Raise ``SourceError`` for errors of pyarrow."""
    pa = import_arrow("pyarrow")
    try:
        yield
    except OSError as error:
        reason = error.strerror or "damaged"
        raise SourceError(f"{what}: {reason}", path=path) from error
    except pa.ArrowException as error:
        # Its message may quote a value.
        raise SourceError(f"{what} ({type(error).__name__})", path=path) from error


def _open_data(data: Any) -> Any:
    """Return a reader of pyarrow for any object that holds Arrow data."""
    pa = import_arrow("pyarrow")
    with _translate_errors(_NAME, "cannot be read"), _explain_frames():
        if isinstance(data, pa.RecordBatchReader):
            return data
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data)
        if hasattr(data, "__arrow_c_array__"):
            data = [data]
        if isinstance(data, list | tuple):
            return _reader_of(pa, [*data])
    raise ConfigurationError(f"not Arrow data but {type(data).__name__}: {_ACCEPTED}")


@contextmanager
def _explain_frames() -> Generator[None]:
    """Raise ``SourceError`` for a frame that is no Arrow data; the message may quote a value."""
    try:
        yield
    except (ConfigurationError, SourceError):
        raise
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"cannot be read ({type(error).__name__}); it takes a frame whose columns have each a"
            " name of its own and values of one type, convert others with astype()",
            path=_NAME,
        ) from error


def _reader_of(pa: Any, parts: Sequence[Any]) -> Any:
    if not parts:
        raise SourceError("an empty list; at least one batch defines the columns", path=_NAME)
    if not all(hasattr(part, "__arrow_c_array__") for part in parts):
        raise ConfigurationError(f"the list does not hold batches only: {_ACCEPTED}")
    batches = [pa.record_batch(part) for part in parts]
    columns = {frozenset(batch.schema.names) for batch in batches}
    if len(columns) > 1:
        raise SourceError("the batches have different columns", path=_NAME)
    return pa.RecordBatchReader.from_batches(batches[0].schema, batches)
