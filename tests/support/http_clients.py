"""The HTTP clients that a user may inject, each over sockets."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import httpx
import httpx2
import pytest
import sniffio

CLIENTS: Final = ("own pool", "httpx", "httpx2", "aiohttp")
"""``own pool`` stands for no client of the user's."""

# Creating a context takes long, and no test with these clients uses TLS.
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@asynccontextmanager
async def opened(name: str, *, connections: int = 100) -> AsyncGenerator[Any]:
    """Open a client; ``None`` for our own pool. The test is skipped for aiohttp on trio.

    Args:
        name: One of ``CLIENTS``.
        connections: Most connections at a time.
    """
    if name == "own pool":
        yield None
    elif name == "aiohttp":
        if sniffio.current_async_library() == "trio":
            pytest.skip("aiohttp needs asyncio")
        connector = aiohttp.TCPConnector(limit=connections)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session
    else:
        library: Any = {"httpx": httpx, "httpx2": httpx2}[name]
        limits = library.Limits(max_connections=connections, max_keepalive_connections=connections)
        async with library.AsyncClient(
            verify=_NO_TLS, trust_env=False, limits=limits, timeout=20.0
        ) as client:
            yield client
