"""Imports with a failing server: what is resent, split, given up and counted."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clocks import FakeClock
from support.model_server import (
    ModelServer,
    Reply,
    Row,
    always,
    at,
    counts,
    receivers,
    transport_to,
    upsert,
)

from cleverreach_async import (
    APIConnectionError,
    BadRow,
    ImportFailedError,
    OAuthApp,
    OrderInput,
    ReceiverInput,
    SourceRow,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

pytestmark = pytest.mark.anyio


async def test_refused_rows_are_rejected_with_the_servers_message(tmp_path: Path) -> None:
    """A row that the response omits is sent again to get the reason, which is written down."""
    rejects = tmp_path / "rejects.jsonl"
    server = ModelServer()
    rows = [
        SourceRow(ReceiverInput("a@example.org"), line=2),
        SourceRow(ReceiverInput("refuse@example.org", source="x"), line=3),
        BadRow(line=5, code="invalid_date", message="no such day", record={"Datum": "31.02."}),
        SourceRow(ReceiverInput("broken"), line=6),
    ]
    report = await upsert(server, rows, rejects=rejects)

    assert {"read": 4, "accepted": 1, "rejected": 3} == counts(report)
    assert ["upsertplus", "upsert"] == [verb for verb, _ in server.requests]
    lines = {entry["line"]: entry for entry in map(json.loads, rejects.read_bytes().splitlines())}
    assert {3: "invalid_email", 5: "invalid_date", 6: "invalid_email"} == {
        line: entry["code"] for line, entry in lines.items()
    }
    assert {"email": "refuse@example.org", "source": "x"} == lines[3]["receiver"]
    assert {"Datum": "31.02."} == lines[5]["record"]
    assert "refuse@" not in repr(report)


async def test_rows_that_a_response_omits_are_found_by_a_second_call() -> None:
    """Rows missing from a response are not rejected: the second call shows that they are stored."""
    server = ModelServer(at(Reply(reshape=lambda items: items[:4]), 0))
    report = await upsert(server, receivers(10))

    assert {"read": 10, "accepted": 10} == counts(report)
    assert [10, 6] == [len(rows) for _, rows in server.requests]


async def test_a_row_that_no_response_shows_is_rejected() -> None:
    """It is not accepted without evidence."""
    report = await upsert(ModelServer(always(Reply(content=b"[]"))), receivers(3))

    assert {"read": 3, "rejected": 3} == counts(report)
    assert {"not_returned"} == {sample.code for sample in report.samples}


async def test_upserts_are_resent_with_identical_bytes() -> None:
    """After a lost response the same body is sent, and the rows are counted once."""
    server = ModelServer(at(Reply(None), 0))
    report = await upsert(server, receivers(10))

    assert {"read": 10, "accepted": 10} == counts(report)
    assert server.bodies[0] == server.bodies[1]
    assert (2, 1) == (report.requests, report.retries)


WITH_ORDER = ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")])
LOST = [Reply(None), Reply(content=b"<html>"), Reply(502), Reply(504), Reply(500)]


@pytest.mark.parametrize("reply", LOST)
async def test_orders_are_looked_up_after_a_lost_response(reply: Reply) -> None:
    """Rows that the look-up shows are stored and not sent again."""
    server = ModelServer(at(reply, 0))
    report = await upsert(server, [WITH_ORDER, ReceiverInput("b@example.org")])

    assert {"read": 2, "accepted": 2} == counts(report)
    assert (["A-1"], ["a@example.org"]) == (server.order_ids, server.looked_up)


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_orders_that_the_look_up_does_not_show_are_sent_again(status: int) -> None:
    """The server has not executed that attempt."""
    server = ModelServer(at(Reply(status, executed=False), 0))
    report = await upsert(server, [WITH_ORDER])

    assert {"read": 1, "accepted": 1} == counts(report)
    assert (["A-1"], 1) == (server.order_ids, report.replayed)


@pytest.mark.parametrize("reply", LOST)
async def test_orders_are_never_resent_without_evidence(reply: Reply) -> None:
    """If the look-up shows no orders, rows with orders are unknown; the others are resent."""
    server = ModelServer(at(reply, 0))
    server.refuses_look_ups = True
    report = await upsert(server, [WITH_ORDER, ReceiverInput("b@example.org")])

    assert {"read": 2, "accepted": 1, "unknown": 1} == counts(report)
    assert ["A-1"] == server.order_ids


async def test_orders_are_resent_if_the_server_did_not_process_them() -> None:
    """Status 429 is sent before processing, so nothing can be stored twice."""
    server = ModelServer(at(Reply(429, executed=False), 0))
    rows = [WITH_ORDER]

    assert {"read": 1, "accepted": 1} == counts(await upsert(server, rows))
    assert ["A-1"] == server.order_ids


async def test_orders_are_sent_after_a_lost_token_response() -> None:
    """A token request without a response creates no doubt about rows that were not sent."""

    class LateTokenServer(ModelServer):
        """A server whose token endpoint does not respond at first."""

        token_requests = 0

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
            """Respond to the sixth token request and to every batch."""
            if not url.endswith("/oauth/token.php"):
                return await super().send(
                    method, url, headers=headers, content=content, timeout=timeout, stop=stop
                )
            self.token_requests += 1
            if self.token_requests <= 5:
                raise APIConnectionError("no response", sent=True)
            return Response(200, {}, b'{"access_token": "t"}')

    server = LateTokenServer()
    transport = transport_to(server).with_auth(OAuthApp("id", "secret").client_credentials())
    rows = [WITH_ORDER]
    report = await Bulk(transport).upsert(rows, group_id=7)

    assert {"read": 1, "accepted": 1} == counts(report)
    assert (["A-1"], 6) == (server.order_ids, server.token_requests)


@pytest.mark.parametrize("shown", [True, False])
async def test_orders_are_not_resent_by_the_second_call(*, shown: bool) -> None:
    """If a response omits a row with orders, the look-up decides, or the row is unknown."""
    server = ModelServer(at(Reply(content=b"[]"), 0))
    server.refuses_look_ups = not shown
    report = await upsert(server, [WITH_ORDER])

    assert {"read": 1, "accepted" if shown else "unknown": 1} == counts(report)
    assert ["A-1"] == server.order_ids
    assert [{"email": "a@example.org"}] == server.requests[1][1]


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_one_bad_row_does_not_fail_its_batch(status: int) -> None:
    """A refused batch is sent in parts until the bad row is alone."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        is_bad = any(row["email"] == "p37@example.org" for row in rows)
        return Reply(status, executed=False, content=b"{}") if is_bad else None

    report = await upsert(ModelServer(script), receivers(100))

    assert {"read": 100, "accepted": 99, "rejected": 1} == counts(report)
    assert [38] == [sample.row for sample in report.samples]


