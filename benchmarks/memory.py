"""Whether memory grows with the number of rows.

Peak memory belongs to a process, so every import has one of its own, which is started as
``python -m benchmarks.memory CASE ROWS URL``. Rows come from a generator.
"""

import asyncio
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.bulk import import_rows
from benchmarks.measure import Comparison, Skipped, rounded
from benchmarks.ours import OURS, OURS_AIOHTTP, open_ours
from benchmarks.rivals import HTTPX_ORJSON, open_rival
from benchmarks.rows import dicts, receivers
from benchmarks.servers import ROOT, Server, served
from benchmarks.settings import Settings

__all__ = ["CASES", "peak_memory", "run"]

_SKIPPED: Final = 3
"""Exit status of a process whose case cannot run."""

CASES: Final = (OURS, OURS_AIOHTTP, HTTPX_ORJSON)
_GROWING: Final = (HTTPX_ORJSON,)
"""Cases that keep all rows: they import the fewest rows only."""


async def run(settings: Settings, cases: Sequence[str] = CASES) -> list[Comparison]:
    """Compare the peaks of a few and of many rows."""
    few = min(settings.memory_rows)
    return [
        _compare(settings, rows, [case for case in cases if rows == few or case not in _GROWING])
        for rows in settings.memory_rows
    ]


def _compare(settings: Settings, rows: int, cases: Sequence[str]) -> Comparison:
    comparison = Comparison(
        suite="memory", title=f"{rows:,} rows", unit="row", baseline=OURS, samples={}
    )
    with served() as server:
        for case in [*cases] * settings.memory_rounds:
            if case in comparison.skipped:
                continue
            before = server.counters()
            try:
                measured = _measure_in_process(case, rows, server)
            except Skipped as reason:
                comparison.skipped[case] = str(reason)
                continue
            if not rows == measured["count"] == server.counters().rows - before.rows:
                raise SystemExit(f"{case}: not all of {rows:,} rows arrived")
            columns = comparison.samples.setdefault(case, {})
            for column, value in measured.items():
                columns.setdefault(column, []).append(value)
    comparison.samples = {case: rounded(columns) for case, columns in comparison.samples.items()}
    return comparison


def _measure_in_process(case: str, rows: int, server: Server) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory", case, str(rows), server.url]
    done = subprocess.run(  # noqa: S603 - our own module
        command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True
    )
    if done.returncode == _SKIPPED:
        raise Skipped(done.stdout.strip())
    done.check_returncode()
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


async def _measure(case: str, rows: int, server: Server) -> dict[str, float]:
    if case in _GROWING:
        async with open_rival(case, server, "upsertplus") as send:
            before = peak_memory()
            count = await send(dicts(rows))
    else:
        async with open_ours(case, server) as cr:
            await cr.groups.list()
            before = peak_memory()
            count = await import_rows(cr, receivers(rows))
    return {"count": count, "before": before, "peak": peak_memory()}


def peak_memory() -> float:
    """Return the peak of this process's resident memory, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage() says begins with the peak of the parent
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    """Measure one case, and print the result as JSON."""
    case, rows, url = sys.argv[1:]
    server = Server(int(url.rpartition(":")[2]), None)
    try:
        print(json.dumps(asyncio.run(_measure(case, int(rows), server))))
    except Skipped as reason:
        print(reason)
        raise SystemExit(_SKIPPED) from None


if __name__ == "__main__":
    main()
