"""Single receivers: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cleverreach_async.errors import ConfigurationError, NotFoundError, UnprocessableEntityError
from cleverreach_async.resources.order_models import Order, OrderInput
from cleverreach_async.resources.receiver_models import Detail, Event, Receiver, ReceiverInput
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Receivers], Awaitable[object]]

START = 1767225600
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
ANN = Receiver(id=7, email="ann@mail.example")
BARE = {"id": "7", "email": "ann@mail.example"}
RECORDED = {
    **BARE,
    "group_id": "540001",
    "registered": START,
    "activated": str(START),
    "deactivated": 0,
    "bounced": "0",
    "imported": "",
    "active": True,
    "points": "40",
    "attributes": [],
    "global_attributes": {"firstname": "Ann", "size": 42, "city": None},
    "tags": ["shop.customer"],
    "events": [{"stamp": START, "type": "mail_fold", "mailing_id": "0", "hint": 1}],
    "orders": [{"order_id": "A-1", "product": "Mug", "price": "9.9", "product_source": "shop"}],
    "open_rate": 0.4,
    "click_rate": "0.25",
    "conversion_rate": None,
    "last_ip": "203.0.113.7",
}
PROFILE = Receiver(
    id=7,
    email="ann@mail.example",
    group_id=540001,
    registered=NEW_YEAR,
    activated=NEW_YEAR,
    active=True,
    points=40,
    global_attributes={"firstname": "Ann", "size": "42", "city": ""},
    tags=("shop.customer",),
    events=(Event(stamp=NEW_YEAR, type="mail_fold", extra={"hint": 1}),),
    orders=(Order(order_id="A-1", product="Mug", price=9.9, source="shop"),),
    last_ip="203.0.113.7",
    open_rate=0.4,
    click_rate=0.25,
)
INPUT = ReceiverInput(
    "ann@mail.example",
    registered=NEW_YEAR,
    activated=0,
    attributes={"size": None, "width": 4.5},
    tags=["a", "-b"],
    orders=[OrderInput("A-1", "Mug", price=Decimal("9.90"), stamp=NEW_YEAR)],
)
ON_WIRE = {
    "email": "ann@mail.example",
    "registered": START,
    "activated": 0,
    "attributes": {"size": None, "width": 4.5},
    "tags": ["a", "-b"],
    "orders": [{"order_id": "A-1", "product": "Mug", "price": 9.9, "stamp": START}],
}

FILTERED = (
    "/v3/groups/7/receivers?type=inactive&detail=7"
    "&email_list=a%2Bb%40mail.example%2Cc%40mail.example&id_list=1%2C2"
    "&order_by=registered+ASC&page=0&pagesize=5"
)

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (
        lambda it: it.list(group_id=7),
        "GET",
        "/v3/groups/7/receivers?type=all&page=0&pagesize=500",
        None,
        [BARE],
        (ANN,),
    ),
    "list with everything": (
        lambda it: it.list(
            group_id=7,
            state="inactive",
            detail=Detail.ALL,
            emails=["a+b@mail.example", "c@mail.example"],
            ids=[1, 2],
            order_by="registered ASC",
            page_size=5,
        ),
        "GET",
        FILTERED,
        None,
        [],
        (),
    ),
    "get": (lambda it: it.get(7), "GET", "/v3/receivers/7", None, RECORDED, PROFILE),
    "get across groups": (
        lambda it: it.get(7),
        "GET",
        "/v3/receivers/7",
        None,
        [{**BARE, "group_id": "", "attributes": [], "points": None}],
        ANN,
    ),
    "get by a hard address in a group": (
        lambda it: it.get("a+b/c%d_ü@mail.example", group_id=7),
        "GET",
        "/v3/groups/7/receivers/a%2Bb%2Fc%25d_%C3%BC%40mail.example",
        None,
        BARE,
        ANN,
    ),
    "create": (
        lambda it: it.create(INPUT, group_id=7),
        "POST",
        "/v3/groups/7/receivers",
        ON_WIRE,
        RECORDED,
        PROFILE,
    ),
    "update": (
        lambda it: it.update(7, ReceiverInput("ann@mail.example", deactivated=1), group_id=8),
        "PUT",
        "/v3/groups/8/receivers/7",
        {"email": "ann@mail.example", "deactivated": 1},
        BARE,
        ANN,
    ),
    "upsert": (
        lambda it: it.upsert(INPUT, group_id=7),
        "POST",
        "/v3/groups/7/receivers/upsertplus",
        [ON_WIRE],
        [RECORDED],
        PROFILE,
    ),
    "upsert with an object as response": (
        lambda it: it.upsert(ReceiverInput("ann@mail.example"), group_id=7),
        "POST",
        "/v3/groups/7/receivers/upsertplus",
        [{"email": "ann@mail.example"}],
        BARE,
        ANN,
    ),
    "delete": (lambda it: it.delete(7), "DELETE", "/v3/receivers/7", None, True, None),
    "delete from a group": (
        lambda it: it.delete("ann@mail.example", group_id=7),
        "DELETE",
        "/v3/groups/7/receivers/ann%40mail.example",
        None,
        True,
        None,
    ),
    "activate": (
        lambda it: it.activate(7, group_id=8),
        "PUT",
        "/v3/groups/8/receivers/7/activate",
        None,
        True,
        None,
    ),
    "deactivate": (
        lambda it: it.deactivate(7, group_id=8),
        "PUT",
        "/v3/groups/8/receivers/7/deactivate",
        None,
        b"",
        None,
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_receiver_calls(
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


PLAIN = ReceiverInput("ann@mail.example", tags=["-a"], attributes={"city": "Kiel", "age": 5})
LOYAL = ReceiverInput("ann@mail.example", global_attributes={"points": "-1"})

REPEATABLE: dict[str, tuple[Act, bool]] = {
    "create": (lambda it: it.create(PLAIN, group_id=7), False),
    "update": (lambda it: it.update(7, PLAIN, group_id=7), True),
    "update with orders": (lambda it: it.update(7, INPUT, group_id=7), False),
    "update with a relative number": (lambda it: it.update(7, LOYAL, group_id=7), False),
    "upsert": (lambda it: it.upsert(PLAIN, group_id=7), True),
    "upsert with a relative number": (lambda it: it.upsert(LOYAL, group_id=7), False),
    "upsert with orders": (lambda it: it.upsert(INPUT, group_id=7), False),
    "upsert with an empty list of orders": (
        lambda it: it.upsert(ReceiverInput("ann@mail.example", orders=[]), group_id=7),
        True,
    ),
    "delete": (lambda it: it.delete(7), True),
}


@pytest.mark.parametrize(("act", "idempotent"), REPEATABLE.values(), ids=REPEATABLE.keys())
async def test_receiver_idempotency(
    act: Act, idempotent: bool, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A repetition may store orders twice, add a number twice, or refuse a new receiver."""
    await act(Receivers(serve([BARE])))
    assert idempotent is sent[0].idempotent


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="missing"),
        pytest.param(["invalid address 'ann@mail.example'"], id="text"),
        pytest.param([{"status": "invalid address"}], id="object"),
    ],
)
async def test_refused_upsert_is_an_error(answer: object, serve: Callable[..., Call]) -> None:
    """A row that the response leaves out was not stored, whatever the status is."""
    with pytest.raises(UnprocessableEntityError) as caught:
        await Receivers(serve(answer)).upsert(PLAIN, group_id=7)
    assert caught.value.status_code == 422
    assert "mail.example" not in str(caught.value)