async def test_the_largest_accepted_body_is_detected() -> None:
    """After a few responses with status 413 every body fits, and no row is rejected."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        return Reply(413, executed=False, content=b"{}") if len(rows) > 10 else None

    server = ModelServer(script)
    report = await upsert(server, receivers(3000), concurrency=1)

    assert {"read": 3000, "accepted": 3000} == counts(report)
    assert 15 > sum(len(rows) > 10 for _, rows in server.requests)


async def test_a_batch_refused_as_a_whole_causes_few_requests() -> None:
    """Splitting has a budget; when it is spent, the remaining rows are rejected together."""
    server = ModelServer(always(Reply(422, executed=False, content=b"{}")))
    report = await upsert(server, receivers(1000))

    assert {"read": 1000, "rejected": 1000} == counts(report)
    assert len(server.requests) < 100


async def test_false_for_a_batch_is_a_refusal() -> None:
    """The API responds ``false`` if it stored nothing; the rows are sent in parts."""
    server = ModelServer(at(Reply(executed=False, content=b"false"), 0))

    assert {"read": 8, "accepted": 8} == counts(await upsert(server, receivers(8)))


async def test_after_responses_that_are_not_json_rows_are_unknown() -> None:
    """After several of them it is unknown what was stored."""
    report = await upsert(ModelServer(always(Reply(content=b"<html>"))), receivers(3))

    assert {"read": 3, "unknown": 3} == counts(report)


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_errors_of_all_batches_stop_the_import(status: int) -> None:
    """Rows that were not sent stay pending and are counted in the report."""
    server = ModelServer(
        lambda n, _: Reply(status, executed=False, content=b"{}") if n >= 2 else None
    )
    with pytest.raises(ImportFailedError) as caught:
        await upsert(server, receivers(100), batch_size=10, concurrency=1)

    report = caught.value.report
    assert 20 == report.accepted == len(server.stored)
    assert report.read - 20 == report.pending > 0
    report.assert_balanced()
    assert status == getattr(caught.value.__cause__, "status_code", None)


async def test_an_outage_without_end_stops_the_import() -> None:
    """After ``max_outage`` seconds of failures rows stay pending; none are rejected."""
    clock = FakeClock()
    server = ModelServer(always(Reply(503, executed=False)))
    started = clock.monotonic()
    with pytest.raises(ImportFailedError) as caught:
        await Bulk(transport_to(server, clock=clock)).upsert(
            receivers(50), group_id=7, max_outage=600
        )

    assert {"read": 50, "pending": 50} == counts(caught.value.report)
    assert 600 <= clock.monotonic() - started < 1200
    assert len(server.requests) < 120


async def test_a_retry_after_longer_than_max_outage_stops_immediately() -> None:
    """The import does not wait for a day."""
    server = ModelServer(always(Reply(429, executed=False, headers={"retry-after": "86400"})))
    with pytest.raises(ImportFailedError):
        await upsert(server, receivers(5))

    assert 1 == len(server.requests)


FAULTS = st.sampled_from(
    [
        None,
        Reply(429, executed=False),
        Reply(429, executed=False, headers={"retry-after": "2"}),
        Reply(503, executed=False),
        Reply(502, executed=True),
        Reply(504, executed=True),
        Reply(None, executed=True),
        Reply(None, executed=False),
        Reply(content=b"<html>bad gateway</html>"),
        Reply(reshape=lambda items: items[::-1]),
        Reply(reshape=lambda items: items[: len(items) // 2]),
        Reply(reshape=lambda items: [*items, {"email": "stranger@example.org"}]),
        Reply(413, executed=False, content=b"{}"),
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    faults=st.lists(FAULTS, max_size=12),
    keys=st.lists(st.integers(0, 30), max_size=120),
    batch_size=st.integers(1, 40),
    concurrency=st.integers(1, 5),
)
async def test_the_server_ends_with_the_last_accepted_row_of_each_address(
    faults: list[Reply | None], keys: list[int], batch_size: int, concurrency: int
) -> None:
    """With any faults: no row is lost or invented, and the server has the state of the source."""
    server = ModelServer(lambda n, _: faults[n] if n < len(faults) else None)
    rows = [ReceiverInput(f"p{key}@example.org", source=str(n)) for n, key in enumerate(keys)]
    report = await upsert(server, rows, batch_size=batch_size, concurrency=concurrency)

    report.assert_balanced()
    assert (len(keys), 0) == (report.read, report.pending)
    if not report.unknown and not report.rejected:
        last = {f"p{key}@example.org": str(n) for n, key in enumerate(keys)}
        assert last == {key: row["source"] for key, row in server.stored.items()}
    assert server.peak <= concurrency


async def test_orders_of_rows_in_one_batch_are_all_stored() -> None:
    """Rows with orders neither supersede nor are superseded."""
    rows = [
        ReceiverInput("a@example.org", source="1", orders=[OrderInput("A-1", "Lamp")]),
        ReceiverInput("a@example.org", source="2", orders=[OrderInput("A-2", "Mug")]),
        ReceiverInput("b@example.org", source="1"),
        ReceiverInput("a@example.org", source="3"),
        ReceiverInput("b@example.org", source="2"),
        ReceiverInput("c@example.org"),
        ReceiverInput("c@example.org", source="2", orders=[OrderInput("A-3", "Cup")]),
    ]
    server = ModelServer()
    report = await upsert(server, rows)

    assert {"read": 7, "accepted": 6, "superseded": 1} == counts(report)
    assert ["A-1", "A-2", "A-3"] == sorted(server.order_ids)
    assert ["3", "2"] == [server.stored[f"{name}@example.org"]["source"] for name in "ab"]
