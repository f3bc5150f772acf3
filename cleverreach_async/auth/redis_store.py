"""The token store in Redis."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from cleverreach_async.auth.locks import LOCK_SECONDS, hold_lock
from cleverreach_async.auth.tokens import Token, parse_token
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import Masked, drop_tracebacks

__all__ = ["RedisTokenStore"]

_GRACE_SECONDS: Final = 5.0


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

    def __init__(self, redis: Any, key: str, *, lock_timeout: float = LOCK_SECONDS) -> None:
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
        return parse_token(await _run(self._redis.get(self._key)), f"Redis key {self._key}")

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
        async with hold_lock(acquire, release, name=f"Redis key {name}", timeout=timeout):
            yield


async def _run(command: Awaitable[Any]) -> Any:
    """Await a command of Redis. Its variables hold the token, so its tracebacks are dropped."""
    try:
        return await command
    except Exception as error:
        drop_tracebacks(error)
        raise
