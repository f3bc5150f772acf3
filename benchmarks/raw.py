"""The limit: bodies that were encoded before, over connections without an HTTP library.

Nothing is encoded, parsed or decoded but the length of the response.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast
from urllib.parse import urlsplit

__all__ = ["SendBodies", "open_raw"]

SendBodies = Callable[[Sequence[bytes]], Awaitable[None]]
"""Sends bodies, and returns when every response is there."""

_END: Final = b"\r\n\r\n"
_length_in: Final = re.compile(rb"content-length: (\d+)").search


@asynccontextmanager
async def open_raw(
    url: str, context: ssl.SSLContext, headers: Mapping[str, str], connections: int
) -> AsyncGenerator[SendBodies, None]:
    """Open connections to one URL.

    Args:
        url: Where to POST.
        context: TLS settings, for https.
        headers: All but ``Host`` and ``Content-Length``.
        connections: How many; each has one request in flight.
    """
    parts = urlsplit(url)
    fields = {"host": parts.netloc, **headers}
    lines = [f"{name}: {value}" for name, value in fields.items()]
    head = "\r\n".join([f"POST {parts.path} HTTP/1.1", *lines]).encode()
    opened = [
        await asyncio.get_running_loop().create_connection(
            _Connection,
            parts.hostname or "",
            parts.port or 443,
            ssl=context if parts.scheme == "https" else None,
        )
        for _ in range(connections)
    ]

    async def send_some(connection: _Connection, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            await connection.post(b"%s\r\ncontent-length: %d%s" % (head, len(body), _END), body)

    async def send(bodies: Sequence[bytes]) -> None:
        await asyncio.gather(
            *(
                send_some(connection, bodies[number::connections])
                for number, (_, connection) in enumerate(opened)
            )
        )

    try:
        yield send
    finally:
        for transport, _ in opened:
            transport.close()


class _Connection(asyncio.Protocol):
    """One connection with one request in flight."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None
        self._head = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)

    async def post(self, head: bytes, body: bytes) -> None:
        """Send a request and wait for the end of its response."""
        assert self._transport is not None  # noqa: S101 - it is connected
        self._done = asyncio.get_running_loop().create_future()
        self._transport.writelines((head, body))
        await self._done

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the response."""
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            head, found, rest = self._head.partition(_END)
            if not found:
                return
            self._head = b""
            length = _length_in(head)
            if length is None or not head.startswith(b"HTTP/1.1 200 "):
                self._fail(f"unexpected response: {head[:80]!r}")
                return
            self._missing = int(length[1]) - len(rest)
        if not self._missing and self._done is not None:
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that is waiting."""
        self._fail(f"the connection is lost: {exc}")

    def _fail(self, reason: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError(reason))
