"""The grants: what is asked of the token endpoint, and how its answers are taken."""

import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

import attrs

from cleverreach_async.auth.renewal import RenewingTokens
from cleverreach_async.auth.stores import MemoryTokenStore, TokenStore
from cleverreach_async.auth.tokens import Token, read_token
from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    InternalServerError,
    ResponseDecodeError,
    TokenError,
)
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.redaction import Masked, MaskedBytes, Secret
from cleverreach_async.transport.retry import diagnose
from cleverreach_async.transport.transport import Call, TokenSource
from cleverreach_async.transport.wire import FORM, Request, decode_json

__all__ = ["ClientCredentials", "UserToken", "fetch_by_code"]

_PATH: Final = "/oauth/token.php"


@attrs.frozen
class Client:
    """What an app identifies itself with (RFC 6749 §2.3).

    Attributes:
        client_id: The app's id.
        client_secret: The app's secret.
    """

    client_id: str
    client_secret: Secret


@attrs.frozen
class ClientCredentials:
    """The client credentials grant: a token for the app's own account, fetched when needed.

    ``POST /oauth/token.php``

    Attributes:
        client: The app whose credentials are used.
        store: Where the token is kept; a shared store spares other processes their requests.
    """

    client: Client
    store: TokenStore = attrs.field(factory=MemoryTokenStore)

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Tie the grant to a client."""
        return RenewingTokens(self, self.store, call, clock)

    async def fetch(self, call: Call, previous: Token | None, *, now: float) -> Token:
        """Fetch a token. A repeat merely yields another one, so failures are retried."""
        del previous
        form = {"grant_type": "client_credentials"}
        return await _post(call, self.client, form, now=now, idempotent=True)


@attrs.frozen
class UserToken:
    """A user's token from the authorization code flow, renewed by its refresh token.

    ``POST /oauth/token.php``

    Attributes:
        client: The app that the user connected.
        store: Where the token is kept. Each renewal stores a new refresh token there.
    """

    client: Client
    store: TokenStore

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Tie the token to a client."""
        return RenewingTokens(self, self.store, call, clock)

    async def fetch(self, call: Call, previous: Token | None, *, now: float) -> Token:
        """Spend the refresh token.

        When the answer is lost the server may have replaced the refresh token already. It is sent
        once more, since it may as well not have; if it is refused then, the user has to
        authorise again.

        Raises:
            TokenError: There is no refresh token, or it was refused: authorise again.
        """
        if previous is None or previous.refresh_token is None:
            raise TokenError("no_refresh_token", "authorise again: nothing to renew it with")
        form = {
            "grant_type": "refresh_token",
            "refresh_token": Masked(previous.refresh_token.reveal()),
        }
        try:
            try:
                token = await _post(call, self.client, form, now=now, idempotent=False)
            except (APIConnectionError, InternalServerError, ResponseDecodeError) as error:
                if not (
                    isinstance(error, ResponseDecodeError)
                    or diagnose(error, _PATH).perhaps_executed
                ):
                    raise
                token = await _post(call, self.client, form, now=now, idempotent=False)
        except TokenError as error:
            if error.error != "invalid_grant":
                raise
            raise TokenError(
                error.error,
                f"authorise again: the refresh token is no longer valid; {error.description}",
                status_code=error.status_code,
            ) from None
        if token.refresh_token is None:
            # Not rotated: the old one goes on.
            return attrs.evolve(token, refresh_token=previous.refresh_token)
        return token


async def fetch_by_code(
    call: Call, client: Client, code: str, redirect_uri: str, *, now: float
) -> Token:
    """Exchange an authorization code for a token (RFC 6749 §4.1.3). A code works once."""
    form = {
        "grant_type": "authorization_code",
        "code": Masked(code),
        "redirect_uri": redirect_uri,
    }
    return await _post(call, client, form, now=now, idempotent=False)


async def _post(
    call: Call, client: Client, form: Mapping[str, str], *, now: float, idempotent: bool
) -> Token:
    request = Request(
        method="POST",
        target=_PATH,
        template=_PATH,
        content=MaskedBytes(urlencode(form).encode()),
        content_type=FORM,
        headers=(("authorization", _basic(client)),),
        idempotent=idempotent,
        authenticated=False,
    )
    try:
        response = await call(request)
    except APIStatusError as error:
        if diagnose(error, _PATH).fault is not None:
            raise
        raise _token_error(error) from None
    return read_token(decode_json(response, request), now=now)


def _token_error(error: APIStatusError) -> TokenError:
    code, _, description = error.message.partition(": ")
    return TokenError(code, description, status_code=error.status_code)


def _basic(client: Client) -> Masked:
    """Encode the client as RFC 6749 §2.3.1 asks: both parts form-encoded before Basic."""
    pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret.reveal(), safe='')}"
    return Masked("Basic " + base64.b64encode(pair.encode()).decode())
