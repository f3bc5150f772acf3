"""Activation mails after an import: one to each new receiver, never two, and none forgotten."""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from support.clocks import FakeClock

from cleverreach_async import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    CleverReach,
    CleverReachError,
    ConfigurationError,
    InternalServerError,
    NotFoundError,
    OAuthApp,
    PermissionDeniedError,
    RateLimitError,
    ReceiverInput,
    ResponseDecodeError,
    TokenError,
)
from cleverreach_async.bulk.opt_in.mail_list import OptInList, OptInMail, OptInState
from cleverreach_async.bulk.opt_in.mails import OptInReport, find_form, send_opt_ins, state_after
from cleverreach_async.resources.forms import Forms
from cleverreach_async.sandbox import Behaviour, Sandbox

PATH = "/forms/{form_id}/send/activate"
PROOF: dict[str, Any] = {
    "user_ip": "203.0.113.7",
    "referer": "https://shop.example/sign-up",
    "user_agent": "import of March",
}
ABOUT = {"group": 7, "form": 3}


@pytest.fixture
def todo(tmp_path: Path) -> Generator[OptInList]:
    """An empty list."""
    with OptInList(tmp_path / "todo", about=ABOUT) as mails:
        yield mails


@asynccontextmanager
async def account(**behaviour: Any) -> AsyncGenerator[tuple[CleverReach, Sandbox]]:
    """A client of an empty sandbox with this behaviour."""
    with Sandbox(behaviour=Behaviour(**behaviour)) as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        app = OAuthApp("sandbox", "sandbox-secret")
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(app.client_credentials(), http_client=http_client) as client,
        ):
            yield client, sandbox


async def import_inactive(cr: CleverReach, count: int) -> tuple[int, int, list[str]]:
    """Import receivers as inactive; returns group, form and addresses."""
    group = await cr.groups.create(name="N")
    form_id = await cr.forms.create_from_template(group.id, name="Sign-up")
    emails = addresses(count)
    rows = [ReceiverInput(email) for email in emails]
    report = await cr.bulk.insert(rows, group_id=group.id, inactive=True)
    assert count == report.accepted
    return group.id, form_id, emails


def addresses(count: int) -> list[str]:
    """Addresses."""
    return [f"p{n}@example.org" for n in range(count)]


class ScriptedForms(Forms):
    """Forms of a server whose responses a test determines.

    Args:
        script: Raises the error for an address and the number of earlier requests for it, if any.
    """

    def __init__(self, script: Callable[[str, int], None]) -> None:
        self._script = script
        self.calls: Counter[str] = Counter()
        self.in_flight = 0
        self.peak = 0

    async def send_activation(self, form_id: int, *, email: str, **fields: Any) -> None:
        """Send one mail."""
        before = self.calls[email]
        self.calls[email] += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await anyio.lowlevel.checkpoint()
            self._script(email, before)
        finally:
            self.in_flight -= 1


def failing(error: Callable[[], CleverReachError], *emails: str) -> Callable[[str, int], None]:
    """Return a script that fails for these addresses, or for all if none are passed."""

    def script(email: str, before: int) -> None:
        if not emails or email in emails:
            raise error()

    return script


async def mail(forms: Forms, todo: OptInList, **options: Any) -> OptInReport:
    """Send the mails of a list with form 3 in group 7."""
    clock = options.pop("clock", FakeClock())
    return await send_opt_ins(forms, 3, todo, group_id=7, clock=clock, **{**PROOF, **options})


def forbidden() -> CleverReachError:
    """A refusal for which the vendor gives no reason."""
    return PermissionDeniedError("Forbidden", status_code=403, path=PATH)


def lost() -> CleverReachError:
    """A lost response."""
    return APIConnectionError("connection lost", sent=True, path=PATH)


# Against the sandbox.


