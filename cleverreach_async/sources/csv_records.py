"""Records of a CSV file, each with the line on which it begins.

By default the ``csv`` module accepts a quote that is never closed: it reads all lines up to the
next quote, or the rest of the file, as one cell, and those rows are lost without an error. So the
rules of quoting are enforced: the first line of a record that violates them is rejected, and
reading continues with the next line.
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
"""Characters. The default limit of the module, 131 072, is too small for some remarks."""

_DELIMITERS: Final = (";", ",", "\t", "|")
_BROKEN_HEADER: Final = (
    "the quotes around column names do not match; if the column separator is not one of ; , | or"
    " a tab, pass delimiter="
)
_SEPARATOR_LINE: Final = re.compile(r'"?sep=([^\r\n"])"?[\r\n]*', re.IGNORECASE)

CsvRecord = tuple[int, list[str], str]
"""Line, cells, and a key of ``FLAWS`` or an empty string."""

FLAWS: Final = {
    "unclosed_quote": (
        "a quote that opens in this line is not closed, or has another inside; inside a cell a"
        " quote is written twice"
    ),
    "cell_too_long": f"a cell is longer than {MAX_CELL} characters",
    "ragged_row": "the line has more or fewer cells than there are columns",
}


@attrs.frozen
class Header:
    """The first record of a file.

    Attributes:
        names: One name per column.
        delimiter: Column separator.
        lines: Number of lines up to and including the header.
    """

    names: tuple[str, ...]
    delimiter: str
    lines: int


def check_delimiter(delimiter: str | None) -> None:
    """Refuse a column separator that is not possible.

    Raises:
        ConfigurationError: It is not a single character, or one with another meaning.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n '):
        raise ConfigurationError(
            f"delimiter is {delimiter!r}; it takes one character, such as ';', ',' or a tab"
        )


def read_header(text: TextFile, delimiter: str | None = None) -> Header:
    """Read the column names, and detect the column separator.

    Args:
        text: The file.
        delimiter: Column separator, if the caller knows it.

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
    # max() returns the first of equals, so the order of candidates breaks ties.
    line, cells, delimiter = max(found, key=lambda item: len(item[1]))
    broken = next((end for end, names, _ in found if end and not names), None)
    if broken and len(cells) <= 1:
        raise SourceError(_BROKEN_HEADER, path=text.path, line=broken)
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


def column_name(number: int) -> str:
    """Return the name for a column without one."""
    return f"column {number}"


def records(file: TextIO, lines: Lines, delimiter: str, width: int) -> Iterator[CsvRecord]:
    """Read records. Blank lines are skipped.

    After a broken record reading continues with its second line, which may be part of a cell. So up
    to the last line that the record had taken, a row is accepted only if it has as many cells as
    there are columns. ``lines.doubtful`` is that line.

    Args:
        file: The file, where the lines begin.
        lines: The lines after the header.
        delimiter: Column separator.
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
                    is_fragment = first <= doubtful and len(cells) != width
                    yield first, cells, "ragged_row" if is_fragment else ""
        begin += reader.line_num
        if begin == line:
            return
        lines.doubtful = doubtful = max(doubtful, begin - 1)
        broken = lines.first
        begin = lines.line = line + 1
        yield line, *_first_line(broken, delimiter)
        line = begin


def _first_line(line: str, delimiter: str) -> tuple[list[str], str]:
    """Return the cells of a broken record's first line, to be shown, and its flaw."""
    try:
        return next(csv.reader([line], delimiter=delimiter)), "unclosed_quote"
    except csv.Error:
        return [], "cell_too_long"


def _raise_limit() -> None:
    # The limit applies to the whole process, so it is never lowered.
    if csv.field_size_limit() < MAX_CELL:
        csv.field_size_limit(MAX_CELL)
