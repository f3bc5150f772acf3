"""Imports that stop because too many rows are rejected."""

from collections.abc import Iterator

import anyio
import attrs
import pytest
from anyio import wait_all_tasks_blocked
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import FakeClock
from support.held_server import HeldServer
from support.model_server import ModelServer, Reply, counts, receivers, transport_to, upsert

from cleverreach_async import (
    ImportFailedError,
    ReceiverInput,
    TooManyRejectsError,
)
from cleverreach_async.bulk.assembly import SPARE_SLOTS
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.outcomes.reject_limit import RejectLimit
from cleverreach_async.bulk.rows import CANARY_ROWS

asynchronous = pytest.mark.anyio


def reason_after(limit: RejectLimit, *batches: tuple[int, int]) -> str:
    """Add batches as numbers of accepted and rejected rows; returns why the limit is exceeded."""
    for accepted, rejected in batches:
        limit.add(accepted, rejected, answered=True)
    return limit.exceeded


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([(49, 51)], "51 of the first 100 rows sent"),
        ([(50, 50)], ""),
        ([(0, 9)], ""),
        ([(0, 10)], "10 of the first 10 rows sent"),
        ([(100, 0), (0, 100)], ""),
        ([(100, 0), *[(0, 100)] * 9], ""),
        ([(100, 0), *[(0, 100)] * 10], "the last 1000 rows are all rejected"),
        ([(100, 0), *[(0, 100)] * 9, (1, 99), (0, 100)], ""),
        ([(90, 10)] * 50, ""),
        ([*[(90, 10)] * 49, (89, 11)], "501 of the last 5000 rows are rejected"),
        ([(90, 10)] * 48, ""),
        ([*[(100, 0)] * 100, *[(85, 15)] * 33], ""),
        ([*[(100, 0)] * 100, *[(85, 15)] * 34], "510 of the last 5000 rows are rejected"),
    ],
    ids=[
        "more than half of the first batch",
        "half of the first batch",
        "a first batch that is too small",
        "a small first batch, all rejected",
        "the second batch, all rejected",
        "900 in a row",
        "1000 in a row",
        "one accepted row among them",
        "a tenth of 5000",
        "more than a tenth of 5000",
        "too few rows for a share",
        "many rejects in a row, within the share",
        "many rejects in a row: only the last 5000 rows count",
    ],
)
def test_rules(batches: list[tuple[int, int]], message: str) -> None:
    """Each rule applies at its limit, and not before."""
    reason = reason_after(RejectLimit(), *batches)

    assert message in reason
    assert bool(message) == bool(reason)


def test_a_share_of_one_switches_the_rules_off() -> None:
    """All rows are sent; an absolute limit still applies."""
    bad = [(0, 1000)] * 100

    assert not reason_after(RejectLimit(max_share=1), *bad)
    assert "100000 rows are rejected, and 99999 are allowed" == reason_after(
        RejectLimit(max_share=1, max_rejects=99_999), *bad
    )


def test_an_absolute_limit() -> None:
    """More rejects than the limit exceed it; zero allows none."""
    assert not reason_after(RejectLimit(max_rejects=3), (1000, 3))
    assert reason_after(RejectLimit(max_rejects=3), (1000, 4))
    assert reason_after(RejectLimit(max_rejects=0), (1000, 1))


def test_rows_rejected_before_sending_are_not_the_first_batch() -> None:
    """Bad rows of the source count, but the first batch has only rows that were sent."""
    limit = RejectLimit()
    limit.add(0, 60, answered=False)

    assert not limit.exceeded
    assert "first 100 rows" in reason_after(limit, (40, 60))


def test_the_first_reason_remains() -> None:
    """Later results do not change it."""
    assert "51 of the first 100" in reason_after(RejectLimit(), (49, 51), (0, 5000))


@given(st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 1200)), max_size=60))
def test_a_good_import_never_exceeds_the_limit(batches: list[tuple[int, int]]) -> None:
    """If every batch is within the share, whatever the sizes."""
    good = [(accepted + 10 * rejected, rejected) for accepted, rejected in batches]

    assert not reason_after(RejectLimit(), *good)


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), max_size=60))
def test_memory_is_bounded(batches: list[tuple[int, int]]) -> None:
    """Only the batches of the last 5000 rows are stored."""
    limit = RejectLimit(max_share=1)
    reason_after(limit, *[batch for batch in batches if sum(batch)])
    kept: list[tuple[int, int]] = list(attrs.asdict(limit)["_recent"])

    assert sum(map(sum, kept[1:])) < 5000


def refused(count: int, *, start: int = 0) -> list[ReceiverInput]:
    """Return rows that the model server refuses."""
    return [ReceiverInput(f"refuse{n}@example.org") for n in range(start, start + count)]


@asynchronous
async def test_a_wrong_mapping_stops_after_the_first_batch() -> None:
    """Of many bad rows only a hundred are sent."""
    server = ModelServer()
    with pytest.raises(TooManyRejectsError) as caught:
        await upsert(server, iter(refused(30_000)), canary=True, concurrency=4)

    report = caught.value.report
    report.assert_balanced()
    assert CANARY_ROWS == report.rejected == len(server.requests[0][1])
    assert {"upsertplus", "upsert"} == {verb for verb, _ in server.requests}
    assert 2 == len(server.requests)
    # Read meanwhile: a batch for each worker, one that waits for a worker, and the next window.
    assert report.read <= CANARY_ROWS + (4 + SPARE_SLOTS + 2) * 1000
    assert report.read == report.rejected + report.pending


