"""Send requests over a pool of our own, with the connections of httpcore.

The pools of httpcore 1.0.9 can break for good when a request is cancelled, and look at every
connection for every request. Its connections have neither defect.
"""

from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from cleverreach_async.transport.http.bodies import read_response
from cleverreach_async.transport.http.exchange import Failures, built, connect_seconds, exchange
from cleverreach_async.transport.http.leftover import refuse_leftover
from cleverreach_async.transport.http.library import httpcore
from cleverreach_async.transport.http.network import NetworkBackend
from cleverreach_async.transport.http.pool import ConnectionPool
from cleverreach_async.transport.http.proxies import ProxyConnection, environment_proxy
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.http.tls import tls_context
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

__all__ = ["PooledSender"]

_KEEP_ALIVE: Final = 5.0
"""Seconds for which an unused connection stays open. Some servers close it soon after."""

_FAILURES: Final = Failures(
    not_connected=(httpcore.ConnectError, httpcore.ProxyError, httpcore.UnsupportedProtocol),
    not_connected_in_time=(httpcore.ConnectTimeout, httpcore.PoolTimeout),
    timeout=httpcore.TimeoutException,
)
_METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})

_Connection = httpcore.AsyncHTTPConnection | ProxyConnection


class PooledSender:
    """Sends requests to one server, over connections of its own.

    Args:
        base_url: The server's root.
        max_connections: Most connections at a time.

    Raises:
        ConfigurationError: The environment names a proxy that cannot be used.
    """

    def __init__(self, *, base_url: str, max_connections: int = 100) -> None:
        server = urlsplit(base_url)
        self._root = f"{server.scheme}://{server.netloc}"
        self._host = server.netloc.encode("ascii")
        self._origin: dict[str, Any] = {
            "scheme": server.scheme.encode("ascii"),
            "host": (server.hostname or "").encode("ascii"),
            "port": server.port,
        }
        self._options: dict[str, Any] = {
            "ssl_context": None,
            "keepalive_expiry": _KEEP_ALIVE,
            "network_backend": NetworkBackend(),
        }
        self._needs_tls = server.scheme == "https"
        self._proxy = environment_proxy(base_url)
        self.pool: ConnectionPool[_Connection] = ConnectionPool(
            self._open_connection, max_connections
        )
        if self._proxy:
            self._open_connection()  # a proxy that cannot be used is an error now

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
        request = built(lambda: self._request(method, url, headers, content, timeout))
        if self._needs_tls and self._options["ssl_context"] is None:
            # Loading the certificates would block the event loop.
            self._options["ssl_context"] = await anyio.to_thread.run_sync(tls_context)

        async def send_over(connection: _Connection) -> Response:
            return await exchange(
                lambda: _respond(connection, request), _FAILURES, url, timeout, stop=stop
            )

        return await self.pool.use(send_over)

    async def aclose(self) -> None:
        """Close the connections."""
        with anyio.CancelScope(shield=True):
            await self.pool.aclose()

    def _open_connection(self) -> _Connection:
        if self._proxy is not None:
            return ProxyConnection(self._proxy, **self._options)
        return httpcore.AsyncHTTPConnection(
            httpcore.URL(**self._origin, target=b"/").origin, **self._options
        )

    def _request(
        self, method: str, url: str, headers: Headers, content: bytes, timeout: float | None
    ) -> httpcore.Request:
        target = url.removeprefix(self._root) or "/"
        if not target.startswith("/") or not target.isprintable() or " " in target:
            raise ValueError("the URL is for another server, or invalid")
        if not all(value.isprintable() for _, value in headers):
            raise ValueError("a header is invalid")
        encoded = [(b"Host", self._host)]
        encoded += [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
        if content or method in _METHODS_WITH_BODY:
            encoded.append((b"Content-Length", b"%d" % len(content)))
        return httpcore.Request(
            method,
            httpcore.URL(**self._origin, target=target.encode("ascii")),
            headers=encoded,
            content=content,
            extensions={"timeout": {"connect": connect_seconds(timeout)}},
        )


async def _respond(connection: _Connection, request: httpcore.Request) -> Response:
    response = await connection.handle_async_request(request)
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers
    ]
    try:
        result = await read_response(response.status, headers, response.aiter_stream())
        refuse_leftover(response.stream)
        return result
    finally:
        await response.aclose()
