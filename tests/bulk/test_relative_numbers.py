"""Values such as "+1", which the API adds to a number attribute: never sent twice, never lost."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import FakeClock
from support.model_server import ModelServer, Reply, at, counts, transport_to

from cleverreach_async import (
    CleverReach,
    ImportReport,
    InternalServerError,
    OAuthApp,
    OrderInput,
    ReceiverInput,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.rows import EncodedRow, repeatable_part
from cleverreach_async.bulk.strategies import find_strategy
from cleverreach_async.resources.relative import has_relative_values, is_relative
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox

asynchronous = pytest.mark.anyio

RELATIVE: Final = ("+1", "-1", "+2.5", "-0,5", "+.5", "+1e3", " +1 ", "- 3", -5, -1.5, Decimal(-2))
ABSOLUTE: Final = ("1", "", "+", "-", "+x", "+49 431 123", "1-2", "2024-01-02", "a+1", 5, 0, None)


@pytest.mark.parametrize("value", RELATIVE, ids=repr)
def test_signed_numbers_are_relative(value: object) -> None:
    """A negative JSON number too: it is unknown whether the server subtracts it."""
    assert is_relative(value)


@pytest.mark.parametrize("value", [*ABSOLUTE, True], ids=repr)
def test_other_values_are_not_relative(value: object) -> None:
    """Texts that only begin with a sign, and numbers without one."""
    assert not is_relative(value)


@given(
    st.lists(
        st.dictionaries(
            st.text('abc:"+-', max_size=3),
            st.sampled_from([*RELATIVE, *ABSOLUTE]) | st.text('a:" +-15', max_size=5),
        ),
        max_size=5,
    )
)
def test_no_relative_value_is_missed(attributes: list[dict[str, Any]]) -> None:
    """The bytes of a slice of rows are searched before any value is looked at."""
    receivers = [ReceiverInput("a-b+c@x-y.example", attributes=values) for values in attributes]
    rows, _ = Encoder().encode(receivers, range(len(receivers)))

    assert [has_relative_values(values) for values in attributes] == [it.relative for it in rows]
    assert [not it.relative for it in rows] == [it.repeatable for it in rows]


def encode_one(receiver: ReceiverInput, **options: Any) -> EncodedRow:
    """Encode a single row."""
    preparation = options.pop("preparation", None)
    rows, rejected = Encoder(preparation, **options).encode([receiver], [1])
    assert [] == rejected
    return rows[0]


@pytest.mark.parametrize("name", ["attributes", "global_attributes"])
def test_a_row_with_a_relative_value_is_not_repeatable(name: str) -> None:
    """Whether it is an attribute of the group or of the account."""
    fields: Any = {name: {"ordercount": "+1", "city": "Kiel"}}
    row = encode_one(ReceiverInput("a@example.org", **fields))

    assert (False, True) == (row.repeatable, row.relative)
    part = repeatable_part(row)
    assert (True, False) == (part.repeatable, part.relative)
    assert {"email": "a@example.org", name: {"city": "Kiel"}} == json.loads(part.body)


@pytest.mark.parametrize(
    ("names", "repeatable"),
    [(None, False), ((), True), ({"ordercount"}, True), ({"phone"}, False)],
    ids=["unknown", "no numbers", "another number", "a number"],
)
def test_only_values_of_number_attributes_are_relative(names: Any, repeatable: bool) -> None:
    """If their names are not known, any attribute may be a number."""
    receiver = ReceiverInput("a@example.org", global_attributes={"phone": "+49431123"})

    assert repeatable is encode_one(receiver, relative_names=names).repeatable


def test_an_insert_needs_no_distinction() -> None:
    """It is not repeated anyway, and a look-up shows what the row has stored."""
    row = encode_one(
        ReceiverInput("a@example.org", global_attributes={"phone": "+49431123"}),
        preparation=Preparation(strategy=find_strategy("insert")),
    )

    assert (False, False) == (row.repeatable, row.relative)


COUNT: Final[Any] = {"global_attributes": {"ordercount": "+1"}}


async def load(server: ModelServer, rows: list[ReceiverInput], **options: Any) -> ImportReport:
    """Import rows into group 7."""
    bulk = Bulk(transport_to(server))
    options.setdefault("canary", False)
    return await bulk.upsert(rows, group_id=7, **options)


@asynchronous
@pytest.mark.parametrize("strategy", ["upsertplus", "upsert"])
async def test_after_a_lost_answer_a_known_receiver_is_unknown(strategy: str) -> None:
    """What the number was before is not known, so no look-up can tell."""
    server = ModelServer(at(Reply(502), 1))
    await load(server, [ReceiverInput("a@example.org")])
    report = await load(server, [ReceiverInput("a@example.org", **COUNT)], strategy=strategy)

    assert {"read": 1, "unknown": 1} == counts(report)
    assert 2 == len(server.requests)


@asynchronous
async def test_after_a_lost_request_a_new_receiver_is_sent_again() -> None:
    """The group does not have it, so nothing was added."""
    server = ModelServer(at(Reply(502, executed=False), 0))
    report = await load(server, [ReceiverInput("a@example.org", **COUNT)])

    assert ({"read": 1, "accepted": 1}, 2) == (counts(report), len(server.requests))


@asynchronous
@pytest.mark.parametrize("executed", [True, False])
async def test_an_order_shows_whether_the_number_was_added(*, executed: bool) -> None:
    """A row is stored as a whole."""
    server = ModelServer(at(Reply(502, executed=executed), 1))
    await load(server, [ReceiverInput("a@example.org")])
    order = OrderInput("A-1", "Lamp")
    report = await load(server, [ReceiverInput("a@example.org", orders=[order], **COUNT)])

    assert {"read": 1, "accepted": 1} == counts(report)
    assert (["A-1"], 2 if executed else 3) == (server.order_ids, len(server.requests))


@asynchronous
async def test_a_row_that_the_response_leaves_out_is_sent_again_without_the_number() -> None:
    """The server has stored the rest, and perhaps the number; so the row is unknown."""
    server = ModelServer(at(Reply(content=b"[]"), 0))
    fields: Any = {"global_attributes": {"ordercount": "+1", "city": "Kiel"}}
    report = await load(server, [ReceiverInput("a@example.org", **fields)])

    assert {"read": 1, "unknown": 1} == counts(report)
    second = {"email": "a@example.org", "global_attributes": {"city": "Kiel"}}
    assert [("upsert", [second])] == server.requests[1:]


@asynchronous
async def test_rows_of_a_batch_that_fails_are_not_counted_twice() -> None:
    """A batch for which the server fails several times is sent in parts, without these rows."""
    server = ModelServer(lambda number, _: Reply(500) if 1 <= number <= 6 else None)
    people = [f"p{n}@example.org" for n in range(8)]
    await load(server, [ReceiverInput(email) for email in people])
    rows = [ReceiverInput(email) for email in people]
    rows[1::2] = [ReceiverInput(email, **COUNT) for email in people[1::2]]
    report = await load(server, rows)

    assert {"read": 8, "accepted": 4, "unknown": 4} == counts(report)
    sent = [row for _, batch in server.requests for row in batch if "global_attributes" in row]
    assert 4 == len(sent)


@asynchronous
async def test_a_resumed_import_does_not_count_twice(tmp_path: Path) -> None:
    """A row in doubt when the first run was aborted is looked up, not sent again."""
    server = ModelServer()
    await load(server, [ReceiverInput("a@example.org")])
    rows = [ReceiverInput("a@example.org", **COUNT)]
    files: dict[str, Any] = {
        "journal": tmp_path / "journal",
        "rejects": tmp_path / "rejects",
        "max_outage": 0.0,
    }
    failing = ModelServer(lambda number, rows: Reply(None))
    failing.stored = server.stored
    with pytest.raises(Exception, match="stopped"):
        await load(failing, rows, **files)

    report = await load(server, rows, resume=True, **files)

    assert {"read": 1, "unknown": 1} == counts(report)
    assert 1 == len(server.requests)


@asynchronous
async def test_three_rows_of_one_address_are_all_added() -> None:
    """None of them supersedes another, and they are sent one after the other."""
    server = ModelServer()
    report = await load(server, [ReceiverInput("a@example.org", **COUNT)] * 3)

    assert {"read": 3, "accepted": 3} == counts(report)
    assert [1, 1, 1] == [len(rows) for _, rows in server.requests]


async def call(cr: CleverReach, name: str, row: ReceiverInput, group: int) -> Any:
    """Write a row in one of several ways."""
    receivers, bulk = cr.receivers, cr.bulk
    rows = [row]
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "upsert": lambda: receivers.upsert(row, group_id=group),
        "update": lambda: receivers.update(row.email, row, group_id=group),
        "upsert_many": lambda: receivers.upsert_many(rows, group_id=group),
        "update_many": lambda: receivers.update_many(rows, group_id=group),
        "updateplus_many": lambda: receivers.updateplus_many(rows, group_id=group),
        "upsertplus_many": lambda: receivers.upsertplus_many(rows, group_id=group),
        "request": lambda: cr.request(
            "PUT",
            f"/groups/{group}/receivers/{row.email}",
            json={"global_attributes": row.global_attributes},
        ),
        "bulk.upsert": lambda: bulk.upsert(rows, group_id=group),
        "bulk.upsert, short answers": lambda: bulk.upsert(rows, group_id=group, strategy="upsert"),
        "bulk.update": lambda: bulk.update(rows, group_id=group),
    }
    return await calls[name]()


CALLS: Final = (
    *("upsert", "update", "upsert_many", "update_many", "updateplus_many", "upsertplus_many"),
    *("request", "bulk.upsert", "bulk.upsert, short answers", "bulk.update"),
)


@asynchronous
@pytest.mark.parametrize("negative", ["subtract", "store"])
@pytest.mark.parametrize("value", ["+1", "-2", -3])
@pytest.mark.parametrize("name", CALLS)
async def test_after_a_lost_answer_the_sandbox_has_counted_once(
    name: str, value: str | int, negative: Any
) -> None:
    """The call ends with an error, or the row is unknown; the number was changed once."""
    transport: Any
    with Sandbox(behaviour=Behaviour(negative_number=negative)) as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(auth, http_client=http_client, clock=FakeClock()) as cr,
        ):
            group_id = (await cr.groups.create(name="N")).id
            await cr.attributes.create(name="ordercount", type="number")
            before = {"ordercount": "10"}
            known = ReceiverInput("a@example.org", global_attributes=before)
            await cr.receivers.create(known, group_id=group_id)
            fault = Fault("status", code=502, committed=True, times=1, path_prefix="/v3/groups")
            sandbox.faults.add(fault)
            row = ReceiverInput("a@example.org", global_attributes={"ordercount": value})
            try:
                report = await call(cr, name, row, group_id)
            except InternalServerError:
                pass
            else:
                assert {"read": 1, "unknown": 1} == counts(report)
        stored = sandbox.store.receiver(group_id, "a@example.org")
        assert stored is not None
        sum_ = str(value) if negative == "store" and value == -3 else str(10 + int(value))
        assert {"ordercount": sum_} == stored["global_attributes"]
