"""A job of an engine as a process, and the sandbox that it loads into."""

import os
import signal
import sqlite3
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import Final

import attrs

__all__ = ["Attempt", "EngineRun", "running_sandbox"]

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples" / "engines"
ENGINES: Final = ("dlt", "ray", "spark")


@contextmanager
def running_sandbox(folder: Path, *options: str) -> Generator[dict[str, str]]:
    """Run ``cleverreach sandbox``; yields the variables that it prints."""
    command = [sys.executable, "-m", "cleverreach_async", "sandbox", "--port", "0", *options]
    command += ["--store", str(folder / "sandbox.db")]
    variables: dict[str, str] = {}
    with (
        (folder / "sandbox.log").open("w") as log,
        Popen(command, stdout=PIPE, stderr=log, encoding="utf-8") as process,  # noqa: S603
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("export "):
                    name, _, value = line.removeprefix("export ").strip().partition("=")
                    variables[name] = value
                if line.startswith("cleverreach import"):
                    break
            yield variables
        finally:
            process.terminate()


@attrs.frozen
class Attempt:
    """One attempt of a partition, as its worker wrote it down.

    Attributes:
        key: Key of its journal, with signs replaced.
        process: Id of the process.
        sent: When each of its batches was sent, on the system's monotonic clock.
    """

    key: str
    process: int
    sent: list[float]


@attrs.define
class EngineRun:
    """A job of an engine, which may be started several times.

    Attributes:
        engine: ``dlt``, ``ray`` or ``spark``; ``plain`` for none.
        folder: Everything that it writes.
        variables: Those of the sandbox.
        rows: Number of rows, each with one order.
        output: What the process that ended last has printed.
    """

    engine: str
    folder: Path
    variables: dict[str, str]
    rows: int
    output: str = ""

    def __attrs_post_init__(self) -> None:
        for folder in ("attempts", "planned", "signalled"):
            (self.folder / folder).mkdir()

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of a process of the job."""
        paths = (str(ROOT), str(ROOT / "tests"), str(EXAMPLES))
        return {
            **os.environ,
            **self.variables,
            "PYTHONPATH": os.pathsep.join(paths),
            "JOURNALS": f"sqlite:///{self.folder / 'journals.db'}",
            "ENGINE_RUN": str(self.folder),
            "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            **more,
        }

    def start(self, **more: str) -> Popen[str]:
        """Start the example of the engine, or a script that needs none."""
        folder = EXAMPLES if self.engine in ENGINES else Path(__file__).parent
        command = [sys.executable, str(folder / f"{self.engine}_load.py"), "--bad-every", "0"]
        command += ["--rows", str(self.rows), "--results", str(self.folder / "results")]
        command += ["--shop", "support.engine_worker", "--settle", "1"]
        return Popen(  # noqa: S603 - our own example
            command,
            stdout=PIPE,
            stderr=STDOUT,
            encoding="utf-8",
            cwd=self.folder,
            env=self.environment(**more),
        )

    def finish(self, process: Popen[str]) -> int:
        """Wait for a process; returns its exit status."""
        self.output, _ = process.communicate(timeout=900)
        return process.returncode

    def attempts(self) -> list[Attempt]:
        """Return all attempts so far."""
        found: list[Attempt] = []
        for path in sorted((self.folder / "attempts").iterdir(), key=lambda it: it.stat().st_ctime):
            key, process, _ = path.name.split("~")
            lines = path.read_text("utf-8").splitlines()
            found.append(Attempt(key, int(process), [float(line.split()[0]) for line in lines]))
        return found

    def batches(self) -> int:
        """Return how many batches were answered so far."""
        return sum(len(attempt.sent) for attempt in self.attempts())

    def plan(self, number: signal.Signals, *, batches: int, seconds: float) -> None:
        """Have one worker send itself a signal, while it has more batches to send.

        Args:
            number: The signal; a worker sends itself one at most.
            batches: It waits for the responses to so many batches of a partition,
            seconds: and then for so long.
        """
        name = f"{int(number)}~{batches}~{seconds:.3f}~{uuid.uuid4().hex[:6]}"
        (self.folder / "planned" / name).touch()

    def signalled(self) -> list[Attempt]:
        """Return the attempts whose worker has sent itself a signal."""
        names = {path.name for path in (self.folder / "signalled").iterdir()}
        return [it for it in self.attempts() if f"{it.key}~{it.process}" in names]

    def orders(self) -> tuple[int, int]:
        """Return how many orders are stored, and how many different ones."""
        with sqlite3.connect(self.folder / "sandbox.db") as database:
            found: tuple[int, int] = database.execute(
                "SELECT COUNT(*), COUNT(DISTINCT order_id) FROM orders"
            ).fetchone()
        return found
