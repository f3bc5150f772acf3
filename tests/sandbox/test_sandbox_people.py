"""Receivers across groups, and their orders, events and tags."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

ANN, BOB = "ann@example.org", "bob@example.org"


@pytest.fixture
async def groups(api: httpx.AsyncClient, group: int) -> tuple[int, int]:
    """Two groups: Ann is in both, Bob in the second."""
    other = int((await api.post("groups", json={"name": "Other"})).json()["id"])
    await api.post("attributes", json={"name": "city", "type": "text"})
    await api.post(f"groups/{group}/attributes", json={"name": "born", "type": "date"})
    ann: dict[str, Any] = {"email": ANN, "global_attributes": {"city": "Kiel"}}
    first = ann | {"tags": ["shop.customer", "a"], "attributes": {"born": "1990-05-01"}}
    await api.post(f"groups/{group}/receivers", json=first)
    second = [ann | {"tags": ["b"]}, {"email": BOB, "activated": 0, "tags": ["shop.lead"]}]
    await api.post(f"groups/{other}/receivers", json=second)
    return group, other


async def test_read_without_and_with_a_group(
    api: httpx.AsyncClient, groups: tuple[int, int]
) -> None:
    """Fields of a group are empty without a group, and present with one."""
    bare = (await api.get(f"receivers/{ANN}")).json()
    assert (bare["id"], bare["group_id"], bare["activated"]) == ("1", "", 0)
    assert (bare["attributes"], bare["global_attributes"]) == ({}, {"city": "Kiel"})
    assert bare["tags"] == ["shop.customer", "a", "b"]
    full = (await api.get("receivers.json/1", params={"group_id": groups[0]})).json()
    assert full["attributes"] == {"born": "1990-05-01"}
    assert full["group_id"] == str(groups[0])
    missing = await api.get(f"receivers/{BOB}", params={"group_id": groups[0]})
    assert missing.json()["error"]["message"] == "Not Found: invalid receiver"


@pytest.mark.parametrize("receiver", ["1.0", "1e0", "+1", " 1", "1" + "0" * 16, "0" * 14 + "10"])
async def test_ids_that_are_no_ids(api: httpx.AsyncClient, group: int, receiver: str) -> None:
    """Nothing but the digits of an id is that id, in the account as in a group."""
    await api.post(f"groups/{group}/receivers", json={"email": ANN})
    for place in ("receivers", f"groups/{group}/receivers"):
        answer = await api.get(f"{place}/{quote(receiver)}")
        assert 404 == answer.status_code


async def test_groups_of_a_receiver(api: httpx.AsyncClient, groups: tuple[int, int]) -> None:
    """The groups of a receiver are listed."""
    answer = (await api.get(f"receivers/{ANN}/groups")).json()
    assert [(g["id"], g["name"]) for g in answer] == [
        (str(groups[0]), "Newsletter"),
        (str(groups[1]), "Other"),
    ]


async def test_delete_from_one_group_or_all(
    api: httpx.AsyncClient, groups: tuple[int, int], sandbox: Sandbox
) -> None:
    """With a group the receiver stays in others; without one it is deleted."""
    assert (await api.delete(f"receivers/{ANN}", params={"group_id": groups[0]})).json() is True
    assert [sandbox.store.emails(g) for g in groups] == [[], [ANN, BOB]]
    assert (await api.delete(f"receivers/{ANN}")).json() is True
    assert (await api.delete(f"receivers/{ANN}")).status_code == 404


async def test_batch_delete(
    api: httpx.AsyncClient, groups: tuple[int, int], sandbox: Sandbox
) -> None:
    """The list is wrapped in an object; unknown receivers are ignored."""
    body = {"receivers": [ANN, 2, "nobody@example.org"]}
    assert (await api.post("receivers/delete.json", json=body)).json() is True
    assert [sandbox.store.emails(g) for g in groups] == [[], []]
    assert (await api.post("receivers/delete", json={})).status_code == 400


async def test_change_email(
    api: httpx.AsyncClient, groups: tuple[int, int], sandbox: Sandbox
) -> None:
    """An address changes in every group; one in use or an invalid one is refused."""
    body = {"email": "Anne@example.org"}
    assert (await api.put(f"receivers/{ANN}/email", json=body)).json() is True
    assert [sandbox.store.emails(g)[0] for g in groups] == ["Anne@example.org"] * 2
    taken = await api.put("receivers/1/email", json={"email": BOB})
    assert "duplicate address" in taken.json()["error"]["message"]
    for bad in ({"email": "x"}, {}):
        assert (await api.put("receivers/1/email", json=bad)).status_code == 400
    assert (await api.put("receivers/1/email", json={"email": "anne@example.org"})).is_success


async def test_clone(api: httpx.AsyncClient, groups: tuple[int, int], sandbox: Sandbox) -> None:
    """A copy has its own id and the same data, in every group or in one."""
    body = {"email": "eve@example.org"}
    assert (await api.post(f"receivers/{ANN}/clone", json=body)).json()["id"] == "3"
    assert [body["email"] in sandbox.store.emails(g) for g in groups] == [True, True]
    body = {"email": "eva@example.org", "group_id": str(groups[1])}
    await api.post(f"receivers/{ANN}/clone", json=body)
    assert [body["email"] in sandbox.store.emails(g) for g in groups] == [False, True]
    assert (await api.post(f"receivers/{ANN}/clone", json=body)).status_code == 400
    for bad in ({"email": "x"}, {"email": "y@example.org", "group_id": 1}):
        assert (await api.post(f"receivers/{ANN}/clone", json=bad)).is_client_error


async def test_is_valid(api: httpx.AsyncClient, groups: tuple[int, int]) -> None:
    """Invalid and blacklisted addresses are left out; with a group, inactive and unknown too."""
    await api.post("blacklist", json={"email": "no@example.org"})
    emails = [ANN, BOB, "new@example.org", "No@example.org", "x"]

    async def valid(**fields: Any) -> Any:
        """Return the valid addresses."""
        return (await api.post("receivers/isvalid", json={"emails": emails} | fields)).json()

    assert await valid() == [ANN, BOB, "new@example.org"]
    assert await valid(group_id=groups[1]) == [ANN]
    assert await valid(group_id=groups[1], invert=True) == emails[1:]
    assert (await api.post("receivers/isvalid", json={})).status_code == 400


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], [ANN, BOB]),
        ([("email", "contains", "BOB")], [BOB]),
        ([("email", "nocontains", "bob")], [ANN]),
        ([("city", "eq", "kiel")], [ANN]),
        ([("city", "neq", "Kiel")], [BOB]),
        ([("city", "NOTISNULL", "")], [ANN]),
        ([("activated", "bg", "5")], [ANN]),
        ([("registered", "sm", "5")], []),
        ([("born", "sm", "1991-01-01")], [ANN]),
        ([("tags", "contains", "x,shop.lead")], [BOB]),
        ([("tags", "nocontains", "shop.lead")], [ANN]),
        ([("tags", "notisnull", "")], [ANN, BOB]),
        ([("email", "contains", "example"), ("city", "eq", "Kiel")], [ANN]),
    ],
)
async def test_filter(
    api: httpx.AsyncClient,
    groups: tuple[int, int],
    rules: list[tuple[str, str, str]],
    expected: list[str],
) -> None:
    """Rules select receivers of some groups."""
    body = {
        "groups": groups,
        "activeonly": False,
        "rules": [{"field": f, "logic": logic, "condition": c} for f, logic, c in rules],
    }
    answer = (await api.post("receivers/filter.json", json=body)).json()
    assert [receiver["email"] for receiver in answer] == expected


async def test_filter_options(
    api: httpx.AsyncClient, groups: tuple[int, int], sandbox: Sandbox
) -> None:
    """Rules can be joined by OR; the body has the page and whether to include inactive ones."""
    rules = [
        {"field": "email", "logic": "eq", "condition": ANN},
        {"field": "email", "logic": "eq", "condition": BOB},
    ]
    body: dict[str, Any] = {"groups": [], "operator": "OR", "rules": rules, "detail": 4}

    async def found(**fields: Any) -> list[tuple[str, Any]]:
        """Filter and return addresses and tags."""
        answer = await api.post("receivers/filter", json=body | fields)
        return [(receiver["email"], receiver["tags"]) for receiver in answer.json()]

    assert await found() == [(ANN, [])]
    assert await found(groups=[groups[1]]) == [(ANN, ["b"])]
    sandbox.behaviour = Behaviour(filter_active_only=False)
    assert await found() == [(ANN, []), (BOB, [])]
    assert await found(orderby="email desc", pagesize=1, page=1) == [(ANN, [])]


@pytest.mark.parametrize(
    "body",
    [
        {"rules": []},
        {"groups": []},
        {"groups": [], "rules": [7]},
        {"groups": ["x"], "rules": []},
        {"groups": [], "rules": [{"field": "email", "logic": "like", "condition": ""}]},
        {"groups": [], "rules": [{"field": "nope", "logic": "eq", "condition": ""}]},
        {"groups": [], "rules": [], "orderby": "nope"},
        {"groups": [], "rules": [], "operator": "XOR"},
        {"groups": [], "rules": [], "page": 1.5},
    ],
)
async def test_refused_filter(api: httpx.AsyncClient, group: int, body: dict[str, Any]) -> None:
    """An invalid filter is 400."""
    await api.post(f"groups/{group}/receivers", json={"email": ANN})
    assert (await api.post("receivers/filter", json=body)).status_code == 400


async def test_bounced(api: httpx.AsyncClient, groups: tuple[int, int], sandbox: Sandbox) -> None:
    """Bounced receivers are listed, and so are their bounces."""
    assert (await api.get("receivers/bounced")).json() == []
    sandbox.add_bounce(BOB, bounce_message="550 unknown user")
    answer = (await api.get("receivers/bounced", params={"page": 0})).json()
    assert [(r["email"], r["group_id"]) for r in answer] == [(BOB, str(groups[1]))]
    bounce = (await api.get("bounces", params={"pagesize": 500})).json()[0]
    assert (bounce["email"], bounce["occurences"], bounce["bounce_message"]) == (
        BOB,
        1,
        "550 unknown user",
    )


# Orders and events.


@pytest.mark.parametrize("prefix", ["groups/{}/receivers/", "receivers/"])
async def test_orders(
    api: httpx.AsyncClient, groups: tuple[int, int], prefix: str, now: int, sandbox: Sandbox
) -> None:
    """Order lines can be added, changed, read and deleted by both paths."""
    path = prefix.format(groups[0]) + f"{ANN}/orders"
    line = {"order_id": "A-17", "product": "Lamp", "price": 49.9, "currency": "EUR", "quantity": 2}
    assert (await api.post(path, json=line)).json() == line | {"stamp": now}
    await api.post(path, json=[line | {"product": "Bulb", "mailing_id": 77001}])
    changed = (await api.put(f"{path}/A-17", json={"price": 5})).json()
    assert (changed["price"], changed["product"]) == (5.0, "Lamp")
    sandbox.behaviour = Behaviour(order_quantity_key="amount")
    lines = (await api.get(path)).json()
    assert [(o["product"], o["price"], o["amount"]) for o in lines] == [
        ("Lamp", 5.0, 2),
        ("Bulb", 5.0, 2),
    ]
    assert lines[1]["mailing_id"] == "77001"
    assert (await api.delete(f"{path}/A-17")).json() is True
    assert (await api.get(path)).json() == []
    for answer in (await api.delete(f"{path}/A-17"), await api.put(f"{path}/A-17", json={})):
        assert answer.status_code == 404
    for bad in ({}, [7], {"order_id": "1"}, None):
        assert (await api.post(path, json=bad)).status_code == 400
    assert (await api.put(f"{path}/A-17", json={"price": "x"})).status_code == 400


async def test_events(api: httpx.AsyncClient, groups: tuple[int, int], now: int) -> None:
    """Events can be added and read; at most the last 250 are returned."""
    path = f"groups/{groups[0]}/receivers/{ANN}/events"
    event = {"type": "mail_click", "type_id": 4711, "value": "x", "mailing_id": 77001}
    expected = {
        "stamp": now,
        "type": "mail_click",
        "type_id": "4711",
        "value": "x",
        "mailing_id": "77001",
        "groups_id": str(groups[0]),
    }
    assert (await api.post(path, json=event)).json() == expected
    assert (await api.get(f"receivers/{ANN}/events")).json() == [expected]
    for number in range(251):
        await api.post(path, json={"value": number})
    values = [e["value"] for e in (await api.get(path)).json()]
    assert values == [str(number) for number in range(1, 251)]


# Tags.


async def test_tag_changes_by_upsert(api: httpx.AsyncClient, groups: tuple[int, int]) -> None:
    """A tag is added, with - removed, with a wildcard by origin; other characters become _."""

    async def tags(*changes: str) -> Any:
        """Change tags and return all of them."""
        row = {"email": ANN, "tags": changes}
        answer = await api.post(f"groups/{groups[0]}/receivers/upsertplus", json=[row])
        return answer.json()[0]["tags"]

    assert await tags("x y", "shop.größe.xl", "a") == [
        "shop.customer",
        "a",
        "x_y",
        "shop.gr__e_xl",
    ]
    assert await tags("-a", "-nope") == ["shop.customer", "x_y", "shop.gr__e_xl"]
    assert await tags("-shop.*", "shop.new") == ["x_y", "shop.new"]
    assert await tags() == ["x_y", "shop.new"]


async def test_tags_of_a_receiver(api: httpx.AsyncClient, groups: tuple[int, int]) -> None:
    """Tags of a receiver can be added, listed and removed, in one group or in all."""
    path = f"receivers/{ANN}/tags"
    body = {"tags": ["new tag"], "group_id": groups[1]}
    assert (await api.post(path, json=body)).json() == ["new_tag"]
    assert (await api.get(path, params={"group_id": groups[1]})).json() == ["b", "new_tag"]
    await api.post(path, json={"tags": ["everywhere"]})
    await api.post(f"groups/{groups[0]}/receivers/{ANN}/tags", json={"tags": ["here"]})
    assert (await api.get(path)).json() == [
        "shop.customer",
        "a",
        "everywhere",
        "here",
        "b",
        "new_tag",
    ]
    assert (await api.delete(f"{path}/a,shop.*,everywhere")).json() is True
    assert (await api.get(path)).json() == ["here", "b", "new_tag"]
    for bad in ({}, {"tags": "x"}, {"tags": [1]}):
        assert (await api.post(path, json=bad)).status_code == 400


async def test_tags_of_the_account(
    api: httpx.AsyncClient, groups: tuple[int, int], sandbox: Sandbox
) -> None:
    """Tags are listed with counts, by origin and in pages; a single count is a number."""

    async def names(**params: Any) -> list[str]:
        """List tags as origin:name."""
        return [f"{t['origin']}:{t['tag']}" for t in (await api.get("tags", params=params)).json()]

    assert await names() == [":a", ":b", "shop:customer", "shop:lead"]
    assert await names(origin="shop") == ["shop:customer", "shop:lead"]
    assert await names(origin="", group_id=groups[0]) == [":a"]
    assert await names(limit=2, page=1, offset=3) == ["shop:customer", "shop:lead"]
    sandbox.behaviour = Behaviour(tags_paging="offset")
    assert await names(limit=2, page=1, offset=3) == ["shop:lead"]
    await api.post(f"groups/{groups[1]}/receivers/upsert", json=[{"email": BOB, "tags": ["b"]}])
    assert (await names(order_by="count"))[0] == ":b"
    assert (await api.get("tags", params={"order_by": "x"})).status_code == 400
    for query, number in (("", 2), ("&active=true", 1), (f"&group_id={groups[0]}", 0)):
        assert (await api.get(f"tags/count?tag=b{query}")).json() == number
    assert (await api.get("tags/count")).status_code == 400
