"""The client: it creates the parts of the library and connects them."""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypedDict, Unpack

import attrs

from cleverreach_async.accounts import Accounts, check_auth
from cleverreach_async.auth.app import as_auth, server_of
from cleverreach_async.auth.credentials import masked
from cleverreach_async.auth.environment import (
    BASE_URL,
    Places,
    allows_http,
    find_auth,
    find_value,
    missing_credentials,
)
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.nouns import Nouns
from cleverreach_async.resources.relative import body_has_relative_values
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.arguments import check_plain_functions, kind_of
from cleverreach_async.transport.base_url import server_root, stays_in_process
from cleverreach_async.transport.clock import SYSTEM_CLOCK, SYSTEM_RANDOM, Clock, Random
from cleverreach_async.transport.connections import Connections
from cleverreach_async.transport.http.choice import make_sender
from cleverreach_async.transport.numbers import check_above_zero, check_number
from cleverreach_async.transport.passage import SharedAccount, check_shared
from cleverreach_async.transport.response_info import ResponseInfo
from cleverreach_async.transport.retry import RetryPolicy
from cleverreach_async.transport.transport import Account, Auth, RequestEvent, Transport
from cleverreach_async.transport.wire import (
    DEFAULT_BASE_URL,
    USER_AGENT,
    build_request,
    decode_json,
)

__all__ = ["CleverReach", "transport_of"]

DEFAULT_TIMEOUT: Final = 30.0

_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class ClientOptions(TypedDict, total=False):
    """Options of a client; see :class:`CleverReach`."""

    allow_http: bool
    timeout: float | None
    retry: RetryPolicy | None
    http_client: Any
    max_connections: int
    on_event: Callable[[RequestEvent], None] | None
    on_response: Callable[[ResponseInfo], None] | None
    shared: SharedAccount | None
    requests_per_second: float | None