@asynchronous
async def test_the_message_has_reasons_without_addresses() -> None:
    """Codes, rows and the server's messages help; addresses could be logged."""
    rows = [*refused(60), *(f"broken{n}" for n in range(30)), *receivers(10)]
    with pytest.raises(TooManyRejectsError) as caught:
        await upsert(ModelServer(), [*rows, *receivers(500)], canary=True)

    message = str(caught.value)
    assert "60 of the first 100 rows sent are rejected" in message
    assert "invalid_email (rows 61, 62, 63, 64, 65: " in message
    assert "refuse" not in message
    assert isinstance(caught.value, ImportFailedError)
    assert message in caught.value.report.stopped


@asynchronous
async def test_the_first_batch_is_sent_alone() -> None:
    """No other request is sent before its response; later batches have the full size."""
    server = HeldServer()
    clock = FakeClock()
    clock.hold()
    bulk = Bulk(transport_to(server, clock=clock))
    seen: list[tuple[int, int]] = []

    async def respond() -> None:
        await wait_all_tasks_blocked()
        seen.append((server.held, len(server.requests[0][1])))
        server.release()
        await wait_all_tasks_blocked()
        seen.append((server.held, len(server.requests[1][1])))
        server.stop_holding()

    async with (
        anyio.create_task_group() as tasks,
        bulk.open(group_id=7, concurrency=4) as run,
    ):
        tasks.start_soon(respond)
        for receiver in receivers(5000):
            await run.put(receiver)

    assert (1, CANARY_ROWS) == seen[0]
    assert seen[1][0] > 1
    assert 1000 >= seen[1][1] > CANARY_ROWS
    assert 5000 == run.report.accepted


@asynchronous
async def test_batches_are_ready_when_the_first_one_has_a_result() -> None:
    """Rows are read and encoded while it is in flight, as many as workers can hold."""
    server = HeldServer()
    clock = FakeClock()
    clock.hold()
    seen: list[int] = []
    taken = 0

    def source() -> Iterator[ReceiverInput]:
        nonlocal taken
        for receiver in receivers(30_000):
            taken += 1
            yield receiver

    async def respond() -> None:
        await wait_all_tasks_blocked()
        seen.extend((server.held, taken))
        server.release()
        await wait_all_tasks_blocked()
        seen.append(server.held)
        server.stop_holding()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(respond)
        bulk = Bulk(transport_to(server, clock=clock))
        report = await bulk.upsert(source(), group_id=7, concurrency=4)
        assert 30_000 == report.accepted

    assert [1, 4] == [seen[0], seen[2]]
    assert 4000 < seen[1] <= CANARY_ROWS + (4 + SPARE_SLOTS + 2) * 1000


@asynchronous
async def test_without_a_canary_all_slots_are_used_immediately() -> None:
    """The canary can be disabled."""
    server = ModelServer(steps=500)
    await upsert(server, receivers(4000), canary=False, concurrency=4)

    assert (4, 1000) == (server.peak, len(server.requests[0][1]))


@asynchronous
@pytest.mark.parametrize("count", [30, 64, 100])
async def test_too_many_rejects_at_the_end_of_the_source_raise_nothing(count: int) -> None:
    """There is nothing left to stop; the report has the rejects."""
    report = await upsert(ModelServer(), refused(count), canary=True)

    assert ({"read": count, "rejected": count}, "") == (counts(report), report.stopped)


@asynchronous
async def test_too_many_rejects_at_the_end_raise_if_rows_are_pending() -> None:
    """Rows of a batch that waited for a retry stay pending, so the import was stopped."""
    clock = FakeClock()
    clock.hold()

    def script(number: int, rows: list[dict[str, str]]) -> Reply | None:
        slow = any("refuse" not in row["email"] for row in rows)
        return Reply(500, executed=False) if slow else None

    with pytest.raises(TooManyRejectsError) as caught:
        await Bulk(transport_to(ModelServer(script), clock=clock)).upsert(
            [*receivers(50), *refused(50)], group_id=7, batch_size=50, concurrency=2, canary=False
        )

    assert {"read": 100, "rejected": 50, "pending": 50} == counts(caught.value.report)


@asynchronous
@pytest.mark.parametrize("call", ["insert", "update", "delete"])
async def test_duplicates_and_unknown_receivers_do_not_count(call: str) -> None:
    """That a receiver exists or does not exist is not an error of the row."""
    server = ModelServer()
    if call == "insert":
        server.stored = {f"p{n}@example.org": {} for n in range(3000)}
    bulk = Bulk(transport_to(server))
    report = await getattr(bulk, call)(receivers(3000), group_id=7)

    assert {"read": 3000, "rejected": 3000} == counts(report)
    assert {"duplicate" if call == "insert" else "not_found": 3000} == report.reasons


@asynchronous
async def test_rows_rejected_before_sending_count_too() -> None:
    """A thousand invalid rows in a row stop the import before a request is sent."""
    with pytest.raises(TooManyRejectsError, match="rows are all rejected"):
        await upsert(ModelServer(), ["broken"] * 5000)


@asynchronous
async def test_max_rejects_of_an_import() -> None:
    """It is an option."""
    rows = [*refused(3), *receivers(3000)]
    with pytest.raises(TooManyRejectsError, match="3 rows are rejected, and 2 are allowed"):
        await upsert(ModelServer(), rows, batch_size=10, max_rejects=2, concurrency=1)

    assert 3000 == (await upsert(ModelServer(), rows, max_rejects=3)).accepted
