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
    assert "no attributes firstname, attributes.plan" in message
    assert (
        "create them with --create-attributes, or leave a column out with --map COLUMN=-" in message
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


def test_names_not_in_lower_case_cause_a_warning(run: Run, workdir: Path, group: str) -> None:
    """The server has names in lower case; it is unknown what it does with others."""
    row = {"email": "a@example.org", "global_attributes": {"FirstName": "Ada", "city": "Kiel"}}
    (workdir / "a.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    result = run("import", "a.jsonl", "--group", group, "--create-attributes")

    message = result.stderr.replace("\n", " ")
    assert "warning: names of attributes are in lower case" in message
    assert "may silently drop the values of FirstName" in message


def test_a_type_that_differs_causes_a_warning(run: Run, workdir: Path, group: str) -> None:
    """A text cannot be stored as a number."""
    row = {"email": "a@example.org", "global_attributes": {"points": 5}}
    (workdir / "n.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    (workdir / "b.csv").write_text("email;Punkte\nb@example.org;viele\n", "utf-8")
    run("import", "n.jsonl", "--group", group, "--create-attributes")
    result = run("import", "b.csv", "--group", group, "--map", "Punkte=points")

    assert "warning: points is a number in the account, but a text in the file" in result.stderr
