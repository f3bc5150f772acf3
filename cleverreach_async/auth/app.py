"""OAuth apps and bearer tokens: how a client authenticates."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from cleverreach_async.auth.grants import (
    Client,
    ClientCredentials,
    UserToken,
    fetch_by_code,
)
from cleverreach_async.auth.renewal import StaticToken
from cleverreach_async.auth.stores import CallbackTokenStore, MemoryTokenStore, TokenStore
from cleverreach_async.auth.tokens import Token
from cleverreach_async.errors import ConfigurationError, TokenError
from cleverreach_async.transport.clock import SYSTEM_CLOCK, Clock
from cleverreach_async.transport.http import make_sender
from cleverreach_async.transport.redaction import Masked, Secret
from cleverreach_async.transport.retry import RetryPolicy
from cleverreach_async.transport.transport import Auth, Call, TokenSource, Transport
from cleverreach_async.transport.wire import DEFAULT_BASE_URL, USER_AGENT, server_root

__all__ = ["BearerToken", "OAuthApp", "as_auth", "check_state", "new_state", "server_of"]

_CODE_TIMEOUT: Final = 15.0
_CODE_MAX_RETRY_AFTER: Final = 5.0


def _as_secret(value: Secret | str, name: str) -> Secret:
    secret = value if isinstance(value, Secret) else Secret(value.strip())
    if not secret:
        raise ConfigurationError(f"{name} is empty; is the variable that holds it set?")
    if secret.reveal().lower().startswith("bearer "):
        raise ConfigurationError(f"{name} begins with the word Bearer; pass it without")
    if any(ord(char) < 33 or ord(char) > 126 for char in secret.reveal()):  # noqa: PLR2004
        raise ConfigurationError(f"{name} contains a space or a non-ASCII character")
    return secret


def _token(value: Secret | str) -> Secret:
    return _as_secret(value, "token")


def _client_secret(value: Secret | str) -> Secret:
    return _as_secret(value, "client_secret")


@attrs.frozen
class BearerToken:
    """An access token that you obtained elsewhere. It is never renewed.

    Attributes:
        token: The token, without the word ``Bearer``.
    """

    token: Secret = attrs.field(converter=_token)

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Return the source of tokens for a client."""
        del call, clock
        return StaticToken(self.token)


