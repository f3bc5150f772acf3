"""Records of a CSV file, each with the line on which it begins.

By default the ``csv`` module accepts a quote that is never closed: it reads all lines up to the
next quote, or the rest of the file, as one cell, and those rows are lost without an error. So the
rules of quoting are enforced: the first line of a record that violates them is rejected, and
reading continues with the next line. A record that consists of whole rows is treated likewise.
"""

import contextlib
import csv
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Literal, TextIO

import attrs

from cleverreach_async.sources.line_offsets import Lines

__all__ = ["FLAWS", "CsvRecord", "Layout", "RecordState", "raise_cell_limit", "records"]

MAX_CELL: Final = 1 << 20
"""Characters. The default limit of the module, 131 072, is too small for some remarks."""

_TEXT_COLUMNS: Final = 2
"""Up to this width a line of a remark may look like a row: an address, a comma and some words."""

_ADDRESS: Final = re.compile(r'[^\s"]+@[^\s"]+')

FLAWS: Final = {
    "unclosed_quote": (
        "a quote that opens in this line is not closed, or has another inside; inside a cell a"
        " quote is written twice"
    ),
    "torn_quote": (
        "a quote opens in one line and closes in a later one, and each of the lines has the cells"
        " of a row; inside a cell a quote is written twice"
    ),
    "cell_too_long": f"a cell is longer than {MAX_CELL} characters",
}

RecordState = Literal[
    "", "odd", "doubtful", "open_end", "unclosed_quote", "torn_quote", "cell_too_long"
]
"""Empty for one line with an address and all cells; ``odd`` for any other record, such as
a blank one.

``doubtful`` may be a part of the cell of a broken record before it, ``open_end`` is the last record
of a file that does not end with a line end. The others are keys of ``FLAWS``.
"""

CsvRecord = tuple[int, list[str], RecordState]
"""Line, cells and state."""


@attrs.frozen
class Layout:
    """What is known of all rows of a file.

    Attributes:
        delimiter: Column separator.
        width: Number of columns.
        usual: Number of cells of a row: more than columns where every row ends with empty ones,
            and zero where many do, but not all.
        address: Index of the column with e-mail addresses.
        has_short: Whether rows may have fewer cells than columns.
    """

    delimiter: str
    width: int
    usual: int
    address: int
    has_short: bool = False


def records(file: TextIO, lines: Lines, layout: Layout) -> Iterator[CsvRecord]:
    """Read records. Blank lines are skipped.

    After a broken record reading continues with its second line, which may be part of a cell. Up
    to the last line that the record had taken, records are ``doubtful``. ``lines.doubtful`` is that
    line.

    Args:
        file: The file, where the lines begin.
        lines: The lines after the header.
        layout: Columns of the file.
    """
    raise_cell_limit()
    delimiter, usual, address = layout.delimiter, layout.usual, layout.address
    line = begin = lines.line
    while True:
        texts = _Texts(lines.read(file))
        reader = csv.reader(texts.of_record(), delimiter=delimiter, strict=True)
        flaw: RecordState = ""
        with contextlib.suppress(csv.Error):
            for text in texts.lines:
                first = line
                if '"' in text or len(text) > MAX_CELL:
                    texts.first = text
                    cells = next(reader)
                    line = begin + reader.line_num
                else:
                    # The parser reads one character after the other, and takes four times as long.
                    cells = text.rstrip("\r\n").split(delimiter)
                    begin += 1
                    line += 1
                if (
                    line - first == 1
                    and len(cells) == usual
                    and "@" in cells[address]
                    and lines.is_plain
                ):
                    lines.line = line
                    yield first, cells, ""
                    continue
                if not text.rstrip("\r\n"):
                    cells = []
                state = _state(cells, lines, line - first, layout)
                if state == "torn_quote" and line - first > 1:
                    flaw, line = state, first
                    break
                lines.line = line
                lines.is_plain = line > lines.doubtful and not lines.open_line
                if cells:
                    yield first, cells, state
        begin += reader.line_num
        if begin == line:
            return
        lines.doubtful = max(lines.doubtful, begin - 1)
        lines.is_plain = False
        (broken,) = lines.next(1)
        begin = lines.line = line + 1
        cells, found = _first_line(broken, delimiter)
        yield line, cells, flaw or found
        line = begin


