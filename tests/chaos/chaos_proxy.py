"""A TCP proxy that breaks exchanges as its script says, and a small server to stand behind it.

Both live on the loopback, in the event loop of the test, and count what they see. They work on bare
sockets: a stream of a library says goodbye before it resets, and so never really resets.
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
    "JSON_ANSWER",
    "NO_ANSWER",
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
    "json_answer",
    "settled",
]

_CHUNK: Final = 65536
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Ending(Enum):
    """How a connection ends."""

    FIN = "fin"
    """In order: the other side reads an end of file."""
    RST = "rst"
    """Torn: the other side reads an error."""
    SILENCE = "silence"
    """Not at all, until the other side gives up."""


@attrs.frozen(kw_only=True)
class Exchange:
    """What the proxy does with one request and its answer.

    Attributes:
        request_bytes: Bytes of the request that reach the server before the end comes; ``None``
            for the whole request.
        answer_bytes: Bytes of the answer that reach the client before the end comes; ``None`` for
            the whole answer, after which the connection stays open.
        ending: How the connection to the client ends where the above says that it does.
        delay: Seconds before the answer begins.
        interval: Seconds before each single byte of the answer; 0 sends it in one piece.
    """

    request_bytes: int | None = None
    answer_bytes: int | None = None
    ending: Ending = Ending.FIN
    delay: float = 0.0
    interval: float = 0.0


PASS: Final = Exchange()
RESET_BEFORE: Final = Exchange(request_bytes=0, ending=Ending.RST)
CLOSED_AS_WRITTEN: Final = Exchange(request_bytes=0)
BLACK_HOLE: Final = Exchange(request_bytes=0, ending=Ending.SILENCE)
NO_ANSWER: Final = Exchange(answer_bytes=0, ending=Ending.SILENCE)


class Wire:
    """One connected socket, with what was read ahead from it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes that were received and not taken."""
        return len(self._buffer)

    async def fill(self, size: int) -> None:
        """Receive until that many bytes can be taken.

        Raises:
            anyio.EndOfStream: The other side has ended before.
        """
        while len(self._buffer) < size:
            await self._receive()

    def take(self, size: int) -> bytes:
        """Take bytes off the buffer."""
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def message(self) -> bytes:
        """Read one HTTP message to its end: by its length, or by its last chunk."""
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
        """Read until the other side leaves."""
        while True:
            await self._receive()
            self._buffer.clear()

    def reset(self) -> None:
        """Close with RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close()

    def close(self) -> None:
        """Close with FIN; once closed, do nothing."""
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
    """A port of the loopback that refuses connections until told to listen.

    Attributes:
        accepted: Connections accepted so far.
        open: Connections that are open now.
        port: The port; it belongs to this listener from the start.
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
        """Accept connections from now on, as tasks of a group."""
        self._sock.listen(512)
        tasks.start_soon(self._accept, tasks)

    def close(self) -> None:
        """Give the port back."""
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
            pass  # the other side has left
        finally:
            wire.close()
            self.open -= 1
            left, self._left = self._left, anyio.Event()
            left.set()


def json_answer(body: bytes = b"[]") -> bytes:
    """Return an answer with a body of a stated length."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


JSON_ANSWER: Final = json_answer()


async def at_once(request: bytes) -> None:
    """Let a request be answered without delay."""
    del request
    await anyio.lowlevel.checkpoint()


class CountingServer(Listener):
    """A server that answers every request alike.

    Attributes:
        answer: The answer.
        requests: Every request that arrived completely.
        broken_off: Requests of which only a part arrived.
        before_answer: Called with a request, and waited for, before it is answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answer = JSON_ANSWER
        self.requests: list[bytes] = []
        self.broken_off = 0
        self.before_answer: Callable[[bytes], Awaitable[None]] = at_once

    async def serve(self, wire: Wire) -> None:
        """Answer until the client leaves."""
        while True:
            try:
                self.requests.append(await wire.message())
            except (anyio.EndOfStream, ConnectionError):
                self.broken_off += wire.buffered > 0
                return
            await self.before_answer(self.requests[-1])
            await wire.send(self.answer)


class Gathering:
    """Holds requests back until the last one has come, round after round.

    Args:
        number: How many belong to a round.
        path: Where they go; others are let through at once.
    """

    def __init__(self, number: int, path: str = "/") -> None:
        self._number = number
        self._path = f" {path}".encode()
        self._missing = number
        self._all_there = anyio.Event()

    async def wait(self, request: bytes) -> None:
        """Wait for the others."""
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
    """Passes exchanges on to a server, as the script says.

    Args:
        target: Port of the server.

    Attributes:
        script: What happens to the next exchanges, whatever their connection; afterwards all pass.
        decide: Asked instead once the script is empty.
        begun: Requests of which something arrived here.
        forwarded: Requests that went to the server completely.
    """

    def __init__(self, target: int) -> None:
        super().__init__()
        self._target = target
        self.script: deque[Exchange] = deque()
        self.decide: Callable[[], Exchange] = lambda: PASS
        self.begun = 0
        self.forwarded = 0

    async def serve(self, wire: Wire) -> None:
        """Pass exchanges on until one ends the connection."""
        server = await _connected(self._target)
        try:
            while await self._exchange(wire, server):
                pass
        finally:
            server.close()

    async def _exchange(self, client: Wire, server: Wire) -> bool:
        """Do one exchange; ``False`` when it was the last one of its connection."""
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
        answer = await server.message()
        await _pause(exchange.delay)
        passed = answer[: exchange.answer_bytes]
        pieces = [passed] if not exchange.interval else [bytes([byte]) for byte in passed]
        for piece in pieces:
            await _pause(exchange.interval)
            await client.send(piece)
        if exchange.answer_bytes is None:
            return True
        await _end(client, exchange.ending)
        return False


async def _pause(seconds: float) -> None:
    if seconds:
        await anyio.sleep(seconds)


async def _connected(port: int) -> Wire:
    sock = socket.socket()
    try:
        # A listening port of the loopback takes the connection at once.
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
    """Wait until each listener has no more than that many open connections.

    Raises:
        TimeoutError: Some connection stays open.
    """
    with anyio.fail_after(10):
        for listener in listeners:
            await listener.wait_until_open(connections)
