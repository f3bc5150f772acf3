"""The web server for one visit, spoken to byte by byte."""

import sys
from contextlib import suppress
from http import HTTPStatus

import anyio
import pytest

from cleverreach_async.cli.login import loopback
from cleverreach_async.cli.login.loopback import Loopback, listening

pytestmark = [pytest.mark.anyio, pytest.mark.socket]


async def say(port: int, words: bytes) -> bytes:
    """Send bytes, and return everything that comes back."""
    stream = await anyio.connect_tcp("127.0.0.1", port)
    async with stream:
        await stream.send(words)
        await stream.send_eof()
        return b"".join([chunk async for chunk in stream])


def get(target: str) -> bytes:
    """The bytes of a request."""
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(get("/"), id="root"),
        pytest.param(get("/favicon.ico"), id="icon"),
        pytest.param(get("/callback/x?code=1"), id="below"),
        pytest.param(b"POST /callback?code=1 HTTP/1.1\r\n\r\n", id="post"),
    ],
)
async def test_anything_else_is_404(words: bytes) -> None:
    """The wait goes on."""
    async with listening(0) as server:
        answer = await say(server.port, words)

        assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /callback?code=1 HTTP/1.1\r\n", id="half"),
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", id="tls"),
        pytest.param(b"GET /callback\r\n\r\n", id="old"),
        pytest.param(b"GET /callback?" + b"x" * 20_000, id="endless"),
    ],
)
async def test_what_is_no_http_is_passed_over(words: bytes) -> None:
    """A browser may open connections ahead; the one that counts is served afterwards."""
    async with listening(0) as server:
        ignored = b""
        with suppress(anyio.BrokenResourceError):  # it may be closed with bytes unread
            ignored = await say(server.port, words)
        answer = await visit(server, "/callback?code=1&state=%C3%A4")

    assert (b"", b"200") == (ignored, answer[9:12])


async def visit(server: Loopback, target: str) -> bytes:
    """Visit, be answered, and return the answer."""
    answers: list[bytes] = []

    async def go() -> None:
        answers.append(await say(server.port, get(target)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        assert {"code": "1", "state": "ä"} == await server.wait()
        await server.respond("Done <b>", "Good & bye")
    return answers[0]


async def test_one_visit_is_answered_with_a_page() -> None:
    """Names are escaped, lengths right; a second visit is none."""
    async with listening(0) as server:
        first = await visit(server, "/callback?code=1&state=%C3%A4")
        second = await say(server.port, get("/callback?code=2"))

    head, _, page = first.partition(b"\r\n\r\n")
    assert (True, True) == (b"<h1>Done &lt;b&gt;</h1>" in page, b"Good &amp; bye" in page)
    assert f"Content-Length: {len(page)}".encode() in head.split(b"\r\n")
    assert second.startswith(b"HTTP/1.1 404 ")


async def test_a_visitor_who_leaves_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be known is known; the page is shown to nobody."""
    monkeypatch.setattr(loopback, "_TIMEOUT", 5.0)
    async with listening(0) as server:
        stream = await anyio.connect_tcp("127.0.0.1", server.port)
        await stream.send(get("/callback?code=1"))
        query = await server.wait()
        await stream.aclose()
        with anyio.fail_after(4):
            await server.respond("Done", "Bye", status=HTTPStatus.BAD_REQUEST)

    assert {"code": "1"} == query


async def test_a_slow_visitor_does_not_hold_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which nothing comes is given up."""
    monkeypatch.setattr(loopback, "_TIMEOUT", 0.05)
    async with listening(0) as server:
        stream = await anyio.connect_tcp("127.0.0.1", server.port)
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        await stream.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127/8")
async def test_it_listens_on_one_address_only() -> None:
    """Neither the network nor another address of this computer reaches it."""
    async with listening(0) as server:
        with pytest.raises(OSError, match="connect"):
            await anyio.connect_tcp("127.0.0.2", server.port)


async def test_browsers_are_sent_to_the_registered_name() -> None:
    """The vendor compares it letter by letter."""
    async with listening(0) as server:
        assert f"http://localhost:{server.port}/callback" == server.url


async def test_an_error_inside_the_block_is_not_wrapped() -> None:
    """The command explains errors by their type."""
    with pytest.raises(LookupError, match="inside"):
        async with listening(0):
            raise LookupError("inside")
