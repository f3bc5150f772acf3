"""Shell completion of commands, options and values, although commands are loaded when called."""

import io
import socket
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import fields
from typing import Any

import pytest
from typer.testing import Result

from cleverreach_async.cli.app import app
from cleverreach_async.cli.completion import ENCODINGS, FAULTS, behaviours
from cleverreach_async.sandbox import Behaviour, Faults

Run = Callable[..., Result]


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Completes a line as bash asks for it; a request would fail."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a completion connects to nobody")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("_CLEVERREACH_COMPLETE", "complete_bash")

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        shown = io.StringIO()
        with redirect_stdout(shown), pytest.raises(SystemExit) as ended:
            app(prog_name="cleverreach")
        assert 0 == ended.value.code
        return shown.getvalue().split()

    return complete


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cleverreach re", ["retry-rejects", "receiver"]),
        ("cleverreach -v we", ["webhooks"]),
        ("cleverreach --qu", ["--quiet"]),
        ("cleverreach import --dr", ["--dry-run"]),
        ("cleverreach -q import f.csv --create-", ["--create-attributes"]),
        ("cleverreach receiver a@example.org --js", ["--json"]),
        ("cleverreach import --strategy up", ["upsertplus", "upsert", "update"]),
        ("cleverreach import --strategy=in", ["insert"]),
        ("cleverreach import f.csv --http ", ["auto", "httpx", "aiohttp"]),
        ("cleverreach import f.csv --concurrency a", ["auto"]),
        ("cleverreach import f.csv --timezone Europe/Berl", ["Europe/Berlin"]),
        ("cleverreach verify f.csv --encoding mac", ["mac_roman"]),
        ("cleverreach retry-rejects r.jsonl --only u", ["unknown"]),
        ("cleverreach export --format ", ["csv", "jsonl", "parquet"]),
        ("cleverreach sync f.csv --missing de", ["deactivate", "delete"]),
        ("cleverreach sandbox --fault re", ["reset=1%"]),
        ("cleverreach import ", []),
        ("cleverreach nonsense --ver", ["--version", "--verbose"]),
    ],
)
def test_what_bash_completes(
    complete: Callable[[str], list[str]], line: str, expected: list[str]
) -> None:
    """The shell completes the names of files where nothing is known."""
    assert expected == complete(line)


def test_suggested_values_are_valid() -> None:
    """A completed word must not be refused."""
    Faults.parse(*FAULTS)
    assert [] == [name for name in ENCODINGS if "ä".encode(name).decode(name) != "ä"]


def test_switches_of_the_sandbox() -> None:
    """A choice with each of its values, a number without one."""
    found = behaviours()

    assert {"plus_order=input", "plus_order=reversed", "max_rows="} < set(found)
    assert {"lift_deactivation=yes", "lift_deactivation=no"} < set(found)
    assert {it.name for it in fields(Behaviour)} == {it.partition("=")[0] for it in found}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(run: Run, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """It asks the command under its own name."""

    def detect() -> tuple[str, str]:
        return shell, f"/bin/{shell}"

    monkeypatch.setattr("shellingham.detect_shell", detect)
    shown = run("--show-completion").stdout

    assert "_CLEVERREACH_COMPLETE=complete_" + shell in shown.replace("ROOT", "CLEVERREACH")
