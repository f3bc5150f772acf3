"""The command when its terminal is closed, nobody reads its output, or Ctrl-C comes early."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from support.commands import COMMAND, WatchedFaults, started, write_many

from cleverreach_async.cli.connection import signals_ignored
from cleverreach_async.cli.output import LastingStream, Output
from cleverreach_async.sandbox import Fault, Sandbox

Spawn = Callable[..., CompletedProcess[str]]

IMPORT = ("import", "kunden.csv", "--group", "Newsletter", "--create", "--settle", "0")
SMALL = ("--batch-size", "100", "--concurrency", "1")
SLOW = Fault("latency", seconds=0.2, path_suffix="/upsertplus")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, pipes and terminals of POSIX")


def stored(sandbox: Sandbox) -> int:
    """Number of receivers in the group."""
    return len(sandbox.store.emails(sandbox.store.group_id("Newsletter") or 0))


def headline(page: Path) -> str:
    """The first line of a report."""
    return page.read_text("utf-8").partition("<h1>")[2].partition("</h1>")[0]


@posix
@pytest.mark.socket
@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 3), ("SIGHUP", 3)]
)
def test_a_signal_stops_in_order_without_a_reader(
    workdir: Path, sandbox: Sandbox, number: signal.Signals | str, status: int
) -> None:
    """As Ctrl-C of ``import … 2>&1 | tee log``, which ends ``tee`` as well: the page is written."""
    write_many(workdir / "kunden.csv", rows=3000)
    sandbox.faults = faults = WatchedFaults(SLOW, batches=3)
    words = (*IMPORT, *SMALL, "--journal", "j", "--report", "r.html")
    with started(*words, stderr=subprocess.STDOUT) as process:
        assert faults.batch_arrived.wait(30)
        assert process.stdout is not None
        process.stdout.close()
        process.send_signal(getattr(signal, number) if isinstance(number, str) else number)
        assert status == process.wait(30)

    done = stored(sandbox)
    assert 0 < done < 3000
    assert headline(workdir / "r.html").startswith(f"Imported {done:,} of ")


@posix
@pytest.mark.socket
@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_an_import_goes_on_when_its_terminal_is_closed(
    workdir: Path, sandbox: Sandbox, words: tuple[str, ...]
) -> None:
    """Result and page are complete, and the status is as usual."""
    pty = pytest.importorskip("pty")
    good = write_many(workdir / "kunden.csv", rows=1000)
    sandbox.faults = faults = WatchedFaults(SLOW, batches=2)
    controller, terminal = pty.openpty()
    with started(*IMPORT, *SMALL, "--report", "r.html", *words, stderr=terminal) as process:
        os.close(terminal)
        assert faults.batch_arrived.wait(30)
        os.close(controller)
        output, _ = process.communicate(timeout=60)

    expected = f"{len(good):,} of 1,000 rows"
    assert (2, len(good)) == (process.returncode, stored(sandbox))
    assert len(good) == json.loads(output)["accepted"] if words else expected in output
    assert expected in headline(workdir / "r.html")


@posix
@pytest.mark.socket
@pytest.mark.usefixtures("account")
def test_nohup_is_respected(workdir: Path, sandbox: Sandbox) -> None:
    """A process that was started to ignore a signal goes on."""
    good = write_many(workdir / "kunden.csv", rows=500)
    sandbox.faults = faults = WatchedFaults(SLOW, batches=2)

    def ignore() -> None:
        for name in ("SIGHUP", "SIGINT"):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

    with started(*IMPORT, *SMALL, preexec_fn=ignore) as process:
        assert faults.batch_arrived.wait(30)
        for name in ("SIGHUP", "SIGINT"):
            process.send_signal(getattr(signal, name))
        process.communicate(timeout=60)

    assert (2, len(good)) == (process.returncode, stored(sandbox))


@posix
@pytest.mark.usefixtures("customers")
@pytest.mark.parametrize("words", [(), ("--json",)])
@pytest.mark.parametrize("target", ["pipe", "/dev/full", "closed"])
def test_a_result_that_nobody_can_read_is_printed_elsewhere(
    words: tuple[str, ...], target: str
) -> None:
    """On stderr; the status is as usual."""
    command = [*COMMAND, *IMPORT, "--sandbox", *words]
    if target == "closed":
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
        out = os.open(os.devnull, os.O_WRONLY)
    elif target == "pipe":
        reader, out = os.pipe()
        os.close(reader)
    elif Path(target).exists():
        out = os.open(target, os.O_WRONLY)
    else:
        pytest.skip("a device of Linux")
    done = subprocess.run(  # noqa: S603 - our own command
        command, stdout=out, stderr=subprocess.PIPE, check=False, encoding="utf-8", timeout=60
    )
    os.close(out)

    assert 2 == done.returncode
    expected = '"accepted": 247,' if words else "Imported 247 of 250 rows"
    assert (True, False) == (expected in done.stderr, "Exception" in done.stderr)


@posix
@pytest.mark.usefixtures("customers")
@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_command_needs_no_streams(workdir: Path, closed: str) -> None:
    """As under some supervisors. The page and the rejects are written."""
    words = [*COMMAND, *IMPORT, "--sandbox", "--report", "r.html"]
    done = subprocess.run(  # noqa: S603 - our own command
        ["sh", "-c", f'exec "$@" {closed}', "sh", *words],  # noqa: S607 - any shell
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert (2, b"") == (done.returncode, done.stderr)
    assert headline(workdir / "r.html").startswith("Imported 247 of 250 rows")
    assert 2 == len((workdir / "kunden.rejects.jsonl").read_text().splitlines())


INTERRUPTING = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ.get("INTERRUPT_AT"):
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""


@posix
@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("cleverreach_async.cli.app", ["--version"]),
        ("typer", ["--version"]),
        ("cleverreach_async.cli.commands", ["whoami"]),
        ("cleverreach_async.client", ["whoami"]),
        ("cleverreach_async.cli.imports.arguments", IMPORT),
        ("cleverreach_async.cli.imports.command", IMPORT),
        ("cleverreach_async.cli.sandbox_command", ["sandbox"]),
    ],
)
def test_ctrl_c_while_the_command_is_loaded_prints_no_traceback(
    workdir: Path, module: str, words: Sequence[str], spawn: Spawn
) -> None:
    """Nothing has been done, so nothing is to be explained."""
    (workdir / "sitecustomize.py").write_text(INTERRUPTING)

    done = spawn(*words, INTERRUPT_AT=module, PYTHONPATH=str(workdir))

    assert (130, "", "interrupted\n") == (done.returncode, done.stdout, done.stderr)


@posix
def test_ctrl_c_while_a_file_is_read_prints_no_traceback(workdir: Path, spawn: Spawn) -> None:
    """Before the first request; the status is the same."""
    (workdir / "sitecustomize.py").write_text(INTERRUPTING)
    write_many(workdir / "kunden.csv", rows=10)

    done = spawn(
        *(*IMPORT, "--sandbox"),
        INTERRUPT_AT="cleverreach_async.sandbox",
        PYTHONPATH=str(workdir),
    )

    assert (130, False) == (done.returncode, "Traceback" in done.stderr)


@posix
def test_signals_are_ignored_at_the_end() -> None:
    """A second Ctrl-C, or the terminal, does not prevent that the result is written."""
    before = signal.getsignal(signal.SIGINT)
    with signals_ignored((signal.SIGINT, signal.SIGTERM)):
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
    assert before is signal.getsignal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), suppress(OSError):
        os.kill(os.getpid(), signal.SIGINT)


class Broken:
    """A stream that fails.

    Args:
        error: What it raises.
        after: Calls that succeed before.
    """

    encoding = "ascii"

    def __init__(self, error: Exception, after: int = 0) -> None:
        self.error = error
        self.left = after
        self.calls = 0

    def _fail(self) -> None:
        self.calls += 1
        self.left -= 1
        if self.left < 0:
            raise self.error

    def write(self, text: str) -> int:
        """Fail."""
        self._fail()
        return len(text)

    def flush(self) -> None:
        """Fail."""
        self._fail()

    def isatty(self) -> bool:
        """Fail."""
        raise self.error

    def fileno(self) -> int:
        """Fail: it is no file."""
        raise OSError("fileno")


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(32, "Broken pipe"), OSError(5, "I/O"), ValueError("I/O on closed file")],
)
@pytest.mark.parametrize("after", [0, 1])
def test_a_stream_that_has_failed_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception, after: int
) -> None:
    """Whatever is printed: nothing raises, and nothing is written."""
    broken: Any = Broken(error, after)
    monkeypatch.setattr(sys, "stderr", broken)
    monkeypatch.setattr(sys, "stdout", broken)
    output = Output()

    for _ in range(3):
        for show in (output.info, output.warn, output.error, output.advise, output.result):
            show("text")

    # Both streams are this one, and each has been used once.
    assert (after + 2, False) == (broken.calls, output.is_terminal)


def test_a_stream_that_was_closed_at_the_start_takes_everything() -> None:
    """Python then has no object for it."""
    stream = LastingStream(None)

    stream.flush()
    assert (4, False, "utf-8") == (stream.write("text"), stream.isatty(), stream.encoding)
    assert stream.is_gone
    with pytest.raises(OSError, match="fileno"):
        stream.fileno()


class Screen(StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True


@pytest.mark.parametrize(("quiet", "expected"), [(False, True), (True, False)])
def test_a_terminal_shows_the_step_that_is_being_done(
    monkeypatch: pytest.MonkeyPatch, quiet: bool, expected: bool
) -> None:
    """In one line, that disappears at the end; control characters are replaced."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    output = Output(quiet=quiet)
    with output.steps() as show:
        for number in (1, 2):
            show(f"creating \x07attribute ({number} of 2)")
    shown = screen.getvalue()

    assert (expected, False) == ("creating \ufffdattribute (2 of 2)" in shown, "\x07" in shown)
    assert shown.endswith("\x1b[2K") == expected
