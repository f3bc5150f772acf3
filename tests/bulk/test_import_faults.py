"""The importer against a server in trouble: what is repeated, split, given up, accounted for."""

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
    people,
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
from cleverreach_async.transport.http import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

pytestmark = pytest.mark.anyio


async def test_refused_rows_are_rejected_with_the_servers_words(tmp_path: Path) -> None:
    """A row that the answer leaves out is asked about once more, and its reason written down."""
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


async def test_rows_that_an_answer_forgets_are_found_again() -> None:
    """A short answer is not a rejection: the second call shows that the rows are stored."""
    server = ModelServer(at(Reply(reshape=lambda items: items[:4]), 0))
    report = await upsert(server, people(10))

    assert {"read": 10, "accepted": 10} == counts(report)
    assert [10, 6] == [len(rows) for _, rows in server.requests]


async def test_a_row_that_no_answer_shows_is_rejected() -> None:
    """Never shown, never accepted."""
    report = await upsert(ModelServer(always(Reply(content=b"[]"))), people(3))

    assert {"read": 3, "rejected": 3} == counts(report)
    assert {"not_returned"} == {sample.code for sample in report.samples}


async def test_upserts_are_repeated_with_identical_bytes() -> None:
    """A lost answer is followed by the same body, and the rows count once."""
    server = ModelServer(at(Reply(None), 0))
    report = await upsert(server, people(10))

    assert {"read": 10, "accepted": 10} == counts(report)
    assert server.bodies[0] == server.bodies[1]
    assert (2, 1) == (report.requests, report.retries)


WITH_ORDER = ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")])
LOST = [Reply(None), Reply(content=b"<html>"), Reply(502), Reply(504), Reply(500)]


@pytest.mark.parametrize("reply", LOST)
async def test_orders_are_looked_up_after_a_lost_answer(reply: Reply) -> None:
    """What the server's list shows is stored, and is not sent again."""
    server = ModelServer(at(reply, 0))
    report = await upsert(server, [WITH_ORDER, ReceiverInput("b@example.org")])

    assert {"read": 2, "accepted": 2} == counts(report)
    assert (["A-1"], ["a@example.org"]) == (server.order_ids, server.looked_up)


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_orders_that_the_list_does_not_show_are_sent_again(status: int) -> None:
    """An attempt that the server has not executed is repeated."""
    server = ModelServer(at(Reply(status, executed=False), 0))
    report = await upsert(server, [WITH_ORDER])

    assert {"read": 1, "accepted": 1} == counts(report)
    assert (["A-1"], 1) == (server.order_ids, report.replayed)


@pytest.mark.parametrize("reply", LOST)
async def test_orders_are_never_sent_twice_blindly(reply: Reply) -> None:
    """Where the look-up does not tell, rows with orders are unknown; the others are repeated."""
    server = ModelServer(at(reply, 0))
    server.tells_nothing = True
    report = await upsert(server, [WITH_ORDER, ReceiverInput("b@example.org")])

    assert {"read": 2, "accepted": 1, "unknown": 1} == counts(report)
    assert ["A-1"] == server.order_ids


async def test_orders_are_sent_again_when_the_server_refused_them_unseen() -> None:
    """429 comes before processing, so nothing can be stored twice."""
    server = ModelServer(at(Reply(429, executed=False), 0))
    rows = [WITH_ORDER]

    assert {"read": 1, "accepted": 1} == counts(await upsert(server, rows))
    assert ["A-1"] == server.order_ids


async def test_orders_are_sent_when_only_the_token_was_in_doubt() -> None:
    """A token request without an answer says nothing about rows that were not sent yet."""

    class NoToken(ModelServer):
        """A server whose token endpoint does not answer at first."""

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
            """Answer the sixth request for a token, and every batch."""
            if not url.endswith("/oauth/token.php"):
                return await super().send(
                    method, url, headers=headers, content=content, timeout=timeout, stop=stop
                )
            self.token_requests += 1
            if self.token_requests <= 5:
                raise APIConnectionError("no answer", sent=True)
            return Response(200, {}, b'{"access_token": "t"}')

    server = NoToken()
    transport = transport_to(server).with_auth(OAuthApp("id", "secret").client_credentials())
    rows = [WITH_ORDER]
    report = await Bulk(transport).upsert(rows, group_id=7)

    assert {"read": 1, "accepted": 1} == counts(report)
    assert (["A-1"], 6) == (server.order_ids, server.token_requests)


