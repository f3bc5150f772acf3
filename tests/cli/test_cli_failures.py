"""Failures of the command: a message, an exit status, no traceback."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typer.testing import Result

from cleverreach_async.sandbox import Fault, Sandbox

Run = Callable[..., Result]
Spawn = Callable[..., CompletedProcess[str]]

IMPORT = ("import", "kunden.csv", "--group", "Newsletter")


def assert_refused(result: Result, *words: str, status: int = 1) -> None:
    """Check that the command failed with a message that contains these words."""
    assert status == result.exit_code
    missing = [word for word in words if word not in result.stderr]
    assert [] == missing, result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(("import",), "Missing argument", id="no-file"),
        pytest.param(("import", "kunden.csv"), "--group", id="no-group"),
        pytest.param(("no-such",), "No such command", id="no-command"),
        pytest.param((*IMPORT, "--undo"), "No such option", id="no-option"),
        pytest.param((*IMPORT, "--batch-size", "1001"), "--batch-size", id="batch-size"),
    ],
)
def test_a_usage_error_ends_with_1(run: Run, words: tuple[str, ...], expected: str) -> None:
    """Status 2, common for usage errors, means rejected rows here."""
    result = run(*words)

    assert_refused(result, expected)
    assert "" == result.stdout


def test_no_arguments_print_the_help(run: Run) -> None:
    """Without arguments there is nothing else to do."""
    result = run()

    assert (1, True) == (result.exit_code, "import" in result.stdout + result.stderr)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(("--map", "Vorname"), "use COLUMN=TARGET", id="map-no-pair"),
        pytest.param(("--map", "Name=email"), "no column 'Name'", id="map-no-column"),
        pytest.param(("--map", "Vorname=ö ä"), "unknown target 'ö ä'", id="map-no-target"),
        pytest.param(
            ("--map", "Vorname=a", "--map", "Vorname=b"),
            "the column 'Vorname' twice",
            id="map-twice",
        ),
        pytest.param(("--encoding", "utf-99"), "encoding is 'utf-99'", id="encoding"),
        pytest.param(("--delimiter", "ab"), "delimiter", id="delimiter"),
        pytest.param(("--timezone", "Mars/Base"), "timezone is 'Mars/Base'", id="timezone"),
        pytest.param(("--rejects", "no/such/r.jsonl"), "cannot write the rejects", id="rejects"),
        pytest.param(("--rejects", "."), "cannot write the rejects", id="rejects-directory"),
        pytest.param(("--rejects", "kunden.csv"), "is the file to import", id="rejects-input"),
        pytest.param(("--concurrency", "0"), "from 1 to 32, or auto", id="concurrency"),
        pytest.param(("--concurrency", "viele"), "from 1 to 32, or auto", id="concurrency-word"),
        pytest.param(("--max-reject-share", "viel"), "such as 10%", id="share"),
        pytest.param(("--max-reject-share", "101%"), "such as 10%", id="share-range"),
        pytest.param(("--max-reject-share", "1"), "1% or 100%", id="share-ambiguous"),
        pytest.param(("--resume",), "name it with --journal FILE", id="resume-what"),
        pytest.param(
            ("--journal", "j", "--resume"),
            "--resume cannot be used with --sandbox",
            id="resume-sandbox",
        ),
        pytest.param(
            ("--journal", "j", "--resume", "--dry-run"), "use only one of them", id="resume-dry"
        ),
        pytest.param(("--journal", "kunden.csv"), "of the import itself", id="journal-input"),
        pytest.param(
            ("--journal", "kunden.rejects.jsonl"), "of the import itself", id="journal-rejects"
        ),
        pytest.param(("--journal", "no/such/j"), "cannot write the journal", id="journal"),
        pytest.param(("--report", "kunden.csv"), "of the import itself", id="report-input"),
        pytest.param(("--report", "no/such/r.html"), "cannot write the report", id="report"),
        pytest.param(("--activate",), "--activate needs --strategy update", id="activate"),
        pytest.param(("--strategy", "delete"), "no receivers to delete", id="delete-create"),
    ],
)
@pytest.mark.usefixtures("customers")
def test_an_invalid_option_is_explained(run: Run, words: tuple[str, ...], expected: str) -> None:
    """Nothing is sent or overwritten."""
    assert_refused(run(*IMPORT, "--create", "--sandbox", *words), expected)


def test_the_rejects_do_not_replace_the_input(run: Run, customers: Path) -> None:
    """The file is not changed."""
    before = customers.read_bytes()

    run(*IMPORT, "--create", "--sandbox", "--rejects", "./kunden.csv")

    assert before == customers.read_bytes()


def test_a_missing_file_is_named(run: Run) -> None:
    """The message starts with its name."""
    assert_refused(run(*IMPORT, "--sandbox"), "error: kunden.csv: No such file")


def test_a_file_that_is_not_text_is_refused(run: Run, workdir: Path) -> None:
    """A workbook is not a CSV file; the message says how to save one."""
    (workdir / "kunden.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00" + bytes(100))

    assert_refused(run(*IMPORT, "--sandbox"), "not a text file", "save the sheet as CSV")


def test_a_file_without_addresses_is_refused(run: Run, workdir: Path) -> None:
    """The columns are listed."""
    (workdir / "kunden.csv").write_text("Vorname;Ort\nAda;Kiel\n", "utf-8")

    assert_refused(run(*IMPORT, "--sandbox"), "'Vorname', 'Ort'", "--map COLUMN=email")


@pytest.mark.usefixtures("customers")
def test_a_missing_group_needs_create(run: Run) -> None:
    """A mistyped name must not become a new group."""
    assert_refused(run(*IMPORT, "--sandbox"), "Unknown group 'Newsletter'", "--create")


@pytest.mark.usefixtures("customers")
def test_a_number_never_becomes_a_group(run: Run) -> None:
    """An unknown id is a mistake, even with ``--create``."""
    words = ("import", "kunden.csv", "--group", "4711", "--create", "--sandbox")

    assert_refused(run(*words), "No group with the id 4711")


@pytest.mark.socket
@pytest.mark.usefixtures("account", "customers")
def test_similar_groups_are_named(run: Run, sandbox: Sandbox) -> None:
    """The message shows the right spelling."""
    run("import", "kunden.csv", "--group", "Newsletter Nord", "--create")

    result = run("import", "kunden.csv", "--group", "newsletter nort", "--overwrite")

    assert_refused(result, "did you mean 'Newsletter Nord' (540001)", "--create")
    assert 1 == sandbox.count("POST", "/v3/groups") - sandbox.count("POST", "/v3/groups/")


@pytest.mark.socket
@pytest.mark.usefixtures("account", "customers")
def test_an_ambiguous_name_lists_the_ids(run: Run, sandbox: Sandbox) -> None:
    """CleverReach allows two groups with one name."""
    run(*IMPORT, "--create")
    sandbox.store.run(
        "INSERT INTO recipient_groups SELECT 7, name, locked, backup, receiver_info, stamp,"
        " last_mailing, last_changed FROM recipient_groups"
    )

    assert_refused(
        run(*IMPORT, "--overwrite"), "7 (Newsletter)", "540001 (Newsletter)", "use the id"
    )


@pytest.mark.socket
@pytest.mark.usefixtures("account")
def test_missing_attributes_need_create(run: Run, workdir: Path, sandbox: Sandbox) -> None:
    """The server would silently drop their values, so no row is sent."""
    (workdir / "kunden.csv").write_text("email\na@example.org\n", "utf-8")
    run(*IMPORT, "--create")
    (workdir / "kunden.csv").write_text("email;Vorname;Plan\nb@example.org;Ada;A\n", "utf-8")

    result = run(*IMPORT, "--map", "Plan=attributes.plan")

    assert_refused(
        result,
        "the account has no attribute firstname, and the group has no attribute plan",
        "--create",
    )
    assert ["a@example.org"] == sandbox.store.emails(540001)


@pytest.mark.usefixtures("customers")
def test_missing_credentials_are_explained(run: Run) -> None:
    """The message names the variables, and the option that needs none."""
    assert_refused(run(*IMPORT), "no credentials", "CLEVERREACH_CLIENT_ID", "--sandbox")


@pytest.mark.socket
@pytest.mark.usefixtures("account", "customers")
def test_wrong_credentials_are_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variables, and does not show the secret."""
    monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", "falsch-999")

    result = run(*IMPORT)

    assert_refused(result, "invalid_client", "check CLEVERREACH_CLIENT_ID")
    assert "falsch-999" not in result.output


