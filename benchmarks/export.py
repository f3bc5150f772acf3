"""What it costs to read all receivers of a group, page by page."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp
import httpx
import orjson

from benchmarks.measure import Comparison, Skipped, Work, alternate
from benchmarks.ours import IDLE, LIMITS, OURS, OURS_AIOHTTP, open_ours
from benchmarks.rivals import HEADERS
from benchmarks.servers import Server, served
from benchmarks.settings import Settings
from cleverreach_async import CleverReach

__all__ = ["PAGE", "run"]

PAGE: Final = 500
"""Receivers per page, the default of the library."""

HTTPX_JSON: Final = "httpx + json"
HTTPX_ORJSON: Final = "httpx + orjson"
AIOHTTP_ORJSON: Final = "aiohttp + orjson"

_PATH: Final = "/v3/groups/1/receivers"

GetPage = Callable[[int], Awaitable[list[dict[str, Any]]]]


async def run(settings: Settings) -> list[Comparison]:
    """Compare the cases. Those by hand yield dicts, ours yields its models."""
    comparison = Comparison(
        suite="export", title="pages of 500", unit="row", baseline=HTTPX_JSON, samples={}
    )
    async with AsyncExitStack() as stack:
        server = stack.enter_context(served(receivers=settings.receivers))
        works = await _by_hand(stack, server)
        for case in (OURS, OURS_AIOHTTP):
            try:
                cr = await stack.enter_async_context(open_ours(case, server))
            except Skipped as reason:
                comparison.skipped[case] = str(reason)
            else:
                works[case] = _ours(cr)
        comparison.samples = await alternate(works, server, rounds=settings.export_rounds)
    return [comparison]


async def _by_hand(stack: AsyncExitStack, server: Server) -> dict[str, Work]:
    url = server.url + _PATH
    client = await stack.enter_async_context(
        httpx.AsyncClient(headers=HEADERS, limits=httpx.Limits(**LIMITS))
    )
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            headers=HEADERS, connector=aiohttp.TCPConnector(keepalive_timeout=IDLE)
        )
    )

    async def from_httpx(page: int) -> bytes:
        answer = await client.get(url, params={"page": page, "pagesize": PAGE})
        answer.raise_for_status()
        return answer.content

    async def from_aiohttp(page: int) -> bytes:
        async with session.get(url, params={"page": page, "pagesize": PAGE}) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def httpx_json(page: int) -> list[dict[str, Any]]:
        return json.loads(await from_httpx(page))  # type: ignore[no-any-return]

    async def httpx_orjson(page: int) -> list[dict[str, Any]]:
        return orjson.loads(await from_httpx(page))  # type: ignore[no-any-return]

    async def aiohttp_orjson(page: int) -> list[dict[str, Any]]:
        return orjson.loads(await from_aiohttp(page))  # type: ignore[no-any-return]

    return {
        HTTPX_JSON: _paged(httpx_json),
        HTTPX_ORJSON: _paged(httpx_orjson),
        AIOHTTP_ORJSON: _paged(aiohttp_orjson),
    }


def _paged(get: GetPage) -> Work:
    async def work() -> Mapping[str, float]:
        count = page = 0
        while rows := await get(page):
            page += 1
            count += sum(1 for row in rows if row["email"])
        return {"count": count}

    return work


def _ours(cr: CleverReach) -> Work:
    async def work() -> Mapping[str, float]:
        count = 0
        async for receiver in cr.receivers.list(group_id=1, page_size=PAGE):
            count += bool(receiver.email)
        return {"count": count}

    return work
