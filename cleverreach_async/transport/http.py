"""Send requests with httpx, translate its errors, and own the connection pools.

This is the only file that imports an HTTP library. Three defects of httpx 0.28.1 shape it:

* Cancelling a request can break its connection pool for good. So each exchange is shielded from
  the caller's cancellation and has a deadline of its own. A pool in which an exchange was cut off
  is retired: it takes no new request and is closed after its last one.
* The keep-alive limit also counts busy connections, so a lower limit than that of all connections
  reconnects for every request. Both limits are equal.
* A pool looks at every connection for every request. So requests are spread over small pools that
  share one TLS context.
"""

import importlib
import math
import ssl
import sys
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import anyio
import attrs
import httpx

from cleverreach_async.errors import (
    APIConnectionError,
    APITimeoutError,
    CleverReachError,
    ClientClosedError,
    ConfigurationError,
)
from cleverreach_async.transport.bodies import read_response
from cleverreach_async.transport.large_reads import enable_large_reads
from cleverreach_async.transport.redaction import drop_tracebacks, excerpt
from cleverreach_async.transport.shield import uninterrupted
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

__all__ = ["ClientSender", "Headers", "PooledSender", "Sender", "asgi_client", "make_sender"]

Headers = Sequence[tuple[str, str]]

_POOL_SIZE: Final = 10
_CONNECT_TIMEOUT: Final = 10.0
_CONNECT_SHARE: Final = 0.9
_MAX_REASON: Final = 300

# httpx does so in the first call, which would block the event loop for 0.1 to 0.3 s.
importlib.import_module("httpcore")


class Sender(Protocol):
    """Sends one request and returns its response, whatever the status."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Response:
        """Send one request and return its response.

        Args:
            method: HTTP method.
            url: Absolute URL.
            headers: All headers but ``Host`` and ``Content-Length``.
            content: Body bytes.
            timeout: Seconds from connecting to the last byte; ``None`` for no deadline.
            stop: Its abort cuts the exchange off.

        Raises:
            APITimeoutError: The deadline passed.
            APIConnectionError: There is no usable response.
        """
        ...

    async def aclose(self) -> None:
        """Close what this sender opened."""
        ...


def make_sender(http_client: Any, *, base_url: str, max_connections: int) -> Sender:
    """Return a sender over the user's own client, or over pools of its own."""
    if http_client is None:
        return PooledSender(base_url=base_url, max_connections=max_connections)
    return ClientSender(http_client)


@attrs.define(eq=False)
class _Pool:
    transport: httpx.AsyncHTTPTransport
    in_flight: int = 0
    retired: bool = False


