"""Imports that are stopped or killed, and resumed: real processes, real signals."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from support.commands import WatchedFaults, started, write_many
from typer.testing import Result

from cleverreach_async.sandbox import Fault, Faults, Sandbox

Run = Callable[..., Result]
Spawn = Callable[..., CompletedProcess[str]]

IMPORT = ("import", "kunden.csv", "--group", "Newsletter", "--create", "--settle", "0")
SLOW = Fault("latency", seconds=0.2, path_suffix="/upsertplus")
HANGING = Fault("hang", seconds=600, path_suffix="/upsertplus", committed=True)
JOURNAL = ("--journal", "import.journal")
SMALL = ("--batch-size", "100", "--concurrency", "1")
CLASSES = ("accepted", "rejected", "unknown", "superseded", "excluded")

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
    pytest.mark.usefixtures("account"),
]


def stored(sandbox: Sandbox) -> list[str]:
    """The addresses in the group, sorted."""
    return sorted(sandbox.store.emails(sandbox.store.group_id("Newsletter") or 0))


def rejects(workdir: Path) -> list[tuple[int, str]]:
    """Line and code of each reject, sorted."""
    lines = (workdir / "kunden.rejects.jsonl").read_text("utf-8").splitlines()
    return sorted((line["line"], line["code"]) for line in map(json.loads, lines))


def total(found: dict[str, Any]) -> dict[str, int]:
    """The counters of all runs of an import."""
    return {name: found[name] + found["earlier"].get(name, 0) for name in CLASSES}


@pytest.fixture
def undisturbed(workdir: Path, run: Run) -> tuple[list[str], dict[str, int], list[tuple[int, str]]]:
    """2000 customers; the good addresses, and the result of an import without interruption."""
    good = write_many(workdir / "kunden.csv", rows=2000)
    result = run(*IMPORT, "--sandbox", "--json")
    found = rejects(workdir)
    (workdir / "kunden.rejects.jsonl").unlink()
    return sorted(good), total(json.loads(result.stdout)), found


def test_an_import_stopped_by_ctrl_c_is_resumed(
    workdir: Path, sandbox: Sandbox, spawn: Spawn, undisturbed: tuple[Any, ...]
) -> None:
    """Store, counters and rejects are those of an import without interruption."""
    sandbox.faults = faults = WatchedFaults(SLOW, batches=3)
    with started(*IMPORT, *JOURNAL, *SMALL) as process:
        assert faults.batch_arrived.wait(30)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    first = len(stored(sandbox))
    sandbox.faults = Faults()
    done = spawn(*IMPORT, *JOURNAL, "--resume", "--json")
    found = json.loads(done.stdout)

    assert (130, 2) == (process.returncode, done.returncode)
    assert 0 < first < 2000
    assert f"Imported {first:,} of" in output
    assert "rows read so far into Newsletter" in output
    assert "not sent, or without a response; --resume sends them" in output
    assert "stopping when the requests in flight have completed; press Ctrl-C again" in errors
    assert "continue with the same command and --resume" in errors.splitlines()[-1]
    assert undisturbed == (stored(sandbox), total(found), rejects(workdir))
    assert (None, False) == (found["stopped"], found["resumable"])
    assert first == found["earlier"]["accepted"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        pytest.param(JOURNAL, "same command and --resume", id="journal"),
        pytest.param((), "sends the whole file again", id="none"),
    ],
)
def test_sigterm_lets_requests_complete(
    workdir: Path, sandbox: Sandbox, words: tuple[str, ...], hint: str
) -> None:
    """A supervisor sends it: the status says that the import can be resumed."""
    write_many(workdir / "kunden.csv", rows=2000)
    sandbox.faults = faults = WatchedFaults(SLOW)
    with started(*IMPORT, *words, *SMALL, "--json") as process:
        assert faults.batch_arrived.wait(30)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
    found = json.loads(output)

    assert (3, True) == (process.returncode, hint in errors.splitlines()[-1])
    assert ("terminated by a signal", bool(words)) == (found["stopped"], found["resumable"])
    assert len(stored(sandbox)) == found["accepted"] > 0


@pytest.mark.usefixtures("customers")
def test_a_second_ctrl_c_ends_immediately(workdir: Path, sandbox: Sandbox, spawn: Spawn) -> None:
    """Even if the server hangs; the import can be resumed."""
    sandbox.faults = faults = WatchedFaults(HANGING)
    with started(*IMPORT, *JOURNAL) as process:
        assert faults.batch_arrived.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        message = next(line for line in process.stderr if line.startswith("stopping"))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    sandbox.faults = Faults()
    done = spawn(*IMPORT, *JOURNAL, "--resume", "--json")
    found = json.loads(done.stdout)

    assert (130, True) == (process.returncode, "Ctrl-C again" in message)
    assert "0 accepted" in output
    assert [
        "aborting the requests in flight",
        "interrupted; continue with the same command and --resume",
    ] == errors.splitlines()
    assert "Traceback" not in errors
    assert (247, 2) == (total(found)["accepted"], total(found)["rejected"])
    assert [(12, "invalid_email"), (22, "invalid_date")] == rejects(workdir)


@pytest.mark.usefixtures("customers")
def test_ctrl_c_before_the_first_row_ends_it(sandbox: Sandbox) -> None:
    """While the group is looked up there is nothing to stop in order."""
    sandbox.faults = Faults([Fault("latency", seconds=0.5, path_suffix="/groups")])
    with started(*IMPORT, *JOURNAL) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("connecting"))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert (130, []) == (process.returncode, stored(sandbox))
    assert "interrupted before the first response" == errors.splitlines()[-1]


def test_a_killed_import_is_resumed(
    workdir: Path, sandbox: Sandbox, spawn: Spawn, undisturbed: tuple[Any, ...]
) -> None:
    """Rows that were stored but whose response was lost are counted once."""
    hang = Fault("hang", seconds=600, path_suffix="/upsertplus", committed=True, after=2)
    sandbox.faults = faults = WatchedFaults(hang, batches=3)
    with started(*IMPORT, *JOURNAL, *SMALL) as process:
        assert faults.batch_arrived.wait(30)
        process.kill()
    sandbox.faults = Faults()
    done = spawn(*IMPORT, *JOURNAL, "--resume", "--json")
    found = json.loads(done.stdout)

    assert undisturbed == (stored(sandbox), total(found), rejects(workdir))
    assert found["earlier"]["accepted"] > 0


@pytest.mark.usefixtures("customers")
def test_two_commands_cannot_share_a_journal(sandbox: Sandbox, spawn: Spawn) -> None:
    """The second reports which file is in use, and changes nothing."""
    sandbox.faults = faults = WatchedFaults(HANGING)
    with started(*IMPORT, *JOURNAL):
        assert faults.batch_arrived.wait(30)
        done = spawn(*IMPORT, *JOURNAL, "--resume")

    assert (1, "") == (done.returncode, done.stdout)
    assert "error: import.journal" in done.stderr.splitlines()[-1]
    assert "in use" in done.stderr.splitlines()[-1]


@pytest.fixture
def stopped(customers: Path, run: Run, sandbox: Sandbox, account: str) -> Result:
    """An import with a journal that the server has stopped after 100 rows."""
    sandbox.faults = Faults([Fault("status", code=403, path_suffix="/upsertplus", after=1)])
    result = run(*IMPORT, *JOURNAL, *SMALL)
    sandbox.faults = Faults()
    return result


def test_the_summary_of_a_resumed_import_covers_all_runs(stopped: Result, run: Run) -> None:
    """It has the counts of this run and of all runs, and the reasons of all."""
    result = run(*IMPORT, *JOURNAL, "--resume")
    lines = result.stdout.splitlines()

    assert (3, 2) == (stopped.exit_code, result.exit_code)
    assert lines[0].startswith("Imported 247 of 250 rows into Newsletter (540001); this run took ")
    assert "  this run   all runs" == lines[1]
    counts = {
        line.split(":")[0].split()[-1]: line.split(":")[0].split()[:-1] for line in lines[2:6]
    }
    accepted, skipped = counts["accepted"], counts["skipped"]
    assert ("247", 247) == (accepted[1], int(accepted[0]) + 100)
    assert [str(250 - int(accepted[0]) - 1)] == skipped or len(skipped) == 1
    assert "skipped: done by earlier runs" in result.stdout
    assert "invalid_email (line 12)" in result.stdout
    assert "invalid_date (line 22)" in result.stdout
    assert "its journal import.journal can be deleted" in lines[-1]


@pytest.mark.usefixtures("stopped")
def test_a_changed_file_is_not_resumed(customers: Path, run: Run, sandbox: Sandbox) -> None:
    """The message names the difference; no row is sent."""
    with customers.open("a", encoding="utf-8") as file:
        file.write("neu@example.org;Ada;31.12.2025;31.12.2025;\n")
    before = stored(sandbox)

    result = run(*IMPORT, *JOURNAL, "--resume")

    assert (1, before) == (result.exit_code, stored(sandbox))
    assert "the journal belongs to another import: " in result.stderr
    assert "file size was 11,919 bytes, is 11,962 bytes" in result.stderr


@pytest.mark.usefixtures("stopped")
def test_a_resumed_import_does_not_create_its_group(run: Run, sandbox: Sandbox) -> None:
    """A new group has none of the rows that the journal counts as stored."""
    words = ["Neu" if word == "Newsletter" else word for word in IMPORT]
    mistyped = run(*words, *JOURNAL, "--resume")
    sandbox.store.run("DELETE FROM recipient_groups")
    deleted = run(*IMPORT, *JOURNAL, "--resume")

    assert (1, 1) == (mistyped.exit_code, deleted.exit_code)
    assert "no group 'Neu', and the import of import.journal has begun" in mistyped.stderr
    assert "no group 'Newsletter', and the import of import.journal has begun" in deleted.stderr
    assert [None, None] == [sandbox.store.group_id(name) for name in ("Neu", "Newsletter")]


@pytest.mark.usefixtures("stopped")
def test_a_journal_is_not_started_twice(run: Run, sandbox: Sandbox) -> None:
    """Without --resume the command refuses before it sends a request."""
    before = sandbox.count()

    result = run(*IMPORT, *JOURNAL)

    assert (1, before) == (result.exit_code, sandbox.count())
    assert "import.journal exists already: add --resume to continue its import" in result.stderr


@pytest.mark.usefixtures("customers")
def test_a_missing_journal_is_not_resumed(run: Run) -> None:
    """A mistyped name does not start a new import."""
    result = run(*IMPORT, *JOURNAL, "--resume")

    assert 1 == result.exit_code
    assert "No journal to resume at import.journal; start without --resume" in result.stderr


@pytest.mark.usefixtures("customers")
def test_a_complete_import_cannot_be_resumed(run: Run) -> None:
    """The journal stays, so that a second attempt does not send everything again."""
    first = run(*IMPORT, *JOURNAL)
    second = run(*IMPORT, *JOURNAL, "--resume")

    assert (2, 1) == (first.exit_code, second.exit_code)
    assert "The import is complete; its journal import.journal can be deleted." in first.stdout
    assert "the import of import.journal is complete" in second.stderr


@pytest.mark.usefixtures("customers")
def test_too_many_rejects_stop_it(run: Run) -> None:
    """Status 3, the reasons, and what to do."""
    result = run(*IMPORT, *JOURNAL, "--max-rejects", "1")

    assert 3 == result.exit_code
    assert "invalid_email" in result.stdout
    assert "error: too many rows are rejected: 2 rows are rejected, and 1 are all" in result.stderr
    assert "--max-reject-share and --max-rejects, and add --resume" in result.stderr


def test_a_report_is_written_after_ctrl_c(workdir: Path, sandbox: Sandbox) -> None:
    """It says that the import was stopped."""
    write_many(workdir / "kunden.csv", rows=2000)
    sandbox.faults = faults = WatchedFaults(SLOW)
    with started(*IMPORT, *SMALL, "--report", "report.html") as process:
        assert faults.batch_arrived.wait(30)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    page = (workdir / "report.html").read_text("utf-8")

    assert (130, True) == (process.returncode, "report: report.html" in errors)
    assert "Stopped before the end: interrupted" in page
    assert "Newsletter (540001)" in page
    # The message about texts that are no addresses has the address of nobody.
    assert "example.org" not in page.replace("something like name@example.org", "")


@pytest.mark.usefixtures("customers")
def test_a_report_is_written_after_a_failure(run: Run, workdir: Path, sandbox: Sandbox) -> None:
    """The exit status is that of the import."""
    sandbox.faults = Faults([Fault("status", code=403, path_suffix="/upsertplus", after=1)])

    result = run(*IMPORT, *SMALL, "--report", "report.html")

    assert 3 == result.exit_code
    assert "Stopped before the end: " in (workdir / "report.html").read_text("utf-8")
