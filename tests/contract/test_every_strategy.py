"""Every import strategy works with every behaviour that can affect it."""

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from support.clocks import FakeClock
from support.model_server import counts

from cleverreach_async import CleverReach, ImportReport, OrderInput, ReceiverInput
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.strategies import STRATEGIES
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox

pytestmark = pytest.mark.anyio

SWITCHES: dict[str, tuple[Any, ...]] = {
    "bad_row_as": ("object",),
    "refused_plus_row": ("string", "object"),
    "plus_order": ("reversed", "shuffled"),
    "plus_nothing_stored": ("false",),
    "plus_with_orders": (True,),
    "repeated_row": ("once",),
    "batch_item_id": ("str",),
    "batch_delete_answer": ("true",),
    "blacklisted_row": ("refuse",),
    "email_case": ("lower",),
    "errors_as_200": ("refusals", "always"),
    "empty_map": ("list",),
    "dedupe_orders": (True,),
    "order_quantity_key": ("amount",),
    "arrays": ("numbered", "keyed"),
    "sparse_profiles": (True,),
    "max_rows": (7,),
    "max_body_bytes": (900,),
}
BEHAVIOURS = {
    "default": Behaviour(),
    **{
        f"{name}={value}": Behaviour(**{name: value})
        for name, values in SWITCHES.items()
        for value in values
    },
    "refusals in place, shuffled": Behaviour(plus_order="shuffled", refused_plus_row="object"),
    "many at once": Behaviour(
        bad_row_as="object",
        refused_plus_row="string",
        plus_order="reversed",
        plus_nothing_stored="false",
        batch_item_id="str",
        batch_delete_answer="true",
        blacklisted_row="refuse",
        email_case="lower",
        errors_as_200="always",
        empty_map="list",
        max_body_bytes=900,
    ),
}
calls = pytest.mark.parametrize("call", STRATEGIES)


