"""A web server for one request: the browser that is redirected to it after the login.

Any web page can send requests to it, and so can any program on this computer. It takes the one with
the state of this login, sent to its own name, and waits on after all others.
"""

import errno
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from html import escape
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.stapled import MultiListener

from cleverreach_async.auth.app import check_state
from cleverreach_async.errors import ConfigurationError, TokenError

__all__ = ["Loopback", "listening"]

HOST: Final = "127.0.0.1"
HOST_6: Final = "::1"
PATH: Final = "/callback"

_NOT_HTTP: Final = (anyio.BrokenResourceError, anyio.DelimiterNotFound, anyio.IncompleteRead)
_MAX_HEAD_BYTES: Final = 16_384
_TIMEOUT: Final = 10.0
_FREE_PORT_ATTEMPTS: Final = 10

_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font-family: sans-serif; margin: 15vh auto; max-width: 30em; text-align: center">
<h1>{title}</h1><p>{text}</p></body></html>
"""


class Loopback:
    """The server that waits for the redirected browser.

    Args:
        port: The port that it listens on.
        state: The state of the login.

    Attributes:
        port: The port that it listens on.
    """

    def __init__(self, port: int, state: str) -> None:
        self.port = port
        self._state = state
        self._names = {f"{name}:{port}" for name in ("localhost", HOST, f"[{HOST_6}]")}
        self._query = ""
        self._page = b""
        self._received = anyio.Event()
        self._has_page = anyio.Event()
        self._sent = anyio.Event()

    @property
    def url(self) -> str:
        """The redirect URI."""
        return f"http://localhost:{self.port}{PATH}"

    async def wait(self) -> str:
        """Wait for the browser and return the query string of its request."""
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
            request = await _read_request(stream)
            if request is None:
                return
            path, query, hosts = request
            if path != PATH or self._received.is_set() or not self._is_own_name(hosts):
                page = _response(HTTPStatus.NOT_FOUND, "Not found", "This page does not exist.")
                await _send(stream, page)
            elif not self._is_own_state(query):
                text = "This is another login. Continue on the page that the terminal shows."
                await _send(stream, _response(HTTPStatus.BAD_REQUEST, "Not logged in", text))
            else:
                await self._serve_callback(stream, query)

    def _is_own_name(self, hosts: list[str]) -> bool:
        """Whether the browser asked for this computer, not for a name that resolves to it."""
        return len(hosts) == 1 and hosts[0] in self._names

    def _is_own_state(self, query: str) -> bool:
        states = [value for name, value in parse_qsl(query) if name == "state"]
        try:
            check_state(self._state, states[0] if len(states) == 1 else None)
        except TokenError:
            return False
        return True

    async def _serve_callback(self, stream: ByteStream, query: str) -> None:
        self._query = query
        self._received.set()
        await self._has_page.wait()
        await _send(stream, self._page)
        self._sent.set()


async def _read_request(stream: ByteStream) -> tuple[str, str, list[str]] | None:
    """Return path, query and ``Host`` headers of a request; ``None`` without a request.

    The path is empty if the method is not GET.
    """
    received = BufferedByteReceiveStream(stream)
    with anyio.move_on_after(_TIMEOUT):
        try:
            head = await received.receive_until(b"\r\n\r\n", _MAX_HEAD_BYTES)
            first, *fields = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
        except (*_NOT_HTTP, ValueError):
            return None
        path, _, query = target.partition("#")[0].partition("?")
        pairs = [field.partition(":") for field in fields]
        hosts = [value.strip().lower() for name, _, value in pairs if name.lower() == "host"]
        return (path if method == "GET" else ""), query, hosts
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
async def listening(port: int, state: str) -> AsyncGenerator[Loopback, None]:
    """Listen on the loopback addresses during the block.

    Args:
        port: The port; 0 for a free one.
        state: The state of the login.

    Raises:
        ConfigurationError: The port is not free.
    """
    errors: list[Exception] = []
    async with AsyncExitStack() as stack:
        listeners = await _listen(port)
        for listener in listeners:
            await stack.enter_async_context(listener)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        loopback = Loopback(_port_of(listeners[0]), state)
        for listener in listeners:
            tasks.start_soon(listener.serve, loopback.handle)
        try:
            yield loopback
        except Exception as error:  # noqa: BLE001 - raised below, outside the task group
            errors.append(error)
        tasks.cancel_scope.cancel()
    if errors:
        raise errors[0]


async def _listen(port: int) -> list[MultiListener[SocketStream]]:
    """Listen on both addresses of ``localhost``, or on one where the computer has no IPv6.

    Another program that listens on the other address would get the callback instead.
    """
    for _ in range(_FREE_PORT_ATTEMPTS):
        first = await _listen_on(HOST, port)
        try:
            return [first, await _listen_on(HOST_6, _port_of(first))]
        except _NoIPv6Error:
            return [first]
        except ConfigurationError:
            await first.aclose()
            if port:
                raise
    raise ConfigurationError("no port is free on both 127.0.0.1 and ::1; choose one with --port")


class _NoIPv6Error(Exception):
    """The computer has no such address."""


async def _listen_on(host: str, port: int) -> MultiListener[SocketStream]:
    try:
        return await anyio.create_tcp_listener(local_host=host, local_port=port)
    except OSError as error:
        if host == HOST_6 and error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise _NoIPv6Error from None
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; choose another with"
            " --port, and register its redirect URI with the app too"
        ) from None


def _port_of(listener: MultiListener[SocketStream]) -> int:
    port: int = listener.extra(SocketAttribute.local_port)
    return port
