"""Renew tokens, once for all calls that need them."""

import copy
import logging
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import anyio
import attrs

from cleverreach_async.auth.guarded_store import GuardedStore
from cleverreach_async.auth.stores import TokenStore
from cleverreach_async.auth.tokens import Token, secrets_of
from cleverreach_async.errors import APITimeoutError, CleverReachError, TokenError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.transport.shield import uninterrupted
from cleverreach_async.transport.token_source import Credential, Renewal
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request, Response

__all__ = ["TOKEN_PATH", "Grant", "RenewingTokens", "StaticToken"]

TOKEN_PATH: Final = "/oauth/token.php"  # noqa: S105 - a path

_log: Final = logging.getLogger("cleverreach_async")

_MARGIN: Final = 60.0
_MARGIN_SHARE: Final = 0.1
_FRESH_SHARE: Final = 0.8
_EARLY_RETRY: Final = 60.0
_EARLY_PATIENCE: Final = 1.0
_TOKENS_SEEN: Final = 12


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

    @property
    def secrets(self) -> tuple[str, ...]:
        """None but the token, which is sent with each request."""
        return ()

    async def credential(self, *, max_wait: float | None = None) -> Credential:
        """Return the token."""
        del max_wait
        return self._credential

    async def renew(self, generation: int, *, max_wait: float | None = None) -> Renewal:
        """Do nothing: it cannot be renewed."""
        del generation, max_wait
        return Renewal.IMPOSSIBLE

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
    the only valid one. Waiting for another task or process can be cancelled.

    Args:
        grant: How to get tokens.
        store: Where the token is kept.
        call: Sends a request to the token endpoint.
        clock: Source of time.
        secrets: Credentials of the app, which no message may show.
    """

    def __init__(
        self,
        grant: Grant,
        store: TokenStore,
        call: Call,
        clock: Clock,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._grant = grant
        self._store = GuardedStore(store)
        self._call = call
        self._clock = clock
        self._secrets = secrets
        self._tokens_seen: deque[str] = deque(maxlen=_TOKENS_SEEN)
        self._lock = anyio.Lock()
        self._token: Token | None = None
        self._unsaved: _Unsaved | None = None
        self._current = Credential("", generation=0)
        self._refused: int | None = None
        self._stale_at = -math.inf
        self._use_until = -math.inf
        self._renewals = 0
        self._fetches = 0
        self._failure: Exception | None = None

    @property
    def stale(self) -> bool:
        """Whether the token still works but should be renewed soon."""
        return self._clock.monotonic() >= self._stale_at

    @property
    def secrets(self) -> tuple[str, ...]:
        """The credentials of the app, and the latest tokens, which may still be quoted."""
        waiting = None if self._unsaved is None else self._unsaved.lease.token
        return (*self._secrets, *self._tokens_seen, *secrets_of(waiting))

    async def credential(self, *, max_wait: float | None = None) -> Credential:
        """Return the current token. Get one first if there is none or it is about to expire.

        Args:
            max_wait: Seconds to wait for another task or process that renews it; ``None`` for no
                limit.

        Raises:
            APITimeoutError: The other has not been ready by then.
            TokenError: The token endpoint refused.
            TokenStoreError: The store failed.
        """
        if not self._usable():
            await self._renew_unless(self._usable, max_wait)
        return self._current

    async def renew(self, generation: int, *, max_wait: float | None = None) -> Renewal:
        """Replace the token of a generation; a newer one is kept.

        Calls that need a token meanwhile wait for the new one. Errors and ``max_wait`` are those of
        :meth:`credential`.
        """
        if self._current.generation == generation:
            self._refused = generation
        try:
            is_own = await self._renew_unless(
                lambda: self._current.generation != generation, max_wait
            )
        finally:
            if self._refused == generation:
                self._refused = None
        return Renewal.OWN if is_own else Renewal.SHARED

    async def renew_early(self) -> None:
        """Renew a stale token unless another task or process does; after a failure it is used."""
        if self._lock.locked():
            return
        try:
            await self._renew_unless(lambda: not self.stale, _EARLY_PATIENCE)
        except Exception as error:  # noqa: BLE001 - the token still works; the next call tries again
            _log.warning("the token could not be renewed early: %s", type(error).__name__)
            self._stale_at = self._clock.monotonic() + _EARLY_RETRY

    async def adopt(self, token: Any) -> None:
        """Store a token that was obtained elsewhere, and use it from now on."""
        async with self._lock:
            latest, stored = self._token, self._token
            if self._unsaved is not None:
                latest, stored = self._unsaved.lease.token, self._unsaved.replaces
            if token.refresh_token is None and latest is not None:
                # Without a new refresh token the old one stays valid.
                token = attrs.evolve(token, refresh_token=latest.refresh_token)
            self._unsaved = _Unsaved(self._lease(token), replaces=stored)
            async with self._store.lock():
                await uninterrupted(self._save)
            self._use_saved()

    def _usable(self) -> bool:
        is_refused = self._refused == self._current.generation
        return not is_refused and self._clock.monotonic() < self._use_until

    async def _renew_unless(self, is_done: Callable[[], bool], max_wait: float | None) -> bool:
        """Renew the token, or share the result of a renewal that another task has begun.

        Returns:
            Whether a token was requested.
        """
        renewals = self._renewals
        with anyio.move_on_after(max_wait) as waiting:
            async with self._lock:
                if is_done():
                    return False
                if self._failure is not None and self._renewals != renewals:
                    raise _copy_of(self._failure)
                fetches = self._fetches
                await self._renew_and_share(waiting)
                return self._fetches != fetches
        message = f"no token within {max_wait:g} s: another task or process is renewing it"
        raise APITimeoutError(message, sent=False, method="POST", path=TOKEN_PATH)

    async def _renew_and_share(self, waiting: anyio.CancelScope) -> None:
        try:
            async with self._store.lock():
                waiting.deadline = math.inf  # only the wait has an end
                await uninterrupted(self._renew)
        except Exception as error:
            self._failure = _copy_of(error)
            self._renewals += 1
            raise
        # Only now: a store may commit when its lock is released, and fail to do so.
        self._use_saved()
        self._failure = None
        self._renewals += 1

    async def _renew(self) -> None:
        if self._unsaved is not None and await self._is_overtaken(self._unsaved):
            self._unsaved = None
        if self._unsaved is None:
            if await self._use_stored():
                return
            self._unsaved = await self._fetch()
        await self._save()

    async def _fetch(self) -> "_Unsaved | None":
        """Request a token; ``None`` if another process was faster, and its token is used."""
        # Both clocks are read before the call: its duration counts, a jump meanwhile does not.
        began, now = self._clock.monotonic(), self._clock.now()
        self._fetches += 1
        try:
            token = await self._grant.fetch(self._call_for_token, self._token, now=now)
        except TokenError:
            # A process that does not hold the lock may have been faster.
            if await self._use_stored():
                return None
            raise
        return _Unsaved(_lease(token, began, now), replaces=self._token)

    async def _call_for_token(self, request: Request) -> Response:
        """Send a request for a token; the response may quote earlier ones."""
        secrets = (*request.secrets, *self.secrets)
        return await self._call(attrs.evolve(request, secrets=secrets))

    async def _is_overtaken(self, unsaved: "_Unsaved") -> bool:
        """Whether another process has stored a token since one of ours could not be stored.

        That was requested later, so it is the one that works.
        """
        stored = await self._store.load()
        known = (unsaved.replaces, unsaved.lease.token)
        return stored is not None and not any(_is_same(stored, it) for it in known)

    async def _use_stored(self) -> bool:
        """Use the token that another process has stored meanwhile, if it is still valid."""
        token = await self._store.load()
        if token is None or _is_same(token, self._token):
            return False
        self._keep(token)
        lease = self._lease(token)
        if lease.use_until <= self._clock.monotonic():
            return False
        self._use(lease)
        return True

    def _lease(self, token: Token) -> "_Lease":
        return _lease(token, self._clock.monotonic(), self._clock.now())

    async def _save(self) -> None:
        """Store the new token. If that fails, the next call tries it again."""
        if self._unsaved is not None:
            await self._store.save(self._unsaved.lease.token)

    def _use_saved(self) -> None:
        """Use the token that is stored now."""
        if self._unsaved is not None:
            self._use(self._unsaved.lease)
            self._unsaved = None

    def _keep(self, token: Token) -> None:
        self._token = token
        self._tokens_seen += (it for it in secrets_of(token) if it not in self._tokens_seen)

    def _use(self, lease: "_Lease") -> None:
        self._keep(lease.token)
        self._use_until = lease.use_until
        self._stale_at = lease.stale_at
        self._current = _credential(lease.token.access_token, self._current.generation + 1)


@attrs.frozen
class _Lease:
    """A token and how long to use it, in monotonic time because the wall clock may jump."""

    token: Token
    use_until: float
    stale_at: float


@attrs.frozen
class _Unsaved:
    """A new token that is not stored yet, and the token that it was requested with."""

    lease: _Lease
    replaces: Token | None


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
    if not isinstance(error, CleverReachError):
        return error
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied


def _credential(token: Secret, generation: int) -> Credential:
    return Credential(f"Bearer {token.reveal()}", generation)