async def test_unknown_receiver(serve: Callable[..., Call]) -> None:
    """The error has the template, not the address."""
    answer = {"error": {"code": 404, "message": "Not Found: invalid receiver"}}
    with pytest.raises(NotFoundError) as caught:
        await Receivers(serve(answer, status=404)).get("ann@mail.example", group_id=7)
    expected = (
        "GET /groups/{group_id}/receivers/{receiver_id}: 404 Not Found: invalid receiver",
        "/groups/{group_id}/receivers/{receiver_id}",
    )
    assert expected == (str(caught.value), caught.value.path)


@pytest.mark.parametrize("receiver_id", ["", " ", ".", ".."])
@pytest.mark.parametrize("group", [{}, {"group_id": 7}], ids=["account", "group"])
async def test_empty_id_never_reaches_the_server(
    receiver_id: str, group: dict[str, int], serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Deleting a receiver with an empty id has emptied whole groups."""
    with pytest.raises(ConfigurationError, match="would address something else"):
        await Receivers(serve(True)).delete(receiver_id, **group)
    assert not sent


@pytest.mark.parametrize("field", ["registered", "activated", "deactivated"])
async def test_naive_time_is_refused(
    field: str, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A time without a time zone is ambiguous."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the point
    receiver = ReceiverInput("ann@mail.example")
    setattr(receiver, field, naive)
    with pytest.raises(ConfigurationError, match="no time zone"):
        await Receivers(serve([])).create(receiver, group_id=7)
    assert not sent


async def test_input_is_not_changed(serve: Callable[..., Call]) -> None:
    """The caller may send it again, to another group."""
    order = OrderInput("A-1", "Mug", stamp=NEW_YEAR)
    receiver = ReceiverInput("ann@mail.example", registered=NEW_YEAR, orders=[order])
    await Receivers(serve([BARE])).upsert(receiver, group_id=7)
    expected = ReceiverInput(
        "ann@mail.example",
        registered=NEW_YEAR,
        orders=[OrderInput("A-1", "Mug", stamp=NEW_YEAR)],
    )
    assert expected == receiver
    assert order.stamp is NEW_YEAR


def test_receiver_repr_hides_attributes() -> None:
    """It has the identifying fields, and no other personal data."""
    expected = "Receiver(id=7, email='ann@mail.example', group_id=540001, active=True)"
    assert expected == repr(PROFILE)


async def test_an_empty_selection_is_refused(serve: Callable[..., Call]) -> None:
    """The API would return all receivers."""
    receivers = Receivers(serve([]))
    with pytest.raises(ConfigurationError, match="emails is empty; leave it out"):
        receivers.list(group_id=7, emails=[])
    with pytest.raises(ConfigurationError, match="ids is empty; leave it out"):
        receivers.list(group_id=7, ids=())
