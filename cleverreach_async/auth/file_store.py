"""The token store in a file."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from cleverreach_async.auth.locks import LOCK_SECONDS, LoopLock, hold_lock
from cleverreach_async.auth.tokens import Token, parse_token
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import replace_file
from cleverreach_async.transport.redaction import MaskedBytes

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["FileTokenStore"]


class FileTokenStore:
    """Keeps the token in a file that only its owner can read.

    Processes on one machine can share it. Needs the extra ``files`` (filelock).

    Args:
        path: The file. Its folder is created when it is first needed.

    Raises:
        ConfigurationError: The extra is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            import filelock  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                "FileTokenStore needs filelock: pip install 'cleverreach-async[files]'"
            ) from None
        self._path = Path(path)
        # One lock per holder, because it is acquired and released in different threads.
        self._new_lock = partial(
            filelock.FileLock, f"{self._path}.lock", blocking=False, thread_local=False, mode=0o600
        )
        self._task_lock = LoopLock()

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when there is no file.

        Raises:
            ConfigurationError: The file cannot be read, or does not contain a token.
        """
        return parse_token(await anyio.to_thread.run_sync(self._read), str(self._path))

    async def save(self, token: Token) -> None:
        """Replace the file in one step. After a crash it has the old token or the new one.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        await anyio.to_thread.run_sync(self._write, MaskedBytes(token.to_json().encode()))

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the lock of the token, across the processes on this machine.

        Raises:
            ConfigurationError: Another process has held it for two minutes.
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
        with self._explained_errors(), suppress(FileNotFoundError):
            return self._path.read_bytes()
        return None

    def _write(self, content: bytes) -> None:
        with self._explained_errors():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path, [content])

    @contextmanager
    def _explained_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or "cannot be used"
            raise ConfigurationError(f"{self._path}: {reason}") from None
