"""How close imports come to the ideal when a server takes 200 ms and ten requests are in flight.

The ideal is ten batches of 1000 rows every 200 ms. Ours first sends 100 rows alone, to detect a
mistake in all rows, which costs one round trip: the cap.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

from benchmarks.bulk import import_rows
from benchmarks.measure import Comparison, Skipped, Work, alternate
from benchmarks.ours import OURS, OURS_AIOHTTP, open_ours
from benchmarks.rivals import (
    AIOHTTP_MSGSPEC,
    CONCURRENCY,
    HTTPX_ORJSON,
    REQUESTS_JSON,
    Import,
    open_rival,
)
from benchmarks.rows import dicts, receivers
from benchmarks.servers import served
from benchmarks.settings import Settings
from cleverreach_async import CleverReach

__all__ = ["cap", "run"]

_BATCH: Final = 1000
_SEQUENTIAL_ROWS: Final = 20_000
"""Rows of the sequential case, which would take minutes for more; its speed does not change."""

_MOST_AT_ONCE: Final = 200_000
"""Most rows for the cases that keep all of them in memory."""


def _round_trips(rows: float) -> float:
    return rows / (CONCURRENCY * _BATCH)


def cap(rows: float) -> float:
    """Return the share of the ideal that one round trip in advance leaves."""
    return _round_trips(rows) / (_round_trips(rows) + 1)


async def run(settings: Settings) -> list[Comparison]:
    """Compare the cases for each number of rows."""
    return [await _compare(settings, rows) for rows in settings.latency_rows]


async def _compare(settings: Settings, rows: int) -> Comparison:
    comparison = Comparison(
        suite="latency", title=f"{rows:,} rows", unit="row", baseline=REQUESTS_JSON, samples={}
    )
    async with AsyncExitStack() as stack:
        server = stack.enter_context(served(latency=settings.latency))
        works: dict[str, Work] = {}
        gathering = (HTTPX_ORJSON, AIOHTTP_MSGSPEC) if rows <= _MOST_AT_ONCE else ()
        for case in (REQUESTS_JSON, *gathering):
            send = await stack.enter_async_context(open_rival(case, server, "upsertplus"))
            count = min(rows, _SEQUENTIAL_ROWS) if case == REQUESTS_JSON else rows
            works[case] = _timed(partial(_by_hand, send, count), settings.latency)
        for case in (OURS, OURS_AIOHTTP):
            try:
                cr = await stack.enter_async_context(open_ours(case, server))
            except Skipped as reason:
                comparison.skipped[case] = str(reason)
            else:
                await cr.groups.list()
                works[case] = _timed(partial(_ours, cr, rows), settings.latency)
        comparison.samples = await alternate(
            works, server, rounds=settings.latency_rounds, warm=False
        )
    return comparison


async def _by_hand(send: Import, rows: int) -> int:
    return await send(dicts(rows))


async def _ours(cr: CleverReach, rows: int) -> int:
    source: Any = receivers(rows)
    return await import_rows(cr, source)


def _timed(run_import: Callable[[], Awaitable[int]], latency: float) -> Work:
    async def work() -> Mapping[str, float]:
        started = time.perf_counter()
        count = await run_import()
        seconds = time.perf_counter() - started
        return {"count": count, "share": _round_trips(count) * latency / 1000 / seconds}

    return work