@pytest.mark.parametrize("told", [True, False])
async def test_orders_stay_at_home_on_the_second_look(*, told: bool) -> None:
    """An answer that forgets a row with orders never doubles them; the look-up tells, or nobody."""
    server = ModelServer(at(Reply(content=b"[]"), 0))
    server.tells_nothing = not told
    report = await upsert(server, [WITH_ORDER])

    assert {"read": 1, "accepted" if told else "unknown": 1} == counts(report)
    assert ["A-1"] == server.order_ids
    assert [{"email": "a@example.org"}] == server.requests[1][1]


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_one_poisonous_row_does_not_take_its_batch_down(status: int) -> None:
    """A refused batch is sent in parts until the row to blame stands alone."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        poisoned = any(row["email"] == "p37@example.org" for row in rows)
        return Reply(status, executed=False, content=b"{}") if poisoned else None

    report = await upsert(ModelServer(script), people(100))

    assert {"read": 100, "accepted": 99, "rejected": 1} == counts(report)
    assert [38] == [sample.row for sample in report.samples]


async def test_a_body_ceiling_is_found_and_kept() -> None:
    """After a few 413s every body fits, and no row pays for it."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        return Reply(413, executed=False, content=b"{}") if len(rows) > 10 else None

    server = ModelServer(script)
    report = await upsert(server, people(3000), concurrency=1)

    assert {"read": 3000, "accepted": 3000} == counts(report)
    assert 10 > sum(len(rows) > 10 for _, rows in server.requests)


async def test_a_batch_refused_as_a_whole_does_not_storm_the_server() -> None:
    """Splitting has a budget; what is left when it is spent is rejected together."""
    server = ModelServer(always(Reply(422, executed=False, content=b"{}")))
    report = await upsert(server, people(1000))

    assert {"read": 1000, "rejected": 1000} == counts(report)
    assert len(server.requests) < 100


async def test_false_for_a_batch_is_a_refusal() -> None:
    """The API says ``false`` when it stored nothing; the rows are tried in parts."""
    server = ModelServer(at(Reply(executed=False, content=b"false"), 0))

    assert {"read": 8, "accepted": 8} == counts(await upsert(server, people(8)))


async def test_answers_that_are_no_json_leave_the_rows_unknown() -> None:
    """After a few unreadable answers nobody can say what was stored."""
    report = await upsert(ModelServer(always(Reply(content=b"<html>"))), people(3))

    assert {"read": 3, "unknown": 3} == counts(report)


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_errors_that_no_batch_survives_stop_the_import(status: int) -> None:
    """Rows that were not sent stay pending, and the report says how far it came."""
    server = ModelServer(
        lambda n, _: Reply(status, executed=False, content=b"{}") if n >= 2 else None
    )
    with pytest.raises(ImportFailedError) as caught:
        await upsert(server, people(100), batch_size=10, concurrency=1)

    report = caught.value.report
    assert 20 == report.accepted == len(server.stored)
    assert report.read - 20 == report.pending > 0
    report.assert_balanced()
    assert status == getattr(caught.value.__cause__, "status_code", None)


async def test_an_outage_without_end_stops_the_import_in_order() -> None:
    """After ``max_outage`` seconds of failures the rows stay pending; none is rejected."""
    clock = FakeClock()
    server = ModelServer(always(Reply(503, executed=False)))
    started = clock.monotonic()
    with pytest.raises(ImportFailedError) as caught:
        await Bulk(transport_to(server, clock=clock)).upsert(people(50), group_id=7, max_outage=600)

    assert {"read": 50, "pending": 50} == counts(caught.value.report)
    assert 600 <= clock.monotonic() - started < 1200
    assert len(server.requests) < 120


async def test_a_wait_longer_than_the_outage_allowed_stops_at_once() -> None:
    """A Retry-After of a day is not slept through."""
    server = ModelServer(always(Reply(429, executed=False, headers={"retry-after": "86400"})))
    with pytest.raises(ImportFailedError):
        await upsert(server, people(5))

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
    """Under any faults: nothing lost, nothing invented, and the state is the source's."""
    server = ModelServer(lambda n, _: faults[n] if n < len(faults) else None)
    rows = [ReceiverInput(f"p{key}@example.org", source=str(n)) for n, key in enumerate(keys)]
    report = await upsert(server, rows, batch_size=batch_size, concurrency=concurrency)

    report.assert_balanced()
    assert (len(keys), 0) == (report.read, report.pending)
    if not report.unknown and not report.rejected:
        last = {f"p{key}@example.org": str(n) for n, key in enumerate(keys)}
        assert last == {key: row["source"] for key, row in server.stored.items()}
    assert server.peak <= concurrency


async def test_orders_of_rows_close_together_are_all_stored() -> None:
    """A later row takes the place of an earlier one, but never that of its orders."""
    rows = [
        ReceiverInput("a@example.org", source="1", orders=[OrderInput("A-1", "Lamp")]),
        ReceiverInput("a@example.org", source="2", orders=[OrderInput("A-2", "Mug")]),
        ReceiverInput("b@example.org", source="1"),
        ReceiverInput("a@example.org", source="3"),
        ReceiverInput("b@example.org", source="2"),
    ]
    server = ModelServer()
    report = await upsert(server, rows)

    assert {"read": 5, "accepted": 4, "superseded": 1} == counts(report)
    assert ["A-1", "A-2"] == server.order_ids
    assert ["3", "2"] == [server.stored[f"{name}@example.org"]["source"] for name in "ab"]
