"""Attributes of an import: how the command creates, checks and shows them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from cleverreach_async.sandbox import Behaviour, Sandbox

Run = Callable[..., Result]

pytestmark = pytest.mark.socket


@pytest.fixture
def a_file(workdir: Path) -> Path:
    """One receiver with an attribute of the account and one of the group."""
    path = workdir / "a.csv"
    path.write_text("email;Vorname;Tarif\na@example.org;Ada;gold\n", "utf-8")
    return path


PLAN = ("--map", "Tarif=attributes.plan")


@pytest.fixture
def group(run: Run, workdir: Path, account: str) -> str:
    """A group without attributes."""
    del account
    (workdir / "first.csv").write_text("email\nz@example.org\n", "utf-8")
    assert 0 == run("import", "first.csv", "--group", "N", "--create").exit_code
    return "N"


def test_create_attributes_defines_them_in_a_group_that_exists(
    run: Run, a_file: Path, group: str, sandbox: Sandbox
) -> None:
    """Attributes of the account and of the group; their values are stored."""
    result = run("import", str(a_file), "--group", group, "--create-attributes", *PLAN, "--json")
    found = json.loads(result.stdout)
    receiver = sandbox.store.receiver(found["group_id"], "a@example.org") or {}

    assert (0, False) == (result.exit_code, found["group_created"])
    assert ["firstname", "attributes.plan"] == found["attributes_created"]
    assert ({"firstname": "Ada"}, {"plan": "gold"}) == (
        receiver["global_attributes"],
        receiver["attributes"],
    )


@pytest.mark.usefixtures("account")
def test_create_attributes_creates_no_group(run: Run, a_file: Path, sandbox: Sandbox) -> None:
    """A mistyped name must not create a group."""
    result = run("import", str(a_file), "--group", "N", "--create-attributes")

    assert (1, True) == (result.exit_code, "create it with --create" in result.stderr)
    assert (None, 0) == (sandbox.store.group_id("N"), sandbox.count("POST", "/v3/attributes"))


@pytest.mark.usefixtures("account")
def test_create_still_creates_both(run: Run, a_file: Path) -> None:
    """The group and the attributes."""
    result = run("import", str(a_file), "--group", "N", "--create", "--json")
    found = json.loads(result.stdout)

    assert (True, ["firstname"]) == (found["group_created"], found["attributes_created"])


def test_without_an_option_nothing_is_created_or_sent(
    run: Run, a_file: Path, group: str, sandbox: Sandbox
) -> None:
    """The message names both options."""
    before = sandbox.count("POST", "/v3/groups")
    result = run("import", str(a_file), "--group", group, *PLAN)

    message = result.stderr.replace("\n", " ")
    assert 1 == result.exit_code
    assert "the account has no attribute firstname, and the group has no attribute plan" in message
    assert (
        "Create them with --create-attributes, or leave a column out with --map COLUMN=-" in message
    )
    assert before == sandbox.count("POST", "/v3/groups")


@pytest.mark.usefixtures("account")
def test_too_many_attributes_are_refused_before_the_group_is_created(
    run: Run, a_file: Path, sandbox: Sandbox
) -> None:
    """No part of the import is left behind."""
    sandbox.behaviour = Behaviour(attribute_cap=1)
    result = run("import", str(a_file), "--group", "N", "--create", *PLAN)

    message = result.stderr.replace("\n", " ")
    assert 1 == result.exit_code
    assert "2 attributes are missing, but only 1 can be created" in message
    assert "These do not fit: attributes.plan." in message
    assert "--map COLUMN=- leaves a column out" in message
    assert (None, 0) == (sandbox.store.group_id("N"), sandbox.count("POST", "/v3/attributes"))


def test_the_attributes_of_json_lines_are_shown_with_their_types(
    run: Run, workdir: Path, group: str
) -> None:
    """They are inferred, so they are shown before the run. A postcode is always a text."""
    row = {
        "email": "a@example.org",
        "global_attributes": {"points": 5, "zip": 24103, "birthday": "1999-12-24"},
        "attributes": {"plan": "gold"},
    }
    (workdir / "a.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    result = run("import", "a.jsonl", "--group", group, "--create-attributes")
    lines = result.stderr.splitlines()

    shown = "  attributes: points (number), zip (text), birthday (date), attributes.plan (text)"
    assert shown in lines
    assert lines.index(shown) < next(n for n, it in enumerate(lines) if it.startswith("group N"))


def test_names_in_another_spelling_are_those_of_the_account(
    run: Run, workdir: Path, group: str, sandbox: Sandbox
) -> None:
    """The server has names in lower case, and may drop values sent under another spelling."""
    row = {"email": "a@example.org", "global_attributes": {"FirstName": "Ada", "city": "Kiel"}}
    (workdir / "a.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    result = run("import", "a.jsonl", "--group", group, "--create-attributes", "--json")
    found = json.loads(result.stdout)
    receiver = sandbox.store.receiver(found["group_id"], "a@example.org") or {}

    assert {"firstname": "Ada", "city": "Kiel"} == receiver["global_attributes"]
    assert ["firstname", "city"] == found["attributes_created"]


@pytest.fixture
def points(run: Run, workdir: Path, group: str) -> str:
    """The group; the account has a number attribute, points."""
    row = {"email": "a@example.org", "global_attributes": {"points": 5}}
    (workdir / "n.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    assert 0 == run("import", "n.jsonl", "--group", group, "--create-attributes").exit_code
    return group


def test_values_are_converted_to_the_types_of_the_account(
    run: Run, workdir: Path, points: str, sandbox: Sandbox
) -> None:
    """A value that cannot be converted is left out, and its row is sent."""
    text = "email;Punkte\nb@example.org;1.234,56\nc@example.org;viele\n"
    (workdir / "b.csv").write_text(text, "utf-8")
    result = run("import", "b.csv", "--group", points, "--map", "Punkte=points", "--json")
    found = json.loads(result.stdout)
    stored = [
        (sandbox.store.receiver(found["group_id"], email) or {})["global_attributes"]
        for email in ("b@example.org", "c@example.org")
    ]

    assert (0, 2) == (result.exit_code, found["accepted"])
    assert "converted to the types of the account: points (number)" in result.stderr
    assert [{"points": "1234.56"}, {}] == stored


def test_a_number_with_a_sign_needs_an_option(
    run: Run, workdir: Path, points: str, sandbox: Sandbox
) -> None:
    """CleverReach adds it to the stored number, which the message says."""
    (workdir / "b.csv").write_text("email;Punkte\na@example.org;-2\n", "utf-8")
    command = ("import", "b.csv", "--group", points, "--map", "Punkte=points", "--json")
    refused = run(*command)
    sent = run(*command, "--relative", "--overwrite")
    group_id = json.loads(sent.stdout)["group_id"]
    receiver = sandbox.store.receiver(group_id, "a@example.org") or {}

    assert (2, 0) == (refused.exit_code, sent.exit_code)
    reason = json.loads(refused.stdout)["reasons"][0]
    assert ("relative_number", True) == (reason["code"], "--relative" in reason["message"])
    assert {"points": "3"} == receiver["global_attributes"]


def test_without_a_request_a_sign_is_only_text(run: Run, workdir: Path) -> None:
    """A dry run does not know the types of the account."""
    (workdir / "b.csv").write_text("email;Punkte\na@example.org;-2\n", "utf-8")
    result = run("import", "b.csv", "--group", "N", "--map", "Punkte=points", "--dry-run")

    assert 0 == result.exit_code


@pytest.mark.parametrize("command", ["import", "sync"])
def test_each_attribute_that_is_created_is_shown(
    run: Run, a_file: Path, group: str, command: str
) -> None:
    """The server takes a while for each, so that many of them would look like a standstill."""
    words = (command, str(a_file), "--group", group, "--create-attributes", *PLAN, "--json")
    state = ("--state", "a.sync") if command == "sync" else ()
    first, second = run(*words, *state), run(*words, *state)
    created = [json.loads(it.stdout)["attributes_created"] for it in (first, second)]

    assert [
        "creating attribute firstname (1 of 2)",
        "creating attribute attributes.plan (2 of 2)",
        "new attributes: firstname, attributes.plan",
    ] == [it for it in first.stderr.splitlines() if it.startswith(("creating", "new attr"))]
    assert [["firstname", "attributes.plan"], []] == created
    assert "creating" not in second.stderr
