"""Receivers of a group: lists and single receivers."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

ANN = "ann@example.org"


@pytest.fixture
async def path(api: httpx.AsyncClient, group: int) -> str:
    """The path of the receivers of a group; Ann is one of them."""
    await api.post("attributes", json={"name": "city", "type": "text"})
    await api.post(f"groups/{group}/attributes", json={"name": "size", "type": "number"})
    row = {
        "email": ANN,
        "tags": ["a"],
        "attributes": {"size": 4},
        "global_attributes": {"city": "Kiel"},
        "orders": [{"order_id": "A-17", "product": "Lamp", "quantity": 1}],
    }
    answer = await api.post(f"groups/{group}/receivers", json=row)
    assert answer.status_code == 200
    return f"groups/{group}/receivers"


async def fill(api: httpx.AsyncClient, path: str, number: int) -> None:
    """Add receivers."""
    rows = [{"email": f"u{i:04}@example.org", "registered": 10_000 - i} for i in range(number)]
    await api.post(f"{path}/upsert", json=rows)


async def emails(api: httpx.AsyncClient, path: str, **params: Any) -> list[str]:
    """Return the local parts of the addresses of a page."""
    answer = await api.get(path, params=params)
    assert answer.status_code == 200
    return [receiver["email"].partition("@")[0] for receiver in answer.json()]


async def test_create_duplicate_and_invalid(
    api: httpx.AsyncClient, path: str, sandbox: Sandbox
) -> None:
    """A single POST returns the receiver; a switch selects the status of a duplicate."""
    created = (await api.post(path, json={"email": "Bob@example.org", "source": "shop"})).json()
    assert (created["email"], created["source"], created["active"]) == (
        "Bob@example.org",
        "shop",
        True,
    )
    for behaviour, status in ((Behaviour(), 400), (Behaviour(duplicate_status=409), 409)):
        sandbox.behaviour = behaviour
        duplicate = await api.post(path, json={"email": "bob@EXAMPLE.org"})
        assert duplicate.status_code == status
        assert "duplicate address" in duplicate.json()["error"]["message"]
    invalid = await api.post(path, json={"email": "bob"})
    assert (invalid.status_code, invalid.json()["error"]["message"]) == (
        400,
        "invalid address 'bob'",
    )


async def test_create_from_list_and_form(api: httpx.AsyncClient, path: str) -> None:
    """The call accepts a list and form fields too."""
    answer = await api.post(path, json=[{"email": ANN}, {"email": "bob@example.org"}])
    assert answer.json()[0] == f"duplicate address '{ANN}'"
    assert answer.json()[1]["email"] == "bob@example.org"
    form = await api.post(path, data={"email": "eve@example.org", "activated": "0"})
    assert form.json()["active"] is False


async def test_pages(api: httpx.AsyncClient, path: str, sandbox: Sandbox) -> None:
    """Pages count from zero and have 50 rows by default, at most 5000."""
    await fill(api, path, 60)
    assert len(await emails(api, path)) == 50
    assert await emails(api, path, page=6, pagesize=10) == ["u0059"]
    assert await emails(api, path, page=1, pagesize=2) == ["u0001", "u0002"]
    assert await emails(api, path, page=7, pagesize=10) == []
    assert len(await emails(api, path, pagesize=9999)) == 61
    sandbox.behaviour = Behaviour(oversized_page="error")
    assert (await api.get(path, params={"pagesize": 5001})).status_code == 400
    for bad in ({"page": "x"}, {"page": -1}, {"pagesize": "1e9"}):
        assert (await api.get(path, params=bad)).status_code == 400
    assert await emails(api, path, page=2**53, pagesize=5000) == []


async def test_pages_count_what_is_there(api: httpx.AsyncClient, group: int, path: str) -> None:
    """A page begins at the same place, whatever was deleted and whoever is in other groups."""
    other = (await api.post("groups", json={"name": "Other"})).json()["id"]
    await fill(api, f"groups/{other}/receivers", 4)
    await fill(api, path, 6)
    for gone in ("u0000@example.org", "u0003@example.org"):
        await api.delete(f"{path}/{gone}")
    there = [name for page in range(4) for name in await emails(api, path, page=page, pagesize=2)]
    assert there == ["ann", "u0001", "u0002", "u0004", "u0005"]
    assert await emails(api, path, page=1, pagesize=2, order_by="id desc") == ["u0002", "u0001"]
    assert await emails(api, path, page=1, pagesize=2, type="inactive") == ["u0004", "u0005"]
    assert group != other


@pytest.mark.parametrize("page", [0, 3])
async def test_a_page_of_a_large_group_sorts_nothing(
    api: httpx.AsyncClient, path: str, sandbox: Sandbox, page: int
) -> None:
    """SQLite would sort all of its rows for each page."""
    await fill(api, path, 8)
    plans: list[str] = []
    store = sandbox.store

    def explain(make: Any, sql: str, *values: object) -> list[Any]:
        plans.extend(row["detail"] for row in store.rows(f"EXPLAIN QUERY PLAN {sql}", *values))
        return type(store).each(store, make, sql, *values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "each", explain)
        await emails(api, path, page=page, pagesize=2)
    assert any("SEARCH m USING PRIMARY KEY" in plan for plan in plans)
    assert [] == [plan for plan in plans if "TEMP B-TREE" in plan]


async def test_order(api: httpx.AsyncClient, path: str) -> None:
    """Receivers are listed in the requested order; unknown fields are refused."""
    await fill(api, path, 3)
    for order, expected in (("registered asc", ["u0002", "u0001"]), ("email DESC", ["u0002"])):
        assert await emails(api, path, order_by=order, pagesize=len(expected)) == expected
    for order in ("password", "email sideways", "1; DROP TABLE members"):
        assert (await api.get(path, params={"order_by": order})).status_code == 400


async def test_states(api: httpx.AsyncClient, path: str, sandbox: Sandbox) -> None:
    """The type selects receivers by state."""
    rows = [{"email": "new@example.org", "activated": 0}, {"email": "gone@example.org"}]
    await api.post(f"{path}/upsert", json=rows)
    sandbox.add_bounce("Gone@example.org")
    assert await emails(api, path) == ["ann", "new", "gone"]
    assert await emails(api, path, type="active") == ["ann"]
    assert await emails(api, path, type="inactive") == ["new", "gone"]
    assert await emails(api, path, type="bounce") == ["gone"]
    assert (await api.get(path, params={"type": "odd"})).status_code == 400


async def test_lists_of_addresses_and_ids(api: httpx.AsyncClient, group: int, path: str) -> None:
    """Addresses and ids in the query or the body select receivers."""
    await fill(api, path, 3)
    assert await emails(api, path, email_list=f"U0001@example.org, {ANN}") == ["ann", "u0001"]
    assert await emails(api, path, id_list="2,4,x") == ["u0000", "u0002"]
    body = {"email_list": ["u0001@example.org", ANN], "pagesize": 1, "page": 1}
    found = (await api.post(f"groups/{group}/get_receivers", json=body)).json()
    assert [receiver["email"] for receiver in found] == ["u0001@example.org"]
    assert len((await api.post(f"groups/{group}/get_receivers")).json()) == 4


@pytest.mark.parametrize(
    ("detail", "extra"),
    [
        (0, set[str]()),
        (1, {"events"}),
        (2, {"orders"}),
        (4, {"tags"}),
        (7, {"events", "orders", "tags"}),
    ],
)
async def test_detail(api: httpx.AsyncClient, path: str, detail: int, extra: set[str]) -> None:
    """The bits of detail add events, orders and tags."""
    plain = (await api.get(path)).json()[0]
    answer = (await api.get(path, params={"detail": detail})).json()[0]
    assert answer.keys() - plain.keys() == extra


@pytest.mark.parametrize("receiver", ["1", ANN, "ANN%40example.org"])
async def test_read_by_id_or_address(api: httpx.AsyncClient, path: str, receiver: str) -> None:
    """An id and an address work, with "@" encoded or not; the response has all details."""
    answer = (await api.get(f"{path}/{receiver}")).json()
    assert (answer["id"], answer["email"]) == ("1", ANN)
    assert answer["attributes"] == {"size": "4"}
    assert answer["global_attributes"] == {"city": "Kiel"}
    assert (answer["tags"], answer["events"]) == (["a"], [])
    assert answer["orders"][0]["order_id"] == "A-17"


@pytest.mark.parametrize("receiver", ["2", "x", "nobody@example.org", "%C2%B2", "9" * 30])
async def test_unknown_receiver(
    api: httpx.AsyncClient, path: str, sandbox: Sandbox, receiver: str
) -> None:
    """An unknown receiver is 404 in the vendor's words; with the switch, a read returns []."""
    for method, rest in (
        ("GET", ""),
        ("DELETE", ""),
        ("PUT", ""),
        ("PUT", "/activate"),
        ("PUT", "/deactivate"),
        ("GET", "/orders"),
        ("GET", "/attributes"),
    ):
        answer = await api.request(method, f"{path}/{receiver}{rest}", json={})
        assert answer.status_code == 404, (method, rest)
        assert answer.json()["error"]["message"] == "Not Found: invalid receiver"
    sandbox.behaviour = Behaviour(missing_receiver_read="empty_list")
    assert (await api.get(f"{path}/{receiver}")).json() == []
    assert (await api.get(f"receivers/{receiver}")).json() == []


