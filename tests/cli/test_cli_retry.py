"""``cleverreach retry-rejects``: import, repair, and send again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]

RETRY = ("retry-rejects", "kunden.rejects.jsonl", "--group", "Newsletter", "--settle", "0")

pytestmark = [pytest.mark.socket, pytest.mark.usefixtures("account")]


def write(path: Path, *rejects: dict[str, Any]) -> None:
    """Write a rejects file."""
    path.write_text("".join(json.dumps(reject) + "\n" for reject in rejects), "utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    """Read a rejects file without the numbers of the rows, which start again."""
    rejects = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [{key: value for key, value in reject.items() if key != "row"} for reject in rejects]


def reject(
    email: str, *, line: int = 2, outcome: str = "rejected", **fields: Any
) -> dict[str, Any]:
    """A line of a rejects file."""
    receiver = {"email": email, **fields}
    why = {"code": "some_reason", "message": "some words"}
    return {"row": line - 1, "line": line, "outcome": outcome, **why, "receiver": receiver}


@pytest.fixture
def imported(run: Run, customers: Path, workdir: Path, account: str) -> list[dict[str, Any]]:
    """The rejects of an import: an invalid address and an invalid date."""
    run("import", str(customers), "--group", "Newsletter", "--create")
    return read(workdir / "kunden.rejects.jsonl")


@pytest.fixture
def group(run: Run, workdir: Path, account: str) -> None:
    """A group with one receiver."""
    (workdir / "first.csv").write_text("email\nfirst@example.org\n", "utf-8")
    run("import", "first.csv", "--group", "Newsletter", "--create")


def test_repaired_rows_are_sent_and_the_others_copied(
    run: Run, imported: list[dict[str, Any]], workdir: Path, sandbox: Sandbox
) -> None:
    """A row that could not be converted is copied unchanged to the new rejects file."""
    path = workdir / "kunden.rejects.jsonl"
    path.write_text(path.read_text("utf-8").replace("kaputt", "heil@example.org"), "utf-8")

    result = run(*RETRY)

    bad_date = next(line for line in imported if line["code"] == "invalid_date")
    assert 2 == result.exit_code
    assert "heil@example.org" in sandbox.store.emails(540001)
    assert [bad_date] == read(workdir / "kunden.rejects.retry.jsonl")
    assert "  1 row to send" in result.stderr.splitlines()
    assert "  1 row without a receiver (1 invalid_date): not sent" in result.stderr
    assert "invalid_date (line 22)" in result.stdout


@pytest.mark.usefixtures("imported")
def test_a_record_is_repaired_by_giving_it_a_receiver(
    run: Run, workdir: Path, sandbox: Sandbox
) -> None:
    """Its date may be written in any supported format."""
    line = next(line for line in read(workdir / "kunden.rejects.jsonl") if "record" in line)
    receiver = {"email": "kunde999@example.org", "registered": "2025-02-28"}
    write(workdir / "kunden.rejects.jsonl", {**line, "receiver": receiver})

    result = run(*RETRY)

    assert (0, True) == (result.exit_code, "kunde999@example.org" in sandbox.store.emails(540001))
    assert not (workdir / "kunden.rejects.retry.jsonl").exists()


@pytest.mark.usefixtures("imported")
def test_the_rejects_file_is_not_replaced_by_its_own_rejects(run: Run, workdir: Path) -> None:
    """It is the only file with these rows."""
    before = (workdir / "kunden.rejects.jsonl").read_bytes()

    result = run(*RETRY, "--rejects", "./kunden.rejects.jsonl")

    assert (1, before) == (result.exit_code, (workdir / "kunden.rejects.jsonl").read_bytes())
    assert "choose another rejects file with --rejects" in result.stderr


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("words", "expected", "message"),
    [
        pytest.param((), ["a", "b"], "2 rows of unknown outcome left out: they have", id="all"),
        pytest.param(
            ("--only", "rejected"), ["a"], "3 rows left out because of --only", id="rejected"
        ),
        pytest.param(
            ("--only", "unknown"),
            ["b", "c", "d"],
            "1 row left out because of --only",
            id="unknown",
        ),
    ],
)
def test_only_rows_of_an_outcome_are_sent(
    run: Run,
    workdir: Path,
    sandbox: Sandbox,
    words: tuple[str, ...],
    expected: list[str],
    message: str,
) -> None:
    """Unknown rows with orders or relative numbers are sent only on request."""
    order = {"order_id": "A-17", "product": "Lamp"}
    write(
        workdir / "kunden.rejects.jsonl",
        reject("a@example.org"),
        reject("b@example.org", outcome="unknown"),
        reject("c@example.org", outcome="unknown", orders=[order]),
        reject("d@example.org", outcome="unknown", global_attributes={"points": "+1"}),
    )
    sandbox.store.run(
        "INSERT INTO attributes (group_id, name, type, description, preview_value, tag)"
        " VALUES (0, 'points', 'number', '', '', '')"
    )

    result = run(*RETRY, *words)

    sent = {f"{name}@example.org" for name in expected}
    assert (0, {"first@example.org", *sent}) == (
        result.exit_code,
        set(sandbox.store.emails(540001)),
    )
    assert message in result.stderr


@pytest.mark.usefixtures("group")
def test_lines_that_are_not_receivers_are_rejected(run: Run, workdir: Path) -> None:
    """The message names the line of the first file, if it is known."""
    good = json.dumps(reject("a@example.org", line=7))
    odd = json.dumps(reject("b@example.org", line=8, shoe_size=43))
    (workdir / "kunden.rejects.jsonl").write_text(f"{good}\n\n{odd}\n{{broken\n", "utf-8")

    result = run(*RETRY)

    found = [(line["line"], line["code"]) for line in read(workdir / "kunden.rejects.retry.jsonl")]
    assert (2, [(8, "unknown_field"), (4, "invalid_json")]) == (result.exit_code, found)


@pytest.mark.usefixtures("group")
def test_a_retry_can_be_resumed(run: Run, workdir: Path) -> None:
    """It is an import like any other; the rows must be the same."""
    write(
        workdir / "kunden.rejects.jsonl",
        *(reject(f"r{n}@example.org", line=n) for n in range(2, 300)),
    )
    words = (*RETRY, "--journal", "j")
    run(*words, "--max-rows-per-second", "1000000")

    again = run(*words, "--resume")
    other = run(*words, "--resume", "--only", "rejected")

    assert (1, 1) == (again.exit_code, other.exit_code)
    assert "j is complete" in again.stderr
    assert "another import: source only was not set, is 'rejected'" in other.stderr


def test_a_dry_run_checks_the_repairs(run: Run, workdir: Path) -> None:
    """Before anything is sent, and without an account."""
    write(workdir / "kunden.rejects.jsonl", reject("a@example.org"), reject("kaputt"))

    result = run(*RETRY, "--dry-run", "--json")
    found = json.loads(result.stdout)

    assert (2, 1, 1) == (result.exit_code, found["pending"], found["rejected"])


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("words", "status"),
    [pytest.param((), 3, id="default"), pytest.param(("--max-reject-share", "100%"), 2, id="all")],
)
def test_too_many_rejects_stop_a_retry(
    run: Run, workdir: Path, words: tuple[str, ...], status: int
) -> None:
    """The limits are the same as for an import, and the same options change them."""
    write(workdir / "kunden.rejects.jsonl", *(reject("kaputt", line=n) for n in range(2, 1100)))

    result = run(*RETRY, *words)

    assert status == result.exit_code
    assert ("allow more rejects with --max-reject-share" in result.stderr) == (status == 3)
