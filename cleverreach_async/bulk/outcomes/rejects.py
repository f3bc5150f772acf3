"""The rejects file: rows that were not accepted, as JSON Lines."""

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import CleverReachError, ConfigurationError
from cleverreach_async.files import open_locked, open_pipe
from cleverreach_async.transport.wire import encode_json

__all__ = ["RejectsFile"]

_OWNER_ONLY: Final = 0o600
_FIRST_BYTES: Final = b'{"row":'


class _RejectLine(msgspec.Struct):
    """What identifies a line."""

    row: int


class RejectsFile:
    """JSON Lines of the rows that were not accepted, with line, reason and the row itself.

    A repaired file can be imported again: each line contains the receiver as it would be sent. So
    an older file is the user's work, and is not replaced unless they say so. Only its owner can
    read a new file, and only one import at a time can write to it.

    Args:
        path: The file, or a device or pipe, of which nothing is kept; ``None`` writes nothing.
        keep: Bytes of it to keep, for an import that is resumed; ``None`` for any other.
        overwrite: Whether an older file is replaced; an empty one always is.
        has_done: Whether a row has a result, by its number, for an import that is resumed.

    Attributes:
        size: Bytes written, including those kept.
        unwritten: Rows that could not be written.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        keep: int | None = None,
        overwrite: bool = False,
        has_done: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._path = None if path is None else Path(path)
        self._keep = keep
        self._overwrite = overwrite
        self._has_done = has_done
        self._file: IO[bytes] | None = None
        self._is_stream = False
        self.size: int = 0
        self.unwritten: int = 0

    def __enter__(self) -> Self:
        if self._path is None and self._keep:
            raise ConfigurationError(
                f"the import has already written {self._keep:,} bytes of rejects; pass that file "
                "as rejects= to resume"
            )
        if self._path is not None:
            try:
                self._file = self._open(self._path)
            except OSError as error:
                raise ConfigurationError(
                    f"{self._path}: cannot write the rejects file: {error.strerror}"
                ) from None
        return self

    def _open(self, path: Path) -> IO[bytes]:
        mode = path.stat().st_mode if path.exists() else stat.S_IFREG
        self._is_stream = not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
        if self._is_stream:
            self.size = self._keep or 0
            return open_pipe(path) if stat.S_ISFIFO(mode) else path.open("wb", buffering=0)
        file = open_locked(path)
        if file is None:
            raise ConfigurationError(
                f"{path} is being written by another import; choose another rejects file, or wait"
                " for the other import to end"
            )
        try:
            self._prepare(path, file)
        except BaseException:
            file.close()
            raise
        return file

    def _prepare(self, path: Path, file: IO[bytes]) -> None:
        """Keep of an older file what belongs to the import, or refuse it."""
        old = os.fstat(file.fileno()).st_size
        if self._keep is not None and (old or self._keep):
            self.size = self._resume(path, file, old, self._keep)
            return
        if old and not self._overwrite:
            raise ConfigurationError(
                f"{path} is not empty, and may be a rejects file that somebody has repaired: choose"
                " another with --rejects or rejects=, move it, or replace it with --overwrite or"
                " overwrite=True"
            )
        if old:
            path.chmod(_OWNER_ONLY)
            os.ftruncate(file.fileno(), 0)

    def _resume(self, path: Path, file: IO[bytes], size: int, keep: int) -> int:
        """Prepare the file of an import that is resumed; returns the bytes that are kept.

        Lines after the last commit belong to rows that are sent again, so they are removed, unless
        somebody has changed the file since.
        """
        if size < keep:
            raise ConfigurationError(
                f"{path}: rejects of the import are missing; according to the journal the file had "
                f"{keep:,} bytes. Restore the file, or start again without resume"
            )
        file.seek(max(0, keep - 1))
        is_end_of_line = not keep or file.read(1) == b"\n"
        if is_end_of_line and self._may_begin(file.readline(), is_first=not keep):
            os.ftruncate(file.fileno(), keep)
            return keep
        if not keep:
            raise ConfigurationError(
                f"{path} is not from the import that is resumed, which has no rejects so far:"
                " choose another with --rejects or rejects=, or move it"
            )
        return _end_last_line(file)

    def _may_begin(self, line: bytes, *, is_first: bool) -> bool:
        """Whether the first line after the last commit may be one of this import."""
        if not line.endswith(b"\n") or not is_first:
            return line.startswith(_FIRST_BYTES[: len(line)])
        try:
            return not self._has_done(msgspec.json.decode(line, type=_RejectLine).row)
        except msgspec.MsgspecError:
            return False

    def __exit__(self, *exc_info: object) -> None:
        if self._file is not None:
            # Nothing is buffered, and finish() has told what could not be stored.
            with suppress(OSError):
                self._file.close()

    def write(self, results: Iterable[RowResult], *, sync: bool = False) -> None:
        """Append results; if there is room for some of them only, those.

        Args:
            results: Results; those of superseded and excluded rows are ignored.
            sync: Whether to wait until they are on the disk.

        Raises:
            CleverReachError: They cannot be written.
        """
        content = b"".join(_as_line(result) for result in results if result.outcome in _WRITTEN)
        if self._file is None or not content:
            return
        written = 0
        try:
            while written < len(content):  # an unbuffered file may take a part only
                written += self._file.write(content[written:])
            if sync:
                self._sync(self._file)
        except OSError as error:
            # A line that was cut would be joined with the next one.
            self.size += (whole := content.rfind(b"\n", 0, written) + 1)
            self.unwritten += content.count(b"\n", whole)
            if not self._is_stream:
                with suppress(OSError):
                    os.ftruncate(self._file.fileno(), self.size)
            raise self._unwritable(error) from error
        self.size += len(content)

    def finish(self) -> None:
        """Wait until everything that was written is on the disk.

        Raises:
            CleverReachError: It cannot be stored.
        """
        if self._file is not None and self.size:
            try:
                self._sync(self._file)
            except OSError as error:
                raise self._unwritable(error) from error

    def _sync(self, file: IO[bytes]) -> None:
        if not self._is_stream:
            os.fsync(file.fileno())

    def _unwritable(self, error: OSError) -> CleverReachError:
        return CleverReachError(
            f"{self._path}: cannot write the rejects file: {error.strerror or error}"
        )


_WRITTEN = frozenset({Outcome.REJECTED, Outcome.UNKNOWN})


def _end_last_line(file: IO[bytes]) -> int:
    """End the last line of a file, so that others can follow; returns its size."""
    size = file.seek(-1, os.SEEK_END) + 1
    return size if file.read(1) == b"\n" else size + file.write(b"\n")


def _as_line(result: RowResult) -> bytes:
    fields: dict[str, object] = {"row": result.row, "line": result.line}
    fields |= {"outcome": result.outcome.value, "code": result.code, "message": result.message}
    if result.receiver:
        fields["receiver"] = msgspec.Raw(result.receiver)
    if result.record:
        fields["record"] = msgspec.Raw(result.record)
    return encode_json(fields) + b"\n"
