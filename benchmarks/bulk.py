"""Compare the bulk importer with code written by hand.

``python -m benchmarks.bulk --help``. Every round runs every case once, in rotating order; every run
is a process of its own, and so is the server.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from statistics import median
from typing import Any, Final

import attrs
import msgspec

from benchmarks.rows import write_csv

__all__ = ["main"]

ROOT: Final = Path(__file__).resolve().parents[1]
CASES: Final = ("requests_stack", "gather_httpx", "ours")
BASELINE: Final = "requests_stack"
PACKAGES: Final = ("httpx", "anyio", "attrs", "msgspec", "requests", "uvicorn")
MEMORY_ROWS: Final = (100_000, 2_000_000)
STACK: Final = 1000

Run = dict[str, Any]


@attrs.frozen(kw_only=True)
class Options:
    """The command's arguments."""

    rows: int
    concurrency: int
    latency: float
    rounds: int
    cases: Sequence[str]
    source: str
    json: Path | None
    memory: bool

    @property
    def ideal(self) -> float | None:
        """Rows per second when every request takes the latency and nothing else."""
        return self.concurrency * STACK * 1000 / self.latency if self.latency else None


class Server:
    """The mock API in a process of its own."""

    def __init__(self, latency: float) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            _python("benchmarks.mock_api", "--port", "0", "--latency", str(latency)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self._port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self._port}"

    def control(self, path: str) -> dict[str, int]:
        """Read or reset the server's counters."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("GET", path)
        counters: dict[str, int] = json.loads(connection.getresponse().read())
        connection.close()
        return counters

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()


@contextmanager
def _served(latency: float) -> Generator[Server, None, None]:
    server = Server(latency)
    try:
        yield server
    finally:
        server.stop()


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _run(server: Server, **spec: Any) -> Run:
    """Measure one case, and check that the server counted what the client did."""
    server.control("/__reset")
    text = json.dumps({"url": server.url, **spec})
    done = subprocess.run(  # noqa: S603 - our own module
        _python("benchmarks.cases", text), cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    result: Run = json.loads(done.stdout)
    counted = server.control("/__stats")["rows"]
    if not result["accepted"] == counted == spec["rows"]:
        raise SystemExit(
            f"{spec['case']}: {spec['rows']} rows, but {result['accepted']} accepted by the "
            f"client's count and {counted} by the server's"
        )
    return {**spec, **result}


def measure(options: Options) -> list[Run]:
    """Run the rounds: each case without the lag probe and, if it has an event loop, with it."""
    runs: list[Run] = []
    with _served(options.latency) as server, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.csv")
        if options.source == "csv":
            write_csv(file, options.rows)
        for number in range(options.rounds):
            turn = number % len(options.cases)
            for case in (*options.cases[turn:], *options.cases[:turn]):
                for probe in (False, True)[: 1 if case == BASELINE else 2]:
                    run = _run(
                        server,
                        case=case,
                        rows=options.rows,
                        concurrency=options.concurrency,
                        source=options.source,
                        csv=str(file),
                        probe=probe,
                    )
                    runs.append({"round": number, **run})
                    _show_progress(runs[-1])
    return runs


def measure_memory(options: Options) -> list[Run]:
    """Run our importer with few and with many rows from a generator."""
    runs: list[Run] = []
    with _served(options.latency) as server:
        for number in range(options.rounds):
            for rows in MEMORY_ROWS:
                run = _run(
                    server,
                    case="ours",
                    rows=rows,
                    concurrency=options.concurrency,
                    source="generator",
                )
                runs.append({"round": number, **run})
                _show_progress(runs[-1])
    return runs


def _show_progress(run: Run) -> None:
    print(
        f"round {run['round'] + 1}: {run['case']}{' with probe' if run.get('probe') else ''}, "
        f"{run['rows']} rows: {run['wall']:.2f} s, CPU {run['cpu']:.2f} s, "
        f"{run['peak']:.0f} MB",
        file=sys.stderr,
    )


def summarise(options: Options, runs: Sequence[Run]) -> dict[str, Run]:
    """Return the medians of each case, and its least CPU time, which load affects least."""
    plain = [run for run in runs if not run["probe"]]
    baseline = {run["round"]: run["cpu"] for run in plain if run["case"] == BASELINE}
    summary: dict[str, Run] = {}
    for case in options.cases:
        mine = [run for run in plain if run["case"] == case]
        speed = median(run["rows"] / run["wall"] for run in mine)
        ratios = [run["cpu"] / baseline[run["round"]] for run in mine if baseline]
        cpu = [run["cpu"] * 1e6 / run["rows"] for run in mine]
        summary[case] = {
            "cpu_per_million": median(cpu),
            "cpu_least": min(cpu),
            "cpu_ratio": median(ratios) if ratios else None,
            "rows_per_second": speed,
            "share_of_ideal": speed / options.ideal if options.ideal else None,
            "peak": median(run["peak"] for run in mine),
            "growth": median(run["peak"] - run["base"] for run in mine),
            **_lags([run for run in runs if run["probe"] and run["case"] == case]),
        }
    return summary


def _lags(runs: Sequence[Run]) -> Run:
    if not runs:
        return {}
    return {
        f"{when}_{part}": median(run[when][part] for run in runs)
        for when in ("idle", "lag")
        for part in ("p50", "p99", "max")
    }


_HEADER: Final = (
    "| case | CPU s/M rows (least) | CPU ratio | rows/s | of ideal | peak MB | growth MB "
    "| lag p50 / p99 / max ms | idle p99 ms |"
)


def _table(summary: dict[str, Run]) -> str:
    lines = [_HEADER, "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for case, row in summary.items():
        ratio = "-" if row["cpu_ratio"] is None else f"{row['cpu_ratio']:.2f}"
        share = "-" if row["share_of_ideal"] is None else f"{row['share_of_ideal']:.1%}"
        lag = idle = "-"
        if "lag_p50" in row:
            lag = f"{row['lag_p50']:.2f} / {row['lag_p99']:.2f} / {row['lag_max']:.2f}"
            idle = f"{row['idle_p99']:.2f}"
        lines.append(
            f"| {case} | {row['cpu_per_million']:.2f} ({row['cpu_least']:.2f}) | {ratio} "
            f"| {row['rows_per_second']:,.0f} | {share} | {row['peak']:.0f} | {row['growth']:.0f} "
            f"| {lag} | {idle} |"
        )
    return "\n".join(lines)


def _memory_table(runs: Sequence[Run]) -> tuple[str, dict[str, float]]:
    peaks = {
        rows: median(run["peak"] for run in runs if run["rows"] == rows) for rows in MEMORY_ROWS
    }
    base = median(run["base"] for run in runs)
    lines = ["| rows | before MB | peak MB |", "|---:|---:|---:|"]
    lines += [f"| {rows:,} | {base:.1f} | {peak:.1f} |" for rows, peak in peaks.items()]
    few, many = (peaks[rows] for rows in MEMORY_ROWS)
    lines.append(f"\nGrowth: {many - few:.1f} MB")
    return "\n".join(lines), {"base": base, "few": few, "many": many, "growth": many - few}


def _machine() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "cpu": models[0] if models else platform.processor(),
        "cores": cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version(name) for name in PACKAGES},
    }


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(description="Measure the bulk importer.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", default=",".join(CASES), help="separated by commas")
    parser.add_argument("--source", choices=("ready", "generator", "csv"), default="ready")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    parser.add_argument(
        "--memory", action="store_true", help="only compare our memory for 100k and 2M rows"
    )
    options = Options(**vars(parser.parse_args(arguments)))
    cases = str(options.cases).split(",")
    if unknown := set(cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    return attrs.evolve(options, cases=cases)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table and write the figures."""
    options = _options(arguments)
    machine = _machine()
    if options.memory:
        runs = measure_memory(options)
        table, memory = _memory_table(runs)
        summary: dict[str, Any] = dict(memory)
    else:
        runs = measure(options)
        summary = dict(summarise(options, runs))
        table = _table(summary)
    print(table)
    print(f"\n{machine['cores']} cores, {machine['cpu']}, {machine['python']}")
    if options.json is not None:
        settings = attrs.asdict(options)
        report = {"machine": machine, "options": settings, "summary": summary, "runs": runs}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report, enc_hook=str)))


if __name__ == "__main__":
    main()
