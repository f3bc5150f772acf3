"""``results()``: every row told exactly once, in whatever way it is read or left."""

import gc
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from support.clocks import FakeClock
from support.held_server import HeldServer
from support.model_server import ModelServer, Reply, always, at, counts, people, transport_to

from cleverreach_async import (
    BadRow,
    ConfigurationError,
    ImportFailedError,
    ImportRun,
    OrderInput,
    Outcome,
    ReceiverInput,
    RowResult,
)
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio

SMALL: dict[str, Any] = {"group_id": 7, "batch_size": 10, "concurrency": 2, "canary": False}


def bulk_of(server: ModelServer) -> Bulk:
    """Return the imports of a server, whose clock stands still."""
    clock = FakeClock()
    clock.hold()
    return Bulk(transport_to(server, clock=clock))


async def test_what_was_put_is_sent_and_told() -> None:
    """In one task: the loop sends what is there and ends when each row has its outcome."""
    server = ModelServer()
    async with bulk_of(server).open(**SMALL) as run:
        for receiver in people(25):
            await run.put(receiver)
        told = [result async for result in run.results()]

        assert list(range(1, 26)) == sorted(result.row for result in told)
        assert {Outcome.ACCEPTED} == {result.outcome for result in told}
        assert 25 == len(server.stored)


async def test_one_iterator_serves_several_rounds() -> None:
    """Put and read, put and read: nothing is told twice."""
    async with bulk_of(ModelServer()).open(**SMALL) as run:
        results = run.results()
        rounds: list[list[int]] = []
        for start in (0, 3):
            for number in range(start, start + 3):
                await run.put(f"p{number}@example.org")
            rounds.append(sorted([result.row async for result in results]))

    assert [[1, 2, 3], [4, 5, 6]] == rounds


async def test_every_class_of_outcome_is_told_once() -> None:
    """Accepted, rejected here and there, superseded, unknown: each row once, with its receiver."""
    rows: list[Any] = [
        "a@example.org",
        "A@example.org",
        "nobody",
        BadRow(line=9, code="invalid_date", message="no such day", record={"Datum": "31.02."}),
        "refuse@example.org",
        ReceiverInput("order@example.org", orders=[OrderInput("A-1", "Lamp")]),
    ]
    server = ModelServer(at(Reply(content=b"[]"), 0))
    server.tells_nothing = True
    async with bulk_of(server).open(**SMALL) as run:
        for row in rows:
            await run.put(row)
        told = [result async for result in run.results()]

    assert {1: "superseded", 2: "accepted", 3: "rejected", 4: "rejected", 5: "rejected"} | {
        6: "unknown"
    } == {result.row: result.outcome.value for result in told}
    assert len(rows) == len(told)


async def test_a_deleted_address_is_told_as_a_receiver() -> None:
    """An outcome holds a receiver, also where the row travels as an address only."""
    server = ModelServer()
    server.stored["a@example.org"] = {}
    async with bulk_of(server).open(**SMALL, strategy="delete") as run:
        await run.put("a@example.org")
        [result] = [result async for result in run.results()]

    assert (Outcome.ACCEPTED, b'{"email":"a@example.org"}') == (result.outcome, result.receiver)


async def read(run: ImportRun, told: list[RowResult], *, until_end: bool = True) -> None:
    """Read outcomes in a task of its own."""
    told += [result async for result in run.results(until_end=until_end)]


@pytest.mark.parametrize("server", [ModelServer(), HeldServer()], ids=["fast", "slow"])
async def test_a_reader_beside_the_producer_reads_to_the_end(server: ModelServer) -> None:
    """With ``until_end`` the loop ends once :meth:`end` has brought everything home."""
    told: list[RowResult] = []

    async def wake() -> None:
        while len(told) < 105 and isinstance(server, HeldServer):
            await wait_all_tasks_blocked()
            server.release()

    async with bulk_of(server).open(**SMALL) as run, anyio.create_task_group() as tasks:
        tasks.start_soon(read, run, told)
        tasks.start_soon(wake)
        await wait_all_tasks_blocked()
        for receiver in people(105):
            await run.put(receiver)
        await run.end()

    assert list(range(1, 106)) == sorted(result.row for result in told)


async def test_a_reader_left_early_holds_nobody_up() -> None:
    """Breaking out of the loop leaves an import that goes on at full speed."""
    server = ModelServer()
    async with bulk_of(server).open(**SMALL) as run:
        for receiver in people(30):
            await run.put(receiver)
        async for result in run.results():
            assert result.outcome is Outcome.ACCEPTED
            break
        gc.collect()
        for number in range(5000):
            await run.put(f"q{number}@example.org")

    assert {"read": 5030, "accepted": 5030} == counts(run.report)


async def test_results_are_read_by_one() -> None:
    """A second reader would take outcomes away from the first."""
    async with bulk_of(ModelServer()).open(**SMALL) as run:
        await run.put("a@example.org")
        results = run.results()
        with pytest.raises(ConfigurationError, match="can be read once"):
            run.results()
        assert 1 == len([result async for result in results])


