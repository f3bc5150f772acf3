"""Tokens, and the one place that renews them."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import anyio
import attrs

from cleverreach_async.auth.secret import Secret
from cleverreach_async.errors import TokenError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.transport import Call, Credential
from cleverreach_async.transport.wire import as_object

__all__ = ["Grant", "RenewingTokens", "StaticToken", "Token", "read_token"]

_MARGIN: Final = 60.0
_MARGIN_SHARE: Final = 0.1


@attrs.frozen(kw_only=True)
class Token:
    """An access token as the token endpoint gave it.

    Attributes:
        access_token: The bearer token.
        refresh_token: What a renewal needs; absent for client credentials.
        expires_at: When the access token ends, or ``None`` when the server did not say.
        scope: Granted rights, separated by spaces, or an empty string.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: datetime | None = None
    scope: str = ""


def read_token(answer: Any, *, now: float) -> Token:
    """Read the token endpoint's answer.

    Args:
        answer: Decoded JSON.
        now: Unix time of the answer, to which ``expires_in`` (seconds) is relative.

    Raises:
        TokenError: The answer holds no access token.
    """
    fields = as_object(answer)
    access_token = fields.get("access_token")
    if not isinstance(access_token, str) or not access_token:
        raise TokenError("invalid_response", "the answer holds no access_token", status_code=200)
    refresh_token = fields.get("refresh_token")
    scope = fields.get("scope") or ""
    return Token(
        access_token=Secret(access_token),
        refresh_token=Secret(str(refresh_token)) if refresh_token else None,
        expires_at=_expiry(fields.get("expires_in"), now),
        scope=scope if isinstance(scope, str) else " ".join(map(str, scope)),
    )


def _expiry(expires_in: Any, now: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(now, UTC) + timedelta(seconds=float(expires_in))
    except (TypeError, ValueError, OverflowError):
        return None


class Grant(Protocol):
    """How a token is fetched."""

    async def fetch(self, call: Call, *, now: float) -> Token:
        """Ask the token endpoint.

        Args:
            call: Sends a request, retrying where that is safe.
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

    async def credential(self) -> Credential:
        """Return the token."""
        return self._credential

    async def renew(self, generation: int) -> bool:
        """Refuse: there is nothing to renew it with."""
        del generation
        return False


class RenewingTokens:
    """Fetches a token when there is none, and a new one when it ends or was refused.

    However many calls need it at once, one request goes out; the others wait for its result. The
    request is shielded, so a caller that is cancelled meanwhile cannot lose the new token.
    """

    def __init__(self, grant: Grant, call: Call, clock: Clock) -> None:
        self._grant = grant
        self._call = call
        self._clock = clock
        self._lock = anyio.Lock()
        self._current = Credential("", generation=0)
        self._best_before = -math.inf

    async def credential(self) -> Credential:
        """Return the token in force, fetching one when there is none or it is about to end."""
        if self._stale:
            async with self._lock:
                if self._stale:
                    await self._fetch()
        return self._current

    async def renew(self, generation: int) -> bool:
        """Replace the token of ``generation``; a newer one is left alone."""
        async with self._lock:
            if self._current.generation == generation:
                await self._fetch()
        return True

    @property
    def _stale(self) -> bool:
        return self._clock.monotonic() >= self._best_before

    async def _fetch(self) -> None:
        with anyio.CancelScope(shield=True):
            began, now = self._clock.monotonic(), self._clock.now()
            token = await self._grant.fetch(self._call, now=now)
            self._best_before = began + _lifetime(token, now)
            self._current = _credential(token.access_token, self._current.generation + 1)


def _lifetime(token: Token, now: float) -> float:
    """Seconds to use a token: by the monotonic clock, since the wall clock may jump."""
    if token.expires_at is None:
        return math.inf
    seconds = token.expires_at.timestamp() - now
    return seconds - min(_MARGIN, seconds * _MARGIN_SHARE)


def _credential(token: Secret, generation: int) -> Credential:
    return Credential(f"Bearer {token.reveal()}", generation)
