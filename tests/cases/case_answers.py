"""Odd answers: every value that they contain can be read."""

from collections.abc import Callable
from typing import Any

import httpx
from cases.registry import case
from support.accounts import Account

from cleverreach_async import CleverReach, Receiver

ANN = "ann@example.org"


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
