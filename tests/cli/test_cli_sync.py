"""``cleverreach sync``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from cleverreach_async.sandbox import Fault, Sandbox

Run = Callable[..., Result]

HEAD = "email,firstname\n"

pytestmark = pytest.mark.socket


@pytest.fixture
def customers_file(workdir: Path, run: Run, account: str) -> Path:
    """A file of three customers, and a group for them."""
    assert account
    path = workdir / "customers.csv"
    path.write_text(f"{HEAD}a@example.org,Ann\nb@example.org,Ben\nc@example.org,Cleo\n", "utf-8")
    one = workdir / "one.csv"
    one.write_text(f"{HEAD}x@example.org,Xaver\n", "utf-8")
    run("import", "one.csv", "--group", "News", "--create")
    return path


def sync(run: Run, *words: str) -> Result:
    """Run the command for the file."""
    return run("sync", "customers.csv", "--group", "News", "--state", "customers.sync", *words)


def test_the_second_run_sends_what_has_changed(run: Run, customers_file: Path) -> None:
    """The result says what became of the rows."""
    first = sync(run)
    customers_file.write_text(customers_file.read_text().replace("Ben", "Benjamin"))
    second = sync(run)

    assert (0, "3 rows: 3 added (1 requests)\n") == (first.exit_code, first.stdout)
    assert "3 rows: 2 unchanged, 1 changed (1 requests)\n" == second.stdout
    assert "firstname" in first.stderr
    assert "group News (540001)" in first.stderr


def test_receivers_that_the_file_no_longer_has(
    run: Run, customers_file: Path, sandbox: Sandbox
) -> None:
    """They are removed if the command says so, and if they are not too many."""
    sync(run)
    lines = customers_file.read_text().splitlines(keepends=True)
    customers_file.write_text("".join(lines[:-1]))

    refused = sync(run, "--missing", "delete", "--yes")
    allowed = sync(run, "--missing", "delete", "--yes", "--max-missing", "50%")

    assert 3 == refused.exit_code
    assert "lacks 1 of 3 receivers" in refused.stderr
    assert "allow more with --max-missing" in refused.stderr
    assert refused.stderr.endswith("correct this first: until then every run ends here\n")
    assert "1 receivers are no longer in the file, 1 removed\n" in allowed.stdout
    assert ["a@example.org", "b@example.org", "x@example.org"] == sorted(
        sandbox.store.emails(540001)
    )


def test_json_has_the_counters_and_reasons(run: Run, customers_file: Path) -> None:
    """For a job that watches it."""
    with customers_file.open("a") as file:
        file.write("nobody,Nemo\n")

    result = sync(run, "--json", "--rejects", "rejects.jsonl")

    shown = json.loads(result.stdout)
    assert 2 == result.exit_code
    assert (4, 3, 1, {"invalid_email": 1}) == (
        shown["read"],
        shown["added"],
        shown["rejected"],
        shown["reasons"],
    )
    assert '"line":5' in Path("rejects.jsonl").read_text()


@pytest.mark.usefixtures("customers_file")
def test_a_failure_stops_it(run: Run, sandbox: Sandbox) -> None:
    """The same command sends what is left."""
    sandbox.faults.add(Fault("status", code=403, path_suffix="/insert"))

    failed = sync(run)
    sandbox.faults.clear()

    assert 3 == failed.exit_code
    assert "the same command sends what is left" in failed.stderr
    assert 0 == sync(run).exit_code


def test_an_attribute_that_is_missing(run: Run, customers_file: Path) -> None:
    """Nothing was sent, and the next run would end in the same way."""
    customers_file.write_text("email,city\na@example.org,Kiel\n", "utf-8")

    refused = sync(run)
    created = sync(run, "--create-attributes")

    assert 1 == refused.exit_code
    assert "no attribute city" in refused.stderr
    assert refused.stderr.endswith("correct this first: until then every run ends here\n")
    assert "the same command sends what is left" not in refused.stderr
    assert 0 == created.exit_code


@pytest.mark.usefixtures("customers_file")
def test_ctrl_c_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted is remembered."""

    def interrupted(_work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cleverreach_async.cli.sync_command.run", interrupted)
    result = sync(run)

    assert 130 == result.exit_code
    assert result.stderr.endswith("the same command sends what is left\ninterrupted\n")


def test_rows_that_are_refused_are_explained(run: Run, customers_file: Path) -> None:
    """A count alone does not say what to repair."""
    with customers_file.open("a") as file:
        file.write("nobody,Nemo\n")

    without, with_file = sync(run), sync(run, "--rejects", "rejects.jsonl")
    again = sync(run, "--rejects", "rejects.jsonl")

    assert "  1 invalid_email: not an e-mail address;" in without.stdout
    assert "--rejects FILE lists these rows" in without.stderr
    assert "  1 invalid_email: not an e-mail address;" in with_file.stdout
    assert "--rejects FILE lists these rows" not in with_file.stderr
    assert 1 == again.exit_code
    assert "replace it with --overwrite" in again.stderr


@pytest.mark.parametrize(
    ("header", "words", "said"),
    [
        ("email,firstname", [], "new receivers will be ACTIVE immediately"),
        ("email,firstname", ["--inactive"], "new receivers will be inactive until they confirm"),
        (
            "email,Registriert am",
            [],
            "with an entry in 'Registriert am' will be inactive",
        ),
        ("email,Abgemeldet am", [], "those with a date in 'Abgemeldet am' are set inactive"),
        ("email,Newsletter", [], "rows that say no in 'Newsletter' are left out"),
    ],
)
def test_it_says_who_becomes_active(
    run: Run, customers_file: Path, header: str, words: list[str], said: str
) -> None:
    """Before the first row, as an import does."""
    customers_file.write_text(f"{header}\n", "utf-8")

    result = sync(run, *words)

    assert 0 == result.exit_code
    assert said in result.stderr
    assert "receivers that are in the group already are changed, but never set active" in (
        result.stderr
    )


@pytest.mark.usefixtures("customers_file")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--group", "Nws"], "did you mean 'News'"),
        (["--max-missing", "1"], "--max-missing 1 is ambiguous"),
        (["--concurrency", "99"], "--concurrency is '99'"),
        (["--missing", "drop"], "drop"),
    ],
)
def test_mistakes_are_explained(run: Run, words: list[str], message: str) -> None:
    """Before anything is sent."""
    result = sync(run, *words)

    assert 1 == result.exit_code
    assert message in result.stderr
