"""The sender over a session of aiohttp that the user made."""

from __future__ import annotations

import asyncio
import gzip
import warnings
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest
import trio

from cleverreach_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    CleverReach,
    ClientClosedError,
    ConfigurationError,
    RetryPolicy,
)
from cleverreach_async.transport.http import bodies
from cleverreach_async.transport.http.aiohttp_sender import AiohttpSender
from cleverreach_async.transport.http.choice import make_sender

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from http.conftest import Connection, RawServer
    from pathlib import Path

    from cleverreach_async.transport.wire import Response

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    """A session of the user's, with settings of its own."""
    async with aiohttp.ClientSession(
        headers={"x-mine": "yes", "accept": "text/html"},
        raise_for_status=True,
        auto_decompress=True,
        timeout=aiohttp.ClientTimeout(total=0.001),
    ) as session:
        yield session


async def send(
    session: aiohttp.ClientSession, url: str, method: str = "POST", content: bytes = b"[1]"
) -> Response:
    """Send one request."""
    headers = [("accept", "application/json"), ("authorization", "Bearer token")]
    return await AiohttpSender(session).send(
        method, url, headers=headers, content=content, timeout=5.0
    )


async def test_headers_are_sent_as_given(session: aiohttp.ClientSession, server: RawServer) -> None:
    """They replace those of the session, and only what the session has is added."""
    await send(session, server.url + "/v3/groups?page=0")
    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert ("POST /v3/groups?page=0 HTTP/1.1", b"[1]") == (first, body)
    named = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in headers}
    assert ("application/json", "Bearer token", "yes", "3") == (
        named["accept"],
        named["authorization"],
        named["x-mine"],
        named["content-length"],
    )
    assert "content-type" not in named


