"""A TCP proxy that injects faults as its script says, and a small server behind it.

Both run on the loopback, in the event loop of the test, and count connections and requests. They
use plain sockets, because the streams of a library shut down in order before they reset.
"""

import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final

import anyio
import anyio.abc
import anyio.lowlevel
import attrs

__all__ = [
    "BLACK_HOLE",
    "CLOSED_AS_WRITTEN",
    "JSON_RESPONSE",
    "NO_RESPONSE",
    "PASS",
    "RESET_BEFORE",
    "ChaosProxy",
    "CountingServer",
    "Ending",
    "Exchange",
    "Gathering",
    "Listener",
    "Wire",
    "at_once",
    "json_response",
    "settled",
]

_CHUNK: Final = 65536
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Ending(Enum):
    """How a connection ends."""

    FIN = "fin"
    """In order: the other side reads the end of the stream."""
    RST = "rst"
    """By a reset: the other side reads an error."""
    SILENCE = "silence"
    """Not at all, until the other side closes it."""


@attrs.frozen(kw_only=True)
class Exchange:
    """What the proxy does with one request and its response.

    Attributes:
        request_bytes: Bytes of the request to forward before the connection ends; ``None`` for the
            whole request.
        response_bytes: Bytes of the response to forward before the connection ends; ``None`` for
            the whole response, after which the connection stays open.
        ending: How the connection to the client ends, if it ends.
        delay: Seconds before the response starts.
        interval: Seconds before each single byte of the response; 0 sends it in one piece.
    """

    request_bytes: int | None = None
    response_bytes: int | None = None
    ending: Ending = Ending.FIN
    delay: float = 0.0
    interval: float = 0.0


PASS: Final = Exchange()
RESET_BEFORE: Final = Exchange(request_bytes=0, ending=Ending.RST)
CLOSED_AS_WRITTEN: Final = Exchange(request_bytes=0)
BLACK_HOLE: Final = Exchange(request_bytes=0, ending=Ending.SILENCE)
NO_RESPONSE: Final = Exchange(response_bytes=0, ending=Ending.SILENCE)


class Wire:
    """One connected socket, with a buffer of received bytes."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        """Number of bytes that were received and not taken."""
        return len(self._buffer)

    async def fill(self, size: int) -> None:
        """Receive until that many bytes can be taken.

        Raises:
            anyio.EndOfStream: The other side closed the connection before.
        """
        while len(self._buffer) < size:
            await self._receive()

    def take(self, size: int) -> bytes:
        """Take bytes from the buffer."""
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def message(self) -> bytes:
        """Read one HTTP message: to its content length, or to its last chunk."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            await self._receive()
        end += 4
        head = bytes(self._buffer[:end]).lower()
        if b"transfer-encoding: chunked" in head:
            while (last := self._buffer.find(b"\r\n0\r\n\r\n", end - 2)) < 0:
                await self._receive()
            return self.take(last + 7)
        _, _, rest = head.partition(b"content-length:")
        size = end + int(rest.partition(b"\r\n")[0] or b"0")
        await self.fill(size)
        return self.take(size)

    async def send(self, data: bytes) -> None:
        """Send everything."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._sock)

    async def wait_for_end(self) -> None:
        """Read until the other side closes the connection."""
        while True:
            await self._receive()
            self._buffer.clear()

    def reset(self) -> None:
        """Close with RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close()

    def close(self) -> None:
        """Close with FIN; do nothing if closed."""
        self._sock.close()

    async def _receive(self) -> None:
        while True:
            try:
                data = self._sock.recv(_CHUNK)
            except BlockingIOError:
                await anyio.wait_readable(self._sock)
                continue
            if not data:
                raise anyio.EndOfStream
            self._buffer += data
            return


class Listener:
    """A port of the loopback that refuses connections until :meth:`listen` is called.

    Attributes:
        accepted: Connections accepted so far.
        open: Connections that are open now.
        port: The port, reserved from the start.
    """

    def __init__(self) -> None:
        self._sock = socket.socket()
        self._sock.setblocking(False)
        self._sock.bind(("127.0.0.1", 0))
        self.accepted = 0
        self.open = 0
        self.port: int = self._sock.getsockname()[1]
        self._left = anyio.Event()

    @property
    def url(self) -> str:
        """The root of the server."""
        return f"http://127.0.0.1:{self.port}"

    def listen(self, tasks: anyio.abc.TaskGroup) -> None:
        """Accept connections from now on, in tasks of a group."""
        self._sock.listen(512)
        tasks.start_soon(self._accept, tasks)

    def close(self) -> None:
        """Release the port."""
        self._sock.close()

    async def wait_until_open(self, connections: int) -> None:
        """Wait until no more than that many connections are open."""
        while self.open > connections:
            await self._left.wait()

    async def serve(self, wire: Wire) -> None:
        """Handle one connection."""
        raise NotImplementedError

    async def _accept(self, tasks: anyio.abc.TaskGroup) -> None:
        while True:
            await anyio.wait_readable(self._sock)
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, ConnectionError):
                continue
            self.accepted += 1
            self.open += 1
            tasks.start_soon(self._handle, Wire(sock))

    async def _handle(self, wire: Wire) -> None:
        try:
            await self.serve(wire)
        except (anyio.EndOfStream, ConnectionError):
            pass  # the other side has closed the connection
        finally:
            wire.close()
            self.open -= 1
            left, self._left = self._left, anyio.Event()
            left.set()


