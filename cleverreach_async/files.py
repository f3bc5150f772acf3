"""Create, replace and lock files so that no reader, crash or second writer sees half of one.

Every function raises ``OSError``; its ``strerror`` is a sentence for the user.
"""

import errno
import os
import re
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import IO, Final

__all__ = [
    "check_replaceable",
    "create_empty",
    "open_locked",
    "open_pipe",
    "publish",
    "remove_if_empty",
    "replace_file",
]

_OWNER_ONLY: Final = 0o600
_RANDOM_BYTES: Final = 4

_ABANDONED_AFTER: Final = 3600.0
"""Seconds. A draft is renamed milliseconds after its last write, unless its process was killed."""


def create_empty(path: Path) -> None:
    """Create an empty file that only its owner can read; an existing one is not touched.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be created.
    """
    with suppress(FileExistsError):
        _create(path, _OWNER_ONLY).close()


def replace_file(path: Path, content: Iterable[bytes], *, mode: int = _OWNER_ONLY) -> None:
    """Replace a file in one step: after a crash it has its old content or the new one.

    A draft is written to the same folder, synced to disk and renamed. A draft that a killed
    process left behind is removed by a later call for the same path. A symbolic link is replaced,
    not followed.

    Args:
        path: The file; it need not exist.
        content: The new content, in pieces.
        mode: The permissions of the new file, before the umask.

    Raises:
        OSError: It cannot be written. The old content is intact, unless only the last step, the
            sync of the folder, failed.
    """
    with _draft_of(path, mode) as (draft, file):
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
        written_at = os.fstat(file.fileno()).st_mtime
        file.close()  # Windows renames no open file.
        draft.replace(path)
    _sync_folder(path.parent)
    _remove_abandoned_drafts(path, written_at)


def publish(draft: Path, path: Path) -> None:
    """Give a finished file that was closed its name in one step, which replaces an older file.

    Args:
        draft: The file, in the folder of ``path``.
        path: Its name.

    Raises:
        OSError: It cannot be renamed, or the last step, the sync of the folder, failed.
    """
    draft.replace(path)
    _sync_folder(path.parent)


def check_replaceable(path: Path) -> None:
    """Check that :func:`replace_file` can write to a path, without changing what is there.

    Raises:
        OSError: It cannot.
    """
    with _draft_of(path, _OWNER_ONLY):
        pass


def _create(path: Path, mode: int) -> IO[bytes]:
    """Create a file that must not exist, with its permissions from the start."""
    try:
        return open(path, "xb", opener=partial(os.open, mode=mode))
    except FileNotFoundError as error:
        if path.parent.is_dir():
            raise
        reason = f"the folder {path.parent} does not exist; create it or choose another"
        raise FileNotFoundError(errno.ENOENT, reason, str(path)) from error


@contextmanager
def _draft_of(path: Path, mode: int) -> Generator[tuple[Path, IO[bytes]]]:
    """Create a draft beside a file. It is removed at the end, unless it was renamed."""
    draft = path.parent / f".{path.name}.{token_hex(_RANDOM_BYTES)}.new"
    file = _create(draft, mode)
    try:
        with file:
            yield draft, file
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _remove_abandoned_drafts(path: Path, now: float) -> None:
    """Remove drafts of killed processes. Those of running ones are younger."""
    # Exactly the names that _draft_of() chooses, so that no file of the user is removed.
    is_draft = re.compile(
        rf"\.{re.escape(path.name)}\.[0-9a-f]{{{2 * _RANDOM_BYTES}}}\.new"
    ).fullmatch
    with suppress(OSError):
        for file in path.parent.iterdir():
            if is_draft(file.name) and now - file.stat().st_mtime > _ABANDONED_AFTER:
                file.unlink()


def _sync_folder(folder: Path) -> None:
    """Let a rename in a folder survive a power loss, where the system offers a way."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_locked(path: Path) -> IO[bytes] | None:
    """Open a file to read and append, for one writer at a time; it is created if it is missing.

    Nothing is buffered. The lock ends when the file is closed, at the latest with the process.

    Args:
        path: The file.

    Returns:
        The file, or ``None`` if another writer has it.

    Raises:
        OSError: It cannot be opened.
    """
    while True:
        create_empty(path)
        file = path.open("a+b", buffering=0)
        try:
            if not _lock(file.fileno()):
                file.close()
                return None
            # The writer before may have removed it since it was opened.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
        except BaseException:
            file.close()
            raise
        file.close()


def remove_if_empty(path: Path) -> None:
    """Remove an empty file, unless somebody writes to it with :func:`open_locked`."""
    if not path.is_file():
        return
    with suppress(OSError), path.open("r+b", buffering=0) as file:
        if _lock(file.fileno()) and not os.fstat(file.fileno()).st_size:
            if os.name == "nt":
                file.close()  # Windows removes no open file.
            path.unlink()


def open_pipe(path: Path) -> IO[bytes]:
    """Open a named pipe to write to it; nothing is buffered.

    Raises:
        OSError: Nobody reads it. Opening it would wait for ever.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise OSError(errno.ENXIO, "it is a pipe that nobody reads", str(path)) from None
    os.set_blocking(handle, True)
    return os.fdopen(handle, "wb", 0)


if sys.platform == "win32":
    import msvcrt

    _BEYOND_THE_END: Final = 1 << 62

    def _lock(handle: int) -> bool:
        """Lock an open file without waiting; ``False`` if another has the lock."""
        before = os.lseek(handle, 0, os.SEEK_CUR)
        os.lseek(handle, _BEYOND_THE_END, os.SEEK_SET)
        try:
            # Others cannot read what is locked, so lock nothing that has content.
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle, before, os.SEEK_SET)
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        """Lock an open file without waiting; ``False`` if another has the lock."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks
        return True
