"""Calls and imports that stored something else than was sent, in silence."""

from typing import Any

import attrs
from cases.registry import case
from support.accounts import Account, attribute

from cleverreach_async import ConfigurationError, ImportFailedError, OrderInput, ReceiverInput
from cleverreach_async.sandbox import Fault

ANN = "ann@example.org"


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
