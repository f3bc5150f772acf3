"""A web server for one request: the browser that is redirected to it after the login."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from html import escape
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

from cleverreach_async.errors import ConfigurationError

__all__ = ["Loopback", "listening"]

HOST: Final = "127.0.0.1"
PATH: Final = "/callback"

_NOT_HTTP: Final = (anyio.BrokenResourceError, anyio.DelimiterNotFound, anyio.IncompleteRead)
_MAX_HEAD_BYTES: Final = 16_384
_TIMEOUT: Final = 10.0

_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font-family: sans-serif; margin: 15vh auto; max-width: 30em; text-align: center">
<h1>{title}</h1><p>{text}</p></body></html>
"""


class Loopback:
    """The server that waits for the redirected browser.

    Attributes:
        port: The port that it listens on.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._query: dict[str, str] = {}
        self._page = b""
        self._received = anyio.Event()
        self._has_page = anyio.Event()
        self._sent = anyio.Event()

    @property
    def url(self) -> str:
        """The redirect URI."""
        return f"http://localhost:{self.port}{PATH}"

    async def wait(self) -> Mapping[str, str]:
        """Wait for the browser and return the query parameters of its request."""
        await self._received.wait()
        return self._query

    async def respond(self, title: str, text: str, *, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Respond with a page; return when it is sent or the browser is gone.

        Args:
            title: Heading of the page.
            text: Text below it.
            status: The HTTP status.
        """
        self._page = _response(status, title, text)
        self._has_page.set()
        with anyio.move_on_after(_TIMEOUT):
            await self._sent.wait()

    async def handle(self, stream: ByteStream) -> None:
        """Serve a connection. A browser may open several and leave some unused."""
        async with stream:
            target = await _read_target(stream)
            if target is None:
                return
            if urlsplit(target).path == PATH and not self._received.is_set():
                await self._serve_callback(stream, target)
            else:
                page = _response(HTTPStatus.NOT_FOUND, "Not found", "This page does not exist.")
                await _send(stream, page)

    async def _serve_callback(self, stream: ByteStream, target: str) -> None:
        self._query = dict(parse_qsl(urlsplit(target).query))
        self._received.set()
        await self._has_page.wait()
        await _send(stream, self._page)
        self._sent.set()


async def _read_target(stream: ByteStream) -> str | None:
    """Return the target of a GET request, ``""`` for another method, ``None`` without a request."""
    received = BufferedByteReceiveStream(stream)
    with anyio.move_on_after(_TIMEOUT):
        try:
            head = await received.receive_until(b"\r\n\r\n", _MAX_HEAD_BYTES)
            method, target, _ = head.partition(b"\r\n")[0].decode("ascii").split(" ")
        except (*_NOT_HTTP, ValueError):
            return None
        return target if method == "GET" else ""
    return None


async def _send(stream: ByteStream, page: bytes) -> None:
    """Send a page unless the connection is closed."""
    with anyio.move_on_after(_TIMEOUT), suppress(anyio.BrokenResourceError):
        await stream.send(page)


def _response(status: HTTPStatus, title: str, text: str) -> bytes:
    page = _PAGE.format(title=escape(title), text=escape(text)).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(page)}\r\n"
        "Cache-Control: no-store\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + page


@asynccontextmanager
async def listening(port: int) -> AsyncGenerator[Loopback, None]:
    """Listen on the loopback address during the block.

    Args:
        port: The port; 0 for a free one.

    Raises:
        ConfigurationError: The port is not free.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=HOST, local_port=port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {HOST} port {port}: {error.strerror or error}; choose another with"
            " --port, and register its redirect URI with the app too"
        ) from None
    errors: list[Exception] = []
    async with listener, anyio.create_task_group() as tasks:
        loopback = Loopback(listener.extra(SocketAttribute.local_port))  # noqa: S610 - no Django
        tasks.start_soon(listener.serve, loopback.handle)
        try:
            yield loopback
        except Exception as error:  # noqa: BLE001 - raised below, outside the task group
            errors.append(error)
        tasks.cancel_scope.cancel()
    if errors:
        raise errors[0]
