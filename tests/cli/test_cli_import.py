"""``cleverreach import`` with a sandbox: what it prints, writes and returns."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]
Rejected = Callable[..., list[tuple[int, str]]]


@pytest.fixture
def imported(run: Run, customers: Path) -> Result:
    """The result of importing the customers into a sandbox."""
    return run("import", str(customers), "--group", "Newsletter", "--create", "--sandbox")


def test_some_rejected_rows_end_with_status_2(imported: Result) -> None:
    """Two rows are bad, and all others are stored."""
    assert 2 == imported.exit_code


def test_all_accepted_rows_end_with_status_0(run: Run, workdir: Path) -> None:
    """A superseded row is not a failure."""
    (workdir / "a.csv").write_text("email\na@example.org\nb@example.org\na@example.org\n", "utf-8")

    result = run("import", "a.csv", "--group", "Newsletter", "--create", "--sandbox")

    assert (0, True) == (result.exit_code, "1 superseded" in result.stdout)


def test_the_mapping_is_printed_before_anything_is_done(imported: Result) -> None:
    """Columns and targets in the order of the file, what is left out, then the group."""
    lines = imported.stderr.splitlines()

    assert [
        "  E-Mail          ->  email",
        "  Vorname         ->  firstname (text)",
        "  Registriert am  ->  registered",
        "  Bestätigt am    ->  activated",
        "  left out: Bemerkung",
        (
            "new receivers with an entry in 'Bestätigt am' will be active, those without one will"
            " be inactive"
        ),
        (
            "receivers that are in the group already get the dates in 'Bestätigt am' too, which can"
            " set them active or inactive"
        ),
        "sandbox: nothing leaves this computer, and no data is kept",
        "new group Newsletter (540001)",
        "creating attribute firstname (1 of 1)",
        "new attributes: firstname",
    ] == lines[1:]


def test_the_way_a_file_is_read_is_printed(imported: Result, customers: Path) -> None:
    """Encoding and column separator are detected, so they are printed."""
    size = customers.stat().st_size

    assert (
        f"{customers}: utf-8, column separator ';', {size:,} bytes"
        == imported.stderr.splitlines()[0]
    )


def test_the_summary_shows_counts_and_reasons(imported: Result) -> None:
    """Counts, the rejects file, and the reasons with lines of the file."""
    lines = imported.stdout.splitlines()

    assert lines[0].startswith("Imported 247 of 250 rows into Newsletter (540001) in ")
    assert [
        "  247 accepted",
        "    2 rejected",
        "    1 superseded: replaced by a later row with the same address",
        "Rows that were not accepted (all of them are in kunden.rejects.jsonl):",
    ] == lines[1:5]
    assert lines[5].startswith("  1 invalid_email (line 12): not an e-mail address; expected")
    assert lines[6].startswith("  1 invalid_date (line 22): column 'Registriert am': '31.02.2025'")


def test_the_rejects_file_names_every_refused_row(imported: Result, rejected: Rejected) -> None:
    """With line and code; superseded rows are not among them."""
    assert 2 == imported.exit_code

    assert {(12, "invalid_email"), (22, "invalid_date")} == set(rejected())


def test_without_rejects_there_is_no_file(run: Run, workdir: Path) -> None:
    """No empty one is left, neither after an import nor after a dry run."""
    (workdir / "a.csv").write_text("email\na@example.org\n", "utf-8")

    run("import", "a.csv", "--group", "Newsletter", "--create", "--sandbox")
    run("import", "a.csv", "--group", "Newsletter", "--dry-run")

    assert ["a.csv"] == [path.name for path in workdir.iterdir() if path.is_file()]


def test_json_is_alone_on_stdout(run: Run, customers: Path) -> None:
    """It is one object with counters, mapping, group and rejects."""
    words = ("--group", "Newsletter", "--create", "--sandbox", "--json", "--batch-size", "100")
    result = run("import", str(customers), *words)
    found = json.loads(result.stdout)

    elapsed = found.pop("elapsed")
    messages = [reason.pop("message") for reason in found["reasons"]]
    assert (True, True) == (elapsed > 0, all(messages))
    assert {
        "file": str(customers),
        "dry_run": False,
        "group_id": 540001,
        "group_name": "Newsletter",
        "group_created": True,
        "attributes_created": ["firstname"],
        "mapping": [
            {"column": "E-Mail", "target": "email"},
            {"column": "Vorname", "target": "firstname"},
            {"column": "Registriert am", "target": "registered"},
            {"column": "Bestätigt am", "target": "activated"},
        ],
        "left_out": ["Bemerkung"],
        "new_receivers": "by row",
        "opt_in_mails": None,
        "account": None,
        "read": 250,
        "accepted": 247,
        "rejected": 2,
        "unknown": 0,
        "pending": 0,
        "superseded": 1,
        "excluded": 0,
        "skipped": 0,
        "unwritten": 0,
        "pauses": 0,
        "batches": 3,
        "requests": 3,
        "retries": 0,
        "replayed": 0,
        "earlier": {},
        "stopped": None,
        "resumable": False,
        "journal": None,
        "rejects": "kunden.rejects.jsonl",
        "reasons": [
            {"code": "invalid_email", "count": 1},
            {"code": "invalid_date", "count": 1},
        ],
        "exclusions": [],
        "dropped_values": 0,
        "changed_values": 0,
        "remarks": [],
    } == found


def test_json_is_ascii(run: Run, customers: Path) -> None:
    """Every console can show it."""
    result = run("import", str(customers), "--group", "Übung", "--create", "--sandbox", "--json")

    assert (True, "Übung") == (result.stdout.isascii(), json.loads(result.stdout)["group_name"])


def test_map_overrides_what_is_recognised(run: Run, workdir: Path) -> None:
    """The target may be an attribute of the group or nothing; names may contain ``=``."""
    (workdir / "a.csv").write_text("email,Vorname,a=b\na@example.org,Ada,1\n", "utf-8")
    words = ("--map", "a=b=attributes.plan", "--map", "Vorname=-")

    result = run("import", "a.csv", "--group", "N", "--create", "--sandbox", "--json", *words)
    found = json.loads(result.stdout)

    assert (["attributes.plan"], ["Vorname"]) == (found["attributes_created"], found["left_out"])


def test_registered_without_activated_causes_a_warning(run: Run, workdir: Path) -> None:
    """Such receivers will be inactive, which few people expect."""
    (workdir / "a.csv").write_text("email;Registriert am\na@example.org;31.12.2025\n", "utf-8")

    result = run("import", "a.csv", "--group", "N", "--create", "--sandbox")

    assert 1 == result.stderr.count("warning: no column says when receivers confirmed")


def test_registered_with_activated_causes_no_warning(imported: Result) -> None:
    """The file has both columns."""
    assert 0 == imported.stderr.count("warning")


def test_a_dry_run_checks_rows_without_account(
    run: Run, customers: Path, rejected: Rejected
) -> None:
    """It needs no credentials; the rejects are those of the import."""
    result = run("import", str(customers), "--group", "Newsletter", "--dry-run", "--json")
    found = json.loads(result.stdout)

    assert 2 == result.exit_code
    assert (250, 248, 2, 0) == tuple(
        found[name] for name in ("read", "pending", "rejected", "requests")
    )
    assert (True, None) == (found["dry_run"], found["group_id"])
    assert [(12, "invalid_email"), (22, "invalid_date")] == sorted(rejected("kunden.dry-run.jsonl"))
    assert "kunden.dry-run.jsonl" == found["rejects"]


def test_a_dry_run_says_that_nothing_was_sent(run: Run, customers: Path) -> None:
    """Its summary counts what would be sent."""
    result = run("import", str(customers), "--group", "Newsletter", "--dry-run")
    lines = result.stdout.splitlines()

    assert lines[0].endswith("nothing was sent.")
    assert ["  248 would be sent", "    2 rejected"] == lines[1:3]


def test_a_repaired_rejects_file_can_be_imported(run: Run, imported: Result, workdir: Path) -> None:
    """JSON Lines are detected by the file name, and their attributes by reading them."""
    assert 2 == imported.exit_code
    lines = (workdir / "kunden.rejects.jsonl").read_text("utf-8")
    line = next(line for line in lines.splitlines() if "kaputt" in line)
    (workdir / "repaired.jsonl").write_text(line.replace("kaputt", "k@example.org"), "utf-8")

    words = ("--group", "N", "--create", "--sandbox", "--json")
    result = run("import", "repaired.jsonl", *words)
    found = json.loads(result.stdout)

    assert (0, 1, ["firstname"]) == (
        result.exit_code,
        found["accepted"],
        found["attributes_created"],
    )


@pytest.mark.socket
@pytest.mark.usefixtures("account")
def test_rows_go_into_the_group_of_a_name_or_an_id(
    run: Run, customers: Path, sandbox: Sandbox
) -> None:
    """A second import finds the group of the first by either."""
    run("import", str(customers), "--group", "Newsletter", "--create")
    again = ("import", str(customers), "--overwrite", "--json", "--group")
    by_name, by_id = run(*again, "Newsletter"), run(*again, "540001")

    found = [json.loads(result.stdout) for result in (by_name, by_id)]
    assert [(540001, False)] * 2 == [(row["group_id"], row["group_created"]) for row in found]
    assert 247 == sandbox.store.count(540001)


@pytest.mark.socket
@pytest.mark.usefixtures("account")
def test_a_date_of_the_account_is_read_as_a_date(run: Run, workdir: Path, sandbox: Sandbox) -> None:
    """Only the account knows that the attribute is a date."""
    (workdir / "first.csv").write_text("email;Geburtstag\na@example.org;24.12.1999\n", "utf-8")
    (workdir / "other.csv").write_text("email;Jubiläum\nb@example.org;24.12.1999\n", "utf-8")
    run("import", "first.csv", "--group", "N", "--create")

    result = run("import", "other.csv", "--group", "N", "--map", "Jubiläum=birthday")

    group_id = sandbox.store.group_id("N") or 0
    receiver = sandbox.store.receiver(group_id, "b@example.org") or {}
    assert {"birthday": "1999-12-24"} == receiver["global_attributes"]
    assert 0 == result.exit_code


def test_lines_before_the_column_names_are_skipped(run: Run, workdir: Path) -> None:
    """Without the option the error names it."""
    (workdir / "a.csv").write_text("Customers\n\nemail;Ort\na@example.org;Kiel\n", "utf-8")
    command = ("import", "a.csv", "--group", "Newsletter", "--create", "--sandbox")

    refused = run(*command)
    accepted = run(*command, "--create-attributes", "--skip-lines", "2")

    assert (1, True) == (refused.exit_code, "--skip-lines 1" in refused.stderr)
    assert (0, True) == (accepted.exit_code, "1 accepted" in accepted.stdout)
