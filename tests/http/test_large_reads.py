"""Large responses are read in large pieces, as long as the HTTP library is built as expected."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cleverreach_async.transport.http import PooledSender
from cleverreach_async.transport.large_reads import _Stream, enable_large_reads

if TYPE_CHECKING:
    from http.conftest import RawServer

pytestmark = pytest.mark.anyio

CHECKED_WITH = {"httpx": "0.28.1", "httpcore": "1.0.9"}


class Stream:
    """Records how much is read at a time."""

    def __init__(self, name: str = "plain") -> None:
        self.name = name
        self.asked: list[int] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the timeout."""
        self.asked.append(max_bytes)
        return str(timeout).encode()

    async def start_tls(self, *, server_hostname: str) -> Stream:
        """Encrypt."""
        return Stream(server_hostname)


class Backend:
    """Opens one stream."""

    def __init__(self, stream: Any = None) -> None:
        self.stream = stream or Stream()

    async def connect_tcp(self, host: str, port: int) -> Any:
        """Connect."""
        self.stream.name = f"{host}:{port}"
        return self.stream

    async def sleep(self, seconds: float) -> float:
        """Sleep."""
        return seconds


def transport_with(backend: Any) -> Any:
    """A transport of the expected shape with this backend."""
    return SimpleNamespace(_pool=SimpleNamespace(_network_backend=backend))


@pytest.mark.parametrize("library", CHECKED_WITH)
def test_the_versions_are_those_that_were_checked(library: str) -> None:
    """An upgrade fails here, so that somebody looks at the private parts again."""
    installed = metadata.version(library)
    assert installed == CHECKED_WITH[library], (
        f"{library} is now {installed}. Check that httpx.AsyncHTTPTransport._pool._network_backend "
        "still opens every connection with connect_tcp(), that streams have read(max_bytes, "
        "timeout) and start_tls(), and that the other tests in this file pass; then change "
        "CHECKED_WITH. If it reads more than 64 KiB at a time now, delete large_reads.py."
    )


@pytest.mark.socket
async def test_connections_of_the_library_have_large_reads(server: RawServer) -> None:
    """Otherwise nothing would fail, but large responses would cost more CPU time again."""
    sender = PooledSender(base_url=server.url)
    await sender.send("GET", server.url, headers=[], content=b"", timeout=5)
    [pool] = sender._pools
    backend: Any = pool.transport._pool._network_backend
    stream = await backend.connect_tcp("127.0.0.1", server.port)

    assert isinstance(stream, _Stream)
    await stream.aclose()
    await sender.aclose()


async def test_streams_read_more_than_the_library_asks_for() -> None:
    """Encrypted ones too; everything else passes through."""
    backend = Backend()
    transport = transport_with(backend)
    enable_large_reads(transport)
    opened = transport._pool._network_backend

    stream = await opened.connect_tcp("api.example", port=443)
    encrypted = await stream.start_tls(server_hostname="api.example")

    assert b"5.0" == await stream.read(65536, 5.0)
    assert b"None" == await encrypted.read(65536)
    assert [262144] == backend.stream.asked
    assert ("api.example:443", "api.example", 3) == (
        stream.name,
        encrypted.name,
        await opened.sleep(3),
    )


async def test_errors_of_the_backend_are_raised_unchanged() -> None:
    """The sender translates them. A failed connection is not tried in another way."""

    class Refusing(Backend):
        async def connect_tcp(self, host: str, port: int) -> Any:
            raise httpx.ConnectError(f"{host}:{port}")

    transport = transport_with(Refusing())
    enable_large_reads(transport)
    with pytest.raises(httpx.ConnectError, match=r"^api\.example:443$"):
        await transport._pool._network_backend.connect_tcp("api.example", 443)


class Raising:
    """Raises on every access to an attribute."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class BlockingBackend:
    """A backend of a library that is no longer asynchronous."""

    def connect_tcp(self, host: str, port: int) -> Any:
        """Connect."""


class FrozenPool:
    """A pool whose backend cannot be replaced."""

    @property
    def _network_backend(self) -> Backend:
        return BACKEND


BACKEND = Backend()


@pytest.mark.parametrize(
    "transport",
    [
        pytest.param(object(), id="no pool"),
        pytest.param(SimpleNamespace(_pool=None), id="empty pool"),
        pytest.param(SimpleNamespace(_pool=object()), id="no backend"),
        pytest.param(SimpleNamespace(_pool=FrozenPool()), id="frozen pool"),
        pytest.param(Raising(), id="raising transport"),
        pytest.param(SimpleNamespace(_pool=Raising()), id="raising pool"),
        pytest.param(transport_with(None), id="empty backend"),
        pytest.param(transport_with("asyncio"), id="backend of another type"),
        pytest.param(transport_with(Raising()), id="raising backend"),
        pytest.param(transport_with(BlockingBackend()), id="blocking backend"),
        pytest.param(transport_with(SimpleNamespace(connect_tcp=None)), id="no function"),
    ],
)
def test_a_transport_of_another_shape_is_not_changed(transport: Any) -> None:
    """And nothing is raised."""
    before = repr(transport)
    enable_large_reads(transport)
    assert before == repr(transport)


async def start_tls(**_: Any) -> Stream:
    """Encrypt."""
    return Stream()


async def read_with_flags(max_bytes: int, timeout: float | None = None, flags: int = 0) -> bytes:
    """Take one more argument."""
    return bytes([max_bytes, flags]) if timeout else b""


async def read_into(buffer: bytearray) -> int:
    """Read into a buffer of the caller."""
    return len(buffer)


async def read(max_bytes: int, timeout: float | None = None) -> bytes:
    """Read as expected."""
    return bytes(max_bytes) if timeout else b""


def read_blocking(max_bytes: int, timeout: float | None = None) -> bytes:
    """Read without being asynchronous."""
    return bytes(max_bytes) if timeout else b""


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(SimpleNamespace(read=read_with_flags, start_tls=start_tls), id="new argument"),
        pytest.param(SimpleNamespace(read=read_into, start_tls=start_tls), id="other arguments"),
        pytest.param(SimpleNamespace(read=read_blocking, start_tls=start_tls), id="blocking"),
        pytest.param(SimpleNamespace(read=b"", start_tls=start_tls), id="no function"),
        pytest.param(SimpleNamespace(read=read), id="no start_tls"),
        pytest.param(SimpleNamespace(), id="empty"),
        pytest.param(Raising(), id="raising"),
    ],
)
async def test_a_stream_of_another_shape_is_not_wrapped(stream: Any) -> None:
    """The library gets the very stream that it opened, encrypted or not."""

    async def connect_tcp() -> Any:
        return stream

    async def encrypt() -> Any:
        return stream

    plain = SimpleNamespace(read=read, start_tls=encrypt)

    async def connect_plain() -> Any:
        return plain

    for connect in (connect_tcp, connect_plain):
        transport = transport_with(SimpleNamespace(connect_tcp=connect))
        enable_large_reads(transport)
        opened = await transport._pool._network_backend.connect_tcp()
        if connect is connect_plain:
            assert isinstance(opened, _Stream)
            opened = await opened.start_tls()
        assert stream is opened
