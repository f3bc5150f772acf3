"""A round trip of each noun: what one call writes another reads, under the switches of it."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from cleverreach_async import (
    BadRequestError,
    BearerToken,
    BlacklistEntry,
    CleverReach,
    ConflictError,
    NotFoundError,
    OAuthApp,
    PermissionDeniedError,
    ReceiverInput,
    where,
)
from cleverreach_async.sandbox import Behaviour, Sandbox
from cleverreach_async.sandbox.server import running
from cleverreach_async.transport.wire import as_list

pytestmark = pytest.mark.anyio

BEHAVIOURS = {
    "default": Behaviour(),
    "agency": Behaviour(agency=False),
    "lone client": Behaviour(lone_client="object"),
    "contingent": Behaviour(contingent_answer="object"),
    "blacklist items": Behaviour(group_blacklist_items="string"),
    "blacklist answer": Behaviour(group_blacklist_answer="true"),
    "filter rules": Behaviour(filter_rules="sent"),
    "errors as 200": Behaviour(errors_as_200="always", error_shape="string"),
    "empty list": Behaviour(single_read="list", empty_map="list"),
    "numbered arrays": Behaviour(arrays="numbered"),
    "keyed arrays": Behaviour(arrays="keyed"),
    "numbered arrays of one": Behaviour(arrays="numbered", single_read="list", empty_map="list"),
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


SETTINGS = [
    pytest.param((Behaviour(), True), id="over a socket", marks=pytest.mark.socket),
    *(pytest.param((it, False), id=name) for name, it in BEHAVIOURS.items()),
]


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> tuple[Behaviour, bool]:
    """A behaviour, and whether requests go through a socket."""
    behaviour, over_socket = request.param
    return behaviour, over_socket


@pytest.fixture
def sandbox(setting: tuple[Behaviour, bool]) -> Iterator[Sandbox]:
    """A sandbox with each behaviour."""
    with Sandbox(behaviour=setting[0], now=NOW.timestamp) as sandbox:
        yield sandbox


@pytest.fixture
async def cr(sandbox: Sandbox, setting: tuple[Behaviour, bool]) -> AsyncIterator[CleverReach]:
    """A client of the sandbox."""
    app = OAuthApp("sandbox", "sandbox-secret")
    if setting[1]:
        with running(sandbox) as url:
            async with CleverReach(app.client_credentials(), base_url=url) as client:
                yield client
        return
    transport = httpx.ASGITransport(app=sandbox.app)
    async with (
        httpx.AsyncClient(transport=transport) as http_client,
        CleverReach(app.client_credentials(), http_client=http_client) as client,
    ):
        yield client


@pytest.fixture
async def group_id(cr: CleverReach) -> int:
    """The id of a group."""
    return (await cr.groups.create(name="Newsletter")).id


async def test_blacklist(cr: CleverReach) -> None:
    """Added, read, changed and removed."""
    ann = "ann@example.org"
    entry = await cr.blacklist.add(ann, comment="by phone")
    assert BlacklistEntry(email=ann, comment="by phone", stamp=NOW) == entry
    assert entry == await cr.blacklist.get(ann.upper())
    assert [entry] == [it async for it in cr.blacklist.list()]
    assert ["bob@example.org"] == await cr.blacklist.validate([ann, "bob@example.org"])
    changed = await cr.blacklist.update(ann, comment="by mail")
    assert ("by mail", changed) == (changed.comment, await cr.blacklist.get(ann))
    with pytest.raises(ConflictError):
        await cr.blacklist.add(ann)
    with pytest.raises(ConflictError):
        await cr.blacklist.update(ann, comment="by mail")
    await cr.blacklist.remove(ann)
    assert [] == [*await cr.blacklist.list()]
    with pytest.raises(NotFoundError):
        await cr.blacklist.get(ann)


async def test_blacklist_of_a_group(cr: CleverReach, group_id: int) -> None:
    """It does not affect the account."""
    ann = "ann@example.org"
    added = await cr.blacklist.add(ann, comment="x", group_id=group_id)
    assert (ann, "x") == (added.email, added.comment)
    assert [ann] == [it.email async for it in cr.blacklist.list(group_id=group_id)]
    assert [] == [*await cr.blacklist.list()]
    assert [ann] == await cr.blacklist.validate([ann])
    await cr.blacklist.remove(ann, group_id=group_id)
    assert [] == [*await cr.blacklist.list(group_id=group_id)]


async def test_bounces(cr: CleverReach, sandbox: Sandbox) -> None:
    """All pages, in order."""
    for number in range(5):
        sandbox.add_bounce(f"p{number}@example.org", bounce_message="550", type_id="77001")
    found = [it async for it in cr.bounces.list(page_size=2)]
    assert [f"p{number}@example.org" for number in range(5)] == [it.email for it in found]
    assert {("hardbounce", 1, NOW, "550", 77001)} == {
        (it.category, it.occurences, it.last_update, it.bounce_message, it.type_id) for it in found
    }


async def test_the_account(cr: CleverReach, group_id: int) -> None:
    """It is that of the token, with counts of its receivers."""
    own = (await cr.debug.whoami()).id
    account = await cr.clients.get(own)
    assert account == await cr.clients.by_domain(account.login_domain)
    assert [account] == [it async for it in cr.clients.list(page_size=1)]
    rows = [ReceiverInput("a@example.org"), ReceiverInput("b@example.org", activated=0)]
    await cr.receivers.upsert_many(rows, group_id=group_id)
    assert 2 == await cr.clients.receiver_count(own)
    assert 1 == await cr.clients.active_receiver_count(own)
    plan = await cr.clients.plan(own)
    assert await cr.clients.contingent(own) in (plan.emails, {"emails": plan.emails})
    assert plan.receiver_cap == (await cr.clients.limits(own))["receivers"]
    assert account.city == (await cr.clients.invoice_address(own))["city"]
    assert ["de"] == [it.lang async for it in cr.clients.users(own)]
    assert datetime(2026, 2, 1, tzinfo=UTC) == await cr.clients.next_invoice_date(own)
    assert "invoice" in as_list(await cr.clients.payment_methods())  # as it is sent


async def test_payments(cr: CleverReach) -> None:
    """What was written is part of the account."""
    own = (await cr.debug.whoami()).id
    await cr.clients.update_payment_options(own, {"type": "invoice"})
    await cr.clients.update_payment_source(own, {"iban": "x"})
    assert {"payment_options": {"type": "invoice"}, "payment_source": {"iban": "x"}} == (
        await cr.clients.get(own)
    ).extra


async def test_the_accounts_of_an_agency(cr: CleverReach, sandbox: Sandbox) -> None:
    """A token of a customer's account makes a client of it."""
    if not sandbox.behaviour.agency:
        with pytest.raises(PermissionDeniedError):
            await cr.clients.create_account({"company": "Wayne"})
        return
    created = await cr.clients.create_account({"company": "Wayne"})
    customer = int(created["id"])
    transport = httpx.ASGITransport(app=sandbox.app)
    token = await cr.clients.token(customer)
    async with (
        httpx.AsyncClient(transport=transport) as http_client,
        CleverReach(BearerToken(token), http_client=http_client) as theirs,
    ):
        assert (customer, "Wayne") == (
            (await theirs.debug.whoami()).id,
            (await theirs.debug.whoami()).company,
        )
    assert [129000, customer] == [it.id async for it in cr.clients.list()]