@pytest.mark.anyio
@pytest.mark.parametrize("answer", ["true", "success", "email"])
@pytest.mark.parametrize("shape", ["nested", "flat", "string"])
async def test_every_new_receiver_gets_one_mail_and_can_confirm(
    answer: str, shape: str, todo: OptInList
) -> None:
    """With the evidence of consent; receivers become active when they follow the link."""
    async with account(form_send_answer=answer, error_shape=shape) as (cr, sandbox):
        group_id, form_id, emails = await import_inactive(cr, 25)
        todo.add(emails)
        report = await send_opt_ins(cr.forms, form_id, todo, group_id=group_id, **PROOF)
        again = await send_opt_ins(cr.forms, form_id, todo, group_id=group_id, **PROOF)
        mails = sandbox.mails
        before = await cr.receivers.list(group_id=group_id, state="inactive")
        for sent in mails:
            sandbox.follow_link(sent)
        after = await cr.receivers.list(group_id=group_id, state="active")

    assert (OptInReport(sent=25), OptInReport()) == (report, again)
    assert sorted(emails) == sorted(it.email for it in mails)
    assert (PROOF, "activate") == (mails[0].doidata, mails[0].kind)
    assert (25, 25) == (len(before), len(after))


@pytest.mark.anyio
@pytest.mark.parametrize("errors", ["never", "refusals", "always"])
async def test_a_mail_is_retried_while_its_receiver_is_not_visible(
    errors: str, todo: OptInList
) -> None:
    """Forms see a new receiver after a moment; one that never appears is refused."""
    clock = FakeClock()
    async with account(not_found_after_create=2, errors_as_200=errors) as (cr, sandbox):
        group_id, form_id, emails = await import_inactive(cr, 3)
        todo.add([*emails, "stranger@example.org"])
        report = await send_opt_ins(
            cr.forms, form_id, todo, group_id=group_id, clock=clock, **PROOF
        )
        left = list(todo.unsent())
        mails = len(sandbox.mails)

    assert (3, 1, 3) == (report.sent, report.refused, mails)
    assert [OptInState.REFUSED] == [it.state for it in left]
    assert left[0].reason.startswith("404 ")
    assert 3 * (0.5 + 1.0) + (0.5 + 1.0 + 2.0 + 4.0) == sum(clock.sleeps)


@pytest.mark.anyio
async def test_a_suspicious_address_is_refused_alone(todo: OptInList) -> None:
    """Its status 403 says nothing about the others."""
    async with account(suspicious=("P1@example.org",)) as (cr, _):
        group_id, form_id, emails = await import_inactive(cr, 5)
        todo.add(emails)
        report = await send_opt_ins(cr.forms, form_id, todo, group_id=group_id, **PROOF)
        left = [(it.email, it.state) for it in todo.unsent()]

    assert OptInReport(sent=4, refused=1, reasons=Counter({"403 Forbidden": 1})) == report
    assert [("p1@example.org", OptInState.REFUSED)] == left


@pytest.mark.anyio
async def test_it_stops_if_all_are_forbidden_and_can_continue_later(todo: OptInList) -> None:
    """The cause may be an exhausted licence or a missing right, not the addresses."""
    emails = addresses(40)
    async with account(suspicious=tuple(emails)) as (cr, sandbox):
        group_id, form_id, _ = await import_inactive(cr, 40)
        todo.add(emails)
        stopped = await send_opt_ins(
            cr.forms, form_id, todo, group_id=group_id, concurrency=1, **PROOF
        )
        requests = sandbox.count("POST", f"/v3/forms/{form_id}/send")
        sandbox.behaviour = Behaviour()
        resumed = await send_opt_ins(cr.forms, form_id, todo, group_id=group_id, **PROOF)

    assert (0, 0, 40, {}) == (stopped.sent, stopped.refused, stopped.pending, stopped.reasons)
    assert "10 mails in a row were refused: 403" in stopped.stopped
    assert "contact licence" in stopped.stopped
    assert 10 == requests
    assert OptInReport(sent=40) == resumed


@pytest.mark.anyio
async def test_refusals_that_arrive_after_the_stop_stay_pending(todo: OptInList) -> None:
    """Requests that were in flight when it stopped fail for the same reason."""
    todo.add(addresses(40))
    report = await mail(ScriptedForms(failing(forbidden)), todo, concurrency=4)
    counts = todo.counts()

    assert (0, 40, {}) == (report.refused, report.pending, report.reasons)
    assert {OptInState.PENDING: 40} == counts


