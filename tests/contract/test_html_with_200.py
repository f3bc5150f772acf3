"""A page with status 200 is never taken for success, and loses or doubles no row."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import attrs
import pytest
from support.clocks import FakeClock

from cleverreach_async import (
    CleverReach,
    CleverReachError,
    ImportFailedError,
    ImportReport,
    OrderInput,
    ReceiverInput,
    RetryPolicy,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.strategies import STRATEGIES
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox

pytestmark = pytest.mark.anyio

CALLS: dict[str, Callable[[CleverReach], Awaitable[Any]]] = {
    "get a group": lambda cr: cr.groups.get(4711),
    "delete a group": lambda cr: cr.groups.delete(4711),
    "read a receiver": lambda cr: cr.receivers.get("ann@example.org"),
    "deactivate a receiver": lambda cr: cr.receivers.deactivate("ann@example.org", group_id=4711),
    "upsert a receiver": lambda cr: cr.receivers.upsert(
        ReceiverInput("ann@example.org"), group_id=4711
    ),
    "create an order": lambda cr: cr.orders.create("ann@example.org", OrderInput("1", "Lamp")),
    "list receivers": lambda cr: cr.receivers.list(group_id=4711).collect(limit=10),
    "release a mailing": lambda cr: cr.mailings.release(4711, time=2_000_000_000),
    "add a tag": lambda cr: cr.tags.add("ann@example.org", "vip"),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox that answers an error with a page."""
    with Sandbox(behaviour=Behaviour(errors_as_html=True)) as sandbox:
        yield sandbox


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_refused_call_raises(cr: CleverReach, call: Any) -> None:
    """Whatever the call reads or writes, the page is an error of the library."""
    with pytest.raises(CleverReachError):
        await call(cr.with_options(retry=RetryPolicy(attempts=1)))


async def test_a_live_order_is_not_delivered(cr: CleverReach) -> None:
    """The result says that it is unknown: a page does not show whether it was stored."""
    result = await cr.orders.inject("ann@example.org", OrderInput("1", "Lamp"))
    assert "unknown" == result.status


async def load(
    cr: CleverReach, rows: list[ReceiverInput], group_id: int, call: Any
) -> ImportReport:
    """Import rows in virtual time."""
    bulk = Bulk(attrs.evolve(vars(cr.bulk)["_transport"], clock=FakeClock()))
    try:
        async with bulk.open(group_id=group_id, strategy=call, max_reject_share=1) as run:
            for row in rows:
                await run.put(row)
    except ImportFailedError as error:
        report: ImportReport = error.report
        return report
    return run.report


@pytest.mark.parametrize("call", STRATEGIES)
async def test_an_import_into_an_unknown_group(cr: CleverReach, call: str) -> None:
    """No row is accepted, and none is lost."""
    rows = [ReceiverInput(f"p{n}@example.org") for n in range(3)]
    report = await load(cr, rows, 4711, call)
    report.assert_balanced()
    assert (3, 0) == (report.read, report.accepted)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("call", ["upsertplus", "upsert", "insert"])
async def test_a_page_in_the_middle_of_an_import(
    cr: CleverReach, sandbox: Sandbox, call: str, *, committed: bool
) -> None:
    """Rows behind a page are looked up: all are stored in the end, and their orders once."""
    group_id = (await cr.groups.create(name="Newsletter")).id
    orders = [OrderInput("A-17", "Lamp")]
    with_orders = call == "upsertplus"
    rows = [
        ReceiverInput(f"p{n}@example.org", orders=orders) if with_orders
        else ReceiverInput(f"p{n}@example.org")
        for n in range(12)
    ]  # fmt: skip
    sandbox.faults.add(
        Fault("status", code=200, body="html", times=1, path_suffix=f"/{call}", committed=committed)
    )
    report = await load(cr, rows, group_id, call)

    assert (12, 12) == (report.accepted, len(sandbox.store.emails(group_id)))
    assert [with_orders] * 12 == [len(sandbox.store.orders(row.email)) for row in rows]
