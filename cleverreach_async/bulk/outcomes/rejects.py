"""The rejects file: rows that were not accepted, as JSON Lines."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Self

import msgspec

from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.wire import encode_json

__all__ = ["RejectsFile"]


class RejectsFile:
    """JSON Lines of the rows that were not accepted, with line, reason and the row itself.

    A repaired file can be imported again: each line contains the receiver as it would be sent.

    Args:
        path: The file; an older one is replaced. ``None`` writes nothing.
        keep: Bytes of an older file to keep, for an import that is resumed; ``None`` replaces it.

    Attributes:
        size: Bytes written, including those kept.
    """

    def __init__(self, path: str | Path | None, *, keep: int | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._keep = keep
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
        if not self._keep:
            return path.open("wb")
        if not path.exists() or path.stat().st_size < self._keep:
            raise ConfigurationError(
                f"{path}: rejects of the import are missing; according to the journal the file had "
                f"{self._keep:,} bytes. Restore the file, or start again without resume"
            )
        # Lines written after the last commit belong to rows that are sent again.
        os.truncate(path, self._keep)
        self.size = self._keep
        return path.open("ab")

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


def _as_line(result: RowResult) -> bytes:
    fields: dict[str, object] = {"row": result.row, "line": result.line}
    fields |= {"outcome": result.outcome.value, "code": result.code, "message": result.message}
    if result.receiver:
        fields["receiver"] = msgspec.Raw(result.receiver)
    if result.record:
        fields["record"] = msgspec.Raw(result.record)
    return encode_json(fields) + b"\n"
