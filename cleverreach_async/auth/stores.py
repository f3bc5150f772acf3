"""Where tokens are kept: in memory, in a file, in Redis.

A store holds the token of one account. Its lock is held while the token is renewed, so that
processes that share the store do not spend one refresh token twice.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
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
from cleverreach_async.transport.redaction import Masked, MaskedBytes
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

# Longer than a renewal can take: two token requests of three attempts each, and their waits.
_LOCK_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 5.0


class TokenStore(Protocol):
    """Keeps the token of one account."""

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when there is none."""
        ...

    async def save(self, token: Token) -> None:
        """Replace the token. When this returns, the new one is safe."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return the lock of the token, held while it is renewed. It is not reentrant.

        Whoever waits for it, or holds it, may be cancelled.
        """
        ...


class _LoopLock:
    """A lock that is made anew for each event loop, since a store may outlive one."""

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
async def _polled(
    take: Callable[[], Awaitable[bool]],
    give_back: Callable[[], Awaitable[None]],
    *,
    name: str,
    patience: float,
) -> AsyncGenerator[None, None]:
    """Hold a lock that another process may hold.

    Waiting can be cancelled at any time, but no single attempt can: a lock that was taken while
    nobody listened would stay taken.
    """
    taken = False

    async def attempt() -> None:
        nonlocal taken
        taken = await take()

    try:
        with anyio.move_on_after(patience):
            await uninterrupted(attempt)
            while not taken:
                await anyio.sleep(_POLL_SECONDS)
                await uninterrupted(attempt)
        if not taken:
            raise ConfigurationError(f"{name} is held by another process for over {patience:.0f} s")
        yield
    finally:
        if taken:
            await uninterrupted(give_back)


def _parsed(text: str | bytes | None, place: str) -> Token | None:
    if text is None:
        return None
    try:
        return Token.from_json(text)
    except ConfigurationError as error:
        del text  # it may be half a token, and a report of this frame shall not show it
        raise ConfigurationError(f"{place}: {error}") from None


class MemoryTokenStore:
    """Keeps the token for as long as the process lives.

    Args:
        token: The token to begin with.
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
    """Hands each new token to a function of yours before it is used.

    Args:
        token: The token to begin with.
        on_refresh: Called with each new token; may be async. When it raises, the call that
            needed the token fails, and the token is handed over again before the next one.
    """

    def __init__(self, token: Token, on_refresh: Callable[[Token], Awaitable[None] | None]) -> None:
        super().__init__(token)
        self._on_refresh = on_refresh

    async def save(self, token: Token) -> None:
        """Hand the token over."""
        result = self._on_refresh(token)
        if isawaitable(result):
            await result
        await super().save(token)


class FileTokenStore:
    """Keeps the token in a file that only its owner can read.

    Processes of one machine can share it. Needs the extra ``files`` (filelock).

    Args:
        path: The file; its folder is made when the first token is saved.

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
        # A lock is taken and given back in different threads, and by one holder at a time.
        self._new_lock = partial(
            filelock.FileLock, f"{self._path}.lock", blocking=False, thread_local=False, mode=0o600
        )
        self._task_lock = _LoopLock()

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when there is no file.

        Raises:
            ConfigurationError: The file cannot be read, or holds no token.
        """
        return _parsed(await anyio.to_thread.run_sync(self._read), str(self._path))

    async def save(self, token: Token) -> None:
        """Replace the file in one step: a crash leaves the old token or the new one.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        await anyio.to_thread.run_sync(self._write, MaskedBytes(token.to_json().encode()))

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the lock of the token, across the processes of this machine.

        Raises:
            ConfigurationError: Another process has held it for two minutes.
        """
        lock = self._new_lock()

        async def take() -> bool:
            return await anyio.to_thread.run_sync(self._take, lock)

        async def give_back() -> None:
            await anyio.to_thread.run_sync(lock.release)

        async with (
            self._task_lock.get(),
            _polled(take, give_back, name=f"{self._path}.lock", patience=_LOCK_SECONDS),
        ):
            yield

    def _take(self, lock: "BaseFileLock") -> bool:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except TimeoutError:
            return False
        except OSError as error:
            raise self._unusable(error) from None
        return True

    def _read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None

    def _write(self, content: bytes) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path, [content])
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(f"{self._path}: {error.strerror or 'cannot be used'}")


class RedisTokenStore:
    """Keeps the token in Redis, for processes on several machines. Runs on asyncio.

    Args:
        redis: A ``redis.asyncio.Redis`` of yours (extra ``redis``); it is not closed.
        key: The key of the token, one per account; ``key:lock`` is the lock's.
        lock_timeout: Seconds after which a lock whose owner died is free again. It has to be
            longer than a renewal can take.
    """

    def __init__(self, redis: Any, key: str, *, lock_timeout: float = _LOCK_SECONDS) -> None:
        if not key:
            raise ConfigurationError("key is empty; it names the account whose token is stored")
        self._redis = redis
        self._key = key
        self._lock_timeout = lock_timeout

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when the key does not exist.

        Raises:
            ConfigurationError: The key holds no token.
        """
        return _parsed(await _told(self._redis.get(self._key)), f"Redis key {self._key}")

    async def save(self, token: Token) -> None:
        """Replace the token."""
        await _told(self._redis.set(self._key, Masked(token.to_json())))

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the lock of the token; it carries its owner's mark, so nobody else frees it.

        Raises:
            ConfigurationError: Another process has held it for longer than its life.
        """
        from redis.exceptions import LockNotOwnedError  # noqa: PLC0415 - an extra

        name = f"{self._key}:lock"
        lock = self._redis.lock(name, timeout=self._lock_timeout)

        async def take() -> bool:
            return bool(await lock.acquire(blocking=False))

        async def give_back() -> None:
            with suppress(LockNotOwnedError):  # it expired, and may be somebody else's
                await lock.release()

        patience = self._lock_timeout + _GRACE_SECONDS
        async with _polled(take, give_back, name=f"Redis key {name}", patience=patience):
            yield


async def _told(command: Awaitable[Any]) -> Any:
    """Await a command; an error comes without its stack, whose variables hold the token."""
    try:
        return await command
    except Exception as error:
        link: BaseException | None = error
        while link is not None:
            link.__traceback__ = None
            link = link.__cause__ or link.__context__
        raise
