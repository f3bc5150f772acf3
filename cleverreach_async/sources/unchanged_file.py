"""Files that must not change between the inspection and the last row."""

import io
import os
from typing import Any, BinaryIO, Final, Self

import attrs

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.resumable import check_size, fingerprint

__all__ = ["Stamp", "changed", "check_content", "open_unchanged"]

_BUFFER: Final = 1 << 16


@attrs.frozen
class Stamp:
    """What the system says of a file; it differs after a change.

    Attributes:
        device: The disk.
        inode: The file on it: a file that is put in its place has another.
        size: Size in bytes.
        changed: Nanoseconds of its last change.
    """

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, handle: int) -> Self:
        """Return the stamp of an open file."""
        status = os.fstat(handle)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class _UnchangedFile(io.FileIO):
    """A file that is checked after each read, before the bytes are used.

    Args:
        path: The file.
        stamp: Its stamp when its content was inspected.
        digest: The digest of that content.
    """

    def __init__(self, path: str, stamp: Stamp, digest: str) -> None:
        super().__init__(path)
        self._stamp = stamp
        self._digest = digest

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into a buffer; see the class."""
        count = super().readinto(buffer)
        self._check()
        return count

    def readall(self) -> bytes:
        """Read the rest; see the class."""
        content = super().readall()
        self._check()
        return content or b""

    def _check(self) -> None:
        now = Stamp.of(self.fileno())
        if now != self._stamp:
            check_size(str(self.name), self._stamp.size, now.size)
            check_content(str(self.name), now, self._digest)
            self._stamp = now


def check_content(path: str, stamp: Stamp, digest: str) -> None:
    """Check that a file with another stamp has the same content.

    Otherwise a file that was only touched, or lies on a disk with changing inodes, could not be
    read.

    Args:
        path: The file.
        stamp: Its stamp now.
        digest: The :func:`fingerprint` of its content when it was inspected.

    Raises:
        SourceError: The content has changed.
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - the path as the caller wrote it
        if fingerprint(file) != digest or Stamp.of(file.fileno()) != stamp:
            raise changed(path)


def changed(path: str) -> SourceError:
    """Return the error for a file that has other content than when it was inspected."""
    return SourceError(
        "the file changed while it was read, and has other content of the same size; start again"
        " with a copy to which nothing is written",
        path=path,
    )


def open_unchanged(path: str, stamp: Stamp, digest: str) -> BinaryIO:
    """Open a file for reading; reading it raises ``SourceError`` as soon as it has changed.

    Args:
        path: The file.
        stamp: Its stamp when its content was inspected.
        digest: The :func:`fingerprint` of that content.

    Raises:
        OSError: It cannot be opened.
    """
    return io.BufferedReader(_UnchangedFile(path, stamp, digest), _BUFFER)
