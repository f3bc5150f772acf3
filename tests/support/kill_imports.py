"""Start, kill and resume imports in other processes."""

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

CLASSES: Final = ("accepted", "rejected", "unknown", "superseded", "excluded")
_TESTS: Final = Path(__file__).parents[1]


class Workers:
    """The process that runs :mod:`support.kill_worker`."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process
        self._messages: dict[int, dict[str, Any]] = defaultdict(dict)

    def start(self, spec: Mapping[str, Any]) -> "Child":
        """Start an import in its own process."""
        return Child(self, self._command("started", "start", spec))

    def reap(self, pid: int) -> dict[str, Any]:
        """Wait until a process has ended, and return the values it reported, by name."""
        self._command("gone", "reap", pid)
        return self._messages.pop(pid, {})

    def reap_next(self) -> dict[str, Any]:
        """Wait until any process has ended, and return the values it reported, by name."""
        return self._messages.pop(self._command("gone", "reap_next"), {})

    def _command(self, reply: str, *command: object) -> Any:
        """Send a command and return the value of its reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(command)}\n")
        self._process.stdin.flush()
        while True:
            line = self._process.stdout.readline()
            assert line.endswith("\n"), "the worker ended"
            pid, name, value = json.loads(line)
            assert name != "fault", line
            if name == reply:
                return value
            self._messages[pid][name] = value


@attrs.frozen
class Child:
    """A process that imports.

    Attributes:
        pid: Its process id.
    """

    workers: Workers = attrs.field(repr=False)
    pid: int

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> dict[str, Any]:
        """Wait until it has ended, and return the values it reported, by name."""
        return self.workers.reap(self.pid)


class Server:
    """The process that runs :mod:`support.kill_server`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._groups = 0

    def new_group(self) -> int:
        """Return the number of a new, empty group."""
        self._groups += 1
        return self._groups

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def control(self, name: str, **fields: Any) -> Any:
        """Send a control command and return the response; commands ``wait_for_…`` respond later."""
        self._connection.request("POST", f"/__{name}", json.dumps(fields))
        return json.loads(self._connection.getresponse().read())


@attrs.define(kw_only=True)
class Import:
    """One import, which may be killed and resumed any number of times.

    Attributes:
        server: The server that it imports to.
        workers: Starts its processes.
        folder: Folder of the journal and the rejects file.
        file: CSV file to import.
        strategy: Method of ``cr.bulk``.
        options: Other arguments of that method.
        backend: The event loop.
        orders: Number of rows with an order to import instead of the file.
        shared: Address of the store of the journal, for SQLAlchemy or Redis; empty for a file.
        store: File of the token store; empty for a fixed token.
        is_user: Whether the token belongs to a user and is renewed with refresh tokens.
        group: Number of the group.
        kills: Number of times it was killed.
        in_doubt: Rows that may have been stored when a run was resumed.
        report: Report of the last run, if it completed.
        error: Error of the last run, if it failed.
    """

    server: Server
    workers: Workers
    folder: Path
    file: Path = Path()
    strategy: str = "upsert"
    options: dict[str, Any] = attrs.field(factory=dict[str, Any])
    backend: str = "asyncio"
    orders: int | None = None
    shared: str = ""
    store: str = ""
    is_user: bool = False
    group: int = attrs.field(init=False)
    kills: int = attrs.field(default=0, init=False)
    in_doubt: set[int] = attrs.field(factory=set[int], init=False)
    report: dict[str, Any] = attrs.field(factory=dict[str, Any], init=False)
    error: str = attrs.field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        """Create a group for the import."""
        self.group = self.server.new_group()

    @property
    def journal(self) -> Path:
        """Path of the journal."""
        return self.folder / f"{self.group}.journal"

    @property
    def rejects(self) -> Path:
        """Path of the rejects file."""
        return self.folder / f"{self.group}.jsonl"

    def start(self, point: str = "", occurrence: int = 1, **options: Any) -> Child:
        """Start the import, or resume it after a kill.

        Args:
            point: Step at which the process kills itself; empty for none.
            occurrence: Number of the occurrence of that step, from 1.
            **options: Arguments that replace those in ``options``.
        """
        options = {**self.options, **options}
        if self.shared:
            options["resume"] = "auto"
        elif self.journal.exists() and self.journal.stat().st_size:
            options["resume"] = True
        spec = {name: getattr(self, name) for name in ("group", "strategy", "backend", "orders")}
        spec |= {"store": self.store, "is_user": self.is_user, "url": self.server.url}
        spec["shared"] = self.shared
        spec |= {name: str(getattr(self, name)) for name in ("file", "journal", "rejects")}
        spec |= {"options": options, "point": [point, occurrence] if point else None}
        return self.workers.start(spec)

    def wait(self, child: Child) -> bool:
        """Wait for a process to end; return whether it was killed before the import completed."""
        messages = child.reap()
        # Requests in flight have arrived, or their connections are closed.
        self.server.control("wait_for_idle")
        self.error = messages.get("error", "")
        for first, last in messages.get("in_doubt", ()):
            self.in_doubt.update(range(first, last + 1))
        self.report = messages.get("report", {})
        was_killed = not self.report and not self.error
        self.kills += was_killed
        return was_killed

    def run(self, point: str = "", occurrence: int = 1, **options: Any) -> bool:
        """Start or resume, and wait for the process to end; return whether it was killed."""
        return self.wait(self.start(point, occurrence, **options))

    def finish(self, **options: Any) -> None:
        """Start or resume, and complete the import without a kill."""
        assert not self.run(**options)
        assert not self.error, self.error

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by outcome, in all runs."""
        earlier = self.report["earlier"]
        return {name: self.report[name] + earlier.get(name, 0) for name in CLASSES}

    @property
    def state(self) -> dict[str, Any]:
        """State of the group on the server."""
        state: dict[str, Any] = self.server.control("state", group=self.group)
        return state

    @property
    def rejected_lines(self) -> list[bytes]:
        """The lines of the rejects file in the order of the rows; all must be complete."""
        text = self.rejects.read_bytes()
        assert not text or text.endswith(b"\n")
        return sorted(text.splitlines(), key=lambda line: json.loads(line)["row"])


@contextmanager
def running() -> Generator[tuple[Server, Workers]]:
    """Run the server, and the process that forks workers."""
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
        # Both processes exit when their input is closed.
