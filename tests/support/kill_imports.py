"""Imports that are killed and resumed, as a test sees them."""

import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Final

import attrs

__all__ = ["CLASSES", "Child", "Import", "Server", "Workers", "running"]

CLASSES: Final = ("accepted", "rejected", "unknown", "superseded")
_TESTS: Final = Path(__file__).parents[1]


class Workers:
    """The process of :mod:`support.kill_worker`."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process
        self._messages: dict[int, dict[str, Any]] = defaultdict(dict)

    def start(self, spec: Mapping[str, Any]) -> "Child":
        """Begin an import in a process of its own."""
        return Child(self, self._command("started", "start", spec))

    def reap(self, pid: int) -> dict[str, Any]:
        """Wait until a process has ended, and return what it messages, by word."""
        self._command("gone", "reap", pid)
        return self._messages.pop(pid, {})

    def _command(self, answer: str, *command: object) -> Any:
        """Give a command, and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(command)}\n")
        self._process.stdin.flush()
        while True:
            line = self._process.stdout.readline()
            assert line.endswith("\n"), "the worker ended"
            pid, word, value = json.loads(line)
            assert word != "fault", line
            if word == answer:
                return value
            self._messages[pid][word] = value


@attrs.frozen
class Child:
    """A process that imports.

    Attributes:
        pid: Its id.
    """

    workers: Workers = attrs.field(repr=False)
    pid: int

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> dict[str, Any]:
        """Wait until it has ended, and return what it messages, by word."""
        return self.workers.reap(self.pid)


class Server:
    """The process of :mod:`support.kill_server`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._groups = 0

    def new_group(self) -> int:
        """Return the number of an empty group."""
        self._groups += 1
        return self._groups

    def close(self) -> None:
        """End the connection to it."""
        self._connection.close()

    def control(self, name: str, **fields: Any) -> Any:
        """Tell it something; returns its answer, which may take until something has happened."""
        self._connection.request("POST", f"/__{name}", json.dumps(fields))
        return json.loads(self._connection.getresponse().read())


@attrs.define(kw_only=True)
class Import:
    """One import, from its beginning over any number of kills to its end.

    Attributes:
        server: Where to.
        workers: Who does it.
        folder: Where its journal and rejects are.
        file: What is imported.
        strategy: The call of ``cr.bulk``.
        options: Its other arguments.
        backend: The event loop.
        orders: Number of rows, each with an order; then no file is read.
        store: File of the token; empty for a token that needs none.
        is_user: Whether the token is a user's, renewed by refresh tokens.
        group: Number of the group.
        kills: How often it was killed.
        in_doubt: Rows that a resumed run began with as perhaps stored.
        report: The report of the run that came to the end.
        error: The error of the last run, if it ended by one.
    """

    server: Server
    workers: Workers
    folder: Path
    file: Path = Path()
    strategy: str = "upsert"
    options: dict[str, Any] = attrs.field(factory=dict[str, Any])
    backend: str = "asyncio"
    orders: int | None = None
    store: str = ""
    is_user: bool = False
    group: int = attrs.field(init=False)
    kills: int = attrs.field(default=0, init=False)
    in_doubt: set[int] = attrs.field(factory=set[int], init=False)
    report: dict[str, Any] = attrs.field(factory=dict[str, Any], init=False)
    error: str = attrs.field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        """Take an empty group."""
        self.group = self.server.new_group()

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.folder / f"{self.group}.journal"

    @property
    def rejects(self) -> Path:
        """The rejects file."""
        return self.folder / f"{self.group}.jsonl"

    def start(self, point: str = "", occurrence: int = 1, **options: Any) -> Child:
        """Begin, or go on where it was killed.

        Args:
            point: Where the process kills itself; empty for nowhere.
            occurrence: On which occurrence of that point.
            **options: Arguments of the import, over those it has.
        """
        options = {**self.options, **options}
        if self.journal.exists() and self.journal.stat().st_size:
            options["resume"] = True
        spec = {name: getattr(self, name) for name in ("group", "strategy", "backend", "orders")}
        spec |= {"store": self.store, "is_user": self.is_user, "url": self.server.url}
        spec |= {name: str(getattr(self, name)) for name in ("file", "journal", "rejects")}
        spec |= {"options": options, "point": [point, occurrence] if point else None}
        return self.workers.start(spec)

    def wait(self, child: Child) -> bool:
        """Wait for a process to end; returns whether it was killed before its import was done."""
        messages = child.reap()
        # What it had on its way to the server arrives, or is found broken off.
        self.server.control("wait_for_idle")
        self.error = messages.get("error", "")
        for first, last in messages.get("in_doubt", ()):
            self.in_doubt.update(range(first, last + 1))
        self.report = messages.get("report", {})
        was_killed = not self.report and not self.error
        self.kills += was_killed
        return was_killed

    def run(self, point: str = "", occurrence: int = 1, **options: Any) -> bool:
        """Begin or go on, to the end or to death; returns whether it died."""
        return self.wait(self.start(point, occurrence, **options))

    def finish(self, **options: Any) -> None:
        """Go on until the end."""
        assert not self.run(**options)
        assert not self.error, self.error

    @property
    def counts(self) -> dict[str, int]:
        """Rows by outcome, of all runs together."""
        earlier = self.report["earlier"]
        return {name: self.report[name] + earlier.get(name, 0) for name in CLASSES}

    @property
    def state(self) -> dict[str, Any]:
        """What the server has."""
        state: dict[str, Any] = self.server.control("state", group=self.group)
        return state

    @property
    def rejected_lines(self) -> list[bytes]:
        """The lines of the rejects file, whole ones, in the order of the rows."""
        text = self.rejects.read_bytes()
        assert not text or text.endswith(b"\n")
        return sorted(text.splitlines(), key=lambda line: json.loads(line)["row"])


@contextmanager
def running() -> Generator[tuple[Server, Workers]]:
    """Run a server and a process that forks workers."""
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environ["PYTHONPATH"] = str(_TESTS)
    commands = ([sys.executable, "-m", f"support.kill_{name}"] for name in ("server", "worker"))
    server, worker = (
        Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environ)  # noqa: S603 - ours
        for command in commands
    )
    with server, worker:
        assert server.stdout is not None
        with closing(Server(int(server.stdout.readline()))) as connected:
            yield connected, Workers(worker)
        # Both end with their input.
