"""Rows of a CSV file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import attrs

from cleverreach_async.sources.column_options import ColumnOptions
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.csv_records import FLAWS, Header, column_name, records
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["CsvSource"]


class CsvSource(FileSource):
    """Rows of a CSV file; :func:`~cleverreach_async.read_csv` returns one."""

    kind = "csv"

    def __init__(
        self, text: TextFile, header: Header, mapping: ColumnMapping, options: ColumnOptions
    ) -> None:
        super().__init__(text, options.zone, delimiter=header.delimiter, mapping=mapping)
        self._header = header
        self._options = options
        self._mapping = mapping
        self._read_row = options.reader(mapping, only_text=True)

    def take_types(self, types: Mapping[str, str], *, relative: bool) -> None:
        """See :class:`TakesTypes`."""
        options = attrs.evolve(self._options, types=types, relative=relative)
        self.mapping = self._mapping = options.with_types(self._mapping)
        self._read_row = options.reader(self._mapping, only_text=True)

    def identity(self) -> Mapping[str, Any]:
        """Return what every file has, and how cells become receivers: delimiter and columns."""
        return {
            **super().identity(),
            "delimiter": self._header.delimiter,
            **self._options.identity(self._mapping),
        }

    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        header = self._header
        lines.skip(file, max(0, header.lines + 1 - lines.line))
        width = len(header.names)
        read = self._read_row
        for line, cells, flaw in records(file, lines, header.delimiter, width):
            if flaw:
                yield self._bad_row(line, flaw, FLAWS[flaw], cells)
                continue
            row = read(cells, line) if len(cells) == width else self._uneven_row(line, cells)
            # Without any text it is a blank row.
            if type(row) is SourceRow or any(cell.strip() for cell in cells):
                yield row

    def _uneven_row(self, line: int, cells: list[str]) -> SourceRow | BadRow:
        """Read a row that has more or fewer cells than there are columns."""
        width = len(self._header.names)
        if any(cell.strip() for cell in cells[width:]):
            message = f"the row has {len(cells)} cells, and there are {width} columns"
            return self._bad_row(line, "ragged_row", message, cells)
        # Shop systems drop empty cells at the end of a line, and add some.
        row = self._read_row([*cells, *([""] * (width - len(cells)))][:width], line)
        if isinstance(row, SourceRow):
            return row
        if row.code == "missing_email" and len(cells) < width:
            message = f"the row ends after {len(cells)} of {width} cells, without an address"
            return self._bad_row(line, "ragged_row", message, cells)
        return self._bad_row(line, row.code, row.message, cells)

    def _bad_row(self, line: int, code: str, message: str, cells: Sequence[str]) -> BadRow:
        names = self._header.names
        surplus = (column_name(place) for place in range(len(names) + 1, len(cells) + 1))
        record = dict(zip((*names, *surplus), cells, strict=False))
        return BadRow(line, code, message, record)
