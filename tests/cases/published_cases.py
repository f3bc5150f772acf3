"""Files and calls that once went wrong in silence, each with the right result.

``python tests/cases/published_cases.py`` shows what became of each.
"""

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.accounts import Account, an_account

from cleverreach_async import (
    CleverReach,
    ConfigurationError,
    ImportFailedError,
    OrderInput,
    Receiver,
    ReceiverInput,
    SourceError,
    read_rows,
)
from cleverreach_async.sandbox import Fault

FILES = Path(__file__).parent / "files"
ANN, BEN, CY = "ann@example.org", "ben@example.org", "cy@example.org"
EARLIER = 1_577_836_800
"""A time before the ones in the files."""


@attrs.frozen
class Case:
    """Something that once went wrong.

    Attributes:
        name: The file, or the call.
        right: The right result, in words.
        expected: The right result.
        find: Does it, and returns the result.
    """

    name: str
    right: str
    expected: Any
    find: Callable[[Account], Awaitable[Any]]


CASES: list[Case] = []


def case(name: str, right: str, expected: Any) -> Callable[..., None]:
    """Register a case."""

    def register(find: Callable[[Account], Awaitable[Any]]) -> None:
        CASES.append(Case(name, right, expected, find))

    return register


def rows_of(name: str, **options: Any) -> Any:
    """Open a file of the cases."""
    return read_rows(FILES / name, **options)


async def outcomes(account: Account, name: str, **options: Any) -> list[str]:
    """Import a file and return the outcome of each row."""
    return (await account.load(rows_of(name), **options)).outcomes()


def attribute(receiver: Receiver, *names: str) -> Any:
    """Return the values of attributes; one as it is."""
    values = [receiver.global_attributes.get(name, "") for name in names]
    return values[0] if len(values) == 1 else values