@pytest.fixture(params=list(BEHAVIOURS.values()), ids=list(BEHAVIOURS))
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with each behaviour."""
    with Sandbox(behaviour=request.param) as sandbox:
        yield sandbox


async def load(
    cr: CleverReach, rows: list[ReceiverInput], group_id: int, call: Any
) -> tuple[ImportReport, dict[int, str]]:
    """Import rows with a strategy; return the report, and the outcome or code by row."""
    async with cr.bulk.open(group_id=group_id, strategy=call, max_reject_share=1) as run:
        for row in rows:
            await run.put(row)
        results = [result async for result in run.results()]
    run.report.assert_balanced()
    assert len(rows) == len(results)
    return run.report, {result.row: result.code or result.outcome.value for result in results}


def receivers(count: int, source: str = "new") -> list[ReceiverInput]:
    """Return receivers whose source tells old from new."""
    return [ReceiverInput(f"P{n}@example.org", source=source) for n in range(count)]


@calls
async def test_results_match_what_is_stored(cr: CleverReach, sandbox: Sandbox, call: str) -> None:
    """Accepted rows are stored, and the others have the expected code."""
    await cr.request("POST", "/blacklist", json={"email": "p3@example.org"})
    group_id = (await cr.groups.create(name="Newsletter")).id
    before = set[str]()
    if call in {"insert", "update", "delete"}:
        there = receivers(20, "old")[: 5 if call == "insert" else 20]
        await load(cr, [row for row in there if row.email != "P3@example.org"], group_id, "upsert")
        before = {email.lower() for email in sandbox.store.emails(group_id)}
    _, codes = await load(cr, receivers(24), group_id, call)

    assert expected_codes(call, sandbox.behaviour) == {
        row: code for row, code in codes.items() if code != "accepted"
    }
    done = {f"p{row - 1}@example.org" for row, code in codes.items() if code == "accepted"}
    now = {email.lower() for email in sandbox.store.emails(group_id)}
    if call == "delete":
        assert set() == now
        return
    assert before | done == now
    for email in sorted(done)[:3]:
        assert "new" == (await cr.receivers.get(email, group_id=group_id)).source


def expected_codes(call: str, behaviour: Behaviour) -> dict[int, str]:
    """Return the code of every row that is not accepted; row 4 is on the blacklist."""
    blocked = {4: "blacklisted"} if behaviour.blacklisted_row == "refuse" else {}
    if call == "insert":
        there = dict.fromkeys((1, 2, 3, 5), "duplicate")
        return there | blocked
    if call == "update":
        return dict.fromkeys(range(21, 25), "not_found") | {4: "not_found"} | blocked
    if call == "delete" and behaviour.batch_delete_answer == "true":
        return {}
    if call == "delete":
        return dict.fromkeys((4, *range(21, 25)), "not_found")
    return blocked


@pytest.mark.parametrize("call", ["upsertplus", "upsert", "insert"])
async def test_a_batch_of_which_nothing_is_stored(
    cr: CleverReach, sandbox: Sandbox, call: str
) -> None:
    """Every row is rejected, whatever the response."""
    emails = ["p0@example.org", "p1@example.org", "p2@example.org"]
    for email in emails:
        await cr.request("POST", "/blacklist", json={"email": email})
    group_id = (await cr.groups.create(name="Newsletter")).id
    report, _ = await load(cr, [ReceiverInput(email) for email in emails], group_id, call)

    stored = sandbox.store.emails(group_id)
    assert (report.accepted, report.rejected) == (len(stored), 3 - len(stored))
    refuses = sandbox.behaviour.blacklisted_row == "refuse"
    assert refuses is not bool(stored)


async def test_orders_are_stored_once(cr: CleverReach, sandbox: Sandbox) -> None:
    """Every order is stored exactly once, whatever the response."""
    group_id = (await cr.groups.create(name="Newsletter")).id
    rows = [
        ReceiverInput(f"p{n}@example.org", orders=[OrderInput(f"A-{n}", "Lamp", quantity=2)])
        for n in range(15)
    ]
    report, _ = await load(cr, rows, group_id, "upsertplus")

    assert 15 == report.accepted
    assert [1] * 15 == [len(sandbox.store.orders(row.email)) for row in rows]


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("call", ["upsertplus", "insert"])
async def test_a_lost_response_duplicates_nothing(
    cr: CleverReach, sandbox: Sandbox, call: Any, *, committed: bool
) -> None:
    """The query after a lost response finds what was stored."""
    group_id = (await cr.groups.create(name="Newsletter")).id
    rows = receivers(12)
    if call == "upsertplus":
        rows = [
            ReceiverInput(row.email, orders=[OrderInput(f"A-{n}", "Lamp")])
            for n, row in enumerate(rows)
        ]
    sandbox.faults.add(
        Fault("status", times=1, path_suffix=f"/{call}", code=502, committed=committed)
    )
    bulk = Bulk(attrs.evolve(vars(cr.bulk)["_transport"], clock=FakeClock()))
    async with bulk.open(group_id=group_id, strategy=call) as run:
        for row in rows:
            await run.put(row)

    assert {"read": 12, "accepted": 12} == counts(run.report)
    assert 12 == len(sandbox.store.emails(group_id))
    if call == "upsertplus":
        assert [1] * 12 == [len(sandbox.store.orders(row.email)) for row in rows]


def expected_unknown(behaviour: Behaviour) -> int:
    """Return of how many rows the answer does not show that exactly their order is stored."""
    if behaviour.product_text == "cut":
        return 7
    # as numbers, one id loses its zeros, and one of many digits its last ones
    return {"text": 0, "number": 1, "decimal": 2}[behaviour.order_ids]


ORDER_SWITCHES = {
    "decimal numbers": Behaviour(order_numbers="decimal"),
    **{f"ids as {it}": Behaviour(order_ids=it) for it in ("text", "number", "decimal")},
    **{f"{it} products": Behaviour(product_text=it) for it in ("escaped", "cut", "collapsed")},
    **{f"{it} arrays": Behaviour(arrays=it) for it in ("numbered", "keyed")},
    "all": Behaviour(order_ids="decimal", order_numbers="decimal", arrays="keyed"),
}


@pytest.mark.parametrize("sandbox", ORDER_SWITCHES.values(), ids=ORDER_SWITCHES, indirect=True)
@pytest.mark.parametrize("committed", [True, False])
async def test_orders_that_come_back_in_other_words(
    cr: CleverReach, sandbox: Sandbox, *, committed: bool
) -> None:
    """After a lost response an order is recognised, or its row is unknown; never stored twice."""
    group_id = (await cr.groups.create(name="Newsletter")).id
    ids = ("4711", "007", "10", "1", "98765432109876543210", "A-17", "2026.10")
    product = 'Lamp  <big> & "Äpfel" for the living room of the manor'
    rows = [
        ReceiverInput(f"p{n}@example.org", orders=[OrderInput(order_id, product, price=49.9)])
        for n, order_id in enumerate(ids)
    ]
    sandbox.faults.add(
        Fault("status", times=1, path_suffix="/upsertplus", code=502, committed=committed)
    )
    bulk = Bulk(attrs.evolve(vars(cr.bulk)["_transport"], clock=FakeClock()))
    async with bulk.open(group_id=group_id, strategy="upsertplus") as run:
        for row in rows:
            await run.put(row)

    unknown = expected_unknown(sandbox.behaviour) if committed else 0
    assert [1] * 7 == [len(sandbox.store.orders(row.email)) for row in rows]
    assert (7 - unknown, unknown) == (run.report.accepted, run.report.unknown)


@pytest.mark.parametrize("sandbox", [Behaviour(orders_visible_after=4)], ids=str, indirect=True)
async def test_orders_that_can_be_read_later(cr: CleverReach, sandbox: Sandbox) -> None:
    """The look-up waits for ``settle`` seconds first, so it finds what the lost answer stored."""
    clock = FakeClock()
    sandbox.account.clock = clock.now
    group_id = (await cr.groups.create(name="Newsletter")).id
    row = ReceiverInput("ann@example.org", orders=[OrderInput("A-1", "Lamp")])
    sandbox.faults.add(
        Fault("status", times=1, path_suffix="/upsertplus", code=502, committed=True)
    )
    bulk = Bulk(attrs.evolve(vars(cr.bulk)["_transport"], clock=clock))
    report = await bulk.upsert([row], group_id=group_id, settle=5)

    assert (1, 1) == (report.accepted, len(sandbox.store.orders("ann@example.org")))


@calls
async def test_a_short_response_loses_no_row(cr: CleverReach, sandbox: Sandbox, call: Any) -> None:
    """Rows that a response omits are queried."""
    group_id = (await cr.groups.create(name="Newsletter")).id
    if call in {"update", "delete"}:
        await load(cr, receivers(12, "old"), group_id, "upsert")
    sandbox.faults.add(Fault("short_answer", times=1, path_suffix=f"/{call}", items=5))
    report, _ = await load(cr, receivers(12), group_id, call)

    assert {"read": 12, "accepted": 12} == counts(report)
    assert (0 if call == "delete" else 12) == len(sandbox.store.emails(group_id))
