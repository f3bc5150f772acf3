"""Which encoding the bytes of a text have, if they are not UTF-8.

A one-byte encoding never fails to decode, it only gives other letters. So every reading gets a
cost, see :mod:`~cleverreach_async.sources.plausibility`, and Windows-1252 is accepted only if no
other reading is clearly better. Nothing is decoded by a guess: another encoding is for the caller
to name.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from cleverreach_async.sources.plausibility import reading_cost

__all__ = [
    "ALL_LANGUAGES",
    "ASCII",
    "OF_NO_LANGUAGE",
    "SURELY",
    "UTF8_SEQUENCE",
    "WINDOWS",
    "Candidate",
    "RunCounts",
    "candidates",
    "find_utf8",
]

_WESTERN: Final = (
    "German",
    "French",
    "Spanish",
    "Portuguese",
    "Italian",
    "Dutch",
    "Danish and Norwegian",
    "Swedish",
    "Finnish",
    "Catalan",
    "Icelandic",
)
_CENTRAL: Final = (
    "Polish",
    "Czech",
    "Slovak",
    "Hungarian",
    "Slovene",
    "Croatian",
    "German",
    "Romanian",
)
_TURKISH: Final = ("Turkish", "German", "French")
_BALTIC: Final = ("Lithuanian", "Latvian", "German")
ALL_LANGUAGES: Final = tuple(
    dict.fromkeys((*_WESTERN, *_CENTRAL, *_TURKISH, *_BALTIC, "Russian", "Greek"))
)


@attrs.frozen
class _Codec:
    """An encoding that a file may have.

    Attributes:
        languages: Languages that are written in it.
        handicap: Cost for being rare.
    """

    languages: Sequence[str]
    handicap: float = 0.0


WINDOWS: Final = "cp1252"
_CODECS: Final[Mapping[str, _Codec]] = {
    WINDOWS: _Codec(_WESTERN),
    "iso8859-15": _Codec((*_WESTERN, "Slovene"), 1),
    "mac_roman": _Codec(_WESTERN, 1),
    "cp850": _Codec(_WESTERN, 1),
    "cp437": _Codec(_WESTERN, 1),
    "cp1250": _Codec(_CENTRAL, 2),
    "iso8859-2": _Codec(_CENTRAL, 2),
    "cp852": _Codec(_CENTRAL, 2),
    "mac_latin2": _Codec(_CENTRAL, 4),
    "cp1254": _Codec(_TURKISH),
    "iso8859-9": _Codec(_TURKISH),
    "cp857": _Codec(_TURKISH, 1),
    "cp1257": _Codec(_BALTIC, 4),
    "cp1251": _Codec(("Russian",), 1),
    "koi8-r": _Codec(("Russian",), 1),
    "cp866": _Codec(("Russian",), 1),
    "cp1253": _Codec(("Greek",), 2),
}

_UNDECODABLE: Final = 20.0
_BORROWED: Final = 3.0
"""Cost of a reading in which another encoding agrees with Windows-1252."""
_CLEARLY_BETTER: Final = 1.0
_STILL_POSSIBLE: Final = 16.0
SURELY: Final = 6.0
OF_NO_LANGUAGE: Final = 14.0
_SHOWN: Final = 4
_LETTERS_SHOWN: Final = 6
_RUNS_KEPT: Final = 1 << 14
_ENOUGH_RUNS: Final = 1 << 15
_SPARSE: Final = 16
_RUNS_READ: Final = 1000

_RUN: Final = re.compile(rb"([\x20-\x7e]{0,3})([\x80-\xff]+)(?=([\x20-\x7e]{0,2}))")
UTF8_SEQUENCE: Final = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
ASCII: Final = bytes(range(128))
_ALL_DIGITS: Final = bytes.maketrans(b"0123456789", b"0" * 10)

Run = tuple[bytes, bytes, bytes]
"""Up to three bytes of ASCII, the bytes that are not, and up to two of ASCII."""


class RunCounts:
    """The runs of bytes outside of ASCII in a file, with what is beside them.

    Attributes:
        runs: Number of those that were read.
    """

    def __init__(self) -> None:
        self.runs: int = 0
        self._parts = 0
        self._counts: Counter[Run] = Counter()

    def add(self, chunk: bytes) -> None:
        """Add a part of the file. Cutting it within a word does no harm.

        After many runs only every sixteenth part is read.
        """
        if chunk.isascii():
            return
        self._parts += 1
        if self.runs > _ENOUGH_RUNS and self._parts % _SPARSE:
            return
        found = _RUN.findall(chunk.translate(_ALL_DIGITS))
        self.runs += len(found)
        if len(self._counts) < _RUNS_KEPT:
            self._counts.update(found)
        else:  # the first runs are enough to decide
            self._counts.update(run for run in found if run in self._counts)

    def weights(self) -> Mapping[Run, float]:
        """Return the runs that occur most. A run that occurs often does not decide alone."""
        return {run: 1 + math.log(count) for run, count in self._counts.most_common(_RUNS_READ)}


@attrs.frozen
class Candidate:
    """A reading that is possible.

    Attributes:
        names: Encodings in which the bytes are the same text.
        letters: Characters outside of ASCII in that text, the most frequent first.
    """

    names: Sequence[str]
    letters: str


def candidates(counts: RunCounts) -> Sequence[Candidate]:
    """Return the readings that are possible, the best first, or none if Windows-1252 fits.

    The last one is Windows-1252 all the same, if the bytes have a meaning in it.
    """
    weights = counts.weights()
    costs = {name: _total_cost(name, weights) for name in _CODECS}
    readings: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(costs, key=costs.__getitem__):
        readings.setdefault(_decode(name, weights), []).append(name)
    own = next(names for names in readings.values() if WINDOWS in names)
    accepted = min(
        costs[name] - _CODECS[name].handicap + _BORROWED * (name != WINDOWS) for name in own
    )
    others = [names for names in readings.values() if names is not own]
    if not others:
        return ()
    best = costs[others[0][0]]
    if accepted <= best + _CLEARLY_BETTER:
        return ()
    likely = [
        names
        for names in others
        if costs[names[0]] <= best + _STILL_POSSIBLE and _is_text(names[0], weights)
    ]
    return [
        Candidate(tuple(sorted(names, key=[*_CODECS].index)), _letters(names[0], weights))
        for names in (*likely[:_SHOWN], own)
        if _is_text(names[0], weights)
    ]


def _total_cost(name: str, weights: Mapping[Run, float]) -> float:
    codec = _CODECS[name]
    total = sum(_run_cost(run, name, codec.languages) * weight for run, weight in weights.items())
    return total + codec.handicap


def _run_cost(run: Run, encoding: str, languages: Sequence[str]) -> float:
    before, middle, after = run
    try:
        text = middle.decode(encoding)
    except UnicodeError:
        return _UNDECODABLE * len(middle)
    return reading_cost(before.decode("ascii"), text, after.decode("ascii"), languages)


def _decode(name: str, weights: Mapping[Run, float]) -> tuple[str, ...]:
    return tuple(run[1].decode(name, "replace") for run in weights)


def _is_text(name: str, weights: Mapping[Run, float]) -> bool:
    """Whether a reading has no bytes without a meaning, and no control characters."""
    return not any(
        "\x80" <= sign < "\xa0" or sign == "\ufffd"
        for text in _decode(name, weights)
        for sign in text
    )


def _letters(name: str, weights: Mapping[Run, float]) -> str:
    """Return single characters, never a word: the file holds personal data."""
    counts: defaultdict[str, float] = defaultdict(float)
    for run, weight in weights.items():
        for sign in run[1].decode(name, "replace"):
            counts[sign] += weight
    most = sorted(counts, key=counts.__getitem__, reverse=True)[:_LETTERS_SHOWN]
    return " ".join(sign for sign in most if sign.isprintable())


def find_utf8(chunk: bytes, encodings: Sequence[str]) -> Sequence[int]:
    """Return where runs of bytes are UTF-8, and not letters that only look like it.

    ``Spaß”`` in Windows-1252 ends with a valid sequence of UTF-8, of a letter from Africa.

    Args:
        chunk: A part of a file that is not UTF-8 as a whole.
        encodings: What the file may be else.
    """
    # Without ASCII little is left to search, and it seldom holds a sequence.
    if not UTF8_SEQUENCE.search(chunk.translate(None, ASCII)):
        return []
    return [
        found.start(2)
        for found in _RUN.finditer(chunk)
        if UTF8_SEQUENCE.search(found[2]) and _is_utf8((found[1], found[2], found[3]), encodings)
    ]


def _is_utf8(run: Run, encodings: Sequence[str]) -> bool:
    cost = _run_cost(run, "utf-8", ALL_LANGUAGES)
    # The last letters of ``Lukáš”`` in Windows-1250 are a valid sequence too, of a rune.
    cost *= 1.5 if cost >= OF_NO_LANGUAGE else 1.0
    others = (_run_cost(run, name, _CODECS[name].languages) for name in encodings)
    return cost + SURELY < min(others)