def day(moment: datetime | None) -> str | None:
    """Return the day of a time."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d}"


# Consent.


@case("lift_unsubscribe.csv", "stays unsubscribed; deactivated is not sent", (False, "2020-01-01"))
async def _(account: Account) -> Any:
    before = ReceiverInput(ANN, deactivated=EARLIER)
    await account.client.receivers.upsert(before, group_id=account.group_id)
    await account.load(rows_of("lift_unsubscribe.csv"))
    ann = await account.person(ANN)
    return ann.active, day(ann.deactivated)


@case(
    "newsletter_nein.csv",
    "ben excluded, ann accepted",
    (["accepted", "excluded: not_subscribed"], [ANN]),
)
async def _(account: Account) -> Any:
    found = await outcomes(account, "newsletter_nein.csv")
    return found, [*await account.people()]


@case("doi_empty.csv", "ben inactive if new", {ANN: True, BEN: False})
async def _(account: Account) -> Any:
    await account.load(rows_of("doi_empty.csv"))
    return {email: it.active for email, it in (await account.people()).items()}


@case("doi_empty.csv, ben is known", "ben untouched if known", {ANN: True, BEN: True})
async def _(account: Account) -> Any:
    known = ReceiverInput(BEN, registered=EARLIER, activated=EARLIER)
    await account.client.receivers.upsert(known, group_id=account.group_id)
    await account.load(rows_of("doi_empty.csv"))
    return {email: it.active for email, it in sorted((await account.people()).items())}


@case("dup_unsub.csv", "ann unsubscribed, city Kiel", (False, "2024-01-31", "Kiel"))
async def _(account: Account) -> Any:
    await account.load(rows_of("dup_unsub.csv"))
    ann = await account.person(ANN)
    return ann.active, day(ann.deactivated), attribute(ann, "city")


for _name, _code in {
    "brevo_blacklisted.csv": "blacklisted",
    "mailchimp_unsub.csv": "unsubscribed",
    "shopware6_optout.csv": "unsubscribed",
}.items():

    @case(_name, "excluded", ([f"excluded: {_code}"], []))
    async def _(account: Account, name: str = _name) -> Any:
        return await outcomes(account, name), [*await account.people()]

    @case(f"{_name}, deactivate", "deactivated on request", (["accepted"], [False]))
    async def _(account: Account, name: str = _name) -> Any:
        found = await outcomes(account, name, not_subscribed="deactivate")
        return found, [it.active for it in (await account.people()).values()]


# Values.


@case(
    "date_9999.csv",
    "row 2 rejected as invalid_date, 1 and 3 accepted",
    ["accepted", "rejected: invalid_date", "accepted"],
)
async def _(account: Account) -> Any:
    return await outcomes(account, "date_9999.csv")


@case("ms_times.jsonl", "rejected as invalid_date", ["rejected: invalid_date"])
async def _(account: Account) -> Any:
    return await outcomes(account, "ms_times.jsonl")


@case("eq_wrapped.csv", "01067", ["01067", "0351 123", "00017"])
async def _(account: Account) -> Any:
    await account.load(rows_of("eq_wrapped.csv"))
    return attribute(await account.person(ANN), "zip", "phone", "customer_number")


@case("zero_width.csv", "an address without U+200B", ([ANN], 1))
async def _(account: Account) -> Any:
    loaded = await account.load(rows_of("zero_width.csv"))
    return [*await account.people()], loaded.report.changed_values


@case(
    "tags_semicolon.csv",
    "VIP and Kunde_Kiel; VIP and Blog",
    [("VIP", "Kunde_Kiel"), ("VIP", "Blog")],
)
async def _(account: Account) -> Any:
    await account.load(rows_of("tags_semicolon.csv"))
    return [(await account.person(f"{name}@example.org")).tags for name in "ab"]


@case(
    "gender_number.csv",
    "female by the account's type; 1234.56; the relative -5 refused with a remedy",
    (["female", "1234.56"], ["accepted", "rejected: relative_number"], True),
)
async def _(account: Account) -> Any:
    await account.client.attributes.create(name="salutation", type="gender")
    await account.client.attributes.create(name="umsatz", type="number")
    source = rows_of("gender_number.csv", mapping={"Umsatz": "umsatz"})
    report = await account.client.bulk.upsert(source, group_id=account.group_id)
    ann = await account.person(ANN)
    found = ["accepted", *(f"rejected: {code}" for code in report.reasons)]
    has_remedy = "--relative" in report.samples[0].message
    return attribute(ann, "salutation", "umsatz"), found, has_remedy


@case(
    "birthdays.csv",
    "one rule; implausible years left out and counted",
    (["1928-03-05", "1980-05-05", ""], 1),
)
async def _(account: Account) -> Any:
    loaded = await account.load(rows_of("birthdays.csv"))
    people = [await account.person(f"{name}@example.org") for name in "abc"]
    return [attribute(it, "birthday") for it in people], loaded.report.dropped_values


# Files.


@case(
    "shift_empty_tail.csv",
    "row 1 rejected (width), row 2 accepted",
    ["rejected: ragged_row", "accepted"],
)
async def _(account: Account) -> Any:
    return await outcomes(account, "shift_empty_tail.csv")


@case("short_row_shift.csv", "ben rejected (width)", ["accepted", "rejected: ragged_row"])
async def _(account: Account) -> Any:
    return await outcomes(account, "short_row_shift.csv")


@case(
    "quote_pair.csv",
    "all rows that a stray quote swallowed are reported with their lines",
    [(2, "torn_quote"), (3, ""), (4, "torn_quote")],
)
async def _(account: Account) -> Any:
    loaded = await account.load(rows_of("quote_pair.csv"))
    return sorted((it.line, it.code) for it in loaded.results)


@case(
    "truncated.csv",
    "the last row rejected: the file may be cut",
    ["accepted", "rejected: cut_row"],
)
async def _(account: Account) -> Any:
    return await outcomes(account, "truncated.csv")


for _name, _encoding in {"macroman.csv": "mac_roman", "cp850.csv": "cp850"}.items():

    @case(_name, "refused with the candidates", (_encoding, True))
    async def _(account: Account, name: str = _name, encoding: str = _encoding) -> Any:
        del account
        try:
            rows_of(name)
        except SourceError as error:
            text = str(error)
            return encoding if encoding in text else text, "--encoding" in text
        return "read"

    _stored = ["Jürgen", "Köln"] if _encoding == "mac_roman" else ["Jörg", "Straße"]

    @case(f"{_name}, --encoding", "decoded right", _stored)
    async def _(account: Account, name: str = _name, encoding: str = _encoding) -> Any:
        await account.load(rows_of(name, encoding=encoding))
        return attribute(await account.person(ANN), "firstname", "city")


# Calls.


def raised_once() -> ReceiverInput:
    """A row that adds one to a number."""
    return ReceiverInput("h@example.org", global_attributes={"ordercount": "+1"})


async def lose_answer(account: Account) -> None:
    """Let the next write be stored, and its answer be lost."""
    await account.client.attributes.create(name="ordercount", type="number")
    fault = Fault("status", code=502, body="html", committed=True, times=1)
    account.sandbox.faults.add(fault)


async def ordercount(account: Account) -> str:
    """What the account stored."""
    return str(attribute(await account.person("h@example.org"), "ordercount"))


@case("inc_sandbox, bulk", "1, or unknown", ("1", 1))
async def _(account: Account) -> Any:
    await lose_answer(account)
    report = await account.client.bulk.upsert(
        [raised_once()], group_id=account.group_id, settle=0.0
    )
    return await ordercount(account), report.accepted + report.unknown


@case("inc_sandbox, with an order", "1, and one order", ("1", 1))
async def _(account: Account) -> Any:
    await lose_answer(account)
    row = attrs.evolve(raised_once(), orders=[OrderInput("A1", "Lamp")])
    await account.client.bulk.upsert([row], group_id=account.group_id, settle=0.0)
    stored = await account.person("h@example.org")
    return await ordercount(account), len(stored.orders)


for _call in ("upsert", "upsert_many"):

    @case(f"inc_sandbox, {_call}", "1, and an error", ("1", "raised"))
    async def _(account: Account, call: str = _call) -> Any:
        await lose_answer(account)
        receivers = account.client.receivers
        row: Any = raised_once() if call == "upsert" else [raised_once()]
        try:
            await getattr(receivers, call)(row, group_id=account.group_id)
        except Exception:  # noqa: BLE001 - which one is tested elsewhere
            return await ordercount(account), "raised"
        return await ordercount(account), "returned"


@case(
    "ms_poison",
    "refused before it is sent, and the group can be listed",
    ({"invalid_date": 1}, 300, "refused"),
)
async def _(account: Account) -> Any:
    bulk, receivers = account.client.bulk, account.client.receivers
    await bulk.upsert(
        [f"p{number}@example.org" for number in range(300)], group_id=account.group_id
    )
    row = {"email": "bad@example.org", "registered": 1_767_225_600_000}
    report = await bulk.upsert([row], group_id=account.group_id)
    try:
        await receivers.upsert(ReceiverInput(**row), group_id=account.group_id)  # type: ignore[arg-type]
    except ConfigurationError:
        single = "refused"
    else:
        single = "sent"
    return report.reasons, len(await account.people()), single


@case("silent_attributes", "the import stops, naming the attribute", (True, 0))
async def _(account: Account) -> Any:
    rows = [ReceiverInput(ANN, global_attributes={"firstname": "Bruce", "city": "Kiel"})]
    try:
        await account.client.bulk.upsert(rows, group_id=account.group_id)
    except (ImportFailedError, ConfigurationError) as error:
        return "firstname" in f"{error}{error.__cause__}", len(await account.people())
    return "imported"


@case("silent_attributes, created", "values are stored", ["Bruce", "Kiel"])
async def _(account: Account) -> Any:
    row = ReceiverInput(ANN, global_attributes={"First Name": "Bruce", "city": "Kiel"})
    await account.client.attributes.create(name="First Name", type="text")
    await account.load([row])
    return attribute(await account.person(ANN), "first_name", "city")


def an_order(**fields: Any) -> dict[str, Any]:
    """The orders of a receiver in an answer."""
    return {"orders": [{"order_id": "A1", "product": "Lamp", **fields}]}


def of_order(name: str) -> Callable[[Receiver], Any]:
    """Return a function that reads a field of the first order."""
    return lambda receiver: getattr(receiver.orders[0], name)


ODD_ANSWERS: dict[str, tuple[dict[str, Any], Callable[[Receiver], Any], Any]] = {
    "quantity 1.0000": (an_order(quantity="1.0000"), of_order("quantity"), 1),
    "quantity 1.5": (an_order(quantity=1.5), of_order("quantity"), 1.5),
    "price 49,90": (an_order(price="49,90"), of_order("price"), 49.9),
    "points 69.5": ({"points": 69.5}, lambda it: it.points, 69.5),
    "registered in ms": (
        {"registered": 1_767_225_600_000},
        lambda it: (it.registered, dict(it.extra)),
        (None, {"registered": 1_767_225_600_000}),
    ),
    "registered as text": (
        {"registered": "2026-01-01 12:00:00"},
        lambda it: (it.registered, dict(it.extra)),
        (None, {"registered": "2026-01-01 12:00:00"}),
    ),
    "deactivated -1": ({"deactivated": -1}, lambda it: it.deactivated, None),
    "tags with a gap": ({"tags": {"0": "a", "2": "b"}}, lambda it: it.tags, ("a", "b")),
    "tags as text": ({"tags": "a,b"}, lambda it: it.tags, ("a", "b")),
    "tags false": ({"tags": False}, lambda it: it.tags, ()),
    "attributes as a list": (
        {"attributes": [{"id": "1", "name": "vorname", "value": "x"}]},
        lambda it: dict(it.attributes),
        {"vorname": "x"},
    ),
    "a list as a value": (
        {"global_attributes": {"c": ["x", "y"]}},
        lambda it: dict(it.global_attributes),
        {"c": ["x", "y"]},
    ),
}


@case(
    "decode_odd",
    "field by field, nothing lost",
    {name: expected for name, (_, _, expected) in ODD_ANSWERS.items()},
)
async def _(account: Account) -> Any:
    del account
    found: dict[str, Any] = {}
    for name, (fields, value, _) in ODD_ANSWERS.items():
        answer = {"id": "7", "email": ANN, **fields}
        transport = httpx.MockTransport(lambda _, answer=answer: httpx.Response(200, json=answer))
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach("token", http_client=http_client) as client,
        ):
            found[name] = value(await client.receivers.get(7, group_id=1))
    return found


async def result_of(chosen: Case) -> Any:
    """Do what the case says in an empty account."""
    async with an_account() as account:
        return await chosen.find(account)


async def show() -> int:
    """Print every case; returns how many are not right."""
    wrong = 0
    for chosen in CASES:
        found = await result_of(chosen)
        is_right = found == chosen.expected
        wrong += not is_right
        print(f"{'right' if is_right else 'WRONG'}  {chosen.name}: {chosen.right}\n       {found}")  # noqa: T201
    return wrong


if __name__ == "__main__":
    sys.exit(anyio.run(show) > 0)
