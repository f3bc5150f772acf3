"""The file of differences, as JSON Lines."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

from cleverreach_async.bulk.output_files import check_target
from cleverreach_async.bulk.verify.report import Difference
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import open_locked, publish
from cleverreach_async.transport.wire import encode_json_lines

__all__ = ["DifferencesFile"]


class DifferencesFile:
    """A file that has its name only when it is complete. Use it in a ``with`` block.

    Args:
        path: The file, which only its owner can read; ``None`` to write none.
        overwrite: Whether an existing file is replaced.

    Raises:
        ConfigurationError: It cannot be written, or exists already.
    """

    def __init__(self, path: Path | None, *, overwrite: bool) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        if path is None:
            return
        self._draft = path.with_name(f"{path.name}.part")
        try:
            check_target(path, overwrite=overwrite)
            self._file = open_locked(self._draft)
            if self._file is not None:
                self._file.truncate(0)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
        if self._file is None:
            raise ConfigurationError(f"{self._draft} is in use by another process")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None and not self._file.closed:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def write(self, found: Sequence[Difference]) -> None:
        """Write some differences.

        Raises:
            ConfigurationError: They cannot be written.
        """
        if self._file is None or not found:
            return
        rest = memoryview(encode_json_lines(found))
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be written: {error.strerror}") from None

    def finish(self) -> None:
        """Give the file its name.

        Raises:
            ConfigurationError: It cannot be renamed.
        """
        if self._file is None or self._path is None:
            return
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            publish(self._draft, self._path)
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be written: {error.strerror}") from None
