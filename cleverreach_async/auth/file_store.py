"""The token store in a file."""

import errno
import os
import stat
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from cleverreach_async.auth.locks import LOCK_SECONDS, LoopLock, hold_lock
from cleverreach_async.auth.tokens import Token, parse_token
from cleverreach_async.errors import ConfigurationError, TokenStoreError
from cleverreach_async.files import replace_file
from cleverreach_async.transport.redaction import MaskedBytes
from cleverreach_async.transport.retry import UnusableStoreError

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["FileTokenStore", "read_token_file"]

_NO_USE: Final = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EINVAL),
        *(errno.ELOOP, errno.ENAMETOOLONG, errno.EEXIST),
    }
)
"""Errors that do not pass by waiting."""


class FileTokenStore:
    """Keeps the token in a file that only its owner can read.

    Processes on one machine can share it. Needs the extra ``files`` (filelock).

    Args:
        path: The file. Its folder is created when it is first needed.

    Raises:
        ConfigurationError: The extra is not installed, or the path cannot be one of a file.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            import filelock  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                "FileTokenStore needs filelock: pip install 'cleverreach-async[files]'"
            ) from None
        self._path = checked_path(path)
        # One lock per holder, because it is acquired and released in different threads.
        self._new_lock = partial(
            filelock.FileLock, f"{self._path}.lock", blocking=False, thread_local=False, mode=0o600
        )
        self._task_lock = LoopLock()

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when there is no file or an empty one.

        Raises:
            TokenStoreError: The file cannot be read, or is no regular file.
            ConfigurationError: The file does not contain a token.
        """
        return parse_token(await anyio.to_thread.run_sync(self._read), str(self._path))

    async def save(self, token: Token) -> None:
        """Replace the file in one step. After a crash it has the old token or the new one.

        Raises:
            TokenStoreError: The file cannot be written, or is no regular file.
        """
        await anyio.to_thread.run_sync(self._write, MaskedBytes(token.to_json().encode()))

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the lock of the token, across the processes on this machine.

        Raises:
            TokenStoreError: Another process has held it for two minutes.
        """
        lock = self._new_lock()

        async def acquire() -> bool:
            return await anyio.to_thread.run_sync(self._acquire, lock)

        async def release() -> None:
            await anyio.to_thread.run_sync(lock.release)

        async with (
            self._task_lock.get(),
            hold_lock(acquire, release, name=f"{self._path}.lock", timeout=LOCK_SECONDS),
        ):
            yield

    def _acquire(self, lock: "BaseFileLock") -> bool:
        with self._explained_errors(), suppress(TimeoutError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
            return True
        return False

    def _read(self) -> bytes | None:
        with self._explained_errors():
            return read_token_file(self._path)

    def _write(self, content: bytes) -> None:
        with self._explained_errors(saving=True):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                _check_regular(self._path.stat().st_mode)
            replace_file(self._path, [content])

    @contextmanager
    def _explained_errors(self, *, saving: bool = False) -> Generator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or "cannot be used"
            is_useless = error.errno in _NO_USE and not saving
            kind = UnusableStoreError if is_useless else TokenStoreError
            raise kind(f"{self._path}: {reason}") from None


def checked_path(path: str | Path) -> Path:
    """Return a path that the system can use.

    Raises:
        ConfigurationError: It is empty, or contains NUL or half a character.
    """
    try:
        name = os.fsencode(path)
    except (UnicodeEncodeError, TypeError):
        name = b""
    if not name or b"\0" in name:
        raise ConfigurationError(f"path is {path!a}; pass the name of a file")
    return Path(os.fsdecode(name))


def read_token_file(path: Path) -> bytes | None:
    """Return the content of a token file, or ``None`` when there is no file.

    Raises:
        OSError: It cannot be read. A pipe is no regular file: reading it could wait for ever, and
            a renewed token could not be kept in it.
    """
    with suppress(FileNotFoundError), open(path, "rb", opener=_open_at_once) as file:
        _check_regular(os.fstat(file.fileno()).st_mode)
        return file.read()
    return None


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no regular file; a token needs a file of its own")
