"""The only file that knows the HTTP library: send bytes, translate errors, own the pool.

httpx 0.28.1 has three defects that shape this file:

* A request that is cancelled can poison its connection pool for good. So every exchange runs
  shielded from the caller's cancellation under a deadline of its own, and a pool in which that
  deadline struck is retired: it takes no new request and is closed with its last one.
* The keep-alive limit counts busy connections, so a lower one reopens a connection per request.
  Both limits are therefore equal.
* The pool looks at every connection for every request. So requests are spread over small pools
  that share one TLS context.
"""

import math
import ssl
import sys
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import anyio
import attrs
import httpx

from cleverreach_async.errors import (
    APIConnectionError,
    APITimeoutError,
    ClientClosedError,
    ConfigurationError,
)
from cleverreach_async.transport.large_reads import enable_large_reads
from cleverreach_async.transport.shield import uninterrupted
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

__all__ = ["ClientSender", "Headers", "PooledSender", "Sender", "asgi_client", "make_sender"]

Headers = Sequence[tuple[str, str]]

_POOL_SIZE: Final = 10
_CONNECT_TIMEOUT: Final = 10.0
_CONNECT_SHARE: Final = 0.9
_MAX_RESPONSE_BYTES: Final = 64 * 1024 * 1024


class Sender(Protocol):
    """Sends one request and returns its answer, whatever the status."""

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
        """Exchange one request for one answer.

        Args:
            method: HTTP method.
            url: Absolute URL.
            headers: All headers but ``Host`` and ``Content-Length``.
            content: Body bytes.
            timeout: Seconds from connecting to the last byte; ``None`` for no deadline.
            stop: Its abort cuts the exchange short.

        Raises:
            APITimeoutError: The deadline passed.
            APIConnectionError: No usable answer.
        """
        ...

    async def aclose(self) -> None:
        """Close what this sender opened."""
        ...


def make_sender(http_client: Any, *, base_url: str, max_connections: int) -> Sender:
    """Return a sender over the user's own client, or over pools that the sender owns."""
    if http_client is None:
        return PooledSender(base_url=base_url, max_connections=max_connections)
    return ClientSender(http_client)


@attrs.define(eq=False)
class _Pool:
    transport: httpx.AsyncHTTPTransport
    in_flight: int = 0
    retired: bool = False


class PooledSender:
    """Sends over small pools of its own; more are opened as more requests are in flight."""

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
        request = httpx.Request(
            method,
            url,
            headers=list(headers),
            content=content,
            extensions={"timeout": _timeouts(timeout)},
        )
        async with self._limit, self._borrow() as pool:
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
    async def _borrow(self) -> AsyncGenerator[_Pool, None]:
        pool = self._pool_with_room()
        pool.in_flight += 1
        try:
            yield pool
        except APIConnectionError as error:
            # Our deadline cancels inside the library too, as an abort does; other faults do not.
            pool.retired |= isinstance(error, APITimeoutError | _AbortedError)
            raise
        except Exception:
            raise
        except BaseException:
            pool.retired = True
            raise
        finally:
            pool.in_flight -= 1
            await self._dispose(pool)

    async def _dispose(self, pool: _Pool) -> None:
        if pool.retired and pool in self._pools:
            self._pools.remove(pool)
        if pool.retired and not pool.in_flight:
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
                f"the proxy of the environment cannot be used: {type(error).__name__}; check "
                "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, and install httpx[socks] for SOCKS"
            ) from None
        enable_large_reads(transport)
        return transport


class ClientSender:
    """Sends over a client that the user made, of httpx or httpx2.

    The client is never closed or changed. Its proxies, TLS settings and HTTP version apply; its
    own authentication and redirects do not.
    """

    def __init__(self, client: Any) -> None:
        library = sys.modules.get(type(client).__module__.partition(".")[0])
        if not hasattr(client, "build_request") or not hasattr(library, "TransportError"):
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
            raise ClientClosedError("the http_client is closed; it has to outlive this client")
        patience = _Patience(url, timeout) if self._has_queue() else None
        extensions: dict[str, Any] = {"timeout": _timeouts(timeout)}
        if patience is not None:
            extensions["trace"] = patience.on_progress
        request = self._client.build_request(
            method,
            url,
            headers=list(headers),
            content=content,
            extensions=extensions,
        )

        async def exchange() -> Response:
            return await _exchange(
                lambda: self._client.send(request, stream=True, auth=None, follow_redirects=False),
                self._library,
                url,
                timeout,
                patience,
                stop=stop,
            )

        # A pool that is not ours cannot be retired, so no caller may cancel what is under way.
        return await uninterrupted(exchange)

    def _has_queue(self) -> bool:
        """Whether the client's requests go through a pool that tells of its steps.

        Nothing public says so. A transport of another kind, for an application in this process
        say, has no queue that a deadline could harm.
        """
        return isinstance(
            getattr(self._client, "_transport", None), self._library.AsyncHTTPTransport
        )

    async def aclose(self) -> None:
        """Do nothing: the client belongs to its maker."""


