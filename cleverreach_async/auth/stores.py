"""Token stores: in memory, in a file, in Redis.

A store keeps the token of one account. Its lock is held while the token is renewed, so that
processes that share the store do not use one refresh token twice.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread

from cleverreach_async.auth.tokens import Token
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import replace_file
from cleverreach_async.transport.redaction import Masked, MaskedBytes, drop_tracebacks
from cleverreach_async.transport.shield import uninterrupted

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = [
    "CallbackTokenStore",
    "FileTokenStore",
    "MemoryTokenStore",
    "RedisTokenStore",
    "TokenStore",
]

# A renewal takes less: two token requests of three attempts each, and the waits between them.
_LOCK_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 5.0


class TokenStore(Protocol):
    """Keeps the token of one account."""

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when there is none."""
        ...

    async def save(self, token: Token) -> None:
        """Replace the token. It must be stored safely on return."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return the lock that is held while the token is renewed. It is not reentrant.

        The task that waits for it or holds it may be cancelled.
        """
        ...


class _LoopLock:
    """One lock for each event loop, because a store may be used in several."""

    def __init__(self) -> None:
        self._loop: object = None
        self._lock = anyio.Lock()

    def get(self) -> anyio.Lock:
        """Return the lock of the running event loop."""
        loop = anyio.lowlevel.current_token()
        if loop != self._loop:
            self._loop, self._lock = loop, anyio.Lock()
        return self._lock


@asynccontextmanager
async def _hold_lock(
    acquire: Callable[[], Awaitable[bool]],
    release: Callable[[], Awaitable[None]],
    *,
    name: str,
    timeout: float,
) -> AsyncGenerator[None, None]:
    """Hold a lock that other processes may hold, and try to acquire it until the timeout.

    Waiting can be cancelled, but a single attempt cannot: a lock that is acquired for a cancelled
    task would never be released.
    """
    acquired = False

    async def attempt() -> None:
        nonlocal acquired
        acquired = await acquire()

    try:
        with anyio.move_on_after(timeout):
            await uninterrupted(attempt)
            while not acquired:
                await anyio.sleep(_POLL_SECONDS)
                await uninterrupted(attempt)
        if not acquired:
            raise ConfigurationError(
                f"{name} has been held by another process for over {timeout:.0f} s"
            )
        yield
    finally:
        if acquired:
            await uninterrupted(release)


def _parse_token(text: str | bytes | None, place: str) -> Token | None:
    if text is None:
        return None
    try:
        return Token.from_json(text)
    except ConfigurationError as error:
        del text  # It may be half a token, which no error report of this frame may show.
        raise ConfigurationError(f"{place}: {error}") from None


class MemoryTokenStore:
    """Keeps the token in memory, until the process ends.

    Args:
        token: The first token.
    """

    def __init__(self, token: Token | None = None) -> None:
        self._token = token
        self._lock = _LoopLock()

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when there is none."""
        return self._token

    async def save(self, token: Token) -> None:
        """Replace the token."""
        self._token = token

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the lock of the token, within this process."""
        async with self._lock.get():
            yield


class CallbackTokenStore(MemoryTokenStore):
    """Passes each new token to a function of yours before it is used.

    Args:
        token: The first token.
        on_refresh: Called with each new token; may be async. When it raises, the call that
            needed the token fails, and the next call passes the token again first.
    """

    def __init__(self, token: Token, on_refresh: Callable[[Token], Awaitable[None] | None]) -> None:
        super().__init__(token)
        self._on_refresh = on_refresh

    async def save(self, token: Token) -> None:
        """Pass the token to the function."""
        result = self._on_refresh(token)
        if isawaitable(result):
            await result
        await super().save(token)


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
        self._task_lock = _LoopLock()

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when there is no file.

        Raises:
            ConfigurationError: The file cannot be read, or does not contain a token.
        """
        return _parse_token(await anyio.to_thread.run_sync(self._read), str(self._path))

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
            _hold_lock(acquire, release, name=f"{self._path}.lock", timeout=_LOCK_SECONDS),
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


class RedisTokenStore:
    """Keeps the token in Redis, for processes on several machines. Runs on asyncio.

    Args:
        redis: Your ``redis.asyncio.Redis`` (extra ``redis``). It is not closed.
        key: The key of the token, one per account. The lock has the key ``key:lock``.
        lock_timeout: Seconds after which the lock of a dead process is free again. Renewals must
            take less.

    Raises:
        ConfigurationError: The key is empty.
    """

    def __init__(self, redis: Any, key: str, *, lock_timeout: float = _LOCK_SECONDS) -> None:
        if not key:
            raise ConfigurationError("key is empty; use one key per account")
        self._redis = redis
        self._key = key
        self._lock_timeout = lock_timeout

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when the key does not exist.

        Raises:
            ConfigurationError: The value does not contain a token.
        """
        return _parse_token(await _run(self._redis.get(self._key)), f"Redis key {self._key}")

    async def save(self, token: Token) -> None:
        """Replace the token."""
        await _run(self._redis.set(self._key, Masked(token.to_json())))

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the lock of the token. Only its holder can release it.

        Raises:
            ConfigurationError: Other processes have held it for longer than ``lock_timeout``.
        """
        from redis.exceptions import LockNotOwnedError  # noqa: PLC0415 - an extra

        name = f"{self._key}:lock"
        lock = self._redis.lock(name, timeout=self._lock_timeout)

        async def acquire() -> bool:
            return bool(await lock.acquire(blocking=False))

        async def release() -> None:
            with suppress(LockNotOwnedError):  # it expired, and another process may hold it
                await lock.release()

        timeout = self._lock_timeout + _GRACE_SECONDS
        async with _hold_lock(acquire, release, name=f"Redis key {name}", timeout=timeout):
            yield


async def _run(command: Awaitable[Any]) -> Any:
    """Await a command of Redis. Its variables hold the token, so its tracebacks are dropped."""
    try:
        return await command
    except Exception as error:
        drop_tracebacks(error)
        raise