async def test_address_with_a_slash(api: httpx.AsyncClient, path: str) -> None:
    """An encoded slash stays in the address."""
    await api.post(path, json={"email": "a/b@example.org"})
    answer = await api.get(f"{path}/a%2Fb%40example.org")
    assert answer.json()["email"] == "a/b@example.org"


async def test_single_read_as_list(api: httpx.AsyncClient, path: str, sandbox: Sandbox) -> None:
    """With the switch, a single receiver is in a list."""
    sandbox.behaviour = Behaviour(single_read="list")
    assert [r["email"] for r in (await api.get(f"{path}/1")).json()] == [ANN]
    assert [r["email"] for r in (await api.get("receivers/1")).json()] == [ANN]


async def test_update(api: httpx.AsyncClient, path: str, sandbox: Sandbox) -> None:
    """Omitted fields are kept, another address is ignored, tags are added or replaced."""
    fields = {"email": "other@example.org", "source": "shop", "tags": ["b"]}
    answer = (await api.put(f"{path}/{ANN}", json=fields)).json()
    assert (answer["email"], answer["source"], answer["tags"]) == (ANN, "shop", ["a", "b"])
    assert answer["attributes"] == {"size": "4"}
    sandbox.behaviour = Behaviour(put_tags="replace")
    answer = (await api.put(f"{path}/1", json={"tags": ["c"]})).json()
    assert (answer["tags"], answer["source"]) == (["c"], "shop")
    assert (await api.put(f"{path}/1", json={"registered": "x"})).status_code == 400
    answer = (
        await api.put(f"{path}/1", json={"orders": [{"order_id": "B", "product": "x"}]})
    ).json()
    assert [order["order_id"] for order in answer["orders"]] == ["A-17", "B"]


