"""Large answers are read in large pieces."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from cleverreach_async.transport.large_reads import read_more

pytestmark = pytest.mark.anyio


class Stream:
    """Notes how much is asked for."""

    def __init__(self, name: str = "plain") -> None:
        self.name = name
        self.asked: list[int] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what there is."""
        self.asked.append(max_bytes)
        return str(timeout).encode()

    async def start_tls(self, *, server_hostname: str) -> "Stream":
        """Encrypt."""
        return Stream(server_hostname)


class Backend:
    """Opens one stream."""

    def __init__(self) -> None:
        self.stream = Stream()

    async def connect_tcp(self, host: str, port: int) -> Stream:
        """Connect."""
        self.stream.name = f"{host}:{port}"
        return self.stream

    async def sleep(self, seconds: float) -> float:
        """Sleep."""
        return seconds


async def test_streams_are_asked_for_more_than_the_library_does() -> None:
    """Also once they are encrypted; everything else passes through."""
    backend = Backend()
    transport: Any = SimpleNamespace(_pool=SimpleNamespace(_network_backend=backend))
    read_more(transport)
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


def test_the_library_is_as_expected() -> None:
    """Otherwise nothing would break, but large answers would cost more again."""
    transport: Any = httpx.AsyncHTTPTransport()
    before = transport._pool._network_backend
    read_more(transport)

    assert before is not transport._pool._network_backend


def test_another_transport_is_left_alone() -> None:
    """One without a pool has nothing to tune."""
    read_more(object())
