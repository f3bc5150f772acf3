"""What one small call costs: ``GET /groups``, one after the other."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

from benchmarks.clients import AIOHTTP, HTTPX, Call, open_client
from benchmarks.measure import Comparison, Skipped, Work, alternate, percentile
from benchmarks.ours import OURS, OURS_AIOHTTP, OURS_HTTPX, OURS_HTTPX2
from benchmarks.servers import served
from benchmarks.settings import Settings

__all__ = ["CASES", "run"]

CASES: Final = (HTTPX, AIOHTTP, OURS, OURS_HTTPX, OURS_HTTPX2, OURS_AIOHTTP)


async def run(settings: Settings) -> list[Comparison]:
    """Compare the cases without and with TLS."""
    return [await _compare(settings, tls=tls) for tls in (False, True)]


async def _compare(settings: Settings, *, tls: bool) -> Comparison:
    comparison = Comparison(
        suite="calls",
        title="TLS" if tls else "plain",
        unit="request",
        baseline=HTTPX,
        samples={},
    )
    async with AsyncExitStack() as stack:
        server = stack.enter_context(served(tls=tls))
        works: dict[str, Work] = {}
        for case in CASES:
            try:
                call = await stack.enter_async_context(open_client(case, server))
            except Skipped as reason:
                comparison.skipped[case] = str(reason)
            else:
                works[case] = _work(call, settings.calls)
        comparison.samples = await alternate(
            works, server, rounds=settings.call_rounds, counted="requests"
        )
    return comparison


def _work(call: Call, count: int) -> Work:
    async def work() -> Mapping[str, float]:
        times: list[float] = []
        clock = time.perf_counter
        for _ in range(count):
            started = clock()
            await call(0)
            times.append((clock() - started) * 1e6)
        return {"count": count, "p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}

    return work
