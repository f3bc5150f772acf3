"""Consent: what the command says about new receivers, what it does, and the opt-in mails."""

import itertools
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from cleverreach_async import CleverReach, OAuthApp, read_records
from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.opt_in.mail_list import OptInList
from cleverreach_async.bulk.options import Settings
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.imports.consent import NewReceivers, consent_of
from cleverreach_async.cli.imports.contents import Contents
from cleverreach_async.cli.imports.summary import rows_in_group
from cleverreach_async.sandbox import Behaviour, Sandbox

Run = Callable[..., Result]

COLUMNS = {
    "r": ("registered", "Registriert am"),
    "a": ("activated", "Bestätigt am"),
    "d": ("deactivated", "Abgemeldet am"),
}


def times(letters: str) -> Mapping[str, str]:
    """The columns of some times, from the first letters of their fields."""
    return dict(COLUMNS[letter] for letter in letters)


KEPT = (
    "receivers that are in the group already get the dates in {} too, which can set them active or"
    " inactive"
)
NO_TIMES = (
    "new receivers will be ACTIVE immediately: no column says when they registered or confirmed"
)
A_DATE = "new receivers with an entry in 'Bestätigt am' will be active"

# Columns, strategy, options; new receivers, the sentence, the sentence about existing receivers.
CASES: dict[str, tuple[str, StrategyName, dict[str, Any], NewReceivers | None, str, str]] = {
    "no times": (
        "",
        "upsertplus",
        {},
        "active",
        NO_TIMES,
        "",
    ),
    "no times, inserted": (
        "",
        "insert",
        {},
        "active",
        NO_TIMES,
        "",
    ),
    "registered": (
        "r",
        "upsertplus",
        {},
        "by row",
        (
            "no column says when receivers confirmed (activated), only when they registered: new"
            " receivers with an entry in 'Registriert am' will be inactive, as if their double"
            " opt-in were pending; those without one will be ACTIVE immediately"
        ),
        "",
    ),
    "confirmed": (
        "a",
        "upsert",
        {},
        "by row",
        f"{A_DATE}, those without one will be inactive",
        KEPT.format("'Bestätigt am'"),
    ),
    "unsubscribed": (
        "d",
        "upsertplus",
        {},
        "by row",
        (
            "new receivers with an entry in 'Abgemeldet am' will be inactive; those without one"
            " will be ACTIVE immediately"
        ),
        KEPT.format("'Abgemeldet am'"),
    ),
    "registered and confirmed": (
        "ra",
        "upsertplus",
        {},
        "by row",
        f"{A_DATE}, those without one will be inactive",
        KEPT.format("'Bestätigt am'"),
    ),
    "registered and confirmed, inserted": (
        "ra",
        "insert",
        {},
        "by row",
        f"{A_DATE}, those without one will be inactive",
        "",
    ),
    "registered and unsubscribed": (
        "rd",
        "upsertplus",
        {},
        "by row",
        (
            "no column says when receivers confirmed (activated): new receivers with an entry in"
            " 'Registriert am' or 'Abgemeldet am' will be inactive; those with neither will be"
            " ACTIVE immediately"
        ),
        KEPT.format("'Abgemeldet am'"),
    ),
    "confirmed and unsubscribed": (
        "ad",
        "upsertplus",
        {},
        "by row",
        f"{A_DATE} unless they have one in 'Abgemeldet am', those without one will be inactive",
        KEPT.format("'Bestätigt am' and 'Abgemeldet am'"),
    ),
    "all three": (
        "rad",
        "upsertplus",
        {},
        "by row",
        f"{A_DATE} unless they have one in 'Abgemeldet am', those without one will be inactive",
        KEPT.format("'Bestätigt am' and 'Abgemeldet am'"),
    ),
    "inactive": (
        "ra",
        "insert",
        {"inactive": True},
        "inactive",
        (
            "new receivers will be inactive until they confirm (--inactive); receivers that are"
            " in the group already are not changed"
        ),
        "",
    ),
    "update": (
        "ra",
        "update",
        {},
        None,
        "update: no receiver is set active (--activate would)",
        "",
    ),
    "update of unsubscribed": (
        "d",
        "update",
        {},
        None,
        (
            "update: no receiver is set active (--activate would); those with a date in"
            " 'Abgemeldet am' are set inactive"
        ),
        "",
    ),
    "activating update": (
        "ad",
        "update",
        {"activate": True},
        None,
        (
            "update: receivers with a date in 'Bestätigt am' are set ACTIVE (--activate); those"
            " with a date in 'Abgemeldet am' are set inactive"
        ),
        "",
    ),
    "activating update without a column": (
        "r",
        "update",
        {"activate": True},
        None,
        (
            "update: no receiver is set active, since no column says when receivers confirmed"
            " (activated)"
        ),
        "",
    ),
    "delete": ("rad", "delete", {}, None, "delete: no receiver is added or set active", ""),
}


