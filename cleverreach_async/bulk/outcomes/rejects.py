"""The rejects file: rows that were not accepted, as JSON Lines."""

import os
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import ConfigurationError
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
    read a new file.

    Args:
        path: The file; ``None`` writes nothing.
        keep: Bytes of it to keep, for an import that is resumed; ``None`` for any other.
        overwrite: Whether an older file is replaced; an empty one always is.
        has_done: Whether a row has a result, by its number, for an import that is resumed.

    Attributes:
        size: Bytes written, including those kept.
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
        self.size = 0

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
        old = path.stat().st_size if path.is_file() else 0
        if self._keep is not None and (old or self._keep):
            self.size = self._resume(path, old, self._keep)
            return path.open("ab")
        if old and not self._overwrite:
            raise ConfigurationError(
                f"{path} is not empty, and may be a rejects file that somebody has repaired: pass"
                " another as rejects=, move it, or pass overwrite=True"
            )
        if not path.exists():
            path.touch(_OWNER_ONLY)
        elif old:
            path.chmod(_OWNER_ONLY)
        return path.open("wb")

    def _resume(self, path: Path, size: int, keep: int) -> int:
        """Prepare the file of an import that is resumed; returns the bytes that are kept.

        Lines after the last commit belong to rows that are sent again, so they are removed, unless
        somebody has changed the file since.
        """
        if size < keep:
            raise ConfigurationError(
                f"{path}: rejects of the import are missing; according to the journal the file had "
                f"{keep:,} bytes. Restore the file, or start again without resume"
            )
        with closing(path.open("rb")) as file:
            file.seek(max(0, keep - 1))
            is_end_of_line = not keep or file.read(1) == b"\n"
            is_ours = is_end_of_line and self._may_begin(file.readline(), is_first=not keep)
        if is_ours:
            os.truncate(path, keep)
            return keep
        if not keep:
            raise ConfigurationError(
                f"{path} is not from the import that is resumed, which has no rejects so far: pass"
                " another as rejects=, or move it"
            )
        return _end_last_line(path)

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
            self._file.close()

    def write(self, results: Iterable[RowResult], *, sync: bool = False) -> None:
        """Append results, and flush them to the operating system.

        Args:
            results: Results; those of superseded and excluded rows are ignored.
            sync: Whether to wait until they are on the disk.

        Raises:
            OSError: They cannot be written.
        """
        lines = [_as_line(result) for result in results if result.outcome in _WRITTEN]
        if self._file is None or not lines:
            return
        self.size += self._file.write(b"".join(lines))
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())


_WRITTEN = frozenset({Outcome.REJECTED, Outcome.UNKNOWN})


def _end_last_line(path: Path) -> int:
    """End the last line of a file, so that others can follow; returns its size."""
    with closing(path.open("r+b")) as file:
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
