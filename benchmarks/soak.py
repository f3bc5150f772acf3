"""Import millions of rows through faults, and measure the memory.

``python -m benchmarks.soak --rows 5000000``. It fails if a row is lost or added, or if memory grows
by more than 10 MB after the first 100,000 rows.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.memory import peak_memory
from benchmarks.rows import receivers
from cleverreach_async import UNSET, CleverReach, ImportProgress, ImportReport, ReceiverInput

ROOT: Final = Path(__file__).resolve().parents[1]
WARM: Final = 100_000
MOST_GROWTH: Final = 10.0


@attrs.define
class Memory:
    """Peak of the process's resident memory, in MB.

    Attributes:
        warm: During the first 100,000 rows.
        most: During the whole import.
    """

    warm: float = 0.0
    most: float = 0.0

    def sample(self, progress: ImportProgress) -> None:
        """Measure the memory."""
        self.most = peak_memory()
        if progress.done <= WARM:
            self.warm = self.most

    @property
    def growth(self) -> float:
        """Growth after the first 100,000 rows."""
        return self.most - self.warm


def _rows(count: int) -> Iterator[ReceiverInput]:
    for receiver in receivers(count):
        receiver.orders = UNSET  # the mock does not store orders, so it could not list them later
        yield receiver


async def _import(url: str, rows: int, folder: Path, memory: Memory) -> ImportReport:
    async with CleverReach("mock", base_url=url) as cr:
        return await cr.bulk.upsert(
            _rows(rows),
            group_id=1,
            journal=folder / "soak.journal",
            rejects=folder / "rejects.jsonl",
            on_progress=memory.sample,
            settle=0.2,
        )


def _stored(port: int) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/__stored")
    counts: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return counts


def main() -> None:
    """Run, print the figures, and fail if a row is missing or memory has grown."""
    parser = argparse.ArgumentParser(description="A long import through faults.")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--faults", type=float, default=0.05, help="share of batches, 0 to 1")
    options = parser.parse_args()
    command = [sys.executable, "-m", "benchmarks.rough_api", "--port", "0"]
    server = subprocess.Popen(  # noqa: S603 - our own module
        [*command, "--faults", str(options.faults)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    memory = Memory()
    try:
        assert server.stdout is not None  # noqa: S101 - a pipe was asked for
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            url = f"http://127.0.0.1:{port}"
            report = asyncio.run(_import(url, options.rows, folder, memory))
            journal = sum(file.stat().st_size for file in folder.glob("soak.journal*"))
        counts = _stored(port)
    finally:
        server.terminate()
        server.wait()
    _print(report, counts, memory, journal)
    if not options.rows == report.accepted == counts["stored"]:
        raise SystemExit(f"{options.rows} rows, but not all of them accepted and stored")
    if memory.growth > MOST_GROWTH:
        raise SystemExit(f"memory grew by {memory.growth:.1f} MB")


def _print(report: ImportReport, counts: dict[str, Any], memory: Memory, journal: int) -> None:
    print(
        f"rows      {report.read:,} read, {report.accepted:,} accepted, {counts['stored']:,} stored"
    )
    print(f"requests  {report.requests:,}, of which {report.retries:,} were retries")
    print(f"faults    {', '.join(f'{count} {kind}' for kind, count in counts['faults'].items())}")
    print(f"time      {report.elapsed:,.0f} s, {report.read / report.elapsed:,.0f} rows/s")
    print(f"memory    peak {memory.warm:.1f} MB in {WARM:,} rows, {memory.most:.1f} MB in all")
    print(f"growth    {memory.growth:.1f} MB")
    print(f"journal   {journal:,} bytes")


if __name__ == "__main__":
    main()
