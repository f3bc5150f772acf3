"""Decompress a response in small steps, so that a few bytes cannot fill the memory.

A body may be compressed several times, and each layer can grow a thousandfold. So every layer
returns at most a certain number of bytes at a time, and counts all that it has returned.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

__all__ = ["ContentError", "Decompressor", "codings_of"]

_STEP: Final = 256 * 1024
_MOST_CODINGS: Final = 2
_NO_CODING: Final = frozenset({"", "identity"})
_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
_HEADER: Final = 2


class ContentError(ValueError):
    """The body is too large, damaged, or compressed in an unknown way; the message says which."""


def codings_of(header: str) -> list[str]:
    """Return the codings of a ``Content-Encoding`` header, in the order in which to undo them.

    Raises:
        ContentError: There are too many, or one is unknown.
    """
    names = [name.strip().lower() for name in header.split(",")]
    codings = [name for name in names if name not in _NO_CODING]
    if len(codings) > _MOST_CODINGS:
        raise ContentError(f"the response is compressed {len(codings)} times")
    if not {*codings} <= _CODINGS:
        raise ContentError("the response is compressed in a way that was not asked for")
    return codings[::-1]


class Decompressor:
    """Undoes the codings of one body.

    Args:
        codings: See :func:`codings_of`.
        most_bytes: Most bytes of the body, and of each layer on the way there.
    """

    def __init__(self, codings: Iterable[str], most_bytes: int) -> None:
        self._layers = [_Layer(coding, most_bytes) for coding in codings]
        self._received = _ByteLimit(most_bytes)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the next pieces of the body, after each step; a piece may be empty.

        Args:
            chunk: The next bytes that arrived.

        Raises:
            ContentError: The body is too large or damaged.
        """
        self._received.add(chunk)
        pieces: Iterator[bytes] = iter((chunk,))
        for layer in self._layers:
            pieces = layer.feed(pieces)
        yield from pieces

    def finish(self) -> None:
        """Check that the body has ended.

        Raises:
            ContentError: It is cut.
        """
        if any(layer.is_cut for layer in self._layers):
            raise ContentError("the compressed response is cut")


class _ByteLimit:
    """Counts bytes, up to a limit."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._count = 0

    def add(self, piece: bytes) -> bytes:
        """Count a piece and return it.

        Raises:
            ContentError: There are too many.
        """
        self._count += len(piece)
        if self._count > self._most:
            raise ContentError(f"the response is larger than {self._most} bytes")
        return piece


class _Layer:
    """One coding. What follows its end is left out, as by browsers."""

    def __init__(self, coding: str, most_bytes: int) -> None:
        self._coding = coding
        self._returned = _ByteLimit(most_bytes)
        self._begin = b""
        self._stream: Any = None

    @property
    def is_cut(self) -> bool:
        """Whether it has begun and not ended."""
        return bool(self._begin) if self._stream is None else not self._stream.eof

    def feed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what pieces contain, and something after each step."""
        for piece in pieces:
            self._begin += piece
            if self._stream is None and len(self._begin) >= _HEADER:
                self._stream = zlib.decompressobj(_window(self._coding, self._begin))
            if self._stream is None:
                yield b""
                continue
            compressed, self._begin = self._begin, b""
            try:
                yield from self._inflate(compressed)
            except zlib.error:
                raise ContentError("the compressed response is damaged") from None

    def _inflate(self, compressed: bytes) -> Iterator[bytes]:
        is_full = True
        while (compressed or is_full) and not self._stream.eof:
            piece = self._stream.decompress(compressed, _STEP)
            compressed = self._stream.unconsumed_tail
            is_full = len(piece) == _STEP
            yield self._returned.add(piece)
        yield b""


def _window(coding: str, begin: bytes) -> int:
    """Return what tells zlib the format; ``deflate`` comes with or without a header."""
    if coding != "deflate":
        return zlib.MAX_WBITS | 16
    has_header = begin[0] & 0x0F == zlib.DEFLATED and not int.from_bytes(begin[:_HEADER]) % 31
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
