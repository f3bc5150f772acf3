"""Fixtures of the HTTP layer: a server on a real socket with a behaviour per test."""

from collections.abc import AsyncGenerator, Awaitable, Callable

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


class Connection:
    """An accepted connection on the server's side."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def request(self) -> bytes:
        """Read one request to its end.

        Raises:
            anyio.EndOfStream: The client has left.
        """
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += await self.stream.receive()
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        while len(rest) < length:
            rest += await self.stream.receive()
        self._buffer = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    async def respond(self, raw: bytes = PLAIN) -> None:
        """Send bytes as they are."""
        await self.stream.send(raw)


Behaviour = Callable[[Connection], Awaitable[None]]


class RawServer:
    """Accepts connections on the loopback, counts them, and passes each to a behaviour."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted = 0
        self.open = 0
        self.requests: list[bytes] = []
        self.behaviour: Behaviour = self.respond_to_all

    @property
    def url(self) -> str:
        """The server's root."""
        return f"http://127.0.0.1:{self.port}"

    async def respond_to_all(self, connection: Connection) -> None:
        """Respond to every request with an empty list."""
        while True:
            self.requests.append(await connection.request())
            await connection.respond()

    async def handle(self, stream: SocketStream) -> None:
        """Serve one connection to its end."""
        self.accepted += 1
        self.open += 1
        try:
            async with stream:
                await self.behaviour(Connection(stream))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
        finally:
            self.open -= 1


@pytest.fixture
async def server() -> AsyncGenerator[RawServer]:
    """A server that responds to everything, until a test sets another behaviour."""
    server = RawServer()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=256)
    server.port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.handle)
        yield server
        tasks.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxies of the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