@pytest.mark.parametrize(
    ("letters", "strategy", "options", "new", "sentence", "existing"),
    CASES.values(),
    ids=CASES.keys(),
)
def test_a_sentence_says_whether_receivers_become_active(
    letters: str,
    strategy: StrategyName,
    options: dict[str, Any],
    new: NewReceivers | None,
    sentence: str,
    existing: str,
) -> None:
    """One sentence for every combination of columns and strategy."""
    contents = Contents(Definitions(), times=times(letters), has_columns=True)
    consent = consent_of(contents, strategy, Settings(**options))

    assert (new, sentence, existing) == (
        consent.new_receivers,
        consent.sentence,
        consent.existing,
    )
    is_adding = strategy not in {"update", "delete"}
    assert (is_adding and letters in {"r", "rd"}) is consent.is_surprising


@asynccontextmanager
async def a_group() -> AsyncGenerator[tuple[CleverReach, int]]:
    """A client of a sandbox, and a group."""
    with Sandbox() as sandbox:
        app = OAuthApp("sandbox", "sandbox-secret")
        transport = httpx.ASGITransport(app=sandbox.app)
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(app.client_credentials(), http_client=http_client) as client,
        ):
            yield client, (await client.groups.create(name="N")).id


ENTRIES = ("", "0", "14.11.2023")


def rows(letters: str) -> list[dict[str, str]]:
    """A row for each combination of entries in some columns: empty, 0, a date."""
    names = [COLUMNS[letter][1] for letter in letters]
    combinations = itertools.product(ENTRIES, repeat=len(letters))
    return [
        {"email": f"p{number}@example.org", **dict(zip(names, entries, strict=True))}
        for number, entries in enumerate(combinations)
    ]


def becomes_active(row: Mapping[str, str]) -> bool:
    """What the sentences say of a new receiver."""
    has = {name: row.get(column, "") not in {"", "0"} for name, column in COLUMNS.values()}
    if has["deactivated"]:
        return False
    if "Bestätigt am" in row:
        return has["activated"]
    return not row.get("Registriert am")


@pytest.mark.anyio
@pytest.mark.parametrize("letters", ["", "r", "a", "d", "ra", "rd", "ad", "rad"])
@pytest.mark.parametrize("strategy", ["upsertplus", "upsert", "insert", "inactive"])
async def test_what_is_said_is_what_happens(letters: str, strategy: str) -> None:
    """``active`` means all, ``inactive`` none, and ``by row`` some."""
    name: Any = "insert" if strategy == "inactive" else strategy
    inactive = strategy == "inactive"
    async with a_group() as (cr, group_id):
        people = rows(letters)
        options: Any = {"inactive": True} if inactive else {}
        async with cr.bulk.open(group_id=group_id, strategy=name, **options) as run:
            for row in read_records(people):
                await run.put(row)
        stored = await cr.receivers.list(group_id=group_id, page_size=500)

    found = {receiver.active for receiver in stored}
    said = {"active": {True}, "inactive": {False}, "by row": {True, False}, None: set[bool]()}
    assert len(people) == len(stored)
    contents = Contents(Definitions(), times=times(letters), has_columns=True)
    consent = consent_of(contents, name, Settings(inactive=inactive))
    assert said[consent.new_receivers] == found
    if not inactive:
        assert {row["email"] for row in people if becomes_active(row)} == {
            receiver.email for receiver in stored if receiver.active
        }


