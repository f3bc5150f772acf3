"""``cleverreach import --dry-run --check-account``: what a run would find and create."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cleverreach_async.cli.imports import receivers_in_common
from cleverreach_async.sandbox import Behaviour, Sandbox

Run = Callable[..., Result]

pytestmark = pytest.mark.socket

CHECK = ("import", "new.csv", "--group", "News", "--dry-run", "--check-account")
MAIL = ("--inactive", "--double-opt-in", "77", "--doi-ip", "192.0.2.1", "--doi-referer")
MAIL_OF = (*MAIL, "https://shop.example", "--doi-user-agent", "shop")


@pytest.fixture
def file(workdir: Path) -> Path:
    """Three receivers, one of them twice and one invalid, with two attributes."""
    rows = "a@example.org,Ann,5\nA@example.org,Ann,6\nb@example.org,Ben,viele\nnobody,Nemo,1\n"
    path = workdir / "new.csv"
    path.write_text(f"email,firstname,points\n{rows}", "utf-8")
    return path


@pytest.fixture
def filled(workdir: Path, run: Run, account: str) -> None:
    """A group with two receivers, and a number attribute that the file has as text."""
    assert account
    rows = [{"email": f"{it}@example.org", "global_attributes": {"points": 1}} for it in "ax"]
    (workdir / "old.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert 0 == run("import", "old.jsonl", "--group", "News", "--create").exit_code


def checked(result: Result) -> Any:
    """The account's part of the JSON."""
    return json.loads(result.stdout)["account"]


@pytest.mark.usefixtures("file", "filled")
def test_what_a_run_would_find(run: Run, sandbox: Sandbox) -> None:
    """Rows are checked with the types of the account. Only GET requests are sent."""
    words = (*CHECK, "--create-attributes", "--map", "points=points")
    before = len(sandbox.requests)
    text, found = run(*words), run(*words, "--json")

    assert {"GET", "POST"} == {it.method for it in sandbox.requests[before:]}
    posts = {it.path for it in sandbox.requests[before:] if it.method == "POST"}
    assert {"/oauth/token.php"} == posts
    assert (2, 2) == (text.exit_code, found.exit_code)
    assert [
        "In the account:",
        "  group News (540001): 2 receivers",
        "  in the group already: 1 receiver of the file",
        "  attributes that a run would create: firstname",
        "  converted to the types of the account: points (number)",
    ] == text.stdout.splitlines()[3:8]
    assert "column 'points': no number" in text.stdout
    account = checked(found)
    assert (540001, 2, 1) == (
        account["group_id"],
        account["receivers_in_group"],
        account["receivers_existing"],
    )
    assert (["firstname"], []) == (account["would_create_attributes"], account["problems"])


@pytest.mark.usefixtures("file", "account")
def test_what_a_run_would_create(run: Run, sandbox: Sandbox) -> None:
    """Group and attributes; nothing of it is there afterwards."""
    result = run(*CHECK, "--create", "--json")
    account = checked(result)

    assert (True, None, 0) == (
        account["would_create_group"],
        account["group_id"],
        account["receivers_existing"],
    )
    assert ["firstname"] == account["would_create_attributes"]
    assert None is sandbox.store.group_id("News")
    assert "In the account:\n  there is no group News, so a run would create it" in (
        run(*CHECK, "--create").stdout
    )


@pytest.mark.usefixtures("file", "account")
def test_every_problem_is_told_at_once(run: Run) -> None:
    """The status is that of an import which is refused."""
    result = run(*CHECK, *MAIL_OF, "--json")
    found = [it for it in result.stderr.splitlines() if it.startswith("error: ")]
    account = checked(result)["problems"]

    assert (1, [f"error: a run would not begin: {it}" for it in account]) == (
        result.exit_code,
        found,
    )
    group, attributes, form = account
    assert "Unknown group 'News'; the account has no groups; create it with --create" == group
    assert attributes.startswith("the account has no attribute firstname; the server would")
    assert "there is no form 77; the account has none" == form


@pytest.mark.usefixtures("file", "filled")
def test_too_many_attributes(run: Run, sandbox: Sandbox) -> None:
    """The limit of the account is known before the night."""
    sandbox.behaviour = Behaviour(attribute_cap=1)
    result = run(*CHECK, "--create-attributes")

    assert 1 == result.exit_code
    assert "a run would not begin: 1 attribute is missing, but only 0 can be created" in (
        result.stderr.replace("1 attributes are", "1 attribute is")
    )


@pytest.mark.usefixtures("file", "filled")
@pytest.mark.parametrize(("most_in_file", "expected"), [(1000, 1), (1, None)])
def test_receivers_are_counted_if_that_is_cheap(
    run: Run, monkeypatch: pytest.MonkeyPatch, most_in_file: int, expected: int | None
) -> None:
    """A large group is asked for the addresses of a small file; otherwise the text says why not."""
    monkeypatch.setattr(receivers_in_common, "_MOST_IN_GROUP", 1)
    monkeypatch.setattr(receivers_in_common, "_MOST_IN_FILE", most_in_file)
    found = checked(run(*CHECK, "--create-attributes", "--json"))
    text = run(*CHECK, "--create-attributes").stdout

    assert expected == found["receivers_existing"]
    assert ("not counted, both are large" in text) == (expected is None)


@pytest.mark.usefixtures("filled")
def test_rows_of_json_are_checked_with_the_account_too(run: Run, workdir: Path) -> None:
    """Values that do not fit the type of an attribute are counted."""
    rows = [{"email": "c@example.org", "global_attributes": {"Points": "viele", "plan": "gold"}}]
    (workdir / "new.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    words = ("import", "new.jsonl", *CHECK[2:], "--create-attributes", "--json")
    result = json.loads(run(*words).stdout)

    assert (1, 1) == (result["pending"], result["dropped_values"])
    assert ["plan"] == result["account"]["would_create_attributes"]


@pytest.mark.usefixtures("file", "filled")
def test_a_deletion_needs_no_attributes_and_no_confirmation(run: Run) -> None:
    """It only sends addresses, and a dry run sends none."""
    found = checked(run(*CHECK, "--strategy", "delete", "--json"))

    assert ([], [], 1) == (
        found["problems"],
        found["missing_attributes"],
        found["receivers_existing"],
    )


@pytest.mark.usefixtures("file")
def test_it_is_for_a_dry_run(run: Run) -> None:
    """Without credentials it says so, and a dry run without it stays offline."""
    alone = run(*CHECK[:4], "--check-account")
    without = run(*CHECK)
    offline = run(*CHECK[:5])

    assert (1, 1, 2) == (alone.exit_code, without.exit_code, offline.exit_code)
    assert "--check-account needs --dry-run" in alone.stderr
    assert "CLEVERREACH_TOKEN" in without.stderr
