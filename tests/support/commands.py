"""The command in its own process, and faults that report when a batch arrives."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from cleverreach_async.sandbox import Fault, Faults

COMMAND = (sys.executable, "-m", "cleverreach_async.cli")


@contextmanager
def started(*words: str, **streams: Any) -> Generator[subprocess.Popen[str]]:
    """Start the command in a process, which is killed at the end of the block."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, *words], encoding="utf-8", env=environ, **streams
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


class WatchedFaults(Faults):
    """Faults that set an event when a batch arrives.

    Args:
        *faults: The faults.
        batches: Number of batches after which the event is set.

    Attributes:
        batch_arrived: Set when that many batches have arrived.
    """

    def __init__(self, *faults: Fault, batches: int = 1) -> None:
        super().__init__(faults)
        self.batch_arrived = threading.Event()
        self._batches = batches

    def decide(
        self, method: str, path: str, account: str | None = None
    ) -> tuple[float, Fault | None]:
        """See :meth:`Faults.decide`."""
        if path.endswith("/upsertplus"):
            self._batches -= 1
            if not self._batches:
                self.batch_arrived.set()
        return super().decide(method, path, account)


def write_many(path: Path, *, rows: int) -> list[str]:
    """Write a file of customers, 1 % with an invalid address; return the valid addresses."""
    random = Random(7)
    good: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        file.write("E-Mail;Vorname;Nachname\n")
        for number in range(rows):
            bad = random.random() < 0.01
            email = "kaputt" if bad else f"kunde{number}@example.org"
            file.write(f"{email};Ada;Müller\n")
            good += [] if bad else [email]
    return good
