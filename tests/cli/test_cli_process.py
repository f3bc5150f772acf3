"""The command as a process: exit statuses, signals, servers, terminals."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from subprocess import PIPE, CompletedProcess, Popen
from typing import Any

import pytest
from typer.testing import Result

from cleverreach_async.sandbox import Fault, Faults, Sandbox

Run = Callable[..., Result]
Spawn = Callable[..., CompletedProcess[str]]

COMMAND = (sys.executable, "-m", "cleverreach_async.cli")
IMPORT = ("import", "kunden.csv", "--group", "Newsletter", "--create")
COUNTERS = ("read", "accepted", "rejected", "unknown", "pending", "superseded")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of POSIX")


@contextmanager
def started(*words: str, **streams: Any) -> Generator[Popen[str]]:
    """A process of the command, which does not outlive the block."""
    streams = {"stdout": PIPE, "stderr": PIPE, **streams}
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    process = Popen([*COMMAND, *words], encoding="utf-8", env=environ, **streams)  # noqa: S603
    with process:
        try:
            yield process
        finally:
            process.kill()


class WatchedFaults(Faults):
    """Faults that tell when the first batch arrives."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults)
        self.batch_arrived = threading.Event()

    def decide(self, method: str, path: str) -> tuple[float, Fault | None]:
        """See :meth:`Faults.decide`."""
        if path.endswith("/upsertplus"):
            self.batch_arrived.set()
        return super().decide(method, path)


def write_many(path: Path, *, rows: int) -> list[str]:
    """Write customers, one in a hundred of them bad; returns the good addresses."""
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


@pytest.mark.usefixtures("customers")
def test_a_process_ends_with_the_status(spawn: Spawn) -> None:
    """Result on stdout, the rest on stderr."""
    done = spawn(*IMPORT, "--sandbox", "--json")

    assert (2, 247) == (done.returncode, json.loads(done.stdout)["accepted"])
    assert "new group Newsletter" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("customers")
def test_a_windows_console_is_no_obstacle(spawn: Spawn) -> None:
    """Names that Windows-1252 lacks become question marks and end nothing."""
    words = ("import", "kunden.csv", "--group", "Ελλάδα Ä", "--create", "--sandbox")
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *words],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        timeout=60,
    )

    assert 2 == done.returncode
    assert "into ?????? Ä (540001)" in done.stdout.decode("cp1252")
    assert 0 == spawn("--version").returncode


@posix
@pytest.mark.socket
def test_a_server_with_faults_changes_no_result(workdir: Path, spawn: Spawn) -> None:
    """429 and 502 cost retries, but the report and the store are those of a quiet import."""
    good = write_many(workdir / "kunden.csv", rows=3000)
    words = (*IMPORT, "--json", "--batch-size", "100")
    quiet = json.loads(spawn(*words, "--sandbox").stdout)
    faults = ("--fault", "429=5%", "--fault", "502=2%", "--seed", "4")
    with started("sandbox", "--port", "0", "--store", "s.db", *faults) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        access = {"CLIENT_ID": "sandbox", "CLIENT_SECRET": "sandbox-secret", "BASE_URL": url}
        environ = {f"CLEVERREACH_{name}": value for name, value in access.items()}
        done = spawn(*words, **environ)
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
    loud = json.loads(done.stdout)

    assert (0, True) == (server.returncode, errors.endswith("stopped\n"))
    assert 2 == done.returncode
    assert loud["retries"] > 0
    assert [quiet[name] for name in COUNTERS] == [loud[name] for name in COUNTERS]
    with Sandbox("s.db") as kept:
        assert sorted(good) == sorted(kept.store.emails(loud["group_id"]))


