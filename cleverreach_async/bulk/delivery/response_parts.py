"""A long response cut into parts, which are decoded one by one so that other tasks run: pure."""

from collections.abc import Iterator
from typing import Final

__all__ = ["parts_of"]

PART_BYTES: Final = 96 * 1024
"""Bytes that are decoded in less than half a millisecond."""

_LONGEST_NAME: Final = 40


def parts_of(content: bytes, size: int = PART_BYTES) -> Iterator[bytes]:
    """Return a list of objects in JSON as several lists that have the same objects together.

    They are cut where an object begins with the same name as the first one. In valid JSON that is
    never within a text, which has no quote in front of a letter. It may be within an object; then a
    part is not valid JSON by itself, and the whole response has to be decoded.

    Args:
        content: The response. A part is all of it if it is short, or written in another way.
        size: Bytes of a part; it may be longer by one object.
    """
    between = _between_objects(content) if len(content) > size else b""
    start = 0
    while between and len(content) - start > size:
        cut = content.find(between, start + size)
        if cut < 0:
            break
        yield _closed(content[start : cut + 1], is_first=not start) + b"]"
        start = cut + 2
    yield _closed(content[start:], is_first=not start)


def _closed(part: bytes, *, is_first: bool) -> bytes:
    return part if is_first else b"[" + part


def _between_objects(content: bytes) -> bytes:
    """Return what stands between two objects of a list, up to the first name of the second."""
    if not content.startswith(b'[{"'):
        return b""
    end = content.find(b'"', 3, _LONGEST_NAME)
    name = content[3:end]
    return b'},{"' + name + b'":' if end > 0 and name.isalpha() else b""
