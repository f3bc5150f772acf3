"""Sign-up with double opt-in: its decisions, and what it does under every state of a receiver."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import attrs
import httpx
import pytest
from support.clocks import FakeClock
from support.event_loops import anyio_backend

from cleverreach_async import (
    APIConnectionError,
    CleverReach,
    CleverReachError,
    ConfigurationError,
    InternalServerError,
    NotFoundError,
    OAuthApp,
    PermissionDeniedError,
    Receiver,
    ReceiverInput,
    ResponseDecodeError,
    RetryPolicy,
    SignUp,
    SignUpOutcome,
    UnprocessableEntityError,
)
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.resources.sign_up import outcome_without_mail
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox
from cleverreach_async.sandbox.faults import FaultKind
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio

ANN = "ann@example.org"
PROOF: dict[str, Any] = {
    "user_ip": "203.0.113.7",
    "referer": "https://shop.example/",
    "user_agent": "Browser/1",
}
NO_RETRY = RetryPolicy(attempts=1)


@attrs.frozen
class Desk:
    """A group with a form, and a client that signs people up.

    Attributes:
        cr: The client.
        sandbox: The server.
        clock: The clock of the client.
        group_id: The group.
        form_id: The form.
    """

    cr: CleverReach
    sandbox: Sandbox
    clock: FakeClock
    group_id: int
    form_id: int

    async def sign_up(self, receiver: Any = ANN, **options: Any) -> SignUp:
        """Sign somebody up."""
        whom = ReceiverInput(receiver) if isinstance(receiver, str) else receiver
        given: dict[str, Any] = {"group_id": self.group_id, "form_id": self.form_id, **PROOF}
        return await self.cr.receivers.sign_up(whom, **given | options)

    async def is_active(self, email: str = ANN) -> bool | None:
        """Whether somebody gets mailings."""
        return (await self.cr.receivers.get(email, group_id=self.group_id)).active

    async def add(self, **fields: Any) -> None:
        """Add a receiver to the group, active unless the fields say something else."""
        await self.cr.receivers.create(ReceiverInput(ANN, **fields), group_id=self.group_id)

    def behave(self, **switches: Any) -> None:
        """Set switches of the sandbox."""
        self.sandbox.behaviour = Behaviour(**switches)

    def bounce(self) -> None:
        """Let mail to everybody bounce."""
        self.sandbox.store.run("UPDATE members SET bounced = 1700000000")


class Between:
    """An ASGI application that does something before or after some requests.

    Attributes:
        before: What to do once before the request with that method and ending of the path.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.before: dict[tuple[str, str], Callable[[], Awaitable[object]]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Forward the request."""
        for method, end in list(self.before):
            if scope["method"] == method and scope["path"].endswith(end):
                await self.before.pop((method, end))()
        await self.app(scope, receive, send)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty account."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def between(sandbox: Sandbox) -> Between:
    """The sandbox with something between its requests."""
    return Between(sandbox.app)


@asynccontextmanager
async def opened(app: Any, sandbox: Sandbox) -> AsyncGenerator[Desk]:
    """Open a client of the sandbox."""
    clock = FakeClock()
    auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as http_client,
        CleverReach(auth, http_client=http_client, clock=clock, retry=NO_RETRY) as cr,
    ):
        group_id = (await cr.groups.create(name="Newsletter")).id
        form_id = await cr.forms.create_from_template(group_id, name="Sign-up")
        yield Desk(cr, sandbox, clock, group_id, form_id)


@pytest.fixture
async def desk(between: Between, sandbox: Sandbox) -> AsyncGenerator[Desk]:
    """A client of the sandbox."""
    async with opened(between, sandbox) as desk:
        yield desk


TIME = datetime(2026, 1, 1, tzinfo=UTC)
STATES: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "active": ({"active": True, "activated": TIME}, "already_active", "already_active"),
    "pending": ({"active": False}, None, None),
    "left": ({"active": False, "activated": TIME, "deactivated": TIME}, "unsubscribed", None),
    "left without a time": ({"active": False, "activated": TIME}, "unsubscribed", None),
    "left before confirming": ({"active": False, "deactivated": TIME}, "unsubscribed", None),
    "bounced": ({"active": False, "activated": TIME, "bounced": TIME}, "bounced", None),
    "said active": (
        {"active": True, "deactivated": TIME},
        "already_active",
        "already_active",
    ),
    "sparse, active": ({"activated": TIME}, "already_active", "already_active"),
    "sparse, pending": ({}, None, None),
    "sparse, left": ({"activated": TIME, "deactivated": TIME}, "unsubscribed", None),
    "sparse, bounced": ({"activated": TIME, "bounced": TIME}, "bounced", None),
}


@pytest.mark.parametrize(("fields", "outcome", "again"), STATES.values(), ids=STATES)
async def test_what_each_state_means(
    fields: dict[str, Any], outcome: str | None, again: str | None
) -> None:
    """``None`` is a mail. Somebody active never gets one, somebody pending always does."""
    receiver = Receiver(id=1, email=ANN, **fields)
    assert outcome == outcome_without_mail(receiver, again=False)
    assert again == outcome_without_mail(receiver, again=True)


async def test_a_newcomer_is_inactive_until_they_click(desk: Desk) -> None:
    """The mail has the proof of consent. The link activates them."""
    done = await desk.sign_up(ReceiverInput(f" {ANN} ", source="Footer", tags=["web"]))

    [mail] = desk.sandbox.mails
    assert ("mailed", True, True) == (done.outcome, done.created, done.mailed)
    assert (ANN, PROOF, desk.group_id) == (mail.email, mail.doidata, mail.group_id)
    stored = await desk.cr.receivers.get(ANN, group_id=desk.group_id)
    assert (False, None, "Footer", ("web",)) == (
        stored.active,
        stored.activated,
        stored.source,
        stored.tags,
    )
    assert int(desk.clock.now()) == int(stored.registered.timestamp()) if stored.registered else 0
    desk.sandbox.follow_link(mail)
    assert await desk.is_active()


async def test_a_mapping_and_a_time_of_registration(desk: Desk) -> None:
    """A receiver may be a mapping, and have signed up earlier."""
    done = await desk.sign_up({"email": ANN, "registered": 1_700_000_000, "activated": None})
    assert done.receiver is not None
    assert done.receiver.registered is not None
    assert 1_700_000_000 == done.receiver.registered.timestamp()


async def test_who_has_not_confirmed_gets_the_mail_again(desk: Desk) -> None:
    """Their fields stay, because anybody can enter any address."""
    await desk.sign_up(ReceiverInput(ANN, source="Footer"))
    done = await desk.sign_up(ReceiverInput(ANN, source="Forged"))

    assert ("mailed_again", False, True) == (done.outcome, done.created, done.mailed)
    assert 2 == len(desk.sandbox.mails)
    assert "Footer" == (await desk.cr.receivers.get(ANN, group_id=desk.group_id)).source


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("switch", ["send", "refuse"])
async def test_who_is_active_stays_so(desk: Desk, switch: str, again: bool) -> None:
    """Nothing is written and no mail is sent, whatever the server would do."""
    desk.behave(mail_to_active=switch)
    await desk.add(source="Shop")
    writes = desk.sandbox.count("POST") + desk.sandbox.count("PUT")
    done = await desk.sign_up(ReceiverInput(ANN, source="Forged"), again=again)

    assert (SignUpOutcome.ALREADY_ACTIVE, False) == (done.outcome, done.mailed)
    assert writes == desk.sandbox.count("POST") + desk.sandbox.count("PUT")
    assert await desk.is_active()


@pytest.mark.parametrize("sparse", [False, True])
async def test_who_left_is_asked_only_on_purpose(desk: Desk, sparse: bool) -> None:
    """Also if responses lack what they may lack. The link of the mail lets them return."""
    desk.behave(sparse_profiles=sparse)
    await desk.add()
    await desk.cr.receivers.deactivate(ANN, group_id=desk.group_id)

    assert "unsubscribed" == (await desk.sign_up()).outcome
    assert [] == desk.sandbox.mails
    assert "mailed_again" == (await desk.sign_up(again=True)).outcome
    desk.behave()
    assert not await desk.is_active()
    desk.sandbox.follow_link(desk.sandbox.mails[0])
    assert await desk.is_active()


async def test_who_left_without_ever_confirming(desk: Desk) -> None:
    """The time at which they left is enough."""
    await desk.add(registered=1_700_000_000, activated=0, deactivated=1_700_000_001)
    assert "unsubscribed" == (await desk.sign_up()).outcome


@pytest.mark.parametrize("fields", [{}, {"registered": 1_700_000_000, "activated": 0}])
async def test_a_bounced_address_is_tried_only_on_purpose(
    desk: Desk, fields: dict[str, Any]
) -> None:
    """Whether they had confirmed or not."""
    await desk.add(**fields)
    desk.bounce()

    assert "bounced" == (await desk.sign_up()).outcome
    assert [] == desk.sandbox.mails
    assert "mailed_again" == (await desk.sign_up(again=True)).outcome


@pytest.mark.parametrize("switch", ["accept", "refuse"])
@pytest.mark.parametrize("again", [False, True])
async def test_a_blacklisted_address_gets_nothing(desk: Desk, switch: str, again: bool) -> None:
    """It is neither stored nor mailed, and nothing is removed from the blacklist."""
    desk.behave(blacklisted_row=switch)
    await desk.cr.request("POST", "/blacklist", json={"email": ANN})

    done = await desk.sign_up(again=again)
    assert ("blacklisted", None, False) == (done.outcome, done.receiver, done.mailed)
    with pytest.raises(NotFoundError):
        await desk.is_active()
    assert [] == desk.sandbox.mails


async def test_a_blacklisted_address_in_the_group_gets_no_mail(desk: Desk) -> None:
    """They may have been blacklisted after they signed up."""
    await desk.sign_up()
    await desk.cr.request("POST", "/blacklist", json={"email": ANN})
    done = await desk.sign_up(again=True)

    assert SignUpOutcome.BLACKLISTED == done.outcome
    assert done.receiver is not None
    assert 1 == len(desk.sandbox.mails)


async def test_an_unreadable_blacklist_is_told(desk: Desk) -> None:
    """Otherwise a blacklisted address could get a mail."""
    desk.sandbox.faults.add(Fault("status", code=403, path_prefix="/v3/blacklist"))
    with pytest.raises(PermissionDeniedError) as raised:
        await desk.sign_up()
    assert "unknown whether the address is on the blacklist" in "".join(raised.value.__notes__)
    with pytest.raises(NotFoundError):
        await desk.is_active()


# Races and lost responses.


@pytest.mark.parametrize("status", [400, 409])
async def test_two_sign_ups_at_once(desk: Desk, between: Between, status: int) -> None:
    """The slower one finds the receiver of the other, whatever the status of a duplicate."""
    desk.behave(duplicate_status=status)
    first: list[SignUp] = []

    async def faster() -> None:
        first.append(await desk.sign_up(ReceiverInput(ANN, source="First")))

    between.before["POST", "/receivers"] = faster
    second = await desk.sign_up(ReceiverInput(ANN, source="Second"))

    assert ["mailed", "mailed_again"] == [first[0].outcome, second.outcome]
    assert [True, False] == [first[0].created, second.created]
    assert "First" == (await desk.cr.receivers.get(ANN, group_id=desk.group_id)).source


async def test_who_confirms_before_the_creation_is_not_set_back(
    desk: Desk, between: Between
) -> None:
    """Another sign-up was faster, and they clicked its link before this one wrote."""

    async def confirm() -> None:
        await desk.sign_up()
        desk.sandbox.follow_link(desk.sandbox.mails[0])

    between.before["POST", "/receivers"] = confirm
    done = await desk.sign_up()

    assert ("already_active", 1) == (done.outcome, len(desk.sandbox.mails))
    assert await desk.is_active()


@pytest.mark.parametrize(
    ("switch", "outcome", "mails"), [("send", "mailed_again", 2), ("refuse", "already_active", 1)]
)
@pytest.mark.parametrize("errors", ["never", "always"])
async def test_who_confirms_before_the_mail_is_not_set_back(
    desk: Desk, between: Between, switch: str, outcome: str, mails: int, errors: str
) -> None:
    """The server sends a needless mail, or refuses it, also with HTTP 200."""
    await desk.sign_up()
    desk.behave(mail_to_active=switch, errors_as_200=errors)

    async def confirm() -> None:
        desk.sandbox.follow_link(desk.sandbox.mails[0])

    between.before["POST", "/send/activate"] = confirm
    done = await desk.sign_up()

    assert (outcome, mails) == (done.outcome, len(desk.sandbox.mails))
    assert await desk.is_active()


async def test_a_lost_response_to_the_creation(desk: Desk) -> None:
    """They were added, so they get their mail."""
    desk.sandbox.faults.add(Fault("reset", path_suffix="/receivers", committed=True, times=1))
    done = await desk.sign_up()
    assert ("mailed", True, 1) == (done.outcome, done.created, len(desk.sandbox.mails))


async def test_a_creation_that_failed(desk: Desk) -> None:
    """Nobody was added, so its error is raised, also if looking again fails."""
    desk.sandbox.faults.add(Fault("status", code=500, path_suffix="/receivers", times=1))
    with pytest.raises(InternalServerError):
        await desk.sign_up()
    assert [] == desk.sandbox.mails
    desk.sandbox.faults.add(Fault("reset", path_suffix="/receivers", committed=True))
    look = f"/v3/groups/{desk.group_id}/receivers/"
    desk.sandbox.faults.add(Fault("status", code=500, path_prefix=look, after=1))
    with pytest.raises(APIConnectionError):
        await desk.sign_up()


@pytest.mark.parametrize("kind", ["reset", "status"])
async def test_a_lost_response_to_the_mail(desk: Desk, kind: FaultKind) -> None:
    """It is unknown whether the mail was sent, and it is not sent again."""
    desk.sandbox.faults.add(Fault(kind, path_suffix="/send/activate", committed=True))
    with pytest.raises(CleverReachError) as raised:
        await desk.sign_up()
    assert "unknown whether the activation mail was sent" in "".join(raised.value.__notes__)
    assert 1 == desk.sandbox.count("POST", f"/v3/forms/{desk.form_id}/send")


async def test_a_server_that_adds_people_as_active(desk: Desk) -> None:
    """They are set inactive before they get the mail."""
    desk.behave(create_keeps_inactive=False)
    done = await desk.sign_up()
    assert ("mailed", False) == (done.outcome, await desk.is_active())


async def test_a_server_that_keeps_newcomers_active(serve: Callable[..., Call]) -> None:
    """No mail is sent; the error tells what to do."""
    missing = {"error": {"code": 404, "message": "Not Found"}}
    active = {"id": 1, "email": ANN, "active": True}
    call = serve(missing, missing, active, active)
    with pytest.raises(UnprocessableEntityError, match=r"receivers\.deactivate\(\)"):
        await Receivers(call).sign_up({"email": ANN}, group_id=7, form_id=8, **PROOF)


# What is not found, and what is refused.


@pytest.mark.parametrize("missing", [1, 4])
async def test_the_mail_is_repeated_while_a_newcomer_is_not_found(desk: Desk, missing: int) -> None:
    """Up to five times, with longer and longer waits."""
    desk.behave(not_found_after_create=missing)
    assert "mailed" == (await desk.sign_up()).outcome
    assert [0.5, 1.0, 2.0, 4.0][:missing] == desk.clock.sleeps


async def test_a_newcomer_who_is_never_found(desk: Desk) -> None:
    """The waits are bounded. A later sign-up continues."""
    desk.behave(not_found_after_create=5)
    with pytest.raises(NotFoundError) as raised:
        await desk.sign_up()
    assert "the form does not find the receiver" in "".join(raised.value.__notes__)
    assert 7.5 == desk.clock.elapsed
    assert "mailed_again" == (await desk.sign_up()).outcome


async def test_a_form_that_does_not_exist(desk: Desk) -> None:
    """That is told at once."""
    with pytest.raises(NotFoundError) as raised:
        await desk.sign_up(form_id=4711)
    assert ["The account has no form 4711; no mail was sent"] == raised.value.__notes__
    assert [] == desk.clock.sleeps


async def test_forms_that_cannot_be_read(desk: Desk) -> None:
    """Then it is unknown whether the form or the receiver is missing, and the mail is repeated."""
    desk.behave(not_found_after_create=1)
    desk.sandbox.faults.add(Fault("status", code=403, method="GET", path_prefix="/v3/forms"))
    assert "mailed" == (await desk.sign_up()).outcome


async def test_a_group_that_does_not_exist(desk: Desk) -> None:
    """Nobody is added to another one."""
    with pytest.raises(NotFoundError):
        await desk.sign_up(group_id=4711)
    assert [] == desk.sandbox.mails


async def test_a_suspicious_address(desk: Desk) -> None:
    """The error says what a 403 may mean. They stay inactive."""
    desk.behave(suspicious=(ANN,))
    with pytest.raises(PermissionDeniedError) as raised:
        await desk.sign_up()
    notes = "".join(raised.value.__notes__)
    assert [] == [it for it in ("suspicious", "forms", "contact licence") if it not in notes]
    assert ANN not in f"{raised.value}{notes}"
    assert not await desk.is_active()


async def test_a_licence_that_is_used_up(desk: Desk) -> None:
    """The error says what a 403 may mean. Nobody is looked up again."""
    desk.behave(contact_limit=0)
    with pytest.raises(PermissionDeniedError) as raised:
        await desk.sign_up()
    assert "contact licence" in "".join(raised.value.__notes__)
    assert 1 == desk.sandbox.count("GET", f"/v3/groups/{desk.group_id}/receivers/")


async def test_an_invalid_address_is_refused(desk: Desk) -> None:
    """The error of the server is raised, since nobody was added."""
    with pytest.raises(CleverReachError, match="invalid address"):
        await desk.sign_up("ann@nowhere")


@pytest.mark.parametrize("answer", [True, 7, "x", [1], {"comment": "x"}, {"email": ""}, None])
async def test_an_answer_that_is_no_entry_of_the_blacklist(
    serve: Callable[..., Call], sent: list[Request], answer: object
) -> None:
    """Nothing is stored or sent, because it is unknown what it means."""
    missing = {"error": {"code": 404, "message": "Not Found"}}
    with pytest.raises(ResponseDecodeError):
        await Receivers(serve(missing, answer)).sign_up(
            {"email": ANN}, group_id=7, form_id=8, **PROOF
        )
    assert ["GET", "GET"] == [request.method for request in sent]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no ip": ({"user_ip": None}, "user_ip is None; the API sends no mail without it"),
    "no page": ({"referer": None}, "referer is None"),
    "blank browser": ({"user_agent": " "}, "user_agent is empty"),
    "number": ({"user_ip": 7}, "user_ip is of type int"),
    "group": ({"group_id": None}, "group_id is None"),
    "form": ({"form_id": True}, "form_id is True"),
    "text": ({"receiver": ANN}, r"the receiver is of type str; pass ReceiverInput\("),
    "nobody": ({"receiver": None}, "the receiver is None"),
    "no address": ({"receiver": ReceiverInput("4711")}, "has no e-mail address"),
    "address of another type": ({"receiver": ReceiverInput(7)}, "has no e-mail address"),  # type: ignore[arg-type]
    "active": ({"receiver": {"email": ANN, "activated": 1_700_000_000}}, "activated is set"),
    "confirmed": ({"receiver": {"email": ANN, "activated": True}}, "activated is set"),
    "left": ({"receiver": {"email": ANN, "deactivated": 1}}, "deactivated is set"),
    "time": ({"receiver": {"email": ANN, "registered": "soon"}}, "registered is a text"),
    "again": ({"again": "no"}, "again is of type str"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
async def test_mistakes_are_told_before_anything_is_sent(
    serve: Callable[..., Call], sent: list[Request], given: dict[str, Any], message: str
) -> None:
    """A receiver without a proof of consent would stay inactive for ever."""
    arguments: dict[str, Any] = {"receiver": {"email": ANN}, "group_id": 7, "form_id": 8}
    with pytest.raises(ConfigurationError, match=message):
        await Receivers(serve()).sign_up(**arguments | PROOF | given)
    assert [] == sent


async def test_a_sign_up_that_is_cancelled(desk: Desk) -> None:
    """The next one continues where it ended."""
    desk.behave(not_found_after_create=3)
    desk.clock.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.sign_up)
        await desk.clock.advance(0.5)
        tasks.cancel_scope.cancel()
    desk.behave()
    assert "mailed_again" == (await desk.sign_up()).outcome