@posix
@pytest.mark.socket
@pytest.mark.usefixtures("account")
def test_ctrl_c_lets_requests_end_and_tells_how_far_it_came(
    workdir: Path, sandbox: Sandbox
) -> None:
    """The batch on its way is counted; the many that follow are not sent."""
    write_many(workdir / "kunden.csv", rows=2000)
    faults = WatchedFaults(Fault("latency", seconds=0.3, path_suffix="/upsertplus"))
    sandbox.faults = faults
    with started(*IMPORT, "--batch-size", "20", "--concurrency", "1") as process:
        assert faults.batch_arrived.wait(30)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)

    stored = sandbox.store.count(sandbox.store.group_id("Newsletter") or 0)
    assert (130, "") == (process.returncode, output)
    assert "stopping when the requests on their way have ended" in errors
    assert f"rows: {stored:,} accepted" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert stored < 1000


@posix
@pytest.mark.socket
@pytest.mark.usefixtures("account", "customers")
def test_a_second_ctrl_c_ends_at_once(sandbox: Sandbox) -> None:
    """A server that hangs does not hold the command."""
    faults = WatchedFaults(Fault("hang", seconds=600, path_suffix="/upsertplus"))
    sandbox.faults = faults
    with started(*IMPORT) as process:
        assert faults.batch_arrived.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = next(line for line in process.stderr if line.startswith("stopping"))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert (130, True) == (process.returncode, "Ctrl-C again" in told)
    assert errors.startswith("interrupted after 250 rows: 0 accepted")
    assert "Traceback" not in errors


@posix
@pytest.mark.socket
def test_a_sandbox_prints_what_a_client_needs(spawn: Spawn) -> None:
    """Its lines can be pasted into a shell; the client they describe works."""
    with started("sandbox", "--port", "0") as server:
        assert server.stdout is not None
        head = [server.stdout.readline().strip() for _ in range(6)]
        environ = dict(line.removeprefix("export ").split("=") for line in head[2:5])
        done = spawn("groups", "--json", **environ)
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)

    assert (0, []) == (done.returncode, json.loads(done.stdout))
    assert f"CleverReach sandbox on {environ['CLEVERREACH_BASE_URL']}" == head[0]
    assert "cleverreach import customers.csv --group Newsletter --create" == head[5]


@pytest.fixture
def on_terminal() -> Callable[..., str]:
    """Runs an import whose stderr is a terminal; returns what that shows."""
    termios = pytest.importorskip("termios")
    pty = pytest.importorskip("pty")

    def on_terminal(*, columns: int, **environ: str) -> str:
        controller, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (24, columns))
        names = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
        clean = {name: value for name, value in os.environ.items() if name not in names}
        process = Popen(  # noqa: S603 - our own command
            [*COMMAND, *IMPORT, "--sandbox"],
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            env={**clean, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environ},
        )
        os.close(terminal)
        shown = bytearray()
        try:
            while chunk := os.read(controller, 1 << 16):
                shown += chunk
        except OSError:
            pass  # how Linux tells the end
        os.close(controller)
        assert 2 == process.wait(30)
        return shown.decode()

    return on_terminal


@posix
@pytest.mark.usefixtures("customers")
def test_a_terminal_shows_a_bar(on_terminal: Callable[..., str]) -> None:
    """It ends full, with the counts beside it."""
    shown = on_terminal(columns=120)

    assert "━" * 40 in shown
    assert "100%" in shown
    assert "247 accepted  2 rejected" in shown


@posix
@pytest.mark.usefixtures("customers")
def test_a_narrow_terminal_shows_what_fits(on_terminal: Callable[..., str]) -> None:
    """Each line keeps what matters most."""
    shown = on_terminal(columns=50)

    assert "100%" in shown
    assert "247 accepted  2 rejected" in shown


@posix
@pytest.mark.usefixtures("customers")
@pytest.mark.parametrize(("environ", "expected"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_respected(
    on_terminal: Callable[..., str], environ: dict[str, str], expected: bool
) -> None:
    """Colours are there unless the environment declines them."""
    shown = on_terminal(columns=120, **environ)

    assert expected == ("\x1b[38;" in shown)


@pytest.mark.usefixtures("customers")
def test_a_pipe_gets_no_control_sequences(spawn: Spawn) -> None:
    """Not even when the environment forces colours, as build servers do."""
    done = spawn(*IMPORT, "--sandbox", FORCE_COLOR="1")

    assert "\x1b[?25l" not in done.stderr
    assert "━" not in done.stderr
