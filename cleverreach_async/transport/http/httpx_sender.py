"""Send requests over a client of httpx or httpx2 that the user made."""

import math
import sys
from functools import lru_cache
from typing import Any

import anyio

from cleverreach_async.transport.http.bodies import read_response
from cleverreach_async.transport.http.exchange import (
    Failures,
    built,
    check_open,
    connect_seconds,
    exchange,
    timed_out,
)
from cleverreach_async.transport.http.leftover import refuse_leftover
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.shield import uninterrupted
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

__all__ = ["HttpxSender", "is_httpx_client"]


def is_httpx_client(client: Any) -> bool:
    """Whether it is an asynchronous client of httpx or httpx2."""
    is_async = hasattr(client, "build_request") and hasattr(client, "__aenter__")
    return is_async and hasattr(_library_of(client), "TransportError")


def _library_of(client: Any) -> Any:
    return sys.modules.get(type(client).__module__.partition(".")[0])


class HttpxSender:
    """Sends over the user's client, which is never closed or changed.

    Its proxies, TLS settings and HTTP version apply; its own authentication and redirects do not.

    Args:
        client: An ``httpx.AsyncClient`` or an ``httpx2.AsyncClient``.
    """

    def __init__(self, client: Any) -> None:
        library = _library_of(client)
        self._client = client
        self._make_request: Any = library.Request
        self._make_cookies: Any = library.Cookies
        self._url: Any = lru_cache(maxsize=256)(library.URL)
        self._pooled_transport: type = library.AsyncHTTPTransport
        self._failures = Failures(
            not_connected=(library.ConnectError, library.ProxyError, library.UnsupportedProtocol),
            not_connected_in_time=(library.ConnectTimeout, library.PoolTimeout),
            timeout=library.TimeoutException,
        )

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
        check_open(is_closed=self._client.is_closed)
        phases = {"connect": connect_seconds(timeout), "read": timeout, "write": timeout}
        extensions: dict[str, Any] = {"timeout": {**phases, "pool": None}}
        request = built(lambda: self._request(method, url, headers, content, extensions))
        deadline = _QueueDeadline(url, timeout, request) if self._has_queue() else None

        async def send_once() -> Response:
            return await exchange(
                lambda: self._respond(request),
                self._failures,
                url,
                timeout,
                stop=stop,
                on_scope=None if deadline is None else deadline.suspend,
            )

        # This pool is not ours, so no caller may cancel what is in flight.
        return await uninterrupted(send_once)

    def _request(
        self, method: str, url: str, headers: Headers, content: bytes, extensions: dict[str, Any]
    ) -> Any:
        # build_request() takes three times as long, replaces the query by the parameters of the
        # client, and fails with a cookie that cannot be sent.
        client = self._client
        address = self._url(url)
        if client.params:
            address = address.copy_with(params=client.params.merge(address.params))
        ours = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
        names = {name.lower() for name, _ in ours}
        defaults = [it for it in client.headers.raw if it[0].lower() not in names]
        return self._make_request(
            method,
            address,
            headers=defaults + ours,
            cookies=self._cookies(),
            content=content,
            extensions=extensions,
        )

    def _cookies(self) -> Any:
        """Return the cookies of the client, but for those that a server has set and none can send.

        One of them would end every later call of the client, of all accounts.
        """
        if not len(self._client.cookies):
            return None
        usable = self._make_cookies()
        for cookie in self._client.cookies.jar:
            text = f"{cookie.name}{cookie.value}"
            if text.isascii() and text.isprintable():
                usable.jar.set_cookie(cookie)
        return usable

    async def _respond(self, request: Any) -> Response:
        response = await self._client.send(request, stream=True, auth=None, follow_redirects=False)
        # A hook of the client may have read it, or a mocked transport made it.
        is_read = response.is_stream_consumed
        chunks = response.aiter_bytes() if is_read else response.stream
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in response.headers.raw
        ]
        try:
            result = await read_response(
                response.status_code, headers, chunks, is_decompressed=is_read
            )
            refuse_leftover(response.stream)
            return result
        finally:
            await response.aclose()

    def _has_queue(self) -> bool:
        """Whether requests of the client go through a pool that reports its progress.

        There is no public way to ask. Other transports, such as that for an application in this
        process, have no queue that a deadline could break.
        """
        return isinstance(getattr(self._client, "_transport", None), self._pooled_transport)

    async def aclose(self) -> None:
        """Do nothing: whoever made the client closes it."""


class _QueueDeadline:
    """The deadline of a request that may have to queue in a pool of the user's.

    Cancelling a queued request can cost the pool a connection for good. So the deadline takes
    effect when the library reports the first step on a connection. A request that is too late by
    then fails before anything is sent. The queue moves on, since each of its requests has a
    deadline.
    """

    def __init__(self, url: str, timeout: float | None, request: Any) -> None:
        self._url = url
        self._timeout = timeout
        self._deadline = math.inf
        self._scope: anyio.CancelScope | None = None
        # The library looks there before each step.
        self._extensions: dict[str, Any] = request.extensions
        self._extensions["trace"] = self.on_progress

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
        self._extensions.pop("trace", None)  # further steps are of no interest
        if anyio.current_time() >= self._deadline:
            raise timed_out(self._url, self._timeout or 0.0, sent=False)
        scope.deadline = self._deadline
