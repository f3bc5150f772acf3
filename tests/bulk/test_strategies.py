"""The five batch calls with every possible kind of response."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer, Reply, always, at, counts, receivers, transport_to

from cleverreach_async import ConfigurationError, ImportReport, OrderInput, ReceiverInput
from cleverreach_async.bulk.delivery.matching import match_rows
from cleverreach_async.bulk.delivery.response_items import read_items
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.bulk.strategies import STRATEGIES, find_strategy
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

asynchronous = pytest.mark.anyio
calls = pytest.mark.parametrize("call", STRATEGIES)


def as_objects(items: list[Any]) -> list[Any]:
    """Return refusals as objects, every second one."""
    return [
        {"status": it} if isinstance(it, str) and number % 2 else it
        for number, it in enumerate(items)
    ]


FOREIGN: Any = {"id": "9", "email": "foreign@example.org", "status": "insert success"}
SHAPES = {
    "good": Reply(),
    "false": Reply(executed=False, content=b"false"),
    "null": Reply(content=b"null"),
    "empty list": Reply(content=b"[]"),
    "object": Reply(content=b"{}"),
    "number": Reply(content=b"17"),
    "html": Reply(content=b"<html>"),
    "html, not executed": Reply(executed=False, content=b"<html>"),
    "empty": Reply(content=b""),
    "truncated": Reply(content=b'[{"id": "7", "sta'),
    "short by 1": Reply(reshape=lambda items: items[:-1]),
    "short by 3": Reply(reshape=lambda items: items[3:]),
    "long": Reply(reshape=lambda items: [*items, *items]),
    "reversed": Reply(reshape=lambda items: items[::-1]),
    "rotated": Reply(reshape=lambda items: [*items[2:], *items[:2]]),
    "an item twice": Reply(reshape=lambda items: [items[0], *items]),
    "an item for another": Reply(reshape=lambda items: [items[-1], *items[1:]]),
    "a foreign item": Reply(reshape=lambda items: [FOREIGN, *items]),
    "a foreign item for another": Reply(reshape=lambda items: [FOREIGN, *items[1:]]),
    "mixed types": Reply(reshape=as_objects),
    "other types": Reply(reshape=lambda items: [None, 17, *items[2:]]),
    "lost": Reply(None),
    "lost, not executed": Reply(None, executed=False),
    "502": Reply(502),
    "502, not executed": Reply(502, executed=False),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def server_for(call: str, script: Any) -> ModelServer:
    """Return a server with the receivers that are updated or deleted."""
    server = ModelServer(script)
    if call in {"update", "delete"}:
        server.stored = {f"p{n}@example.org": {"source": "old"} for n in range(5)}
    return server


async def load(server: ModelServer, rows: Any, call: str, **options: Any) -> ImportReport:
    """Import rows into group 7 with one of the calls."""
    options.setdefault("canary", False)
    async with Bulk(transport_to(server)).open(group_id=7, strategy=call, **options) as run:  # type: ignore[arg-type]
        for row in rows:
            await run.put(row)
        results = [result async for result in run.results()]
    run.report.assert_balanced()
    assert len(results) == run.report.read - run.report.pending
    return run.report


def five_good_rows_and_a_bad_one() -> list[ReceiverInput]:
    """Return five valid rows, and one that every call refuses."""
    rows = [ReceiverInput(row.email, source="new") for row in receivers(5)]
    return [*rows, ReceiverInput("refuse@example.org", source="new")]


def is_done(server: ModelServer, call: str, key: str) -> bool:
    """Whether the server has stored or deleted the receiver."""
    if call == "delete":
        return key not in server.stored
    return server.stored.get(key, {}).get("source") == "new"


@asynchronous
@calls
@shapes
async def test_one_unusual_response_changes_no_outcome(call: str, shape: Reply) -> None:
    """Whatever the first response, good rows are accepted and the bad one is rejected."""
    server = server_for(call, at(shape, 0))
    report = await load(server, five_good_rows_and_a_bad_one(), call)

    assert {"read": 6, "accepted": 5, "rejected": 1} == counts(report)
    assert [6] == [sample.row for sample in report.samples]
    assert all(is_done(server, call, f"p{n}@example.org") for n in range(5))
    assert all(created <= 1 for created in server.created.values())


@asynchronous
@calls
@shapes
async def test_nothing_is_accepted_without_evidence(call: str, shape: Reply) -> None:
    """However often responses are unusual, rows that are not stored are not accepted."""
    server = server_for(call, at(shape, *range(40)))
    rows = five_good_rows_and_a_bad_one()
    results: dict[int, str] = {}
    async with Bulk(transport_to(server)).open(group_id=7, strategy=call, canary=False) as run:  # type: ignore[arg-type]
        for row in rows:
            await run.put(row)
        async for result in run.results():
            results[result.row] = result.outcome.value

    run.report.assert_balanced()
    assert list(range(1, 7)) == sorted(results)
    accepted = [rows[number - 1].email for number in results if results[number] == "accepted"]
    assert all(is_done(server, call, key) for key in accepted)
    if call != "delete":
        assert results[6] in {"rejected", "unknown"}
    assert all(created <= 1 for created in server.created.values())


@asynchronous
@pytest.mark.parametrize("call", ["upsertplus", "upsert", "insert", "update"])
async def test_true_accepts_no_row(call: str) -> None:
    """Only for a deletion is ``true`` a valid response."""
    server = server_for(call, always(Reply(executed=False, content=b"true")))
    report = await load(server, receivers(5), call)

    assert {"read": 5, "rejected": 5} == counts(report)
    assert {"not_returned": 5} == report.reasons


@asynchronous
@pytest.mark.parametrize("content", [b"true", b" true\n"])
async def test_true_accepts_all_rows_of_a_deletion(content: bytes) -> None:
    """The vendor is known to respond like this for the whole list."""
    server = server_for("delete", always(Reply(content=content)))

    assert {"read": 5, "accepted": 5} == counts(await load(server, receivers(5), "delete"))
    assert {} == server.stored


@asynchronous
async def test_insert_rejects_duplicates() -> None:
    """Existing receivers do not change."""
    server = ModelServer()
    server.stored["p1@example.org"] = {"source": "old"}
    report = await load(server, receivers(3), "insert")

    assert {"read": 3, "accepted": 2, "rejected": 1} == counts(report)
    assert ({"duplicate": 1}, "old") == (report.reasons, server.stored["p1@example.org"]["source"])


@asynchronous
@pytest.mark.parametrize("call", ["update", "delete"])
async def test_unknown_receivers_are_not_found(call: str) -> None:
    """Changing or deleting a receiver that does not exist is rejected."""
    report = await load(server_for(call, None), receivers(6), call)

    assert {"read": 6, "accepted": 5, "rejected": 1} == counts(report)
    assert {"not_found": 1} == report.reasons


@asynchronous
@pytest.mark.parametrize("reply", [Reply(None), Reply(502), Reply(content=b"<html>")])
async def test_a_receiver_not_found_after_a_lost_response_was_deleted_by_it(reply: Reply) -> None:
    """A deletion that is resent finds no receiver, because the first attempt deleted it."""
    server = server_for("delete", at(reply, 0))
    report = await load(server, receivers(5), "delete")

    assert {"read": 5, "accepted": 5} == counts(report)
    assert 5 == report.replayed


class RecordingServer(ModelServer):
    """Records method and path of every request."""

    seen: set[tuple[str, str]] = set()  # noqa: RUF012 - replaced by each test

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Response:
        """Handle one request."""
        self.seen.add((method, url.removeprefix("https://api.example")))
        return await super().send(
            method, url, headers=headers, content=content, timeout=timeout, stop=stop
        )


@asynchronous
@pytest.mark.parametrize(
    ("call", "method"),
    [
        ("upsertplus", "POST"),
        ("upsert", "POST"),
        ("insert", "POST"),
        ("update", "PUT"),
        ("delete", "POST"),
    ],
)
async def test_each_call_has_its_method_and_path(call: str, method: str) -> None:
    """The path ends with the name of the call."""
    server = RecordingServer()
    server.seen = set()
    server.stored = {"p0@example.org": {}} if call in {"update", "delete"} else {}
    await load(server, receivers(1), call)

    assert {(method, f"/v3/groups/7/receivers/{call}")} == server.seen


@asynchronous
@pytest.mark.parametrize("activate", [False, True])
@pytest.mark.parametrize("call", [name for name in STRATEGIES if name != "delete"])
async def test_update_activates_only_with_the_option(call: str, *, activate: bool) -> None:
    """Otherwise it could reactivate a receiver who has unsubscribed."""
    server = server_for(call, None)
    rows = [ReceiverInput("p0@example.org", activated=1_700_000_000, source="new")]
    await load(server, rows, call, activate=activate)

    sends = "activated" in server.stored["p0@example.org"]
    assert (call != "update" or activate) is sends
    assert 1_700_000_000 == rows[0].activated


@asynchronous
@calls
async def test_only_upsertplus_accepts_orders(call: str, tmp_path: Path) -> None:
    """Other calls would drop them silently; a deletion does not need them."""
    server = server_for(call, None)
    rejects = tmp_path / "rejects.jsonl"
    rows = [ReceiverInput("p0@example.org", orders=[OrderInput("A-1", "Lamp")])]
    report = await load(server, rows, call, rejects=rejects)

    if call in {"upsertplus", "delete"}:
        assert {"read": 1, "accepted": 1} == counts(report)
        return
    assert {"read": 1, "rejected": 1} == counts(report)
    assert ({"orders_not_taken": 1}, []) == (report.reasons, server.requests)
    assert "upsertplus" in report.samples[0].message
    [line] = map(json.loads, rejects.read_bytes().splitlines())
    assert "A-1" == line["receiver"]["orders"][0]["order_id"]


@asynchronous
async def test_a_deletion_sends_addresses_and_writes_receivers(tmp_path: Path) -> None:
    """The request is a list of addresses; the rejects file has rows that can be imported again."""
    rejects = tmp_path / "rejects.jsonl"
    server = server_for("delete", None)
    rows: list[Any] = ["p0@example.org", {"email": "P1@example.org", "source": "x"}]
    rows += list(receivers(7))[2:]
    report = await load(server, rows, "delete", rejects=rejects)
    body: Any = server.requests[0][1]

    assert {"read": 7, "accepted": 5, "rejected": 2} == counts(report)
    assert [
        "p0@example.org",
        "P1@example.org",
        *(f"p{n}@example.org" for n in range(2, 7)),
    ] == body
    lines = [json.loads(line) for line in rejects.read_bytes().splitlines()]
    assert [{"email": "p5@example.org"}, {"email": "p6@example.org"}] == [
        line["receiver"] for line in lines
    ]


@asynchronous
@pytest.mark.parametrize("name", ["", "UPSERT", "upsert_plus", "updateplus"])
async def test_an_unknown_call_is_refused(name: str) -> None:
    """The message contains the known ones."""
    with pytest.raises(ConfigurationError, match="upsertplus, upsert, insert, update, delete"):
        find_strategy(name)


@asynchronous
@pytest.mark.parametrize("call", [name for name in STRATEGIES if name != "insert"])
async def test_inactive_is_for_new_receivers(call: str) -> None:
    """With other calls it would deactivate existing receivers."""
    with pytest.raises(ConfigurationError, match="use insert"):
        await load(ModelServer(), receivers(1), call, inactive=True)


@asynchronous
async def test_inactive_creates_receivers_that_are_not_confirmed() -> None:
    """Whatever the row says, no receiver is created as active."""
    server = ModelServer()
    rows = [
        ReceiverInput("p0@example.org", activated=1_700_000_000, deactivated=0),
        ReceiverInput("p1@example.org"),
    ]
    await load(server, rows, "insert", inactive=True)

    assert [0, 0] == [row["activated"] for row in server.stored.values()]
    assert not any("deactivated" in row for row in server.stored.values())


# Short responses contain no addresses of stored rows, so items are matched by position.

GOOD: Any = {"id": 1, "status": "insert success"}


@pytest.mark.parametrize(
    ("content", "accepted", "refused"),
    [
        ([GOOD, "invalid address 'b@x.example'", GOOD], "ac", "b"),
        (["invalid address 'b@x.example'", GOOD, GOOD], "", "b"),
        ([GOOD, GOOD, "invalid address b@x.example"], "", "b"),
        ([GOOD, GOOD, {"status": "duplicate address: B@x.example."}], "", "b"),
        ([GOOD, {"status": "b@x.example: invalid address"}, GOOD], "ac", "b"),
        ([GOOD, "invalid address 'z@x.example'", GOOD], "", ""),
        ([GOOD, "limit reached, ask support@vendor.example", GOOD], "ac", "b"),
        ([GOOD, "contact limit reached", GOOD], "ac", "b"),
        ([GOOD, GOOD], "", ""),
    ],
    ids=[
        "at its position",
        "at another position",
        "at another position, without quotes",
        "at another position, as an object",
        "at its position, without quotes",
        "about another address",
        "with an address of the vendor",
        "without an address",
        "short",
    ],
)
def test_position_counts_until_an_address_contradicts_it(
    content: list[Any], accepted: str, refused: str
) -> None:
    """If a refusal with an address is at another position, no position is trusted."""
    rows = [
        EncodedRow(f"{name}@x.example", b"{}", number, None, repeatable=True)
        for number, name in enumerate("abc", 1)
    ]
    items = read_items(Response(200, {}, json.dumps(content).encode()))
    assert items is not None
    matched = match_rows(rows, items)

    assert (accepted, refused) == (
        "".join(row.key[0] for row in matched.accepted),
        "".join(row.key[0] for row, _ in matched.refused),
    )
    assert 3 == len(matched.accepted) + len(matched.refused) + len(matched.missing)