async def test_the_session_is_neither_closed_nor_changed(
    session: aiohttp.ClientSession, server: RawServer
) -> None:
    """Its own time limit and its own errors do not apply."""

    async def refuse(connection: Connection) -> None:
        await connection.request()
        await anyio.sleep(0.02)
        await connection.respond(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")

    server.behaviour = refuse
    before = dict(session.headers), session.timeout
    async with CleverReach("token", base_url=server.url, http_client=session) as cr:
        with pytest.raises(APIStatusError) as caught:
            await cr.groups.get(7)
    assert 404 == caught.value.status_code
    assert (before, False) == ((dict(session.headers), session.timeout), session.closed)


async def test_a_closed_session_says_so(server: RawServer) -> None:
    """Nothing is sent."""
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(ClientClosedError, match="keep it open"):
        await send(session, server.url)
    assert 0 == server.accepted


async def test_a_session_of_another_event_loop_says_so(server: RawServer) -> None:
    """Nothing is sent. aiohttp would use connections of the other loop, from a wrong thread."""
    session = aiohttp.ClientSession()

    def use_elsewhere() -> None:
        with pytest.raises(ClientClosedError, match="belongs to another event loop"):
            asyncio.run(send(session, server.url))
        with pytest.raises(ConfigurationError, match="aiohttp needs asyncio"):
            trio.run(send, session, server.url)

    await anyio.to_thread.run_sync(use_elsewhere)
    await session.close()
    assert 0 == server.accepted


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("trust_env", [True, False])
async def test_the_authentication_of_the_session_does_not_apply(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, trust_env: bool
) -> None:
    """Neither its own nor that of netrc, with which aiohttp refuses each request of ours."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login name password word")
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[str] = []

    async def middleware(request: Any, send_on: Any) -> Any:
        seen.append(request.headers["authorization"])
        return await send_on(request)

    auth = None if trust_env else aiohttp.BasicAuth("name", "word")
    async with aiohttp.ClientSession(
        auth=auth, trust_env=trust_env, middlewares=(middleware,)
    ) as session:
        await send(session, server.url)
    [request] = server.requests
    sent = [it for it in request.decode().split("\r\n") if it.lower().startswith("authorization")]
    assert (["Authorization: Bearer token"], ["Bearer token"]) == (sent, seen)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_aiohttp_does_not_repeat_a_request(
    session: aiohttp.ClientSession, server: RawServer, method: str
) -> None:
    """On a connection that breaks it would repeat those that HTTP calls idempotent."""

    async def break_off(connection: Connection) -> None:
        server.requests.append(await connection.request())

    server.behaviour = break_off
    with pytest.raises(APIConnectionError) as caught:
        await send(session, server.url, method, b"" if method == "GET" else b"[1]")
    assert (True, 1) == (caught.value.sent, len(server.requests))


async def test_redirects_are_refused(session: aiohttp.ClientSession, server: RawServer) -> None:
    """A POST would arrive as a GET."""

    async def redirect(connection: Connection) -> None:
        server.requests.append(await connection.request())
        await connection.respond(
            b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
        )

    server.behaviour = redirect
    assert 302 == (await send(session, server.url)).status_code
    assert 1 == len(server.requests)


async def test_compressed_responses_are_decoded_within_a_limit(
    session: aiohttp.ClientSession, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By us, because a small body may decode to a large one."""
    body = gzip.compress(b" " * 20_000 + b"[]")

    async def answer(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.respond(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
                % len(body)
                + body
            )

    server.behaviour = answer
    assert b"[]" == (await send(session, server.url)).content
    monkeypatch.setattr(bodies, "MAX_RESPONSE_BYTES", 10_000)
    with pytest.raises(APIConnectionError, match="larger than 10000 bytes"):
        await send(session, server.url)


async def test_a_large_body_is_sent_without_a_warning(
    session: aiohttp.ClientSession, server: RawServer
) -> None:
    """A batch has more than a megabyte when its rows have orders."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await send(session, server.url, content=b"x" * 3_000_000)
    assert server.requests[0].endswith(b"x" * 3_000_000)


async def test_a_request_without_a_body_takes_no_task(
    session: aiohttp.ClientSession, server: RawServer
) -> None:
    """Else aiohttp would start one to send an empty body, which takes two passes of the loop."""
    started: list[str] = []

    def start(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        started.append(coro.__qualname__)
        return asyncio.Task(coro, loop=loop, **options)

    await send(session, server.url + "/v3/groups", "GET", b"")  # connects
    loop = asyncio.get_running_loop()
    loop.set_task_factory(start)
    try:
        await send(session, server.url + "/v3/groups", "GET", b"")
    finally:
        loop.set_task_factory(None)
    assert [] == [name for name in started if name.startswith("ClientRequest")]
    assert all(request.endswith(b"\r\n\r\n") for request in server.requests)


async def test_a_refused_connection_counts_as_not_sent(server: RawServer) -> None:
    """The request can be repeated safely."""
    policy = RetryPolicy(attempts=1)
    async with (
        aiohttp.ClientSession() as session,
        CleverReach(
            "token", base_url="http://127.0.0.1:1", http_client=session, retry=policy
        ) as cr,
    ):
        with pytest.raises(APIConnectionError, match=r"cannot reach 127\.0\.0\.1:1") as caught:
            await cr.groups.list()
    assert not caught.value.sent


async def test_a_silent_server_runs_into_the_deadline(
    session: aiohttp.ClientSession, server: RawServer
) -> None:
    """The request arrived, so it may have been executed. Its connection is closed."""

    async def stay_silent(connection: Connection) -> None:
        await connection.request()
        await connection.request()

    server.behaviour = stay_silent
    with pytest.raises(APITimeoutError) as caught:
        await AiohttpSender(session).send(
            "POST", server.url, headers=[], content=b"x", timeout=0.05
        )
    assert caught.value.sent
    with anyio.fail_after(5):
        while server.open:
            await anyio.lowlevel.checkpoint()


async def test_anything_else_of_aiohttp_is_refused() -> None:
    """Only a session sends requests."""
    wrong: Any = aiohttp.ClientTimeout()
    with pytest.raises(ConfigurationError, match=r"not ClientTimeout$"):
        make_sender(wrong, base_url="https://api.example", max_connections=1)
