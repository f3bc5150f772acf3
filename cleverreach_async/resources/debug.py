"""The account of the token, its time to live, and the state of the API."""

import attrs

from cleverreach_async.errors import AuthenticationError
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.clients import ClientAccount
from cleverreach_async.resources.values import read_flag
from cleverreach_async.transport.wire import build_request, decode_json

__all__ = ["Debug", "TokenTTL", "Whoami"]


@attrs.frozen(kw_only=True)
class Whoami(ClientAccount):
    """The account that a token belongs to."""


@attrs.frozen(kw_only=True)
class TokenTTL:
    """How long the token is valid. It has no ``extra``, because the response may have the token.

    Attributes:
        ttl: Seconds left.
        date: Date and time of expiry, in the server's format.
    """

    ttl: int
    date: str = ""


class Debug(Resource):
    """``cr.debug``: the account, its token, and the state of the API."""

    async def whoami(self) -> Whoami:
        """Return the account that the token belongs to.

        ``GET /debug/whoami``
        """
        return await self._call(Whoami, "GET", "/debug/whoami")

    async def ttl(self) -> TokenTTL:
        """Return how long the token is valid.

        Raises:
            AuthenticationError: The token is not valid.

        ``GET /debug/ttl``
        """
        return await self._call(TokenTTL, "GET", "/debug/ttl")

    async def validate(self) -> bool:
        """Return whether the server accepts the token. A refused token is renewed once first.

        ``GET /debug/validate``
        """
        request = build_request("GET", "/debug/validate", accepts_false=True)
        try:
            return read_flag(await self._json(request))
        except AuthenticationError:
            return False
        except (TypeError, ValueError):
            return True  # whatever else it responds, it has accepted the token

    async def ping(self) -> None:
        """Check that the API responds. No token is sent.

        Raises:
            APIStatusError: The API responds with an error.
            APIConnectionError: The API cannot be reached.
            ResponseDecodeError: The response is a web page, such as that of a proxy.

        ``GET /debug/ping``
        """
        request = attrs.evolve(build_request("GET", "/debug/ping"), authenticated=False)
        response = await self._send(request)
        if response.content.startswith(b"<"):
            decode_json(response, request)
