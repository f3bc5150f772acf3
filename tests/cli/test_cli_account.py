"""``cleverreach groups``, ``whoami``, ``--version`` and the help."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import Result

from cleverreach_async import __version__
from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]


@pytest.fixture
def group(run: Run, workdir: Path, account: str) -> str:
    """A group in the account; returns its creation day in the local time zone."""
    assert account.startswith("http://127.0.0.1:")
    (workdir / "k.csv").write_text("email\na@example.org\n", "utf-8")
    run("import", "k.csv", "--group", "Nord [bold]", "--create")
    return f"{datetime.now().astimezone():%Y-%m-%d}"


@pytest.mark.socket
def test_groups_are_a_table(run: Run, group: str) -> None:
    """The name is last, so that it is not cut; markup in it is plain text."""
    result = run("groups")

    assert [
        "    ID  CREATED     CHANGED     NAME",
        f"540001  {group}  {group}  Nord [bold]",
    ] == result.stdout.splitlines()


@pytest.mark.socket
@pytest.mark.usefixtures("group")
def test_groups_as_json(run: Run, sandbox: Sandbox) -> None:
    """Times are ISO 8601 with an offset."""
    found = json.loads(run("groups", "--json").stdout)

    stamp = sandbox.store.value("SELECT stamp FROM recipient_groups")
    assert [("Nord [bold]", 540001, stamp)] == [
        (row["name"], row["id"], int(datetime.fromisoformat(row["stamp"]).timestamp()))
        for row in found
    ]


def test_without_groups_there_is_no_table(run: Run) -> None:
    """A sandbox is empty at first, and so is stdout."""
    result = run("groups", "--sandbox")

    assert (0, "", "the account has no groups\n") == (
        result.exit_code,
        result.stdout,
        result.stderr,
    )


def test_whoami_shows_the_account(run: Run) -> None:
    """Empty fields are left out."""
    lines = run("whoami", "--sandbox").stdout.splitlines()

    assert ("id            129000", False) == (lines[0], any("fax" in line for line in lines))


def test_whoami_as_json(run: Run) -> None:
    """All fields, including empty ones."""
    found = json.loads(run("whoami", "--sandbox", "--json").stdout)

    assert (129000, "") == (found["id"], found["fax"])


def test_the_version_is_printed(run: Run) -> None:
    """It is the version of the package."""
    assert f"cleverreach {__version__}\n" == run("--version").stdout


@pytest.mark.parametrize("command", ["import", "groups", "whoami", "login", "logout", "sandbox"])
def test_help_describes_every_option(run: Run, command: str) -> None:
    """All commands that need an account have the same options for it."""
    result = run(command, "--help")

    shared = ["--client-id", "--client-secret", "--base-url", "--env-file"]
    expected = {"sandbox": [], "logout": ["--env-file"]}.get(command, shared)
    assert 0 == result.exit_code
    assert expected == [option for option in shared if option in result.stdout]
