"""The rows that were not accepted, as JSON Lines."""

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.wire import encode_json

__all__ = ["RejectsFile"]


class RejectsFile:
    """JSON Lines of the rows that were not accepted, with line, reason and the row itself.

    A repaired file can be imported again: each line holds the receiver as it would be sent.

    Args:
        path: Where to write; an older file there is replaced. ``None`` writes nothing.
        keep: How many bytes of an older file to keep, for an import that is resumed; ``None``
            replaces it.

    Attributes:
        size: Bytes written, those kept included.
    """

    def __init__(self, path: str | Path | None, *, keep: int | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._keep = keep
        self._file: IO[bytes] | None = None
        self.size = 0

    def __enter__(self) -> Self:
        if self._path is None and self._keep:
            raise ConfigurationError(
                f"the import so far has written {self._keep:,} bytes of rejects; name that file "
                "with rejects= to go on"
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
                f"{path}: the rejects of the import so far are not all there; the journal tells of "
                f"{self._keep:,} bytes. Put the file back, or begin anew without resuming"
            )
        # What was written after the last commit belongs to rows that are sent again.
        os.truncate(path, self._keep)
        self.size = self._keep
        return path.open("ab")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, results: Iterable[RowResult], *, sync: bool = False) -> None:
        """Append results, and hand them to the operating system before returning.

        Args:
            results: Outcomes; superseded rows are passed over, since a later one replaces them.
            sync: Whether they have to be on the disk on return.

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