class CleverReach(Nouns):
    """A client for one CleverReach account.

    Open it with ``async with``, or close it with :meth:`aclose`. Creating one does no I/O and needs
    no event loop. One client serves any number of tasks of one event loop; :meth:`with_auth`
    returns a client of another account over the same connections.

    Args:
        auth: How to authenticate: ``OAuthApp(…).client_credentials()``, or a bearer token as text.
        base_url: The server's root; ``/v3`` and ``/oauth`` are below it. By default that of the
            app whose credentials these are, or else https://rest.cleverreach.com.
        allow_http: Whether ``base_url`` may be ``http://`` on another computer. The token and all
            data are then readable on the way. It may always be with an ``http_client`` over
            ``MockTransport`` or ``ASGITransport``, which sends nothing.
        timeout: Seconds that one attempt may take from connecting to the last byte, 30 by default;
            ``None`` for no limit.
        retry: How ordinary calls are retried.
        http_client: Your own ``httpx.AsyncClient`` or ``httpx2.AsyncClient``, for proxy, TLS and
            HTTP/2 settings, or ``aiohttp.ClientSession``, which needs the least CPU time. It is
            neither closed nor changed. httpx logs full URLs, which may contain e-mail addresses,
            at INFO.
        max_connections: Maximum number of connections; ignored with ``http_client``.
        on_event: Called with a :class:`RequestEvent` for each attempt, for metrics.
        on_response: Called with a :class:`ResponseInfo` for each success, with status and headers.
        shared: The account as other processes share it, such as a :class:`RedisAccount`; by default
            its limits and pauses apply to this process only.
        requests_per_second: Most requests per second of each account, of this process, imports
            included; ``None`` for no limit. Of several processes: tell it to the
            :class:`RedisAccount`.
        clock: Source of time, for tests.
        rng: Source of random numbers, for tests.

    Raises:
        ConfigurationError: An argument is invalid, or the credentials are for another server.
    """

    def __init__(
        self,
        auth: Auth | str,
        *,
        base_url: str | None = None,
        allow_http: bool = False,
        timeout: float | None = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        http_client: Any = None,
        max_connections: int = 100,
        on_event: Callable[[RequestEvent], None] | None = None,
        on_response: Callable[[ResponseInfo], None] | None = None,
        shared: SharedAccount | None = None,
        requests_per_second: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: Random = SYSTEM_RANDOM,
    ) -> None:
        # No frame shows a credential when a check fails.
        auth, base_url = masked(auth), masked(base_url)
        auth = as_auth(auth)
        root = _root_of(auth, base_url, allow_http=allow_http or stays_in_process(http_client))
        policy = RetryPolicy() if retry is None else retry
        _check_options(timeout=timeout, retry=policy, on_event=on_event, on_response=on_response)
        check_number("max_connections", max_connections, least=1)
        if requests_per_second is not None:
            check_above_zero("requests_per_second", requests_per_second)
        sender = make_sender(http_client, base_url=root, max_connections=max_connections)
        connections = Connections(sender)
        transport = Transport(
            sender=connections,
            base_url=root,
            timeout=timeout,
            retry=policy,
            user_agent=USER_AGENT,
            on_event=on_event,
            on_response=on_response,
            clock=clock,
            rng=rng,
            requests_per_second=requests_per_second,
        )
        self._set_up(connections, _with_auth(transport, auth, shared), is_owner=True)

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """Create a client from the variables that the command reads too.

        They are ``CLEVERREACH_CLIENT_ID`` and ``CLEVERREACH_CLIENT_SECRET``, or
        ``CLEVERREACH_TOKEN``, which counts if all are set; and ``CLEVERREACH_BASE_URL`` and
        ``CLEVERREACH_ALLOW_HTTP``. The command's env file and stored login are not read.

        Args:
            **options: Those of :class:`CleverReach`.

        Raises:
            ConfigurationError: A variable is missing or invalid; the message names it.
        """
        places = Places(os.environ)
        allow_http = options.setdefault("allow_http", allows_http(places))
        auth = find_auth(places, allow_http=allow_http)
        if auth is None:
            raise missing_credentials(places)
        return cls(auth, base_url=find_value(places, BASE_URL) or None, **options)

    def _set_up(self, connections: Connections, transport: Transport, *, is_owner: bool) -> None:
        self._connections = connections
        self._transport = transport
        self._is_owner = is_owner
        # Shared by all nouns, and slow to load: not in a call, which would block the event loop.
        import_module("cleverreach_async.resources.base")

    def with_auth(self, auth: Auth | str, *, shared: SharedAccount | None = None) -> "CleverReach":
        """Return a client of another account over the same connections; closing it does nothing.

        Each call returns a client with a gate, a retry budget and a token cache of its own. So keep
        it, or use :meth:`accounts`, which does: two clients of one account know nothing of each
        other's pauses.

        Args:
            auth: How to authenticate.
            shared: The account as other processes share it, such as a :class:`RedisAccount`.

        Raises:
            ConfigurationError: It is no way to authenticate, or for another server; or ``shared``
                is no shared account.
        """
        auth = masked(auth)
        return self._sibling(_with_auth(self._transport, as_auth(auth), shared))

    def accounts(
        self,
        auth_of: Callable[[str], Auth | str],
        *,
        keep: int = 10_000,
        shared: Callable[[str], SharedAccount] | None = None,
    ) -> Accounts["CleverReach"]:
        """Return the clients of many accounts over the same connections, one per key.

        ::

            tenants = cr.accounts(lambda tenant_id: app.user(store=store_of(tenant_id)))
            groups = await tenants["shop-42"].groups.list()

        Each key has one gate, one retry budget and one token cache, however often it is looked up.
        The options of this client apply to all, and closing it ends them.

        Args:
            auth_of: Returns how to authenticate for a key. It is called when the key is first used,
                and again when its account was dropped since. It must not be asynchronous: a store
                is read when a token is needed.
            keep: Most accounts to keep, of about 5 KiB each. Those used longest ago are dropped
                first, but not while a call uses them, and paused ones only if most are paused.
            shared: Returns the account as other processes share it, such as a
                :class:`RedisAccount`.

        Raises:
            ConfigurationError: ``keep`` is below 1, or one of the others is no function.
        """
        for name, function in (("auth_of", auth_of), ("shared", shared)):
            if function is not None and not callable(function):
                raise ConfigurationError(f"{name} is {kind_of(function)}; pass a function of a key")

        def make(key: str, account: Account | None) -> "tuple[CleverReach, Account]":
            if account is None:
                auth = masked(auth_of(key))
                check_auth(auth)
                own = None
                if shared is not None:
                    own = shared(key)
                    check_shared(own)
                transport = _with_auth(self._transport, as_auth(auth), own)
            else:
                transport = attrs.evolve(self._transport, account=account)
            return self._sibling(transport), transport.own_account()

        return Accounts(make, keep)

    def with_options(
        self,
        *,
        timeout: float | Unset | None = UNSET,
        retry: RetryPolicy | Unset = UNSET,
        on_event: Callable[[RequestEvent], None] | Unset | None = UNSET,
        on_response: Callable[[ResponseInfo], None] | Unset | None = UNSET,
    ) -> "CleverReach":
        """Return a client of the same account with other options; closing it does nothing.

        Args:
            timeout: Seconds that one attempt may take; ``None`` for no limit.
            retry: How ordinary calls are retried.
            on_event: Called with a :class:`RequestEvent` for each attempt.
            on_response: Called with a :class:`ResponseInfo` for each success.

        Raises:
            ConfigurationError: An option is invalid.
        """
        options = {
            "timeout": timeout,
            "retry": retry,
            "on_event": on_event,
            "on_response": on_response,
        }
        changes: dict[str, Any] = {k: v for k, v in options.items() if v is not UNSET}
        _check_options(**changes)
        return self._sibling(attrs.evolve(self._transport, **changes))

    def _sibling(self, transport: Transport) -> "CleverReach":
        client = object.__new__(CleverReach)
        client._set_up(self._connections, transport, is_owner=False)
        return client

    async def request(
        self,
        method: str,
        path: str,
        *,
        path_params: Mapping[str, str | int] | None = None,
        query: Mapping[str, Any] | None = None,
        json: Any = UNSET,
        idempotent: bool | None = None,
    ) -> Any:
        """Call an operation that has no method here, with the same authentication and retries.

        Args:
            method: HTTP method.
            path: Path below ``/v3``, with placeholders for values, as in ``/groups/{group_id}``.
                It has no query, and no segment that is empty or dotted. Paths that begin with
                ``/hooks``, ``/flow`` or ``/gomailer`` lie beside ``/v3``.
            path_params: Values for the placeholders; they are percent-encoded. ``{receiver_id}``
                and ``{pool_id}`` are an id or an e-mail address, ``{order_id}`` and ``{id}`` are
                text, and other names that end with ``_id`` are ids.
            query: Query parameters.
            json: Body.
            idempotent: Whether the request may be repeated; by default any may but a POST, and but
                one with relative values such as ``"+1"``, which the server adds to a number.

        Returns:
            The decoded JSON, or ``None`` for an empty response.

        Raises:
            ConfigurationError: There is no such method, an id is not one, a value cannot be sent,
                or the path would address something else.
            CleverReachError: As for any other call.
        """
        _check_operation(method, path)
        request = build_request(
            method.upper(),
            path.removeprefix("/v3") if path.startswith("/v3/") else path,
            path=path_params,
            query=query,
            json=json,
            idempotent=idempotent,
            accepts_false=True,
        )
        is_idempotent = idempotent is None and request.idempotent
        if is_idempotent and "receivers" in path and body_has_relative_values(request.content):
            request = attrs.evolve(request, idempotent=False)
        return decode_json(await self._transport.call(request), request)

    async def aclose(self) -> None:
        """Close the connections, unless the client shares those of another client."""
        if self._is_owner:
            await self._connections.aclose()

    async def __aenter__(self) -> Self:
        self._connections.check()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    if not TYPE_CHECKING:  # a type checker says so itself

        def __enter__(self) -> NoReturn:
            raise TypeError("use `async with CleverReach(…)`, inside of an async function")

        def __exit__(self, *exc_info: object) -> None:
            """Needed for the error of ``__enter__``."""

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):  # an error reporter shows it after a failed check
            return "<CleverReach without valid arguments>"
        return f"<CleverReach {self._transport.base_url} {self._connections.state}>"


