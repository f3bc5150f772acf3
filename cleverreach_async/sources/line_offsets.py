"""Lines of a text, and the byte at which each begins.

Rows of a file are read millions of times more often than a position is requested. So lines are
read by the hundred, without Python code for each, and their bytes are counted afterwards, of many
lines at once.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, Final, TextIO

import attrs

from cleverreach_async.sources.line_marks import END_MARK, without_marks

__all__ = ["CountBytes", "LineStart", "Lines", "byte_counter", "line_start"]

CountBytes = Callable[[str], int]
"""A function from text to the number of its bytes in the file."""

_PORTION: Final = 1 << 13
"""Characters read from the file at once, and then up to the end of the line."""

_WIDE: Final = frozenset({"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"})
_ONE_BYTE: Final = ("cp125", "iso8859", "ascii", "mac-", "cp437", "cp85", "cp866", "koi8")
"""Beginnings of the names of encodings with one byte per character."""

_LINE_ENDS: Final = ("\n", "\r", END_MARK)


@attrs.frozen
class LineStart:
    """Where a line begins.

    Attributes:
        byte: Offset in the file.
        line: One-based number of the line.
        doubtful: Last line that a broken record had taken, if that is this line or a later one, see
            :func:`~cleverreach_async.sources.csv_records.records`.
    """

    byte: int
    line: int
    doubtful: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the JSON value that :func:`line_start` takes."""
        found = {"byte": self.byte, "line": self.line}
        return {**found, "doubtful": self.doubtful} if self.doubtful else found


def line_start(value: Any) -> LineStart | None:
    """Return the start of a line from its JSON value, or ``None`` for any other value."""
    match value:
        case {"byte": int(byte), "line": int(line), "doubtful": int(doubtful), **others}:
            start = LineStart(byte, line, doubtful)
        case {"byte": int(byte), "line": int(line), **others}:
            start = LineStart(byte, line)
        case _:
            return None
    return start if byte >= 0 and line >= 1 and not others else None


def byte_counter(encoding: str) -> CountBytes | None:
    """Return how to count the bytes of text, or ``None`` where they do not follow from the text.

    UTF-7 can encode a letter in two ways, and UTF-16 by that name alone needs the mark at the
    beginning of the file.

    Args:
        encoding: Python's name of the encoding.
    """
    if encoding == "utf-8":
        return _utf8_size
    if encoding in _WIDE:
        return lambda text: len(text.encode(encoding))
    return len if encoding.startswith(_ONE_BYTE) else None


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Lines:
    """Lines of an opened file, from a start on.

    The reader sets ``line`` before it yields a row. Lines before it are discarded; those from it
    on can be read again.

    Attributes:
        line: One-based number of the line with which the next row begins.
        doubtful: As in :class:`LineStart`; zero for none.
        rows: Number of rows yielded; counted only without ``count_bytes``.
        open_end: The last line of the file if it has no line end, once it has been read.
        open_line: Number of that line; zero for none.
        is_plain: Whether the lines from ``line`` on are neither doubtful nor the open end.
    """

    def __init__(
        self,
        start: LineStart,
        count_bytes: CountBytes | None,
        rows: int = 0,
        *,
        has_marks: bool = False,
    ) -> None:
        self.line: int = start.line
        self.doubtful: int = start.doubtful
        self.rows = rows
        self.open_end: str = ""
        self.open_line: int = 0
        self.is_plain: bool = not start.doubtful
        self._has_marks = has_marks
        self._count_bytes = count_bytes
        self._kept: list[str] = []
        self._kept_byte = start.byte
        self._kept_line = start.line

    def next(self, count: int) -> list[str]:
        """Return lines from number ``line`` on, which must have been read."""
        place = self.line - self._kept_line
        return self._without_marks(self._kept[place : place + count])

    def read(self, file: TextIO) -> Iterator[str]:
        """Read lines from number ``line`` on, with their line ends as they are, without marks.

        Args:
            file: The file, at the start of these lines or where this object stopped reading it.
        """
        return chain.from_iterable(self._portions(file))

    def skip(self, file: TextIO, count: int) -> None:
        """Skip lines."""
        for _ in islice(self.read(file), count):
            pass
        self.line += count

    def start(self) -> LineStart:
        """Return where the line with number ``line`` begins."""
        self._discard()
        doubtful = self.doubtful if self.doubtful >= self.line else 0
        return LineStart(self._kept_byte, self.line, doubtful)

    def _portions(self, file: TextIO) -> Iterator[list[str]]:
        yield self._without_marks(self._kept[self.line - self._kept_line :])
        while portion := file.readlines(_PORTION):
            self._discard()
            self._kept += portion
            if portion[-1][-1] not in _LINE_ENDS:
                self.open_end = portion[-1]
                self.open_line = self._kept_line + len(self._kept) - 1
                self.is_plain = False
            yield self._without_marks(portion)

    def _without_marks(self, lines: list[str]) -> list[str]:
        return [without_marks(line) for line in lines] if self._has_marks else lines

    def _discard(self) -> None:
        count = self.line - self._kept_line
        if self._count_bytes is not None:
            self._kept_byte += self._count_bytes("".join(self._kept[:count]))
        del self._kept[:count]
        self._kept_line = self.line
