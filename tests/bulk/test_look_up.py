"""Look-ups after a lost response, for rows that must not be sent twice."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.model_server import ModelServer, Reply, at, counts, transport_to

from cleverreach_async import ImportReport, OrderInput, ReceiverInput
from cleverreach_async.bulk.delivery.evidence import Evidence, evidence_of
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

asynchronous = pytest.mark.anyio


def row_of(**fields: Any) -> EncodedRow:
    """Return an encoded row."""
    body = json.dumps({"email": "a@example.org", **fields}).encode()
    return EncodedRow("a@example.org", body, 1, None, repeatable=False)


LAMP: dict[str, Any] = {"order_id": "A-1", "product": "Lamp"}
MUG = {"order_id": "A-1", "product": "Mug"}
OTHER = {"order_id": "B-1", "product": "Lamp"}


@pytest.mark.parametrize(
    ("sent", "stored", "evidence"),
    [
        ([LAMP], [LAMP], Evidence.STORED),
        ([LAMP], [OTHER, LAMP], Evidence.STORED),
        ([LAMP, MUG], [MUG, LAMP], Evidence.STORED),
        ([LAMP], [], Evidence.ABSENT),
        ([LAMP], [OTHER], Evidence.ABSENT),
        ([LAMP], [MUG], Evidence.UNCLEAR),
        ([LAMP, MUG], [LAMP], Evidence.UNCLEAR),
        ([LAMP, LAMP], [LAMP], Evidence.UNCLEAR),
        ([LAMP, LAMP], [LAMP, LAMP], Evidence.STORED),
        ([LAMP], None, Evidence.UNCLEAR),
        ([LAMP], {}, Evidence.UNCLEAR),
        ([LAMP], {"2": LAMP}, Evidence.STORED),
        ([LAMP], {"0": OTHER, "2": MUG}, Evidence.UNCLEAR),
        ([LAMP], ["A-1", 7], Evidence.UNCLEAR),
        ([LAMP | {"order_id": 17}], [LAMP | {"order_id": "17"}], Evidence.STORED),
        ([LAMP], [{"product": "Lamp"}], Evidence.UNCLEAR),
        ([LAMP], [LAMP | {"product": "L&amp;mp"}], Evidence.UNCLEAR),
        ([LAMP], [LAMP | {"product": None}], Evidence.UNCLEAR),
        ([LAMP], [LAMP | {"order_id": " a-1 "}], Evidence.UNCLEAR),
        ([LAMP | {"order_id": "Ä&1"}], [LAMP | {"order_id": "A\u0308&amp;1"}], Evidence.UNCLEAR),
        ([LAMP | {"order_id": "007"}], [LAMP | {"order_id": 7}], Evidence.UNCLEAR),
    ],
    ids=[
        "stored",
        "stored among others",
        "in another order",
        "no orders",
        "only another order",
        "only another line of the order",
        "half of them",
        "one of two equal lines",
        "two equal lines",
        "a response without orders",
        "orders of an unexpected type",
        "stored, in a list with gaps",
        "other lines, in a list with gaps",
        "order lines of an unexpected type",
        "an id as a number",
        "a line without an id",
        "an escaped text",
        "no text",
        "an id in another case",
        "an escaped id in another form",
        "an id without zeros",
    ],
)
def test_orders(sent: list[Any], stored: Any, evidence: Evidence) -> None:
    """All lines found: stored. None of the orders found: absent. Else it proves nothing."""
    profile = {"email": "a@example.org"} | ({} if stored is None else {"orders": stored})

    assert evidence is evidence_of(row_of(orders=sent), profile)


@pytest.mark.parametrize(
    ("sent", "stored", "evidence"),
    [
        ({}, {}, Evidence.STORED),
        ({"source": "shop"}, {"source": "shop"}, Evidence.STORED),
        ({"source": "shop"}, {"source": "web"}, Evidence.UNCLEAR),
        ({"source": "shop"}, {}, Evidence.UNCLEAR),
        ({"registered": 17}, {"registered": "17"}, Evidence.STORED),
        ({"registered": 17}, {"registered": 18}, Evidence.UNCLEAR),
        ({"attributes": {"x": 7}}, {"attributes": {"x": "7", "y": "8"}}, Evidence.STORED),
        ({"attributes": {"x": 7}}, {"attributes": {"x": "8"}}, Evidence.UNCLEAR),
        ({"attributes": {"x": 7}}, {"attributes": []}, Evidence.UNCLEAR),
        ({"attributes": {"x": None}}, {"attributes": []}, Evidence.STORED),
        (
            {"attributes": {"x": 7}},
            {"attributes": [{"id": 1, "name": "x", "value": "7"}]},
            Evidence.STORED,
        ),
        ({"attributes": {"x": 7}}, {"attributes": ["x"]}, Evidence.UNCLEAR),
        ({"attributes": {"x": ""}}, {"attributes": {"x": None}}, Evidence.STORED),
        ({"global_attributes": {"x": 1}}, {"global_attributes": {"x": "1"}}, Evidence.STORED),
        ({"global_attributes": {"x": "Kim"}}, {"attributes": {"x": "Kim"}}, Evidence.UNCLEAR),
    ],
    ids=str,
)
def test_receivers(sent: dict[str, Any], stored: dict[str, Any], evidence: Evidence) -> None:
    """A receiver is stored if it has all values of the row."""
    assert evidence is evidence_of(row_of(**sent), {"email": "a@example.org", **stored})


def test_a_receiver_that_is_not_found_is_absent() -> None:
    """It was not stored."""
    assert Evidence.ABSENT is evidence_of(row_of(), None)


Listing = Callable[[list[dict[str, Any]]], Any]


class LosingServer(ModelServer):
    """Loses the first response, and changes the responses to look-ups.

    Args:
        executed: Whether the rows of the lost response are stored.
        listing: Changes the list of receivers.
        failures: Number of look-ups that get status 500 first.
    """

    def __init__(
        self, *, executed: bool, listing: Listing | None = None, failures: int = 0
    ) -> None:
        super().__init__(at(Reply(None if executed else 502, executed=executed), 0))
        self._listing = listing
        self.failures = failures
        self.look_ups: list[int] = []

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
        """Change the list of receivers."""
        before = len(self.looked_up)
        response = await super().send(
            method, url, headers=headers, content=content, timeout=timeout, stop=stop
        )
        if method != "GET":
            return response
        self.look_ups.append(len(self.looked_up) - before)
        if self.failures:
            self.failures -= 1
            return Response(500, {}, b'{"error": {"code": 500, "message": "oops"}}')
        if self._listing is None:
            return response
        listed = json.dumps(self._listing(json.loads(response.content))).encode()
        return Response(response.status_code, {}, listed)


def with_orders(count: int) -> list[ReceiverInput]:
    """Return rows that must not be sent twice."""
    return [
        ReceiverInput(f"p{n}@example.org", orders=[OrderInput(f"A-{n}", "Lamp")])
        for n in range(count)
    ]


async def load(server: ModelServer, rows: Any, call: str = "upsert") -> ImportReport:
    """Import rows into group 7."""
    bulk = Bulk(transport_to(server))
    report: ImportReport = await getattr(bulk, call)(rows, group_id=7, canary=False)
    report.assert_balanced()
    return report


@asynchronous
@pytest.mark.parametrize("executed", [True, False])
async def test_many_rows_are_looked_up_in_several_requests(*, executed: bool) -> None:
    """Every row in doubt is looked up once, fifty per request."""
    server = LosingServer(executed=executed)
    report = await load(server, with_orders(120))

    assert {"read": 120, "accepted": 120} == counts(report)
    assert [50, 50, 20] == server.look_ups
    assert sorted(f"A-{n}" for n in range(120)) == sorted(server.order_ids)
    assert len(server.requests) + 3 == report.requests


@asynchronous
async def test_rows_of_a_partly_executed_batch_get_different_results() -> None:
    """Some are stored, some are sent again, and some are unknown."""

    class HalfExecutingServer(LosingServer):
        """Executes only the first two rows of the lost request, and half of the third."""

        def _execute(self, verb: str, rows: list[Any]) -> list[Any]:
            if len(self.requests) == 1:
                third = {**rows[2], "orders": rows[2]["orders"][:1]}
                rows = [*rows[:2], third]
            return super()._execute(verb, rows)

    rows = with_orders(4)
    rows[2] = ReceiverInput("p2@example.org", orders=[OrderInput("X", "1"), OrderInput("X", "2")])
    server = HalfExecutingServer(executed=True)
    report = await load(server, rows)

    assert {"read": 4, "accepted": 3, "unknown": 1} == counts(report)
    assert ["p3@example.org"] == [row["email"] for row in server.requests[1][1]]
    assert (1, [3]) == (report.replayed, [sample.row for sample in report.samples])
    assert ["A-0", "A-1", "A-3", "X"] == sorted(server.order_ids)


def without_orders(found: list[dict[str, Any]]) -> list[Any]:
    """List receivers without their orders."""
    return [{"email": row["email"], "id": "7"} for row in found]


LISTINGS: dict[str, Listing] = {
    "foreign receivers too": lambda found: [*found, {"email": "stranger@example.org"}],
    "foreign receivers only": lambda _: [{"email": "stranger@example.org"}],
    "no address": lambda _: [{"id": 17}],
    "texts": lambda _: ["p0@example.org"],
    "no orders": without_orders,
}
NO_RECEIVERS: Listing = lambda _: []  # noqa: E731 - a name for the parameter


@asynchronous
@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
async def test_after_a_look_up_that_proves_nothing_rows_are_unknown(listing: Listing) -> None:
    """If the server ignored the filter, every row would look absent."""
    server = LosingServer(executed=True, listing=listing)

    assert {"read": 2, "unknown": 2} == counts(await load(server, with_orders(2)))
    assert 1 == len(server.requests)
    assert ["A-0", "A-1"] == server.order_ids


@asynchronous
async def test_a_look_up_in_a_list_with_gaps() -> None:
    """PHP sends it as an object."""
    gaps: Listing = lambda found: {str(2 * n): row for n, row in enumerate(found)}  # noqa: E731
    server = LosingServer(executed=True, listing=gaps)

    assert {"read": 2, "accepted": 2} == counts(await load(server, with_orders(2)))
    assert ["A-0", "A-1"] == server.order_ids


@asynchronous
async def test_a_look_up_is_retried_like_a_batch() -> None:
    """No row is sent before the look-up succeeds."""
    server = LosingServer(executed=True, failures=6)

    assert {"read": 1, "accepted": 1} == counts(await load(server, with_orders(1)))
    assert (["A-0"], 7) == (server.order_ids, len(server.look_ups))


@asynchronous
async def test_rows_that_may_be_repeated_are_not_looked_up() -> None:
    """Only rows with orders are in doubt after an upsert."""
    server = LosingServer(executed=True)
    report = await load(server, [*with_orders(1), "b@example.org"])

    assert {"read": 2, "accepted": 2} == counts(report)
    assert ["p0@example.org"] == server.looked_up
    assert ["b@example.org"] == [row["email"] for row in server.requests[1][1]]


@asynchronous
@pytest.mark.parametrize(
    ("executed", "present", "expected", "requests"),
    [
        (True, None, "accepted", 1),
        (False, None, "accepted", 2),
        (False, "shop", "accepted", 1),
        (False, "web", "unknown", 1),
    ],
    ids=["stored", "not stored", "exists with equal values", "exists with other values"],
)
async def test_inserts_are_looked_up(
    *, executed: bool, present: str | None, expected: str, requests: int
) -> None:
    """Equal: accepted. Absent: sent again. Different: unknown."""
    server = LosingServer(executed=executed)
    if present:
        server.stored["a@example.org"] = {"email": "a@example.org", "source": present}
    report = await load(server, [ReceiverInput("a@example.org", source="shop")], "insert")

    assert {"read": 1, expected: 1} == counts(report)
    assert requests == len(server.requests)
    assert server.created["a@example.org"] <= 1


@asynchronous
async def test_a_duplicate_after_a_lost_response_is_accepted() -> None:
    """It looked absent and was sent again, so the first attempt has created the duplicate."""
    server = LosingServer(executed=True, listing=NO_RECEIVERS)
    report = await load(server, ["a@example.org"], "insert")

    assert {"read": 1, "accepted": 1} == counts(report)
    assert (1, 1) == (server.created["a@example.org"], report.replayed)


@asynchronous
async def test_a_duplicate_without_a_lost_response_is_rejected() -> None:
    """The receiver existed before this import."""
    server = ModelServer()
    server.stored["a@example.org"] = {}
    report = await load(server, ["a@example.org", "b@example.org"], "insert")

    assert {"read": 2, "accepted": 1, "rejected": 1} == counts(report)
    assert {"duplicate": 1} == report.reasons
