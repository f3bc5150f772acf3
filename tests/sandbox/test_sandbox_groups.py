"""Groups and attribute definitions."""

from collections.abc import Callable

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio


async def test_create_and_read(api: httpx.AsyncClient, now: int) -> None:
    """A new group has the recorded fields and a string id, and reads return the same."""
    created = (await api.post("groups", json={"name": "Customers"})).json()
    assert created == {
        "id": created["id"],
        "name": "Customers",
        "locked": False,
        "backup": True,
        "receiver_info": "",
        "stamp": now,
        "last_mailing": 0,
        "last_changed": now,
    }
    assert isinstance(created["id"], str)
    assert (await api.get(f"groups.json/{created['id']}")).json() == created
    assert (await api.get("groups.json")).json() == [created]


async def test_update_changes_only_what_is_sent(
    api: httpx.AsyncClient, group: int, advance: Callable[[float], None], now: int
) -> None:
    """Fields that a PUT omits are kept."""
    advance(5)
    answer = (await api.put(f"groups/{group}", json={"receiver_info": "You asked"})).json()
    assert (answer["name"], answer["receiver_info"]) == ("Newsletter", "You asked")
    assert (answer["stamp"], answer["last_changed"]) == (now, now + 5)


async def test_order(api: httpx.AsyncClient, advance: Callable[[float], None]) -> None:
    """Groups are listed in the requested order; an invalid order is refused."""
    for name in ("a", "b"):
        await api.post("groups", json={"name": name})
        advance(1)
    answer = await api.get("groups", params={"order": "created DESC"})
    assert [group["name"] for group in answer.json()] == ["b", "a"]
    for order in ("name ASC", "created; DROP TABLE members"):
        assert (await api.get("groups", params={"order": order})).status_code == 400


@pytest.mark.parametrize("group_id", ["1", "x", "9" * 40, "-1", "%C2%B2"])
async def test_unknown_group(api: httpx.AsyncClient, group_id: str) -> None:
    """An unknown or invalid id is 404 in the vendor's words."""
    for path in ("", "/stats", "/attributes", "/receivers", "/forms"):
        answer = await api.get(f"groups/{group_id}{path}")
        assert answer.status_code == 404, path
        assert answer.json()["error"]["message"] == "Not Found: invalid group"


