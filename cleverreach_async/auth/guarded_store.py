"""Calls to a token store, whose errors become ours whoever wrote it."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Final, TypeVar

import anyio

from cleverreach_async.auth.stores import TokenStore
from cleverreach_async.auth.tokens import Token, secrets_of
from cleverreach_async.errors import ConfigurationError, TokenStoreError
from cleverreach_async.transport.hiding import hide_in_error

__all__ = ["GuardedStore"]

E = TypeVar("E", bound=Exception)

_PATIENCE: Final = 30.0


class GuardedStore:
    """Calls a token store.

    Args:
        store: The store.
    """

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._name = type(store).__name__
        self._loaded: Token | None = None
        self._saved: Token | None = None

    async def load(self) -> Token | None:
        """Return the stored token.

        Raises:
            TokenStoreError: The store failed, or returned something else.
            ConfigurationError: What it has stored is no token.
        """
        token: Token | None = None
        with self._translated("load the token"), self._patience("load the token"):
            token = await self._store.load()
        if kind := _other_type(token):
            raise TokenStoreError(
                f"{self._name}.load() returned an object of type {kind}, and not a Token; see"
                " Token.from_json()"
            )
        self._loaded = token
        return token

    async def save(self, token: Token) -> None:
        """Store a token.

        Raises:
            TokenStoreError: The store failed.
        """
        self._saved = token
        with self._translated("save the token"), self._patience("save the token"):
            await self._store.save(token)

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the store's lock. An error of the block is raised unchanged.

        Raises:
            TokenStoreError: The store failed.
        """
        with self._translated("lock the token"):
            lock = self._store.lock()
            await lock.__aenter__()
        try:
            yield
        except BaseException as error:
            await self._unlock(lock, error)
            raise
        await self._unlock(lock, None)

    async def _unlock(
        self, lock: AbstractAsyncContextManager[None], error: BaseException | None
    ) -> None:
        kind = None if error is None else type(error)
        traceback = None if error is None else error.__traceback__
        try:
            with self._translated("unlock the token"):
                await lock.__aexit__(kind, error, traceback)
        except TokenStoreError as own:
            if error is None:
                raise
            if own.__cause__ is not error:
                error.add_note(str(own))

    @contextmanager
    def _translated(self, action: str) -> Generator[None, None, None]:
        try:
            yield
        except (TokenStoreError, ConfigurationError) as error:
            self._hide_tokens(error)
            raise
        except Exception as error:  # noqa: BLE001 - of any store, raised as ours
            # The text of a foreign error may quote the token; it is the cause.
            translated = TokenStoreError(f"{self._name} cannot {action}: {type(error).__name__}")
            translated.__cause__ = error
            raise self._hide_tokens(translated) from translated.__cause__

    def _hide_tokens(self, error: E) -> E:
        """Hide the tokens in an error: a database quotes what it could not store or commit."""
        return hide_in_error(error, (*secrets_of(self._loaded), *secrets_of(self._saved)))

    @contextmanager
    def _patience(self, action: str) -> Generator[None, None, None]:
        """Bound what cannot be cancelled from outside, because a new token must not get lost."""
        with anyio.move_on_after(_PATIENCE) as scope:
            yield
        if scope.cancelled_caught:
            raise TokenStoreError(f"{self._name} cannot {action} within {_PATIENCE:g} s")


def _other_type(loaded: object) -> str:
    """Return the name of the type of what is neither a token nor ``None``, or an empty text."""
    return "" if loaded is None or isinstance(loaded, Token) else type(loaded).__name__