async def test_activate_and_deactivate(
    api: httpx.AsyncClient, group: int, path: str, sandbox: Sandbox, now: int
) -> None:
    """Both return true and change the state, also after an unsubscription."""
    for verb, active in (("deactivate", False), ("activate", True)):
        assert (await api.put(f"{path}/{ANN}/{verb}")).json() is True
        stored = sandbox.store.receiver(group, ANN)
        assert stored is not None
        assert stored["active"] is active
        assert stored["activated"] == now


async def test_delete(api: httpx.AsyncClient, group: int, path: str, sandbox: Sandbox) -> None:
    """A receiver can be deleted; deleting it again is 404."""
    assert (await api.delete(f"{path}/{ANN}")).json() is True
    assert sandbox.store.receiver(group, ANN) is None
    assert (await api.delete(f"{path}/{ANN}")).status_code == 404


async def test_single_attribute_value(api: httpx.AsyncClient, group: int, path: str) -> None:
    """A value can be set by attribute id; values are listed by scope."""
    city = (await api.get("attributes")).json()[0]["id"]
    size = (await api.get(f"groups/{group}/attributes")).json()[0]["id"]
    answer = await api.put(f"{path}/1/attributes/{size}", json={"value": 5})
    assert answer.json() == {"id": size, "name": "size", "value": "5"}
    answer = await api.put(f"receivers/{ANN}/attributes/{city}", json={"value": "Bonn"})
    assert answer.json() == {"id": city, "name": "city", "value": "Bonn"}
    assert (await api.get(f"{path}/1/attributes")).json() == [
        {"id": size, "name": "size", "value": "5"}
    ]
    assert (await api.get("receivers/1/attributes")).json() == [
        {"id": city, "name": "city", "value": "Bonn"}
    ]
    assert (await api.put(f"receivers/1/attributes/{size}", json={"value": 5})).status_code == 404
    assert (await api.put(f"{path}/1/attributes/9", json={"value": 5})).status_code == 404
    assert (await api.put(f"{path}/1/attributes/{size}", json={"value": []})).status_code == 400


async def test_orders_that_can_be_read_later(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox, advance: Callable[[float], None]
) -> None:
    """With the switch, stored order lines are not returned for some seconds, in any call."""
    sandbox.behaviour = Behaviour(orders_visible_after=5)
    path = f"groups/{group}/receivers"
    row = {"email": "ann@example.org", "orders": [{"order_id": "1", "product": "Lamp"}]}
    await api.post(f"{path}/upsertplus", json=[row])
    await api.post(f"{path}/ann@example.org/orders", json={"order_id": "2", "product": "Mug"})

    async def shown() -> list[list[str]]:
        """The order ids in both calls."""
        lines = (await api.get(f"{path}/ann@example.org/orders")).json()
        [profile] = (await api.get(path, params={"detail": 2})).json()
        return [[line["order_id"] for line in found] for found in (lines, profile["orders"])]

    assert [[], []] == await shown()
    assert ["1", "2"] == [line["order_id"] for line in sandbox.store.orders("ann@example.org")]
    advance(4)
    assert [[], []] == await shown()
    advance(1)
    assert [["1", "2"]] * 2 == await shown()