@pytest.mark.anyio
async def test_an_unknown_form_is_refused() -> None:
    """The message contains the ids that exist."""
    async with account() as (cr, _):
        group_id, form_id, _ = await import_inactive(cr, 1)

        assert group_id == (await find_form(cr.forms, form_id)).group_id
        with pytest.raises(ConfigurationError, match=rf"no form 9; there are {form_id} \(Sign-up"):
            await find_form(cr.forms, 9)
        await cr.forms.delete(form_id)
        with pytest.raises(ConfigurationError, match="no form 9; the account has none"):
            await find_form(cr.forms, 9)


# Failures.


@pytest.mark.anyio
async def test_after_a_lost_response_a_mail_is_unknown_and_never_resent(todo: OptInList) -> None:
    """The mail may have been sent, and must not be sent twice."""
    forms = ScriptedForms(failing(lost, "p1@example.org", "p3@example.org"))
    todo.add(addresses(5))
    report = await mail(forms, todo)
    again = await mail(forms, todo)
    left = {it.email: it.state for it in todo.unsent()}

    assert (3, 2, 0, "") == (report.sent, report.unknown, report.pending, report.stopped)
    assert OptInReport() == again
    assert {"p1@example.org": OptInState.UNKNOWN, "p3@example.org": OptInState.UNKNOWN} == left
    assert {1} == set(forms.calls.values())


@pytest.mark.anyio
async def test_ten_lost_responses_in_a_row_stop_it(todo: OptInList) -> None:
    """Otherwise an outage would make the whole list unknown."""
    forms = ScriptedForms(failing(lost))
    todo.add(addresses(100))
    report = await mail(forms, todo, concurrency=1)

    assert (0, 10, 90) == (report.sent, report.unknown, report.pending)
    assert report.stopped.startswith("10 mails in a row got no response")