@pytest.mark.socket
@pytest.mark.usefixtures("account")
def test_a_refused_token_is_reported(run: Run) -> None:
    """A bearer token is never renewed, so the message says to check it."""
    result = run("whoami", "--token", "abgelaufen-1")

    assert_refused(result, "401", "check the token")
    assert "abgelaufen-1" not in result.output


@pytest.mark.socket
def test_an_unreachable_host_is_reported(run: Run) -> None:
    """Port 9 of this computer has no listener."""
    result = run("groups", "--token", "abc-1", "--base-url", "http://127.0.0.1:9")

    assert_refused(result, "cannot reach 127.0.0.1:9", "--base-url")


def test_an_invalid_base_url_is_reported(run: Run) -> None:
    """The scheme is missing."""
    assert_refused(run("groups", "--token", "abc-1", "--base-url", "localhost"), "base_url")


@pytest.mark.socket
@pytest.mark.usefixtures("account", "customers")
def test_an_import_that_stops_ends_with_3(run: Run, sandbox: Sandbox) -> None:
    """The summary counts pending rows, and the message says how to continue."""
    sandbox.faults.add(Fault("status", code=403, path_suffix="/upsertplus", after=1))

    result = run(*IMPORT, "--create", "--batch-size", "100", "--concurrency", "1")

    assert_refused(result, "the import stopped after 100 rows", "403", "same command", status=3)
    assert "--journal FILE" in result.stderr
    assert "pending: not sent" in result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(("--fault", "bogus"), "Unknown fault 'bogus'", id="fault"),
        pytest.param(("--latency", "quick"), "needs a duration", id="latency"),
        pytest.param(("--port", "65536"), "--port", id="port-range"),
        pytest.param(("--store", "kunden.csv"), "kunden.csv: cannot be used as store", id="store"),
        pytest.param(("--store", "no/such/x.db"), "cannot be used as store", id="store-directory"),
    ],
)
@pytest.mark.usefixtures("customers")
def test_a_sandbox_that_cannot_start_says_why(
    run: Run, words: tuple[str, ...], expected: str
) -> None:
    """Each of its options is checked before it listens."""
    assert_refused(run("sandbox", *words), expected)


@pytest.mark.socket
def test_a_port_in_use_is_reported(run: Run, account: str) -> None:
    """The message says how to choose another one."""
    port = account.rpartition(":")[2]

    assert_refused(run("sandbox", "--port", port), f"127.0.0.1 port {port}", "--port 0")


@pytest.mark.parametrize(
    ("missing", "extra"),
    [("typer", "cli"), ("rich", "cli"), ("starlette", "sandbox")],
)
@pytest.mark.usefixtures("customers")
def test_a_missing_extra_is_named(spawn: Spawn, workdir: Path, missing: str, extra: str) -> None:
    """The message contains the command that installs it. Colours need rich."""
    (workdir / "sitecustomize.py").write_text(
        f"import sys\nsys.modules[{missing!r}] = None\n", "utf-8"
    )

    done = spawn(*IMPORT, "--sandbox", PYTHONPATH=str(workdir), FORCE_COLOR="1")

    assert (1, "") == (done.returncode, done.stdout)
    assert f"pip install 'cleverreach-async[{extra}]'" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