async def test_results_that_were_left_cannot_be_read_again() -> None:
    """What was thrown away is not passed over in silence."""
    async with bulk_of(ModelServer()).open(**SMALL) as run:
        await run.put("a@example.org")
        assert 1 == len([result async for result in run.results()])
        gc.collect()
        with pytest.raises(ConfigurationError, match="keep the iterator"):
            run.results()


async def test_results_asked_for_too_late_are_refused() -> None:
    """Outcomes nobody asked for are not kept for ever."""
    async with bulk_of(ModelServer()).open(group_id=7) as run:
        for receiver in people(4500):
            await run.put(receiver)
        await wait_all_tasks_blocked()
        with pytest.raises(ConfigurationError, match="before putting more"):
            run.results()


async def test_rows_are_taken_in_no_faster_than_outcomes_are_read() -> None:
    """A slow reader holds the producer; what is kept is bounded."""
    put = 0
    told: Counter[int] = Counter()
    async with bulk_of(ModelServer()).open(group_id=7, batch_size=100, concurrency=1) as run:
        results = run.results(until_end=True)

        async def produce() -> None:
            nonlocal put
            for receiver in people(20_000):
                await run.put(receiver)
                put += 1
            await run.end()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            await wait_all_tasks_blocked()

            assert 2000 <= put <= 2000 + 7 * 100 + 2 * 64

            told.update([result.row async for result in results])

    assert (20_000, {1}) == (len(told), set(told.values()))


async def test_a_reader_that_goes_away_frees_the_producer() -> None:
    """Back-pressure ends with the one for whom it was."""
    server = ModelServer()
    async with bulk_of(server).open(group_id=7, canary=False) as run:
        results: Any = run.results(until_end=True)

        async def produce() -> None:
            for receiver in people(10_000):
                await run.put(receiver)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            await wait_all_tasks_blocked()

            assert run.report.read < 10_000

            del results
            gc.collect()

    assert 10_000 == run.report.accepted


@pytest.mark.parametrize("until_end", [False, True])
async def test_after_a_stop_what_was_on_the_wire_is_told(*, until_end: bool) -> None:
    """The loop ends, but not before the answers on their way have come in."""
    server = HeldServer()
    told: list[RowResult] = []
    over: list[bool] = []

    async with bulk_of(server).open(**SMALL) as run:

        async def watch() -> None:
            await read(run, told, until_end=until_end)
            over.append(True)

        async with anyio.create_task_group() as tasks:
            for receiver in people(64):
                await run.put(receiver)
            tasks.start_soon(watch)
            await wait_all_tasks_blocked()
            run.stop()
            await wait_all_tasks_blocked()

            assert not over

            server.release()
            await wait_all_tasks_blocked()

            assert over or until_end

            await run.end()

    assert over
    assert run.report.accepted == len(told) == len({result.row for result in told}) == 20
    assert run.report.pending == run.report.read - 20


async def test_a_reader_with_nothing_to_come_is_let_go_by_a_stop() -> None:
    """Rows that were never sent have no outcome to wait for."""
    clock = FakeClock()
    clock.hold()
    server = ModelServer(always(Reply(429, executed=False, headers={"retry-after": "60"})))
    async with Bulk(transport_to(server, clock=clock)).open(**SMALL) as run:
        await run.put("a@example.org")
        told: list[RowResult] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: read(run, told, until_end=False))
            await wait_all_tasks_blocked()
            run.stop()

        assert [] == told

    assert {"read": 1, "pending": 1} == counts(run.report)


async def test_tasks_of_the_caller_that_are_stopped_end_quietly() -> None:
    """A stop met by producers in a group of their own is no failure either."""
    server = HeldServer()
    async with bulk_of(server).open(**SMALL) as run:

        async def produce() -> None:
            for receiver in people(10**6):
                await run.put(receiver)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            tasks.start_soon(produce)
            await wait_all_tasks_blocked()
            run.stop("enough")
            server.release()

    assert "enough" == run.report.stopped
    assert run.report.accepted == len(server.stored) == 20


async def test_a_failing_source_ends_the_reader_too() -> None:
    """Whoever reads beside the import learns of its end, whatever ends it."""
    told: list[RowResult] = []
    errors: list[ImportFailedError] = []

    async def source() -> AsyncIterator[ReceiverInput]:
        for receiver in people(30):
            yield receiver
        raise LookupError("the cursor is gone")

    async with anyio.create_task_group() as tasks:

        async def work() -> None:
            bulk = bulk_of(ModelServer())
            try:
                await bulk.upsert(source(), **SMALL, on_start=begin)
            except ImportFailedError as error:
                errors.append(error)

        def begin(run: ImportRun) -> None:
            results = run.results(until_end=True)

            async def collect() -> None:
                told.extend([result async for result in results])

            tasks.start_soon(collect)

        tasks.start_soon(work)

    assert (30, 1) == (len(told), len(errors))
