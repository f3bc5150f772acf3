"""Lines of a text, and the byte at which each begins.

The rows of a file are read millions of times more often than a position is asked for. So lines
are taken from the file by the hundred, without a step of Python for each, and their bytes are
counted afterwards, of many lines at once.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, Final, TextIO

import attrs

__all__ = ["Lines", "Measure", "Place", "measure_of", "place_of"]

Measure = Callable[[str], int]
"""A function from text to the number of its bytes in the file."""

_PORTION: Final = 1 << 13
"""Characters taken from the file at once; the rest of a line comes on top."""

_WIDE: Final = frozenset({"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"})
_NARROW: Final = ("cp125", "iso8859", "ascii")
"""Beginnings of the names of encodings that have a byte for each character."""


@attrs.frozen
class Place:
    """Where a line begins.

    Attributes:
        byte: Offset in the file.
        line: One-based number of the line.
        doubtful: Last line of what a torn record took for its own, if that is this line or a
            later one; see :func:`~cleverreach_async.sources.csv_records.records`.
    """

    byte: int
    line: int
    doubtful: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the place as :func:`place_of` takes it."""
        found = {"byte": self.byte, "line": self.line}
        return {**found, "doubtful": self.doubtful} if self.doubtful else found


def place_of(value: Any) -> Place | None:
    """Return the place that a JSON value stands for, or ``None`` if it stands for none."""
    match value:
        case {"byte": int(byte), "line": int(line), "doubtful": int(doubtful), **others}:
            place = Place(byte, line, doubtful)
        case {"byte": int(byte), "line": int(line), **others}:
            place = Place(byte, line)
        case _:
            return None
    return place if byte >= 0 and line >= 1 and not others else None


def measure_of(encoding: str) -> Measure | None:
    """Return how to count the bytes of text, or ``None`` where bytes do not follow from text.

    UTF-7 may write a letter in two ways, and UTF-16 by that name alone needs the mark at the
    beginning of the file.

    Args:
        encoding: Python's name of the encoding.
    """
    if encoding == "utf-8":
        return _utf8_size
    if encoding in _WIDE:
        return lambda text: len(text.encode(encoding))
    return len if encoding.startswith(_NARROW) else None


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Lines:
    """Lines of an opened file from a place on.

    Whoever reads them sets ``line`` before each row is handed on; lines before it are let go,
    those from it on can be read once more.

    Attributes:
        line: One-based number of the line with which the next row begins.
        doubtful: As in :class:`Place`; zero for none.
        rows: Rows handed on, counted only where ``measure`` is missing.
    """

    def __init__(self, place: Place, measure: Measure | None, rows: int = 0) -> None:
        self.line = place.line
        self.doubtful = place.doubtful
        self.rows = rows
        self._measure = measure
        self._kept: list[str] = []
        self._kept_byte = place.byte
        self._kept_line = place.line

    @property
    def first(self) -> str:
        """The line with number ``line``, which must have been read."""
        return self._kept[self.line - self._kept_line]

    def read(self, file: TextIO) -> Iterator[str]:
        """Hand out lines from number ``line`` on, with their ends as they are.

        Args:
            file: The file, at the place where these lines begin or where the last reading of it
                by this object stopped.
        """
        return chain.from_iterable(self._portions(file))

    def skip(self, file: TextIO, count: int) -> None:
        """Pass over lines."""
        for _ in islice(self.read(file), count):
            pass
        self.line += count

    def place(self) -> Place:
        """Return where the line with number ``line`` begins."""
        self._let_go()
        doubtful = self.doubtful if self.doubtful >= self.line else 0
        return Place(self._kept_byte, self.line, doubtful)

    def _portions(self, file: TextIO) -> Iterator[list[str]]:
        yield self._kept[self.line - self._kept_line :]
        while portion := file.readlines(_PORTION):
            self._let_go()
            self._kept += portion
            yield portion

    def _let_go(self) -> None:
        count = self.line - self._kept_line
        if self._measure is not None:
            self._kept_byte += self._measure("".join(self._kept[:count]))
        del self._kept[:count]
        self._kept_line = self.line
