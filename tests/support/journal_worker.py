"""A process whose children open journals and are killed: ``python -m support.journal_worker``.

Each line of its input is a command as JSON: ``["start", TASK, PATH, NUMBER]`` forks a child, which
prints its process id first; ``["reap", ID]`` waits until that child has ended, and prints ``gone``.
Forking is faster than starting Python for each child.
"""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from cleverreach_async import CleverReachError
from support.clocks import START
from support.journals import create, resume, state_of

__all__ = ["main"]


def write_line(value: object) -> None:
    """Write a line to standard output in one system call."""
    os.write(1, f"{value}\n".encode())


def save(path: Path, _: int) -> None:
    """Save states until killed, and print the number of each after it is saved."""
    journal = resume(path) if path.exists() else create(path)
    number = journal.state.next_row
    while True:
        number += 1
        journal.save(state_of(number), now=START)
        write_line(number)


def hold(path: Path, _: int) -> None:
    """Resume a journal and keep it open until killed."""
    journal = resume(path)
    write_line("held")
    signal.pause()
    journal.close()


def race(path: Path, _: int) -> None:
    """Resume a journal as soon as the file ``start`` exists, and keep it open until killed."""
    start = path.with_name("start")
    while not start.exists():
        pass
    hold(path, 0)


class KillingConnection(sqlite3.Connection):
    """Kills the process before the statement after ``statements_left`` others."""

    statements_left = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute, or kill the process."""
        self.count()
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Execute, or kill the process."""
        self.count()
        return super().executemany(sql, parameters)

    def count(self) -> None:
        """Count a statement; kill the process if none is left."""
        KillingConnection.statements_left -= 1
        if KillingConnection.statements_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def killed_at_statement(opener: Callable[[Path], object]) -> Callable[[Path, int], None]:
    """Return a task that opens a journal, and is killed after a number of statements."""

    def task(path: Path, statements: int) -> None:
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect

        def connect_killing(address: str, **options: Any) -> sqlite3.Connection:
            return connect(address, factory=KillingConnection, **options)

        sqlite3.connect = connect_killing  # type: ignore[assignment]
        KillingConnection.statements_left = statements
        opener(path)
        write_line("opened")

    return task


TASKS: Final[dict[str, Callable[[Path, int], None]]] = {
    "create": killed_at_statement(create),
    "hold": hold,
    "race": race,
    "resume": killed_at_statement(resume),
    "save": save,
}


def start(task: str, path: str, number: int) -> int:
    """Fork a child for a task; it exits without cleanup."""
    if child := os.fork():
        return child
    try:
        write_line(os.getpid())
        TASKS[task](Path(path), number)
    except CleverReachError as error:
        write_line(f"{type(error).__name__}: {error}")
    finally:
        os._exit(0)


def main() -> None:
    """Execute commands until the input ends."""
    children = set[int]()
    for line in sys.stdin:
        match json.loads(line):
            case ["start", task, path, number]:
                children.add(start(task, path, number))
            case ["reap", child]:
                os.waitpid(child, 0)
                children.discard(child)
                write_line("gone")
            case command:
                write_line(f"unknown: {command}")
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
