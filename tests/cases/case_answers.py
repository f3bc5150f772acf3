"""Odd but plausible answers: every value can be read, and a failure is an error."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from cases.registry import case
from support.accounts import Account

from cleverreach_async import CleverReach, CleverReachError, OrderInput, ReceiverInput

ANN = "ann@example.org"
RECEIVER = {"id": "7", "email": ANN, "group_id": "1"}
ORDER = {"order_id": "A1", "product": "Lamp"}
IN_MS = 1_767_225_600_000
SECOND = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)

Call = Callable[[CleverReach], Awaitable[Any]]


async def read(answer: Any, call: Call) -> Any:
    """Make a call that is answered so, and return its result, or the name of its error.

    Bytes are the body as it is; a web page has the type of one.
    """
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    kind = "text/html" if body.startswith(b"<") else "application/json; charset=utf-8"
    response = httpx.Response(200, content=body, headers={"Content-Type": kind})
    transport = httpx.MockTransport(lambda _: response)
    async with (
        httpx.AsyncClient(transport=transport) as http_client,
        CleverReach("token", http_client=http_client) as cr,
    ):
        try:
            return await call(cr)
        except CleverReachError as error:
            return type(error).__name__


def get(cr: CleverReach) -> Awaitable[Any]:
    """Request a receiver."""
    return cr.receivers.get(7, group_id=1)


def register(label: str, answer: Any, call: Call, shown: Callable[[Any], Any], right: Any) -> None:
    """Register a case."""

    @case(f"decode_odd, {label}", repr(right), right)
    async def _(account: Account) -> Any:
        del account
        found = await read(answer, call)
        return found if isinstance(found, str) else shown(found)


def field(name: str, of: Callable[[Any], Any] = lambda it: it) -> Callable[[Any], Any]:
    """Return a function that reads a field, and what is left of it in ``extra``."""
    return lambda it: (getattr(of(it), name), dict(of(it).extra))


# Fields of orders: the field, and ``extra``.

ORDERS: list[tuple[dict[str, Any], str, Any]] = [
    ({"quantity": "1.0000"}, "quantity", (1, {})),
    ({"amount": "99.8000"}, "quantity", (99.8, {})),
    ({"amount": 99.8}, "quantity", (99.8, {})),
    ({"quantity": 1.5}, "quantity", (1.5, {})),
    ({"amount": 99.8, "quantity": 2}, "quantity", (2, {"amount": 99.8})),
    ({"price": "49,90"}, "price", (49.9, {})),
    ({"price": ""}, "price", (0.0, {})),
    ({"mailing_id": ""}, "mailing_id", (0, {})),
    ({"source": "a", "product_source": "b"}, "source", ("a", {"product_source": "b"})),
]
for _fields, _name, _right in ORDERS:
    _answer: Any = {**RECEIVER, "orders": [{**ORDER, **_fields}]}
    register(f"order {_fields}", _answer, get, field(_name, of=lambda it: it.orders[0]), _right)

# Fields of receivers: the field, and ``extra``.

RECEIVERS: list[tuple[dict[str, Any], Any]] = [
    ({"points": 69.5}, 69.5),
    ({"points": "69.5"}, 69.5),
    ({"stars": ""}, 0),
    ({"deactivated": -1}, None),
    ({"activated": "0.0"}, None),
    ({"deactivated": 0.0}, None),
    ({"bounced": "00"}, None),
    ({"tags": {"0": "a", "2": "b"}}, ("a", "b")),
    ({"tags": "a,b"}, ("a", "b")),
    ({"tags": ""}, ()),
    ({"tags": False}, ()),
    ({"events": {}}, ()),
    ({"orders": False}, ()),
    ({"attributes": []}, {}),
    ({"global_attributes": None}, {}),
    ({"attributes": [{"id": "1", "name": "vorname", "value": "x"}]}, {"vorname": "x"}),
    (
        {"global_attributes": {"a": True, "b": 1.5, "c": ["x", "y"], "d": {"k": 1}}},
        {"a": True, "b": "1.5", "c": ["x", "y"], "d": {"k": 1}},
    ),
]
UNREADABLE: list[tuple[dict[str, Any], Any]] = [
    ({"registered": IN_MS}, None),
    ({"registered": "2026-01-01 12:00:00"}, None),
    ({"registered": True}, None),
    ({"tags": [{"origin": "shop", "tag": "x"}]}, ()),
    ({"orders": [{"order_id": None, "product": "x"}]}, ()),
]
for _fields, _value in [*RECEIVERS, *UNREADABLE]:
    [_name] = _fields
    _right = (_value, _fields if (_fields, _value) in UNREADABLE else {})
    register(f"receiver {_fields}", {**RECEIVER, **_fields}, get, field(_name), _right)

register(
    "event in ms",
    {**RECEIVER, "events": [{"stamp": IN_MS, "type": "api"}]},
    get,
    field("stamp", of=lambda it: it.events[0]),
    (None, {"stamp": IN_MS}),
)
register(
    "events as an object",
    {**RECEIVER, "events": {"3": {"stamp": 1, "type": "api"}}},
    get,
    field("stamp", of=lambda it: it.events[0]),
    (SECOND, {}),
)
register(
    "orders as an object",
    {**RECEIVER, "orders": {"A1": ORDER}},
    get,
    lambda it: [order.product for order in it.orders],
    ["Lamp"],
)

# Lists.


async def emails(cr: CleverReach) -> list[str]:
    """List the addresses of a group."""
    return [it.email for it in await cr.receivers.list(group_id=1)]


async def ids_of(page: Awaitable[Any]) -> list[int]:
    """Return the ids of a page."""
    return [it.id for it in await page]


BEN = {**RECEIVER, "id": "8", "email": "ben@example.org", "registered": IN_MS}
LISTS: list[tuple[str, Any, Call, Any]] = [
    ("one of a page in ms", [RECEIVER, BEN], emails, [ANN, "ben@example.org"]),
    ("receivers as an object", {"0": RECEIVER, "1": BEN}, emails, [ANN, "ben@example.org"]),
    ("an empty body", b"", emails, []),
    ("reports", {"77": {"id": "77", "name": "N"}}, lambda cr: ids_of(cr.reports.list()), [77]),
    ("groups", {"0": {"id": "1"}, "2": {"id": 3}}, lambda cr: ids_of(cr.groups.list()), [1, 3]),
]
for _label, _answer, _call, _right in LISTS:
    register(f"list, {_label}", _answer, _call, lambda it: it, _right)

# Other single reads.

READS: list[tuple[str, Any, Call, Callable[[Any], Any], Any]] = [
    (
        "statistics",
        {"quality": 2.5, "avg_points": "37,5"},
        lambda cr: cr.groups.stats(1),
        lambda it: (it.quality, it.avg_points),
        (2.5, 37.5),
    ),
    (
        "groups of a mailing",
        {"id": "1", "mailing_groups": {"group_ids": {"0": "4", "1": "9"}}},
        lambda cr: cr.mailings.get(1),
        lambda it: it.mailing_groups.group_ids,
        (4, 9),
    ),
    (
        "no groups of a mailing",
        {"id": "1", "mailing_groups": []},
        lambda cr: cr.mailings.get(1),
        lambda it: it.mailing_groups.group_ids,
        (),
    ),
    *[
        (
            f"mailing {name} {value}",
            {"id": "1", name: value},
            lambda cr: cr.mailings.get(1),
            field(name),
            (0, {name: value}),
        )
        for name, value in {"last_version_id": "1.2", "m_type": "html"}.items()
    ],
    (
        "report",
        {"id": "1", "stats": [], "groups": {"5": "x", "6": "y"}, "tags": "a,b"},
        lambda cr: cr.reports.get(1),
        lambda it: (it.stats, it.groups, it.tags),
        ({}, ("x", "y"), ("a", "b")),
    ),
    (
        "link of a report",
        {"id": "1", "links": [{"id": None, "link": "http://x", "total_clicks": "3"}]},
        lambda cr: cr.reports.get(1),
        lambda it: (it.links[0].id, it.links[0].total_clicks),
        (0, 3),
    ),
    ("byte order mark", b"\xef\xbb\xbf" + json.dumps(RECEIVER).encode(), get, field("id"), (7, {})),
    (
        "Windows-1252",
        b'{"id": "7", "email": "ann@example.org", "source": "M\xfcller"}',
        get,
        field("source"),
        ("Müller", {}),
    ),
    ("id only", {"id": "5"}, lambda cr: cr.groups.create(name="x"), lambda it: it.id, 5),
    ("text of false", b'"false"', lambda cr: cr.debug.validate(), lambda it: it, False),
    *[
        (f"no receiver, {str(answer)[:8]}", answer, get, repr, "ResponseDecodeError")
        for answer in (b"null", b"true", [RECEIVER, BEN])
    ],
    (
        "count",
        {"count": 5},
        lambda cr: cr.tags.count("x"),
        repr,
        "ResponseDecodeError",
    ),
]
for _read in READS:
    register(*_read)

# Writes whose answer does not show success.

ROW = ReceiverInput(ANN)
FAILED, LOCKED = {"success": False}, {"success": False, "message": "locked"}
PAGE = b"<!doctype html><title>Wartung</title>"
WRITES: list[tuple[str, Call, list[Any]]] = [
    ("create", lambda cr: cr.receivers.create(ROW, group_id=1), [{}, PAGE]),
    ("delete", lambda cr: cr.receivers.delete(5, group_id=1), [FAILED, LOCKED, b"[]", PAGE]),
    ("deactivate", lambda cr: cr.receivers.deactivate(5, group_id=1), [FAILED, PAGE]),
    ("groups.clear", lambda cr: cr.groups.clear(5), [FAILED, PAGE]),
    ("orders.create", lambda cr: cr.orders.create(5, OrderInput("1", "x")), [FAILED, PAGE]),
    ("mailings.release", lambda cr: cr.mailings.release(5, time=1), [FAILED, PAGE]),
    ("mailings.update", lambda cr: cr.mailings.update(5, name="n"), [{"id": "5", **FAILED}, PAGE]),
    (
        "mailings.create",
        lambda cr: cr.mailings.create(name="n", subject="s", sender_name="a", sender_email=ANN),
        [{"id": False, **FAILED}, {"id": 0}, PAGE],
    ),
    (
        "create_from_template",
        lambda cr: cr.forms.create_from_template(1, name="x"),
        [{"id": 0, **FAILED}, LOCKED, PAGE],
    ),
    ("tags.add", lambda cr: cr.tags.add(5, "a"), [FAILED, PAGE]),
    ("debug.ping", lambda cr: cr.debug.ping(), [PAGE]),
    ("oauth.revoke", lambda cr: cr.oauth.revoke(), [FAILED, PAGE]),
]
for _label, _call, _answers in WRITES:
    for _answer in _answers:
        _right = "ResponseDecodeError" if _answer is PAGE else "APIStatusError"
        register(f"{_label} {_answer!r}", _answer, _call, repr, _right)
