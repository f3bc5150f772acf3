"""Orders: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.order_models import Order, OrderInput
from cleverreach_async.resources.orders import Orders
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Orders], Awaitable[object]]

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
INPUT = OrderInput("A/17", "Lamp", price=Decimal("49.90"), quantity=2, stamp=NEW_YEAR)
ON_WIRE = {
    "order_id": "A/17",
    "product": "Lamp",
    "price": 49.9,
    "quantity": 2,
    "stamp": 1767225600,
}

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (
        lambda it: it.list(7),
        "GET",
        "/v3/receivers/7/orders",
        None,
        [{"order_id": "A-1", "product": "Mug", "quantity": "3", "price": 9, "stamp": "0"}],
        (Order(order_id="A-1", product="Mug", quantity=3, price=9.0),),
    ),
    "list in a group, older names": (
        lambda it: it.list("ann@mail.example", group_id=8),
        "GET",
        "/v3/groups/8/receivers/ann%40mail.example/orders",
        None,
        [{"order_id": 17, "amount": 2, "vendor": "Acme", "product_source": "shop", "vat": 19}],
        (Order(order_id="17", quantity=2, brand="Acme", source="shop", extra={"vat": 19}),),
    ),
    "list, both names": (
        lambda it: it.list(7),
        "GET",
        "/v3/receivers/7/orders",
        None,
        [
            {"order_id": "A", "quantity": 5, "amount": 1},
            {"order_id": "B", "quantity": None, "amount": 4},
        ],
        (
            Order(order_id="A", quantity=5, extra={"amount": 1}),
            Order(order_id="B", quantity=4),
        ),
    ),
    "create": (
        lambda it: it.create(7, INPUT),
        "POST",
        "/v3/receivers/7/orders",
        ON_WIRE,
        True,
        None,
    ),
    "create in a group": (
        lambda it: it.create(7, OrderInput("A-1", "Mug", currency="EUR"), group_id=8),
        "POST",
        "/v3/groups/8/receivers/7/orders",
        {"order_id": "A-1", "product": "Mug", "currency": "EUR"},
        {"order_id": "A-1", "product": "Mug", "currency": "EUR", "quantity": "1.0000"},
        None,
    ),
    "update": (
        lambda it: it.update(7, INPUT),
        "PUT",
        "/v3/receivers/7/orders/A%2F17",
        ON_WIRE,
        True,
        None,
    ),
    "update in a group": (
        lambda it: it.update(7, INPUT, group_id=8),
        "PUT",
        "/v3/groups/8/receivers/7/orders/A%2F17",
        ON_WIRE,
        True,
        None,
    ),
    "delete": (
        lambda it: it.delete(7, "A 17"),
        "DELETE",
        "/v3/receivers/7/orders/A%2017",
        None,
        True,
        None,
    ),
    "delete in a group": (
        lambda it: it.delete("a+b@mail.example", "A", group_id=8),
        "DELETE",
        "/v3/groups/8/receivers/a%2Bb%40mail.example/orders/A",
        None,
        True,
        None,
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_order_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Orders, act, answer)


async def test_price_keeps_its_digits(serve: Callable[..., Call], sent: list[Request]) -> None:
    """A Decimal is sent as a number with its digits, neither as text nor as a float."""
    price = Decimal("0.1000000000000000000001")
    await Orders(serve(True)).create(7, OrderInput("A", "Lamp", price=price))
    assert b'"price":0.1000000000000000000001' in sent[0].content


async def test_only_a_new_order_is_not_idempotent(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """It is unknown whether the server recognises a repeated order."""
    orders = Orders(serve(True, True, True))
    await orders.create(7, INPUT)
    await orders.update(7, INPUT)
    await orders.delete(7, "A")
    expected = [False, True, True]
    assert expected == [request.idempotent for request in sent]


REFUSED: dict[str, Act] = {
    "naive time": lambda it: it.create(7, OrderInput("A", "B", stamp=datetime(2026, 1, 1))),  # noqa: DTZ001
    "no order": lambda it: it.delete(7, ""),
    "no order to change": lambda it: it.update(7, OrderInput("", "B")),
    "no receiver": lambda it: it.create("", INPUT),
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED.keys())
async def test_wrong_orders_are_refused_before_sending(
    act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """An empty id or a time without a time zone is not sent."""
    with pytest.raises(ConfigurationError):
        await act(Orders(serve(True)))
    assert not sent


async def test_order_input_is_not_changed(serve: Callable[..., Call]) -> None:
    """The time becomes Unix seconds in the request only."""
    order = OrderInput("A", "Lamp", stamp=NEW_YEAR)
    await Orders(serve(True)).create(7, order)
    expected = OrderInput("A", "Lamp", stamp=NEW_YEAR)
    assert expected == order