@attrs.define
class _Texts:
    """The lines of a file, of which the parser reads those that belong to records with quotes.

    Attributes:
        lines: The lines.
        first: The line with which the next record of the parser begins.
    """

    lines: Iterator[str]
    first: str = ""

    def of_record(self) -> Iterator[str]:
        """Return the lines for the parser: after the first of a record those that follow it."""
        while text := self.first or next(self.lines, ""):
            self.first = ""
            yield text


def _state(cells: Sequence[str], lines: Lines, count: int, layout: Layout) -> RecordState:
    """Return the state of a record that begins with the next line.

    Args:
        cells: The record.
        lines: The lines.
        count: Number of lines that the record takes.
        layout: Columns of the file.
    """
    if count > 1 and _is_torn(cells, lines.next(count), layout):
        return "torn_quote"
    is_doubtful = lines.line <= lines.doubtful
    if (
        is_doubtful
        and len(cells) == layout.usual
        and not _is_quoted_well(lines.next(count), layout)
    ):
        return "torn_quote"
    if lines.open_line == lines.line + count - 1:
        return "open_end"
    return "doubtful" if is_doubtful else "odd"


def _is_torn(record: Sequence[str], texts: Sequence[str], layout: Layout) -> bool:
    """Whether the lines of a record are rows that two stray quotes join.

    The lines of a remark may have as many delimiters as a row, but hardly an address where rows
    have it.

    Args:
        record: The cells of the record.
        texts: Its lines.
        layout: Columns of the file.
    """
    address, width = layout.address, layout.width
    if not any("@" in text for text in texts[1:]):
        return False
    if len("".join(record[address:][:1]).split()) > 1 or any(map(str.strip, record[width:])):
        return True
    rows = [_split(text, layout.delimiter) for text in texts]
    fits = [len(row) >= width and not any(map(str.strip, row[width:])) for row in rows]
    if fits[0] and fits[-1] and "@" in rows[0][address]:
        later = zip(rows[1:], fits[1:], strict=True)
        return any(fit and "@" in row[address] for row, fit in later)
    if not layout.has_short or width <= _TEXT_COLUMNS or len(rows[-1]) == 1:
        return False
    ends = ("".join(row[address:][:1]).strip() for row in (rows[0], rows[-1]))
    return all(map(_ADDRESS.fullmatch, ends))


def _split(text: str, delimiter: str) -> list[str]:
    """Return the cells of a line, with a quote that it does not close as part of the text."""
    line = text.rstrip("\r\n") + "\n"
    try:
        cells = next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return []
    if cells and cells[-1].endswith("\n"):
        cells[-1:] = cells[-1].split(delimiter)
    return cells


def _is_quoted_well(texts: Sequence[str], layout: Layout) -> bool:
    """Whether the quotes in the lines of a record enclose whole cells only."""
    return _record_pattern(layout.delimiter).fullmatch("".join(texts)) is not None


@lru_cache(maxsize=8)
def _record_pattern(delimiter: str) -> re.Pattern[str]:
    mark = re.escape(delimiter)
    cell = f'(?:"(?:[^"]|"")*"|[^"{mark}\r\n]*)'
    return re.compile(f"{cell}(?:{mark}{cell})*[\r\n]*")


def _first_line(line: str, delimiter: str) -> tuple[list[str], RecordState]:
    """Return the cells of a broken record's first line, to be shown, and its flaw."""
    try:
        return next(csv.reader([line], delimiter=delimiter)), "unclosed_quote"
    except csv.Error:
        return [], "cell_too_long"


def raise_cell_limit() -> None:
    """Let cells be longer than by default; the limit of the process is never lowered."""
    if csv.field_size_limit() < MAX_CELL:
        csv.field_size_limit(MAX_CELL)
