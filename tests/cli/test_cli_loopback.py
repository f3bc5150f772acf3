"""The web server for one request, tested byte by byte."""

import sys
from contextlib import suppress
from http import HTTPStatus

import anyio
import pytest

from cleverreach_async.cli.login import loopback
from cleverreach_async.cli.login.loopback import Loopback, listening

pytestmark = [pytest.mark.anyio, pytest.mark.socket]


async def send(port: int, data: bytes) -> bytes:
    """Send bytes and return everything that is received."""
    stream = await anyio.connect_tcp("127.0.0.1", port)
    async with stream:
        await stream.send(data)
        await stream.send_eof()
        return b"".join([chunk async for chunk in stream])


def get(target: str) -> bytes:
    """The bytes of a request."""
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(get("/"), id="root"),
        pytest.param(get("/favicon.ico"), id="icon"),
        pytest.param(get("/callback/x?code=1"), id="below"),
        pytest.param(b"POST /callback?code=1 HTTP/1.1\r\n\r\n", id="post"),
    ],
)
async def test_anything_else_is_404(data: bytes) -> None:
    """The server continues to wait."""
    async with listening(0) as server:
        response = await send(server.port, data)

        assert response.startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /callback?code=1 HTTP/1.1\r\n", id="half"),
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", id="tls"),
        pytest.param(b"GET /callback\r\n\r\n", id="old"),
        pytest.param(b"GET /callback?" + b"x" * 20_000, id="endless"),
    ],
)
async def test_connections_without_http_are_ignored(data: bytes) -> None:
    """A browser may open connections in advance; the callback is served afterwards."""
    async with listening(0) as server:
        ignored = b""
        with suppress(anyio.BrokenResourceError):  # it may be closed with bytes unread
            ignored = await send(server.port, data)
        response = await call_back(server, "/callback?code=1&state=%C3%A4")

    assert (b"", b"200") == (ignored, response[9:12])


async def call_back(server: Loopback, target: str) -> bytes:
    """Send the callback, respond to it, and return the response."""
    responses: list[bytes] = []

    async def request() -> None:
        responses.append(await send(server.port, get(target)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(request)
        assert {"code": "1", "state": "ä"} == await server.wait()
        await server.respond("Done <b>", "Good & bye")
    return responses[0]


async def test_one_request_gets_a_page() -> None:
    """Text is escaped, and the length is right; a second request is not served."""
    async with listening(0) as server:
        first = await call_back(server, "/callback?code=1&state=%C3%A4")
        second = await send(server.port, get("/callback?code=2"))

    head, _, page = first.partition(b"\r\n\r\n")
    assert (True, True) == (b"<h1>Done &lt;b&gt;</h1>" in page, b"Good &amp; bye" in page)
    assert f"Content-Length: {len(page)}".encode() in head.split(b"\r\n")
    assert second.startswith(b"HTTP/1.1 404 ")


async def test_a_closed_connection_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The query is known; the page is discarded."""
    monkeypatch.setattr(loopback, "_TIMEOUT", 5.0)
    async with listening(0) as server:
        stream = await anyio.connect_tcp("127.0.0.1", server.port)
        await stream.send(get("/callback?code=1"))
        query = await server.wait()
        await stream.aclose()
        with anyio.fail_after(4):
            await server.respond("Done", "Bye", status=HTTPStatus.BAD_REQUEST)

    assert {"code": "1"} == query


async def test_a_connection_without_a_request_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not block others."""
    monkeypatch.setattr(loopback, "_TIMEOUT", 0.05)
    async with listening(0) as server:
        stream = await anyio.connect_tcp("127.0.0.1", server.port)
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        await stream.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux responses on all of 127/8")
async def test_it_listens_on_one_address_only() -> None:
    """It is not reachable from the network or at another address of this computer."""
    async with listening(0) as server:
        with pytest.raises(OSError, match="connect"):
            await anyio.connect_tcp("127.0.0.2", server.port)


async def test_the_redirect_uri_has_the_registered_name() -> None:
    """The server compares it exactly."""
    async with listening(0) as server:
        assert f"http://localhost:{server.port}/callback" == server.url


async def test_an_error_inside_the_block_is_not_wrapped() -> None:
    """The command explains errors by their type, so there must be no exception group."""
    with pytest.raises(LookupError, match="inside"):
        async with listening(0):
            raise LookupError("inside")
