"""Batch calls: response shapes, switches and limits."""

import json
from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {"email": "ann@example.org"}
BAD: dict[str, Any] = {"email": "no address"}


async def write(api: httpx.AsyncClient, group: int, call: str, body: object) -> Any:
    """Send a batch and return the JSON of the response."""
    method = "PUT" if call.startswith("update") else "POST"
    answer = await api.request(method, f"groups/{group}/receivers/{call}", json=body)
    assert answer.status_code == 200
    return answer.json()


async def test_lean_results_in_input_order(api: httpx.AsyncClient, group: int) -> None:
    """There is one entry per row; a refused row is a string and does not affect the others."""
    bob = {"email": "bob@example.org"}
    first = await write(api, group, "upsert", [GOOD, BAD])
    assert first == [{"status": "insert success", "id": 1}, "invalid address 'no address'"]
    second = await write(api, group, "upsert", [bob, GOOD])
    assert second == [
        {"status": "insert success", "id": 2},
        {"status": "update success", "id": 1},
    ]
    third = await write(api, group, "insert", [GOOD, {"email": "eve@example.org"}])
    assert third == [
        "duplicate address 'ann@example.org'",
        {"status": "insert success", "id": 3},
    ]
    fourth = await write(api, group, "update", [{"email": "new@example.org"}, GOOD])
    assert fourth == [
        "invalid receiver 'new@example.org'",
        {"status": "update success", "id": 1},
    ]


async def test_lean_result_switches(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """With the switches, refused rows are objects and ids are strings."""
    sandbox.behaviour = Behaviour(bad_row_as="object", batch_item_id="str")
    answer = await write(api, group, "upsert", [GOOD, BAD])
    assert answer == [
        {"status": "insert success", "id": "1"},
        {"status": "invalid address 'no address'"},
    ]


@pytest.mark.parametrize("call", ["insert", "upsert", "update", "upsertplus", "updateplus"])
async def test_single_object(api: httpx.AsyncClient, group: int, call: str) -> None:
    """The response to one object is one entry, to an empty list an empty list."""
    if call.startswith("update"):
        await write(api, group, "upsert", [GOOD])
    answer = await write(api, group, call, GOOD)
    assert answer["id"] in {1, "1"}
    assert await write(api, group, call, []) == []


async def test_refused_object(api: httpx.AsyncClient, group: int) -> None:
    """The response to a refused object is its text, or false where refused rows are omitted."""
    assert await write(api, group, "upsert", BAD) == "invalid address 'no address'"
    assert await write(api, group, "upsertplus", BAD) is False


async def test_wrapped_list(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """A list in the old ``postdata`` wrapper is accepted."""
    await write(api, group, "upsert", {"postdata": [GOOD]})
    assert sandbox.store.emails(group) == ["ann@example.org"]


async def test_plus_returns_profiles_and_omits_refused_rows(
    api: httpx.AsyncClient, group: int, now: int
) -> None:
    """Upsertplus returns full profiles without the refused row."""
    await api.post("attributes", json={"name": "firstname", "type": "text"})
    row = GOOD | {"tags": ["shop.customer"], "source": "webshop", "activated": now}
    assert await write(api, group, "upsertplus", [BAD, row]) == [
        {
            "id": "1",
            "email": "ann@example.org",
            "imported": 0,
            "bounced": 0,
            "group_id": str(group),
            "activated": now,
            "registered": now,
            "deactivated": 0,
            "last_changed": now,
            "last_ip": "",
            "last_location": "",
            "last_client": "",
            "points": 0,
            "stars": 0,
            "source": "webshop",
            "active": True,
            "conversion_rate": 0,
            "open_rate": 0,
            "click_rate": 0,
            "attributes": {},
            "global_attributes": {"firstname": ""},
            "tags": ["shop.customer"],
        }
    ]


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Behaviour(), ["a", "b"]),
        (Behaviour(refused_plus_row="string"), ["a", "invalid address 'no address'", "b"]),
        (
            Behaviour(refused_plus_row="object"),
            ["a", {"status": "invalid address 'no address'"}, "b"],
        ),
        (Behaviour(plus_order="reversed"), ["b", "a"]),
    ],
)
async def test_plus_switches(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox, behaviour: Behaviour, expected: list[Any]
) -> None:
    """With the switches, refused rows are in place and the order differs."""
    sandbox.behaviour = behaviour
    rows = [{"email": "a@example.org"}, BAD, {"email": "b@example.org"}]
    answer = await write(api, group, "upsertplus", rows)
    assert [item["email"][0] if "email" in item else item for item in answer] == expected


