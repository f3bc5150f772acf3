"""A job of an engine as a process, the sandbox that it loads into, and a killer of its workers."""

import os
import random
import signal
import sqlite3
import sys
import time
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
_PAUSE: Final = 0.02


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
        has_ended: Whether the import has ended; the process may go on with another one.
    """

    key: str
    process: int
    sent: list[float]
    has_ended: bool

    @property
    def is_alive(self) -> bool:
        """Whether it goes on, as far as its process still runs."""
        if self.has_ended:
            return False
        try:
            state = Path(f"/proc/{self.process}/stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            return False
        return state[0] not in "ZX"


@attrs.define
class EngineRun:
    """A job of an engine, which may be started several times.

    Attributes:
        engine: ``dlt``, ``ray`` or ``spark``; ``plain`` for none.
        folder: Everything that it writes.
        variables: Those of the sandbox.
        rows: Number of rows, each with one order.
        random: Decides when to kill which worker.
        output: What the process that ended last has printed.
    """

    engine: str
    folder: Path
    variables: dict[str, str]
    rows: int
    random: random.Random
    output: str = ""

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of a process of the job."""
        (self.folder / "attempts").mkdir(exist_ok=True)
        paths = (str(ROOT), str(ROOT / "tests"), str(EXAMPLES))
        return {
            **os.environ,
            **self.variables,
            "PYTHONPATH": os.pathsep.join(paths),
            "JOURNALS": f"sqlite:///{self.folder / 'journals.db'}",
            "ENGINE_ATTEMPTS": str(self.folder / "attempts"),
            "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
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
            sent = [float(line.split()[0]) for line in lines if line != "ended"]
            found.append(Attempt(key, int(process), sent, "ended" in lines))
        return found

    def batches(self) -> int:
        """Return how many batches were answered so far."""
        return sum(len(attempt.sent) for attempt in self.attempts())

    def kill_one(self, process: Popen[str], after: int) -> int | None:
        """Kill a worker at random, a moment after so many batches; returns its process id.

        Args:
            process: The job; where the engine has no workers, it is the one that is killed.
            after: Batches.
        """
        while process.poll() is None and self.batches() < after:
            time.sleep(_PAUSE)
        time.sleep(self.random.uniform(0, 0.5))
        while process.poll() is None:
            alive = sorted({it.process for it in self.attempts() if it.sent and it.is_alive})
            if alive:
                victim = self.random.choice(alive)
                os.kill(victim, signal.SIGKILL)
                return victim
            time.sleep(_PAUSE)
        return None

    def orders(self) -> tuple[int, int]:
        """Return how many orders are stored, and how many different ones."""
        with sqlite3.connect(self.folder / "sandbox.db") as database:
            found: tuple[int, int] = database.execute(
                "SELECT COUNT(*), COUNT(DISTINCT order_id) FROM orders"
            ).fetchone()
        return found
