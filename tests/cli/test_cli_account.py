"""``cleverreach groups``, ``receiver``, ``attributes``, ``forms``, ``whoami`` and the help."""

import json
import subprocess
import sys
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
        "    ID  RECEIVERS  ACTIVE  CREATED     CHANGED     NAME",
        f"540001          1       1  {group}  {group}  Nord [bold]",
    ] == result.stdout.splitlines()


@pytest.mark.socket
@pytest.mark.usefixtures("group")
def test_groups_as_json(run: Run, sandbox: Sandbox) -> None:
    """Times are ISO 8601 with an offset."""
    found = json.loads(run("groups", "--json").stdout)

    stamp = sandbox.store.value("SELECT stamp FROM recipient_groups")
    assert [("Nord [bold]", 540001, stamp, 1, 0)] == [
        (
            row["name"],
            row["id"],
            int(datetime.fromisoformat(row["stamp"]).timestamp()),
            row["total_count"],
            row["bounce_count"],
        )
        for row in found
    ]


@pytest.mark.socket
def test_groups_of_one_name_are_pointed_out(run: Run, group: str, sandbox: Sandbox) -> None:
    """A command that takes a name would refuse it."""
    with sandbox.store.transaction():
        row = sandbox.store.rows("SELECT * FROM recipient_groups")[0]
        sandbox.store.insert("recipient_groups", **{**row, "id": row["id"] + 1})
    result = run("groups")

    assert "warning: 2 groups are named 'Nord [bold]', use the id: 540001, 540002" in result.stderr
    assert 3 == len(result.stdout.splitlines())


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


@pytest.mark.parametrize(
    "command",
    [
        *("import", "export", "verify", "groups", "receiver", "attributes", "forms", "whoami"),
        *("login", "logout", "sandbox"),
    ],
)
def test_help_describes_every_option(run: Run, command: str) -> None:
    """All commands that need an account have the same options for it."""
    result = run(command, "--help")

    shared = ["--client-id", "--client-secret", "--base-url", "--env-file"]
    expected = {"sandbox": [], "logout": ["--env-file"]}.get(command, shared)
    assert 0 == result.exit_code
    assert expected == [option for option in shared if option in result.stdout]


@pytest.fixture
def ada(run: Run, workdir: Path, account: str) -> str:
    """Somebody in two of three groups; returns the address."""
    rows = ["email;firstname;size;tags;registered;activated;deactivated"]
    rows += ["ada@example.org;Ada;4;vip,new;31.12.2025;31.12.2025;"]
    (workdir / "a.csv").write_text("\n".join([*rows, ""]), "utf-8")
    (workdir / "b.csv").write_text("email;deactivated\nada@example.org;1.1.2026\n", "utf-8")
    (workdir / "c.csv").write_text("email\nbob@example.org\n", "utf-8")
    size = ("--map", "size=attributes.size")
    for words in (("a.csv", "--group", "Nord", *size), ("b.csv", "--group", "Süd")):
        assert run("import", *words, "--create").exit_code == 0
    run("import", "c.csv", "--group", "West", "--create")
    return "ada@example.org"


@pytest.mark.socket
def test_receiver_in_every_group(run: Run, ada: str) -> None:
    """State, times, tags and values; empty fields are left out."""
    lines = run("receiver", "Ada@example.org").stdout.splitlines()

    assert ["ada@example.org in Nord (540001)", "ada@example.org in Süd (540002)"] == [
        line for line in lines if line.startswith(ada)
    ]
    found = [tuple(line.split(None, 1)) for line in lines if line.startswith("  ")]
    assert {
        ("state", "active"),
        ("tags", "vip, new"),
        ("firstname", "Ada"),
        ("attributes.size", "4"),
        ("state", "unsubscribed"),
    } <= {*found}
    assert "source" not in {name for name, *_ in found}


@pytest.mark.socket
def test_receiver_as_json(run: Run, ada: str) -> None:
    """In one group, with everything that the server has."""
    [found] = json.loads(run("receiver", ada, "--group", "Nord", "--json").stdout)

    assert ("Nord", True, ["vip", "new"], {"size": "4"}) == (
        found["group_name"],
        found["active"],
        found["tags"],
        found["attributes"],
    )
    assert "last_ip" in found
    assert 2025 == datetime.fromisoformat(found["registered"]).year


@pytest.mark.socket
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("eve@example.org",), "no group has this receiver"),
        (("ada@example.org", "--group", "West"), "the group does not have this receiver"),
        (("ada@example.org", "--group", "Ost"), "Unknown group 'Ost'"),
        (("ada",), "receiver_id is another text"),
        ((" ",), "receiver_id is"),
    ],
)
def test_receiver_that_is_not_found(
    run: Run, ada: str, words: tuple[str, ...], message: str
) -> None:
    """Status 1; the address is not repeated."""
    result = run("receiver", *words)

    assert (1, "", True) == (result.exit_code, result.stdout, message in result.stderr)
    assert "@" not in result.stderr


@pytest.mark.socket
def test_attributes_are_a_table(run: Run, ada: str) -> None:
    """Those of a group only if it is named."""
    names = [line.split()[3] for line in run("attributes").stdout.splitlines()]
    assert ["NAME", "firstname"] == names
    lines = run("attributes", "--group", "Nord").stdout.splitlines()
    assert ["540001", "size"] == lines[2].split()[2:4]
    found = json.loads(run("attributes", "--group", "Nord", "--json").stdout)
    assert [("firstname", 0), ("size", 540001)] == [(it["name"], it["group_id"]) for it in found]


@pytest.mark.socket
def test_forms_are_a_table(run: Run, ada: str, sandbox: Sandbox) -> None:
    """Of the account, or of one group."""
    sandbox.add_form(540001, "Anmeldung")
    lines = run("forms").stdout.splitlines()
    assert (["ID", "GROUP", "NAME"], "540001  Anmeldung") == (
        lines[0].split(),
        "  ".join(lines[1].split()[1:]),
    )
    assert [] == json.loads(run("forms", "--group", "West", "--json").stdout)
    assert "there are no forms" in run("forms", "--group", "West").stderr


def test_module_is_the_command() -> None:
    """``python -m cleverreach_async``."""
    words = [sys.executable, "-m", "cleverreach_async", "--version"]
    done = subprocess.run(words, capture_output=True, check=True, text=True)  # noqa: S603 - ours

    assert f"cleverreach {__version__}\n" == done.stdout
