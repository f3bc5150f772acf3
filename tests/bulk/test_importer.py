"""The importer against a model of the server: order, bounds, repeats and conservation."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clocks import FakeClock
from support.model_server import ModelServer, Reply, Row, always, at, transport_to

from cleverreach_async import (
    APIConnectionError,
    BadRow,
    ConfigurationError,
    ImportFailedError,
    ImportProgress,
    ImportReport,
    OAuthApp,
    OrderInput,
    ReceiverInput,
    SourceRow,
)
from cleverreach_async.bulk.importer import SPARE_SLOTS, Bulk
from cleverreach_async.transport.http import Headers
from cleverreach_async.transport.wire import Response

pytestmark = pytest.mark.anyio


def people(count: int) -> Iterator[ReceiverInput]:
    """Yield receivers with addresses of their own."""
    return (ReceiverInput(f"p{n}@example.org") for n in range(count))


async def upsert(server: ModelServer, source: Any, **options: Any) -> ImportReport:
    """Import a source into group 7 of the model server."""
    return await Bulk(transport_to(server)).upsert(source, group_id=7, **options)


def counts(report: ImportReport) -> dict[str, int]:
    """Return the classes of a report that are not empty."""
    names = ("read", "accepted", "rejected", "unknown", "pending", "superseded")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 999, 1000, 1001, 2500])
async def test_every_row_arrives(count: int) -> None:
    """Whatever the number of rows, the last partial batch included, all are stored."""
    server = ModelServer()
    report = await upsert(server, people(count))

    assert ({"read": count, "accepted": count} if count else {}) == counts(report)
    assert count == len(server.stored)
    assert -(-count // 1000) == report.batches == report.requests


async def test_no_batch_is_larger_than_a_thousand_rows() -> None:
    """The API takes 1000 rows, and a smaller batch size is kept too."""
    server = ModelServer()
    await upsert(server, people(2100))
    await upsert(server, people(100), batch_size=30)

    sizes = [len(rows) for _, rows in server.requests]

    assert [1000, 1000, 100, 30, 30, 30, 10] == sizes
    assert {"upsertplus"} == {verb for verb, _ in server.requests}


async def test_async_sources_and_pushed_rows_arrive_too() -> None:
    """An async iterable and ``put`` are sources like any other."""

    async def source() -> AsyncIterator[ReceiverInput]:
        for receiver in people(130):
            await anyio.lowlevel.checkpoint()
            yield receiver

    server = ModelServer()

    assert 130 == (await upsert(server, source())).accepted

    async with Bulk(transport_to(server)).open(group_id=7) as run:
        for receiver in people(70):
            await run.put(receiver)

    assert 70 == run.report.accepted


async def test_requests_run_in_parallel_up_to_the_limit() -> None:
    """As many requests are on the wire as asked for, and never more."""
    server = ModelServer(steps=50)
    await upsert(server, people(400), batch_size=10, concurrency=3)

    assert 3 == server.peak


async def test_a_stuck_server_stops_the_source() -> None:
    """Rows held are bounded by the slots, however much the source has to give."""
    taken = 0

    def endless() -> Iterator[ReceiverInput]:
        nonlocal taken
        for receiver in people(10**9):
            taken += 1
            yield receiver

    class Stuck(ModelServer):
        """A server that never answers."""

        async def send(self, *args: Any, **kwargs: Any) -> Any:
            """Wait for ever."""
            await anyio.sleep_forever()

    with anyio.move_on_after(0.2):
        await upsert(Stuck(), endless(), batch_size=64, concurrency=2)

    slots = 2 + SPARE_SLOTS
    assert (slots + 2) * 64 >= taken


async def test_repeated_addresses_close_together_are_superseded() -> None:
    """The last row of an address wins; the earlier is reported and never sent."""
    server = ModelServer()
    rows = [
        ReceiverInput("A@example.org", source="old"),
        ReceiverInput("b@example.org"),
        ReceiverInput("a@example.org", source="new"),
    ]
    report = await upsert(server, rows)

    assert {"read": 3, "accepted": 2, "superseded": 1} == counts(report)
    assert "new" == server.stored["a@example.org"]["source"]


async def test_repeated_addresses_far_apart_keep_their_order() -> None:
    """A later row of an address waits until the earlier has arrived, retries included."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del rows
        return Reply(429, executed=False) if number in {0, 1, 4} else None

    server = ModelServer(script)
    rows = [ReceiverInput(f"p{n % 25}@example.org", source=str(n)) for n in range(200)]
    report = await upsert(server, rows, batch_size=10, concurrency=4)

    assert {"read": 200, "accepted": 200} == counts(report)
    expected = {f"p{n}@example.org": str(175 + n) for n in range(25)}
    assert expected == {key: row["source"] for key, row in server.stored.items()}


async def test_a_stream_of_one_address_makes_progress() -> None:
    """The worst case for keeping order neither hangs nor piles up."""
    server = ModelServer()
    rows = [ReceiverInput("a@example.org", source=str(n)) for n in range(500)]
    report = await upsert(server, rows, batch_size=1)

    assert 500 == report.accepted + report.superseded
    assert "499" == server.stored["a@example.org"]["source"]


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