def test_duplicates_are_shown_separately() -> None:
    """They are rejects, but there is nothing to repair."""
    sentences = [rows_in_group(count) for count in (0, 1, 1200)]

    assert [
        "",
        "1 rejected row is in the group already (duplicate), and not changed.",
        "1,200 rejected rows are in the group already (duplicate), and not changed.",
    ] == sentences


# The command.

FILE = "email;Registriert am\na@example.org;31.12.2025\nb@example.org;\n"
EVIDENCE = (
    *("--doi-ip", "203.0.113.7", "--doi-referer", "https://shop.example/"),
    *("--doi-user-agent", "shop 4"),
)


@pytest.fixture
def a_file(workdir: Path) -> Path:
    """Two receivers."""
    path = workdir / "a.csv"
    path.write_text(FILE, "utf-8")
    return path


@pytest.fixture
def group_id(sandbox: Sandbox, run: Run, a_file: Path, account: str) -> int:
    """A group that contains one of the receivers, who is active."""
    del account
    a_file.write_text("email\na@example.org\n", "utf-8")
    assert 0 == run("import", str(a_file), "--group", "N", "--create").exit_code
    a_file.write_text(FILE, "utf-8")
    return sandbox.store.group_id("N") or 0


def test_the_sentence_is_printed_before_the_first_row(run: Run, workdir: Path) -> None:
    """On stderr before anything is changed, and in the result."""
    (workdir / "a.csv").write_text("email\na@example.org\n", "utf-8")

    result = run("import", "a.csv", "--group", "N", "--create", "--sandbox", "--json")
    lines = result.stderr.splitlines()

    position = next(
        n for n, line in enumerate(lines) if line.startswith("new receivers will be ACTIVE")
    )
    assert position < next(n for n, line in enumerate(lines) if line.startswith("new group"))
    assert "active" == json.loads(result.stdout)["new_receivers"]


def test_a_dry_run_prints_the_sentence(run: Run, a_file: Path) -> None:
    """It shows what the import would do."""
    words = ("--dry-run", "--inactive", "--json")
    result = run("import", str(a_file), "--group", "N", *words)

    assert "new receivers will be inactive until they confirm" in result.stderr
    assert "inactive" == json.loads(result.stdout)["new_receivers"]


@pytest.mark.socket
def test_inactive_adds_receivers_and_does_not_change_others(
    run: Run, a_file: Path, sandbox: Sandbox, group_id: int
) -> None:
    """A receiver in the group stays active, is a reject, and is shown separately."""
    result = run("import", str(a_file), "--group", "N", "--inactive")
    people = [sandbox.store.receiver(group_id, f"{who}@example.org") or {} for who in "ab"]

    assert [True, False] == [person["active"] for person in people]
    assert 2 == result.exit_code
    assert "1 rejected row is in the group already (duplicate), and not changed" in result.stdout
    assert "Imported 1 of 2 rows" in result.stdout


@pytest.mark.parametrize("strategy", ["upsert", "update", "delete"])
def test_inactive_needs_insert(run: Run, a_file: Path, strategy: str) -> None:
    """Other strategies would set existing receivers inactive."""
    words = ("--inactive", "--strategy", strategy)
    result = run("import", str(a_file), "--group", "N", "--sandbox", *words)

    assert (1, True) == (result.exit_code, f"--strategy {strategy}" in result.stderr)


MISUSES: dict[str, tuple[tuple[str, ...], str]] = {
    "without inactive": (("--double-opt-in", "3", *EVIDENCE), "add --inactive"),
    "without evidence": (
        ("--double-opt-in", "3", "--inactive", *EVIDENCE[:2]),
        "needs --doi-referer, --doi-user-agent",
    ),
    "evidence without a form": (("--inactive", *EVIDENCE[:2]), "needs --double-opt-in"),
    "no such form": (
        ("--double-opt-in", "3", "--inactive", "--create", *EVIDENCE),
        "there is no form 3; the account has none",
    ),
}


