"""Nobody is deleted or deactivated before somebody has said yes."""

import json
import os
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cleverreach_async.cli.app import app
from cleverreach_async.cli.output import Output
from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]

HEAD = "email,firstname\n"
EVERYBODY = ["a@example.org", "b@example.org"]
DELETION = ("import", "b.csv", "--group", "News", "--strategy", "delete")
SYNC = ("sync", "all.csv", "--group", "News", "--state", "s.sync", "--max-missing", "50%")
REMOVALS = (DELETION, (*SYNC, "--missing", "delete"), (*SYNC, "--missing", "deactivate"))


@pytest.fixture
def filled(workdir: Path, run: Run, account: str) -> None:
    """A group with two receivers that a synchronisation has added; the file has one left."""
    assert account
    (workdir / "b.csv").write_text(f"{HEAD}b@example.org,Ben\nnobody,Nemo\n", "utf-8")
    everybody = workdir / "all.csv"
    everybody.write_text(f"{HEAD}z@example.org,Zoe\n", "utf-8")
    run("import", "all.csv", "--group", "News", "--create")
    everybody.write_text(f"{HEAD}a@example.org,Ann\nb@example.org,Ben\n", "utf-8")
    assert 0 == run(*SYNC).exit_code
    everybody.write_text(f"{HEAD}a@example.org,Ann\n", "utf-8")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command as on a terminal, with an answer."""

    def answer(text: str, *words: str) -> Result:
        monkeypatch.setattr(Output, "can_ask", True)
        return CliRunner().invoke(app, [*words], input=text, catch_exceptions=False)

    return answer


def in_group(sandbox: Sandbox) -> list[str]:
    """The addresses that get mail, without the first one."""
    found = {it: sandbox.store.receiver(540001, it) or {} for it in sandbox.store.emails(540001)}
    active = [it for it, receiver in found.items() if not int(receiver["deactivated"] or 0)]
    return sorted(set(active) - {"z@example.org"})


@pytest.mark.socket
@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("words", REMOVALS)
def test_without_a_terminal_it_needs_an_option(
    run: Run, sandbox: Sandbox, words: tuple[str, ...]
) -> None:
    """Nothing is done before, so that a job fails at its first test and not in a year."""
    before = len(sandbox.requests)
    refused = run(*words)
    removed_before = in_group(sandbox)
    assert before == len(sandbox.requests)
    run(*words, "--yes")

    assert (1, EVERYBODY) == (refused.exit_code, removed_before)
    assert "needs a confirmation, and there is no terminal to ask on: add --yes" in refused.stderr
    assert ["a@example.org"] == in_group(sandbox)


@pytest.mark.socket
@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("words", "text", "left"),
    [
        (DELETION, "y\n", 1),
        (DELETION, "ja\n", 2),
        (DELETION, "", 2),
        (REMOVALS[1], "YES\n", 1),
        (REMOVALS[1], "\n", 2),
        (REMOVALS[2], "yes\n", 1),
        (REMOVALS[2], "n\n", 2),
    ],
)
def test_a_terminal_is_asked(
    answer: Callable[..., Result], sandbox: Sandbox, words: tuple[str, ...], text: str, left: int
) -> None:
    """Anything but a yes means no. The question has the number and the group."""
    result = answer(text, *words)

    question = result.stderr.partition(" [y/N]")[0].splitlines()[-1]
    assert question in {
        "Delete the 1 receiver of this file from News (540001)?",
        "1 receiver of News (540001) is no longer in the file. Delete it?",
        "1 receiver of News (540001) is no longer in the file. Deactivate it?",
    }
    assert EVERYBODY[:left] == in_group(sandbox)


@pytest.mark.socket
@pytest.mark.usefixtures("filled")
def test_a_no_is_told(answer: Callable[..., Result]) -> None:
    """By the text and by the status: a synchronisation can be run again, and asks again."""
    deleted = answer("n\n", *DELETION)
    synchronised = answer("n\n", *SYNC, "--missing", "delete")
    again = answer("y\n", *SYNC, "--missing", "delete", "--json")

    assert (1, "error: nobody was deleted") == (
        deleted.exit_code,
        deleted.stderr.rpartition("] ")[2].strip(),
    )
    assert 3 == synchronised.exit_code
    assert "1 receivers are no longer in the file, nobody was removed" in synchronised.stdout
    assert (0, 1) == (again.exit_code, json.loads(again.stdout)["removed"])


@pytest.mark.socket
@pytest.mark.usefixtures("filled")
def test_with_nobody_to_remove_there_is_no_question(answer: Callable[..., Result]) -> None:
    """A file that has everybody."""
    result = answer("", *SYNC, "--missing", "delete", "--max-missing", "50%")
    again = answer(
        "", "sync", "all.csv", "--group", "News", "--state", "t.sync", "--missing", "delete"
    )

    assert "[y/N]" in result.stderr
    assert (0, False) == (again.exit_code, "[y/N]" in again.stderr)


@pytest.mark.usefixtures("customers")
def test_a_dry_run_and_a_sandbox_need_no_confirmation(run: Run) -> None:
    """There is nobody to lose."""
    words = ("import", "kunden.csv", "--group", "N", "--strategy", "delete")

    assert "confirmation" not in run(*words, "--dry-run").stderr
    assert "confirmation" not in run(*words, "--sandbox").stderr


class Terminal(StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True


@pytest.mark.parametrize(
    ("stdin", "stderr", "expected"),
    [
        (Terminal(), Terminal(), True),
        (Terminal(), StringIO(), False),
        (StringIO(), Terminal(), False),
        (None, Terminal(), False),
    ],
)
def test_only_two_terminals_can_ask(
    monkeypatch: pytest.MonkeyPatch, stdin: StringIO | None, stderr: StringIO, expected: bool
) -> None:
    """One for the question and one for the answer."""
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stderr", stderr)

    assert expected == Output().can_ask


@pytest.mark.socket
@pytest.mark.usefixtures("filled")
def test_ctrl_c_at_the_question(
    answer: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """It ends the command at once, although an event loop is waiting."""
    asked: list[str] = []

    def interrupt(output: Output, question: str) -> bool:
        asked.append(question)
        os.kill(os.getpid(), 2)
        raise AssertionError("the signal has not interrupted the question")

    monkeypatch.setattr(Output, "ask", interrupt)
    results = [answer("", *words).exit_code for words in REMOVALS]

    assert ([130, 130, 130], 3) == (results, len(asked))
    assert EVERYBODY == in_group(sandbox)
