"""Marks of other programs between the lines of a text, which are no part of it.

Files that were joined have a byte order mark where the second one begins, and some old programs
end a file with Ctrl-Z.
"""

from collections.abc import Iterable
from typing import Final

from cleverreach_async.sources.text_defects import CHUNK
from cleverreach_async.sources.text_file import TextFile

__all__ = ["END_MARK", "has_marks", "holds_any", "without_marks"]

_ORDER_MARK: Final = "\ufeff"
END_MARK: Final = "\x1a"


def has_marks(text: TextFile) -> bool:
    """Whether lines have to be read by :func:`without_marks`.

    Raises:
        SourceError: The file cannot be opened.
    """
    end = END_MARK.encode(text.encoding)
    with text.open_bytes(max(text.bom, text.size - len(end))) as file:
        return file.read() == end or holds_any(text, [_ORDER_MARK])


def without_marks(line: str) -> str:
    """Return a line without the marks at its ends."""
    return line.lstrip(_ORDER_MARK).rstrip(END_MARK)


def holds_any(text: TextFile, searched: Iterable[str]) -> bool:
    """Whether a file may hold one of some short texts.

    Raises:
        SourceError: The file cannot be opened.
    """
    encoded = [it.encode(text.encoding, "ignore") for it in searched]
    needles = [needle for needle in encoded if needle]
    longest = max(map(len, needles), default=0)
    before = b""
    with text.open_bytes(text.bom) as file:
        while needles and (chunk := file.read(CHUNK)):
            edge = before + chunk[:longest]
            # A search for one byte first, which is many times faster.
            if any(needle[0] in it and needle in it for needle in needles for it in (edge, chunk)):
                return True
            before = chunk[-longest:]
    return False
