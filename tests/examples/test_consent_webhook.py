"""The example with the table of consent: in step with the account, whatever happens on the way."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import httpx
import pytest
from support.clocks import FakeClock

from cleverreach_async import CleverReach, GroupEvent, ReceiverInput, RetryPolicy
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox, deliver_to_app
from examples.consent_webhook import (
    ConsentSync,
    ConsentTable,
    create_app,
    from_environment,
    register,
    state_of,
)
from examples.consent_webhook import main as register_from_environment

pytestmark = pytest.mark.anyio

WORD = "shop-webhook-verify"
URL = "https://shop.example/cleverreach"
NAMES = [f"person{number}@example.org" for number in range(8)]


@attrs.frozen
class Stage:
    """The shop, and the account."""

    cr: CleverReach
    sandbox: Sandbox
    table: ConsentTable
    group_id: int
    clock: FakeClock

    async def live(self, draw: random.Random) -> None:
        """Let something happen to somebody."""
        email, path = draw.choice(NAMES), self.group_id
        receivers = self.cr.receivers
        match draw.randrange(6):
            case 0 | 1:
                await receivers.upsert(ReceiverInput(email.upper()), group_id=path)
            case 2:
                await receivers.upsert(ReceiverInput(email, activated=0), group_id=path)
            case _ if self.sandbox.store.receiver(self.group_id, email) is None:
                pass
            case 3:
                await receivers.deactivate(email, group_id=path)
            case 4:
                await receivers.activate(email, group_id=path)
            case _:
                await receivers.delete(email, group_id=path)

    async def account(self) -> dict[str, str]:
        """What the account says."""
        return {
            it.email.lower(): state_of(it)
            async for it in self.cr.receivers.list(group_id=self.group_id)
        }

    def living(self) -> dict[str, str]:
        """What the table says of those who are not gone."""
        return {email: it for email, it in self.table.states().items() if it != "gone"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A shop whose webhook is registered."""
    clock = FakeClock()
    with Sandbox(now=clock.now) as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        async with httpx.AsyncClient(transport=transport) as http_client:
            cr = CleverReach(
                sandbox.add_token(),
                http_client=http_client,
                retry=RetryPolicy(attempts=1, max_retry_after=0),
                clock=clock,
            )
            group_id = (await cr.groups.create(name="Newsletter")).id
            table = ConsentTable(tmp_path / "consent.sqlite")
            app = create_app(cr, table, group_id=group_id, word=WORD)
            sandbox.deliver = deliver_to_app(app)
            await register(cr, table, URL, WORD, group_id)
            async with app.router.lifespan_context(app):
                yield Stage(cr, sandbox, table, group_id, clock)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        Behaviour(webhook_order="reversed"),
        Behaviour(webhook_order="shuffled", webhook_repeats=2),
        Behaviour(webhook_ids="int", webhook_email="base64", webhook_vector="zero"),
        Behaviour(webhook_deleted_id="stale", webhook_content_type=""),
        Behaviour(missing_receiver_read="empty_list", errors_as_200="always"),
    ],
    ids=["default", "reversed", "shuffled", "base64", "stale", "errors as 200"],
)
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_table_is_in_step(stage: Stage, behaviour: Behaviour, seed: int) -> None:
    """After each burst of changes, although events come late, twice and in any order."""
    stage.sandbox.behaviour = behaviour
    draw = random.Random(seed)
    for _ in range(8):
        for _ in range(draw.randrange(1, 7)):
            await stage.live(draw)
        sent = await stage.sandbox.deliver_webhooks()
        assert {it.status_code for it in sent} <= {200}
        assert await stage.account() == stage.living()
        stage.clock.elapsed += 60
    assert {"subscribed", "unsubscribed", "unconfirmed", "gone"} >= set(
        stage.table.states().values()
    )
    assert "gone" in stage.table.states().values()


async def test_an_outage_of_the_api_is_made_up_for(stage: Stage) -> None:
    """The events are answered with 500, and repeated when the API works again."""
    draw = random.Random(3)
    for _ in range(30):
        await stage.live(draw)
    stage.sandbox.faults.add(Fault("status", code=503))
    assert {500} == {it.status_code for it in await stage.sandbox.deliver_webhooks()}
    assert {} == stage.table.states()
    stage.sandbox.faults.clear()
    stage.clock.elapsed += 60
    sent = await stage.sandbox.deliver_webhooks()
    assert {200} == {it.status_code for it in sent}
    assert await stage.account() == stage.living()


async def test_an_address_that_cannot_be_decrypted_is_no_success(stage: Stage) -> None:
    """The vendor is told to repeat it, so that a mistake with the secret can be corrected."""
    stage.table.store("mia@example.org", 4711, "subscribed")
    [keys] = stage.table.keys()
    token = keys.calltoken.reveal()
    stage.table.store_keys("receiver", str(stage.group_id), token, "another-secret")
    await stage.cr.receivers.create(ReceiverInput("mia@example.org"), group_id=stage.group_id)
    await stage.cr.receivers.delete("mia@example.org", group_id=stage.group_id)
    statuses = {it.event: it.status_code for it in await stage.sandbox.deliver_webhooks()}
    assert 500 == statuses["receiver.deleted"]


async def test_a_second_registration_replaces_the_first(stage: Stage) -> None:
    """The new keys are used at once."""
    before = stage.table.keys()
    await register(stage.cr, stage.table, URL, WORD, stage.group_id)
    assert 1 == len(stage.table.keys()) == len(before)
    assert before != stage.table.keys()
    await stage.cr.receivers.create(ReceiverInput("mia@example.org"), group_id=stage.group_id)
    assert {200} == {it.status_code for it in await stage.sandbox.deliver_webhooks()}


async def test_who_was_there_before_is_stored(stage: Stage) -> None:
    """Webhooks tell changes only."""
    stage.sandbox.deliver = None
    await stage.cr.receivers.create(ReceiverInput("Mia@example.org"), group_id=stage.group_id)
    assert 1 == await ConsentSync(stage.cr, stage.table, stage.group_id).fill()
    assert {"mia@example.org": "subscribed"} == stage.table.states()


async def test_groups_are_of_no_interest(stage: Stage) -> None:
    """Other events are accepted and change nothing."""
    event = GroupEvent(name="group.created", group_id=stage.group_id)
    await ConsentSync(stage.cr, stage.table, stage.group_id).handle(event)
    assert {} == stage.table.states()


@pytest.mark.socket
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it_is_configured_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both commands of its documentation, with a server of the sandbox."""
    from cleverreach_async.sandbox.server import running  # noqa: PLC0415

    with Sandbox() as sandbox, running(sandbox) as address:
        group_id = sandbox.store.insert(
            "recipient_groups",
            **dict.fromkeys(("locked", "backup", "stamp", "last_changed"), 0),
            name="Newsletter",
            receiver_info="",
        )
        for name, value in {
            "CLEVERREACH_CLIENT_ID": "sandbox",
            "CLEVERREACH_CLIENT_SECRET": "sandbox-secret",
            "CLEVERREACH_BASE_URL": address,
            "CLEVERREACH_GROUP": str(group_id),
            "WEBHOOK_WORD": WORD,
            "CONSENT_FILE": str(tmp_path / "consent.sqlite"),
        }.items():
            monkeypatch.setenv(name, value)
        sandbox.deliver = deliver_to_app(from_environment())
        await register_from_environment(URL)
    assert "registered; 0 receivers stored" in capsys.readouterr().out
    assert 1 == len(ConsentTable(tmp_path / "consent.sqlite").keys())
