"""Where the token of an account is from, and what to do when the server refuses it."""

import enum
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import attrs

from cleverreach_async.errors import AuthenticationError
from cleverreach_async.transport.redaction import Masked
from cleverreach_async.transport.shield import alongside
from cleverreach_async.transport.wire import Response

__all__ = ["Credential", "Renewal", "TokenSource", "send_with_token"]


@attrs.frozen
class Credential:
    """A current token.

    Attributes:
        authorization: Value of the ``Authorization`` header.
        generation: Number that increases with each renewal, to recognise a 401 of an old token.
    """

    authorization: str = attrs.field(repr=False, converter=Masked)
    generation: int


class Renewal(enum.Enum):
    """What has become of the renewal of a token."""

    IMPOSSIBLE = "impossible"
    """The token cannot be renewed."""
    OWN = "own"
    """A new token was requested."""
    SHARED = "shared"
    """Another call or process has requested one, which others may have used up already."""


class TokenSource(Protocol):
    """Provides the account's token and renews it once for all callers."""

    @property
    def stale(self) -> bool:
        """Whether the token is still valid but should be renewed soon."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a server that was asked for tokens may quote; each is :class:`Masked`."""
        ...

    async def credential(self, *, max_wait: float | None = None) -> Credential:
        """Return the current token, fetching one first if necessary.

        Args:
            max_wait: Seconds to wait while others fetch it; ``None`` for no limit.
        """
        ...

    async def renew(self, generation: int, *, max_wait: float | None = None) -> Renewal:
        """Renew the token of ``generation`` unless that was done."""
        ...

    async def renew_early(self) -> None:
        """Renew a stale token unless that is under way. Never raises: the old one is valid."""
        ...

    async def adopt(self, token: Any) -> None:
        """Store a token that was obtained elsewhere, and use it from now on."""
        ...


async def send_with_token(
    tokens: TokenSource,
    send: Callable[[Credential], Awaitable[Response]],
    *,
    max_wait: float | None,
) -> Response:
    """Send a request with the current token, and again with a new one after a 401.

    Args:
        tokens: Where the token is from.
        send: Sends the request.
        max_wait: Seconds to wait while others renew the token; ``None`` for no limit.

    Raises:
        AuthenticationError: A new token was refused too, or the token cannot be renewed.
    """
    credential = await tokens.credential(max_wait=max_wait)
    try:
        if tokens.stale:
            return await alongside(tokens.renew_early, partial(send, credential))
        return await send(credential)
    except AuthenticationError:
        renewal = await tokens.renew(credential.generation, max_wait=max_wait)
        if renewal is Renewal.IMPOSSIBLE:
            raise
    credential = await tokens.credential(max_wait=max_wait)
    try:
        return await send(credential)
    except AuthenticationError:
        # One more round, unless a token that nobody else can have used up is refused.
        if renewal is Renewal.SHARED:
            await tokens.renew(credential.generation, max_wait=max_wait)
        latest = await tokens.credential(max_wait=max_wait)
        if latest.generation == credential.generation:
            raise
    return await send(latest)
