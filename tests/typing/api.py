"""Uses of the library for type checkers. It is neither run nor collected by pytest."""

from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

import httpx
import httpx2

from cleverreach_async import (
    UNSET,
    AbandonedCart,
    APIStatusError,
    BadRow,
    BearerToken,
    BlacklistEntry,
    Bounce,
    CartItem,
    Channel,
    CleverReach,
    CleverReachError,
    ClientAccount,
    ClientCredentials,
    ClientPlan,
    Filter,
    FilterRule,
    Flow,
    Group,
    GroupStats,
    ImportFailedError,
    ImportProgress,
    ImportReport,
    ImportRun,
    MailingTemplate,
    MyContent,
    NotFoundError,
    OAuthApp,
    OrderInput,
    Outcome,
    Page,
    Paginator,
    RateLimitError,
    Receiver,
    ReceiverInput,
    RequestEvent,
    ResponseInfo,
    RetryPolicy,
    RowResult,
    Rules,
    Secret,
    SourceRow,
    TokenTTL,
    Unset,
    Webhook,
    WebhookRegistration,
    Whoami,
    read_csv,
    where,
)


def authenticate() -> ClientCredentials:
    """Create an app, and the grant for its own account."""
    app = OAuthApp("client-id", "client-secret")
    assert_type(app.client_id, str)
    assert_type(app.client_secret, Secret)
    return app.client_credentials()


def connect(show: list[RequestEvent]) -> CleverReach:
    """Create clients in every way, and siblings of them."""
    CleverReach("token")
    CleverReach(BearerToken("token"), http_client=httpx.AsyncClient(proxy="http://proxy.example"))
    CleverReach(BearerToken(Secret("token")), http_client=httpx2.AsyncClient())
    cr = CleverReach(
        authenticate(),
        base_url="http://127.0.0.1:8765",
        timeout=None,
        retry=RetryPolicy(attempts=2, max_retry_after=5),
        max_connections=20,
        requests_per_second=20,
        on_event=show.append,
    )
    slow = cr.with_options(timeout=120)
    tenant = slow.with_auth("other token")
    assert_type(slow, CleverReach)
    assert_type(tenant, CleverReach)
    return tenant


async def work_with_groups(cr: CleverReach) -> None:
    """Await a list for its first page, and iterate over it for every item."""
    async with cr as same:
        assert_type(same, CleverReach)
    group = await cr.groups.create(name="Newsletter")
    assert_type(group, Group)
    assert_type(group.id, int)
    assert_type(await cr.groups.stats(group.id), GroupStats)
    assert_type(cr.groups.list(), Paginator[Group])
    page = await cr.groups.list()
    assert_type(page, Page[Group])
    assert_type([it.name for it in page], list[str])
    assert_type(page[0], Group)


async def work_with_receivers(cr: CleverReach, group_id: int) -> Receiver:
    """List, set a page size, write."""
    async for receiver in cr.receivers.list(group_id=group_id):
        assert_type(receiver, Receiver)
        assert_type(receiver.email, str)
    async for page in cr.receivers.list(group_id=group_id, page_size=500).pages():
        assert_type(page, Page[Receiver])
    row = ReceiverInput(
        email="bruce@wayne.example",
        tags=["customer"],
        global_attributes={"firstname": "Bruce", "points": 7, "nickname": None},
        orders=[
            OrderInput(order_id="A-17", product="Lamp", price=Decimal("49.90"), currency="EUR")
        ],
    )
    assert_type(row.source, str | Unset)
    row.source = UNSET
    return await cr.receivers.upsert(row, group_id=group_id)


async def work_with_lists(cr: CleverReach, group_id: int, seen: list[ResponseInfo]) -> None:
    """Begin at any page, request several at once, collect, and look at the responses."""
    told = cr.with_options(on_response=seen.append)
    listing = told.receivers.list(group_id=group_id, page=2, prefetch=4)
    assert_type(await listing.collect(limit=10), list[Receiver])
    rules = [{"field": "city", "logic": "eq", "condition": "Gotham"}]
    assert_type(told.receivers.filter(rules, prefetch=4), Paginator[Receiver])
    assert_type(await told.receivers.clone(7, "bruce@wayne.example"), Receiver | None)
    assert_type(await told.receivers.valid_addresses(["x"]), tuple[str, ...])
    assert_type(seen[0].request_id, str | None)


async def work_with_webhooks(cr: CleverReach) -> None:
    """Register, list, and start an automation."""
    hook = await cr.webhooks.register("https://shop.example/hook", "receiver", verify="a" * 10)
    assert_type(hook, WebhookRegistration)
    assert_type(hook.secret, Secret)
    assert_type(cr.webhooks.list(), Paginator[Webhook])
    lamp = CartItem(id="L1", name="Lamp", single_price=Decimal("49.90"))
    cart = AbandonedCart(store_id="1", return_url="https://shop.example/cart", items=[lamp])
    await cr.automation.trigger_abandoned_cart(7, cart, group_id=9, cart_id="C-1")
    assert_type(cr.channels.list(), Paginator[Channel])
    assert_type(cr.templates.list(), Paginator[MailingTemplate])


