"""What a token store is, and stores in memory.

A store keeps the token of one account. Its lock is held while the token is renewed, so that
processes that share the store do not use one refresh token twice.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import isawaitable
from typing import Protocol

from cleverreach_async.auth.locks import LoopLock
from cleverreach_async.auth.tokens import Token
from cleverreach_async.errors import ConfigurationError, TokenStoreError

__all__ = ["CallbackTokenStore", "MemoryTokenStore", "TokenStore", "check_store"]


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


class MemoryTokenStore:
    """Keeps the token in memory, until the process ends.

    Args:
        token: The first token.
    """

    def __init__(self, token: Token | None = None) -> None:
        self._token = token
        self._lock = LoopLock()

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
            needed the token raises :class:`TokenStoreError`, and the next call passes the token
            again first.
    """

    def __init__(self, token: Token, on_refresh: Callable[[Token], Awaitable[None] | None]) -> None:
        super().__init__(token)
        self._on_refresh = on_refresh

    async def save(self, token: Token) -> None:
        """Pass the token to the function.

        Raises:
            TokenStoreError: The function raised an error, which is the cause.
        """
        try:
            result = self._on_refresh(token)
            if isawaitable(result):
                await result
        except Exception as error:
            raise TokenStoreError(f"on_refresh failed: {type(error).__name__}") from error
        await super().save(token)


def check_store(store: object) -> None:
    """Check that an object can be a store; a client of Redis or a path is none.

    Raises:
        ConfigurationError: It lacks a method.
    """
    missing = [name for name in ("load", "save", "lock") if not callable(getattr(store, name, 0))]
    if missing:
        raise ConfigurationError(
            f"store is of type {type(store).__name__}, which has no {missing[0]}(); pass a store,"
            " such as RedisTokenStore(redis, key) or FileTokenStore(path)"
        )
