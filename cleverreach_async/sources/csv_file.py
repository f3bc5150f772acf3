"""Rows of a CSV file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import attrs

from cleverreach_async.sources.column_options import ColumnOptions
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.csv_header import Header, column_name
from cleverreach_async.sources.csv_records import Layout, records
from cleverreach_async.sources.csv_table import CsvTable, Rejection, width_message
from cleverreach_async.sources.csv_wrapping import Wrapping
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.row_repair import ReadRow
from cleverreach_async.sources.rows import BadRow, Remark, SourceRow
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
        self._use(mapping, options)
        self._table = CsvTable(text, header, mapping, has_marks=self._has_marks)

    @property
    def has_group_attributes(self) -> bool:
        """See :class:`TakesTypes`."""
        return self._options.has_group_attributes(self.mapping)

    def take_types(self, types: Mapping[str, str], *, relative: bool) -> None:
        """See :class:`TakesTypes`."""
        options = attrs.evolve(self._options, types=types, relative=relative)
        self._use(options.with_types(self._mapping), options)
        self._table.take_types(self._mapping)

    def _use(self, mapping: ColumnMapping, options: ColumnOptions) -> None:
        self.mapping = self._mapping = mapping
        self._read_cells = options.reader(mapping, only_text=True)

    def _prepare(self) -> None:
        super()._prepare()
        self._table.look()

    def identity(self) -> Mapping[str, Any]:
        """Return what every file has, and how cells become receivers: delimiter and columns."""
        return {
            **super().identity(),
            "delimiter": self._header.delimiter,
            **self._options.identity(self._mapping),
        }

    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        table = self._table
        lines.skip(file, max(0, self._header.lines + 1 - lines.line))
        read = self._row_reader()
        remarks: tuple[Remark, ...] = ()
        for line, cells, state in records(file, lines, table.layout):
            if not state:
                yield read(cells, line)
                continue
            found = table.judge(line, cells, state, lines)
            if isinstance(found, Remark):
                remarks = (found,)
            elif isinstance(found, Rejection):
                yield self._bad_row(line, found.code, found.message, cells)
            elif found is not None:
                row = read(found, line)
                if remarks and isinstance(row, SourceRow):
                    row.remarks = (*remarks, *row.remarks)
                    remarks = ()
                yield row
            # The next row gets the remarks, so it must not be read as a plain one.
            lines.is_plain = lines.is_plain and not remarks

    def _row_reader(self) -> ReadRow:
        """Return the function for rows of this file, of which few need more than the usual one."""
        read = self._read_cells
        layout = self._table.layout
        unnamed = len(self._header.names) - layout.width
        if layout.usual > layout.width or unnamed:
            read = self._with_width(read, layout, unnamed)
        wrapped = [
            (place, wrapping, _unwrapped(self._header.names[place], wrapping))
            for place, wrapping in self._table.wrappings.items()
        ]
        return self._unwrapping(read, wrapped) if wrapped else read

    def _with_width(self, read: ReadRow, layout: Layout, unnamed: int) -> ReadRow:
        """Read rows whose cells are not as many as the names of the header."""
        missing = [""] * unnamed

        def read_uneven(cells: Sequence[str], line: int | None) -> SourceRow | BadRow:
            if any(map(str.strip, cells[layout.width :])):
                message = width_message(len(cells), layout.width)
                return self._bad_row(line, "ragged_row", message, cells)
            return read([*cells[: layout.width], *missing], line)

        return read_uneven

    def _unwrapping(
        self, read: ReadRow, wrapped: Sequence[tuple[int, Wrapping, Remark]]
    ) -> ReadRow:
        def read_wrapped(cells: Sequence[str], line: int | None) -> SourceRow | BadRow:
            texts = [*cells]
            for place, wrapping, _ in wrapped:
                texts[place] = wrapping.unwrap(texts[place])
            row = read(texts, line)
            if isinstance(row, BadRow):
                return self._bad_row(line, row.code, row.message, cells)
            changed = (remark for place, _, remark in wrapped if texts[place] != cells[place])
            row.remarks = (*row.remarks, *changed)
            return row

        return read_wrapped

    def _bad_row(self, line: int | None, code: str, message: str, cells: Sequence[str]) -> BadRow:
        names = self._header.names
        surplus = (column_name(place) for place in range(len(names) + 1, len(cells) + 1))
        record = dict(zip((*names, *surplus), cells, strict=False))
        return BadRow(line, code, message, record)


def _unwrapped(column: str, wrapping: Wrapping) -> Remark:
    return Remark("changed", f"column {column!r}: unwrapped from {wrapping.name}")
