"""Opt-in mails after an import: one to each, never two, and nobody is forgotten."""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def account(**behaviour: Any) -> AsyncGenerator[tuple[CleverReach, Sandbox]]:
    """A client of an empty sandbox that behaves so."""
    with Sandbox(behaviour=Behaviour(**behaviour)) as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        app = OAuthApp("sandbox", "sandbox-secret")
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(app.client_credentials(), http_client=http_client) as client,
        ):
            yield client, sandbox


async def newcomers(cr: CleverReach, count: int) -> tuple[int, int, list[str]]:
    """Import receivers as inactive; returns group, form and addresses."""
    group = await cr.groups.create(name="N")
    form_id = await cr.forms.create_from_template(group.id, name="Sign-up")
    emails = people(count)
    rows = [ReceiverInput(email) for email in emails]
    report = await cr.bulk.insert(rows, group_id=group.id, inactive=True)
    assert count == report.accepted
    return group.id, form_id, emails


def people(count: int) -> list[str]:
    """Addresses."""
    return [f"p{n}@example.org" for n in range(count)]


class ScriptedForms(Forms):
    """Forms of a server that does what a test says with each mail.

    Args:
        script: Raises what is to go wrong, by address and how often it was asked before.
    """

    def __init__(self, script: Callable[[str, int], None]) -> None:
        self._script = script
        self.calls: Counter[str] = Counter()
        self.at_once = 0
        self.peak = 0

    async def send_activation(self, form_id: int, *, email: str, **fields: Any) -> None:
        """Take one mail."""
        before = self.calls[email]
        self.calls[email] += 1
        self.at_once += 1
        self.peak = max(self.peak, self.at_once)
        try:
            await anyio.lowlevel.checkpoint()
            self._script(email, before)
        finally:
            self.at_once -= 1


def failing(error: Callable[[], CleverReachError], *emails: str) -> Callable[[str, int], None]:
    """Fail for these addresses, or for all when none are given."""

    def script(email: str, before: int) -> None:
        if not emails or email in emails:
            raise error()

    return script


async def mail(forms: Forms, waiting: OptInList, **options: Any) -> OptInReport:
    """Send the mails of a list by form 3 in group 7."""
    clock = options.pop("clock", FakeClock())
    return await send_opt_ins(forms, 3, waiting, group_id=7, clock=clock, **{**PROOF, **options})


def forbidden() -> CleverReachError:
    """A refusal, whose reason the vendor does not tell."""
    return PermissionDeniedError("Forbidden", status_code=403, path=PATH)


def lost() -> CleverReachError:
    """A lost answer."""
    return APIConnectionError("the line is cut", sent=True, path=PATH)


# Against the sandbox.


@pytest.mark.anyio
@pytest.mark.parametrize("answer", ["true", "success", "email"])
@pytest.mark.parametrize("shape", ["nested", "flat", "string"])
async def test_every_new_receiver_gets_one_mail_and_can_confirm(answer: str, shape: str) -> None:
    """With the proof of consent; nobody is active before the link is followed."""
    async with account(form_send_answer=answer, error_shape=shape) as (cr, sandbox):
        group_id, form_id, emails = await newcomers(cr, 25)
        with OptInList() as waiting:
            waiting.add(emails)
            report = await send_opt_ins(cr.forms, form_id, waiting, group_id=group_id, **PROOF)
            again = await send_opt_ins(cr.forms, form_id, waiting, group_id=group_id, **PROOF)
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
async def test_a_receiver_who_is_not_visible_yet_is_tried_again(errors: str) -> None:
    """Forms see a new receiver a moment later, and one who never comes is refused."""
    clock = FakeClock()
    async with account(not_found_after_create=2, errors_as_200=errors) as (cr, sandbox):
        group_id, form_id, emails = await newcomers(cr, 3)
        with OptInList() as waiting:
            waiting.add([*emails, "stranger@example.org"])
            report = await send_opt_ins(
                cr.forms, form_id, waiting, group_id=group_id, clock=clock, **PROOF
            )
            left = list(waiting.unsent())
        mails = len(sandbox.mails)

    assert (3, 1, 3) == (report.sent, report.refused, mails)
    assert [OptInState.REFUSED] == [it.state for it in left]
    assert left[0].reason.startswith("404 ")
    assert 3 * (0.5 + 1.0) + (0.5 + 1.0 + 2.0 + 4.0) == sum(clock.sleeps)