async def test_orders_are_never_sent_twice_after_a_lost_answer() -> None:
    """Rows with orders become unknown; the others of the batch are repeated."""
    server = ModelServer(at(Reply(None), 0))
    rows = [
        ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")]),
        ReceiverInput("b@example.org"),
    ]
    report = await upsert(server, rows)

    assert {"read": 2, "accepted": 1, "unknown": 1} == counts(report)
    assert ["A-1"] == server.order_ids


async def test_orders_are_sent_again_when_the_server_refused_them_unseen() -> None:
    """429 comes before processing, so nothing can be stored twice."""
    server = ModelServer(at(Reply(429, executed=False), 0))
    rows = [ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")])]

    assert {"read": 1, "accepted": 1} == counts(await upsert(server, rows))
    assert ["A-1"] == server.order_ids


async def test_orders_are_sent_when_only_the_token_was_in_doubt() -> None:
    """A token request without an answer says nothing about rows that were not sent yet."""

    class NoToken(ModelServer):
        """A server whose token endpoint does not answer at first."""

        token_requests = 0

        async def send(
            self, method: str, url: str, *, headers: Headers, content: bytes, timeout: float | None
        ) -> Response:
            """Answer the sixth request for a token, and every batch."""
            if not url.endswith("/oauth/token.php"):
                return await super().send(
                    method, url, headers=headers, content=content, timeout=timeout
                )
            self.token_requests += 1
            if self.token_requests <= 5:
                raise APIConnectionError("no answer", sent=True)
            return Response(200, {}, b'{"access_token": "t"}')

    server = NoToken()
    transport = transport_to(server).with_auth(OAuthApp("id", "secret").client_credentials())
    rows = [ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")])]
    report = await Bulk(transport).upsert(rows, group_id=7)

    assert {"read": 1, "accepted": 1} == counts(report)
    assert (["A-1"], 6) == (server.order_ids, server.token_requests)


async def test_orders_stay_at_home_on_the_second_look() -> None:
    """An answer that forgets a row with orders leaves it unknown rather than doubled."""
    server = ModelServer(at(Reply(content=b"[]"), 0))
    rows = [ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")])]
    report = await upsert(server, rows)

    assert {"read": 1, "unknown": 1} == counts(report)
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
    started = clock.time
    with pytest.raises(ImportFailedError) as caught:
        await Bulk(transport_to(server, clock=clock)).upsert(people(50), group_id=7, max_outage=600)

    assert {"read": 50, "pending": 50} == counts(caught.value.report)
    assert 600 <= clock.time - started < 1200
    assert len(server.requests) < 120


async def test_a_wait_longer_than_the_outage_allowed_stops_at_once() -> None:
    """A Retry-After of a day is not slept through."""
    server = ModelServer(always(Reply(429, executed=False, headers={"retry-after": "86400"})))
    with pytest.raises(ImportFailedError):
        await upsert(server, people(5))

    assert 1 == len(server.requests)


async def test_a_failing_source_surfaces_as_itself() -> None:
    """The rows before the failure are delivered, then its own error is raised."""
    server = ModelServer()

    def source() -> Iterator[ReceiverInput]:
        yield from people(70)
        raise LookupError("the cursor is gone")

    with pytest.raises(LookupError, match="the cursor is gone") as caught:
        await upsert(server, source())

    assert 64 == len(server.stored)
    assert ["64 of 64 rows read before it were imported"] == caught.value.__notes__


async def test_a_failing_callback_changes_no_outcome() -> None:
    """Progress is told to somebody who may be broken; the rows do not suffer."""
    server = ModelServer()

    def show(progress: ImportProgress) -> None:
        raise ZeroDivisionError(progress.done)

    with pytest.raises(ZeroDivisionError):
        await upsert(server, people(30), on_progress=show, batch_size=10)

    assert 30 == len(server.stored)


async def test_progress_grows_and_ends() -> None:
    """Events never go back, and the last one says so and holds the report's numbers."""
    events: list[ImportProgress] = []
    report = await upsert(ModelServer(), people(95), batch_size=10, on_progress=events.append)

    assert sorted(event.done for event in events) == [event.done for event in events]
    assert [True] == [event.finished for event in events if event.finished]
    assert (95, report.requests) == (events[-1].accepted, events[-1].requests)


async def test_a_rejects_file_that_cannot_be_written_ends_the_import(tmp_path: Path) -> None:
    """A rejected row that cannot be written down must not get lost."""
    with pytest.raises(ConfigurationError, match="cannot write"):
        await upsert(ModelServer(), people(1), rejects=tmp_path / "missing" / "rejects.jsonl")


@pytest.mark.parametrize(
    "options",
    [{"concurrency": 0}, {"concurrency": 33}, {"batch_size": 0}, {"batch_size": 1001}],
)
async def test_arguments_are_checked(options: dict[str, int]) -> None:
    """Numbers out of range are refused before anything is read."""
    with pytest.raises(ConfigurationError, match="it goes from"):
        await upsert(ModelServer(), people(1), **options)


async def test_a_cancelled_import_leaves_nothing_behind() -> None:
    """Cancelling ends the workers; the next import on the same client works."""
    server = ModelServer()
    bulk = Bulk(transport_to(server))

    with anyio.CancelScope() as scope:
        async with bulk.open(group_id=7) as run:
            await run.put(ReceiverInput("a@example.org"))
            scope.cancel()
            await anyio.lowlevel.checkpoint()

    assert scope.cancelled_caught
    assert {} == server.stored
    assert 5 == (await bulk.upsert(people(5), group_id=7)).accepted


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
