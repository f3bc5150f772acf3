"""The bytes of a file: as it lies on the disk, decompressed, or read from standard input."""

import gzip
import io
import os
import shutil
import stat
import sys
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import PurePath
from threading import Lock
from typing import Any, BinaryIO, Final, Protocol, cast

import attrs

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.transport.arguments import kind_of

__all__ = [
    "Content",
    "FilePath",
    "Spool",
    "StoredFile",
    "check_file",
    "first_bytes",
    "open_content",
    "path_of",
    "spool",
    "spool_input",
    "suffix_of",
]

GZIP: Final = b"\x1f\x8b"
_HEAD: Final = 1 << 12
_CHUNK: Final = 1 << 20
_FREE: Final = 256 << 20
"""Bytes that are left free on the disk for others."""


class Content(Protocol):
    """Bytes that can be read any number of times."""

    @property
    def path(self) -> str:
        """What error messages call the file."""
        ...

    def size(self) -> int:
        """Return the number of bytes.

        Raises:
            OSError: It cannot be read.
            SourceError: It is not a file.
        """
        ...

    def open(self) -> BinaryIO:
        """Open it for reading, at its first byte.

        Raises:
            OSError: It cannot be opened.
        """
        ...


FilePath = str | os.PathLike[str]


@attrs.frozen
class StoredFile:
    """A file on the disk."""

    path: str

    def size(self) -> int:
        """See :meth:`Content.size`."""
        status = os.stat(self.path)  # noqa: PTH116 - the path as the caller wrote it
        # A pipe can be read only once. A directory cannot be read; the error of open() says so.
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise SourceError("not a regular file; save its content to one first", path=self.path)
        return status.st_size or stat.S_ISDIR(status.st_mode)

    def open(self) -> BinaryIO:
        """See :meth:`Content.open`."""
        return open(self.path, "rb")  # noqa: PTH123 - as above


