"""OAuth apps and the ways to authenticate with them."""

import base64
from urllib.parse import quote, urlencode

import attrs

from cleverreach_async.auth.secret import Secret
from cleverreach_async.auth.tokens import RenewingTokens, StaticToken, Token, read_token
from cleverreach_async.errors import APIStatusError, ConfigurationError, TokenError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.transport import Auth, Call, TokenSource
from cleverreach_async.transport.wire import FORM, Masked, Request, decode_json

__all__ = ["BearerToken", "ClientCredentials", "OAuthApp", "as_auth"]

_SERVER_ERROR = 500


def _as_secret(value: Secret | str, name: str) -> Secret:
    secret = value if isinstance(value, Secret) else Secret(value.strip())
    if not secret:
        raise ConfigurationError(f"{name} is empty")
    if any(ord(char) < 33 or ord(char) > 126 for char in secret.reveal()):  # noqa: PLR2004
        raise ConfigurationError(f"{name} holds a space or a character that is not ASCII")
    return secret


def _token(value: Secret | str) -> Secret:
    return _as_secret(value, "token")


def _client_secret(value: Secret | str) -> Secret:
    return _as_secret(value, "client_secret")


@attrs.frozen
class BearerToken:
    """An access token that somebody else looks after. It is never renewed.

    Attributes:
        token: The token, without the word ``Bearer``.
    """

    token: Secret = attrs.field(converter=_token)

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Tie the token to a client."""
        del call, clock
        return StaticToken(self.token)


@attrs.frozen(kw_only=True)
class OAuthApp:
    """An OAuth app as registered in the CleverReach account (My Account → REST API).

    Attributes:
        client_id: The app's id.
        client_secret: The app's secret; it never shows in a repr.
    """

    client_id: str = attrs.field(kw_only=False)
    client_secret: Secret = attrs.field(kw_only=False, converter=_client_secret)

    def __attrs_post_init__(self) -> None:
        if not self.client_id.strip():
            raise ConfigurationError("client_id is empty; it stands in the app's settings")

    def client_credentials(self) -> "ClientCredentials":
        """Authenticate as the account that the app belongs to (RFC 6749 §4.4)."""
        return ClientCredentials(self)


@attrs.frozen
class ClientCredentials:
    """The client credentials grant: one token for the app's own account, fetched when needed.

    ``POST /oauth/token.php``

    Attributes:
        app: The app whose credentials are used.
    """

    app: OAuthApp

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Tie the grant to a client."""
        return RenewingTokens(self, call, clock)

    async def fetch(self, call: Call, *, now: float) -> Token:
        """Fetch a token. A repeat merely yields another one, so failures are retried."""
        return await _post_grant(
            call, self.app, {"grant_type": "client_credentials"}, now=now, idempotent=True
        )


def as_auth(auth: Auth | str) -> Auth:
    """Return an authentication; a plain string is a bearer token."""
    return BearerToken(auth) if isinstance(auth, str) else auth


async def _post_grant(
    call: Call, app: OAuthApp, form: dict[str, str], *, now: float, idempotent: bool
) -> Token:
    request = Request(
        method="POST",
        target="/oauth/token.php",
        template="/oauth/token.php",
        content=urlencode(form).encode(),
        content_type=FORM,
        headers=(("authorization", _basic(app)),),
        idempotent=idempotent,
        authenticated=False,
    )
    try:
        response = await call(request)
    except APIStatusError as error:
        if error.status_code >= _SERVER_ERROR or error.retry_after is not None:
            raise
        raise _token_error(error) from None
    return read_token(decode_json(response, request), now=now)


def _token_error(error: APIStatusError) -> TokenError:
    code, _, description = error.message.partition(": ")
    return TokenError(code, description, status_code=error.status_code)


def _basic(app: OAuthApp) -> Masked:
    """Encode the client as RFC 6749 §2.3.1 asks: both parts form-encoded before Basic."""
    pair = f"{quote(app.client_id, safe='')}:{quote(app.client_secret.reveal(), safe='')}"
    return Masked("Basic " + base64.b64encode(pair.encode()).decode())