class PooledSender:
    """Sends over small pools of its own, and opens more pools when more requests are in flight."""

    def __init__(self, *, base_url: str, max_connections: int = 100) -> None:
        self._base_url = base_url
        self._limit = anyio.Semaphore(max_connections)
        self._pools: list[_Pool] = []
        self._ssl_context: ssl.SSLContext | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Response:
        """See :meth:`Sender.send`."""
        extensions = {"timeout": _phase_timeouts(timeout)}
        request = _built(
            lambda: httpx.Request(
                method, url, headers=list(headers), content=content, extensions=extensions
            )
        )
        async with self._limit, self._borrow_pool() as pool:
            return await _exchange(
                lambda: pool.transport.handle_async_request(request), httpx, url, timeout, stop=stop
            )

    async def aclose(self) -> None:
        """Close every pool."""
        pools, self._pools = self._pools, []
        with anyio.CancelScope(shield=True):
            for pool in pools:
                await pool.transport.aclose()

    @asynccontextmanager
    async def _borrow_pool(self) -> AsyncGenerator[_Pool, None]:
        pool = self._pool_with_room()
        pool.in_flight += 1
        try:
            yield pool
        except BaseException as error:
            # These cancel inside the library: our deadline, an abort, or asyncio itself.
            was_cut_off = isinstance(error, APITimeoutError | _AbortedError)
            pool.retired |= was_cut_off or not isinstance(error, Exception)
            raise
        finally:
            pool.in_flight -= 1
            if pool.retired:
                await self._discard(pool)

    async def _discard(self, pool: _Pool) -> None:
        if pool in self._pools:
            self._pools.remove(pool)
        if not pool.in_flight:
            with anyio.CancelScope(shield=True):
                await pool.transport.aclose()

    def _pool_with_room(self) -> _Pool:
        for pool in self._pools:
            if pool.in_flight < _POOL_SIZE and not pool.retired:
                return pool
        pool = _Pool(self._open_pool())
        self._pools.append(pool)
        return pool

    def _open_pool(self) -> httpx.AsyncHTTPTransport:
        if self._ssl_context is None:
            self._ssl_context = _ssl_context(self._base_url)
        limits = httpx.Limits(max_connections=_POOL_SIZE, max_keepalive_connections=_POOL_SIZE)
        try:
            proxy = _environment_proxy(self._base_url)
            transport = httpx.AsyncHTTPTransport(
                verify=self._ssl_context, limits=limits, proxy=proxy
            )
        except (ImportError, ValueError) as error:
            raise ConfigurationError(
                f"the proxy set in the environment cannot be used: {type(error).__name__}; check "
                "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, and install httpx[socks] for SOCKS"
            ) from None
        enable_large_reads(transport)
        return transport


class ClientSender:
    """Sends over a client of httpx or httpx2 that the user made.

    The client is never closed or changed. Its proxies, TLS settings and HTTP version apply; its
    own authentication and redirects do not.
    """

    def __init__(self, client: Any) -> None:
        library = sys.modules.get(type(client).__module__.partition(".")[0])
        is_async = hasattr(client, "build_request") and hasattr(client, "__aenter__")
        if not is_async or not hasattr(library, "TransportError"):
            raise ConfigurationError(
                "http_client must be an httpx.AsyncClient or an httpx2.AsyncClient, "
                f"not {type(client).__name__}"
            )
        self._client = client
        self._library: Any = library

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Response:
        """See :meth:`Sender.send`."""
        if self._client.is_closed:
            raise ClientClosedError("the http_client is closed; keep it open while this client is")
        extensions: dict[str, Any] = {"timeout": _phase_timeouts(timeout)}
        deadline = _QueueDeadline(url, timeout) if self._has_queue() else None
        if deadline is not None:
            extensions["trace"] = deadline.on_progress
        request = _built(
            lambda: self._client.build_request(
                method, url, headers=list(headers), content=content, extensions=extensions
            )
        )

        async def exchange() -> Response:
            return await _exchange(
                lambda: self._client.send(request, stream=True, auth=None, follow_redirects=False),
                self._library,
                url,
                timeout,
                deadline,
                stop=stop,
            )

        # This pool is not ours, so it cannot be retired; no caller may cancel what is in flight.
        return await uninterrupted(exchange)

    def _has_queue(self) -> bool:
        """Whether requests of the client go through a pool that reports its progress.

        There is no public way to ask. Other transports, such as that for an application in this
        process, have no queue that a deadline could break.
        """
        return isinstance(
            getattr(self._client, "_transport", None), self._library.AsyncHTTPTransport
        )

    async def aclose(self) -> None:
        """Do nothing: whoever made the client closes it."""