async def confirm(cr: CleverReach, form_id: int) -> None:
    """Send the double opt-in mail."""
    await cr.forms.send_activation(
        form_id,
        email="bruce@wayne.example",
        user_ip="203.0.113.7",
        referer="https://shop.example/newsletter",
        user_agent="Mozilla/5.0",
    )
    assert_type(await cr.debug.ttl(), TokenTTL)
    assert_type(await cr.debug.whoami(), Whoami)
    assert_type(await cr.debug.validate(), bool)


def rows() -> Iterator[ReceiverInput | dict[str, Any]]:
    """Yield rows of both kinds."""
    yield ReceiverInput(email="bruce@wayne.example")
    yield {"email": "alfred@wayne.example"}


async def stream() -> AsyncIterator[ReceiverInput]:
    """Yield rows as they arrive."""
    yield ReceiverInput(email="bruce@wayne.example")


def show(progress: ImportProgress) -> None:
    """Show the progress of an import."""
    assert_type(progress.accepted, int)
    assert_type(progress.rows_per_second, float)


async def import_everything(cr: CleverReach, group_id: int) -> None:
    """Import from a file, from iterables, and by pushing rows."""
    assert_type(next(iter(read_csv("customers.csv"))), SourceRow | BadRow)
    report = await cr.bulk.upsert(
        read_csv("customers.csv"),
        group_id=group_id,
        concurrency=8,
        rejects=Path("rejects.jsonl"),
        on_progress=show,
    )
    assert_type(report, ImportReport)
    assert_type(report.samples, list[RowResult])
    report.assert_balanced()
    report.raise_for_failures()
    await cr.bulk.upsert(rows(), group_id=group_id)
    await cr.bulk.upsert(stream(), group_id=group_id)
    async with cr.bulk.open(group_id=group_id) as run:
        assert_type(run, ImportRun)
        await run.put(ReceiverInput(email="bruce@wayne.example"))
        await run.put({"email": "alfred@wayne.example"})


async def import_in_other_ways(cr: CleverReach, group_id: int) -> None:
    """Choose the operation, resume, read every result, stop."""
    await cr.bulk.upsert(rows(), group_id=group_id, strategy="upsert", concurrency="auto")
    await cr.bulk.insert(rows(), group_id=group_id, inactive=True, max_rejects=10)
    await cr.bulk.update(rows(), group_id=group_id, activate=True, max_reject_share=1)
    report = await cr.bulk.delete(["bruce@wayne.example"], group_id=group_id, canary=False)
    assert_type(report.earlier, Mapping[str, int])
    await cr.bulk.upsert(
        read_csv("customers.csv"),
        group_id=group_id,
        journal="import.journal",
        resume=True,
        max_rows_per_second=500.0,
        on_start=lambda run: run.stop("enough"),
        settle=0,
        drain=10.5,
    )
    async with cr.bulk.open(group_id=group_id, strategy="insert", journal=Path("j")) as run:
        await run.feed(stream())
        await run.put("alfred@wayne.example")
        await run.flush()
        async for outcome in run.results():
            assert_type(outcome, RowResult)
            assert_type(outcome.outcome, Outcome)
        run.abort()
        await run.end()
    assert_type(run.report, ImportReport)


async def call_anything(cr: CleverReach) -> Any:
    """Call an operation without a method, and read the fields of errors."""
    try:
        return await cr.request("GET", "/groups/{id}", path_params={"id": 7}, query={"page": 0})
    except NotFoundError as error:
        assert_type(error.status_code, int)
        assert_type(error.headers, dict[str, str])
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except APIStatusError as error:
        assert_type(error.code, int | None)
    except ImportFailedError as error:
        assert_type(error.report, Any)
    except CleverReachError as error:
        assert_type(str(error), str)
    return None


async def work_with_the_account(cr: CleverReach) -> None:
    """Blacklists, bounces, the account, content sources and flows."""
    assert_type(await cr.blacklist.add("ann@mail.example"), BlacklistEntry)
    assert_type(await cr.blacklist.list(group_id=7), Page[BlacklistEntry])
    assert_type(cr.bounces.list(), Paginator[Bounce])
    account = await cr.clients.get(129000)
    assert_type(account, ClientAccount)
    assert_type(await cr.clients.plan(account.id), ClientPlan)
    assert_type(await cr.clients.token(account.id), Secret)
    assert_type(await cr.my_content.get(7), MyContent)
    assert_type(cr.flows.list(), Paginator[Flow])


async def work_with_segments(cr: CleverReach) -> None:
    """Build rules, and send those of another segment."""
    rules = where("city").eq("Kiel") & (where("age").gt(17) | where("tags").contains(["a", "b"]))
    assert_type(rules, Rules)
    number = await cr.filters.create(group_id=7, name="Kiel", rules=rules)
    assert_type(number, int)
    segment = await cr.filters.get(number, group_id=7)
    assert_type(segment, Filter)
    assert_type(segment.rules, tuple[FilterRule, ...])
    await cr.filters.update(number, group_id=7, rules=segment.rules)
    assert_type(cr.filters.receivers(number, group_id=7), Paginator[Receiver])
    assert_type(await cr.filters.stats(number, group_id=7), GroupStats)
