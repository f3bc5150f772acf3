"""The library over each of its HTTP clients."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import aiohttp
import httpx
import httpx2

from benchmarks.measure import Skipped
from benchmarks.servers import Server
from cleverreach_async import CleverReach, ConfigurationError, OAuthApp

__all__ = [
    "CONNECTIONS",
    "IDLE",
    "LIMITS",
    "OURS",
    "OURS_AIOHTTP",
    "OURS_HTTPX",
    "OURS_HTTPX2",
    "open_ours",
]

OURS: Final = "ours"
OURS_HTTPX: Final = "ours on httpx"
OURS_HTTPX2: Final = "ours on httpx2"
OURS_AIOHTTP: Final = "ours on aiohttp"

CONNECTIONS: Final = 100
"""Most connections of each client."""

IDLE: Final = 600
"""Seconds for which clients by hand keep an idle connection, until it is their turn again."""

LIMITS: Final[dict[str, Any]] = {
    "max_connections": CONNECTIONS,
    "max_keepalive_connections": CONNECTIONS,
    "keepalive_expiry": IDLE,
}
"""Limits of httpx and httpx2 that keep all connections."""


@asynccontextmanager
async def open_ours(case: str, server: Server) -> AsyncGenerator[CleverReach, None]:
    """Open the library's client as a user would, with OAuth and the default retries.

    Raises:
        Skipped: This version of the library does not take such an HTTP client.
    """
    app = OAuthApp("mock", "mock", base_url=server.url)
    async with AsyncExitStack() as stack:
        http_client = await _http_client(case, server.ssl_context, stack)
        try:
            cr = CleverReach(
                app.client_credentials(),
                base_url=server.url,
                http_client=http_client,
                max_connections=CONNECTIONS,
            )
        except ConfigurationError as error:
            raise Skipped(f"this version does not take the client: {error}") from error
        yield await stack.enter_async_context(cr)


async def _http_client(case: str, context: ssl.SSLContext, stack: AsyncExitStack) -> Any:
    if case == OURS_HTTPX:
        limits = httpx.Limits(**LIMITS)
        return await stack.enter_async_context(httpx.AsyncClient(verify=context, limits=limits))
    if case == OURS_HTTPX2:
        limits2 = httpx2.Limits(**LIMITS)
        return await stack.enter_async_context(httpx2.AsyncClient(verify=context, limits=limits2))
    if case == OURS_AIOHTTP:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context, keepalive_timeout=IDLE)
        return await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    return None
