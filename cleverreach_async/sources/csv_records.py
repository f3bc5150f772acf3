"""Records of a CSV file, each with the line on which it begins.

Left to itself the ``csv`` module forgives a quote that is never closed: it takes all lines up to
the next quote, or the rest of the file, for one cell, and those rows are lost without a word. So
the rules of quoting are enforced; of a record that breaks them the first line is rejected, and
reading goes on with the next.
"""

import contextlib
import csv
import re
from collections.abc import Iterator
from typing import Final, TextIO

import attrs

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.text_file import TextFile

__all__ = ["FLAWS", "Header", "check_delimiter", "column_name", "read_header", "records"]

MAX_CELL: Final = 1 << 20
"""Characters. The module's own limit of 131 072 is too small for some remarks."""

_DELIMITERS: Final = (";", ",", "\t", "|")
_TORN_HEADER: Final = (
    "the quotes around column names do not match; if cells are not separated by one of ; , | or"
    " a tab, pass delimiter="
)
_SEPARATOR_LINE: Final = re.compile(r'"?sep=([^\r\n"])"?[\r\n]*', re.IGNORECASE)

Record = tuple[int, list[str], str]
"""Line, cells, and a key of ``FLAWS`` or an empty string."""

FLAWS: Final = {
    "unclosed_quote": (
        "a quote that opens in this line is not closed, or has another inside; inside a cell a"
        " quote is written twice"
    ),
    "cell_too_long": f"a cell is longer than {MAX_CELL} characters",
    "ragged_row": "the line has not as many cells as there are columns",
}


@attrs.frozen
class Header:
    """The first record of a file.

    Attributes:
        names: One name per column.
        delimiter: What stands between cells.
        lines: Lines up to and with the header.
    """

    names: tuple[str, ...]
    delimiter: str
    lines: int


def check_delimiter(delimiter: str | None) -> None:
    """Refuse a delimiter that cannot be one.

    Raises:
        ConfigurationError: It is not a single character, or one with another meaning.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n '):
        raise ConfigurationError(
            f"delimiter is {delimiter!r}; it takes one character, such as ';', ',' or a tab"
        )


def read_header(text: TextFile, delimiter: str | None = None) -> Header:
    """Read the column names and find out what stands between cells.

    Args:
        text: The file.
        delimiter: What stands between cells, if the caller knows.

    Raises:
        SourceError: There are no column names.
    """
    _raise_limit()
    with text.open() as lines:
        first = next(lines, "")
    stated = _SEPARATOR_LINE.fullmatch(first)
    skipped = 1 if stated else 0
    if delimiter is None and stated:
        delimiter = stated[1]
    candidates = _DELIMITERS if delimiter is None else (delimiter,)
    found = [_first_record(text, candidate, skipped) for candidate in candidates]
    # max() takes the first of equals, so the order of candidates breaks ties.
    line, cells, delimiter = max(found, key=lambda item: len(item[1]))
    torn = next((end for end, names, _ in found if end and not names), None)
    if torn and len(cells) <= 1:
        raise SourceError(_TORN_HEADER, path=text.path, line=torn)
    if not cells:
        raise SourceError("the file has no column names", path=text.path)
    names = (" ".join(cell.split()) or column_name(place) for place, cell in enumerate(cells, 1))
    return Header(tuple(names), delimiter, line)


def _first_record(text: TextFile, delimiter: str, skipped: int) -> tuple[int, list[str], str]:
    """Return the line on which the first record ends, its cells, and the delimiter."""
    with text.open() as lines:
        for _ in range(skipped):
            next(lines)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    return skipped + reader.line_num, cells, delimiter
        except csv.Error:
            return skipped + 1, [], delimiter
    return 0, [], delimiter


def column_name(place: int) -> str:
    """Return what to call a column that has no name."""
    return f"column {place}"


def records(file: TextIO, lines: Lines, delimiter: str, width: int) -> Iterator[Record]:
    """Read records; blank lines are passed over.

    After a torn record reading goes on with its second line, which may well lie within a cell.
    So up to the last line that the record had taken, rows are believed only if they have as many
    cells as there are columns. ``lines.doubtful`` is that line.

    Args:
        file: The file, where the lines begin.
        lines: The lines behind the header.
        delimiter: What stands between cells.
        width: Number of columns.
    """
    _raise_limit()
    line = begin = lines.line
    doubtful = lines.doubtful
    while True:
        reader = csv.reader(lines.read(file), delimiter=delimiter, strict=True)
        with contextlib.suppress(csv.Error):
            for cells in reader:
                first, line = line, begin + reader.line_num
                lines.line = line
                if cells:
                    is_left = first <= doubtful and len(cells) != width
                    yield first, cells, "ragged_row" if is_left else ""
        begin += reader.line_num
        if begin == line:
            return
        lines.doubtful = doubtful = max(doubtful, begin - 1)
        torn = lines.first
        begin = lines.line = line + 1
        yield line, *_first_line(torn, delimiter)
        line = begin


def _first_line(line: str, delimiter: str) -> tuple[list[str], str]:
    """Return the cells of a torn record's first line, for showing, and what is wrong."""
    try:
        return next(csv.reader([line], delimiter=delimiter)), "unclosed_quote"
    except csv.Error:
        return [], "cell_too_long"


def _raise_limit() -> None:
    # The limit is one for the whole process, so it is never lowered.
    if csv.field_size_limit() < MAX_CELL:
        csv.field_size_limit(MAX_CELL)