async def test_group_without_a_name(api: httpx.AsyncClient) -> None:
    """A group requires a name and a body that is an object."""
    for body in ("{}", '{"name": ""}', '{"name": []}', "[]", '"x"', "null", ""):
        assert (await api.post("groups", content=body)).status_code == 400, body


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[NaN]", b'"\\ud800"', b"[" * 100_000, b"1" * 5000]
)
async def test_malformed_json(api: httpx.AsyncClient, body: bytes) -> None:
    """A body that is not JSON is a 400 in the vendor's shape."""
    answer = await api.post("groups", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400


async def test_delete_and_clear(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """Clear keeps the group, delete does not; receivers without a group are deleted."""
    rows = [{"email": "ann@example.org"}]
    await api.post(f"groups/{group}/receivers/upsert", json=rows)
    assert (await api.delete(f"groups/{group}/clear")).json() is True
    assert sandbox.store.emails(group) == []
    assert (await api.get("receivers/ann@example.org")).status_code == 404
    assert (await api.delete(f"groups/{group}")).json() is True
    assert (await api.get(f"groups/{group}")).status_code == 404


async def test_stats(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """The counts of a group match its receivers."""
    rows = [
        {"email": "a@example.org", "orders": [{"order_id": "1", "product": "Lamp"}]},
        {"email": "b@example.org", "activated": 0},
        {"email": "c@example.org"},
    ]
    await api.post(f"groups/{group}/receivers/upsert", json=rows)
    sandbox.add_bounce("c@example.org")
    stats = (await api.get(f"groups/{group}/stats")).json()
    counted = {name: stats[f"{name}_count"] for name in ("total", "active", "inactive", "bounce")}
    assert counted == {"total": 3, "active": 1, "inactive": 2, "bounce": 1}
    assert stats["order_count"] == 1


async def test_empty_id(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """A DELETE with an empty id is 404, or clears the group with the switch."""
    await api.post(f"groups/{group}/receivers", json={"email": "ann@example.org"})
    assert (await api.delete(f"groups/{group}/receivers/")).status_code == 404
    assert sandbox.store.count(group) == 1
    sandbox.behaviour = Behaviour(empty_id_clears_group=True)
    assert (await api.delete(f"groups/{group}/receivers/")).json() is True
    assert sandbox.store.count(group) == 0


async def test_single_read_as_list(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """With the switch, a single group is in a list."""
    sandbox.behaviour = Behaviour(single_read="list")
    assert [g["name"] for g in (await api.get(f"groups/{group}")).json()] == ["Newsletter"]


@pytest.mark.parametrize(
    ("behaviour", "status", "body"),
    [
        (Behaviour(), 404, {"error": {"code": 404, "message": "Not Found: invalid group"}}),
        (Behaviour(error_shape="flat"), 404, {"message": "Not Found: invalid group"}),
        (Behaviour(error_shape="string"), 404, {"error": "Not Found: invalid group"}),
        (
            Behaviour(errors_as_200="refusals"),
            200,
            {"error": {"code": 404, "message": "Not Found: invalid group"}},
        ),
    ],
)
async def test_error_shapes(
    api: httpx.AsyncClient, sandbox: Sandbox, behaviour: Behaviour, status: int, body: object
) -> None:
    """Errors have every known shape, also with HTTP 200."""
    sandbox.behaviour = behaviour
    answer = await api.get("groups/1")
    assert (answer.status_code, answer.json()) == (status, body)


async def test_errors_as_200_except_401(guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With "refusals" a 401 remains a 401; with "always" it does not."""
    sandbox.behaviour = Behaviour(errors_as_200="refusals")
    assert (await guest.get("/v3/groups")).status_code == 401
    sandbox.behaviour = Behaviour(errors_as_200="always")
    assert (await guest.get("/v3/groups")).status_code == 200


# Attributes.


async def test_attribute_is_stored_lower_case(api: httpx.AsyncClient) -> None:
    """The response has the recorded fields; its ids are ints."""
    fields = {"name": "First Name", "type": "text", "description": "Given name"}
    created = (await api.post("attributes", json=fields)).json()
    assert created == {
        "id": created["id"],
        "groups_id": 0,
        "name": "first_name",
        "type": "text",
        "description": "Given name",
        "preview_value": "",
        "value": None,
        "tag": "{FIRST_NAME}",
    }
    assert isinstance(created["id"], int)
    assert (await api.get(f"attributes/{created['id']}")).json() == created
    assert (await api.get("attributes.json")).json() == [created]


async def test_existing_attribute_is_a_conflict(api: httpx.AsyncClient, group: int) -> None:
    """The same name in the same scope is 409, but not in another scope."""
    fields = {"name": "city", "type": "text"}
    await api.post("attributes", json=fields)
    assert (await api.post("attributes", json=fields | {"name": "City"})).status_code == 409
    local = await api.post("attributes", json=fields | {"group_id": group})
    assert local.json()["groups_id"] == group
    assert (await api.post(f"groups/{group}/attributes", json=fields)).status_code == 409
    by_query = await api.get("attributes", params={"group_id": group})
    assert by_query.json() == (await api.get(f"groups/{group}/attributes")).json() == [local.json()]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "email", "type": "text"},
        {"name": "Registered", "type": "date"},
        {"name": "x"},
        {"name": "x", "type": "bool"},
        {"type": "text"},
    ],
)
async def test_refused_attribute(api: httpx.AsyncClient, fields: dict[str, str]) -> None:
    """Reserved names, unknown types and missing fields are refused."""
    assert (await api.post("attributes", json=fields)).status_code == 400


async def test_attribute_cap(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """Global and local attributes share one limit; a switch selects the status."""
    sandbox.behaviour = Behaviour(attribute_cap=2, attribute_cap_status=409)
    await api.post("attributes", json={"name": "a", "type": "text"})
    path = f"groups/{group}/attributes"
    assert (await api.post(path, json={"name": "b", "type": "text"})).status_code == 200
    answer = await api.post(path, json={"name": "c", "type": "text"})
    assert (answer.status_code, "maximum" in answer.json()["error"]["message"]) == (409, True)


@pytest.mark.parametrize("scope", ["attributes", "global_attributes"])
async def test_values_of_renamed_and_deleted_attributes(
    api: httpx.AsyncClient, group: int, scope: str
) -> None:
    """Renaming an attribute keeps its values; deleting it deletes them."""
    path = f"groups/{group}/attributes" if scope == "attributes" else "attributes"
    attribute = (await api.post(path, json={"name": "town", "type": "text"})).json()
    await api.post(
        f"groups/{group}/receivers", json={"email": "ann@example.org", scope: {"town": "Kiel"}}
    )
    receiver = f"groups/{group}/receivers/ann@example.org"
    await api.put(f"{path}/{attribute['id']}", json={"name": "City"})
    assert (await api.get(receiver)).json()[scope] == {"city": "Kiel"}
    assert (await api.delete(f"{path}/{attribute['id']}")).json() is True
    assert (await api.get(receiver)).json()[scope] == {}
    assert (await api.get(f"attributes/{attribute['id']}")).status_code == 404


async def test_attribute_of_another_group(api: httpx.AsyncClient, group: int) -> None:
    """A group cannot delete an attribute of the account."""
    attribute = (await api.post("attributes", json={"name": "a", "type": "text"})).json()
    answer = await api.delete(f"groups/{group}/attributes/{attribute['id']}")
    assert answer.status_code == 404


async def test_a_repeated_name(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """It is accepted or refused, as the switch says."""
    for _ in range(2):
        assert (await api.post("groups", json={"name": "Twice"})).is_success
    sandbox.behaviour = Behaviour(repeated_group_name="refuse")
    assert (await api.post("groups", json={"name": "Twice"})).status_code == 409
    assert (await api.post("groups", json={"name": "Once"})).is_success
