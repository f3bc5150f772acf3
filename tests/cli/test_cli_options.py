"""The options of an import: names, effects and help."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from typer.main import get_group
from typer.testing import CliRunner, Result

from cleverreach_async.bulk.options import Settings
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.cli.app import app
from cleverreach_async.cli.imports.send_options import (
    NewReceiverOptions,
    SendOptions,
    parse_concurrency,
    parse_share,
)
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.report import page
from cleverreach_async.cli.signals import ImportInterrupts, Interrupts, Reaction
from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]

WIDTH = 80
PANELS = {
    "import": ["Options", "Resuming", "Speed", "Reject limits", "File", "Account"],
    "retry-rejects": ["Options", "File", "Resuming", "Speed", "Reject limits", "Account"],
}
OPTIONS = (
    *("--journal", "--resume", "--settle", "--concurrency", "--batch-size", "--report"),
    *("--max-rows-per-second", "--strategy", "--activate", "--rejects", "--dry-run", "--json"),
)


@pytest.mark.parametrize("command", PANELS)
def test_the_help_fits_a_terminal(command: str) -> None:
    """Every option is shown in full, by subject, within 80 columns."""
    result = CliRunner(env={"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)}).invoke(
        app, [command, "--help"]
    )
    lines = result.output.splitlines()

    assert [] == [line for line in lines if len(line) > WIDTH]
    assert [] == [name for name in OPTIONS if f" {name} " not in result.output]
    assert "…" not in result.output.replace("TOKEN=…", "")
    assert [] == [name for name in PANELS[command] if f"{name}:" not in lines]


@pytest.mark.parametrize("name", sorted(get_group(app).commands))
def test_no_line_of_a_help_ends_at_a_hyphen(name: str) -> None:
    """An option can be copied, and found with a search."""
    environ = {"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)}
    lines = CliRunner(env=environ).invoke(app, [name, "--help"]).output.splitlines()

    assert len(lines) > 5
    assert [] == [line for line in lines if line.endswith("-") or "\u2011" in line]


@pytest.mark.parametrize("words", [[], ["outbox"]])
def test_no_description_of_a_command_is_cut(words: list[str]) -> None:
    """Each fits into its line."""
    environ = {"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)}
    listed = CliRunner(env=environ).invoke(app, [*words, "--help"]).output.partition("Commands:")[2]

    assert listed
    assert [] == [line for line in listed.splitlines() if line.endswith("...")]


@pytest.mark.parametrize(
    ("word", "expected"), [("10%", 0.1), ("0.1", 0.1), ("0", 0.0), ("100%", 1.0), ("1%", 0.01)]
)
def test_a_share_is_percent_or_a_fraction(word: str, expected: float) -> None:
    """Both notations mean the same."""
    assert pytest.approx(expected) == parse_share(word)


@pytest.mark.parametrize(("word", "expected"), [("auto", "auto"), ("1", 1), ("32", 32)])
def test_concurrency_is_a_number_or_auto(word: str, expected: int | str) -> None:
    """Other values are refused."""
    assert expected == parse_concurrency(word)


def test_defaults_are_those_of_the_importer() -> None:
    """They are defined once, in the library."""
    settings = SendOptions(new_receivers=NewReceiverOptions()).settings()

    assert {"max_reject_share", "settle", "canary", "inactive"} < settings.keys()
    assert {name: getattr(Settings(), name) for name in settings} == settings


@pytest.fixture
def two(workdir: Path, run: Run, account: str) -> str:
    """A file with an address in the group and a new one."""
    (workdir / "old.csv").write_text("email;Vorname\nold@example.org;Ada\n", "utf-8")
    run("import", "old.csv", "--group", "N", "--create")
    (workdir / "two.csv").write_text(
        "email;Vorname\nold@example.org;Eva\nnew@example.org;Eva\n", "utf-8"
    )
    return "two.csv"


@pytest.mark.socket
@pytest.mark.parametrize(
    ("strategy", "emails", "name", "summary"),
    [
        ("upsertplus", ["new", "old"], "Eva", "Imported 2 of 2 rows into N (540001)"),
        ("upsert", ["new", "old"], "Eva", "Imported 2 of 2 rows into N (540001)"),
        ("insert", ["new", "old"], "Ada", "Imported 1 of 2 rows into N (540001)"),
        ("update", ["old"], "Eva", "Updated 1 of 2 rows in N (540001)"),
        ("delete", [], None, "Deleted 1 of 2 rows from N (540001)"),
    ],
)
def test_a_strategy_is_the_batch_call(
    run: Run, sandbox: Sandbox, two: str, strategy: str, emails: list[str], name: str, summary: str
) -> None:
    """It decides who is added, changed and removed, and the text of the summary."""
    result = run("import", two, "--group", "N", "--strategy", strategy, "--settle", "0", "--yes")

    found = sandbox.store.receiver(540001, "old@example.org") or {"global_attributes": {}}
    assert [f"{email}@example.org" for email in emails] == sorted(sandbox.store.emails(540001))
    assert name == found["global_attributes"].get("firstname")
    assert result.stdout.startswith(summary)
    assert ("will be removed" in result.stderr) == (strategy == "delete")


@pytest.mark.socket
@pytest.mark.parametrize(("words", "expected"), [((), "0"), (("--activate",), "1767139200")])
def test_an_update_activates_only_on_request(
    run: Run, workdir: Path, sandbox: Sandbox, account: str, words: tuple[str, ...], expected: str
) -> None:
    """An old file does not activate somebody who has unsubscribed."""
    (workdir / "a.csv").write_text("email;Registriert am\na@example.org;31.12.2024\n", "utf-8")
    run("import", "a.csv", "--group", "N", "--create")
    (workdir / "b.csv").write_text("email;Bestätigt am\na@example.org;2025-12-31T00:00Z\n", "utf-8")

    run("import", "b.csv", "--group", "N", "--strategy", "update", *words)

    receiver = sandbox.store.receiver(540001, "a@example.org") or {}
    assert expected == str(receiver["activated"] or 0)


@pytest.mark.usefixtures("customers")
def test_a_report_is_written_after_success(run: Run, workdir: Path) -> None:
    """It contains the settings, and no address."""
    words = ("--group", "N", "--create", "--sandbox", "--report", "report.html")
    result = run("import", "kunden.csv", *words, "--concurrency", "3")
    html = (workdir / "report.html").read_text("utf-8")

    assert (2, True) == (result.exit_code, "report: report.html" in result.stderr)
    assert "Imported 247 of 250 rows into N (540001)" in html
    assert "max rows per second" in html
    assert "@example.org" not in html.replace("name@example.org", "")


@pytest.mark.usefixtures("customers")
def test_a_report_that_cannot_be_written_changes_no_status(
    run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are stored; the missing page is a warning."""

    def fill_the_disk(*words: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "replace_file", fill_the_disk)
    words = ("--group", "N", "--create", "--sandbox", "--report", "report.html")
    result = run("import", "kunden.csv", *words)

    assert (2, True) == (result.exit_code, "247 accepted" in result.stdout)
    assert "warning: report.html: cannot write the report there: No space" in result.stderr


