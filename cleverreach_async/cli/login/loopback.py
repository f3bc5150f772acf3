"""A web server for one visit: the browser that comes back from the page of consent."""

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

_NO_HTTP: Final = (anyio.BrokenResourceError, anyio.DelimiterNotFound, anyio.IncompleteRead)
_MOST_BYTES: Final = 16_384
_PATIENCE: Final = 10.0

_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font-family: sans-serif; margin: 15vh auto; max-width: 30em; text-align: center">
<h1>{title}</h1><p>{text}</p></body></html>
"""


class Loopback:
    """The visit that is waited for.

    Attributes:
        port: Where it is waited for.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._query: dict[str, str] = {}
        self._page = b""
        self._arrived = anyio.Event()
        self._decided = anyio.Event()
        self._shown = anyio.Event()

    @property
    def url(self) -> str:
        """The address that browsers are to be sent back to."""
        return f"http://localhost:{self.port}{PATH}"

    async def visit(self) -> Mapping[str, str]:
        """Wait for the visit, and return the parameters it brings."""
        await self._arrived.wait()
        return self._query

    async def show(self, title: str, text: str, *, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Answer the visit; returns when the page is on its way, or the visitor has gone.

        Args:
            title: What happened.
            text: What to do now.
            status: The HTTP status.
        """
        self._page = _answer(status, title, text)
        self._decided.set()
        with anyio.move_on_after(_PATIENCE):
            await self._shown.wait()

    async def handle(self, stream: ByteStream) -> None:
        """Serve one connection, of which a browser may open several and leave some unused."""
        async with stream:
            target = await _read_target(stream)
            if target is None:
                return
            if urlsplit(target).path == PATH and not self._arrived.is_set():
                await self._serve_visit(stream, target)
            else:
                page = _answer(HTTPStatus.NOT_FOUND, "Not found", "There is nothing to be seen.")
                await _send(stream, page)

    async def _serve_visit(self, stream: ByteStream, target: str) -> None:
        self._query = dict(parse_qsl(urlsplit(target).query))
        self._arrived.set()
        await self._decided.wait()
        await _send(stream, self._page)
        self._shown.set()


async def _read_target(stream: ByteStream) -> str | None:
    """Return what a GET request asks for; ``None`` when it is no HTTP or does not come."""
    received = BufferedByteReceiveStream(stream)
    with anyio.move_on_after(_PATIENCE):
        try:
            head = await received.receive_until(b"\r\n\r\n", _MOST_BYTES)
            method, target, _ = head.partition(b"\r\n")[0].decode("ascii").split(" ")
        except (*_NO_HTTP, ValueError):
            return None
        return target if method == "GET" else ""
    return None


async def _send(stream: ByteStream, page: bytes) -> None:
    """Send a page, if somebody is still there to see it."""
    with anyio.move_on_after(_PATIENCE), suppress(anyio.BrokenResourceError):
        await stream.send(page)


def _answer(status: HTTPStatus, title: str, text: str) -> bytes:
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
    """Listen on this computer only, for as long as the block lasts.

    Args:
        port: The port; 0 for a free one.

    Raises:
        ConfigurationError: The port is not free.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=HOST, local_port=port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {HOST} port {port}: {error.strerror or error}; --port takes another"
            " one, whose address has to be registered with the app too"
        ) from None
    faults: list[Exception] = []
    async with listener, anyio.create_task_group() as tasks:
        loopback = Loopback(listener.extra(SocketAttribute.local_port))  # noqa: S610 - no Django
        tasks.start_soon(listener.serve, loopback.handle)
        try:
            yield loopback
        except Exception as error:  # noqa: BLE001 - raised below, outside of the task group
            faults.append(error)
        tasks.cancel_scope.cancel()
    if faults:
        raise faults[0]
