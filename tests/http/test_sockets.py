"""The sender's own pool on real sockets: failures, their errors, and reused connections."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import gzip
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import httpx2
import pytest

from cleverreach_async.errors import APIConnectionError, APITimeoutError
from cleverreach_async.transport.http import bodies
from cleverreach_async.transport.http.choice import make_sender
from cleverreach_async.transport.http.httpx_sender import HttpxSender
from cleverreach_async.transport.http.pooled_sender import PooledSender
from cleverreach_async.transport.wire import Response

if TYPE_CHECKING:
    from http.conftest import Connection, RawServer

pytestmark = [pytest.mark.anyio, pytest.mark.socket]

# The library's generators cannot be closed from outside when a response is discarded.
GIVEN_UP = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def send(
    sender: PooledSender | HttpxSender, url: str, *, timeout: float | None = 10.0
) -> Response:
    """Send a small POST."""
    headers = [("authorization", "Bearer token")]
    return await sender.send("POST", url, headers=headers, content=b"[1]", timeout=timeout)


@pytest.fixture
async def sender(server: RawServer) -> Any:
    """The sender under test."""
    sender = PooledSender(base_url=server.url)
    yield sender
    await sender.aclose()


async def test_a_request_is_framed_as_http(sender: PooledSender, server: RawServer) -> None:
    """The bytes that arrive: host, length, our headers and body, and no header of the library."""
    response = await send(sender, server.url + "/v3/groups?page=0")
    assert (200, b"[]", "application/json") == (
        response.status_code,
        response.content,
        response.headers["content-type"],
    )
    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert ("POST /v3/groups?page=0 HTTP/1.1", b"[1]") == (first, body)
    assert {
        f"Host: 127.0.0.1:{server.port}",
        "authorization: Bearer token",
        "Content-Length: 3",
    } == set(headers)


async def test_a_refused_connection_counts_as_not_sent() -> None:
    """The request can be repeated safely."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        sender = PooledSender(base_url=url)
        with pytest.raises(APIConnectionError, match=r"^cannot reach 127\.0\.0\.1:") as caught:
            await send(sender, url)
        assert (APIConnectionError, False) == (type(caught.value), caught.value.sent)
        await sender.aclose()


async def test_a_silent_server_runs_into_the_deadline(
    sender: PooledSender, server: RawServer
) -> None:
    """The request arrived, so it may have been executed."""

    async def stay_silent(connection: Connection) -> None:
        server.requests.append(await connection.request())
        await connection.request()

    server.behaviour = stay_silent
    with pytest.raises(APITimeoutError, match=r"^no response from 127.* within 0\.2 s") as caught:
        await send(sender, server.url, timeout=0.2)
    assert (True, 1) == (caught.value.sent, len(server.requests))


@pytest.mark.parametrize("library_client", [False, True], ids=["own pool", "client"])
async def test_a_trickling_server_runs_into_the_deadline(
    server: RawServer, *, library_client: bool
) -> None:
    """A byte now and then resets every read timeout, but not the deadline."""

    async def trickle(connection: Connection) -> None:
        await connection.request()
        await connection.respond(HEAD + b"Content-Length: 100000\r\n\r\n")
        while True:
            await connection.respond(b" ")
            await anyio.sleep(0.02)

    server.behaviour = trickle
    async with httpx.AsyncClient() as client:
        own = PooledSender(base_url=server.url)
        sender = HttpxSender(client) if library_client else own
        with pytest.raises(APITimeoutError) as caught:
            await send(sender, server.url, timeout=0.2)
        assert caught.value.sent
        await own.aclose()


BROKEN = {
    "cut body": HEAD + b"Content-Length: 100\r\n\r\n[",
    "cut chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1",
    "cut head": HEAD,
    "nothing": b"",
    "no http": b"220 mail.example ESMTP\r\n\r\n",
    "no gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]",
}