class Spool:
    """Bytes in a temporary file, which has no name and ends with the process at the latest.

    Args:
        path: What error messages call it.
        file: The temporary file.
        size: Number of its bytes.
    """

    def __init__(self, path: str, file: BinaryIO, size: int) -> None:
        self.path = path
        self._file = file
        self._size = size
        self._lock = Lock()
        weakref.finalize(self, file.close)

    def size(self) -> int:
        """See :meth:`Content.size`."""
        return self._size

    def open(self) -> BinaryIO:
        """See :meth:`Content.open`. Each reader has a position of its own."""
        return io.BufferedReader(_SpoolReader(self), _CHUNK >> 2)

    def fileno(self) -> int:
        """Return the number of the temporary file."""
        return self._file.fileno()

    def read_at(self, offset: int, size: int) -> bytes:
        """Read from an offset; several threads may do so."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)


class _SpoolReader(io.RawIOBase):
    """One reader of a spool."""

    def __init__(self, source: Spool) -> None:
        self._source = source
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._source.fileno()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = self._source.read_at(self._offset, len(buffer))
        buffer[: len(found)] = found
        self._offset += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self._source.size()}
        self._offset = begin[whence] + offset
        return self._offset

    def tell(self) -> int:
        return self._offset


def check_file(path: FilePath | Content) -> str:
    """Return what error messages call a file, without reading it.

    Raises:
        ConfigurationError: The argument is no path.
        SourceError: There is no such file, or it cannot be opened.
    """
    content = _as_content(path)
    if content is path:
        return content.path
    try:
        content.size()
        content.open().close()
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", path=content.path) from None
    return content.path


def path_of(path: object) -> str:
    """Return the path of a file as text.

    Raises:
        ConfigurationError: The argument is no path.
        SourceError: No file can have this path.
    """
    if not isinstance(path, str | os.PathLike):
        raise ConfigurationError(
            f"path is {kind_of(path)}; pass the path of a file. Rows in memory are read by"
            " read_records(), cursors of a database by read_cursor()"
        )
    name = os.fsdecode(cast("FilePath", path))
    if "\0" in name:
        raise SourceError("a path has no null characters", path=name)
    return name


def _as_content(path: Any) -> Content:
    """Return the content of a file as it is stored, or the content that was passed.

    Raises:
        ConfigurationError: The argument is neither a path nor a content.
    """
    is_content = callable(getattr(path, "size", None)) and isinstance(
        getattr(path, "path", None), str
    )
    return path if is_content else StoredFile(path_of(path))


def first_bytes(path: FilePath | Content) -> tuple[bytes, bool]:
    """Return the first bytes of a file, decompressed, and whether it is compressed.

    Raises:
        SourceError: The file cannot be read.
    """
    content = _as_content(path)
    try:
        content.size()
        with content.open() as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", path=content.path) from None
    if content is path or not head.startswith(GZIP):
        return head, False
    with suppress(zlib.error):  # who reads the content says what is wrong
        head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _HEAD)
    return head, True


def open_content(path: FilePath | Content) -> Content:
    """Return the content of a file. What gzip has compressed is decompressed, whatever its name.

    Args:
        path: The file, or its content, which is returned as it is.

    Raises:
        SourceError: The file cannot be read or decompressed.
    """
    stored = _as_content(path)
    if stored is path:
        return stored
    try:
        if not stored.size():
            return stored
        with stored.open() as file:
            if file.read(len(GZIP)) != GZIP:
                return stored
            file.seek(0)
            return spool(_decompressed(file, stored.path), stored.path)
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", path=stored.path) from None


def spool(chunks: Iterable[bytes], path: str) -> Spool:
    """Store bytes that can be read once in a temporary file that only this process can read.

    Args:
        chunks: The bytes.
        path: What error messages call them.

    Raises:
        SourceError: They cannot be read, or there is no room for them.
    """
    file: BinaryIO = tempfile.TemporaryFile("w+b", prefix="cleverreach-")  # noqa: SIM115 - the spool closes it
    size = 0
    try:
        for chunk in chunks:
            size += len(chunk)
            _check_room(size, path)
            _write(file, chunk, path)
        _write(file, b"", path)
    except BaseException:
        file.close()
        raise
    return Spool(path, file, size)


def spool_input() -> Content:
    """Store standard input, decompressed, and return it.

    Raises:
        SourceError: There is no room for it, or it is compressed and damaged.
    """
    path = "standard input"
    content = spool(iter(partial(sys.stdin.buffer.read, _CHUNK), b""), path)
    with content.open() as file:
        if file.read(len(GZIP)) != GZIP:
            return content
        file.seek(0)
        return spool(_decompressed(file, path), path)


def _write(file: BinaryIO, chunk: bytes, path: str) -> None:
    try:
        file.write(chunk)
        if not chunk:
            file.flush()
    except OSError as error:
        raise SourceError(
            f"its content cannot be stored in {tempfile.gettempdir()} ({error.strerror}); set"
            " TMPDIR to a folder on another disk",
            path=path,
        ) from None


def _check_room(size: int, path: str) -> None:
    """Refuse content that fills the disk; a small one is written where there is room for it."""
    if size <= _FREE or shutil.disk_usage(tempfile.gettempdir()).free >= _FREE:
        return
    raise SourceError(
        f"there is no room for its content in {tempfile.gettempdir()}, it has more than"
        f" {size >> 20:,} MiB; set TMPDIR to a folder on a larger disk",
        path=path,
    )


def _decompressed(file: BinaryIO, path: str) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            while chunk := unzipped.read(_CHUNK):
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise SourceError(
            "the compressed file is damaged or cut; create it again", path=path
        ) from None


def suffix_of(path: str) -> str:
    """Return the last suffix in lower case, and ``.csv`` of ``a.csv.gz``."""
    name = PurePath(path.lower())
    return PurePath(name.stem).suffix if name.suffix in {".gz", ".gzip"} else name.suffix
