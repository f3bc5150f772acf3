"""The header of a CSV file: names of the columns, and the column separator."""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal, TextIO

import attrs

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.csv_records import raise_cell_limit
from cleverreach_async.sources.line_marks import without_marks
from cleverreach_async.sources.text_file import TextFile

__all__ = ["Header", "check_duplicates", "check_options", "column_name", "read_header"]

_DELIMITERS: Final = (";", ",", "\t", "|")
_SAMPLE: Final = 100
"""Rows with which a column separator is tried."""
_MOST_SKIPPED: Final = 1 << 31

_BROKEN: Final = (
    "the quotes around column names do not match; if the column separator is not one of ; , | or"
    " a tab, name it with --delimiter or delimiter="
)
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(\\t|[^\r\n"])"?[\r\n]*', re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[^\s@;,|]+@[^\s@;,|]+")


@attrs.frozen
class Header:
    """The first record of a file.

    Attributes:
        names: One name per column, each different: of two columns named ``Notiz`` the second is
            ``Notiz (2)``.
        delimiter: Column separator.
        lines: Number of lines up to and including the header.
        duplicates: Names that several columns have in the file, with the names they have here.
    """

    names: tuple[str, ...]
    delimiter: str
    lines: int
    duplicates: tuple[tuple[str, ...], ...] = ()

    @property
    def named(self) -> int:
        """Number of columns up to the last one that has a name."""
        return len(_trimmed(self._plain_names()))

    def found_in(self, cells: Sequence[str], address: int) -> Literal["", "same", "other"]:
        """Compare with a row without an address: files may have been joined with their headers.

        Args:
            cells: The cells of the row.
            address: Index of the column with addresses.

        Returns:
            ``same`` for these columns, ``other`` for a header of other columns, or of the same in
            another order; an empty string for a row.
        """
        if _is_separator_line(cells, self.delimiter):
            return "same"
        known = [name.casefold() for name in self._plain_names()]
        found = [_plain(cell).casefold() for cell in cells]
        if _trimmed(found) == _trimmed(known):
            return "same"
        if len(found) <= address or found[address] not in known or known[address] not in found:
            return ""
        is_header = bool(found[address]) and 2 * sum(name in known for name in found) >= len(found)
        return "other" if is_header else ""

    def _plain_names(self) -> list[str]:
        """Return the names as they are in the file; an unnamed column has none."""
        repeated = {name: names[0] for names in self.duplicates for name in names}
        plain = [repeated.get(name, name) for name in self.names]
        return [
            "" if name == column_name(place) else name for place, name in enumerate(plain, start=1)
        ]


def check_options(delimiter: Any, skip_lines: Any) -> None:
    """Refuse a column separator or a number of lines that is not possible.

    Raises:
        ConfigurationError: The separator is not a single character, or one with another meaning;
            or the number is none, or negative.
    """
    is_one = isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '"\r\n '
    if delimiter is not None and not is_one:
        raise ConfigurationError(
            f"delimiter is {delimiter!r}; it takes one character, such as ';', ',' or a tab"
        )
    if not isinstance(skip_lines, int) or not 0 <= skip_lines <= _MOST_SKIPPED:
        raise ConfigurationError(
            f"skip_lines is {skip_lines!r}; it takes the number of lines before the column names"
        )


def read_header(text: TextFile, delimiter: str | None = None, skip_lines: int = 0) -> Header:
    """Read the column names, and detect the column separator.

    Args:
        text: The file.
        delimiter: Column separator, if the caller knows it.
        skip_lines: Number of lines before the column names.

    Raises:
        SourceError: There are no column names.
    """
    raise_cell_limit()
    with text.open() as file:
        stated = _SEPARATOR_LINE.fullmatch(next(_lines(file, skip_lines), ""))
    if stated:
        skip_lines += 1
        delimiter = delimiter or stated[1].replace(r"\t", "\t")
    candidates = _DELIMITERS if delimiter is None else (delimiter,)
    found = [_try(text, candidate, skip_lines) for candidate in candidates]
    # max() returns the first of equals, so the order of candidates breaks ties.
    best = max(found, key=_Attempt.rank)
    broken = next((it.line for it in found if it.line and not it.cells), None)
    if broken and len(best.cells) <= 1:
        raise SourceError(_BROKEN, path=text.path, line=broken)
    if not best.cells:
        raise SourceError("the file has no column names", path=text.path)
    names, duplicates = _unique([_plain(cell) for cell in best.cells])
    return Header(names, best.delimiter, best.line, duplicates)


@attrs.frozen
class _Attempt:
    """The beginning of a file, read with one of the possible column separators.

    Attributes:
        delimiter: The separator.
        line: Line on which the first record ends; zero if there is none.
        cells: The first record; none if its quotes do not match.
        rows: Records after it.
    """

    delimiter: str
    line: int
    cells: Sequence[str]
    rows: Sequence[Sequence[str]]

    def rank(self) -> tuple[int, bool, int, int]:
        """Return how well the separator fits: it frees addresses, and rows are of one width."""
        width = len(self.cells)
        addresses = sum(any(map(_ADDRESS.fullmatch, map(str.strip, row))) for row in self.rows)
        even = sum(len(row) >= width and not any(row[width:]) for row in self.rows)
        is_quoted_well = not any('"' in cell for cell in self.cells)
        return (addresses, is_quoted_well, even if width > 1 else 0, width)


def _try(text: TextFile, delimiter: str, skip_lines: int) -> _Attempt:
    line = 0
    found: list[list[str]] = []
    with text.open() as file:
        reader = csv.reader(_lines(file, skip_lines), delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if any(map(str.strip, cells)):
                    line = line or skip_lines + reader.line_num
                    found.append(cells)
                if len(found) > _SAMPLE:
                    break
        except csv.Error:
            line = line or skip_lines + 1
    return _Attempt(delimiter, line, found[0] if found else (), found[1:])


def _lines(file: TextIO, skip: int) -> Iterator[str]:
    return map(without_marks, islice(file, skip, None))


def _trimmed(cells: list[str]) -> list[str]:
    """Return cells without the empty ones at their end."""
    end = next((place for place in range(len(cells), 0, -1) if cells[place - 1]), 0)
    return cells[:end]


def _is_separator_line(cells: Sequence[str], delimiter: str) -> bool:
    # The separator in it makes two cells of it.
    text = delimiter.join(cells).casefold()
    return text == f"sep={delimiter}" or (text == r"sep=\t" and delimiter == "\t")


def _plain(cell: str) -> str:
    return " ".join(cell.split())


def column_name(number: int) -> str:
    """Return the name for a column without one."""
    return f"column {number}"


def _unique(cells: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return a different name for each column, and the names of those that share one."""
    taken = set(cells)
    groups: dict[str, list[str]] = {}
    names: list[str] = []
    for place, cell in enumerate(cells, start=1):
        base = name = cell or column_name(place)
        group = groups.setdefault(base, [])
        number = len(group) + 1
        while number > 1 and (name in taken or name in names):
            name = f"{base} ({number})"
            number += 1
        group.append(name)
        names.append(name)
    return tuple(names), tuple(tuple(group) for group in groups.values() if len(group) > 1)


def check_duplicates(
    header: Header, used: Collection[str], mapping: Mapping[str, str], path: str
) -> None:
    """Refuse to choose between columns of one name.

    Args:
        header: The header.
        used: Columns that have a target.
        mapping: The caller's mapping; it may decide about each.
        path: The file.

    Raises:
        SourceError: The first of such columns has a target, and nothing is said about another.
    """
    decided = {name.strip().casefold() for name in mapping}
    for first, *others in header.duplicates:
        unclear = next((name for name in others if name.casefold() not in decided), None)
        if first in used and unclear is not None:
            raise SourceError(
                f"two columns are named {first!r}; give one of them another name, or leave the"
                f" second out with --map {unclear!r}=- or mapping={{{unclear!r}: '-'}}",
                path=path,
            )
