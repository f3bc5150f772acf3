"""The token in force: swap it, revoke it."""

from cleverreach_async.auth.tokens import Token, read_token
from cleverreach_async.resources.base import Resource
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.shield import uninterrupted
from cleverreach_async.transport.transport import Call, TokenSource
from cleverreach_async.transport.wire import build_request

__all__ = ["OAuth"]


class OAuth(Resource):
    """``cr.oauth``: what can be done with the client's own token."""

    def __init__(self, call: Call, tokens: TokenSource, clock: Clock) -> None:
        super().__init__(call)
        self._tokens = tokens
        self._clock = clock

    async def exchange(self) -> Token:
        """Swap the token for a new one, which the client stores and uses from then on.

        The old one stops working. So nothing interrupts this, and it is not repeated when the
        answer is lost.

        Raises:
            TokenError: The answer holds no token.
            APIConnectionError: No answer came; the token may have been replaced.

        ``GET /debug/exchange``
        """
        request = build_request("GET", "/debug/exchange", idempotent=False)

        async def swap() -> Token:
            now = self._clock.now()
            token = read_token(await self._json(request), now=now)
            await self._tokens.adopt(token)
            return token

        return await uninterrupted(swap)

    async def revoke(self) -> None:
        """Revoke the token in force. A client that can get another one will, when it needs to.

        It is not repeated when the answer is lost: the next token would be revoked then.

        ``DELETE /oauth/token``
        """
        await self._do("DELETE", "/oauth/token", idempotent=False)
