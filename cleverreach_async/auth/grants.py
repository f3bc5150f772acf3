"""The OAuth grants: requests to the token endpoint and their responses."""

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import attrs

from cleverreach_async.auth.renewal import TOKEN_PATH, RenewingTokens
from cleverreach_async.auth.stores import MemoryTokenStore, TokenStore
from cleverreach_async.auth.tokens import Token, read_token
from cleverreach_async.errors import (
    APIStatusError,
    CleverReachError,
    ResponseDecodeError,
    TokenError,
)
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.redaction import Masked, MaskedBytes, Secret
from cleverreach_async.transport.retry import diagnose
from cleverreach_async.transport.token_source import TokenSource
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import FORM, Request, decode_json

__all__ = ["ClientCredentials", "UserToken", "fetch_by_code"]


@attrs.frozen
class Client:
    """The credentials of an app (RFC 6749 §2.3).

    Attributes:
        client_id: The app's id.
        client_secret: The app's secret.
        base_url: Root of the server that the credentials are for; ``None`` for any server.
    """

    client_id: str
    client_secret: Secret
    base_url: str | None = None

    @property
    def basic(self) -> Masked:
        """The ``Authorization`` header of RFC 6749 §2.3.1: form-encoded, then Basic."""
        pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret.reveal(), safe='')}"
        return Masked("Basic " + base64.b64encode(pair.encode()).decode())

    @property
    def secrets(self) -> tuple[Masked, ...]:
        """What the server may quote and no message may show."""
        return (Masked(self.client_secret.reveal()), Masked(self.basic.removeprefix("Basic ")))


@attrs.frozen
class ClientCredentials:
    """The client credentials grant: a token for the app's own account, requested when needed.

    ``POST /oauth/token.php``

    Attributes:
        client: The credentials of the app.
        store: Where the token is kept. Processes that share a store share the token.
    """

    client: Client
    store: TokenStore = attrs.field(factory=MemoryTokenStore)

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Return the source of tokens for a client."""
        return RenewingTokens(self, self.store, call, clock, self.client.secrets)

    async def fetch(self, call: Call, previous: Token | None, *, now: float) -> Token:
        """Request a token. A repeated request returns another one, so it is retried."""
        del previous
        form = {"grant_type": "client_credentials"}
        return await _post(call, self.client, form, now=now, idempotent=True)


@attrs.frozen
class UserToken:
    """A user's token from the authorization code flow, renewed by its refresh token.

    ``POST /oauth/token.php``

    Attributes:
        client: The credentials of the app that the user connected.
        store: Where the token is kept. Each renewal stores a new refresh token there.
    """

    client: Client
    store: TokenStore

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Return the source of tokens for a client."""
        return RenewingTokens(self, self.store, call, clock, self.client.secrets)

    async def fetch(self, call: Call, previous: Token | None, *, now: float) -> Token:
        """Use the refresh token.

        When the response is lost, the server may have replaced the refresh token or not. So the
        refresh token is sent once more. If it is refused then, the user has to authorise again.

        Raises:
            TokenError: There is no refresh token, or it was refused: authorise again.
        """
        if previous is None or previous.refresh_token is None:
            raise TokenError("no_refresh_token", "authorise again: there is no refresh token")
        try:
            token = await self._refresh(call, previous.refresh_token, now=now)
        except TokenError as error:
            if error.error != "invalid_grant":
                raise
            raise TokenError(
                error.error,
                f"authorise again: the refresh token is no longer valid; {error.description}",
                status_code=error.status_code,
            ) from None
        # Without a new refresh token the old one stays valid.
        return attrs.evolve(token, refresh_token=token.refresh_token or previous.refresh_token)

    async def _refresh(self, call: Call, refresh_token: Secret, *, now: float) -> Token:
        form = {"grant_type": "refresh_token", "refresh_token": Masked(refresh_token.reveal())}
        try:
            return await _post(call, self.client, form, now=now, idempotent=False)
        except CleverReachError as error:
            is_lost = isinstance(error, ResponseDecodeError)
            if not is_lost and not diagnose(error, TOKEN_PATH).perhaps_executed:
                raise
        return await _post(call, self.client, form, now=now, idempotent=False)


async def fetch_by_code(
    call: Call, client: Client, code: str, redirect_uri: str, *, now: float
) -> Token:
    """Exchange an authorization code for a token (RFC 6749 §4.1.3). A code works once."""
    form = {"grant_type": "authorization_code", "code": Masked(code), "redirect_uri": redirect_uri}
    return await _post(call, client, form, now=now, idempotent=False)


async def _post(
    call: Call,
    client: Client,
    form: Mapping[str, str],
    *,
    now: float,
    idempotent: bool,
) -> Token:
    request = Request(
        method="POST",
        target=TOKEN_PATH,
        template=TOKEN_PATH,
        content=MaskedBytes(urlencode(form).encode()),
        content_type=FORM,
        headers=(("authorization", client.basic),),
        secrets=(*client.secrets, *_masked_in(form)),
        idempotent=idempotent,
        authenticated=False,
    )
    try:
        response = await call(request)
    except APIStatusError as error:
        if diagnose(error, TOKEN_PATH).fault is not None:
            raise
        raise _token_error(error) from None
    return read_token(decode_json(response, request), now=now)


def _token_error(error: APIStatusError) -> TokenError:
    code, _, description = error.message.partition(": ")
    return TokenError(code, description, status_code=error.status_code)


def _masked_in(form: Mapping[str, str]) -> list[Masked]:
    """Return the credentials in a form."""
    return [value for value in form.values() if isinstance(value, Masked)]
