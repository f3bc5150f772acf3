"""Base of the sources that are read in chunks of rows, by ``async for`` in a worker thread."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self

import attrs

from cleverreach_async.sources.column_options import ColumnOptions
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.later import InspectsLater
from cleverreach_async.sources.row_repair import ReadRow
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.threads import ThreadedRows, in_thread

__all__ = ["CHUNK_ROWS", "ChunkedRows", "RowChunk"]

CHUNK_ROWS: Final = 1024
"""Rows that are held as Python objects at a time."""


@attrs.frozen
class RowChunk:
    """Some rows, as Python objects.

    Attributes:
        group: Index of their row group; 0 where there are none.
        first: Index of the first of them in the group.
        rows: The values of the mapped columns, by row.
        lines: The line of each row, from 1, if there are blank lines between them.
    """

    group: int
    first: int
    rows: Sequence[Sequence[Any]]
    lines: Sequence[int] | None = None


class ChunkedRows(InspectsLater, abc.ABC):
    """Rows that are read in chunks. An ``async for`` loop reads them in a worker thread.

    Attributes:
        mapping: Target of each column.
    """

    def __init__(self, mapping: ColumnMapping, options: ColumnOptions) -> None:
        self.mapping: ColumnMapping = mapping
        self.options: ColumnOptions = options
        self._read = self._reader_of(mapping)
        self._place = (0, 0)

    @property
    def has_group_attributes(self) -> bool:
        """See :class:`TakesTypes`."""
        return self.options.has_group_attributes(self.mapping)

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

    def __aiter__(self) -> "AsyncChunkedRows":
        return AsyncChunkedRows(self)

    def rows_of(self, chunk: RowChunk) -> Iterator[SourceRow | BadRow]:
        """Convert the rows of a chunk, and record where the row after each begins."""
        if chunk.lines is None:
            for after, values in enumerate(chunk.rows, chunk.first + 1):
                self._place = (chunk.group, after)
                yield self._read(values, None)
            return
        for line, values in zip(chunk.lines, chunk.rows, strict=True):
            self._place = (chunk.group, line)
            yield self._read(values, line)

    def _all_rows(self, chunks: Iterator[RowChunk]) -> Iterator[SourceRow | BadRow]:
        for chunk in chunks:
            yield from self.rows_of(chunk)

    @abc.abstractmethod
    def chunks(self) -> Iterator[RowChunk]:
        """Begin a loop over the rows."""


class AsyncChunkedRows:
    """One loop over rows, read by chunks in a worker thread."""

    def __init__(self, source: ChunkedRows) -> None:
        self._source = source
        self._chunks: ThreadedRows[RowChunk] | None = None
        self._rows: Iterator[SourceRow | BadRow] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SourceRow | BadRow:
        while True:
            for row in self._rows:
                return row
            if self._chunks is None:
                await self._source.inspect()
                self._chunks = in_thread(self._source.chunks(), chunk_size=1)
            self._rows = self._source.rows_of(await anext(self._chunks))

    async def aclose(self) -> None:
        """Stop reading, and close what is read."""
        self._rows = iter(())
        if self._chunks is not None:
            await self._chunks.aclose()
