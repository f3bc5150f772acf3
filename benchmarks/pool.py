"""How well a client uses 100 connections to a server that takes 50 ms for each request.

The ideal is that every connection has a request in flight all the time.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

from benchmarks.clients import AIOHTTP, HTTPX, HTTPX2, HTTPX_MATCHED, Call, open_client
from benchmarks.measure import Comparison, Skipped, Work, alternate, percentile
from benchmarks.ours import OURS, OURS_AIOHTTP
from benchmarks.servers import Server, served
from benchmarks.settings import Settings

__all__ = ["CASES", "TENANTS", "run"]

CASES: Final = (HTTPX, HTTPX_MATCHED, HTTPX2, AIOHTTP, OURS, OURS_AIOHTTP)
TENANTS: Final = (1, 8, 1000)


async def run(settings: Settings) -> list[Comparison]:
    """Compare the cases for one account, for 8 and for 1,000."""
    with served(latency=settings.pool_latency) as server:
        return [await _compare(settings, server, tenants) for tenants in TENANTS]


async def _compare(settings: Settings, server: Server, tenants: int) -> Comparison:
    comparison = Comparison(
        suite="pool",
        title="1 account" if tenants == 1 else f"{tenants:,} accounts",
        unit="request",
        baseline=HTTPX,
        samples={},
    )
    async with AsyncExitStack() as stack:
        works: dict[str, Work] = {}
        for case in CASES:
            if case == HTTPX_MATCHED and tenants > 1:
                continue  # it takes the longest, and headers make no difference to it
            try:
                call = await stack.enter_async_context(open_client(case, server, tenants))
            except Skipped as reason:
                comparison.skipped[case] = str(reason)
            else:
                await call(0)  # ours fetches its token
                works[case] = _work(call, server, tenants, settings)
        comparison.samples = await alternate(
            works, server, rounds=settings.pool_rounds, counted="requests", warm=False
        )
    return comparison


def _work(call: Call, server: Server, tenants: int, settings: Settings) -> Work:
    """Return a piece: tasks that make their calls one after the other.

    A first call of each task, which connects, belongs to the count but not to the other figures.
    """
    calls, tasks = settings.pool_calls, settings.pool_tasks

    async def work() -> Mapping[str, float]:
        times: list[float] = []
        clock = time.perf_counter

        async def user(number: int) -> None:
            for turn in range(calls):
                started = clock()
                await call((number + turn * tasks) % tenants)
                times.append((clock() - started) * 1e3)

        await asyncio.gather(*(call(number % tenants) for number in range(tasks)))
        before = server.counters().connections
        started = clock()
        await asyncio.gather(*map(user, range(tasks)))
        seconds = clock() - started
        return {
            "count": tasks * (calls + 1),
            "measured": tasks * calls,
            "connections": server.counters().connections - before,
            "share": calls * settings.pool_latency / 1000 / seconds,
            "p50": percentile(times, 0.5),
            "p99": percentile(times, 0.99),
        }

    return work
