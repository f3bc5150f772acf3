"""Sources that can begin in the middle, and how two runs recognise the same source."""

import hashlib
import zlib
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, BinaryIO, Final, Protocol, runtime_checkable

from cleverreach_async.errors import SourceError

__all__ = ["Position", "Resumable", "check_size", "fingerprint", "no_row_at", "zone_name"]

Position = Any
"""A JSON value; only the source that returned it can use it."""

_EDGE: Final = 1 << 20
_CHUNK: Final = 1 << 18


@runtime_checkable
class Resumable(Protocol):
    """A source that can begin in the middle."""

    def identity(self) -> Mapping[str, Any]:
        """Return JSON values that are equal if, and only if, the same rows would be read."""
        ...

    def tell(self) -> Position:
        """Return where the row after the one yielded last begins; call it between rows only."""
        ...

    def seek(self, position: Position) -> None:
        """Begin the next loop, and only that one, at a position.

        Raises:
            SourceError: No row can begin there.
        """
        ...


def no_row_at(position: Position, path: str) -> SourceError:
    """Return the error for a position that does not fit the file."""
    return SourceError(
        f"no row begins at {str(position)[:80]!r}; it is a position in another file, or in this"
        " one before it changed. Begin at the start",
        path=path,
    )


def check_size(path: str, before: int, now: int) -> None:
    """Raise an error if a file was cut or has grown; its text may be valid all the same.

    Raises:
        SourceError: The sizes differ.
    """
    if before != now:
        raise SourceError(
            f"the file changed while it was read: it had {before:,} bytes, and has {now:,}",
            path=path,
        )


def fingerprint(file: BinaryIO) -> str:
    """Return a digest of a file's content, in hexadecimal.

    It covers the size, the first and the last MiB by SHA-256, and the content between them by a
    checksum. That is several times faster than SHA-256 of everything, and detects every change
    but a deliberate forgery.

    Args:
        file: The opened file; its position is the end afterwards.
    """
    file.seek(0)
    digest = hashlib.sha256()
    check = size = 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk[: max(0, _EDGE - size)])
        check = zlib.crc32(chunk, check)
        size += len(chunk)
    file.seek(max(0, size - _EDGE))
    digest.update(file.read(_EDGE))
    digest.update(f"{size} {check}".encode())
    return digest.hexdigest()


def zone_name(zone: tzinfo) -> str:
    """Return a text for a time zone that is the same in every process.

    A zone without a name is described by its offsets in winter and summer, since its ``repr`` may
    contain an address in memory.
    """
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if isinstance(name, str):
        return name
    moments = (datetime(2024, month, 1, tzinfo=zone) for month in (1, 7))
    return " and ".join(dict.fromkeys(f"UTC {moment.utcoffset()}" for moment in moments))