def transport_of(client: CleverReach) -> Transport:
    """Return what sends the requests of a client, for the layers above.

    Raises:
        ConfigurationError: It is no client.
    """
    transport: Any = getattr(client, "_transport", None)
    if not isinstance(transport, Transport):
        raise ConfigurationError(f"the client is {kind_of(client)}; pass a CleverReach")
    return transport


def _root_of(auth: Auth, base_url: str | None, *, allow_http: bool) -> str:
    """Return the root of the server. That of the credentials has been checked already."""
    server = server_of(auth)
    if base_url is None:
        return server or DEFAULT_BASE_URL
    was_allowed = server is not None and server.startswith("http://")
    return server_root(base_url, allow_http=allow_http or was_allowed)


def _with_auth(transport: Transport, auth: Auth, shared: SharedAccount | None = None) -> Transport:
    """Return a transport with credentials, which are not sent to a server that they are not for."""
    server = server_of(auth)
    if server not in {None, transport.base_url}:
        raise ConfigurationError(
            f"the app is for the server {server}, and the client for {transport.base_url}: pass"
            " base_url= to OAuthApp only, or the same to both"
        )
    if shared is not None:
        check_shared(shared)
        if transport.requests_per_second is not None:
            raise ConfigurationError(
                "requests_per_second of a client is that of one process: tell it to the account"
                " that processes share, RedisAccount(…, requests_per_second=…), instead"
            )
    return transport.with_auth(auth, shared)


def _check_operation(method: object, path: object) -> None:
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise ConfigurationError(f"method is {method!r}; use GET, POST, PUT or DELETE")
    if not isinstance(path, str):
        raise ConfigurationError(f"path is {kind_of(path)}; pass text such as /groups")


def _check_options(**options: Any) -> None:
    if options.get("timeout") is not None:
        check_above_zero("timeout", options["timeout"], "number of seconds", may_be_infinite=True)
    observers = {name: options.get(name) for name in ("on_event", "on_response")}
    check_plain_functions(**observers)
    if "retry" in options and not isinstance(options["retry"], RetryPolicy):
        kind = kind_of(options["retry"])
        raise ConfigurationError(f"retry is {kind}; pass a RetryPolicy, with attempts=1 for none")