def asgi_client(app: Any) -> Any:
    """Return a client that calls an ASGI application in this process, without a socket."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app))


class _QueueDeadline:
    """The deadline of a request that may have to queue in a pool of the user's.

    Cancelling a queued request can cost the pool a connection for good. So the deadline takes
    effect when the library reports the first step on a connection. A request that is too late by
    then fails before anything is sent. The queue moves on, since each of its requests has a
    deadline.
    """

    def __init__(self, url: str, timeout: float | None) -> None:
        self._url = url
        self._timeout = timeout
        self._deadline = math.inf
        self._scope: anyio.CancelScope | None = None

    def suspend(self, scope: anyio.CancelScope) -> None:
        """Take the deadline off a scope until the first step."""
        self._scope = scope
        self._deadline = scope.deadline
        scope.deadline = math.inf

    async def on_progress(self, step: str, info: Any) -> None:
        """Set the deadline at the first step. The library calls this."""
        del step, info
        scope, self._scope = self._scope, None
        if scope is None:
            return
        if anyio.current_time() >= self._deadline:
            raise _timed_out(urlsplit(self._url).netloc, self._timeout or 0.0, sent=False)
        scope.deadline = self._deadline


def _built(build: Callable[[], Any]) -> Any:
    """Return a request of the library.

    Raises:
        ConfigurationError: The library refuses its URL or headers.
    """
    try:
        return build()
    except Exception as error:  # noqa: BLE001 - whatever a library raises
        kind = type(error).__name__
    # Not raised while the other error is handled, because that may hold a header.
    raise ConfigurationError(
        f"the HTTP library refuses the URL or a header of the request ({kind}): check base_url and"
        " the token"
    )


class _AbortedError(APIConnectionError):
    """The exchange was cut off on purpose."""


async def _exchange(
    send: Callable[[], Awaitable[Any]],
    library: Any,
    url: str,
    timeout: float | None,
    deadline: _QueueDeadline | None = None,
    *,
    stop: Stop | None = None,
) -> Response:
    """Send a request and read its response, shielded from the caller's cancellation."""
    host = urlsplit(url).netloc
    seconds = math.inf if timeout is None else timeout
    stop = stop or Stop()
    with anyio.move_on_after(seconds, shield=True) as scope, stop.cutting(scope):
        if deadline is not None:
            deadline.suspend(scope)
        try:
            return await read_response(await send())
        except library.TimeoutException as error:
            sent = not isinstance(error, library.ConnectTimeout | library.PoolTimeout)
            raise _timed_out(host, seconds, sent=sent) from drop_tracebacks(error)
        except (library.ConnectError, library.ProxyError, library.UnsupportedProtocol) as error:
            message = f"cannot reach {host}: {_reason(error)}"
            raise APIConnectionError(message, sent=False) from drop_tracebacks(error)
        except CleverReachError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library raises
            message = f"the connection to {host} failed: {_reason(error)}"
            raise APIConnectionError(message, sent=True) from drop_tracebacks(error)
    if stop.aborted:
        raise _AbortedError(f"the request to {host} was aborted", sent=True)
    raise _timed_out(host, seconds, sent=True)


def _reason(error: Exception) -> str:
    return excerpt(str(error), _MAX_REASON) or type(error).__name__


def _timed_out(host: str, seconds: float, *, sent: bool) -> APITimeoutError:
    stage = "no response from" if sent else "no connection to"
    return APITimeoutError(f"{stage} {host} within {seconds:g} s", sent=sent)


def _phase_timeouts(timeout: float | None) -> dict[str, float | None]:
    """Return the library's timeouts per phase; the deadline limits their sum.

    Connecting gets less than the total, so that a request that was never sent can be recognised.
    """
    connect = _CONNECT_TIMEOUT
    if timeout is not None:
        connect = min(timeout * _CONNECT_SHARE, _CONNECT_TIMEOUT)
    return {"connect": connect, "read": timeout, "write": timeout, "pool": None}


def _ssl_context(base_url: str) -> ssl.SSLContext:
    if urlsplit(base_url).scheme == "https":
        return httpx.create_ssl_context()
    # Loading the certificates takes 17 ms, and plain HTTP needs none. This context trusts nobody.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _environment_proxy(base_url: str) -> httpx.Proxy | None:
    """Return the proxy for a server from ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``."""
    server = urlsplit(base_url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(server.netloc):
        return None
    return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
