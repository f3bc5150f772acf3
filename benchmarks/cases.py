"""One measurement in a process started by ``bulk.py``; prints its result as JSON."""

import asyncio
import gc
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import attrs
import httpx
import msgspec
import requests

from benchmarks.rows import Row, csv_rows, dicts, receivers
from cleverreach_async import CleverReach, read_csv

__all__ = ["ASYNC_CASES", "CASES", "Lag", "Result", "Source", "Spec", "peak_memory"]

Source = Literal["ready", "generator", "csv"]

_BATCH: Final = 1000
_PATH: Final = "/v3/groups/1/receivers/upsertplus"
_TIMEOUT: Final = 120.0
_HEADERS: Final = {"authorization": "Bearer mock"}


@attrs.frozen(kw_only=True)
class Spec:
    """What to measure.

    Attributes:
        case: Name of the case.
        url: Root of the server.
        rows: Number of rows.
        concurrency: Requests at a time.
        source: ``ready`` rows are created before the measurement starts.
        csv: Path of the file, for that source.
        probe: Whether to measure the lag of the event loop, which costs CPU time.
    """

    case: str
    url: str
    rows: int
    concurrency: int
    source: Source = "ready"
    csv: str = ""
    probe: bool = False


@attrs.frozen(kw_only=True)
class Lag:
    """How late the event loop woke a task after a sleep of 1 ms, in milliseconds."""

    p50: float
    p99: float
    max: float


@attrs.frozen(kw_only=True)
class Result:
    """What was measured.

    Attributes:
        accepted: Rows that the client counted as stored.
        wall: Seconds.
        cpu: Seconds of this process, user and system.
        base: Peak memory before the measurement, in MB.
        peak: Peak memory at the end, in MB.
        idle: The event loop's lag before the import, if probed.
        lag: The event loop's lag during the import, if probed.
    """

    accepted: int
    wall: float
    cpu: float
    base: float
    peak: float
    idle: Lag | None = None
    lag: Lag | None = None


def requests_stack(spec: Spec, rows: Iterable[Row]) -> int:
    """Send batches of 1000 rows one after the other, as most integrations do."""
    accepted = 0
    with requests.Session() as session:
        session.headers.update(_HEADERS)
        for batch in _batches(rows):
            answer = session.post(spec.url + _PATH, json=batch, timeout=_TIMEOUT)
            answer.raise_for_status()
            accepted += len(answer.json())
    return accepted


async def gather_httpx(spec: Spec, rows: Iterable[Row]) -> int:
    """Create all batches at once and send them under a semaphore."""
    permits = asyncio.Semaphore(spec.concurrency)
    async with httpx.AsyncClient(headers=_HEADERS, timeout=_TIMEOUT) as client:

        async def send(batch: list[Row]) -> int:
            async with permits:
                answer = await client.post(spec.url + _PATH, json=batch)
                answer.raise_for_status()
                return len(answer.json())

        return sum(await asyncio.gather(*map(send, _batches(rows))))


async def ours(spec: Spec, rows: Iterable[Any]) -> int:
    """Pass the rows to the library."""
    async with CleverReach("mock", base_url=spec.url) as cr:
        report = await cr.bulk.upsert(rows, group_id=1, concurrency=spec.concurrency)
    report.raise_for_failures()
    return report.accepted


ASYNC_CASES: Final[dict[str, Callable[[Spec, Iterable[Any]], Awaitable[int]]]] = {
    "gather_httpx": gather_httpx,
    "ours": ours,
}
CASES: Final = ("requests_stack", *ASYNC_CASES)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while batch := list(islice(source, _BATCH)):
        yield batch


def _rows(spec: Spec) -> Iterable[Any]:
    is_ours = spec.case == "ours"
    if spec.source == "csv":
        if not is_ours:
            return csv_rows(Path(spec.csv))
        return read_csv(spec.csv)
    source = receivers(spec.rows) if is_ours else dicts(spec.rows)
    return list(source) if spec.source == "ready" else source


def _measure(spec: Spec) -> Result:
    """Measure one case; modules that are imported by a first request are imported before."""
    rows = _rows(spec)
    if spec.case == "requests_stack":
        requests.get(f"{spec.url}/v3/groups", timeout=_TIMEOUT)
        clock = _Clock()
        return clock.result(requests_stack(spec, rows))
    return asyncio.run(_measure_async(spec, rows))


async def _measure_async(spec: Spec, rows: Iterable[Any]) -> Result:
    async with CleverReach("mock", base_url=spec.url) as cr:
        await cr.groups.list()
    async with httpx.AsyncClient() as client:
        await client.get(f"{spec.url}/v3/groups")
    case = ASYNC_CASES[spec.case]
    if not spec.probe:
        clock = _Clock()
        return clock.result(await case(spec, rows))
    idle = _Probe()
    await asyncio.sleep(0.5)
    idle_lag = await idle.stop()
    clock = _Clock()
    probe = _Probe()
    accepted = await case(spec, rows)
    lag = await probe.stop()
    return attrs.evolve(clock.result(accepted), idle=idle_lag, lag=lag)


class _Clock:
    """Measures time, CPU and memory; existing objects are hidden from the garbage collector."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        self._base = peak_memory()
        self._cpu = _cpu()
        self._wall = time.perf_counter()

    def result(self, accepted: int) -> Result:
        """Return what was measured since the start."""
        wall = time.perf_counter() - self._wall
        cpu = _cpu() - self._cpu
        return Result(accepted=accepted, wall=wall, cpu=cpu, base=self._base, peak=peak_memory())


class _Probe:
    """A task that repeatedly sleeps 1 ms and records how late it wakes."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        clock = time.perf_counter
        while True:
            started = clock()
            await asyncio.sleep(0.001)
            self._late.append((clock() - started - 0.001) * 1000)

    async def stop(self) -> Lag:
        """Return the lag so far."""
        self._task.cancel()
        await asyncio.wait([self._task])
        late = sorted(self._late)
        last = len(late) - 1
        return Lag(p50=late[last // 2], p99=late[round(last * 0.99)], max=late[last])


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory() -> float:
    """Return the peak of this process's resident memory, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    result = _measure(msgspec.json.decode(sys.argv[1], type=Spec))
    print(msgspec.json.encode(result).decode())
