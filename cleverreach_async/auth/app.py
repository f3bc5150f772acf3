"""OAuth apps and bearer tokens: how a client authenticates."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from cleverreach_async.auth.callback import callback_parameters
from cleverreach_async.auth.credentials import (
    as_credential,
    check_credential,
    check_text,
    masked,
    set_fields,
)
from cleverreach_async.auth.grants import (
    Client,
    ClientCredentials,
    UserToken,
    fetch_by_code,
)
from cleverreach_async.auth.renewal import StaticToken
from cleverreach_async.auth.stores import (
    CallbackTokenStore,
    MemoryTokenStore,
    TokenStore,
    check_store,
)
from cleverreach_async.auth.tokens import Token
from cleverreach_async.errors import ConfigurationError, TokenError
from cleverreach_async.transport.base_url import server_root, stays_in_process
from cleverreach_async.transport.clock import SYSTEM_CLOCK, Clock
from cleverreach_async.transport.http.choice import make_sender
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.transport.retry import RetryPolicy
from cleverreach_async.transport.token_source import TokenSource
from cleverreach_async.transport.transport import Auth, Call, Transport
from cleverreach_async.transport.wire import DEFAULT_BASE_URL, USER_AGENT

__all__ = ["BearerToken", "OAuthApp", "as_auth", "check_state", "new_state", "server_of"]

Callback = str | bytes | Mapping[str, Any]
"""A URL, a query string, or query parameters with one value or a list per name."""

_CODE_TIMEOUT: Final = 15.0
_CODE_MAX_RETRY_AFTER: Final = 5.0


@attrs.frozen(init=False)
class BearerToken:
    """An access token that you obtained elsewhere. It is never renewed.

    Attributes:
        token: The token, without the word ``Bearer``.

    Raises:
        ConfigurationError: The token is empty, or cannot be sent in a header.
    """

    token: Secret

    def __init__(self, token: Secret | str) -> None:
        token = as_credential(token)
        set_fields(self, token=token)
        check_credential(token, "token")

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Return the source of tokens for a client."""
        del call, clock
        return StaticToken(self.token)


@attrs.frozen(init=False)
class OAuthApp:
    """An OAuth app as registered in the CleverReach account (My Account → REST API).

    Attributes:
        client_id: The app's id.
        client_secret: The app's secret. No ``repr`` shows it.
        redirect_uri: Where users return after they connected the app; as registered.
        base_url: The server's root. A client with the app's credentials uses it too, and must not
            be given another. Without it, the app's server is that of the client, or the default.
        http_client: Your own client for :meth:`exchange_code`, as for ``CleverReach``.
        allow_http: Whether ``base_url`` may be ``http://`` on another computer. The secret and the
            tokens are then readable on the way.

    Raises:
        ConfigurationError: A value is empty or invalid.
    """

    client_id: str
    client_secret: Secret
    redirect_uri: str | None
    _base_url: str | None = attrs.field(alias="base_url")
    http_client: Any = attrs.field(repr=False, eq=False)
    allow_http: bool = attrs.field(repr=False, eq=False)

    def __init__(
        self,
        client_id: str,
        client_secret: Secret | str,
        *,
        redirect_uri: str | None = None,
        base_url: str | None = None,
        http_client: Any = None,
        allow_http: bool = False,
    ) -> None:
        client_secret = as_credential(client_secret)
        base_url = masked(base_url)
        set_fields(
            self,
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=redirect_uri,
            _base_url=base_url,
            http_client=http_client,
            allow_http=allow_http,
        )
        check_text(client_id, "client_id")
        if not client_id.strip():
            raise ConfigurationError("client_id is empty; see the app's settings in CleverReach")
        check_credential(client_secret, "client_secret")
        if redirect_uri is not None:
            check_text(redirect_uri, "redirect_uri")
        if base_url is not None:
            is_allowed = allow_http or stays_in_process(http_client)
            set_fields(self, _base_url=server_root(base_url, allow_http=is_allowed))

    @property
    def base_url(self) -> str:
        """The server's root."""
        return self._base_url or DEFAULT_BASE_URL

    def client_credentials(self, *, store: TokenStore | None = None) -> ClientCredentials:
        """Authenticate as the account that the app belongs to (RFC 6749 §4.4).

        Args:
            store: Where the token is kept; in memory by default.

        Raises:
            ConfigurationError: The store is none.
        """
        if store is not None:
            check_store(store)
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

        Each call with a token makes a store and a lock of its own. So call it once per token and
        pass the result to all clients: two would renew with the same refresh token.

        Args:
            token: The token of the user.
            on_refresh: Called with each new token before it is used; may be async. It must not
                use the client, because the client's calls wait for it.
            store: Where the token is kept, and shared with other processes.

        Raises:
            ConfigurationError: Both token and store are given or neither, ``on_refresh`` with a
                store, or the store is none.
        """
        if (token is None) == (store is None):
            raise ConfigurationError("user() takes a token, or a store that holds one")
        if store is not None and on_refresh is not None:
            raise ConfigurationError("on_refresh goes with a token; a store saves every new token")
        if store is not None:
            check_store(store)
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
            ConfigurationError: The app has no ``redirect_uri``, ``state`` is empty, or a value is
                no text.

        ``GET /oauth/authorize.php``
        """
        if not state:
            raise ConfigurationError("state is empty; it protects users from forged callbacks")
        for name, value in (("state", state), ("scope", scope or ""), ("lang", lang or "")):
            check_text(value, name)
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

    def read_callback(self, query: Callback, *, state: str) -> str:
        """Return the authorization code from the callback.

        Args:
            query: The callback's URL, its query string, or its query parameters as a mapping.
            state: The value passed to :meth:`authorization_url`.

        Raises:
            ConfigurationError: ``query`` is none of these.
            TokenError: The user refused, or the callback does not belong to this session, or has a
                parameter more than once.
        """
        state = masked(state)  # No error report of this frame may show it, nor the code.
        query = callback_parameters(query)
        check_state(state, query.get("state"))
        if error := query.get("error"):
            raise TokenError(error, query.get("error_description", ""))
        code = query.get("code")
        if not code:
            raise TokenError("invalid_callback", "the callback has no code")
        return str(code)

    async def exchange_code(self, code: str) -> Token:
        """Exchange a code for a token. Do it at once: a code is valid for seconds and used once.

        Args:
            code: The result of :meth:`read_callback`.

        Raises:
            ConfigurationError: The code is empty or no text, or the app has no ``redirect_uri``.
            TokenError: The code was refused. Send the user to the authorization page again.
            APIConnectionError: There is no response. The code may be used up.

        ``POST /oauth/token.php``
        """
        # No error report of this frame may show it.
        code = masked(code)
        check_text(code, "code")
        if not code.strip():
            raise ConfigurationError("code is empty; pass the result of read_callback()")
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
