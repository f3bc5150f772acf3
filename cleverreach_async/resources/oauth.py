"""The client's own token: exchange it or revoke it. And what the vendor's plugins report."""

from collections.abc import Sequence

from cleverreach_async.auth.tokens import Token, read_token
from cleverreach_async.resources.base import Resource, body
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.shield import uninterrupted
from cleverreach_async.transport.token_source import TokenSource
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import build_request

__all__ = ["OAuth"]


class OAuth(Resource):
    """``cr.oauth``: exchange or revoke the client's own token."""

    def __init__(self, call: Call, tokens: TokenSource, clock: Clock) -> None:
        super().__init__(call)
        self._tokens = tokens
        self._clock = clock

    async def exchange(self) -> Token:
        """Exchange the token for a new one, which the client stores and uses from then on.

        The old token becomes invalid. So the exchange is not interrupted when the caller is
        cancelled, and it is not repeated after a lost response.

        Raises:
            TokenError: The response has no token.
            APIConnectionError: There is no response. The token may have been replaced.

        ``GET /debug/exchange``
        """
        request = build_request("GET", "/debug/exchange", idempotent=False)

        async def exchange() -> Token:
            now = self._clock.now()
            token = read_token(await self._json(request), now=now)
            await self._tokens.adopt(token)
            return token

        return await uninterrupted(exchange)

    async def revoke(self) -> None:
        """Revoke the current token. The client gets another one when it needs it, if it can.

        The call is not repeated after a lost response, because it would revoke the next token.

        ``DELETE /oauth/token``
        """
        await self._do("DELETE", "/oauth/token", idempotent=False)

    async def finish(
        self,
        *,
        finished: bool | Unset = UNSET,
        name: str | Unset = UNSET,
        brand: str | Unset = UNSET,
        client_id: str | Unset = UNSET,
    ) -> None:
        """Report the end of a connect wizard, as the vendor's plugins do. It is not documented.

        Args:
            finished: Whether the user went to the end of it.
            name: Name of the plugin.
            brand: Brand of the plugin.
            client_id: Id of the OAuth app.

        ``POST /oauth/finish``
        """
        fields = body(finished=finished, name=name, brand=brand, client_id=client_id)
        await self._do("POST", "/oauth/finish", json=fields, idempotent=True)

    async def report_synced(
        self,
        *,
        imported: Sequence[str] | Unset = UNSET,
        not_imported: Sequence[str] | Unset = UNSET,
    ) -> None:
        """Report which kinds of contacts are synchronised, as the vendor's plugins do.

        Args:
            imported: Kinds that are (the vendor's ``import``).
            not_imported: Kinds that are not (``not_import``).

        ``POST /oauth/settings``
        """
        fields = {**body(not_import=not_imported), **body(**{"import": imported})}
        await self._do("POST", "/oauth/settings", json=fields, idempotent=True)