@pytest.mark.parametrize(("words", "message"), MISUSES.values(), ids=MISUSES.keys())
def test_opt_in_options_that_do_not_fit_are_refused(
    run: Run, a_file: Path, words: tuple[str, ...], message: str
) -> None:
    """The command refuses them before it creates a group."""
    result = run("import", str(a_file), "--group", "N", "--sandbox", *words)

    assert (1, True) == (result.exit_code, message in result.stderr.replace("\n", " "))
    assert "new group" not in result.stderr


@pytest.mark.socket
def test_receivers_that_were_added_get_a_mail(
    run: Run, a_file: Path, sandbox: Sandbox, group_id: int, workdir: Path
) -> None:
    """Others do not. No list of addresses is left behind."""
    form_id = sandbox.add_form(group_id, "Sign-up")
    words = ("--inactive", "--double-opt-in", str(form_id), *EVIDENCE)
    result = run("import", str(a_file), "--group", "N", *words, "--json")
    again = run("import", str(a_file), "--group", "N", *words, "--overwrite")

    assert ["b@example.org"] == [mail.email for mail in sandbox.mails]
    assert {
        "user_ip": "203.0.113.7",
        "referer": "https://shop.example/",
        "user_agent": "shop 4",
    } == sandbox.mails[0].doidata
    assert {
        "sent": 1,
        "refused": 0,
        "unknown": 0,
        "pending": 0,
        "stopped": None,
        "unsent": None,
    } == json.loads(result.stdout)["opt_in_mails"]
    assert "Activation mails: 0 sent." in again.stdout
    assert [] == list(workdir.glob("*.opt-in*"))


@pytest.mark.socket
def test_all_of_many_receivers_are_listed(
    run: Run, sandbox: Sandbox, group_id: int, workdir: Path
) -> None:
    """Even if more rows are accepted than the buffer of results holds."""
    emails = [f"p{n}@example.org" for n in range(2500)]
    (workdir / "many.csv").write_text("\n".join(["email", *emails, ""]), "utf-8")
    form_id = sandbox.add_form(group_id, "Sign-up")
    sandbox.behaviour = Behaviour(suspicious=tuple(emails))
    words = ("--inactive", "--double-opt-in", str(form_id), *EVIDENCE, "--journal", "j")
    result = run("import", "many.csv", "--group", "N", *words, "--json")
    lines = (workdir / "many.rejects.opt-in.jsonl").read_text("utf-8").splitlines()

    assert 3 == result.exit_code
    assert 2500 == json.loads(result.stdout)["opt_in_mails"]["pending"]
    assert sorted(emails) == sorted(json.loads(line)["email"] for line in lines)
    assert "the same command without --journal and --resume sends them" in result.stderr


@pytest.mark.socket
def test_an_import_that_stops_early_sends_no_mails_yet(
    run: Run, a_file: Path, sandbox: Sandbox, group_id: int, workdir: Path
) -> None:
    """They are sent when the import is complete."""
    form_id = sandbox.add_form(group_id, "Sign-up")
    words = ("--inactive", "--double-opt-in", str(form_id), *EVIDENCE, "--batch-size", "1")
    bad = "".join(f"bad{n}\n" for n in range(3000))
    a_file.write_text(f"email\nnew@example.org\n{bad}b@example.org\n", "utf-8")
    stopped = run("import", str(a_file), "--group", "N", *words, "--max-rejects", "5")
    a_file.write_text("email\nnew@example.org\nb@example.org\n", "utf-8")
    sent_at_first = len(sandbox.mails)
    run("import", str(a_file), "--group", "N", *words, "--overwrite")

    assert (3, 0) == (stopped.exit_code, sent_at_first)
    assert {"b@example.org", "new@example.org"} == {mail.email for mail in sandbox.mails}
    assert 2 == len(sandbox.mails)