class FakeRun:
    """A run that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def stop(self, reason: str) -> None:
        """Record a stop."""
        self.calls.append(reason)

    def abort(self) -> None:
        """Record an abort."""
        self.calls.append("abort")


INT, TERM = signal.SIGINT, signal.SIGTERM
HUP = getattr(signal, "SIGHUP", TERM)


@pytest.mark.parametrize(
    ("caught", "calls", "last"),
    [
        pytest.param([INT], ["interrupted"], Reaction.CONTINUE, id="int"),
        pytest.param([TERM], ["terminated by a signal"], Reaction.CONTINUE, id="term"),
        pytest.param([INT, INT], ["interrupted", "abort"], Reaction.ABORT_SOON, id="int-int"),
        pytest.param([INT, INT, INT], ["interrupted", "abort"], Reaction.ABORT, id="three"),
        pytest.param([HUP], ["terminated by a signal"], Reaction.CONTINUE, id="hup"),
        pytest.param([HUP, HUP], ["terminated by a signal"], Reaction.CONTINUE, id="hup-hup"),
        pytest.param([INT, TERM], ["interrupted"], Reaction.CONTINUE, id="int-term"),
        pytest.param([TERM, TERM], ["terminated by a signal"], Reaction.CONTINUE, id="term-term"),
        pytest.param(
            [TERM, INT], ["terminated by a signal", "abort"], Reaction.ABORT_SOON, id="term-int"
        ),
    ],
)
def test_signals_reach_the_run(
    caught: list[signal.Signals], calls: list[str], last: Reaction
) -> None:
    """The first stops it in order; a second Ctrl-C aborts it, and SIGTERM never does."""
    interrupts, run = ImportInterrupts(Output()), FakeRun()
    interrupts.watch(cast("ImportRun", run))

    reactions = [interrupts.react(number) for number in caught]

    assert (calls, last, caught[0]) == (run.calls, reactions[-1], interrupts.caught)


@pytest.mark.parametrize("interrupts", [Interrupts(), ImportInterrupts(Output())])
def test_without_a_run_the_first_signal_cancels(interrupts: Interrupts) -> None:
    """There is nothing to stop in order yet; the second does not wait for requests in flight."""
    assert [Reaction.CANCEL, Reaction.ABORT] == [interrupts.react(INT), interrupts.react(INT)]


def test_a_terminal_that_is_closed_says_so_more_than_once() -> None:
    """That is no impatience, also before the first row."""
    interrupts = ImportInterrupts(Output())

    assert {INT, TERM, HUP} == set(interrupts.signals)
    assert [Reaction.CANCEL, Reaction.CONTINUE] == [interrupts.react(HUP), interrupts.react(HUP)]
