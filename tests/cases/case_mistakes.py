"""Everyday mistakes: each is told what to do instead, or does what was meant."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import httpx
from cases.registry import case
from support.accounts import Account, attribute

from cleverreach_async import CleverReach, OAuthApp, OrderInput, ReceiverInput

ANN = "ann@example.org"
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake
TODAY = date(2026, 1, 1)
SECONDS = 1_767_225_600
ROW = ReceiverInput(ANN)
MAPPING = {"email": ANN}


@attrs.frozen
class Group:
    """What a mistake needs: a client, its group, and the group's id."""

    cr: Any
    id: Any
    account: Account


Act = Callable[[Group], Any]
"""A mistake. Untyped, as the code of somebody who uses no type checker."""


def mistakes(prefix: str, *table: tuple[str, Any, Act]) -> None:
    """Register cases: a name, the right result or words of it or of the error, and the mistake."""
    for name, right, act in table:
        register(f"mistakes, {prefix} {name}", right, act)


def register(name: str, right: Any, act: Act) -> None:
    """Register a case."""

    @case(name, str(right), right)
    async def _(account: Account) -> Any:
        try:
            found = act(Group(account.client, account.group_id, account))
            found = await found if inspect.isawaitable(found) else found
        except Exception as error:  # noqa: BLE001 - any may be the right one
            found = f"{type(error).__name__}: {error}"
        has_words = isinstance(right, str) and isinstance(found, str) and right in found
        return right if has_words else found


def upsert(receiver: Any, **options: Any) -> Act:
    """Write a receiver, and return its address."""

    async def act(it: Group) -> Any:
        return (await it.cr.receivers.upsert(receiver, group_id=it.id, **options)).email

    return act


def load(source: Any, **options: Any) -> Act:
    """Import a source, and return how many rows were accepted, or why they were not."""

    async def act(it: Group) -> Any:
        report = await it.cr.bulk.upsert(source, **{"group_id": it.id, **options})
        return report.samples[0].message if report.samples else report.accepted

    return act


# Ids.

AN_ID = "pass an id: a number of 1 or more"
mistakes(
    "group or receiver",
    ("group id as text", "N", lambda it: name_of(it.cr.groups.get(str(it.id)))),
    ("group id as text, list", 0, lambda it: length(it.cr.receivers.list(group_id=str(it.id)))),
    ("group id None", AN_ID, lambda it: it.cr.receivers.upsert(ROW, group_id=None)),
    ("group id None, import", AN_ID, load([ANN], group_id=None)),
    ("group name", AN_ID, load([ANN], group_id="Newsletter")),
    ("other name", "argument 'group'", lambda it: it.cr.receivers.upsert(ROW, group=it.id)),
    ("no such group", "404 Not Found: invalid group", lambda it: it.cr.groups.get(999)),
    ("no such group, import", "404 Not Found: invalid group", load([ANN], group_id=999)),
    (
        "no such receiver",
        "404 Not Found: invalid receiver",
        lambda it: it.cr.receivers.get("zz@example.org", group_id=it.id),
    ),
    (
        "no address",
        "pass a pool id (a number of 1 or more) or an e-mail address",
        lambda it: it.cr.receivers.get("", group_id=it.id),
    ),
)


async def name_of(found: Awaitable[Any]) -> Any:
    """Return the name of something."""
    return (await found).name


async def length(page: Awaitable[Any]) -> int:
    """Return how many items a page has."""
    return len(await page)


# Receivers.

AWARE = "pass an aware datetime, such as datetime.now(UTC)"
A_TIME = "it takes an aware datetime, or Unix seconds"
A_LIST = "pass a list of receivers: [receiver]"
mistakes(
    "receiver",
    ("mapping", ANN, upsert(MAPPING)),
    ("text", "pass ReceiverInput(email=…, …), or a mapping of its fields", upsert(ANN)),
    ("many mappings", 1, lambda it: length(it.cr.receivers.upsert_many([MAPPING], group_id=it.id))),
    ("one of many", A_LIST, lambda it: it.cr.receivers.upsert_many(ROW, group_id=it.id)),
    (
        "too many",
        "the API takes 1000, use cr.bulk for more",
        lambda it: it.cr.receivers.upsert_many([ROW] * 1001, group_id=it.id),
    ),
    ("unknown field", "firstname", lambda _: ReceiverInput(ANN, firstname="x")),  # type: ignore[call-arg]
    ("no valid address", "check its address", upsert(ReceiverInput("not-an-address"))),
    ("empty address", "check its address", upsert(ReceiverInput(""))),
    ("naive time", AWARE, upsert({**MAPPING, "registered": NAIVE})),
    ("date", A_TIME, upsert({**MAPPING, "registered": TODAY})),
    ("text as time", AWARE, upsert({**MAPPING, "registered": "2024-01-01"})),
    ("fraction as time", A_TIME, upsert({**MAPPING, "registered": SECONDS + 0.5})),
    ("milliseconds", A_TIME, upsert({**MAPPING, "registered": SECONDS * 1000})),
    ("naive time, import", AWARE, load([{**MAPPING, "registered": NAIVE}])),
    ("field, import", "unknown key 'firstname'; known are email", load([{"firstname": "x"}])),
    ("header, import", "unknown key 'E-Mail'; known are email", load([{"E-Mail": ANN}])),
)


