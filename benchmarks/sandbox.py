"""Measure how many rows per second the sandbox takes, and what they cost it.

``python -m benchmarks.sandbox --help``. The sandbox runs in a process of its own; this one sends it
prepared batches of 1000 rows over one connection, one after the other.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from statistics import median
from threading import Thread
from typing import IO, Any, Final, cast

import anyio
import msgspec

from benchmarks.rows import dicts
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.server import serve

__all__ = ["main"]

ROOT: Final = Path(__file__).resolve().parents[1]
BATCH: Final = 1000
STORES: Final = ("memory", "file")
CASES: Final = (
    *(("insert", "new"), ("upsert", "new"), ("upsert", "known")),
    *(("upsertplus", "new"), ("upsertplus", "known"), ("update", "known")),
)
"""The call, and whether the group is empty or has the same rows already."""

SMALL_CALLS: Final = 1000
TOKEN: Final = "benchmark"  # noqa: S105 - a sandbox has no secrets

Figures = dict[str, Any]


class SandboxProcess:
    """A sandbox in a process of its own, and a connection to it."""

    def __init__(self, path: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.sandbox", "--serve", path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)
        self._connection = HTTPConnection("127.0.0.1", int(self._output.readline()), timeout=120)

    def cpu(self) -> float:
        """Return the CPU time of the process so far in seconds, user and system."""
        self._input.write(b"cpu\n")
        self._input.flush()
        return float(self._output.readline())

    def call(self, method: str, path: str, body: bytes = b"") -> Any:
        """Send a request and return the JSON of its response."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        self._connection.request(method, f"/v3/{path}", body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:  # noqa: PLR2004
            raise RuntimeError(f"{method} {path}: {response.status} {content[:200]!r}")
        return msgspec.json.decode(content)

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.communicate()


@contextmanager
def _started(store: str) -> Generator[SandboxProcess, None, None]:
    with tempfile.TemporaryDirectory() as folder:
        process = SandboxProcess(":memory:" if store == "memory" else f"{folder}/sandbox.sqlite")
        try:
            yield process
        finally:
            process.stop()


def _serve(path: str) -> None:
    """Run the sandbox, print its port, and then its CPU time for every line of the input."""

    def print_cpu() -> None:
        for _ in sys.stdin:
            print(time.process_time(), flush=True)

    with Sandbox(path) as sandbox:
        sandbox.add_token(TOKEN)
        Thread(target=print_cpu, daemon=True).start()
        anyio.run(partial(serve, sandbox, port=0, on_started=partial(print, flush=True)))


def _bodies(rows: int) -> list[bytes]:
    source = dicts(rows)
    return [msgspec.json.encode(list(islice(source, BATCH))) for _ in range(0, rows, BATCH)]


def _prepare(server: SandboxProcess) -> str:
    """Create the group and the attributes of the rows; return the path of the receivers."""
    group = server.call("POST", "groups", b'{"name":"Benchmark"}')["id"]
    for name in next(dicts(1))["global_attributes"]:
        server.call("POST", "attributes", msgspec.json.encode({"name": name, "type": "text"}))
    return f"groups/{group}/receivers"


def _measured(server: SandboxProcess, requests: Iterable[Sequence[Any]], number: int) -> Figures:
    wall, cpu = time.perf_counter(), server.cpu()
    for request in requests:
        server.call(*request)
    cpu, wall = server.cpu() - cpu, time.perf_counter() - wall
    return {"per_second": number / wall, "cpu_us": cpu / number * 1e6}


def _send(server: SandboxProcess, path: str, call: str, bodies: Sequence[bytes]) -> Figures:
    method = "PUT" if call.startswith("update") else "POST"
    rows = len(bodies) * BATCH
    return _measured(server, [(method, f"{path}/{call}", body) for body in bodies], rows)


def measure(rows: int, rounds: int, stores: Sequence[str]) -> list[Figures]:
    """Run every case in every round, each with a sandbox of its own."""
    bodies, runs = _bodies(rows), list[Figures]()
    for _ in range(rounds):
        for store in stores:
            for call, receivers in CASES:
                with _started(store) as server:
                    path = _prepare(server)
                    if receivers == "known":
                        _send(server, path, "upsert", bodies)
                    figures = _send(server, path, call, bodies)
                    stored = server.call("GET", f"{path.rpartition('/')[0]}/stats")["total_count"]
                if stored != rows:
                    raise RuntimeError(f"{call}: {stored} of {rows} receivers are stored")
                runs.append({"store": store, "call": call, "receivers": receivers, **figures})
        with _started("memory") as server:
            requests = [("GET", "groups")] * SMALL_CALLS
            figures = _measured(server, requests, SMALL_CALLS)
            runs.append({"store": "memory", "call": "GET /groups", "receivers": "", **figures})
    return runs


def summarise(runs: Sequence[Figures]) -> list[Figures]:
    """Return the medians of the rounds."""
    names = ("store", "call", "receivers")
    cases = dict.fromkeys(tuple(run[name] for name in names) for run in runs)
    summary = list[Figures]()
    for case in cases:
        same = [run for run in runs if tuple(run[name] for name in names) == case]
        medians = {name: median(run[name] for run in same) for name in ("per_second", "cpu_us")}
        summary.append(dict(zip(names, case, strict=True)) | medians)
    return summary


def _table(summary: Sequence[Figures]) -> str:
    lines = [
        "| store | call | receivers | rows/s | server's CPU s/M rows |",
        "|---|---|---|---:|---:|",
    ]
    lines += [
        f"| {it['store']} | {it['call']} | {it['receivers']} "
        f"| {it['per_second']:,.0f} | {it['cpu_us']:.1f} |"
        for it in summary
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Measure the sandbox.")
    parser.add_argument("--rows", type=int, default=20_000, help="a multiple of 1000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stores", default=",".join(STORES), help="memory, file or both")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--serve", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        _serve(options.serve)
        return
    if options.rows <= 0 or options.rows % BATCH:
        parser.error(f"--rows must be a multiple of {BATCH}")
    runs = measure(options.rows, options.rounds, options.stores.split(","))
    summary = summarise(runs)
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "summary": summary}, indent=2), "utf-8")
    print(_table(summary))
    print("\nA row of GET /groups is a call.")


if __name__ == "__main__":
    main()
