"""Rows of a JSON list: one receiver per item, with the fields of ``ReceiverInput``.

The list may stand on one line or on many. It is read item by item, so that a large one is not held
in memory.
"""

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import Final, TextIO

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.dates import time_parser
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.json_lines import read_object
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["JsonListSource", "items"]

_MAX_ITEM: Final = 1 << 20
"""Characters of one item, which is held in memory."""
_PORTION: Final = 1 << 16

_STRING: Final = r'"(?:[^"\\]++|\\.)*+"'
_FLAT: Final = rf'[^][{{}}"]++|{_STRING}'


def _nested(depth: int) -> str:
    """Return a pattern for objects and lists that hold others down to a depth."""
    inner = f"{_FLAT}|{_nested(depth - 1)}" if depth else _FLAT
    return rf"\{{(?:{inner})*+\}}|\[(?:{inner})*+\]"


# A whole object, which is the usual item; else a string, a sign of structure, or the quote of a
# string that goes on in the next portion.
_TOKEN: Final = re.compile(
    rf'(?=\{{)(?:{_nested(3)})|{_STRING}|[][{{}},]|"',
    re.DOTALL,
)
_CLOSED_BY: Final = {"[": "]", "{": "}"}


class JsonListSource(FileSource):
    """Rows of a JSON list; :func:`~cleverreach_async.read_json_list` returns one.

    A position is a number of items. ``line`` of a row is the line on which its item begins.
    """

    kind = "json list"
    counts_rows = True

    def __init__(self, text: TextFile, zone: tzinfo) -> None:
        super().__init__(text, zone)
        self._parse_time = time_parser(zone)
        with text.open() as file:
            for _ in items(file, text.path):
                pass  # a list that is broken is refused before its first row is sent

    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        del lines  # positions are counted
        for line, text in items(file, self.path):
            yield read_object(text, line, self._parse_time)


def items(file: TextIO, path: str) -> Iterator[tuple[int, str]]:
    """Return the items of a list as text, each with the line on which it begins.

    Raises:
        SourceError: The list is broken.
    """
    scanner = _Scanner(path)
    while portion := file.read(_PORTION):
        yield from scanner.feed(portion)
    scanner.end()


class _Scanner:
    """Finds the items of a list. What is inside of an item is not checked."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._text = ""
        self._line: int = 1  # at the mark
        self._mark: int = 0
        self._scanned: int = 0
        self._begin: int = 0  # of the item
        self._count = 0
        self._open: list[str] = []
        self._is_complete = False  # an object of the item was closed
        self._has_ended = False

    def feed(self, portion: str) -> Iterator[tuple[int, str]]:
        """Return the items that end in the next portion of the file."""
        self._text += portion
        for token in _TOKEN.finditer(self._text, self._scanned):
            sign, place = token[0], token.start()
            if sign == '"':
                break
            self._check(sign, place)
            if len(self._open) == 1 and sign in ",]":
                yield from self._item(place, sign)
            if sign in "[{":
                self._open.append(sign)
            elif sign[-1] in "]}":
                if sign in "]}":
                    self._open.pop()
                self._is_complete = True
                self._has_ended = not self._open
            self._scanned = token.end()
            if len(self._open) == 1 and sign in "[," and not self._is_complete:
                self._begin = self._scanned
        self._drop()

    def end(self) -> None:
        """Check that the list is closed, and that nothing follows."""
        if not self._has_ended:
            raise self._error("the list is not closed, the file may be cut", len(self._text))
        if self._text.strip():
            raise self._error("there is more after the end of the list", len(self._text))

    def _check(self, sign: str, place: int) -> None:
        """Refuse a sign that cannot stand where it does."""
        if self._has_ended:
            raise self._error("there is more after the end of the list", place)
        if not self._open:
            if sign != "[" or self._text[:place].strip():
                raise self._error("a JSON list begins with a bracket", place)
        elif sign in "]}" and _CLOSED_BY[self._open[-1]] != sign:
            raise self._error(f"a {sign} closes what a {self._open[-1]} opened", place)
        elif len(self._open) == 1 and self._is_complete and sign not in ",]":
            raise self._error("a comma between two items is missing", place)

    def _item(self, end: int, sign: str) -> Iterator[tuple[int, str]]:
        text = self._text[self._begin : end]
        item = text.strip()
        self._is_complete = False
        if item:
            begin = self._begin + len(text) - len(text.lstrip())
            self._count += 1
            self._line, self._mark = self._line_at(begin), begin
            yield self._line, item
        elif self._count or sign == ",":
            raise self._error("there is no item beside a comma", end)

    def _drop(self) -> None:
        """Forget what was returned."""
        count = self._begin if self._open else self._scanned
        if len(self._text) - count > _MAX_ITEM:
            raise self._error(f"an item is longer than {_MAX_ITEM >> 10} KiB", count)
        self._line, self._mark = self._line_at(count), 0
        self._text = self._text[count:]
        self._scanned -= count
        self._begin -= count

    def _line_at(self, place: int) -> int:
        return self._line + self._text.count("\n", self._mark, place)

    def _error(self, problem: str, place: int) -> SourceError:
        return SourceError(
            f"not a JSON list: {problem}", path=self._path, line=self._line_at(place)
        )
