"""Renew tokens, once for all calls that need them."""

import copy
import logging
import math
from collections.abc import Callable
from typing import Any, Final, Protocol

import anyio
import attrs

from cleverreach_async.auth.stores import TokenStore
from cleverreach_async.auth.tokens import Token
from cleverreach_async.errors import CleverReachError, TokenError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.transport.shield import uninterrupted
from cleverreach_async.transport.transport import Call, Credential

__all__ = ["Grant", "RenewingTokens", "StaticToken"]

_log: Final = logging.getLogger("cleverreach_async")

_MARGIN: Final = 60.0
_MARGIN_SHARE: Final = 0.1
_FRESH_SHARE: Final = 0.8
_EARLY_RETRY: Final = 60.0


class Grant(Protocol):
    """A way to get tokens from the token endpoint."""

    async def fetch(self, call: Call, previous: Token | None, *, now: float) -> Token:
        """Request a token.

        Args:
            call: Sends a request, with retries where they are safe.
            previous: The token to replace, if there is one.
            now: Unix time in seconds.

        Raises:
            TokenError: The token endpoint refused.
            APIConnectionError: It could not be reached.
        """
        ...


class StaticToken:
    """A token that is never renewed here."""

    def __init__(self, token: Secret) -> None:
        self._credential = _credential(token, generation=0)

    @property
    def stale(self) -> bool:
        """Never, because it is unknown when it expires."""
        return False

    async def credential(self) -> Credential:
        """Return the token."""
        return self._credential

    async def renew(self, generation: int) -> bool:
        """Return ``False``: it cannot be renewed."""
        del generation
        return False

    async def renew_early(self) -> None:
        """Do nothing."""

    async def adopt(self, token: Any) -> None:
        """Use another token from now on."""
        self._credential = _credential(token.access_token, self._credential.generation + 1)


class RenewingTokens:
    """Gets a token when there is none, and a new one when it expires or was refused.

    When several calls need a token at once, one request is sent and all share its result, a token
    or an error. With a shared store this holds across processes. A new token is stored before it
    is used. Neither is interrupted when the caller is cancelled, because its refresh token may be
    the only valid one.
    """

    def __init__(self, grant: Grant, store: TokenStore, call: Call, clock: Clock) -> None:
        self._grant = grant
        self._store = store
        self._call = call
        self._clock = clock
        self._lock = anyio.Lock()
        self._token: Token | None = None
        self._unsaved: _Lease | None = None
        self._current = Credential("", generation=0)
        self._stale_at = -math.inf
        self._use_until = -math.inf
        self._renewals = 0
        self._failure: Exception | None = None

    @property
    def stale(self) -> bool:
        """Whether the token still works but should be renewed soon."""
        return self._clock.monotonic() >= self._stale_at

    async def credential(self) -> Credential:
        """Return the current token. Get one first if there is none or it is about to expire."""
        if not self._usable():
            await self._renew_unless(self._usable)
        return self._current

    async def renew(self, generation: int) -> bool:
        """Replace the token of a generation; a newer one is kept."""
        await self._renew_unless(lambda: self._current.generation != generation)
        return True

    async def renew_early(self) -> None:
        """Renew a stale token unless another task does. After a failure it stays in use."""
        if self._lock.locked():
            return
        try:
            await self._renew_unless(lambda: not self.stale)
        except Exception as error:  # noqa: BLE001 - the token still works; the next call tries again
            _log.warning("the token could not be renewed early: %s", type(error).__name__)
            self._stale_at = self._clock.monotonic() + _EARLY_RETRY

    async def adopt(self, token: Any) -> None:
        """Store a token that was obtained elsewhere, and use it from now on."""
        async with self._lock:
            if token.refresh_token is None and self._token is not None:
                # Without a new refresh token the old one stays valid.
                token = attrs.evolve(token, refresh_token=self._token.refresh_token)
            self._unsaved = self._lease(token)
            async with self._store.lock():
                await uninterrupted(self._save)

    def _usable(self) -> bool:
        return self._clock.monotonic() < self._use_until

    async def _renew_unless(self, is_done: Callable[[], bool]) -> None:
        """Renew the token, or share the result of a renewal that another task has begun."""
        renewals = self._renewals
        async with self._lock:
            if is_done():
                return
            if self._failure is not None and self._renewals != renewals:
                raise _copy_of(self._failure)
            try:
                # Waiting for another process may be cancelled; the renewal may not.
                async with self._store.lock():
                    await uninterrupted(self._renew)
            except Exception as error:
                self._failure = _copy_of(error)
                self._renewals += 1
                raise
            self._failure = None
            self._renewals += 1

    async def _renew(self) -> None:
        if self._unsaved is None and await self._use_stored():
            return
        if self._unsaved is None:
            # Both clocks are read before the call: its duration counts, a jump meanwhile does not.
            began, now = self._clock.monotonic(), self._clock.now()
            try:
                token = await self._grant.fetch(self._call, self._token, now=now)
            except TokenError:
                # A process that does not hold the lock may have been faster.
                if await self._use_stored():
                    return
                raise
            self._unsaved = _lease(token, began, now)
        await self._save()

    async def _use_stored(self) -> bool:
        """Use the token that another process has stored meanwhile, if it is still valid."""
        token = await self._store.load()
        if token is None or _is_same(token, self._token):
            return False
        self._token = token
        lease = self._lease(token)
        if lease.use_until <= self._clock.monotonic():
            return False
        self._use(lease)
        return True

    def _lease(self, token: Token) -> "_Lease":
        return _lease(token, self._clock.monotonic(), self._clock.now())

    async def _save(self) -> None:
        """Store the new token, then use it. If storing fails, the next call tries it again."""
        if self._unsaved is not None:
            await self._store.save(self._unsaved.token)
            self._use(self._unsaved)
            self._unsaved = None

    def _use(self, lease: "_Lease") -> None:
        self._token = lease.token
        self._use_until = lease.use_until
        self._stale_at = lease.stale_at
        self._current = _credential(lease.token.access_token, self._current.generation + 1)


@attrs.frozen
class _Lease:
    """A token and how long to use it, in monotonic time because the wall clock may jump."""

    token: Token
    use_until: float
    stale_at: float


def _lease(token: Token, began: float, now: float) -> _Lease:
    if token.expires_at is None:
        return _Lease(token, math.inf, math.inf)
    seconds = token.expires_at.timestamp() - now
    use_until = began + seconds - min(_MARGIN, seconds * _MARGIN_SHARE)
    return _Lease(token, use_until, began + seconds * _FRESH_SHARE)


def _is_same(stored: Token, known: Token | None) -> bool:
    """Compare the secrets only; a store need not keep fractions of a second."""
    return known is not None and (stored.access_token, stored.refresh_token) == (
        known.access_token,
        known.refresh_token,
    )


def _copy_of(error: Exception) -> Exception:
    """Return an error for another caller, without the traceback of the first where possible."""
    return copy.copy(error) if isinstance(error, CleverReachError) else error


def _credential(token: Secret, generation: int) -> Credential:
    return Credential(f"Bearer {token.reveal()}", generation)
