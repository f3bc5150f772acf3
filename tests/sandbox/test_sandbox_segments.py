"""The sandbox: filters of groups."""

from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

PEOPLE: list[dict[str, Any]] = [
    {"email": "ann@example.org", "attributes": {"city": "Kiel"}, "tags": ["shop"]},
    {"email": "bob@example.org", "attributes": {"city": "Bonn"}, "tags": ["shop"]},
    {"email": "cat@example.org", "attributes": {"city": "Kiel"}},
    {"email": "dan@example.org", "global_attributes": {"zip": "1"}, "activated": 0},
]


def rule(field: str, logic: str = "", condition: str = "", operator: str = "") -> dict[str, str]:
    """Return one rule."""
    return {"field": field, "logic": logic, "condition": condition, "operator": operator}


KIEL, SHOP, ZIP = (
    rule("city", "eq", "Kiel"),
    rule("tags", "CONTAINS", "shop"),
    rule("zip", "eq", "1"),
)
OPEN, CLOSE, AND, OR = rule("("), rule(")"), {"operator": "AND"}, {"operator": "OR"}


@pytest.fixture
async def path(api: httpx.AsyncClient, group: int) -> str:
    """The path of the filters of a group with receivers."""
    await api.post(f"groups/{group}/attributes", json={"name": "city", "type": "text"})
    await api.post("attributes", json={"name": "zip", "type": "text"})
    await api.post(f"groups/{group}/receivers/upsertplus", json=PEOPLE)
    return f"groups/{group}/filters"


async def create(api: httpx.AsyncClient, path: str, *rules: object, **fields: object) -> str:
    """Create a filter and return its path."""
    answer = await api.post(path, json={"name": "x", "rules": rules, **fields})
    assert {"id": answer.json()["id"], "success": True} == answer.json()
    return f"{path}/{answer.json()['id']}"


async def names(api: httpx.AsyncClient, one: str, **query: str | int) -> str:
    """Return the initials of the receivers that a filter selects."""
    people = (await api.get(f"{one}/receivers", params=query)).json()
    return "".join(it["email"][0] for it in people)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([KIEL], "ac"),
        ([KIEL, SHOP | AND], "a"),
        ([KIEL, SHOP | OR], "abc"),
        ([KIEL, SHOP], "a"),
        ([ZIP, OPEN | OR, KIEL, SHOP | AND, CLOSE], "ad"),
        ([OPEN, ZIP, KIEL | OR, CLOSE, SHOP | AND], "a"),
        ([ZIP, KIEL | OR, SHOP | AND], "a"),
        ([OPEN, OPEN, ZIP, CLOSE, CLOSE, OPEN | OR, SHOP, KIEL | AND, CLOSE], "ad"),
        ([rule("email", "eq", "nobody")], ""),
    ],
)
async def test_filters_select(
    api: httpx.AsyncClient, path: str, rules: list[object], expected: str
) -> None:
    """Rules are combined from left to right, brackets first; count and statistics agree."""
    one = await create(api, path, *rules)
    assert expected == await names(api, one)
    assert len(expected) == (await api.get(f"{one}/count")).json()
    stats = (await api.get(f"{one}/stats")).json()
    active = len(expected.replace("d", ""))
    assert (len(expected), active) == (stats["total_count"], stats["active_count"])


async def test_the_operator_of_a_filter(api: httpx.AsyncClient, path: str) -> None:
    """It combines the rules that have none."""
    one = await create(api, path, KIEL, SHOP, operator="OR")
    assert "abc" == await names(api, one)
    await api.put(one, json={"rules": [KIEL, SHOP], "operator": "and"})
    assert "a" == await names(api, one)


async def test_pages_and_states(api: httpx.AsyncClient, path: str, sandbox: Sandbox) -> None:
    """As in the listing of a group."""
    one = await create(api, path, rule("email", "contains", "example"))
    sandbox.add_bounce("ann@example.org")
    assert "ab" == await names(api, one, pagesize=2)
    assert "cd" == await names(api, one, pagesize=2, page=1)
    assert "bc" == await names(api, one, type="active")
    assert "ad" == await names(api, one, type="inactive")
    assert "a" == await names(api, one, type="bounce")
    assert 400 == (await api.get(f"{one}/receivers", params={"type": "x"})).status_code
    assert 1 == (await api.get(f"{one}/stats")).json()["bounce_count"]


async def test_filters_are_returned_in_the_vendors_words(
    api: httpx.AsyncClient, path: str, sandbox: Sandbox
) -> None:
    """Sent back, they select the same. A switch returns them as they were sent."""
    one = await create(api, path, KIEL, SHOP | AND, operator="AND")
    found = (await api.get(one)).json()
    attribute = (await api.get(path.replace("filters", "attributes"))).json()[0]["id"]
    expected = [rule(f"a{attribute}.value", "EQ", "Kiel"), rule("tags", "CONTAINS", "shop", "AND")]
    assert {"name": "x", "operator": "AND", "rules": expected} == {
        k: v for k, v in found.items() if k != "id"
    }
    assert [found] == (await api.get(path)).json()
    await api.put(one, json={"rules": found["rules"]})
    assert "a" == await names(api, one)
    sandbox.behaviour = Behaviour(filter_rules="sent")
    rules = (await api.get(one)).json()["rules"]
    assert [KIEL, rule("tags", "contains", "shop", "AND")] == rules


async def test_changing_and_deleting_a_filter(api: httpx.AsyncClient, path: str) -> None:
    """Rules alone keep the name; a deletion keeps the receivers."""
    one = await create(api, path, KIEL)
    await api.put(one, json={"rules": [SHOP]})
    assert ("x", "ab") == ((await api.get(one)).json()["name"], await names(api, one))
    await api.put(one, json={"name": "y", "rules": [SHOP]})
    assert "y" == (await api.get(one)).json()["name"]
    assert (await api.delete(one)).json() is True
    for call in (api.get(one), api.delete(one), api.put(one, json={"rules": [SHOP]})):
        answer = await call
        assert (404, "Not Found: invalid filter") == (
            answer.status_code,
            answer.json()["error"]["message"],
        )
    assert 4 == len((await api.get(path.replace("filters", "receivers"))).json())


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x"},
        {"rules": [KIEL]},
        {"name": "x", "rules": []},
        {"name": "x", "rules": [rule("town", "eq", "Kiel")]},
        {"name": "x", "rules": [rule("city", "like", "Kiel")]},
        {"name": "x", "rules": [KIEL | {"operator": "XOR"}]},
        {"name": "x", "rules": [KIEL], "operator": "XOR"},
        {"name": "x", "rules": [OPEN, KIEL]},
        {"name": "x", "rules": [KIEL, CLOSE]},
        {"name": "x", "rules": [CLOSE, KIEL, OPEN]},
        {"name": "x", "rules": ["city"]},
    ],
)
async def test_refused_filters(api: httpx.AsyncClient, path: str, fields: object) -> None:
    """Nothing is stored."""
    assert 400 == (await api.post(path, json=fields)).status_code
    assert [] == (await api.get(path)).json()


async def test_filters_belong_to_a_group(api: httpx.AsyncClient, path: str) -> None:
    """Another group does not have them, and a deletion of the group deletes them."""
    one = await create(api, path, KIEL)
    other = (await api.post("groups", json={"name": "Other"})).json()["id"]
    assert [] == (await api.get(f"groups/{other}/filters")).json()
    assert 404 == (await api.get(f"groups/{other}/filters/{one.rpartition('/')[2]}")).status_code
    await api.delete(path.removesuffix("/filters"))
    assert 404 == (await api.get(one)).status_code