async def twice(it: Group) -> Any:
    """Create a receiver two times."""
    await it.cr.receivers.create(ROW, group_id=it.id)
    return await it.cr.receivers.create(ROW, group_id=it.id)


mistakes("receiver", ("created twice", "400 duplicate address <hidden>", twice))


def kept(**fields: Any) -> Act:
    """Write a receiver, and return what the account has of its tags and attributes."""

    async def act(it: Group) -> Any:
        await it.cr.attributes.create(name="city", type="text")
        await it.cr.receivers.upsert({**MAPPING, **fields}, group_id=it.id)
        stored = await it.account.person(ANN)
        return (*stored.tags, attribute(stored, "city"))

    return act


mistakes(
    "value",
    ("tags as text", ("customer", ""), kept(tags="customer")),
    ("no value", ("",), kept(global_attributes={"city": None})),
    ("number as value", ("5",), kept(global_attributes={"city": 5})),
    ("Decimal as value", ("1.5",), kept(global_attributes={"city": Decimal("1.5")})),
    (
        "time as value",
        ("2026-01-01T00:00:00Z",),
        kept(global_attributes={"city": datetime(2026, 1, 1, tzinfo=UTC)}),
    ),
)

# Other resources.


async def order(it: Group, line: Any) -> Any:
    """Add an order to a receiver, and return what the account has of it."""
    await it.cr.receivers.upsert(ROW, group_id=it.id)
    await it.cr.orders.create(ANN, line, group_id=it.id)
    [stored] = (await it.account.person(ANN)).orders
    return stored.order_id, stored.price


async def dup(it: Group) -> Any:
    """Create an attribute two times."""
    await it.cr.attributes.create(name="dup", type="text")
    await it.cr.attributes.create(name="dup", type="text")


async def tagged(it: Group, tags: str) -> Any:
    """Add tags to a receiver, and return those that the account has."""
    await it.cr.receivers.upsert(ROW, group_id=it.id)
    await it.cr.tags.add(ANN, tags)
    return (await it.account.person(ANN)).tags


WHOLE = "it must be a whole number from 1"
LINE = {"order_id": "3", "product": "p"}
mistakes(
    "call",
    ("type of an attribute", "one of text", lambda it: it.cr.attributes.create(name="x", type="s")),
    ("attribute twice", "409 Conflict: attribute already exists", dup),
    ("group without a name", "missing name", lambda it: it.cr.groups.create(name="")),
    ("state", "one of all, active", lambda it: it.cr.receivers.list(group_id=it.id, state="on")),
    ("several tags as text", ("vip", "gold"), lambda it: tagged(it, "vip,gold")),
    ("order as a mapping", ("3", 0.0), lambda it: order(it, LINE)),
    ("order id as a number", ("3", 0.0), lambda it: order(it, {**LINE, "order_id": 3})),
    ("price", ("3", 9.99), lambda it: order(it, OrderInput("3", "p", price=9.99, currency="EUR"))),
    ("price as text", "invalid order: price", lambda it: order(it, {**LINE, "price": "9,99"})),
    (
        "page of nothing",
        f"page_size is 0; {WHOLE} to 5000",
        lambda it: it.cr.receivers.list(group_id=it.id, page_size=0),
    ),
    (
        "page of too many",
        f"page_size is 99999; {WHOLE} to 5000",
        lambda it: it.cr.receivers.list(group_id=it.id, page_size=99_999),
    ),
    ("path without a slash", "must start with one slash", lambda it: it.cr.request("GET", "a")),
    (
        "whole URL",
        "must start with one slash",
        lambda it: it.cr.request("GET", "https://rest.cleverreach.com/v3/groups"),
    ),
    ("path with /v3", 1, lambda it: length(it.cr.request("GET", "/v3/groups"))),
    (
        "method",
        "method is 'GTE'; use GET, POST, PUT or DELETE",
        lambda it: it.cr.request("GTE", "/groups"),
    ),
    ("no such resource", "no attribute 'campaigns'", lambda it: it.cr.campaigns.list()),
)

