"""How late the event loop wakes other tasks during an import.

A task sleeps 1 ms, again and again, and records how late it wakes: first while nothing else runs,
then during an import.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.bulk import import_rows
from benchmarks.measure import Comparison, Skipped, Work, alternate, percentile
from benchmarks.ours import OURS, OURS_AIOHTTP, open_ours
from benchmarks.rivals import AIOHTTP_MSGSPEC, HTTPX_ORJSON, open_rival
from benchmarks.rows import dicts, receivers
from benchmarks.servers import served
from benchmarks.settings import Settings

__all__ = ["run"]


async def run(settings: Settings) -> list[Comparison]:
    """Compare the cases without latency, and with it."""
    return [await _compare(settings, latency) for latency in (0.0, settings.latency)]


async def _compare(settings: Settings, latency: float) -> Comparison:
    comparison = Comparison(
        suite="lag", title=f"{latency:g} ms", unit="row", baseline=HTTPX_ORJSON, samples={}
    )
    rows, ready = list(dicts(settings.lag_rows)), list(receivers(settings.lag_rows))
    async with AsyncExitStack() as stack:
        server = stack.enter_context(served(latency=latency))
        works: dict[str, Work] = {}
        for case in (HTTPX_ORJSON, AIOHTTP_MSGSPEC):
            send = await stack.enter_async_context(open_rival(case, server, "upsertplus"))
            works[case] = _probed(partial(send, rows), settings.idle_seconds)
        for case in (OURS, OURS_AIOHTTP):
            try:
                cr = await stack.enter_async_context(open_ours(case, server))
            except Skipped as reason:
                comparison.skipped[case] = str(reason)
            else:
                works[case] = _probed(partial(import_rows, cr, ready), settings.idle_seconds)
        comparison.samples = await alternate(works, server, rounds=settings.lag_rounds)
    return comparison


def _probed(run_import: Callable[[], Awaitable[int]], idle_seconds: float) -> Work:
    async def work() -> Mapping[str, float]:
        idle = _Probe()
        await asyncio.sleep(idle_seconds)
        idle_late = await idle.stop()
        probe = _Probe()
        count = await run_import()
        late = await probe.stop()
        return {
            "count": count,
            "idle_p99": percentile(idle_late, 0.99),
            "p50": percentile(late, 0.5),
            "p99": percentile(late, 0.99),
            "max": max(late),
        }

    return work


class _Probe:
    """A task that sleeps 1 ms again and again, and records by how many ms it wakes too late."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        clock = time.perf_counter
        while True:
            started = clock()
            await asyncio.sleep(0.001)
            self._late.append((clock() - started - 0.001) * 1000)

    async def stop(self) -> list[float]:
        """Return the lags so far."""
        self._task.cancel()
        await asyncio.wait([self._task])
        return self._late or [0.0]