@pytest.mark.socket
def test_a_repaired_row_of_an_inactive_import_can_stay_inactive(
    run: Run, a_file: Path, sandbox: Sandbox, group_id: int
) -> None:
    """``retry-rejects`` has the option too."""
    a_file.write_text("email\nbad\n", "utf-8")
    run("import", str(a_file), "--group", "N", "--inactive")
    rejects = Path("a.rejects.jsonl")
    rejects.write_text(rejects.read_text("utf-8").replace('"bad"', '"b@example.org"'), "utf-8")
    active = run("retry-rejects", "a.rejects.jsonl", "--group", "N", "--dry-run")
    result = run("retry-rejects", "a.rejects.jsonl", "--group", "N", "--inactive")
    person = sandbox.store.receiver(group_id, "b@example.org") or {}

    assert "new receivers will be ACTIVE immediately" in active.stderr
    assert (0, False) == (result.exit_code, person["active"])


@pytest.mark.socket
def test_pending_mails_are_sent_by_the_same_command(
    run: Run, a_file: Path, sandbox: Sandbox, group_id: int, workdir: Path
) -> None:
    """The list is beside the rejects file, also after a crash between import and mails."""
    form_id = sandbox.add_form(group_id, "Sign-up")
    words = ("--inactive", "--double-opt-in", str(form_id), *EVIDENCE)
    run("import", str(a_file), "--group", "N", "--inactive")
    about = {"group": group_id, "form": form_id}
    with OptInList(workdir / "a.rejects.opt-in", about=about) as waiting:
        waiting.add(["b@example.org"])
    result = run("import", str(a_file), "--group", "N", *words, "--overwrite")

    assert ["b@example.org"] == [mail.email for mail in sandbox.mails]
    assert "Activation mails: 1 sent." in result.stdout


@pytest.mark.socket
def test_mails_stay_pending_if_all_are_refused(
    run: Run, sandbox: Sandbox, workdir: Path, account: str
) -> None:
    """If the licence is exhausted the status is 3, and the same command continues later."""
    del account
    emails = [f"p{n}@example.org" for n in range(30)]
    (workdir / "a.csv").write_text("\n".join(["email", *emails, ""]), "utf-8")
    (workdir / "none.csv").write_text("email\nx@example.org\n", "utf-8")
    run("import", "none.csv", "--group", "N", "--create")
    form_id = sandbox.add_form(sandbox.store.group_id("N") or 0, "Sign-up")
    sandbox.behaviour = Behaviour(suspicious=tuple(emails))
    words = ("--group", "N", "--inactive", "--double-opt-in", str(form_id), *EVIDENCE)
    stopped = run("import", "a.csv", *words)
    left = (workdir / "a.rejects.opt-in.jsonl").read_text("utf-8").splitlines()
    sandbox.behaviour = Behaviour()
    resumed = run("import", "a.csv", *words)

    assert 3 == stopped.exit_code
    assert "mails in a row were refused: 403" in stopped.stderr.replace("\n", " ")
    assert "p1@example.org" not in stopped.stderr + stopped.stdout
    assert "Activation mails: 30 sent." in resumed.stdout
    assert (30, sorted(emails)) == (len(left), sorted(mail.email for mail in sandbox.mails))
    assert not (workdir / "a.rejects.opt-in").exists()


@pytest.mark.socket
def test_a_refused_mail_is_listed_and_counted(
    run: Run, a_file: Path, sandbox: Sandbox, group_id: int, workdir: Path
) -> None:
    """The address is in a file, and nowhere else."""
    sandbox.behaviour = Behaviour(suspicious=("b@example.org",))
    form_id = sandbox.add_form(group_id, "Sign-up")
    words = ("--inactive", "--double-opt-in", str(form_id), *EVIDENCE)
    result = run("import", str(a_file), "--group", "N", *words)
    [line] = (workdir / "a.rejects.opt-in.jsonl").read_text("utf-8").splitlines()

    assert 2 == result.exit_code
    assert "Activation mails: 0 sent, 1 refused (see a.rejects.opt-in.jsonl)." in result.stdout
    assert ("b@example.org", "refused") == (json.loads(line)["email"], json.loads(line)["state"])
    assert "b@example.org" not in result.stdout + result.stderr


