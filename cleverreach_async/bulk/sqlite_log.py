"""Damage in the write-ahead log of SQLite, which a killed process leaves beside its file.

SQLite reads the log up to its first wrong byte and ignores the rest, so that one such byte silently
takes a file back to an earlier state. Only the last transaction may be incomplete: the process, or
the computer, died while it was written.
"""

import os
import sys
from array import array
from pathlib import Path
from struct import unpack_from
from typing import Final

__all__ = ["has_damaged_log", "loses_transactions"]

_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_MAGIC: Final = {0x377F0682: "little", 0x377F0683: "big"}
"""The first number of a log, and the byte order of its checksums."""


def has_damaged_log(path: Path) -> bool:
    """Whether a file would lose transactions that are complete in its log.

    Call it before the file is opened, since closing it may delete the log. The file itself is not
    opened, because closing it would release its locks.

    Raises:
        OSError: The log cannot be read.
    """
    try:
        log = Path(f"{os.fspath(path)}-wal").read_bytes()
    except FileNotFoundError:
        return False
    return len(log) > _HEADER and loses_transactions(log)


def loses_transactions(log: bytes) -> bool:
    """Whether complete transactions follow the first wrong byte of a log.

    Args:
        log: The content of the log.
    """
    magic, _, page_size, _, *salts = unpack_from(">6I", log)
    order = _MAGIC.get(magic)
    if order is None:
        return True
    sums = _checksum(log[: _HEADER - 8], order, (0, 0))
    if sums != unpack_from(">2I", log, _HEADER - 8):
        return True
    is_valid = True
    commits = 0
    frame = _FRAME_HEADER + page_size
    for start in range(_HEADER, len(log) - frame + 1, frame):
        _, pages_after_commit, *found = unpack_from(">6I", log, start)
        if is_valid and found[:2] == salts:
            head, page = log[start : start + 8], log[start + _FRAME_HEADER : start + frame]
            sums = _checksum(head + page, order, sums)
            is_valid = sums == (found[2], found[3])
        else:
            is_valid = False
        # Frames with other salts are left from before the log was begun again.
        commits += not is_valid and found[:2] == salts and pages_after_commit > 0
    return commits > 1


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """Continue SQLite's checksum of a log."""
    words = array("I", data)
    if sys.byteorder != order:
        words.byteswap()
    first, second = sums
    numbers = iter(words)
    for one, two in zip(numbers, numbers, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