@GIVEN_UP
@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
async def test_a_broken_response_may_hide_a_success(
    sender: PooledSender, server: RawServer, raw: bytes
) -> None:
    """Cut, invalid or missing after the request arrived. The next request works."""

    async def break_off(connection: Connection) -> None:
        await connection.request()
        if raw:
            await connection.respond(raw)

    server.behaviour = break_off
    with pytest.raises(APIConnectionError, match=r"may have executed") as caught:
        await send(sender, server.url)
    assert (APIConnectionError, True) == (type(caught.value), caught.value.sent)
    server.behaviour = server.respond_to_all
    assert 200 == (await send(sender, server.url)).status_code


@GIVEN_UP
async def test_an_error_that_the_caller_handles_keeps_its_traceback(
    sender: PooledSender, server: RawServer
) -> None:
    """A call may be made while another error is handled, such as one to report."""

    async def break_off(connection: Connection) -> None:
        await connection.request()
        await connection.respond(HEAD + b"Content-Length: 9\r\n\r\n[1]")

    server.behaviour = break_off
    try:
        raise LookupError("the caller's own")  # noqa: TRY301 - to be handled here
    except LookupError as error:
        handled = error
        with pytest.raises(APIConnectionError):
            await send(sender, server.url)
    assert handled.__traceback__ is not None


