"""The web server for one request, tested byte by byte."""

import errno
import socket
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute

from cleverreach_async import ConfigurationError
from cleverreach_async.cli.login import loopback
from cleverreach_async.cli.login.loopback import Loopback, listening

pytestmark = [pytest.mark.anyio, pytest.mark.socket]


async def send(port: int, data: bytes) -> bytes:
    """Send bytes and return everything that is received."""
    stream = await anyio.connect_tcp("127.0.0.1", port)
    with anyio.fail_after(10):
        async with stream:
            await stream.send(data)
            await stream.send_eof()
            return b"".join([chunk async for chunk in stream])


def get(target: str, port: int = 0) -> bytes:
    """The bytes of a request."""
    return f"GET {target} HTTP/1.1\r\nHost: LOCALHOST:{port}\r\n\r\n".encode()


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
    async with listening(0, "ä") as server:
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
    async with listening(0, "ä") as server:
        ignored = b""
        with suppress(anyio.BrokenResourceError):  # it may be closed with bytes unread
            ignored = await send(server.port, data)
        response = await call_back(server, "/callback?code=1&state=%C3%A4")

    assert (b"", b"200") == (ignored, response[9:12])


async def call_back(server: Loopback, target: str) -> bytes:
    """Send the callback, respond to it, and return the response."""
    responses: list[bytes] = []

    async def request() -> None:
        responses.append(await send(server.port, get(target, server.port)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(request)
        assert "code=1&state=%C3%A4" == await server.wait()
        await server.respond("Done <b>", "Good & bye")
    return responses[0]


async def test_one_request_gets_a_page() -> None:
    """Text is escaped, and the length is right; a second request is not served."""
    async with listening(0, "ä") as server:
        first = await call_back(server, "/callback?code=1&state=%C3%A4")
        second = await send(server.port, get("/callback?code=2&state=%C3%A4", server.port))

    head, _, page = first.partition(b"\r\n\r\n")
    assert (True, True) == (b"<h1>Done &lt;b&gt;</h1>" in page, b"Good &amp; bye" in page)
    assert f"Content-Length: {len(page)}".encode() in head.split(b"\r\n")
    assert second.startswith(b"HTTP/1.1 404 ")


STATES = {"": b"400", "state=": b"400", "state=b": b"400", "state=%C3%A4&state=b": b"400"}
STATES["state=%C3%A4&state=%C3%A4"] = b"400"


@pytest.mark.parametrize(("query", "status"), STATES.items())
async def test_a_request_of_another_page_does_not_end_the_login(query: str, status: bytes) -> None:
    """Any web page can send one, but does not know the state. The login waits on."""
    async with listening(0, "ä") as server:
        target = f"/callback?error=access_denied&code=0&{query}"
        ignored = await send(server.port, get(target, server.port))
        response = await call_back(server, "/callback?code=1&state=%C3%A4")
    assert (status, b"200") == (ignored[9:12], response[9:12])
    assert b"Continue on the page that the terminal shows" in ignored


@pytest.mark.parametrize(
    "host",
    [
        "",
        "Host: evil.example\r\n",
        "Host: evil.example:{port}\r\n",
        "Host: localhost\r\n",
        "Host: localhost:1\r\n",
        "Host: localhost:{port}.evil.example\r\n",
        "Host: localhost:{port}\r\nHost: evil.example\r\n",
    ],
)
async def test_a_request_to_another_name_is_ignored(host: str) -> None:
    """A name of somebody else can resolve to this computer. The login waits on."""
    async with listening(0, "ä") as server:
        head = f"GET /callback?code=0&state=%C3%A4 HTTP/1.1\r\n{host.format(port=server.port)}"
        ignored = await send(server.port, f"{head}\r\n".encode())
        response = await call_back(server, "/callback?code=1&state=%C3%A4")
    assert (b"404", b"200") == (ignored[9:12], response[9:12])


def has_ipv6() -> bool:
    """Whether this computer has the loopback address of IPv6."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


on_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs the address ::1")


@on_ipv6
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_both_addresses_of_localhost_are_served(host: str) -> None:
    """A browser may try either."""
    async with listening(0, "s") as server:
        stream = await anyio.connect_tcp(host, server.port)
        async with stream:
            await stream.send(get("/", server.port))
            assert b"HTTP/1.1 404" == await stream.receive(12)


@on_ipv6
async def test_a_program_on_the_other_address_is_reported() -> None:
    """It would get the code."""
    async with await anyio.create_tcp_listener(local_host="::1") as other:
        port = other.extra(SocketAttribute.local_port)
        with pytest.raises(ConfigurationError, match=f"cannot listen on ::1 port {port}"):
            async with listening(port, "s"):
                pytest.fail("it listens")


async def test_a_computer_without_ipv6_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the one address that it has."""
    create = anyio.create_tcp_listener

    async def refuse(*, local_host: str, local_port: int) -> Any:
        if local_host == "::1":
            raise OSError(errno.EADDRNOTAVAIL, "no such address")
        return await create(local_host=local_host, local_port=local_port)

    monkeypatch.setattr(anyio, "create_tcp_listener", refuse)
    async with listening(0, "ä") as server:
        assert b"200" == (await call_back(server, "/callback?code=1&state=%C3%A4"))[9:12]


async def test_a_closed_connection_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The query is known; the page is discarded."""
    monkeypatch.setattr(loopback, "_TIMEOUT", 5.0)
    async with listening(0, "ä") as server:
        stream = await anyio.connect_tcp("127.0.0.1", server.port)
        await stream.send(get("/callback?code=1&state=%C3%A4", server.port))
        query = await server.wait()
        await stream.aclose()
        with anyio.fail_after(4):
            await server.respond("Done", "Bye", status=HTTPStatus.BAD_REQUEST)

    assert "code=1&state=%C3%A4" == query


async def test_a_connection_without_a_request_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not block others."""
    monkeypatch.setattr(loopback, "_TIMEOUT", 0.05)
    async with listening(0, "ä") as server:
        stream = await anyio.connect_tcp("127.0.0.1", server.port)
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        await stream.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux responses on all of 127/8")
async def test_it_listens_on_one_address_only() -> None:
    """It is not reachable from the network or at another address of this computer."""
    async with listening(0, "ä") as server:
        with pytest.raises(OSError, match="connect"):
            await anyio.connect_tcp("127.0.0.2", server.port)


async def test_the_redirect_uri_has_the_registered_name() -> None:
    """The server compares it exactly."""
    async with listening(0, "ä") as server:
        assert f"http://localhost:{server.port}/callback" == server.url


async def test_an_error_inside_the_block_is_not_wrapped() -> None:
    """The command explains errors by their type, so there must be no exception group."""
    with pytest.raises(LookupError, match="inside"):
        async with listening(0, "ä"):
            raise LookupError("inside")