@pytest.mark.anyio
async def test_a_suspicious_address_is_refused_alone() -> None:
    """The vendor's 403 for it says nothing about the others."""
    async with account(suspicious=("P1@example.org",)) as (cr, _):
        group_id, form_id, emails = await newcomers(cr, 5)
        with OptInList() as waiting:
            waiting.add(emails)
            report = await send_opt_ins(cr.forms, form_id, waiting, group_id=group_id, **PROOF)
            left = [(it.email, it.state) for it in waiting.unsent()]

    assert OptInReport(sent=4, refused=1, reasons={"403 Forbidden": 1}) == report
    assert [("p1@example.org", OptInState.REFUSED)] == left


@pytest.mark.anyio
async def test_it_stops_when_all_are_forbidden_and_can_go_on_later() -> None:
    """An exhausted licence, or a right that the app lacks, is nobody's own fault."""
    emails = people(40)
    async with account(suspicious=tuple(emails)) as (cr, sandbox):
        group_id, form_id, _ = await newcomers(cr, 40)
        with OptInList() as waiting:
            waiting.add(emails)
            stopped = await send_opt_ins(
                cr.forms, form_id, waiting, group_id=group_id, concurrency=1, **PROOF
            )
            asked = sandbox.count("POST", f"/v3/forms/{form_id}/send")
            sandbox.behaviour = Behaviour()
            resumed = await send_opt_ins(cr.forms, form_id, waiting, group_id=group_id, **PROOF)

    assert (0, 0, 40, {}) == (stopped.sent, stopped.refused, stopped.pending, stopped.reasons)
    assert "10 mails in a row were refused: 403" in stopped.stopped
    assert "contact licence" in stopped.stopped
    assert 10 == asked
    assert OptInReport(sent=40) == resumed


@pytest.mark.anyio
async def test_refusals_that_arrive_after_it_stopped_stay_pending_too() -> None:
    """Others were on their way when the tenth came, and are no more to blame."""
    with OptInList() as waiting:
        waiting.add(people(40))
        report = await mail(ScriptedForms(failing(forbidden)), waiting, concurrency=4)
        counts = waiting.counts()

    assert (0, 40, {}) == (report.refused, report.pending, report.reasons)
    assert {OptInState.PENDING: 40} == counts


@pytest.mark.anyio
async def test_a_form_is_looked_for_before_anything_relies_on_it() -> None:
    """A wrong number is told with the right ones."""
    async with account() as (cr, _):
        group_id, form_id, _ = await newcomers(cr, 1)

        assert group_id == (await find_form(cr.forms, form_id)).group_id
        with pytest.raises(ConfigurationError, match=rf"no form 9; there are {form_id} \(Sign-up"):
            await find_form(cr.forms, 9)
        await cr.forms.delete(form_id)
        with pytest.raises(ConfigurationError, match="no form 9; the account has none"):
            await find_form(cr.forms, 9)


# What goes wrong.


@pytest.mark.anyio
async def test_a_lost_answer_is_unknown_and_never_repeated() -> None:
    """The mail may have gone out; a second one would be one too many."""
    forms = ScriptedForms(failing(lost, "p1@example.org", "p3@example.org"))
    with OptInList() as waiting:
        waiting.add(people(5))
        report = await mail(forms, waiting)
        again = await mail(forms, waiting)
        left = {it.email: it.state for it in waiting.unsent()}

    assert (3, 2, 0, "") == (report.sent, report.unknown, report.pending, report.stopped)
    assert OptInReport() == again
    assert {"p1@example.org": OptInState.UNKNOWN, "p3@example.org": OptInState.UNKNOWN} == left
    assert {1} == set(forms.calls.values())


@pytest.mark.anyio
async def test_ten_lost_answers_in_a_row_stop_it() -> None:
    """Else an outage would make the whole list unknown."""
    forms = ScriptedForms(failing(lost))
    with OptInList() as waiting:
        waiting.add(people(100))
        report = await mail(forms, waiting, concurrency=1)

    assert (0, 10, 90) == (report.sent, report.unknown, report.pending)
    assert report.stopped.startswith("10 mails in a row went unanswered")


