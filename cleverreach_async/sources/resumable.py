"""Sources that can begin again in the middle, and how two runs know the same source."""

import hashlib
import zlib
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, BinaryIO, Final, Protocol, runtime_checkable

__all__ = ["Position", "Resumable", "fingerprint", "zone_name"]

Position = Any
"""A JSON value that only the source reads which gave it."""

_EDGE: Final = 1 << 20
_CHUNK: Final = 1 << 18


@runtime_checkable
class Resumable(Protocol):
    """A source that can begin again in the middle."""

    def identity(self) -> Mapping[str, Any]:
        """Return JSON values that are equal if, and only if, the same rows would be read."""
        ...

    def tell(self) -> Position:
        """Return where the row after the one yielded last begins; asked between rows only."""
        ...

    def seek(self, position: Position) -> None:
        """Let the next loop begin there, and only that one.

        Raises:
            SourceError: No row can begin there.
        """
        ...


def fingerprint(file: BinaryIO) -> str:
    """Return a digest of a file's content, in hexadecimal.

    It covers the size, the first and the last MiB by SHA-256, and what is between by a check sum:
    several times faster than SHA-256 of it all, and it sees every edit that is no forgery.

    Args:
        file: The opened file; it is left at its end.
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
    """Return a text that is the same in every process, for a time zone of any make.

    Zones without a name are told by their offset in winter and summer; their ``repr`` may hold
    an address in memory.
    """
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if isinstance(name, str):
        return name
    moments = (datetime(2024, month, 1, tzinfo=zone) for month in (1, 7))
    return " and ".join(dict.fromkeys(f"UTC {moment.utcoffset()}" for moment in moments))