@GIVEN_UP
async def test_an_endless_response_is_cut_off(
    sender: PooledSender, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is closed, and the pool continues to work."""
    monkeypatch.setattr(bodies, "MAX_RESPONSE_BYTES", 10_000)

    async def pour(connection: Connection) -> None:
        await connection.request()
        await connection.respond(HEAD + b"Content-Length: 100000000\r\n\r\n")
        while True:
            await connection.respond(b" " * 1000)

    server.behaviour = pour
    with pytest.raises(APIConnectionError, match="larger than 10000 bytes"):
        await send(sender, server.url)
    server.behaviour = server.respond_to_all
    assert 200 == (await send(sender, server.url)).status_code


@GIVEN_UP
async def test_a_compressed_response_is_limited_by_its_decoded_size(
    sender: PooledSender, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small body that decodes to a large one is cut off as well."""
    monkeypatch.setattr(bodies, "MAX_RESPONSE_BYTES", 10_000)
    body = gzip.compress(b" " * 20_000)
    assert len(body) < 10_000

    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.respond(
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )

    server.behaviour = answer
    with pytest.raises(APIConnectionError, match="larger than 10000 bytes"):
        await send(sender, server.url)


@pytest.mark.parametrize("rest", [HEAD + b"Content-Length: 5\r\n\r\n[666]", b"[666]"])
@pytest.mark.parametrize("library", [None, httpx, httpx2])
async def test_what_follows_a_response_is_not_taken_for_the_next(
    server: RawServer, library: Any, rest: bytes
) -> None:
    """A proxy may send a response twice, or a longer body than it says: calls would get others'."""

    async def send_more(connection: Connection) -> None:
        while True:
            server.requests.append(await connection.request())
            number = len(server.requests)
            response = HEAD + b"Content-Length: 3\r\n\r\n[%d]" % number
            await connection.respond(response + (rest if number == 1 else b""))

    server.behaviour = send_more
    async with AsyncExitStack() as stack:
        client = library and await stack.enter_async_context(library.AsyncClient())
        any_sender: Any = make_sender(client, base_url=server.url, max_connections=1)
        contents = [(await send(any_sender, server.url)).content for _ in range(3)]
        await any_sender.aclose()
    assert ([b"[1]", b"[2]", b"[3]"], 2) == (contents, server.accepted)


@pytest.mark.parametrize("value", [b"\xfc", b"a\x01b"])
async def test_a_cookie_that_cannot_be_sent_ends_no_later_call(
    server: RawServer, value: bytes
) -> None:
    """The client of httpx keeps what a server sets; other cookies are sent."""

    async def set_cookie(connection: Connection) -> None:
        cookies = b"Set-Cookie: odd=" + value + b"\r\nSet-Cookie: plain=1\r\n"
        while True:
            server.requests.append(await connection.request())
            await connection.respond(HEAD + cookies + b"Content-Length: 2\r\n\r\n[]")

    server.behaviour = set_cookie
    async with httpx.AsyncClient(params={"mine": "1"}) as client:
        for _ in range(2):
            await send(HttpxSender(client), server.url + "/v3/groups?page=0")
    assert [(b"POST /v3/groups?mine=1&page=0 HTTP/1.1", sent) for sent in (False, True)] == [
        (it.partition(b"\r\n")[0], b"Cookie: plain=1\r\n" in it) for it in server.requests
    ]


async def test_a_connection_is_reused(sender: PooledSender, server: RawServer) -> None:
    """Requests one after another share one connection."""
    for _ in range(5):
        await send(sender, server.url)
    assert (5, 1) == (len(server.requests), server.accepted)


async def test_a_connection_that_the_server_closed_is_replaced(
    sender: PooledSender, server: RawServer
) -> None:
    """A server that closes idle connections causes a reconnect and no error."""

    async def once(connection: Connection) -> None:
        await connection.request()
        await connection.respond()

    server.behaviour = once
    await send(sender, server.url)
    while server.open:
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()
    await send(sender, server.url)
    assert 2 == server.accepted


class Rounds:
    """Has all requests in flight at once: the first response comes after the last request."""

    def __init__(self, sender: PooledSender, server: RawServer) -> None:
        self._sender = sender
        self._server = server
        self._missing = 0
        self._all_there = anyio.Event()
        server.behaviour = self._answer_together

    async def play(self, number: int) -> None:
        """Send a number of requests."""
        self._missing = number
        self._all_there = anyio.Event()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(number):
                    tasks.start_soon(send, self._sender, self._server.url)

    async def _answer_together(self, connection: Connection) -> None:
        while True:
            await connection.request()
            self._missing -= 1
            if not self._missing:
                self._all_there.set()
            await self._all_there.wait()
            await connection.respond()


async def test_a_second_round_opens_no_connection(sender: PooledSender, server: RawServer) -> None:
    """Keep-alive works for all connections that were used, beyond the library's default too."""
    rounds = Rounds(sender, server)
    for _ in range(3):
        await rounds.play(25)
    assert 25 == server.accepted


async def test_the_connection_used_last_is_used_next(server: RawServer) -> None:
    """So that those which a busier time has left behind expire, and are closed one by one."""
    sender = PooledSender(base_url=server.url)
    await Rounds(sender, server).play(5)
    connections: list[int] = []

    class Expiring:
        def __init__(self, connection: Any, number: int) -> None:
            self.connection = connection
            self.number = number

        def __getattr__(self, name: str) -> Any:
            return getattr(self.connection, name)

        def has_expired(self) -> bool:
            return self.number < 2

        async def handle_async_request(self, request: Any) -> Any:
            connections.append(self.number)
            return await self.connection.handle_async_request(request)

    idle: Any = sender.pool._idle
    for number in range(5):
        idle.append(Expiring(idle.popleft(), number))
    server.behaviour = server.respond_to_all
    for _ in range(4):
        server.accepted = 0
        await send(sender, server.url)
    assert ([4, 4, 4, 4], 3) == (connections, sender.pool.idle)
    await sender.aclose()
    assert 0 == sender.pool.idle


async def test_no_more_connections_than_allowed(server: RawServer) -> None:
    """Requests beyond the limit wait."""
    sender = PooledSender(base_url=server.url, max_connections=3)
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(send, sender, server.url)
    assert (30, 3) == (len(server.requests), server.accepted)
    await sender.aclose()


async def test_closing_closes_the_sockets(server: RawServer) -> None:
    """The server sees the connections end, and closing again does nothing."""
    sender = PooledSender(base_url=server.url)
    await Rounds(sender, server).play(12)
    assert 12 == server.open
    await sender.aclose()
    await sender.aclose()
    with anyio.fail_after(5):
        while server.open:
            await anyio.lowlevel.checkpoint()
    assert 0 == sender.pool.idle
