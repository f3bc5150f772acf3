"""Filters: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from cleverreach_async.errors import CleverReachError, NotFoundError, ResponseDecodeError
from cleverreach_async.resources.filters import Filter, Filters
from cleverreach_async.resources.groups import GroupStats
from cleverreach_async.resources.receiver_models import Receiver
from cleverreach_async.resources.rules import FilterRule, where
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Filters], Awaitable[object]]

RULE = {"operator": "", "field": "city", "logic": "eq", "condition": "Kiel"}
STORED = {"operator": "", "field": "a88.value", "logic": "EQ", "condition": "Kiel", "n": 1}
RECORDED = {"id": "12001", "name": "Kiel", "rules": [STORED], "operator": "AND", "stamp": 5}
FILTER = Filter(
    id=12001,
    name="Kiel",
    rules=(FilterRule(field="a88.value", logic="EQ", condition="Kiel", extra={"n": 1}),),
    operator="AND",
    extra={"stamp": 5},
)
KIEL = where("city").eq("Kiel")
ONE = "/v3/groups/7/filters/12001"

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (
        lambda it: it.list(group_id=7),
        "GET",
        "/v3/groups/7/filters",
        None,
        [RECORDED, {"id": 5, "rules": False}],
        (FILTER, Filter(id=5)),
    ),
    "get": (lambda it: it.get(12001, group_id=7), "GET", ONE, None, [RECORDED], FILTER),
    "create": (
        lambda it: it.create(group_id=7, name="Kiel", rules=KIEL),
        "POST",
        "/v3/groups/7/filters",
        {"name": "Kiel", "rules": [RULE]},
        {"id": "12001", "success": True},
        12001,
    ),
    "copy": (
        lambda it: it.create(group_id=7, name="Copy", rules=FILTER.rules, operator="OR"),
        "POST",
        "/v3/groups/7/filters",
        {
            "name": "Copy",
            "operator": "OR",
            "rules": [{k: v for k, v in STORED.items() if k != "n"}],
        },
        {"id": 12002, "success": True},
        12002,
    ),
    "update": (
        lambda it: it.update(12001, group_id=7, rules=KIEL),
        "PUT",
        ONE,
        {"rules": [RULE]},
        {"id": "12001", "success": True},
        None,
    ),
    "update with a name": (
        lambda it: it.update(12001, group_id=7, rules=KIEL, name="x", operator="AND"),
        "PUT",
        ONE,
        {"name": "x", "operator": "AND", "rules": [RULE]},
        True,
        None,
    ),
    "delete": (lambda it: it.delete(12001, group_id=7), "DELETE", ONE, None, True, None),
    "count": (lambda it: it.count(12001, group_id=7), "GET", f"{ONE}/count", None, "12", 12),
    "receivers": (
        lambda it: it.receivers(12001, group_id=7),
        "GET",
        f"{ONE}/receivers?type=all&page=0&pagesize=500",
        None,
        [{"id": "1", "email": "ann@mail.example"}],
        (Receiver(id=1, email="ann@mail.example"),),
    ),
    "receivers in a state": (
        lambda it: it.receivers(12001, group_id=7, state="active", page_size=5000),
        "GET",
        f"{ONE}/receivers?type=active&page=0&pagesize=5000",
        None,
        [],
        (),
    ),
    "stats": (
        lambda it: it.stats(12001, group_id=7),
        "GET",
        f"{ONE}/stats",
        None,
        {"total_count": "3", "time": 1767225600},
        GroupStats(total_count=3, time=datetime(2026, 1, 1, tzinfo=UTC)),
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_filter_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Filters, act, answer)


@pytest.mark.parametrize(
    "answer", [None, "many", "", [], {"count": 3}, 1.5, True, b"<html></html>"]
)
async def test_what_is_no_count(answer: object, serve: Callable[..., Call]) -> None:
    """It raises instead of being 0 or 1."""
    with pytest.raises(CleverReachError):
        await Filters(serve(answer)).count(12001, group_id=7)


@pytest.mark.parametrize(
    "answer",
    [True, None, {"success": True}, {"id": 0, "success": True}, {"id": 5, "success": False}],
)
async def test_a_creation_without_a_filter(answer: object, serve: Callable[..., Call]) -> None:
    """The new id is what it returns."""
    with pytest.raises(CleverReachError):
        await Filters(serve(answer)).create(group_id=7, name="Kiel", rules=KIEL)


async def test_a_filter_that_does_not_exist(serve: Callable[..., Call]) -> None:
    """In the vendor's words."""
    answer = {"error": {"code": 404, "message": "Not Found: invalid filter"}}
    with pytest.raises(NotFoundError, match="invalid filter"):
        await Filters(serve(answer)).get(5, group_id=7)


async def test_odd_rules_stay(serve: Callable[..., Call]) -> None:
    """A rule that cannot be read does not hide the others."""
    answer = {"id": 5, "rules": {"0": STORED, "1": "x"}, "operator": None}
    [rule] = FILTER.rules
    expected = Filter(id=5, rules=(rule,), extra={"rules": {"1": "x"}})
    assert expected == await Filters(serve(answer)).get(5, group_id=7)
    with pytest.raises(ResponseDecodeError, match=r"\$\[0\]\.id"):
        await Filters(serve([{"name": "x"}])).list(group_id=7)


async def test_the_receivers_come_in_pages(serve: Callable[..., Call], sent: list[Request]) -> None:
    """The first page that is not full is the last."""
    pages = [[{"id": n, "email": f"{n}@mail.example"} for n in part] for part in ((1, 2), (3,))]
    listing = Filters(serve(*pages)).receivers(5, group_id=7, page_size=2)
    assert [1, 2, 3] == [it.id async for it in listing]
    assert ["0", "1"] == [it.target.partition("page=")[2][0] for it in sent]
    filters = Filters(serve([{"id": 4, "email": "4@mail.example"}], [], []))
    listing = filters.receivers(5, group_id=7, page_size=1, page=4, prefetch=1)
    assert [4] == [it.id async for it in listing]
    assert ["4", "5", "6"] == sorted(it.target.partition("page=")[2][0] for it in sent[2:])


def test_the_repr_of_a_filter_is_short() -> None:
    """It has no condition, which may be an address."""
    assert "Filter(id=12001, name='Kiel')" == repr(FILTER)
