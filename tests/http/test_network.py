"""Sockets: large reads, TLS records that are read together, and errors."""

import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
import trustme
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from cleverreach_async.transport.http.library import httpcore
from cleverreach_async.transport.http.network import NetworkBackend

pytestmark = [pytest.mark.anyio, pytest.mark.socket]

LARGE = bytes(range(256)) * 4096
"""One MiB."""


@asynccontextmanager
async def server_that(behave: Any) -> AsyncGenerator[int]:
    """A server on the loopback with a behaviour for each connection."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, behave)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def read_all(stream: httpcore.AsyncNetworkStream) -> list[bytes]:
    """Read to the end; returns the pieces."""
    pieces: list[bytes] = []
    while piece := await stream.read(16):
        pieces.append(piece)
    return pieces


async def test_reads_are_larger_than_asked_for() -> None:
    """The library asks for 64 KiB, and a response to a batch has ten times that."""

    async def send(stream: SocketStream) -> None:
        async with stream:
            await stream.send(LARGE)

    async with server_that(send) as port:
        stream = await NetworkBackend().connect_tcp("127.0.0.1", port, timeout=5)
        pieces = await read_all(stream)
        await stream.aclose()
    assert b"".join(pieces) == LARGE
    assert max(map(len, pieces)) > 64 * 1024


async def test_tls_records_are_read_together() -> None:
    """A record has 16 KiB; those that have arrived make one piece, and none is lost."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)  # pyright: ignore[reportUnknownMemberType]

    async def send(stream: SocketStream) -> None:
        async with await TLSStream.wrap(stream, server_side=True, ssl_context=context) as tls:
            await tls.send(LARGE)

    async with server_that(send) as port:
        plain = await NetworkBackend().connect_tcp("127.0.0.1", port, timeout=5)
        stream = await plain.start_tls(trusting, "localhost", timeout=5)
        pieces = await read_all(stream)
        await stream.aclose()
    assert b"".join(pieces) == LARGE
    assert max(map(len, pieces)) > 64 * 1024


async def test_an_unknown_authority_is_no_connection() -> None:
    """Nothing was sent yet."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]

    async def shake_hands(stream: SocketStream) -> None:
        async with stream:
            with suppress(ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError):
                await TLSStream.wrap(stream, server_side=True, ssl_context=context)

    async with server_that(shake_hands) as port:
        plain = await NetworkBackend().connect_tcp("127.0.0.1", port, timeout=5)
        with pytest.raises(httpcore.ConnectError, match="certificate verify failed"):
            await plain.start_tls(ssl.create_default_context(), "localhost", timeout=5)


async def test_a_handshake_that_takes_too_long_is_no_connection() -> None:
    """The server accepts the connection and says nothing."""

    async def stay_silent(stream: SocketStream) -> None:
        async with stream:
            await anyio.sleep_forever()

    async with server_that(stay_silent) as port:
        plain = await NetworkBackend().connect_tcp("127.0.0.1", port, timeout=5)
        with pytest.raises(httpcore.ConnectTimeout):
            await plain.start_tls(ssl.create_default_context(), "localhost", timeout=0.05)


async def test_a_cancelled_handshake_closes_its_socket() -> None:
    """Otherwise the socket stays open until the garbage collector finds it."""
    accepted, left = anyio.Event(), anyio.Event()

    async def wait_for_the_end(stream: SocketStream) -> None:
        accepted.set()
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    await stream.receive()
        left.set()

    async with server_that(wait_for_the_end) as port:
        plain = await NetworkBackend().connect_tcp("127.0.0.1", port, timeout=5)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plain.start_tls, ssl.create_default_context(), "localhost", 5)
            await accepted.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await left.wait()


async def test_a_refused_connection_is_no_connection() -> None:
    """Nobody listens on the port."""
    async with server_that(None) as port:
        pass
    with pytest.raises(httpcore.ConnectError):
        await NetworkBackend().connect_tcp("127.0.0.1", port, timeout=5)


async def test_a_closed_stream_neither_reads_nor_writes() -> None:
    """The errors are those of the library. An idle one shows that its other side has left."""

    async def leave(stream: SocketStream) -> None:
        await stream.aclose()

    async with server_that(leave) as port:
        stream = await NetworkBackend().connect_tcp("127.0.0.1", port, timeout=5)
        with anyio.fail_after(5):
            while not stream.get_extra_info("is_readable"):
                await anyio.lowlevel.checkpoint()
        await stream.aclose()
        with pytest.raises(httpcore.ReadError):
            await stream.read(16)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x")
        assert stream.get_extra_info("is_readable")


async def test_options_of_sockets_are_set() -> None:
    """Httpcore passes them on, and asks for nothing else than it needs."""

    async def stay(stream: SocketStream) -> None:
        async with stream:
            await anyio.sleep_forever()

    option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    async with server_that(stay) as port:
        stream = await NetworkBackend().connect_tcp("127.0.0.1", port, socket_options=[option])
        assert not stream.get_extra_info("is_readable")
        assert stream.get_extra_info("unknown") is None
        await stream.aclose()
