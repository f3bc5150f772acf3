"""Clients that make the same small call, ``GET /groups``: by hand and with the library."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import httpx
import httpx2

from benchmarks.ours import CONNECTIONS, IDLE, LIMITS, open_ours
from benchmarks.servers import Server

__all__ = ["AIOHTTP", "HTTPX", "HTTPX2", "HTTPX_MATCHED", "Call", "open_client"]

HTTPX: Final = "httpx"
HTTPX_MATCHED: Final = "httpx, equal limits"
HTTPX2: Final = "httpx2, equal limits"
AIOHTTP: Final = "aiohttp + json"

_PATH: Final = "/v3/groups"

Call = Callable[[int], Awaitable[Any]]
"""Makes the call for one tenant, and returns the groups."""


@asynccontextmanager
async def open_client(case: str, server: Server, tenants: int = 1) -> AsyncGenerator[Call, None]:
    """Open a client, and return its call.

    Args:
        case: Name of the case.
        server: Whom it calls.
        tenants: Number of accounts, each with a token of its own, over the one client.
    """
    headers = [{"authorization": f"Bearer tenant-{number}"} for number in range(tenants)]
    if case in {HTTPX, HTTPX_MATCHED}:
        # The default keeps 20 of 100 connections open.
        limits = httpx.Limits(**LIMITS)
        options: Any = {"limits": limits} if case == HTTPX_MATCHED else {}
        async with httpx.AsyncClient(verify=server.ssl_context, timeout=60, **options) as client:
            yield _call_httpx(client, server, headers)
    elif case == HTTPX2:
        limits2 = httpx2.Limits(**LIMITS)
        async with httpx2.AsyncClient(
            verify=server.ssl_context, timeout=60, limits=limits2
        ) as client2:
            yield _call_httpx(client2, server, headers)
    elif case == AIOHTTP:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS, ssl=server.ssl_context, keepalive_timeout=IDLE
        )
        async with aiohttp.ClientSession(connector=connector) as session:
            yield _call_aiohttp(session, server, headers)
    else:
        async with open_ours(case, server) as cr:
            # One account renews its own tokens; more are given one each.
            tokens = [f"tenant-{number}" for number in range(tenants)]
            accounts = [cr] if tenants == 1 else [cr.with_auth(token) for token in tokens]
            yield lambda tenant: accounts[tenant].groups.list()


def _call_httpx(client: Any, server: Server, headers: list[dict[str, str]]) -> Call:
    url = server.url + _PATH

    async def call(tenant: int) -> Any:
        answer = await client.get(url, headers=headers[tenant])
        answer.raise_for_status()
        return answer.json()

    return call


def _call_aiohttp(
    session: aiohttp.ClientSession, server: Server, headers: list[dict[str, str]]
) -> Call:
    url = server.url + _PATH

    async def call(tenant: int) -> Any:
        async with session.get(url, headers=headers[tenant]) as answer:
            answer.raise_for_status()
            return json.loads(await answer.read())

    return call
