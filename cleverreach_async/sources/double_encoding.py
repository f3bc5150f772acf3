"""Text that was encoded in UTF-8 twice: ``MÃ¼ller`` in a file that is valid UTF-8.

A program took UTF-8 for a one-byte encoding and encoded the result again. Pure functions on bytes.
"""

import re
from typing import Final

import attrs

from cleverreach_async.sources.encodings import (
    ALL_LANGUAGES,
    ASCII,
    OF_NO_LANGUAGE,
    SURELY,
    UTF8_SEQUENCE,
)
from cleverreach_async.sources.plausibility import reading_cost

__all__ = ["DoubleEncoding", "Suspects"]

_TAKEN_FOR: Final = ("cp1252", "mac_roman", "cp850", "cp437", "cp1250")
"""One-byte encodings for which programs take UTF-8."""

_FIRST: Final = (
    rb"(?:\xc3[\x82-\x85\x8e-\x91\x94\xa2\xb0]"  # Â Ã Ä Å Î Ï Ð Ñ Ô â ð
    rb"|\xe2\x88\x9a|\xc2\xac|\xc6\x92|\xe2\x89\x88|\xe2\x80\x9a"  # √ ¬ ƒ ≈ ‚
    rb"|\xe2\x80[\x93\x94]|\xe2\x94[\x80\x9c\xac\xbc]"  # – — ─ ├ ┬ ┼
    rb"|\xc4[\x82\xb9])"  # Ă Ĺ
)
"""In UTF-8, the first bytes of UTF-8 as those encodings show them."""

_SUSPECT: Final = re.compile(_FIRST + rb"[\xc2-\xe2]")
_RUN: Final = re.compile(rb"([\x20-\x7e]{0,3})([\xc2-\xf4][\x80-\xf4]+)(?=([\x20-\x7e]{0,2}))")
_BLANKS: Final = bytes.maketrans(ASCII, b" " * len(ASCII))
_LONGEST: Final = 1 << 6
_CHANCE: Final = 3
_ALL_OF_THE_FIRST: Final = 32
_SPARSE: Final = 8


@attrs.frozen
class DoubleEncoding:
    """The first run of letters that was encoded twice.

    Attributes:
        offset: Byte at which it begins.
        found: The run in the file.
        meant: The letters meant.
    """

    offset: int
    found: str
    meant: str


class Suspects:
    """Looks for double encoding in the parts of a file.

    Attributes:
        first: The first run that was found.
    """

    def __init__(self) -> None:
        self.first: DoubleEncoding | None = None
        self._tail = b""
        self._end = 0
        self._parts = 0

    def add(self, chunk: bytes) -> None:
        """Add the next part of the file, in UTF-8.

        Of a large file every eighth part is searched, after its beginning.
        """
        tail, self._tail = self._tail, chunk[-_LONGEST:]
        self._end += len(chunk)
        self._parts += 1
        is_left_out = self._parts > _ALL_OF_THE_FIRST and self._parts % _SPARSE
        if is_left_out or self.first is not None or chunk.isascii():
            return
        part = tail + chunk
        # The other letters of a file are few, and most of them repeat.
        runs = {*part.translate(_BLANKS).split()}
        if any(map(_SUSPECT.search, runs)):
            self.first = _find(part, self._end - len(part))


def _find(part: bytes, begin: int) -> DoubleEncoding | None:
    for run in _RUN.finditer(part):
        if _SUSPECT.search(run[2]):
            found = run[2].decode("utf-8", "ignore")
            meant = _meant(run[1].decode(), found, run[3].decode())
            if meant is not None:
                return DoubleEncoding(begin + run.start(2), found, meant)
    return None


def _meant(before: str, found: str, after: str) -> str | None:
    """Return the letters meant, if they are far more plausible than those in the file."""
    readings = {_undo(found, encoding) for encoding in _TAKEN_FOR} - {found}
    if not readings:
        return None
    costs = {reading: reading_cost(before, reading, after, ALL_LANGUAGES) for reading in readings}
    best = min(costs, key=costs.__getitem__)
    # Two letters of no language are no proof: any text may hold them.
    is_known = costs[best] < OF_NO_LANGUAGE * len(best) or len(best) > _CHANCE
    is_clear = is_known and costs[best] + SURELY < reading_cost(before, found, after, ALL_LANGUAGES)
    return best if is_clear else None


def _undo(text: str, encoding: str) -> str:
    taken = b"".join(_byte(sign, encoding) for sign in text)
    meant: list[str] = []
    place = 0
    for sequence in UTF8_SEQUENCE.finditer(taken):
        meant += text[place : sequence.start()], sequence[0].decode("utf-8", "replace")
        place = sequence.end()
    return "".join([*meant, text[place:]])


def _byte(sign: str, encoding: str) -> bytes:
    """Return the byte of a sign; browsers show the unused bytes of Windows-1252 as controls."""
    try:
        return sign.encode(encoding)
    except UnicodeError:
        return bytes([ord(sign)]) if "\x80" <= sign < "\xa0" else b"?"