def json_response(body: bytes = b"[]") -> bytes:
    """Return a response with a body and its content length."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


JSON_RESPONSE: Final = json_response()


async def at_once(request: bytes) -> None:
    """Do not delay the response."""
    del request
    await anyio.lowlevel.checkpoint()


class CountingServer(Listener):
    """A server that sends the same response to every request.

    Attributes:
        response: The response.
        requests: Every complete request.
        incomplete: Number of requests of which only a part arrived.
        before_response: Awaited with the request before the response is sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.response = JSON_RESPONSE
        self.requests: list[bytes] = []
        self.incomplete = 0
        self.before_response: Callable[[bytes], Awaitable[None]] = at_once

    async def serve(self, wire: Wire) -> None:
        """Respond until the client closes the connection."""
        while True:
            try:
                self.requests.append(await wire.message())
            except (anyio.EndOfStream, ConnectionError):
                self.incomplete += wire.buffered > 0
                return
            await self.before_response(self.requests[-1])
            await wire.send(self.response)


class Gathering:
    """Delays requests until a number of them has arrived, in rounds.

    Args:
        number: Requests of a round.
        path: Only requests to this path are delayed.
    """

    def __init__(self, number: int, path: str = "/") -> None:
        self._number = number
        self._path = f" {path}".encode()
        self._missing = number
        self._all_there = anyio.Event()

    async def wait(self, request: bytes) -> None:
        """Wait for the other requests of the round."""
        if self._path not in request.partition(b"\r\n")[0]:
            return
        self._missing -= 1
        all_there = self._all_there
        if not self._missing:
            all_there.set()
            self._missing = self._number
            self._all_there = anyio.Event()
        await all_there.wait()


class ChaosProxy(Listener):
    """Forwards requests and responses as its script says.

    Args:
        target: Port of the server.

    Attributes:
        script: What happens to the next exchanges, on any connection.
        decide: Returns what happens to an exchange when the script is empty; by default it passes.
        begun: Number of requests of which at least one byte arrived.
        forwarded: Number of requests that were completely forwarded.
    """

    def __init__(self, target: int) -> None:
        super().__init__()
        self._target = target
        self.script: deque[Exchange] = deque()
        self.decide: Callable[[], Exchange] = lambda: PASS
        self.begun = 0
        self.forwarded = 0

    async def serve(self, wire: Wire) -> None:
        """Forward exchanges until one ends the connection."""
        server = await _connected(self._target)
        try:
            while await self._exchange(wire, server):
                pass
        finally:
            server.close()

    async def _exchange(self, client: Wire, server: Wire) -> bool:
        """Forward one exchange; ``False`` if it was the last one of its connection."""
        await client.fill(1)
        self.begun += 1
        exchange = self.script.popleft() if self.script else self.decide()
        if exchange.request_bytes is not None:
            await client.fill(exchange.request_bytes)
            await server.send(client.take(exchange.request_bytes))
            await _end(client, exchange.ending)
            return False
        await server.send(await client.message())
        self.forwarded += 1
        response = await server.message()
        await _pause(exchange.delay)
        passed = response[: exchange.response_bytes]
        pieces = [passed] if not exchange.interval else [bytes([byte]) for byte in passed]
        for piece in pieces:
            await _pause(exchange.interval)
            await client.send(piece)
        if exchange.response_bytes is None:
            return True
        await _end(client, exchange.ending)
        return False


async def _pause(seconds: float) -> None:
    if seconds:
        await anyio.sleep(seconds)


async def _connected(port: int) -> Wire:
    sock = socket.socket()
    try:
        # A listening port of the loopback accepts the connection immediately.
        sock.connect(("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    return Wire(sock)


async def _end(client: Wire, ending: Ending) -> None:
    if ending is Ending.RST:
        client.reset()
    elif ending is Ending.SILENCE:
        await client.wait_for_end()


async def settled(*listeners: Listener, connections: int = 0) -> None:
    """Wait until each listener has at most that many open connections.

    Raises:
        TimeoutError: Some connection stays open.
    """
    with anyio.fail_after(10):
        for listener in listeners:
            await listener.wait_until_open(connections)
