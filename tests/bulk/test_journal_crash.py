"""Processes that are killed while they have a journal open."""

import json
import os
import random
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from support.clocks import START
from support.journals import MIDWAY, create, create_stopped, resume, state_of

from cleverreach_async import ConfigurationError, JournalError
from cleverreach_async.bulk.journal.journal import JournalState

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

TESTS = Path(__file__).parents[1]


class Worker:
    """A process that runs :mod:`support.journal_worker`."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process

    def start(self, task: str, path: Path, number: int = 0) -> int:
        """Start a task and return the id of its process."""
        self._send("start", task, str(path), number)
        return int(self.line())

    def kill(self, child: int) -> list[str]:
        """Kill a task and return its output that has not been read."""
        os.kill(child, signal.SIGKILL)
        return self.reap(child)

    def reap(self, child: int) -> list[str]:
        """Wait for a task to end and return its output that has not been read."""
        self._send("reap", child)
        return list(iter(self.line, "gone"))

    def line(self) -> str:
        """The next line of output."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.endswith("\n"), "the worker ended"
        return line.strip()

    def _send(self, *command: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(command)}\n")
        self._process.stdin.flush()


@pytest.fixture(scope="module")
def worker() -> Generator[Worker]:
    """One process for all tests of this file."""
    command = [sys.executable, "-m", "support.journal_worker"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with Popen(  # noqa: S603 - our own worker
        command, stdin=PIPE, stdout=PIPE, text=True, env=environment
    ) as process:
        yield Worker(process)


def test_what_was_saved_survives_a_kill(worker: Worker, tmp_path: Path) -> None:
    """The state found is complete, and not older than the last one reported."""
    path = tmp_path / "import.journal"
    for _ in range(30):
        child = worker.start("save", path)
        lines = [worker.line() for _ in range(random.randrange(1, 30))]
        lines += worker.kill(child)
        with resume(path) as journal:
            state = journal.state
        assert int(lines[-1]) <= state.next_row <= int(lines[-1]) + 1
        assert state_of(state.next_row) == state


def found(path: Path) -> str:
    """What a resumed import finds."""
    try:
        with resume(path) as journal:
            return "the start" if journal.state == JournalState() else repr(journal.state)
    except ConfigurationError as error:
        return "nothing" if "No journal to resume" in str(error) else repr(error)


def test_a_kill_between_any_two_steps_of_create(worker: Worker, tmp_path: Path) -> None:
    """There is no journal or a complete one; if there is none, it can be created."""
    killed = 0
    while not worker.reap(worker.start("create", tmp_path / str(killed), killed)):
        path = tmp_path / str(killed)
        assert "nothing" == found(path)
        create(path).close()
        assert "the start" == found(path)
        killed += 1

    assert "the start" == found(tmp_path / str(killed))
    assert killed > 10


def test_a_kill_between_any_two_steps_of_resume(worker: Worker, tmp_path: Path) -> None:
    """The state does not change, also if a first crash left a log of SQLite."""
    path = tmp_path / "import.journal"
    child = worker.start("save", path)
    lines = [worker.line() for _ in range(7)]
    last = int([*lines, *worker.kill(child)][-1])

    killed = 0
    while not worker.reap(worker.start("resume", path, killed)):
        killed += 1

    assert killed > 10
    with resume(path) as journal:
        assert last <= journal.state.next_row <= last + 1
        assert state_of(journal.state.next_row) == journal.state


def test_another_process_is_refused_until_the_first_is_killed(
    worker: Worker, tmp_path: Path
) -> None:
    """The operating system releases the lock; no file has to be deleted."""
    path = create_stopped(tmp_path / "import.journal")
    child = worker.start("hold", path)
    assert "held" == worker.line()
    for opener in (create, resume):
        with pytest.raises(JournalError) as caught:
            opener(path)
        assert f"{path} is in use by another import; wait for it to end" == str(caught.value)

    assert [] == worker.kill(child)

    with resume(path) as journal:
        assert MIDWAY == journal.state


def test_refused_attempts_do_not_unlock(worker: Worker, tmp_path: Path) -> None:
    """Closing a file releases every lock on it, so only SQLite may open and close it."""
    path = tmp_path / "import.journal"
    with create(path) as journal:
        for opener in (create, resume):
            with pytest.raises(JournalError):
                opener(path)
        [line] = worker.reap(worker.start("hold", path))
        assert line.startswith("JournalError: ")
        assert line.endswith("is in use by another import; wait for it to end")
        journal.save(MIDWAY, now=START)
    child = worker.start("hold", path)
    assert "held" == worker.line()
    assert [] == worker.kill(child)


def test_of_two_processes_that_resume_together_one_succeeds(worker: Worker, tmp_path: Path) -> None:
    """Exactly one of them."""
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        path = create_stopped(folder / "import.journal")
        children = [worker.start("race", path) for _ in range(2)]
        (folder / "start").touch()
        lines = sorted([worker.line(), worker.line()])
        assert "held" == lines[1]
        assert lines[0].startswith("JournalError: ")
        for child in children:
            os.kill(child, signal.SIGKILL)
            assert [] == worker.reap(child)
