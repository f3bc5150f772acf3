"""The command as a process: exit statuses, servers, terminals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest
from support.commands import COMMAND, started, write_many
from typer.testing import Result

from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]
Spawn = Callable[..., CompletedProcess[str]]

IMPORT = ("import", "kunden.csv", "--group", "Newsletter", "--create")
COUNTERS = ("read", "accepted", "rejected", "unknown", "pending", "superseded")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of POSIX")


@pytest.mark.usefixtures("customers")
def test_a_process_ends_with_the_status(spawn: Spawn) -> None:
    """The result is on stdout, everything else on stderr."""
    done = spawn(*IMPORT, "--sandbox", "--json")

    assert (2, 247) == (done.returncode, json.loads(done.stdout)["accepted"])
    assert "new group Newsletter" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("customers")
def test_a_windows_console_gets_question_marks(spawn: Spawn) -> None:
    """Characters that are not in Windows-1252 do not stop the command."""
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
    """429 and 502 cause retries, but the result is that of an import without faults."""
    good = write_many(workdir / "kunden.csv", rows=1000)
    words = (*IMPORT, "--json", "--batch-size", "50")
    without_faults = json.loads(spawn(*words, "--sandbox").stdout)
    faults = ("--fault", "429=5%", "--fault", "502=2%", "--seed", "4")
    with started("sandbox", "--port", "0", "--store", "s.db", *faults) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        access = {"CLIENT_ID": "sandbox", "CLIENT_SECRET": "sandbox-secret", "BASE_URL": url}
        environ = {f"CLEVERREACH_{name}": value for name, value in access.items()}
        done = spawn(*words, "--overwrite", **environ)
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
    with_faults = json.loads(done.stdout)

    assert (0, True) == (server.returncode, errors.endswith("Stopped.\n"))
    assert 2 == done.returncode
    assert with_faults["retries"] > 0
    assert [without_faults[name] for name in COUNTERS] == [with_faults[name] for name in COUNTERS]
    with Sandbox("s.db") as kept:
        assert sorted(good) == sorted(kept.store.emails(with_faults["group_id"]))


@posix
@pytest.mark.socket
def test_a_sandbox_prints_what_a_client_needs(spawn: Spawn) -> None:
    """Its lines can be pasted into a shell; a client with them works."""
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
    """Runs an import with a terminal as stderr; returns the output."""
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
            pass  # the end of file on Linux
        os.close(controller)
        assert 2 == process.wait(30)
        return shown.decode()

    return on_terminal


@posix
@pytest.mark.usefixtures("customers")
def test_a_terminal_shows_a_bar(on_terminal: Callable[..., str]) -> None:
    """It is complete at the end, with the counts below it."""
    shown = on_terminal(columns=120)

    assert "━" * 40 in shown
    assert "100%" in shown
    assert "247 accepted  2 rejected" in shown


@posix
@pytest.mark.usefixtures("customers")
def test_a_narrow_terminal_shows_what_fits(on_terminal: Callable[..., str]) -> None:
    """Each line keeps its most important parts."""
    shown = on_terminal(columns=50)

    assert "100%" in shown
    assert "247 accepted  2 rejected" in shown


@posix
@pytest.mark.usefixtures("customers")
@pytest.mark.parametrize(("environ", "expected"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_respected(
    on_terminal: Callable[..., str], environ: dict[str, str], expected: bool
) -> None:
    """There are colours unless the environment forbids them."""
    shown = on_terminal(columns=120, **environ)

    assert expected == ("\x1b[38;" in shown)


@pytest.mark.usefixtures("customers")
def test_a_pipe_gets_no_control_sequences(spawn: Spawn) -> None:
    """Not even if the environment forces colours, as on build servers."""
    done = spawn(*IMPORT, "--sandbox", FORCE_COLOR="1")

    assert "\x1b[?25l" not in done.stderr
    assert "━" not in done.stderr
