"""Imports written by hand, as short as they can be.

They only send batches and count what the response shows as stored: no retries, no check of
addresses, no order among rows of one address, no result per row.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final

import aiohttp
import httpx
import msgspec
import orjson
import requests

from benchmarks.ours import IDLE, LIMITS
from benchmarks.rows import Row
from benchmarks.servers import Server

__all__ = [
    "AIOHTTP_MSGSPEC",
    "CONCURRENCY",
    "HEADERS",
    "HTTPX_ORJSON",
    "REQUESTS_JSON",
    "REQUESTS_ORJSON",
    "RIVALS",
    "Import",
    "batches",
    "encode",
    "open_rival",
]

REQUESTS_JSON: Final = "requests + json"
REQUESTS_ORJSON: Final = "requests + orjson"
HTTPX_ORJSON: Final = "httpx + orjson"
AIOHTTP_MSGSPEC: Final = "aiohttp + msgspec"
RIVALS: Final = (REQUESTS_JSON, REQUESTS_ORJSON, HTTPX_ORJSON, AIOHTTP_MSGSPEC)

CONCURRENCY: Final = 10
"""Requests in flight of each but those of ``requests``, which is sequential."""

_BATCH: Final = 1000
_TIMEOUT: Final = 120.0
HEADERS: Final = {"authorization": "Bearer mock", "content-type": "application/json"}

Import = Callable[[Iterable[Row]], Awaitable[int]]
"""Imports rows, and returns how many the server has stored."""


class _Stored(msgspec.Struct):
    id: str | int


encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[_Stored]).decode


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in batches of 1000."""
    source = iter(rows)
    while batch := list(islice(source, _BATCH)):
        yield batch


@asynccontextmanager
async def open_rival(case: str, server: Server, call: str) -> AsyncGenerator[Import, None]:
    """Open the client of a case.

    Args:
        case: Name of the case.
        server: Where to.
        call: The vendor's call, ``upsertplus`` or ``upsert``.
    """
    url = f"{server.url}/v3/groups/1/receivers/{call}"
    if case in {REQUESTS_JSON, REQUESTS_ORJSON}:
        with requests.Session() as session:
            session.headers.update(HEADERS)
            send = _post_json if case == REQUESTS_JSON else _post_orjson
            yield lambda rows: send(session, url, rows)
    elif case == HTTPX_ORJSON:
        limits = httpx.Limits(**LIMITS)
        async with httpx.AsyncClient(
            headers=HEADERS, timeout=_TIMEOUT, verify=server.ssl_context, limits=limits
        ) as client:
            yield lambda rows: _gather_httpx(client, url, rows)
    elif case == AIOHTTP_MSGSPEC:
        connector = aiohttp.TCPConnector(ssl=server.ssl_context, keepalive_timeout=IDLE)
        async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session2:
            yield lambda rows: _gather_aiohttp(session2, url, rows)
    else:
        raise ValueError(f"there is no case {case!r}")


async def _post_json(session: requests.Session, url: str, rows: Iterable[Row]) -> int:
    accepted = 0
    for batch in batches(rows):
        answer = session.post(url, json=batch, timeout=_TIMEOUT)
        answer.raise_for_status()
        accepted += len(answer.json())
    return accepted


async def _post_orjson(session: requests.Session, url: str, rows: Iterable[Row]) -> int:
    accepted = 0
    for batch in batches(rows):
        answer = session.post(url, data=orjson.dumps(batch), timeout=_TIMEOUT)
        answer.raise_for_status()
        accepted += len(orjson.loads(answer.content))
    return accepted


async def _gather_httpx(client: httpx.AsyncClient, url: str, rows: Iterable[Row]) -> int:
    permits = asyncio.Semaphore(CONCURRENCY)

    async def send(batch: list[Row]) -> int:
        async with permits:
            answer = await client.post(url, content=orjson.dumps(batch))
            answer.raise_for_status()
            return len(orjson.loads(answer.content))

    return sum(await asyncio.gather(*map(send, batches(rows))))


async def _gather_aiohttp(session: aiohttp.ClientSession, url: str, rows: Iterable[Row]) -> int:
    permits = asyncio.Semaphore(CONCURRENCY)

    async def send(batch: list[Row]) -> int:
        async with permits, session.post(url, data=encode(batch)) as answer:
            answer.raise_for_status()
            return len(_decode(await answer.read()))

    return sum(await asyncio.gather(*map(send, batches(rows))))