async def test_my_content(cr: CleverReach) -> None:
    """Registered, changed and deleted."""
    created = await cr.my_content.create(name="Shop", url="https://shop.example", password="p")
    assert ("Shop", "https://shop.example", "p", True, NOW) == (
        created.name,
        created.url,
        created.password,
        created.active,
        created.stamp,
    )
    assert [created] == [it async for it in cr.my_content.list()]
    changed = await cr.my_content.update(created.id, name="Blog")
    assert ("Blog", changed) == (changed.name, await cr.my_content.get(created.id))
    await cr.my_content.delete(created.id)
    with pytest.raises(NotFoundError):
        await cr.my_content.get(created.id)


async def test_filters(cr: CleverReach, group_id: int) -> None:
    """A segment selects what its rules say, also after its rules were read and sent again."""
    await cr.attributes.create(name="city", type="text", group_id=group_id)
    await cr.receivers.upsertplus_many(
        [
            ReceiverInput("a@example.org", attributes={"city": "Kiel"}, tags=["shop"]),
            ReceiverInput("b@example.org", attributes={"city": "Bonn"}, tags=["shop"]),
            ReceiverInput("c@example.org", attributes={"city": "Kiel"}),
            ReceiverInput("d@example.org", activated=0),
        ],
        group_id=group_id,
    )
    rules = where("tags").contains("shop") & (
        where("city").eq("Kiel") | where("city").eq("Bonn") & where("activated").eq(0)
    )
    number = await cr.filters.create(group_id=group_id, name="Shop", rules=rules)

    async def emails(number: int) -> list[str]:
        """Return what a segment selects."""
        listing = cr.filters.receivers(number, group_id=group_id, page_size=1)
        return [it.email async for it in listing]

    assert ["a@example.org"] == await emails(number)
    stored = await cr.filters.get(number, group_id=group_id)
    assert [stored] == [it async for it in cr.filters.list(group_id=group_id)]
    copied = await cr.filters.create(group_id=group_id, name="Copy", rules=stored.rules)
    assert ["a@example.org"] == await emails(copied)
    await cr.filters.update(number, group_id=group_id, rules=where("email").contains("example"))
    assert "Shop" == (await cr.filters.get(number, group_id=group_id)).name
    assert 4 == await cr.filters.count(number, group_id=group_id)
    stats = await cr.filters.stats(number, group_id=group_id)
    assert (4, 3) == (stats.total_count, stats.active_count)
    await cr.filters.delete(number, group_id=group_id)
    with pytest.raises(NotFoundError):
        await cr.filters.count(number, group_id=group_id)
    with pytest.raises(BadRequestError):
        await cr.filters.create(group_id=group_id, name="x", rules=where("unknown").eq("x"))


async def test_flows(cr: CleverReach, sandbox: Sandbox, group_id: int) -> None:
    """They are made in the account, and read."""
    uuid = sandbox.add_flow("Goodbye", group_id=group_id)
    sandbox.add_flow("Hello", playbook="signup")
    flow = await cr.flows.get(uuid)
    assert (uuid, "Goodbye", group_id) == (flow.id, flow.name, flow.setup.group_id)
    assert [flow] == [it async for it in cr.flows.list(playbook="unsubscribe")]
    listing = cr.flows.list(order="name", direction="desc")
    assert ["Hello", "Goodbye"] == [it.name async for it in listing]


async def test_groups(cr: CleverReach, group_id: int) -> None:
    """Extended counters are what the API sends."""
    await cr.receivers.create(ReceiverInput("a@example.org", source="shop"), group_id=group_id)
    assert {"sources": {"shop": 1}} == await cr.groups.advanced_stats(group_id)
