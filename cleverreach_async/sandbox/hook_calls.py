"""The requests that webhooks send, and the ways to send them."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from socket import SHUT_RDWR, socket
from ssl import SSLContext
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import anyio.to_thread
from starlette.types import ASGIApp

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """A request to a webhook.

    Attributes:
        method: GET for the verification, POST for a delivery.
        url: The registered URL, with the query of a verification.
        headers: The headers.
        body: The body.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The response of a webhook.

    Attributes:
        status_code: The HTTP status.
        headers: The headers; names are in lower case.
        body: The body.
    """

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


Deliver = Callable[[WebhookCall], Awaitable[WebhookAnswer]]
"""Sends a request to a webhook. An exception means that there is no response."""


def deliver_to_app(app: ASGIApp) -> Deliver:
    """Return a function that calls an ASGI application in this process, whatever the host is."""

    async def deliver(call: WebhookCall) -> WebhookAnswer:
        unread = [call.body]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            """Return the body, and then that the client is gone."""
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            """Store a part of the response."""
            sent.append(message)

        await app(_scope(call), receive, send)
        start, *parts = sent
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in start["headers"]}
        body = b"".join(part.get("body", b"") for part in parts)
        return WebhookAnswer(start["status"], headers, body)

    return deliver


def _scope(call: WebhookCall) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    url = urlsplit(call.url)
    headers = {"host": url.netloc, "content-length": str(len(call.body))} | dict(call.headers)
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": url.scheme,
        "path": unquote(url.path) or "/",
        "raw_path": url.path.encode() or b"/",
        "root_path": "",
        "query_string": url.query.encode(),
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        "client": ("203.0.113.1", 40_000),
        "server": (url.hostname or "", _port(url)),
    }


def deliver_over_http(timeout: float = 10.0, *, context: SSLContext | None = None) -> Deliver:
    """Return a function that sends requests over the network, in a thread. It follows no redirect.

    Args:
        timeout: Seconds for each step of the connection.
        context: Whom to trust over https, such as a certificate authority of your own; by default
            the authorities of the system.
    """

    async def deliver(call: WebhookCall) -> WebhookAnswer:
        connection = _connection(call, timeout, context)
        send = partial(_send, call, connection)
        try:
            return await anyio.to_thread.run_sync(send, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            _end(connection)
            raise

    return deliver


def _connection(call: WebhookCall, timeout: float, context: SSLContext | None) -> HTTPConnection:
    """Return the connection for a request; it is not open yet."""
    url = urlsplit(call.url)
    host, port = url.hostname or "", _port(url)
    if url.scheme == "https":
        return HTTPSConnection(host, port, timeout=timeout, context=context)
    return HTTPConnection(host, port, timeout=timeout)


def _end(connection: HTTPConnection) -> None:
    """End what a thread waits for on a connection: Python does not exit before the thread does."""
    open_socket: socket | None = connection.sock
    if open_socket is not None:
        with suppress(OSError):
            open_socket.shutdown(SHUT_RDWR)


def _send(call: WebhookCall, connection: HTTPConnection) -> WebhookAnswer:
    """Send a request and wait for the response."""
    url = urlsplit(call.url)
    try:
        target = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        connection.request(call.method, target, call.body or None, dict(call.headers))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return WebhookAnswer(response.status, headers, response.read(65_536))
    finally:
        connection.close()


def _port(url: SplitResult) -> int:
    """Return the port of a URL."""
    return url.port or _PORTS[url.scheme]