async def test_plus_shuffled(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """A shuffled response has the same rows in another order."""
    sandbox.behaviour = Behaviour(plus_order="shuffled")
    rows = [{"email": f"u{i}@example.org"} for i in range(30)]
    answer = [item["email"] for item in await write(api, group, "upsertplus", rows)]
    sent = [row["email"] for row in rows]
    assert answer != sent
    assert sorted(answer) == sorted(sent)


async def test_nothing_stored(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """A batch of refused rows gets [], or false with the switch; an empty batch gets []."""
    assert await write(api, group, "upsertplus", [BAD]) == []
    sandbox.behaviour = Behaviour(plus_nothing_stored="false")
    assert await write(api, group, "upsertplus", [BAD]) is False
    assert await write(api, group, "upsertplus", []) == []


async def test_same_address_twice(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """The later row wins in any spelling; the response has it per row, or once with the switch."""
    await api.post("attributes", json={"name": "city", "type": "text"})
    rows = [
        {"email": "Ann@Example.org", "global_attributes": {"city": "Kiel"}},
        {"email": "ann@example.org", "global_attributes": {"city": "Bonn"}},
    ]
    lean = await write(api, group, "upsert", rows)
    assert [item["status"] for item in lean] == ["insert success", "update success"]
    plus = await write(api, group, "upsertplus", rows)
    assert [(p["email"], p["global_attributes"]["city"]) for p in plus] == [
        ("Ann@Example.org", "Bonn")
    ] * 2
    sandbox.behaviour = Behaviour(repeated_row="once", email_case="lower")
    assert [p["email"] for p in await write(api, group, "upsertplus", rows)] == ["ann@example.org"]
    assert sandbox.store.emails(group) == ["Ann@Example.org"]


BAD_ROWS: list[object] = [
    None,
    7,
    "ann@example.org",
    [],
    {},
    {"email": None},
    {"email": ["ann@example.org"]},
    {"email": "ann@example"},
    {"email": "a b@example.org"},
    {"email": "a..b@example.org"},
    {"email": "ann@example.org" + "g" * 300},
    GOOD | {"registered": "yesterday"},
    GOOD | {"activated": True},
    GOOD | {"deactivated": -1},
    GOOD | {"registered": 10**400},
    GOOD | {"registered": {}},
    GOOD | {"source": []},
    GOOD | {"tags": "customer"},
    GOOD | {"tags": [1]},
    GOOD | {"attributes": [1]},
    GOOD | {"global_attributes": {"city": ["Kiel"]}},
    GOOD | {"orders": {}},
    GOOD | {"orders": ["A-17"]},
    GOOD | {"orders": [{"order_id": "A-17"}]},
    GOOD | {"orders": [{"order_id": "A-17", "product": "Lamp", "price": "much"}]},
    GOOD | {"orders": [{"order_id": "A-17", "product": "Lamp", "price": 10**400}]},
    GOOD | {"orders": [{"order_id": {}, "product": "Lamp"}]},
    GOOD | {"orders": [{"order_id": "A-17", "product": "Lamp", "quantity": "x"}]},
]


@pytest.mark.parametrize("row", BAD_ROWS)
async def test_bad_rows_are_refused(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox, row: object
) -> None:
    """A row with wrong types is refused and not stored; the call succeeds."""
    await api.post("attributes", json={"name": "city", "type": "text"})
    answer = await write(api, group, "upsert", [row, {"email": "good@example.org"}])
    assert isinstance(answer[0], str)
    assert "invalid" in answer[0]
    assert sandbox.store.emails(group) == ["good@example.org"]


@pytest.mark.parametrize("body", [b"7", b'"x"', b"null", b"true", b""])
async def test_body_that_is_not_a_batch(api: httpx.AsyncClient, group: int, body: bytes) -> None:
    """A body that is neither a list nor an object is 400."""
    answer = await api.post(f"groups/{group}/receivers/upsert", content=body)
    assert answer.status_code == 400


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
async def test_encodings(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox, encoding: str
) -> None:
    """Every encoding of JSON works."""
    row = {"email": "ann@müller.example", "unknown": {"fields": ["are", 10**30]}}
    body = json.dumps([row], ensure_ascii=False).encode(encoding)
    answer = await api.post(f"groups/{group}/receivers/upsert", content=body)
    assert answer.json() == [{"status": "insert success", "id": 1}]
    assert sandbox.store.emails(group) == ["ann@müller.example"]


async def test_numbers_beyond_64_bits(api: httpx.AsyncClient, group: int) -> None:
    """A large integer keeps its digits; a number that no float can hold refuses its row only."""
    await api.post("attributes", json={"name": "city", "type": "text"})
    line = '{"order_id": "1", "product": "Lamp", "price": 1e999}'
    body = (
        '[{"email": "ann@example.org", "global_attributes": {"city": 123456789012345678901234}},'
        f' {{"email": "bob@example.org", "orders": [{line}]}}]'
    )
    await api.post(f"groups/{group}/receivers/upsert", content=body)
    answer = (await api.get(f"groups/{group}/receivers")).json()
    assert [it["global_attributes"] for it in answer] == [{"city": "123456789012345678901234"}]


async def test_a_list_sent_as_a_form_is_a_form(api: httpx.AsyncClient, group: int) -> None:
    """The content type decides how a body is read, as with curl's default."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    path = f"groups/{group}/receivers/upsert"
    answer = await api.post(path, content=json.dumps([GOOD]), headers=headers)
    assert answer.json() == "invalid address 'None'"


async def test_attribute_values(api: httpx.AsyncClient, group: int) -> None:
    """Known names are stored as strings, others ignored; null and "" unset a value, +n adds."""
    await api.post("attributes", json={"name": "city", "type": "text"})
    await api.post("attributes", json={"name": "points", "type": "number"})
    await api.post(f"groups/{group}/attributes", json={"name": "size", "type": "number"})

    async def upsert(**fields: object) -> tuple[Any, Any]:
        """Write a row and return its local and global values."""
        answer = (await write(api, group, "upsertplus", [GOOD | fields]))[0]
        return answer["attributes"], answer["global_attributes"]

    stored = await upsert(
        attributes={"size": 42, "city": "x", "nope": 1},
        global_attributes={"city": "Kiel", "points": 3, "size": 9},
    )
    assert stored == ({"size": "42"}, {"city": "Kiel", "points": "3"})
    assert await upsert(attributes=[], global_attributes={"points": "+2"}) == (
        {"size": "42"},
        {"city": "Kiel", "points": "5"},
    )
    assert await upsert(
        attributes={"size": None}, global_attributes={"city": "", "points": "-0.5"}
    ) == ({}, {"city": "", "points": "4.5"})
    assert await upsert(global_attributes="city: +49 Bonn,points:+1") == (
        {},
        {"city": "+49 Bonn", "points": "5.5"},
    )


async def test_negative_numbers(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """A negative JSON number subtracts like a text, or with the switch is stored."""
    await api.post("attributes", json={"name": "points", "type": "number"})

    async def upsert(points: object) -> str:
        row = GOOD | {"global_attributes": {"points": points}}
        answer = (await write(api, group, "upsertplus", [row]))[0]
        return str(answer["global_attributes"]["points"])

    assert ["10", "7"] == [await upsert(10), await upsert(-3)]
    sandbox.behaviour = Behaviour(negative_number="store")
    assert ["-3", "-4", "-1"] == [await upsert(-3), await upsert("-1"), await upsert("+3")]


async def test_empty_maps_as_lists(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """With the switch, empty attributes are a list."""
    sandbox.behaviour = Behaviour(empty_map="list")
    answer = (await write(api, group, "upsertplus", [GOOD]))[0]
    assert (answer["attributes"], answer["global_attributes"]) == ([], [])


async def test_sparse_profiles(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """With the switch, uncertain fields are missing."""
    sandbox.behaviour = Behaviour(sparse_profiles=True)
    answer = (await write(api, group, "upsertplus", [GOOD]))[0]
    assert "email" in answer
    assert not {"active", "bounced", "imported", "last_changed", "open_rate"} & answer.keys()


async def test_receiver_is_one_across_groups(api: httpx.AsyncClient, group: int) -> None:
    """Groups share the id and the global attributes of a receiver, but nothing else."""
    other = int((await api.post("groups", json={"name": "Other"})).json()["id"])
    await api.post("attributes", json={"name": "city", "type": "text"})
    row = GOOD | {"global_attributes": {"city": "Kiel"}, "tags": ["a"]}
    first = (await write(api, group, "upsertplus", [row]))[0]
    second = (await write(api, other, "upsertplus", [GOOD]))[0]
    assert second["id"] == first["id"]
    assert second["global_attributes"] == {"city": "Kiel"}
    assert (first["tags"], second["tags"]) == (["a"], [])


async def test_orders_append(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """Orders sent twice are stored twice; with the switch, equal lines are replaced."""
    line = {"order_id": "A-17", "product": "Lamp", "price": "49.90", "amount": 2}
    row = GOOD | {"orders": [line, line | {"product": "Bulb"}]}
    await write(api, group, "upsertplus", [row])
    await write(api, group, "upsertplus", [row])
    assert len(sandbox.store.orders("Ann@example.org")) == 4
    sandbox.behaviour = Behaviour(dedupe_orders=True, plus_with_orders=True)
    answer = await write(api, group, "upsertplus", [row])
    assert [(o["product"], o["price"], o["quantity"]) for o in answer[0]["orders"]] == [
        ("Lamp", 49.9, 2),
        ("Bulb", 49.9, 2),
    ]


async def test_limits(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """A batch with too many rows or bytes is 413 and nothing is stored."""
    rows = [{"email": f"u{i}@example.org"} for i in range(1001)]
    path = f"groups/{group}/receivers/upsert"
    assert (await api.post(path, json=rows)).status_code == 413
    assert sandbox.store.count(group) == 0
    assert (await api.post(path, json=rows[:1000])).status_code == 200
    sandbox.behaviour = Behaviour(max_body_bytes=100, max_rows=3)
    assert (await api.post(path, json=rows[:4])).status_code == 413
    body = json.dumps([GOOD]).encode().ljust(101)
    assert (await api.post(path, content=body)).status_code == 413
    assert (await api.post(path, content=body[:100])).status_code == 200


async def test_missing_group(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A batch for an unknown group is 404, or 405 with the switch."""
    for call in ("upsert", "upsertplus", "insert", "delete"):
        assert (await api.post(f"groups/1/receivers/{call}", json=[])).status_code == 404
    sandbox.behaviour = Behaviour(missing_group_on_batch=405)
    answer = await api.post("groups/1/receivers/upsert", json=[])
    assert answer.json()["error"]["message"] == "Method Not Allowed: invalid group"


async def test_contact_limit(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """Above the limit new receivers are 403 and not stored; known ones may change."""
    await write(api, group, "upsert", [GOOD])
    sandbox.behaviour = Behaviour(contact_limit=1)
    rows = [GOOD, {"email": "bob@example.org"}]
    assert (await api.post(f"groups/{group}/receivers/upsert", json=rows)).status_code == 403
    assert sandbox.store.emails(group) == ["ann@example.org"]
    assert (await write(api, group, "upsert", [GOOD]))[0]["status"] == "update success"
    sandbox.behaviour = Behaviour(contact_limit=2)
    assert len(await write(api, group, "upsert", rows)) == 2
    assert sandbox.store.count(group) == 2


async def test_blacklisted_row(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """A blacklisted address is stored, or refused with the switch."""
    await api.post("blacklist", json={"email": "ANN@example.org"})
    sandbox.behaviour = Behaviour(blacklisted_row="refuse")
    assert await write(api, group, "upsert", [GOOD]) == ["blacklisted address 'ann@example.org'"]
    sandbox.behaviour = Behaviour()
    assert (await write(api, group, "upsert", [GOOD]))[0]["status"] == "insert success"


async def test_batch_delete(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """Receivers are deleted by id and address; an unknown one is reported."""
    await write(api, group, "upsert", [GOOD, {"email": "b@example.org"}, {"email": "c@x.example"}])
    answer = await write(api, group, "delete", ["ANN@example.org", 2, "nobody@example.org"])
    assert answer[:2] == [{"status": "success"}] * 2
    assert "invalid receiver" in answer[2]
    assert sandbox.store.emails(group) == ["c@x.example"]
    sandbox.behaviour = Behaviour(batch_delete_answer="true")
    assert await write(api, group, "delete", ["c@x.example"]) is True
    assert (await api.post(f"groups/{group}/receivers/delete", json={})).status_code == 400
