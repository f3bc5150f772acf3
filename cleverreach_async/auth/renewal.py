"""The one place that renews tokens."""

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
    """How a token is got from the token endpoint."""

    async def fetch(self, call: Call, previous: Token | None, *, now: float) -> Token:
        """Ask the token endpoint.

        Args:
            call: Sends a request, retrying where that is safe.
            previous: The token to be replaced, if there is one.
            now: Unix time in seconds.

        Raises:
            TokenError: The token endpoint refused.
            APIConnectionError: It could not be reached.
        """
        ...


class StaticToken:
    """A token somebody else looks after: handed out, never renewed."""

    def __init__(self, token: Secret) -> None:
        self._credential = _credential(token, generation=0)

    @property
    def stale(self) -> bool:
        """Never: nobody knows when it ends."""
        return False

    async def credential(self) -> Credential:
        """Return the token."""
        return self._credential

    async def renew(self, generation: int) -> bool:
        """Refuse: there is nothing to renew it with."""
        del generation
        return False

    async def renew_early(self) -> None:
        """Do nothing."""

    async def adopt(self, token: Any) -> None:
        """Use another token from now on."""
        self._credential = _credential(token.access_token, self._credential.generation + 1)


class RenewingTokens:
    """Gets a token when there is none, and a new one when it ends or was refused.

    However many calls need it at once, one request goes out and the others share its result, be
    it a token or an error. Where the store is shared, the same holds across processes. A new
    token is stored before it is used, and neither is interrupted when the caller is cancelled:
    the refresh token it comes with may be the only one that still works.
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
        self._best_before = -math.inf
        self._rounds = 0
        self._failure: Exception | None = None

    @property
    def stale(self) -> bool:
        """Whether the token still works but had better be renewed soon."""
        return self._clock.monotonic() >= self._stale_at

    async def credential(self) -> Credential:
        """Return the token in force, getting one when there is none or it is about to end."""
        if not self._usable():
            await self._renew_unless(self._usable)
        return self._current

    async def renew(self, generation: int) -> bool:
        """Replace the token of ``generation``; a newer one is left alone."""
        await self._renew_unless(lambda: self._current.generation != generation)
        return True

    async def renew_early(self) -> None:
        """Renew a stale token unless somebody is at it; a failure leaves it in use."""
        if self._lock.locked():
            return
        try:
            await self._renew_unless(lambda: not self.stale)
        except Exception as error:  # noqa: BLE001 - the token still works; the next call tries again
            _log.warning("the token could not be renewed early: %s", type(error).__name__)
            self._stale_at = self._clock.monotonic() + _EARLY_RETRY

    async def adopt(self, token: Any) -> None:
        """Store a token that came by another way, and use it from now on."""
        async with self._lock:
            if token.refresh_token is None and self._token is not None:
                # Nobody said that the old one stopped working.
                token = attrs.evolve(token, refresh_token=self._token.refresh_token)
            self._unsaved = _lease(token, self._clock.monotonic(), self._clock.now())
            async with self._store.lock():
                await uninterrupted(self._save)

    def _usable(self) -> bool:
        return self._clock.monotonic() < self._best_before

    async def _renew_unless(self, settled: Callable[[], bool]) -> None:
        seen = self._rounds
        async with self._lock:
            if settled():
                return
            if self._failure is not None and self._rounds != seen:
                raise _again(self._failure)
            try:
                # Whoever waits for another process may give up; who renews may not.
                async with self._store.lock():
                    await uninterrupted(self._renew)
            except Exception as error:
                self._failure = _again(error)
                self._rounds += 1
                raise
            self._failure = None
            self._rounds += 1

    async def _renew(self) -> None:
        if self._unsaved is None:
            stored = await self._stored_by_others()
            if stored is None:
                try:
                    self._unsaved = await self._fetch()
                except TokenError:
                    # Perhaps only because somebody who does not hold the lock was faster.
                    stored = await self._stored_by_others()
                    if stored is None:
                        raise
            if stored is not None:
                self._use(stored)
                return
        await self._save()

    async def _stored_by_others(self) -> "_Lease | None":
        """Return a usable token that another process has stored meanwhile."""
        token = await self._store.load()
        if token is None or _same(token, self._token):
            return None
        self._token = token
        lease = _lease(token, self._clock.monotonic(), self._clock.now())
        return lease if lease.best_before > self._clock.monotonic() else None

    async def _fetch(self) -> "_Lease":
        # Both clocks are read before the call: its duration counts, a jump meanwhile does not.
        began, now = self._clock.monotonic(), self._clock.now()
        token = await self._grant.fetch(self._call, self._token, now=now)
        return _lease(token, began, now)

    async def _save(self) -> None:
        """Store the new token, then use it. If storing fails it is kept, and stored later."""
        if self._unsaved is not None:
            await self._store.save(self._unsaved.token)
            self._use(self._unsaved)
            self._unsaved = None

    def _use(self, lease: "_Lease") -> None:
        self._token = lease.token
        self._best_before = lease.best_before
        self._stale_at = lease.stale_at
        self._current = _credential(lease.token.access_token, self._current.generation + 1)


@attrs.frozen
class _Lease:
    """A token and how long to use it, by the monotonic clock, since the wall clock may jump."""

    token: Token
    best_before: float
    stale_at: float


def _lease(token: Token, began: float, now: float) -> _Lease:
    if token.expires_at is None:
        return _Lease(token, math.inf, math.inf)
    seconds = token.expires_at.timestamp() - now
    best_before = began + seconds - min(_MARGIN, seconds * _MARGIN_SHARE)
    return _Lease(token, best_before, began + seconds * _FRESH_SHARE)


def _same(stored: Token, known: Token | None) -> bool:
    """Compare what matters: a store need not keep fractions of a second."""
    return known is not None and (stored.access_token, stored.refresh_token) == (
        known.access_token,
        known.refresh_token,
    )


def _again(error: Exception) -> Exception:
    """Return an error for one more caller, without the first one's stack where that can be."""
    return copy.copy(error) if isinstance(error, CleverReachError) else error


def _credential(token: Secret, generation: int) -> Credential:
    return Credential(f"Bearer {token.reveal()}", generation)
