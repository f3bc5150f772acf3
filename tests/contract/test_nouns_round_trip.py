"""Round trips: what one call of a noun writes another reads, under each behaviour of the server."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from support.webhook_answers import verifying

from cleverreach_async import (
    AbandonedCart,
    APIStatusError,
    CleverReach,
    NotFoundError,
    OAuthApp,
    OrderInput,
    PermissionDeniedError,
    ReceiverInput,
    RetryPolicy,
)
from cleverreach_async.sandbox import Behaviour, Sandbox
from cleverreach_async.sandbox.server import running
from cleverreach_async.transport.wire import as_list

pytestmark = pytest.mark.anyio

VARIANTS: dict[str, tuple[Any, ...]] = {
    "clone_answer": ("true", "id"),
    "set_value_answer": ("true",),
    "event_answer": ("true",),
    "bounced_pages": (False,),
    "no_report_receivers": ("false",),
    "repeated_webhook": ("replace",),
    "automation_id": ("letters",),
    "tags_paging": ("offset",),
    "empty_map": ("list",),
    "single_read": ("list",),
    "sparse_profiles": (True,),
    "order_quantity_key": ("amount",),
    "order_numbers": ("decimal",),
    "order_ids": ("number", "decimal"),
    "product_text": ("escaped",),
    "arrays": ("numbered", "keyed"),
    "duplicate_status": (409,),
}
BEHAVIOURS = {
    "socket": Behaviour(),
    "default": Behaviour(),
    **{
        f"{name}={value}": Behaviour(**{name: value})
        for name, values in VARIANTS.items()
        for value in values
    },
    "strings as 200": Behaviour(error_shape="string", errors_as_200="always"),
}
ANN, BOB, EVE = "ann+a/b@example.org", "bob@example.org", "eve@example.org"
WORD = "a-word-of-mine"
URL = "https://shop.example/hook"


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.socket] if name == "socket" else [])
        for name in BEHAVIOURS
    ]
)
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[tuple[Sandbox, CleverReach]]:
    """A sandbox and a client of it, over a socket or in process."""
    name: str = request.param
    app = OAuthApp("sandbox", "sandbox-secret")
    options: dict[str, Any] = {"retry": RetryPolicy(attempts=1)}
    async with AsyncExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(behaviour=BEHAVIOURS[name]))
        if name == "socket":
            sandbox.deliver = verifying(WORD)
            options["base_url"] = stack.enter_context(running(sandbox))
            app = OAuthApp("sandbox", "sandbox-secret", base_url=options["base_url"])
        else:
            transport = httpx.ASGITransport(app=sandbox.app)
            options["http_client"] = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport)
            )
        yield (
            sandbox,
            await stack.enter_async_context(CleverReach(app.client_credentials(), **options)),
        )


async def groups_with(cr: CleverReach, *emails: str) -> list[int]:
    """Create two groups, and put everybody into both."""
    found: list[int] = []
    for name in ("News", "Offers"):
        group = await cr.groups.create(name=name)
        await cr.receivers.upsertplus_many([ReceiverInput(it) for it in emails], group_id=group.id)
        found.append(group.id)
    return found


async def test_receivers_across_groups(world: tuple[Sandbox, CleverReach]) -> None:
    """Groups, copies and addresses."""
    _, cr = world
    news, offers = await groups_with(cr, ANN)
    assert [news, offers] == [group.id for group in await cr.receivers.groups(ANN)]

    copy = await cr.receivers.clone(ANN, BOB, group_id=offers)
    assert copy is None or BOB == copy.email
    assert [offers] == [group.id for group in await cr.receivers.groups(BOB)]

    with pytest.raises(APIStatusError, match="duplicate address"):
        await cr.receivers.change_email(BOB, ANN)
    await cr.receivers.change_email(BOB, EVE)
    assert EVE == (await cr.receivers.get(EVE, group_id=offers)).email
    with pytest.raises(NotFoundError):
        await cr.receivers.groups(BOB)

    await cr.receivers.delete_many([ANN])
    with pytest.raises(NotFoundError):
        await cr.receivers.get(ANN)


async def test_lists_of_receivers(world: tuple[Sandbox, CleverReach]) -> None:
    """By POST, by rules, and of those who bounced; by pages of several sizes."""
    sandbox, cr = world
    emails = [f"r{number}@example.org" for number in range(7)]
    news, offers = await groups_with(cr, *emails)
    for prefetch in (0, 3):
        listing = cr.receivers.list_by_post(group_id=news, page_size=2, prefetch=prefetch)
        assert emails == [receiver.email for receiver in await listing.collect()]
    found = await cr.receivers.list_by_post(group_id=news, emails=[emails[5].upper(), BOB])
    assert [emails[5]] == [receiver.email for receiver in found]
    late = await cr.receivers.list(group_id=news, page_size=2, page=3).collect()
    assert emails[6:] == [receiver.email for receiver in late]

    rule = {"field": "email", "logic": "contains", "condition": "r3"}
    other = {"field": "email", "logic": "eq", "condition": emails[4]}
    listing = cr.receivers.filter([rule, other], operator="OR", page_size=1, prefetch=2)
    assert emails[3:5] == [receiver.email for receiver in await listing.collect()]
    await cr.receivers.deactivate(emails[3], group_id=news)
    active = cr.receivers.filter([rule], group_ids=[news], active_only=True)
    assert 0 == len(await active)
    assert [news] == [it.group_id for it in await cr.receivers.filter([rule], group_ids=[news])]

    assert [] == await cr.receivers.bounced().collect()
    sandbox.add_bounce(emails[0])
    bounced = await cr.receivers.bounced().collect()
    assert [(emails[0], news), (emails[0], offers)] == [(it.email, it.group_id) for it in bounced]


async def test_valid_addresses(world: tuple[Sandbox, CleverReach]) -> None:
    """Malformed and blacklisted ones are left out, and with a group those not active in it."""
    _, cr = world
    news, _ = await groups_with(cr, ANN, BOB)
    await cr.receivers.deactivate(BOB, group_id=news)
    await cr.request("POST", "/blacklist", json={"email": EVE})
    asked = [ANN, BOB, EVE, "nobody"]
    assert (ANN, BOB) == await cr.receivers.valid_addresses(asked)
    assert (EVE, "nobody") == await cr.receivers.valid_addresses(asked, invert=True)
    assert (ANN,) == await cr.receivers.valid_addresses(asked, group_id=news)
    assert () == await cr.receivers.valid_addresses(["nobody"])


async def test_values_of_attributes(world: tuple[Sandbox, CleverReach]) -> None:
    """Of the account and of a group, set and read one by one."""
    _, cr = world
    news, _ = await groups_with(cr, ANN)
    shared = await cr.attributes.create(name="city", type="text")
    local = await cr.attributes.create(name="size", type="number", group_id=news)
    stored = await cr.receivers.set_attribute(ANN, shared.id, "Gotham")
    assert stored is None or "Gotham" == stored.value
    await cr.receivers.set_attribute(ANN, local.id, 40, group_id=news)
    await cr.receivers.set_attribute(ANN, local.id, "+2", group_id=news)
    assert [(shared.id, "city", "Gotham")] == [
        (it.id, it.name, it.value) for it in await cr.receivers.attributes(ANN)
    ]
    [size] = await cr.receivers.attributes(ANN, group_id=news)
    assert (local.id, "42") == (size.id, size.value)
    await cr.receivers.set_attribute(ANN, shared.id, None)
    assert [""] == [it.value for it in await cr.receivers.attributes(ANN)]
    with pytest.raises(NotFoundError):
        await cr.receivers.set_attribute(ANN, 4711, "x")


async def test_events_and_tags(world: tuple[Sandbox, CleverReach]) -> None:
    """Of one receiver, and tags of all by pages."""
    _, cr = world
    news, _ = await groups_with(cr, ANN)
    await cr.events.create(ANN, type="visit", type_id="p3", value="twice", stamp=1_767_225_600)
    await cr.events.create(ANN, group_id=news)
    events = await cr.events.list(ANN)
    assert [("visit", "p3", "twice", 0), ("api", "", "", news)] == [
        (it.type, it.type_id, it.value, it.groups_id) for it in events
    ]
    assert [*events] == [*await cr.events.list(ANN, group_id=news)]

    await cr.tags.add(ANN, ["shop.a", "shop.b", "c"])
    await cr.tags.add(ANN, "d", group_id=news)
    assert ("shop.a", "shop.b", "c", "d") == await cr.tags.of_receiver(ANN)
    assert "d" in await cr.tags.of_receiver(ANN, group_id=news)
    for prefetch in (0, 2):
        tags = await cr.tags.list(page_size=2, prefetch=prefetch).collect()
        assert {"a", "b", "c", "d"} == {tag.tag for tag in tags}
        assert 4 == len(tags)


async def test_mailings(world: tuple[Sandbox, CleverReach]) -> None:
    """Preview, release and stop, links and orders, and the receivers of the report."""
    sandbox, cr = world
    news, _ = await groups_with(cr, ANN, BOB)
    sender: dict[str, Any] = {"sender_name": "Mia", "sender_email": "mia@example.org"}
    html = '<a href="https://shop.example/a">a</a><a href="https://shop.example/b">b</a>'
    mailing = await cr.mailings.create(
        name="May", subject="Hi", html=html, group_ids=[news], **sender
    )
    assert (await cr.mailings.random_receiver(mailing)).email in {ANN, BOB}
    await cr.mailings.send_preview(mailing, receivers=[EVE], preview_text="Look")
    assert [(mailing, EVE, "Look")] == [
        (it["mailing_id"], it["email"], it["note"]) for it in sandbox.previews
    ]
    await cr.mailings.release(mailing, time=1_900_000_000)
    released = await cr.mailings.get(mailing)
    assert ("waiting", True) == (released.state, released.send_on is not None)
    await cr.mailings.stop(mailing)
    assert "draft" == (await cr.mailings.get(mailing)).state

    await cr.orders.create(BOB, OrderInput("A-1", "Lamp", mailing_id=mailing))
    await cr.orders.create(BOB, OrderInput("A-2", "Mug"))
    assert ["A-1"] == [order.order_id for order in await cr.mailings.orders(mailing)]
    for email, kind, link in (
        (ANN, "mail_send", ""),
        (BOB, "mail_send", ""),
        (BOB, "mail_open", ""),
    ):
        await cr.events.create(email, type=kind, type_id=link, mailing_id=mailing)
    await cr.events.create(BOB, type="mail_click", type_id="2", mailing_id=mailing)
    links = [(it.id, it.link, it.total_clicks) for it in await cr.mailings.links(mailing)]
    assert [(1, "https://shop.example/a", 0), (2, "https://shop.example/b", 1)] == links

    sandbox.add_report(mailing, stats={"basic": {"delivered": 2}}, links=[{"id": "2"}])
    who = {"sent": {ANN, BOB}, "opened": {BOB}, "notopened": {ANN}, "bounced": set[str]()}
    for state, expected in who.items():
        reacted: Any = cr.reports.receivers(mailing, state, page_size=1)  # type: ignore[arg-type]
        assert expected == {receiver.email for receiver in await reacted.collect()}
    assert [BOB] == [it.email for it in await cr.reports.receivers(mailing, "clicked", link_id=2)]
    assert 0 == len(await cr.reports.receivers(mailing, "clicked", link_id=1))
    assert {"delivered": 2} == await cr.reports.stats(mailing, "basic")
    assert [{"id": "2"}] == as_list(await cr.reports.stats(mailing, "links"))  # as it is sent


async def test_a_release_without_the_right(world: tuple[Sandbox, CleverReach]) -> None:
    """The error is that of a permission."""
    sandbox, cr = world
    mailing = sandbox.add_mailing(name="May")
    sandbox.behaviour = Behaviour(may_release=False)
    for call in (cr.mailings.release(mailing, time=1_900_000_000), cr.mailings.stop(mailing)):
        with pytest.raises(PermissionDeniedError, match="invalid scope"):
            await call


async def test_channels_and_templates(world: tuple[Sandbox, CleverReach]) -> None:
    """The API creates no channel, and no template of the agency."""
    sandbox, cr = world
    channel_id = sandbox.add_channel("News")
    sandbox.add_agency_template("House style")
    assert [(channel_id, "News")] == [(it.id, it.name) for it in await cr.channels.list()]
    assert "News" == (await cr.channels.get(channel_id)).name
    await cr.channels.delete(channel_id)
    assert 0 == len(await cr.channels.list())
    with pytest.raises(NotFoundError):
        await cr.channels.get(channel_id)

    created = await cr.templates.create({"name": "Spring", "html": "<p>"})
    [template] = await cr.templates.list()
    assert (int(created["id"]), "Spring", "<p>") == (
        template.id,
        template.name,
        template.extra["html"],
    )
    assert ["House style"] == [it.name for it in await cr.templates.list_agency()]
    rendered = await cr.mailings.render(subject="Hi {NAME}", receiver={"name": "Ann"})
    assert "Hi Ann" == rendered.subject


async def test_webhooks(world: tuple[Sandbox, CleverReach]) -> None:
    """Register, list, delete by condition and all of an event."""
    sandbox, cr = world
    first = await cr.webhooks.register(URL, "receiver.deleted", verify=WORD, condition=540001)
    await cr.webhooks.register(URL, "receiver.deleted", verify=WORD)
    await cr.webhooks.register(f"{URL}/forms", "form", verify=WORD)
    assert (64, 32) == (len(first.call_token.reveal()), len(first.secret.reveal()))
    expected = [("receiver.deleted", "540001"), ("receiver.deleted", ""), ("form", "")]
    assert expected == [(it.event, it.condition) for it in await cr.webhooks.list()]

    again = cr.webhooks.register(URL, "form", verify=WORD)
    if sandbox.behaviour.repeated_webhook == "refuse":
        with pytest.raises(APIStatusError, match="registered already"):
            await again
    else:
        await again
    assert 3 == len(await cr.webhooks.list())

    await cr.webhooks.delete("receiver.deleted", condition=540001)
    assert ["", ""] == [it.condition for it in await cr.webhooks.list()]
    await cr.webhooks.delete("receiver.deleted")
    assert ["form"] == [it.event for it in await cr.webhooks.list()]
    with pytest.raises(NotFoundError):
        await cr.webhooks.delete("receiver.deleted")
    with pytest.raises(APIStatusError, match="event"):
        await cr.webhooks.register(URL, "mailing.sent", verify=WORD)


async def test_abandoned_carts(world: tuple[Sandbox, CleverReach]) -> None:
    """A cart needs an automation of its shop, and a receiver of the group."""
    sandbox, cr = world
    news, _ = await groups_with(cr, ANN)
    ann = await cr.receivers.get(ANN, group_id=news)
    cart = AbandonedCart(
        store_id="shop-1",
        return_url="https://shop.example/cart",
        items=[{"id": "L1", "name": "Lamp", "amount": 2}],
    )
    with pytest.raises(NotFoundError, match="automation"):
        await cr.automation.trigger_abandoned_cart(ann.id, cart, group_id=news, cart_id="C-1")
    made = await cr.automation.create_abandoned_cart(name="Cart", store_id="shop-1")
    assert ("Cart", False, None) == (made.name, made.active, made.last_executed)
    assert made.id
    await cr.automation.trigger_abandoned_cart(ann.id, cart, group_id=news, cart_id="C-1")
    [sent] = sandbox.carts
    assert (str(ann.id), "C-1", "Lamp") == (
        sent["poolid"],
        sent["cartId"],
        sent["abandonedCartData"]["cartItems"][0]["name"],
    )
    with pytest.raises(NotFoundError, match="receiver"):
        await cr.automation.trigger_abandoned_cart(4711, cart, group_id=news, cart_id="C-2")
    await cr.oauth.finish(finished=True)
    await cr.oauth.report_synced(imported=["buyers"])
