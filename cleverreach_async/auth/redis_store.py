"""The token store in Redis."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from secrets import token_hex
from typing import Any, Final

import anyio

from cleverreach_async.auth.credentials import check_text
from cleverreach_async.auth.locks import LoopLock, hold_lock
from cleverreach_async.auth.tokens import Token, parse_token
from cleverreach_async.errors import ConfigurationError, TokenStoreError
from cleverreach_async.transport.numbers import check_above_zero
from cleverreach_async.transport.redaction import Masked
from cleverreach_async.transport.retry import UnusableStoreError
from cleverreach_async.transport.shared.redis_remedies import redis_remedy
from cleverreach_async.transport.shield import in_background

__all__ = ["RedisTokenStore", "check_client"]

_LOCK_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 5.0
_COMMAND_SECONDS: Final = 5.0
_BLOCKING_CLIENTS: Final = {"redis.client.Redis", "redis.cluster.RedisCluster"}
_SAVING: Final = "save the token"
_CODE: Final = re.compile(r"[A-Z]{2,}\b")

# KEYS: lock; ARGV: new mark, its prefix, milliseconds. A lock of this store whose release failed,
# because Redis was gone, is taken again at once.
_ACQUIRE: Final = """
local held = redis.call('get', KEYS[1])
if held and string.sub(held, 1, #ARGV[2]) ~= ARGV[2] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
"""
# KEYS: lock; ARGV: mark, milliseconds.
_EXTEND: Final = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])
"""
# KEYS: lock; ARGV: mark.
_RELEASE: Final = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])
"""
# KEYS: lock, token; ARGV: mark, token.
_SAVE: Final = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[2], ARGV[2])
return 1
"""


class RedisTokenStore:
    """Keeps the token in Redis, for processes on several machines. Runs on asyncio.

    The lock is extended while it is held, and a token is saved only by the holder of the lock. In
    a Redis cluster the key needs braces, as in ``{shop-42}``, so that both have the same slot.

    Args:
        redis: Your ``redis.asyncio.Redis`` (extra ``redis``). It is not closed.
        key: The key of the token, one per account. The lock has the key ``key:lock``.
        lock_timeout: Seconds after which the lock of a dead process is free again.

    Raises:
        ConfigurationError: The key is empty or no text, ``lock_timeout`` is not above 0, or
            ``redis`` is no asynchronous client.
    """

    def __init__(self, redis: Any, key: str, *, lock_timeout: float = _LOCK_SECONDS) -> None:
        check_text(key, "key")
        if not key:
            raise ConfigurationError("key is empty; use one key per account")
        check_above_zero("lock_timeout", lock_timeout, "number of seconds")
        check_client(redis)
        self._redis = redis
        self._key = key
        self._lock_key = f"{key}:lock"
        self._lock_timeout = lock_timeout
        self._task_lock = LoopLock()
        self._owner = f"{token_hex(16)}:"
        self._mark: str | None = None

    async def load(self) -> Token | None:
        """Return the token, or ``None`` when the key does not exist.

        Raises:
            TokenStoreError: Redis does not answer.
            ConfigurationError: The value does not contain a token.
        """
        place = f"Redis key {self._key}"
        # No variable holds the text, which may be half a token.
        return parse_token(
            await self._ask("load the token", lambda: self._redis.get(self._key)), place
        )

    async def save(self, token: Token) -> None:
        """Replace the token. While this store holds the lock, only if it still does in Redis.

        Raises:
            TokenStoreError: Redis does not answer, or the lock has ended and another process may
                have renewed the token.
        """
        text, mark = Masked(token.to_json()), self._mark
        if mark is None:
            await self._ask(_SAVING, lambda: self._redis.set(self._key, text))
        elif not await self._run(_SAVE, _SAVING, self._lock_key, self._key, mark, text):
            raise TokenStoreError(
                f"Redis key {self._key}: the token is not saved, because the lock has ended and"
                " another process may have saved one"
            )

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the lock of the token, and extend it meanwhile. Only its holder can release it.

        Raises:
            TokenStoreError: Redis does not answer, or other processes have held the lock for
                longer than ``lock_timeout``.
        """
        mark = f"{self._owner}{token_hex(8)}"

        async def acquire() -> bool:
            duration = self._milliseconds
            return bool(
                await self._run(_ACQUIRE, "lock it", self._lock_key, mark, self._owner, duration)
            )

        async def release() -> None:
            self._mark = None
            with suppress(TokenStoreError):  # then it ends by itself, and this store may take it
                await self._run(_RELEASE, "unlock it", self._lock_key, mark)

        timeout = self._lock_timeout + _GRACE_SECONDS
        name = f"Redis key {self._lock_key}"
        async with (
            self._task_lock.get(),
            hold_lock(acquire, release, name=name, timeout=timeout),
            in_background(partial(self._extend, mark)),
        ):
            self._mark = mark
            yield

    async def _extend(self, mark: str) -> None:
        while True:
            await anyio.sleep(self._lock_timeout / 3)
            with suppress(TokenStoreError):  # it is tried again; save() notices an ended lock
                await self._run(_EXTEND, "extend it", self._lock_key, mark, self._milliseconds)

    @property
    def _milliseconds(self) -> int:
        return max(1, int(self._lock_timeout * 1000))

    async def _run(self, script: str, action: str, *words: str | int) -> Any:
        keys = 2 if script is _SAVE else 1
        return await self._ask(action, lambda: self._redis.eval(script, keys, *words))

    async def _ask(self, action: str, command: Callable[[], Awaitable[Any]]) -> Any:
        """Send a command.

        Raises:
            TokenStoreError: It failed. It has no cause: an error of Redis may quote the command,
                and its variables hold the token.
        """
        reason, kind = f"no answer within {_COMMAND_SECONDS:g} s", TokenStoreError
        with anyio.move_on_after(_COMMAND_SECONDS):
            try:
                return await command()
            except Exception as error:  # noqa: BLE001 - of any client, raised below
                remedy = redis_remedy(error, self._redis)
                reason = f"{_reason(error)}; {remedy}" if remedy else _reason(error)
                if remedy and action != _SAVING:
                    kind = UnusableStoreError
        raise kind(f"Redis key {self._key}: cannot {action}: {reason}")


def check_client(redis: object) -> None:
    """Check that calls of a client of Redis can be awaited.

    Raises:
        ConfigurationError: It is no client, or one that blocks.
    """
    if not hasattr(redis, "eval"):
        raise ConfigurationError(
            f"redis is of type {type(redis).__name__}; pass a client, such as"
            " redis.asyncio.Redis.from_url(…)"
        )
    if _BLOCKING_CLIENTS & {f"{it.__module__}.{it.__name__}" for it in type(redis).__mro__}:
        raise ConfigurationError("redis is a blocking client; pass a redis.asyncio.Redis")


def _reason(error: Exception) -> str:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    name = type(error).__name__
    if kinds & {"ConnectionError", "TimeoutError", "OSError"}:
        return f"{name}: {error}"
    # The rest may quote the command with the token. The code, such as WRONGTYPE, cannot.
    code = _CODE.match(str(error))
    return f"{name} {code[0]}" if code else name
