"""The file of an unfinished export, beside the one that it becomes.

``FILE.part`` has whole lines up to the size that ``FILE.part.json`` names, whenever the process is
killed; what follows is cut off when the export goes on.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from cleverreach_async.bulk.export.columns import Remarks
from cleverreach_async.bulk.output_files import check_target
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import open_locked, publish, replace_file
from cleverreach_async.transport.wire import encode_json

__all__ = ["ExportState", "PartFile", "explained"]

_VERSION = 1


class ExportState(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an unfinished export has done.

    Attributes:
        version: Version of this format.
        about: What is exported, and in which format.
        account: Names of the attributes of the account that have a column.
        group: Names of those of the group.
        size: Bytes of whole lines.
        rows: Receivers in them.
        doubles: Receivers that came again.
        without_column: See :class:`Remarks`.
        read_otherwise: See :class:`Remarks`.
    """

    version: int = _VERSION
    about: dict[str, Any]
    account: list[str]
    group: list[str]
    size: int = 0
    rows: int = 0
    doubles: int = 0
    without_column: dict[str, int]
    read_otherwise: dict[str, int]

    def remarks(self) -> Remarks:
        """Return the remarks about the lines."""
        found = Remarks()
        found.without_column.update(self.without_column)
        found.read_otherwise.update(self.read_otherwise)
        return found


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Translate errors of the operating system.

    Raises:
        ConfigurationError: The file cannot be used.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None


class PartFile:
    """An unfinished export; one at a time writes it.

    Args:
        path: The file that it becomes.
        about: What is exported.
        resume: Whether to go on with an unfinished export.
        overwrite: Whether a finished one is replaced, and an unfinished one discarded.

    Attributes:
        state: What it contains, if it goes on with an earlier one.

    Raises:
        ConfigurationError: It cannot be written, or would replace something.
    """

    def __init__(
        self, path: Path, about: Mapping[str, Any], *, resume: bool, overwrite: bool
    ) -> None:
        self.path: Path = path.with_name(f"{path.name}.part")
        self.state: ExportState | None = None
        self._target = path
        self._state_path = path.with_name(f"{path.name}.part.json")
        with explained(self.path):
            check_target(path, overwrite=overwrite)
            file = open_locked(self.path)
        if file is None:
            raise ConfigurationError(f"{self.path} is in use by another export")
        self._file: IO[bytes] = file
        try:
            with explained(self.path):
                self._begin(dict(about), resume=resume, overwrite=overwrite)
        except BaseException:
            self.close()
            raise

    def _begin(self, about: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        size = os.fstat(self._file.fileno()).st_size
        if resume:
            self.state = self._read_state(about, size)
        elif size and not overwrite:
            raise ConfigurationError(
                f"{self.path} is an unfinished export: go on with it (--resume, resume=True), or"
                " replace it (--overwrite, overwrite=True)"
            )
        self._file.truncate(self.state.size if self.state else 0)
        if self.state is None:
            self._state_path.unlink(missing_ok=True)

    def _read_state(self, about: Mapping[str, Any], size: int) -> ExportState | None:
        """Return the state, unless nothing was written yet."""
        try:
            state = msgspec.json.decode(self._state_path.read_bytes(), type=ExportState)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            state = None
        if state is None or state.version != _VERSION or state.size > size:
            raise ConfigurationError(
                f"{self._state_path} does not belong to {self.path}; start again with --overwrite"
                " or overwrite=True"
            )
        differing = [name for name, value in about.items() if state.about.get(name) != value]
        if differing or state.about.keys() != about.keys():
            raise ConfigurationError(
                f"{self.path} is an export of something else: it differs in {', '.join(differing)}."
                " Choose another file, or start again with --overwrite or overwrite=True"
            )
        return state

    def open_lines(self) -> IO[bytes]:
        """Open the lines to read them."""
        return self.path.open("rb")

    def append(self, lines: bytes, state: ExportState) -> None:
        """Write lines, and what the file contains with them.

        Raises:
            ConfigurationError: They cannot be written.
        """
        with explained(self.path):
            rest = memoryview(lines)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
            state.size = os.fstat(self._file.fileno()).st_size
        with explained(self._state_path):
            replace_file(self._state_path, [encode_json(state)])

    def finish(self, draft: Path | None = None) -> None:
        """Give the file its name.

        Args:
            draft: Another file beside it that gets the name instead.

        Raises:
            ConfigurationError: It cannot be renamed.
        """
        self._file.close()
        with explained(self._target):
            publish(draft or self.path, self._target)
            for path in (self.path, self._state_path):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file, and delete it if an unfinished export has written nothing."""
        if self._file.closed:
            return
        with suppress(OSError):
            is_empty = not os.fstat(self._file.fileno()).st_size
            self._file.close()
            if is_empty:
                self.path.unlink(missing_ok=True)
                self._state_path.unlink(missing_ok=True)
