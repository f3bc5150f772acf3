"""How long a process needs before it does something: imports, the command, the first call.

Every case is a fresh process with warm byte code. The cases alternate with a bare interpreter,
whose median is subtracted; what is printed is what the library adds. The server of the cases that
need one is the sandbox, in a process of its own.

    python benchmarks/start_up.py --rounds 15 --json start_up.json
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = ("-m", "cleverreach_async.cli")
GOALS = {
    "import": 20,
    "CleverReach": 150,
    "--help": 200,
    "one row": 500,
}
"""Milliseconds of wall time above a bare interpreter."""

FIRST_CALL = """
import time
import anyio
from cleverreach_async import CleverReach, OAuthApp

app = OAuthApp("sandbox", "sandbox-secret", base_url="http://127.0.0.1:{port}")
cr = CleverReach(app.client_credentials())

async def probe(worst):
    last = time.perf_counter()
    while True:
        await anyio.sleep(0)
        now = time.perf_counter()
        worst[0], last = max(worst[0], now - last), now

async def main():
    worst = [0.0]
    async with cr, anyio.create_task_group() as tasks:
        groups = cr.groups
        tasks.start_soon(probe, worst)
        await anyio.sleep(0.05)
        worst[0] = 0.0
        await groups.list()
        print(1000 * worst[0])
        tasks.cancel_scope.cancel()

anyio.run(main)
"""


def cases(port: int, folder: Path) -> Mapping[str, list[str]]:
    """The arguments of the interpreter, by case."""
    rows = folder / "one.csv"
    rows.write_text("email,firstname\nbruce@wayne.example,Bruce\n", "utf-8")
    return {
        "bare": ["-c", "pass"],
        "import": ["-c", "import cleverreach_async"],
        "CleverReach": ["-c", "from cleverreach_async import CleverReach"],
        "ReceiverInput": ["-c", "from cleverreach_async import ReceiverInput"],
        "client made": ["-c", "from cleverreach_async import CleverReach as C; C('token')"],
        "--help": [*COMMAND, "--help"],
        "--version": [*COMMAND, "--version"],
        "one row": [*COMMAND, "import", str(rows), "--group", "Newsletter", "--create"],
        "first call": ["-c", FIRST_CALL.format(port=port)],
    }


@contextmanager
def sandbox(folder: Path) -> Generator[int, None, None]:
    """Run a sandbox in a process of its own, and give its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, *COMMAND, "sandbox", "--port", str(port)]
    with (folder / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        for _ in range(600):
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def children_cpu() -> float:
    """Seconds of processor time of the processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(python: str, words: list[str], folder: Path, port: int) -> tuple[float, float, str]:
    """Run one process; return wall time and processor time in milliseconds, and its output."""
    environment = {
        **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        "CLEVERREACH_BASE_URL": f"http://127.0.0.1:{port}",
        "CLEVERREACH_CLIENT_ID": "sandbox",
        "CLEVERREACH_CLIENT_SECRET": "sandbox-secret",
        "PYTHONHASHSEED": "0",
    }
    cpu, began = children_cpu(), time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own
        [python, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return 1000 * (time.perf_counter() - began), 1000 * (children_cpu() - cpu), done.stdout


def measure(rounds: int, python: str) -> dict[str, dict[str, list[float]]]:
    """Run every case in every round, forwards and backwards; the first round warms up."""
    with tempfile.TemporaryDirectory() as name, sandbox(Path(name)) as port:
        programs = cases(port, Path(name))
        found: dict[str, dict[str, list[float]]] = {
            case: {"wall": [], "cpu": [], "blocked": []} for case in programs
        }
        for number in range(-1, rounds):
            order = list(programs) if number % 2 else list(programs)[::-1]
            for case in order:
                wall, cpu, output = run(python, programs[case], Path(name), port)
                if number < 0:
                    continue
                values = found[case]
                values["wall"].append(wall)
                values["cpu"].append(cpu)
                if case == "first call":
                    values["blocked"].append(float(output))
    return found


def quartiles(values: list[float], less: float = 0.0) -> dict[str, float]:
    """Median and quartiles, less what a bare interpreter takes."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {
        "low": round(low - less, 1),
        "median": round(median - less, 1),
        "high": round(high - less, 1),
    }


def summary(found: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Milliseconds above a bare interpreter, by case."""
    bare = {kind: statistics.median(found["bare"][kind]) for kind in ("wall", "cpu")}
    return {
        case: {
            **{
                kind: quartiles(values[kind], 0.0 if case == "bare" else bare[kind])
                for kind in ("wall", "cpu")
            },
            **({"blocked": quartiles(values["blocked"])} if values["blocked"] else {}),
            **({"goal": GOALS[case]} if case in GOALS else {}),
        }
        for case, values in found.items()
    }


def show(result: Mapping[str, Any]) -> None:
    """Print a table."""
    print(f"{'milliseconds':14} {'wall':>8} {'quartiles':>17} {'cpu':>8} {'goal':>6}")
    for case, values in result.items():
        wall, cpu = values["wall"], values["cpu"]
        spread = f"{wall['low']:.1f}-{wall['high']:.1f}"
        goal = values.get("goal", "")
        print(f"{case:14} {wall['median']:8.1f} {spread:>17} {cpu['median']:8.1f} {goal:>6}")
    blocked = result["first call"]["blocked"]
    spread = f"{blocked['low']:.1f}-{blocked['high']:.1f}"
    print(f"The first call blocks the event loop for {blocked['median']:.1f} ({spread}) at most.")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Measure how long a process needs before it does something."
    )
    parser.add_argument("--rounds", type=int, default=15, help="processes of each case")
    parser.add_argument("--json", type=Path, help="file for the result")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter of the cases, of any environment"
    )
    options = parser.parse_args()
    result = summary(measure(max(2, options.rounds), options.python))
    show(result)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
