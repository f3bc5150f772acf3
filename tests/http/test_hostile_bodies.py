"""Hostile bodies on real sockets: bounded time and memory, and one kind of error."""

from __future__ import annotations

import gzip
import resource
import sys
import time
import zlib
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING, Any, Self

import anyio
import httpx
import pytest

from cleverreach_async import APIConnectionError, APIStatusError, CleverReach, RetryPolicy
from cleverreach_async.errors import CleverReachError, ConfigurationError
from cleverreach_async.transport.http import bodies
from cleverreach_async.transport.http.decompression import Decompressor
from cleverreach_async.transport.http.httpx_sender import HttpxSender
from cleverreach_async.transport.http.pooled_sender import PooledSender

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.conftest import Connection, RawServer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when a response is discarded.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

MEGABYTE = 2**20


@cache
def blanks(megabytes: int, *, layers: int) -> bytes:
    """Blanks that are compressed several times, without having them in memory."""
    stream = zlib.compressobj(9, wbits=31)
    body = b"".join(stream.compress(b" " * MEGABYTE) for _ in range(megabytes)) + stream.flush()
    for _ in range(layers - 1):
        body = gzip.compress(body, 9)
    return body


def serve(server: RawServer, body: bytes, *headers: str, status: int = 200) -> None:
    """Let a server respond to every request with a body."""
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}", "", ""]
    head = "\r\n".join(lines).encode()

    async def respond(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.respond(head + body)

    server.behaviour = respond


class Probe:
    """Measures for how long the thread of the event loop worked without a pause.

    It counts the time of the processor, so other processes do not disturb it.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._watch)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await anyio.sleep(0.01)
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _watch(self) -> None:
        while True:
            before = time.thread_time()
            await anyio.sleep(0.001)
            self.longest = max(self.longest, time.thread_time() - before)


async def error_of(server: RawServer, *, timeout: float = 60.0) -> CleverReachError:
    """Make one call, and return its error."""
    policy = RetryPolicy(attempts=1)
    async with CleverReach("token", base_url=server.url, retry=policy, timeout=timeout) as cr:
        with pytest.raises(CleverReachError) as caught:
            await cr.groups.get(7)
    return caught.value


@pytest.mark.parametrize("layers", [1, 2, 3, 50])
async def test_a_decompression_bomb_is_bounded(server: RawServer, layers: int) -> None:
    """Hundreds of megabytes in a few bytes need little memory, and other tasks go on."""
    serve(server, blanks(200, layers=layers), f"Content-Encoding: {', '.join(['gzip'] * layers)}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with Probe() as probe:
        error = await error_of(server)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert APIConnectionError is type(error)
    assert probe.longest < 0.4
    if sys.platform == "linux":  # where it is in KiB
        assert grown < 250 * 1024


async def test_a_long_message_does_not_block_the_event_loop(server: RawServer) -> None:
    """It is masked in time that grows with its length, and cut."""
    serve(server, b'{"error":{"code":400,"message":"%s"}}' % (b"x" * 60_000), status=400)
    async with Probe() as probe:
        error = await error_of(server, timeout=2.0)
    assert isinstance(error, APIStatusError)
    assert (True, 2000) == (probe.longest < 0.4, len(error.message))


async def test_a_body_that_stays_below_the_limit_is_read_in_steps(server: RawServer) -> None:
    """Other tasks run while it is decompressed."""
    serve(server, blanks(60, layers=1), "Content-Encoding: gzip")
    policy = RetryPolicy(attempts=1)
    async with CleverReach("token", base_url=server.url, retry=policy) as cr, Probe() as probe:
        assert await cr.request("GET", "/groups") is None
    assert probe.longest < 0.4


class Endless(Decompressor):
    """A decompression that takes longer than any deadline, however fast the computer is."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield nothing, without end."""
        del chunk
        yield from repeat(b"")


async def test_a_deadline_ends_a_decompression(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps are part of the time of the call."""
    monkeypatch.setattr(bodies, "Decompressor", Endless)
    serve(server, blanks(1, layers=1), "Content-Encoding: gzip")
    error = await error_of(server, timeout=0.05)
    assert "within 0.05 s" in str(error)


@pytest.mark.parametrize("library_client", [False, True], ids=["own pool", "client"])
async def test_a_request_that_cannot_be_built(server: RawServer, *, library_client: bool) -> None:
    """The error does not repeat a header, and nothing of the library is in its context."""
    async with httpx.AsyncClient() as client:
        own = PooledSender(base_url=server.url)
        sender = HttpxSender(client) if library_client else own
        for url, headers in (
            ("http://[::1", []),
            (server.url + "/\x00", []),
            (server.url, [("authorization", "Bearer größe")]),
        ):
            with pytest.raises(ConfigurationError, match="check base_url") as caught:
                await sender.send("GET", url, headers=headers, content=b"", timeout=1.0)
            assert (None, False) == (caught.value.__context__, "größe" in str(caught.value))
        await own.aclose()


@pytest.mark.parametrize("fault", [RuntimeError("odd\x1b"), KeyError("x"), ValueError()], ids=repr)
async def test_whatever_the_library_raises_is_translated(fault: Exception) -> None:
    """It is unknown whether the request was sent."""

    async def handle(request: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        raise fault

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        with pytest.raises(APIConnectionError) as caught:
            await HttpxSender(client).send(
                "GET", "https://api.example", headers=[], content=b"", timeout=1.0
            )
    assert (True, True) == (caught.value.sent, str(caught.value).isprintable())


async def test_a_reason_of_the_server_is_cleaned_and_cut(server: RawServer) -> None:
    """The library repeats an invalid status line."""

    async def respond(connection: Connection) -> None:
        await connection.request()
        await connection.respond(b"HTTP/1.1 \x1b[31m ann@mail.example" + b"x" * 5000 + b"\r\n\r\n")

    server.behaviour = respond
    text = str(await error_of(server))
    assert (True, True, False) == (text.isprintable(), len(text) < 500, "mail.example" in text)