STOPS: dict[str, Callable[[], CleverReachError]] = {
    "not reached": lambda: APIConnectionError("no route", sent=False, path=PATH),
    "throttled for long": lambda: RateLimitError("later", status_code=429, path=PATH),
    "credentials": lambda: AuthenticationError("expired", status_code=401, path=PATH),
    "token": lambda: TokenError("invalid_grant"),
    "no answer about the token": lambda: APIConnectionError(
        "cut", sent=True, path="/oauth/token.php"
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("error", STOPS.values(), ids=STOPS.keys())
async def test_what_was_surely_not_sent_stays_pending(
    error: Callable[[], CleverReachError],
) -> None:
    """It stops at once, since others would fare no better, and a later call sends all."""
    with OptInList() as waiting:
        waiting.add(people(9))
        report = await mail(ScriptedForms(failing(error)), waiting, concurrency=1)
        good = ScriptedForms(lambda email, before: None)
        resumed = await mail(good, waiting)

    assert (0, 0, 0, 9) == (report.sent, report.refused, report.unknown, report.pending)
    assert report.stopped
    assert (9, {1}) == (resumed.sent, set(good.calls.values()))


VERDICTS: dict[str, tuple[CleverReachError, OptInState]] = {
    "400": (BadRequestError("no", status_code=400, path=PATH), OptInState.REFUSED),
    "403": (forbidden(), OptInState.REFUSED),
    "404": (NotFoundError("no", status_code=404, path=PATH), OptInState.REFUSED),
    "500": (InternalServerError("no", status_code=500, path=PATH), OptInState.UNKNOWN),
    "503": (InternalServerError("no", status_code=503, path=PATH), OptInState.UNKNOWN),
    "503 with a time": (
        InternalServerError("no", status_code=503, path=PATH, retry_after=9),
        OptInState.PENDING,
    ),
    "lost": (lost(), OptInState.UNKNOWN),
    "a page": (ResponseDecodeError(["not JSON"], method="POST", path=PATH), OptInState.UNKNOWN),
    "the token's 500": (
        InternalServerError("no", status_code=500, path="/oauth/token.php"),
        OptInState.PENDING,
    ),
    **{name: (error(), OptInState.PENDING) for name, error in STOPS.items()},
}


@pytest.mark.parametrize(("error", "expected"), VERDICTS.values(), ids=VERDICTS.keys())
def test_what_an_error_means(error: CleverReachError, expected: OptInState) -> None:
    """Refused only where the server said so, unknown wherever the mail may have gone out."""
    assert expected is state_after(error)


@pytest.mark.anyio
async def test_refusals_of_different_kinds_do_not_stop_it() -> None:
    """Only a run of the same refusal shows that something is wrong with all."""

    def script(email: str, before: int) -> None:
        number = int(email[1:].partition("@")[0])
        raise (BadRequestError if number % 2 else PermissionDeniedError)(
            "no", status_code=400 if number % 2 else 403, path=PATH
        )

    with OptInList() as waiting:
        waiting.add(people(30))
        report = await mail(ScriptedForms(script), waiting, concurrency=1)

    assert (30, "", {"403 no": 15, "400 no": 15}) == (
        report.refused,
        report.stopped,
        report.reasons,
    )


@pytest.mark.anyio
async def test_few_mails_are_on_the_wire_at_once() -> None:
    """As many as asked for, and progress is told after each."""
    forms, seen = ScriptedForms(lambda email, before: None), list[int]()

    def show(report: OptInReport) -> None:
        seen.append(report.sent)

    with OptInList() as waiting:
        waiting.add(people(30))
        report = await mail(forms, waiting, concurrency=3, on_progress=show)

    assert (30, 3, 30) == (report.sent, forms.peak, len(seen))


@pytest.mark.anyio
async def test_a_failing_callback_surfaces_as_itself() -> None:
    """No exception group wraps it, and what was sent is noted."""

    def show(report: OptInReport) -> None:
        raise LookupError("broken display")

    with OptInList() as waiting:
        waiting.add(people(9))
        with pytest.raises(LookupError, match="broken display"):
            await mail(
                ScriptedForms(lambda email, before: None), waiting, concurrency=1, on_progress=show
            )
        counts = waiting.counts()

    assert {OptInState.SENT: 1, OptInState.PENDING: 8} == counts


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong", [{"concurrency": 0}, {"concurrency": 9}, {"user_ip": " "}, {"referer": ""}]
)
async def test_what_cannot_be_is_refused_before_a_mail(wrong: dict[str, Any]) -> None:
    """The vendor takes no mail without proof."""
    forms = ScriptedForms(lambda email, before: None)
    with OptInList() as waiting:
        waiting.add(people(2))
        with pytest.raises(ConfigurationError, match=r"concurrency|user_ip|referer"):
            await mail(forms, waiting, **wrong)

    assert not forms.calls


@pytest.mark.anyio
async def test_it_stops_in_order_when_asked_to() -> None:
    """Mails on the wire end first, so that none is unknown."""
    forms = ScriptedForms(lambda email, before: None)
    with OptInList() as waiting:
        waiting.add(people(20))
        report = await mail(forms, waiting, should_stop=lambda: forms.calls.total() >= 5)

    assert (forms.calls.total(), 0) == (report.sent, report.unknown)
    assert (20, "stop was requested") == (report.sent + report.pending, report.stopped)


@pytest.mark.anyio
async def test_a_cancelled_caller_knows_what_is_doubtful(tmp_path: Path) -> None:
    """Whose answer was not waited for is unknown; the others are sent later."""
    forms = ScriptedForms(
        lambda email, before: scope.cancel() if email == "p4@example.org" else None
    )
    with OptInList(tmp_path / "list") as waiting:
        waiting.add(people(9))
        with anyio.CancelScope() as scope:
            await mail(forms, waiting, concurrency=1)
    with OptInList(tmp_path / "list") as waiting:
        counts = waiting.counts()
        report = await mail(ScriptedForms(lambda email, before: None), waiting)

    assert 9 == counts[OptInState.SENT] + counts[OptInState.PENDING] + counts[OptInState.UNKNOWN]
    assert 1 >= counts[OptInState.UNKNOWN]
    assert counts[OptInState.PENDING] == report.sent


# The list.


def test_an_address_is_in_the_list_once() -> None:
    """Whatever its case and blanks; a later run may add the same rows again."""
    with OptInList() as waiting:
        added = [waiting.add(["A@example.org", "b@example.org "]), waiting.add(["a@EXAMPLE.org"])]
        emails = [it.email for it in waiting.unsent()]

    assert ([2, 0], ["A@example.org", "b@example.org"]) == (added, emails)


def test_an_empty_address_is_refused_with_all() -> None:
    """Nothing is half added."""
    with OptInList() as waiting:
        with pytest.raises(ConfigurationError, match="empty"):
            waiting.add(["a@example.org", " "])

        assert not waiting.counts()


def test_a_list_survives_its_process(tmp_path: Path) -> None:
    """What was on its way is unknown afterwards, since nobody heard the answer."""
    path = tmp_path / "rejects.opt-in"
    with OptInList(path, about={"group": 7}) as waiting:
        waiting.add(people(3))
        first = waiting.claim()
        assert first is not None
        waiting.settle(first.number, OptInState.SENT)
        waiting.claim()
    with OptInList(path, about={"group": 7}) as waiting:
        counts = waiting.counts()
        left = list(waiting.unsent())

    assert {OptInState.SENT: 1, OptInState.UNKNOWN: 1, OptInState.PENDING: 1} == counts
    assert "before an answer" in left[0].reason
    assert 0 == path.stat().st_mode & 0o077 or os.name == "nt"


def test_a_list_is_of_one_group_and_form(tmp_path: Path) -> None:
    """Mails of another would go out under the wrong name."""
    path = tmp_path / "list"
    OptInList(path, about={"form": 3}).close()
    with pytest.raises(ConfigurationError, match=r'something else: \{"form":3\}'):
        OptInList(path, about={"form": 4})


def test_a_list_is_used_by_one_process(tmp_path: Path) -> None:
    """Two would send every mail twice."""
    path = tmp_path / "list"
    with OptInList(path), pytest.raises(ConfigurationError, match="another process uses it"):
        OptInList(path)
    OptInList(path).close()


@pytest.mark.parametrize("content", [b"E-Mail;Vorname\n" * 99, None])
def test_another_file_is_left_alone(tmp_path: Path, content: bytes | None) -> None:
    """Be it a customer file by mistake or the database of something else."""
    path = tmp_path / "list"
    if content is None:
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE customers (email)")
        database.close()
        content = path.read_bytes()
    else:
        path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="list of opt-in mails"):
            OptInList(path)

    assert content == path.read_bytes()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With the file's name."""
    with pytest.raises(ConfigurationError, match="nowhere"):
        OptInList(tmp_path / "nowhere" / "list")