def asgi_client(app: Any) -> Any:
    """Return a client that calls an ASGI application in this process, without a socket."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app))


class _Patience:
    """Keeps the deadline of a request that may have to queue in a pool that is not ours.

    Cancelling a request in that queue can cost the pool a place for good. So the deadline is set
    when the library tells of the first step on a connection; a request for which that comes too
    late gives up then, before anything is sent. The queue moves, since each of its requests has a
    deadline.
    """

    def __init__(self, url: str, timeout: float | None) -> None:
        self._url = url
        self._timeout = timeout
        self._until = math.inf
        self._scope: anyio.CancelScope | None = None

    def begin(self, scope: anyio.CancelScope) -> None:
        """Count from now, but do not strike yet."""
        self._scope = scope
        self._until = scope.deadline
        scope.deadline = math.inf

    async def on_progress(self, step: str, info: Any) -> None:
        """Set the deadline at the first step; the library calls this."""
        del step, info
        scope, self._scope = self._scope, None
        if scope is None:
            return
        if anyio.current_time() < self._until:
            scope.deadline = self._until
        else:
            raise _timed_out(urlsplit(self._url).netloc, self._timeout or 0.0, sent=False)


class _AbortedError(APIConnectionError):
    """The exchange was cut short on purpose."""


async def _exchange(
    open_answer: Callable[[], Awaitable[Any]],
    library: Any,
    url: str,
    timeout: float | None,
    patience: _Patience | None = None,
    *,
    stop: Stop | None = None,
) -> Response:
    """Send and read one answer, shielded from the caller's cancellation."""
    host = urlsplit(url).netloc
    seconds = math.inf if timeout is None else timeout
    stop = stop or Stop()
    with anyio.move_on_after(seconds, shield=True) as scope, stop.cutting(scope):
        if patience is not None:
            patience.begin(scope)
        try:
            return await _read(await open_answer())
        except library.TimeoutException as error:
            sent = not isinstance(error, library.ConnectTimeout | library.PoolTimeout)
            raise _timed_out(host, seconds, sent=sent) from _frameless(error)
        except (library.ConnectError, library.ProxyError, library.UnsupportedProtocol) as error:
            message = f"cannot reach {host}: {error}"
            raise APIConnectionError(message, sent=False) from _frameless(error)
        except (
            library.TransportError,
            library.DecodingError,
            library.StreamError,
            OSError,
        ) as error:
            message = f"the connection to {host} failed: {str(error) or type(error).__name__}"
            raise APIConnectionError(message, sent=True) from _frameless(error)
    if stop.aborted:
        raise _AbortedError(f"the exchange with {host} was broken off", sent=True)
    raise _timed_out(host, seconds, sent=True)


async def _read(answer: Any) -> Response:
    """Read the body up to the cap, decoded; a larger one is a fault, not a memory problem."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with aclosing(answer.aiter_bytes()) as body:
            async for chunk in body:
                size += len(chunk)
                if size > _MAX_RESPONSE_BYTES:
                    raise APIConnectionError(
                        f"the answer is larger than {_MAX_RESPONSE_BYTES} bytes", sent=True
                    )
                chunks.append(chunk)
    finally:
        await answer.aclose()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status_code, headers, b"".join(chunks))


def _frameless(error: BaseException) -> BaseException:
    """Return the library's error without its stack, whose variables hold the headers as sent."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


def _timed_out(host: str, seconds: float, *, sent: bool) -> APITimeoutError:
    stage = "no answer from" if sent else "no connection to"
    return APITimeoutError(f"{stage} {host} within {seconds:g} s", sent=sent)


def _timeouts(timeout: float | None) -> dict[str, float | None]:
    """Spread a total over the library's phases; the total itself is kept by the deadline.

    Connecting gets less than the total, so that a request that was never sent can be told.
    """
    connect = _CONNECT_TIMEOUT
    if timeout is not None:
        connect = min(timeout * _CONNECT_SHARE, _CONNECT_TIMEOUT)
    return {"connect": connect, "read": timeout, "write": timeout, "pool": None}


def _ssl_context(base_url: str) -> ssl.SSLContext:
    if urlsplit(base_url).scheme == "https":
        return httpx.create_ssl_context()
    # Loading the certificates takes 17 ms; a plain-text server needs none. This trusts nobody.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _environment_proxy(base_url: str) -> httpx.Proxy | None:
    """Return the proxy that ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name for a server."""
    server = urlsplit(base_url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(server.netloc):
        return None
    return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