@pytest.mark.socket
def test_a_form_of_another_group_causes_a_warning(
    run: Run, a_file: Path, sandbox: Sandbox, group_id: int
) -> None:
    """Its mail may be about another newsletter."""
    assert group_id
    run("import", str(a_file), "--group", "Other", "--create")
    form_id = sandbox.add_form(sandbox.store.group_id("Other") or 0, "Other sign-up")
    words = ("--inactive", "--double-opt-in", str(form_id), *EVIDENCE)
    result = run("import", str(a_file), "--group", "N", *words)

    assert f"warning: form {form_id} belongs to another group" in result.stderr


SHOP = "E-Mail;Vorname;Newsletter\nann@example.org;Ann;ja\nben@example.org;Ben;nein\n"


def import_shop(run: Run, workdir: Path, *options: str) -> Result:
    """Import a file of two, one of whom wants no mail."""
    (workdir / "shop.csv").write_text(SHOP)
    return run("import", "shop.csv", "--group", "N", "--create", *options)


@pytest.mark.usefixtures("account")
def test_rows_that_say_no_are_left_out_and_listed(run: Run, workdir: Path) -> None:
    """They are no rejects: the status is 0."""
    result = import_shop(run, workdir)

    assert 0 == result.exit_code, result.output
    assert "rows that say no in 'Newsletter' are left out" in result.stderr
    assert "1 excluded: not subscribed, by what the rows say" in result.stdout
    assert "1 not_subscribed (line 3): the row says that they are not subscribed" in result.stdout
    assert not (workdir / "a.rejects.jsonl").exists()


@pytest.mark.usefixtures("account")
def test_rows_that_say_no_deactivate_on_request(run: Run, workdir: Path) -> None:
    """Those who are in the group already get no mail any more."""
    import_shop(run, workdir, "--map", "Newsletter=-")
    result = import_shop(run, workdir, "--not-subscribed", "deactivate", "--json")

    assert 0 == result.exit_code, result.output
    assert "rows that say no in 'Newsletter' are sent as unsubscribed" in result.stderr
    assert (2, 0) == tuple(json.loads(result.stdout)[name] for name in ("accepted", "excluded"))


@pytest.mark.usefixtures("account")
def test_a_dry_run_counts_rows_that_say_no(run: Run, workdir: Path) -> None:
    """As the import does."""
    result = import_shop(run, workdir, "--dry-run")
    assert "1 would be sent" in result.stdout
    assert "1 excluded" in result.stdout


def test_a_column_that_looks_like_consent_stops_the_import(run: Run, workdir: Path) -> None:
    """Before the first row, and the message names the choices."""
    (workdir / "shop.csv").write_text("E-Mail;Hat zugestimmt\nann@example.org;ja\n")
    result = run("import", "shop.csv", "--group", "N", "--create", "--sandbox")

    assert 1 == result.exit_code
    for choice in ("'Hat zugestimmt'", "--map", "=-", "--inactive"):
        assert choice in result.stderr

    for options in (["--map", "Hat zugestimmt=-"], ["--inactive"]):
        accepted = run("import", "shop.csv", "--group", "N", "--create", "--sandbox", *options)
        assert 0 == accepted.exit_code, accepted.output


@pytest.mark.usefixtures("account")
def test_values_that_were_left_out_are_listed(run: Run, workdir: Path) -> None:
    """With their column and lines; --strict rejects their rows instead."""
    (workdir / "a.csv").write_text(
        "E-Mail;Geburtsdatum\nann@example.org;0.0.00\nben@example.org;1.2.1980\n"
    )
    result = run("import", "a.csv", "--group", "N", "--create")
    assert 0 == result.exit_code, result.output
    assert "Values that were left out or changed:" in result.stdout
    assert "1 dropped (line 2): column 'Geburtsdatum': no plausible day" in result.stdout

    strict = run("import", "a.csv", "--group", "N", "--strict", "--json")
    assert 2 == strict.exit_code
    assert 1 == json.loads(strict.stdout)["rejected"]
