"""Which records of a CSV file are rows, and whether their cells are in their columns."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Final

import attrs

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.columns import TIME_TARGETS, ColumnMapping
from cleverreach_async.sources.csv_end import is_cut, is_cut_after_quotes
from cleverreach_async.sources.csv_header import Header
from cleverreach_async.sources.csv_records import FLAWS, CsvRecord, Layout, RecordState, records
from cleverreach_async.sources.csv_shape import Shape, find_shape
from cleverreach_async.sources.csv_wrapping import Wrapping, find_wrappings, may_hold_wrapped
from cleverreach_async.sources.line_offsets import Lines, LineStart
from cleverreach_async.sources.rows import Remark
from cleverreach_async.sources.text_file import TextFile

__all__ = ["CsvTable", "Rejection", "width_message"]

_SAMPLE: Final = 1000
"""Rows at the beginning that are looked at before the first is read."""

_REPEATED: Final = Remark("dropped", "a line that repeats the column names")
_CUT: Final = (
    "the file ends in this row, without a line end, and the row may be cut; export the file again,"
    " or complete the row and end it with a line end"
)
_JOINED: Final = (
    "the line names columns, but others than the first line, or in another order: files with"
    " different columns were joined; import each of them by itself"
)


@attrs.frozen
class Rejection:
    """Why a record is not used.

    Attributes:
        code: As in :class:`BadRow`.
        message: What is wrong.
    """

    code: str
    message: str


class CsvTable:
    """The rows of a CSV file, judged by the whole file wherever reading begins.

    What is known of the whole file is found when it is first needed, by reading it once more. Most
    files do not need it.
    """

    def __init__(
        self, text: TextFile, header: Header, mapping: ColumnMapping, *, has_marks: bool
    ) -> None:
        self._text = text
        self._header = header
        self._targets = dict(mapping.pairs)
        self._times = _times(mapping)
        self._has_marks = has_marks
        address = next(name for name, target in mapping.pairs if target == "email")
        self._address = header.names.index(address)

    def take_types(self, mapping: ColumnMapping) -> None:
        """Take the types of the attributes from a mapping with the same columns and targets."""
        self._times = _times(mapping)

    def look(self) -> tuple[Layout, dict[int, Wrapping]]:
        """Find out what every row needs; of some files all rows are read for that."""
        return self.layout, self.wrappings

    @cached_property
    def layout(self) -> Layout:
        """How the rows of the file look."""
        has_surplus = any(len(cells) > self._width for _, cells, _ in self._first)
        has_short = any(len(cells) < self._width for _, cells, _ in self._first)
        usual = self._shape.usual if has_surplus else self._width
        return Layout(self._header.delimiter, self._width, usual, self._address, has_short)

    @cached_property
    def _width(self) -> int:
        """Number of columns, without those that only the header has: a delimiter at its end."""
        names, named = self._header.names, self._header.named
        longer = sum(len(cells) > named for _, cells, _ in self._first)
        is_used = any(name in self._targets for name in names[named:])
        return len(names) if is_used or 2 * longer > len(self._first) else named

    @cached_property
    def wrappings(self) -> dict[int, Wrapping]:
        """How the values of a column are wrapped, by its index, if all of them are."""
        return find_wrappings(
            [place for place, target in enumerate(self._column_targets()) if target],
            lambda: self._even_rows(self._first, with_last=True),
            lambda: self._even_rows(self._records(), with_last=True),
            may_be_later=lambda: may_hold_wrapped(self._text, self._header.delimiter),
        )

    def judge(
        self, line: int, cells: list[str], state: RecordState, lines: Lines
    ) -> list[str] | Rejection | Remark | None:
        """Decide about a record that is not plain.

        Returns:
            The cells of a row, at least one for each column; why it is rejected; a remark about a
            repeated header; or ``None`` for a blank row.

        Raises:
            SourceError: The record is a header of other columns, so the rows after it do not fit.
        """
        if state in FLAWS:
            return Rejection(state, FLAWS[state])
        if not any(map(str.strip, cells)):
            return None
        header = self._is_header(cells)
        if header == "other":
            raise SourceError(_JOINED, path=self._text.path, line=line)
        return _REPEATED if header else self._judge_width(cells, state, lines)

    def _judge_width(
        self, cells: list[str], state: RecordState, lines: Lines
    ) -> list[str] | Rejection:
        width, usual = self.layout.width, self.layout.usual
        count = len(cells)
        if state == "open_end" and (count < max(width, usual) or self._is_cut(cells, lines)):
            return Rejection("cut_row", _CUT)
        has_surplus = any(map(str.strip, cells[width:]))
        if not has_surplus and count == (usual or width) and (usual or cells[-1].strip()):
            return cells
        if count < width and state == "odd" and self._shape.may_be_short(cells):
            if any(map(str.strip, cells[self._address :][:1])):
                return [*cells, *([""] * (width - count))]
            message = f"the row ends after {count} of {width} cells, without an address"
            return Rejection("ragged_row", message)
        message = width_message(count, width)
        if has_surplus:
            return Rejection("ragged_row", message)
        return Rejection("ragged_row", f"{message}; {_hint(count, width, usual)}")

    def _is_cut(self, cells: Sequence[str], lines: Lines) -> bool:
        """Whether the last cell of a file may be cut."""
        target = self._column_targets()[-1]
        if not target or len(cells) != self._width or lines.open_end.endswith('"'):
            return False
        cell = cells[-1].strip()
        if not cell and self.layout.has_short:
            # Other rows leave out empty cells.
            return True
        others = [row[-1].strip() for row in self._even_rows(self._first)]
        return is_cut_after_quotes(self._first_lines(), self._width) or is_cut(
            cell, others, target, is_time=target in self._times
        )

    @cached_property
    def _shape(self) -> Shape:
        return find_shape(self._records(), self._column_targets())

    def _column_targets(self) -> list[str]:
        return [self._targets.get(name, "") for name in self._header.names[: self._width]]

    @cached_property
    def _first(self) -> list[CsvRecord]:
        return list(islice(self._records(), _SAMPLE))

    def _first_lines(self) -> list[str]:
        """Return lines after the header, but not the last one of the file."""
        with self._text.open() as file:
            found = list(islice(file, self._header.lines, self._header.lines + _SAMPLE))
        return [line for line in found if line.endswith(("\n", "\r"))]

    def _records(self) -> Iterator[CsvRecord]:
        """Read the file, without headers."""
        width = len(self._header.names)
        layout = Layout(self._header.delimiter, width, width, self._address)
        lines = Lines(LineStart(self._text.bom, 1), None, has_marks=self._has_marks)
        with self._text.open() as file:
            lines.skip(file, self._header.lines)
            yield from (it for it in records(file, lines, layout) if not self._is_header(it[1]))

    def _even_rows(
        self, found: Iterator[CsvRecord] | list[CsvRecord], *, with_last: bool = False
    ) -> Iterator[list[str]]:
        """Return the cells of the rows that have one for each column.

        Args:
            found: The records.
            with_last: Whether to return a last row without a line end too.
        """
        width = self._width
        states = {"", "odd", "open_end"} if with_last else {"", "odd"}
        for _, cells, state in found:
            is_even = len(cells) >= width and not any(map(str.strip, cells[width:]))
            if is_even and state in states:
                yield cells[:width]

    def _is_header(self, cells: Sequence[str]) -> str:
        """Return whether a record is a header, see :meth:`Header.found_in`."""
        address = self._address
        if len(cells) > address and "@" in cells[address]:
            return ""
        return self._header.found_in(cells, address)


def _times(mapping: ColumnMapping) -> set[str]:
    """Return the targets that hold a time or a day."""
    return {*TIME_TARGETS, *(target for target, kind in mapping.types.items() if kind == "date")}


def width_message(count: int, width: int) -> str:
    """Return the message about a row with a wrong number of cells."""
    return f"the row has {count} cells, and there are {width} columns"


def _hint(count: int, width: int, usual: int) -> str:
    if usual > width:
        return f"other rows have {usual} cells, the last of them empty"
    if count < width:
        return "if only empty cells at the end are missing, add them"
    return "only some rows have an empty cell after the last column"