def test_what_was_not_sent_is_written_for_people(tmp_path: Path) -> None:
    """JSON Lines with address, state and reason, readable by the owner; no file for nobody."""
    path = tmp_path / "unsent.jsonl"
    path.write_text("old\n", "utf-8")
    with OptInList() as waiting:
        waiting.add(people(3))
        for state in (OptInState.SENT, OptInState.REFUSED):
            claimed = waiting.claim()
            assert claimed is not None
            waiting.settle(claimed.number, state, "403 Forbidden")
        count = waiting.write_unsent(path)
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    with OptInList() as waiting:
        none = waiting.write_unsent(path)

    assert (2, 0, False) == (count, none, path.exists())
    assert [
        {"email": "p1@example.org", "state": "refused", "reason": "403 Forbidden"},
        {"email": "p2@example.org", "state": "pending", "reason": ""},
    ] == lines


def test_a_removed_list_leaves_no_file(tmp_path: Path) -> None:
    """Addresses are not kept longer than needed."""
    waiting = OptInList(tmp_path / "list")
    waiting.add(people(3))
    waiting.remove()

    assert [] == list(tmp_path.iterdir())


def test_no_repr_tells_an_address() -> None:
    """Logs show reprs."""
    assert "example" not in repr(OptInMail(1, "a@example.org"))
