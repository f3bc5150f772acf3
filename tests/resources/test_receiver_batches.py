"""Batches of receivers: requests and responses."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest

from cleverreach_async.errors import APIStatusError, ConfigurationError
from cleverreach_async.resources.many_receivers import MAX_BATCH
from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.resources.receiver_models import (
    BatchItem,
    Receiver,
    ReceiverInput,
    read_batch_item,
)
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Receivers], Awaitable[object]]

ANN = ReceiverInput("ann@mail.example", registered=datetime(2026, 1, 1, tzinfo=UTC))
BOB = ReceiverInput("bob@mail.example", tags=[])
BUYER = ReceiverInput("bob@mail.example", orders=[OrderInput("A-1", "Mug")])
LOYAL = ReceiverInput("eve@mail.example", attributes={"points": "+1"})
BODY: list[dict[str, object]] = [
    {"email": "ann@mail.example", "registered": 1767225600},
    {"email": "bob@mail.example", "tags": []},
]
MIXED = [{"status": "insert success", "id": "7"}, "duplicate address 'bob@mail.example'"]
ITEMS = (
    BatchItem("insert success", 7),
    BatchItem("duplicate address 'bob@mail.example'"),
)
PROFILES = [{"id": "7", "email": "ann@mail.example"}, {"status": "invalid address"}, "no", None]
STORED = (Receiver(id=7, email="ann@mail.example"),)

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "insert": (
        lambda it: it.insert_many([ANN, BOB], group_id=7),
        "POST",
        "/v3/groups/7/receivers/insert",
        BODY,
        MIXED,
        ITEMS,
    ),
    "insert with an object as response": (
        lambda it: it.insert_many([BOB], group_id=7),
        "POST",
        "/v3/groups/7/receivers/insert",
        BODY[1:],
        {"status": "insert success", "id": 7},
        ITEMS[:1],
    ),
    "update": (
        lambda it: it.update_many(iter([ANN, BOB]), group_id=7),
        "PUT",
        "/v3/groups/7/receivers/update",
        BODY,
        MIXED,
        ITEMS,
    ),
    "upsert": (
        lambda it: it.upsert_many((ANN, BOB), group_id=7),
        "POST",
        "/v3/groups/7/receivers/upsert",
        BODY,
        MIXED,
        ITEMS,
    ),
    "updateplus": (
        lambda it: it.updateplus_many([ANN, BOB], group_id=7),
        "PUT",
        "/v3/groups/7/receivers/updateplus",
        BODY,
        PROFILES,
        STORED,
    ),
    "upsertplus": (
        lambda it: it.upsertplus_many([ANN, BOB], group_id=7),
        "POST",
        "/v3/groups/7/receivers/upsertplus",
        BODY,
        PROFILES,
        STORED,
    ),
    "delete from a group": (
        lambda it: it.delete_many([7, "bob@mail.example"], group_id=7),
        "POST",
        "/v3/groups/7/receivers/delete",
        ["7", "bob@mail.example"],
        [{"status": "success"}],
        None,
    ),
    "delete from the account": (
        lambda it: it.delete_many(iter(["bob@mail.example"])),
        "POST",
        "/v3/receivers/delete",
        {"receivers": ["bob@mail.example"]},
        True,
        None,
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_batch_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Receivers, act, answer)


REPEATABLE: dict[str, tuple[Act, bool]] = {
    "insert": (lambda it: it.insert_many([BOB], group_id=7), False),
    "update": (lambda it: it.update_many([BOB], group_id=7), True),
    "update with orders": (lambda it: it.update_many([BOB, BUYER], group_id=7), False),
    "upsert": (lambda it: it.upsert_many([BOB], group_id=7), True),
    "upsert with orders": (lambda it: it.upsert_many([BOB, BUYER], group_id=7), False),
    "update with a number": (lambda it: it.update_many([BOB, LOYAL], group_id=7), False),
    "upsert with a number": (lambda it: it.upsert_many([BOB, LOYAL], group_id=7), False),
    "upsertplus with a number": (
        lambda it: it.upsertplus_many([LOYAL], group_id=7),
        False,
    ),
    "updateplus with orders": (lambda it: it.updateplus_many([BUYER], group_id=7), False),
    "upsertplus": (lambda it: it.upsertplus_many([BOB], group_id=7), True),
    "upsertplus with orders": (lambda it: it.upsertplus_many([BUYER], group_id=7), False),
    "delete": (lambda it: it.delete_many([7], group_id=7), True),
    "delete everywhere": (lambda it: it.delete_many([7]), True),
}


@pytest.mark.parametrize(("act", "idempotent"), REPEATABLE.values(), ids=REPEATABLE.keys())
async def test_batch_idempotency(
    act: Act, idempotent: bool, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """One row with orders or a relative number makes the whole batch not idempotent."""
    await act(Receivers(serve([])))
    assert idempotent is sent[0].idempotent


TOO_MANY: dict[str, Callable[[Receivers, Iterator[ReceiverInput]], Awaitable[object]]] = {
    "insert": lambda it, rows: it.insert_many(rows, group_id=7),
    "update": lambda it, rows: it.update_many(rows, group_id=7),
    "upsert": lambda it, rows: it.upsert_many(rows, group_id=7),
    "updateplus": lambda it, rows: it.updateplus_many(rows, group_id=7),
    "upsertplus": lambda it, rows: it.upsertplus_many(rows, group_id=7),
}


@pytest.mark.parametrize("act", TOO_MANY.values(), ids=TOO_MANY.keys())
async def test_batch_larger_than_the_maximum(
    act: Callable[[Receivers, Iterator[ReceiverInput]], Awaitable[object]],
    serve: Callable[..., Call],
    sent: list[Request],
) -> None:
    """1000 rows are sent, 1001 are refused with a hint at ``cr.bulk``."""
    receivers = Receivers(serve([]))
    await act(receivers, (BOB for _ in range(MAX_BATCH)))
    with pytest.raises(ConfigurationError, match=r"1001 receivers .* cr\.bulk"):
        await act(receivers, (BOB for _ in range(MAX_BATCH + 1)))
    assert len(sent) == 1


async def test_false_is_a_failed_batch(serve: Callable[..., Call]) -> None:
    """``false`` is an error, not a batch without rows."""
    with pytest.raises(APIStatusError, match="reports a failure"):
        await Receivers(serve(False)).upsertplus_many([BOB], group_id=7)


async def test_batch_does_not_change_its_input(serve: Callable[..., Call]) -> None:
    """Times become Unix seconds in the request only."""
    rows = [ReceiverInput("ann@mail.example", registered=datetime(2026, 1, 1, tzinfo=UTC))]
    await Receivers(serve([])).upsert_many(rows, group_id=7)
    expected = [ReceiverInput("ann@mail.example", registered=datetime(2026, 1, 1, tzinfo=UTC))]
    assert expected == rows


@pytest.mark.parametrize(
    ("raw", "expected", "ok"),
    [
        pytest.param({"status": "insert success", "id": 7}, BatchItem("insert success", 7), True),
        pytest.param({"status": "Update Success", "id": "7"}, BatchItem("Update Success", 7), True),
        pytest.param({"status": "success"}, BatchItem("success"), True, id="no id"),
        pytest.param(
            {"status": "duplicate address", "id": ""}, BatchItem("duplicate address"), False
        ),
        pytest.param(
            {"status": "invalid", "email": "a@b.example"},
            BatchItem("invalid", None, "a@b.example"),
            False,
            id="refused with its address",
        ),
        pytest.param({"error": "invalid"}, BatchItem("invalid"), False, id="error"),
        pytest.param("invalid address ''", BatchItem("invalid address ''"), False, id="text"),
        pytest.param(
            {"id": "7", "email": "a@b.example", "tags": []},
            BatchItem("success", 7, "a@b.example"),
            True,
            id="full profile",
        ),
        pytest.param({"id": "x"}, BatchItem(""), False, id="unknown"),
        pytest.param(None, BatchItem(""), False, id="null"),
        pytest.param(True, BatchItem(""), False, id="true"),
        pytest.param([], BatchItem(""), False, id="list"),
    ],
)
def test_read_batch_item(raw: object, expected: BatchItem, ok: bool) -> None:
    """Every observed form of an item is read. An unknown one counts as not stored."""
    item = read_batch_item(raw)
    assert (expected, ok) == (item, item.ok)


def test_batch_item_repr_has_no_address() -> None:
    """Logs do not show the address."""
    assert "mail.example" not in repr(BatchItem("success", 7, "ann@mail.example"))