STOPS: dict[str, Callable[[], CleverReachError]] = {
    "no connection": lambda: APIConnectionError("no route", sent=False, path=PATH),
    "throttled for long": lambda: RateLimitError("later", status_code=429, path=PATH),
    "credentials": lambda: AuthenticationError("expired", status_code=401, path=PATH),
    "token": lambda: TokenError("invalid_grant"),
    "no response to the token request": lambda: APIConnectionError(
        "lost", sent=True, path="/oauth/token.php"
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("error", STOPS.values(), ids=STOPS.keys())
async def test_a_mail_that_was_certainly_not_sent_stays_pending(
    error: Callable[[], CleverReachError], todo: OptInList
) -> None:
    """It stops immediately, because others would fail as well, and a later call sends all."""
    todo.add(addresses(9))
    report = await mail(ScriptedForms(failing(error)), todo, concurrency=1)
    working = ScriptedForms(lambda email, before: None)
    resumed = await mail(working, todo)

    assert (0, 0, 0, 9) == (report.sent, report.refused, report.unknown, report.pending)
    assert report.stopped
    assert (9, {1}) == (resumed.sent, set(working.calls.values()))


STATES: dict[str, tuple[CleverReachError, OptInState]] = {
    "400": (BadRequestError("no", status_code=400, path=PATH), OptInState.REFUSED),
    "403": (forbidden(), OptInState.REFUSED),
    "404": (NotFoundError("no", status_code=404, path=PATH), OptInState.REFUSED),
    "500": (InternalServerError("no", status_code=500, path=PATH), OptInState.UNKNOWN),
    "503": (InternalServerError("no", status_code=503, path=PATH), OptInState.UNKNOWN),
    "503 with Retry-After": (
        InternalServerError("no", status_code=503, path=PATH, retry_after=9),
        OptInState.PENDING,
    ),
    "lost": (lost(), OptInState.UNKNOWN),
    "a web page": (ResponseDecodeError(["not JSON"], method="POST", path=PATH), OptInState.UNKNOWN),
    "500 for the token": (
        InternalServerError("no", status_code=500, path="/oauth/token.php"),
        OptInState.PENDING,
    ),
    **{name: (error(), OptInState.PENDING) for name, error in STOPS.items()},
}


@pytest.mark.parametrize(("error", "expected"), STATES.values(), ids=STATES.keys())
def test_the_state_after_an_error(error: CleverReachError, expected: OptInState) -> None:
    """Refused only if the server said so; unknown whenever the mail may have been sent."""
    assert expected is state_after(error)


@pytest.mark.anyio
async def test_refusals_for_different_reasons_do_not_stop_it(todo: OptInList) -> None:
    """Only a streak of the same refusal shows that all will be refused."""

    def script(email: str, before: int) -> None:
        number = int(email[1:].partition("@")[0])
        raise (BadRequestError if number % 2 else PermissionDeniedError)(
            "no", status_code=400 if number % 2 else 403, path=PATH
        )

    todo.add(addresses(30))
    report = await mail(ScriptedForms(script), todo, concurrency=1)

    assert (30, "", {"403 no": 15, "400 no": 15}) == (
        report.refused,
        report.stopped,
        report.reasons,
    )


@pytest.mark.anyio
async def test_few_requests_are_in_flight(todo: OptInList) -> None:
    """As many as ``concurrency`` allows; ``on_progress`` is called after each mail."""
    forms, seen = ScriptedForms(lambda email, before: None), list[int]()

    def show(report: OptInReport) -> None:
        seen.append(report.sent)

    todo.add(addresses(30))
    report = await mail(forms, todo, concurrency=3, on_progress=show)

    assert (30, 3, 30) == (report.sent, forms.peak, len(seen))


@pytest.mark.anyio
async def test_an_error_of_a_callback_is_raised_as_it_is(todo: OptInList) -> None:
    """No exception group wraps it, and the mails sent are recorded."""

    def show(report: OptInReport) -> None:
        raise LookupError("broken display")

    todo.add(addresses(9))
    with pytest.raises(LookupError, match="broken display"):
        await mail(ScriptedForms(lambda email, before: None), todo, concurrency=1, on_progress=show)
    counts = todo.counts()

    assert {OptInState.SENT: 1, OptInState.PENDING: 8} == counts


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong", [{"concurrency": 0}, {"concurrency": 9}, {"user_ip": " "}, {"referer": ""}]
)
async def test_invalid_arguments_are_refused_before_a_mail_is_sent(
    wrong: dict[str, Any], todo: OptInList
) -> None:
    """The API sends no mail without evidence of consent."""
    forms = ScriptedForms(lambda email, before: None)
    todo.add(addresses(2))
    with pytest.raises(ConfigurationError, match=r"concurrency|user_ip|referer"):
        await mail(forms, todo, **wrong)

    assert not forms.calls


@pytest.mark.anyio
async def test_a_stop_lets_requests_in_flight_complete(todo: OptInList) -> None:
    """So no mail becomes unknown."""
    forms = ScriptedForms(lambda email, before: None)
    todo.add(addresses(20))
    report = await mail(forms, todo, should_stop=lambda: forms.calls.total() >= 5)

    assert (forms.calls.total(), 0) == (report.sent, report.unknown)
    assert (20, "stop was requested") == (report.sent + report.pending, report.stopped)


@pytest.mark.anyio
async def test_after_a_cancellation_mails_in_flight_are_unknown(tmp_path: Path) -> None:
    """The others are sent later."""
    forms = ScriptedForms(
        lambda email, before: scope.cancel() if email == "p4@example.org" else None
    )
    with OptInList(tmp_path / "list", about=ABOUT) as todo:
        todo.add(addresses(9))
        with anyio.CancelScope() as scope:
            await mail(forms, todo, concurrency=1)
    with OptInList(tmp_path / "list", about=ABOUT) as todo:
        counts = todo.counts()
        report = await mail(ScriptedForms(lambda email, before: None), todo)

    assert 9 == counts[OptInState.SENT] + counts[OptInState.PENDING] + counts[OptInState.UNKNOWN]
    assert 1 >= counts[OptInState.UNKNOWN]
    assert counts[OptInState.PENDING] == report.sent


# The list.


def test_an_address_is_in_the_list_once(todo: OptInList) -> None:
    """Case and surrounding spaces are ignored; a later run may add the same rows again."""
    todo.add(["A@example.org", "b@example.org "])
    todo.add(["a@EXAMPLE.org"])

    assert ["A@example.org", "b@example.org"] == [it.email for it in todo.unsent()]


def test_an_empty_address_is_refused_with_all_others(todo: OptInList) -> None:
    """Either all are added or none."""
    with pytest.raises(ConfigurationError, match="empty"):
        todo.add(["a@example.org", " "])

    assert not todo.counts()


def test_a_list_survives_its_process(tmp_path: Path) -> None:
    """Mails that were in flight become unknown, because their response was not received."""
    path = tmp_path / "rejects.opt-in"
    with OptInList(path, about={"group": 7}) as todo:
        todo.add(addresses(3))
        first = todo.take_next()
        assert first is not None
        todo.record(first.number, OptInState.SENT)
        todo.take_next()
    with OptInList(path, about={"group": 7}) as todo:
        counts = todo.counts()
        left = list(todo.unsent())

    assert {OptInState.SENT: 1, OptInState.UNKNOWN: 1, OptInState.PENDING: 1} == counts
    assert "before a response" in left[0].reason
    assert 0 == path.stat().st_mode & 0o077 or os.name == "nt"


def test_a_list_is_for_one_group_and_form(tmp_path: Path) -> None:
    """Otherwise mails would be sent with the wrong form."""
    path = tmp_path / "list"
    OptInList(path, about={"form": 3}).close()
    with pytest.raises(ConfigurationError, match=r'mails for \{"form":3\}, not for'):
        OptInList(path, about={"form": 4})


def test_a_list_is_used_by_one_process(tmp_path: Path) -> None:
    """Two processes would send every mail twice."""
    path = tmp_path / "list"
    open_list = partial(OptInList, path, about=ABOUT)
    with open_list(), pytest.raises(ConfigurationError, match="in use by another import"):
        open_list()
    open_list().close()


@pytest.mark.parametrize("content", [b"E-Mail;Vorname\n" * 99, None])
def test_another_file_is_not_changed(tmp_path: Path, content: bytes | None) -> None:
    """A file of receivers passed by mistake, or the database of another program."""
    path = tmp_path / "list"
    if content is None:
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE customers (email)")
        database.close()
        content = path.read_bytes()
    else:
        path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="is not a list of opt-in mails"):
            OptInList(path, about=ABOUT)

    assert content == path.read_bytes()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The list creates no folders."""
    with pytest.raises(ConfigurationError, match=r"the folder \S+missing does not exist"):
        OptInList(tmp_path / "missing" / "list", about=ABOUT)


def test_mails_that_were_not_sent_are_written_to_a_file(tmp_path: Path, todo: OptInList) -> None:
    """JSON Lines with address, state and reason; without such mails there is no file."""
    path = tmp_path / "unsent.jsonl"
    path.write_text("old\n", "utf-8")
    todo.add(addresses(3))
    for state in (OptInState.SENT, OptInState.REFUSED):
        taken = todo.take_next()
        assert taken is not None
        todo.record(taken.number, state, "403 Forbidden")
    count = todo.write_unsent(path)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    with OptInList(tmp_path / "empty", about=ABOUT) as empty:
        none = empty.write_unsent(path)

    assert (2, 0, False) == (count, none, path.exists())
    assert [
        {"email": "p1@example.org", "state": "refused", "reason": "403 Forbidden"},
        {"email": "p2@example.org", "state": "pending", "reason": ""},
    ] == lines


def test_a_removed_list_leaves_no_file(tmp_path: Path) -> None:
    """Addresses are not stored longer than necessary."""
    todo = OptInList(tmp_path / "list", about=ABOUT)
    todo.add(addresses(3))
    todo.remove()

    assert [] == list(tmp_path.iterdir())


def test_a_repr_contains_no_address() -> None:
    """Reprs are logged."""
    assert "example" not in repr(OptInMail(1, "a@example.org"))
