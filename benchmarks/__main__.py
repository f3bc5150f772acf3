"""The one command: ``python -m benchmarks [SUITE …]``; ``--help`` lists the suites."""

import argparse
import asyncio
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.measure import Comparison
from benchmarks.results import SuiteResult, describe_machine, read, write
from benchmarks.servers import ROOT
from benchmarks.settings import FULL, QUICK, TINY, Settings
from benchmarks.tables import body

__all__ = ["main"]

SUITES: Final = ("calls", "pool", "bulk", "latency", "lag", "memory", "export")
SCRIPTS: Final = {"start": "benchmarks.start_up", "sandbox": "benchmarks.sandbox"}
"""Suites that measure processes; they print what they find."""

_SIZES: Final = {"full": FULL, "quick": QUICK, "tiny": TINY}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run suites, print their figures and write all samples."""
    options = _options(arguments)
    settings: Settings = _SIZES[options.size]
    if options.memory_rows:
        settings = attrs.evolve(settings, memory_rows=tuple(sorted(options.memory_rows)))
    results: dict[str, SuiteResult] = {}
    for suite in options.suites:
        print(f"== {suite}", flush=True)
        result = _run(suite, settings, options.start_python)
        if result is None:
            continue
        results[suite] = result
        print(f"{body(result)}\n({result.seconds:.0f} s)\n", flush=True)
        if options.json is not None:
            # Suites that were measured earlier stay.
            write(options.json, {**read(options.json), **results})


def _run(suite: str, settings: Settings, start_python: str) -> SuiteResult | None:
    started = time.perf_counter()
    machine = describe_machine(load=os.getloadavg()[0])
    comparisons: list[Comparison] = []
    text, data = "", None
    if suite in SUITES:
        comparisons = asyncio.run(importlib.import_module(f"benchmarks.{suite}").run(settings))
    else:
        if importlib.util.find_spec(SCRIPTS[suite]) is None:
            print(f"skipped: there is no {SCRIPTS[suite]}")
            return None
        if suite == "start":
            words = ["--rounds", str(settings.start_rounds), "--python", start_python]
        else:
            words = ["--rounds", str(settings.sandbox_rounds)]
        text, data = _run_script(SCRIPTS[suite], words)
    return SuiteResult(
        machine=machine,
        seconds=round(time.perf_counter() - started, 1),
        settings=attrs.asdict(settings),
        comparisons=comparisons,
        text=text,
        data=data,
    )


def _run_script(module: str, words: Sequence[str]) -> tuple[str, Any]:
    """Return what a script prints, and its figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "figures.json")
        command = [sys.executable, "-m", module, *words, "--json", str(path)]
        done = subprocess.run(  # noqa: S603 - our own module
            command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout, json.loads(path.read_bytes())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = (*SUITES, *SCRIPTS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the library against code by hand."
    )
    parser.add_argument("suites", nargs="+", metavar="SUITE", help=", ".join((*names, "all")))
    parser.add_argument(
        "--quick", dest="size", action="store_const", const="quick", default="full",
        help="a third of the time, and less certain",
    )  # fmt: skip
    parser.add_argument(
        "--tiny", dest="size", action="store_const", const="tiny", help="seconds, for tests"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all samples there")
    parser.add_argument(
        "--memory-rows",
        type=lambda text: [int(number.replace("_", "")) for number in text.split(",")],
        metavar="N,N",
        help="rows of the imports of memory, such as 100_000,10_000_000",
    )
    parser.add_argument(
        "--start-python",
        default=sys.executable,
        metavar="PATH",
        help="interpreter of the cases of start: that of an environment with the extra cli only",
    )
    options = parser.parse_args(arguments)
    if options.suites == ["all"]:
        options.suites = names
    if unknown := set(options.suites) - set(names):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    main()