@attrs.frozen(kw_only=True)
class OAuthApp:
    """An OAuth app as registered in the CleverReach account (My Account → REST API).

    Attributes:
        client_id: The app's id.
        client_secret: The app's secret. No ``repr`` shows it.
        redirect_uri: Where users return after they connected the app; as registered.
        base_url: The server's root. A client with the app's credentials uses it too, and must not
            be given another. Without it, the app's server is that of the client, or the default.
        http_client: Your own client for :meth:`exchange_code`, as for ``CleverReach``.

    Raises:
        ConfigurationError: A value is empty or invalid.
    """

    client_id: str = attrs.field(kw_only=False)
    client_secret: Secret = attrs.field(kw_only=False, converter=_client_secret)
    redirect_uri: str | None = None
    _base_url: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(server_root), alias="base_url"
    )
    http_client: Any = attrs.field(default=None, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.client_id.strip():
            raise ConfigurationError("client_id is empty; see the app's settings in CleverReach")

    @property
    def base_url(self) -> str:
        """The server's root."""
        return self._base_url or DEFAULT_BASE_URL

    def client_credentials(self, *, store: TokenStore | None = None) -> ClientCredentials:
        """Authenticate as the account that the app belongs to (RFC 6749 §4.4).

        Args:
            store: Where the token is kept; in memory by default.
        """
        return ClientCredentials(self._client, MemoryTokenStore() if store is None else store)

    def user(
        self,
        token: Token | None = None,
        *,
        on_refresh: Callable[[Token], Awaitable[None] | None] | None = None,
        store: TokenStore | None = None,
    ) -> UserToken:
        """Authenticate as a user who connected the app.

        Pass the token and ``on_refresh``, or a store with the token. Each renewal returns a new
        refresh token, and the old one may become invalid. With neither ``on_refresh`` nor a store,
        the user has to authorise again when the process ends.

        Args:
            token: The token of the user.
            on_refresh: Called with each new token before it is used; may be async. It must not
                use the client, because the client's calls wait for it.
            store: Where the token is kept, and shared with other processes.

        Raises:
            ConfigurationError: Both token and store are given or neither, or ``on_refresh`` with
                a store.
        """
        if (token is None) == (store is None):
            raise ConfigurationError("user() takes a token, or a store that holds one")
        if store is not None and on_refresh is not None:
            raise ConfigurationError("on_refresh goes with a token; a store saves every new token")
        if token is not None and on_refresh is not None:
            store = CallbackTokenStore(token, on_refresh)
        return UserToken(self._client, MemoryTokenStore(token) if store is None else store)

    def authorization_url(
        self, *, state: str, scope: str | None = None, lang: str | None = None
    ) -> str:
        """Return the URL of the page on which a user connects the app (RFC 6749 §4.1.1).

        Args:
            state: A value that only this user's session knows; see :func:`new_state`.
            scope: Scopes, separated by spaces; usually they are set in the app's settings.
            lang: Language of the page, such as ``de``.

        Raises:
            ConfigurationError: The app has no ``redirect_uri``, or ``state`` is empty.

        ``GET /oauth/authorize.php``
        """
        if not state:
            raise ConfigurationError("state is empty; it protects users from forged callbacks")
        query = {
            "client_id": self.client_id,
            "redirect_uri": self._redirect_uri(),
            "response_type": "code",
            "grant": "basic",  # the vendor requires it
            "state": state,
            "scope": scope,
            "lang": lang,
        }
        given = {name: value for name, value in query.items() if value is not None}
        return f"{self.base_url}/oauth/authorize.php?{urlencode(given)}"

    def read_callback(self, query: Mapping[str, str], *, state: str) -> str:
        """Return the authorization code from the callback.

        Args:
            query: Query parameters of the callback.
            state: The value passed to :meth:`authorization_url`.

        Raises:
            TokenError: The user refused, or the callback does not belong to this session.
        """
        check_state(state, query.get("state"))
        if error := query.get("error"):
            raise TokenError(error, query.get("error_description", ""))
        code = query.get("code")
        if not code:
            raise TokenError("invalid_callback", "the callback has no code")
        return code

    async def exchange_code(self, code: str) -> Token:
        """Exchange a code for a token. Do it at once: a code is valid for seconds and used once.

        Args:
            code: The result of :meth:`read_callback`.

        Raises:
            TokenError: The code was refused. Send the user to the authorization page again.
            APIConnectionError: There is no response. The code may be used up.

        ``POST /oauth/token.php``
        """
        code = Masked(code)  # No error report of this frame may show it.
        redirect_uri = self._redirect_uri()
        sender = make_sender(self.http_client, base_url=self.base_url, max_connections=1)
        transport = Transport(
            sender=sender,
            base_url=self.base_url,
            timeout=_CODE_TIMEOUT,
            retry=RetryPolicy(attempts=2, max_retry_after=_CODE_MAX_RETRY_AFTER),
            user_agent=USER_AGENT,
        )
        try:
            now = SYSTEM_CLOCK.now()
            return await fetch_by_code(transport.call, self._client, code, redirect_uri, now=now)
        finally:
            await sender.aclose()

    @property
    def _client(self) -> Client:
        return Client(self.client_id, self.client_secret, self._base_url)

    def _redirect_uri(self) -> str:
        if not self.redirect_uri:
            raise ConfigurationError(
                "the app has no redirect_uri; pass the registered one to OAuthApp"
            )
        return self.redirect_uri


def new_state() -> str:
    """Return a random value for ``state``. Keep it in the user's session."""
    return secrets.token_urlsafe(32)


def check_state(expected: str, received: str | None) -> None:
    """Compare the state of a callback with that of the session, in constant time.

    Args:
        expected: The state of the session.
        received: The state of the callback.

    Raises:
        TokenError: They differ: the callback belongs to another session, or is forged.
    """
    if not expected or not hmac.compare_digest(_to_bytes(expected), _to_bytes(received or "")):
        raise TokenError("state_mismatch", "the callback does not belong to this session")


def _to_bytes(text: str) -> bytes:
    # A forged callback may contain lone surrogates.
    return text.encode("utf-8", "surrogatepass")


def as_auth(auth: Auth | str) -> Auth:
    """Return a way to authenticate; a plain string is a bearer token.

    Raises:
        ConfigurationError: It is neither; the message says what to pass.
    """
    if isinstance(auth, str):
        return BearerToken(auth)
    if not hasattr(auth, "bind"):
        raise _no_auth(auth)
    return auth


def _no_auth(given: object) -> ConfigurationError:
    if isinstance(given, OAuthApp):
        return ConfigurationError(
            "auth is an OAuthApp: pass app.client_credentials() to use the app's own account, or"
            " app.user(…) for the account of a user"
        )
    kind = "None" if given is None else f"of type {type(given).__name__}"
    return ConfigurationError(
        f"auth is {kind}; pass OAuthApp(client_id, client_secret).client_credentials(), an access"
        " token as text, or use CleverReach.from_env()"
    )


def server_of(auth: Auth) -> str | None:
    """Return the root of the server that credentials are for; ``None`` for any server."""
    return auth.client.base_url if isinstance(auth, ClientCredentials | UserToken) else None