# Lists that were not awaited, or once too often.

NOT_LOADED = "use `async for item in …` for all items, or `page = await …`"


async def over_page(it: Group) -> None:
    """Iterate over a page asynchronously."""
    async for _ in await it.cr.groups.list():
        pass


mistakes(
    "list",
    ("loop", NOT_LOADED, lambda it: list(it.cr.groups.list())),
    ("index", NOT_LOADED, lambda it: it.cr.groups.list()[0]),
    ("length", NOT_LOADED, lambda it: len(it.cr.groups.list())),
    ("items", "`page = await …` for the first page", lambda it: it.cr.groups.list().items),
    ("repr", True, lambda it: "`page = await …`" in repr(it.cr.groups.list())),
    ("async for over a page", "leave out `await`", over_page),
)

# Imports.

FILE = "read a file with read_rows(path) or read_csv(path)"
ONE = "pass a list, even for one receiver: [source]"
mistakes(
    "import",
    ("path as text", FILE, load("customers.csv")),
    ("path", FILE, load(Path("customers.csv"))),
    ("mapping", ONE, load(MAPPING)),
    ("receiver", ONE, load(ROW)),
    ("None", "source is None; pass a list", load(None)),
    ("addresses", 1, load([ANN])),
    ("nothing", 0, load([])),
    ("no task", f"concurrency is 0; {WHOLE} to 32", load([], concurrency=0)),
    ("text as number", f"concurrency is 'x'; {WHOLE} to 32", load([], concurrency="x")),
    ("unknown option", "unknown option workers: did you mean concurrency?", load([], workers=3)),
    ("no journal", "resume needs a journal; pass it as journal=", load([], resume=True)),
)

# Clients.

CREDENTIALS = "pass OAuthApp(client_id, client_secret).client_credentials(), an access token"
ADVICE = "check the token or the client id and secret, and whether they have expired"


def make(auth: Any = "token", **options: Any) -> Act:
    """Create a client."""
    return lambda _: repr(CleverReach(auth, **options))


async def closed(it: Group) -> Any:
    """Use a client after it was closed."""
    await it.cr.aclose()
    return await it.cr.groups.list()


def used_with(auth: Any) -> Act:
    """Use the account with other credentials."""
    return lambda it: it.cr.with_auth(auth).groups.list()


async def broken(error: type[httpx.TransportError]) -> Any:
    """Call a server that cannot be reached."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise error("All connection attempts failed", request=request)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client,
        CleverReach("token", http_client=http_client, timeout=0.0001) as cr,
    ):
        return await cr.groups.list()


def with_sync(_: Group) -> None:
    """Open a client without ``async``."""
    client: Any = CleverReach("token")
    with client:
        pass


mistakes(
    "client",
    ("none", "missing 1 required positional argument: 'auth'", lambda _: CleverReach()),  # type: ignore[call-arg]
    ("None", CREDENTIALS, make(None)),
    ("empty", "token is empty; is the variable that holds it set?", make("")),
    ("app", "pass app.client_credentials()", make(OAuthApp("id", "secret"))),
    ("pair", CREDENTIALS, make(("id", "secret"))),
    ("Bearer", "begins with the word Bearer; pass it without", make("Bearer abc")),
    ("no scheme", "does not begin with https://", make(base_url="rest.cleverreach.com")),
    ("http", "allow_http=True", make(base_url="http://rest.cleverreach.com")),
    (
        "/v3",
        "<CleverReach https://rest.cleverreach.com unopened>",
        make(base_url="https://rest.cleverreach.com/v3"),
    ),
    ("timeout", "it must be a number of seconds above 0", make(timeout="30")),
    ("sync client", "must be an httpx.AsyncClient", make(http_client=object())),
    ("closed", "the client is closed; make a new one", closed),
    ("wrong token", ADVICE, used_with("wrong")),
    ("wrong secret", "invalid_client", used_with(OAuthApp("sandbox", "x").client_credentials())),
    ("no server", "cannot reach rest.cleverreach.com", lambda _: broken(httpx.ConnectError)),
    ("too late", "within 0.0001 s", lambda _: broken(httpx.ReadTimeout)),
    ("with", "use `async with CleverReach(…)`", with_sync),
)
