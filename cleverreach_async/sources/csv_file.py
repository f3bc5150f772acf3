"""Rows of a CSV file."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, TextIO

from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.csv_records import FLAWS, Header, column_name, records
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.row_reader import row_reader
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["CsvSource"]


class CsvSource(FileSource):
    """Rows of a CSV file; :func:`~cleverreach_async.read_csv` returns one."""

    kind = "csv"

    def __init__(
        self, text: TextFile, header: Header, mapping: ColumnMapping, zone: tzinfo
    ) -> None:
        super().__init__(text, zone, delimiter=header.delimiter, mapping=mapping)
        self._header = header
        self._mapping = mapping
        self._read_row = row_reader(mapping, zone, only_text=True)

    def identity(self) -> Mapping[str, Any]:
        """Return what every file has, and how cells become receivers: delimiter and columns."""
        return {
            **super().identity(),
            "delimiter": self._header.delimiter,
            **self._mapping.identity(),
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
