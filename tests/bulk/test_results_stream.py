"""``results()``: every result exactly once, however it is read."""

import gc
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from support.clocks import FakeClock
from support.held_server import HeldServer
from support.model_server import ModelServer, Reply, always, at, counts, receivers, transport_to

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
    """Return the imports of a server, with a clock that does not advance."""
    clock = FakeClock()
    clock.hold()
    return Bulk(transport_to(server, clock=clock))


async def test_rows_that_were_put_are_sent_and_have_a_result() -> None:
    """In one task: the loop sends the rows and ends when each has a result."""
    server = ModelServer()
    async with bulk_of(server).open(**SMALL) as run:
        for receiver in receivers(25):
            await run.put(receiver)
        received = [result async for result in run.results()]

        assert list(range(1, 26)) == sorted(result.row for result in received)
        assert {Outcome.ACCEPTED} == {result.outcome for result in received}
        assert 25 == len(server.stored)


async def test_one_iterator_can_be_read_several_times() -> None:
    """Rows are put and results are read in turns; no result comes twice."""
    async with bulk_of(ModelServer()).open(**SMALL) as run:
        results = run.results()
        rounds: list[list[int]] = []
        for start in (0, 3):
            for number in range(start, start + 3):
                await run.put(f"p{number}@example.org")
            rounds.append(sorted([result.row async for result in results]))

    assert [[1, 2, 3], [4, 5, 6]] == rounds


async def test_every_row_has_one_result_whatever_its_outcome() -> None:
    """Accepted, rejected here or by the server, superseded, unknown."""
    rows: list[Any] = [
        "a@example.org",
        "A@example.org",
        "nobody",
        BadRow(line=9, code="invalid_date", message="no such day", record={"Datum": "31.02."}),
        "refuse@example.org",
        ReceiverInput("order@example.org", orders=[OrderInput("A-1", "Lamp")]),
    ]
    server = ModelServer(at(Reply(content=b"[]"), 0))
    server.refuses_look_ups = True
    async with bulk_of(server).open(**SMALL) as run:
        for row in rows:
            await run.put(row)
        received = [result async for result in run.results()]

    assert {1: "superseded", 2: "accepted", 3: "rejected", 4: "rejected", 5: "rejected"} | {
        6: "unknown"
    } == {result.row: result.outcome.value for result in received}
    assert len(rows) == len(received)


async def test_the_result_of_a_deleted_address_has_a_receiver() -> None:
    """Although only the address is sent."""
    server = ModelServer()
    server.stored["a@example.org"] = {}
    async with bulk_of(server).open(**SMALL, strategy="delete") as run:
        await run.put("a@example.org")
        [result] = [result async for result in run.results()]

    assert (Outcome.ACCEPTED, b'{"email":"a@example.org"}') == (result.outcome, result.receiver)


async def read(run: ImportRun, received: list[RowResult], *, until_end: bool = True) -> None:
    """Read results."""
    received += [result async for result in run.results(until_end=until_end)]


@pytest.mark.parametrize("server", [ModelServer(), HeldServer()], ids=["fast", "slow"])
async def test_a_reader_in_another_task_gets_all_results(server: ModelServer) -> None:
    """With ``until_end`` the loop ends when every row has a result after :meth:`end`."""
    received: list[RowResult] = []

    async def wake() -> None:
        while len(received) < 105 and isinstance(server, HeldServer):
            await wait_all_tasks_blocked()
            server.release()

    async with bulk_of(server).open(**SMALL) as run, anyio.create_task_group() as tasks:
        tasks.start_soon(read, run, received)
        tasks.start_soon(wake)
        await wait_all_tasks_blocked()
        for receiver in receivers(105):
            await run.put(receiver)
        await run.end()

    assert list(range(1, 106)) == sorted(result.row for result in received)


async def test_a_loop_that_is_left_early_does_not_block_the_import() -> None:
    """The import continues at full speed after a ``break``."""
    server = ModelServer()
    async with bulk_of(server).open(**SMALL) as run:
        for receiver in receivers(30):
            await run.put(receiver)
        async for result in run.results():
            assert result.outcome is Outcome.ACCEPTED
            break
        gc.collect()
        for number in range(5000):
            await run.put(f"q{number}@example.org")

    assert {"read": 5030, "accepted": 5030} == counts(run.report)


async def test_results_can_have_only_one_reader() -> None:
    """A second reader would take results from the first."""
    async with bulk_of(ModelServer()).open(**SMALL) as run:
        await run.put("a@example.org")
        results = run.results()
        with pytest.raises(ConfigurationError, match="can be read once"):
            run.results()
        assert 1 == len([result async for result in results])


async def test_results_cannot_be_read_again_after_the_iterator_is_gone() -> None:
    """Results that were discarded meanwhile are an error."""
    async with bulk_of(ModelServer()).open(**SMALL) as run:
        await run.put("a@example.org")
        assert 1 == len([result async for result in run.results()])
        gc.collect()
        with pytest.raises(ConfigurationError, match="keep the iterator"):
            run.results()


async def test_results_requested_too_late_are_refused() -> None:
    """Results are not stored indefinitely before they are requested."""
    async with bulk_of(ModelServer()).open(group_id=7) as run:
        for receiver in receivers(4500):
            await run.put(receiver)
        await wait_all_tasks_blocked()
        with pytest.raises(ConfigurationError, match="before putting more"):
            run.results()


async def test_rows_are_taken_no_faster_than_results_are_read() -> None:
    """A slow reader makes the producer wait, and memory is bounded."""
    put = 0
    received: Counter[int] = Counter()
    async with bulk_of(ModelServer()).open(group_id=7, batch_size=100, concurrency=1) as run:
        results = run.results(until_end=True)

        async def produce() -> None:
            nonlocal put
            for receiver in receivers(20_000):
                await run.put(receiver)
                put += 1
            await run.end()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            await wait_all_tasks_blocked()

            assert 2000 <= put <= 2000 + 7 * 100 + 2 * 64

            received.update([result.row async for result in results])

    assert (20_000, {1}) == (len(received), set(received.values()))


async def test_a_reader_that_ends_no_longer_delays_the_producer() -> None:
    """Back-pressure ends with the reader."""
    server = ModelServer()
    async with bulk_of(server).open(group_id=7, canary=False) as run:
        results: Any = run.results(until_end=True)

        async def produce() -> None:
            for receiver in receivers(10_000):
                await run.put(receiver)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            await wait_all_tasks_blocked()

            assert run.report.read < 10_000

            del results
            gc.collect()

    assert 10_000 == run.report.accepted


@pytest.mark.parametrize("until_end", [False, True])
async def test_after_a_stop_results_of_requests_in_flight_are_read(*, until_end: bool) -> None:
    """The loop ends only after their responses have arrived."""
    server = HeldServer()
    received: list[RowResult] = []
    done: list[bool] = []

    async with bulk_of(server).open(**SMALL) as run:

        async def watch() -> None:
            await read(run, received, until_end=until_end)
            done.append(True)

        async with anyio.create_task_group() as tasks:
            for receiver in receivers(64):
                await run.put(receiver)
            tasks.start_soon(watch)
            await wait_all_tasks_blocked()
            run.stop()
            await wait_all_tasks_blocked()

            assert not done

            server.release()
            await wait_all_tasks_blocked()

            assert done or until_end

            await run.end()

    assert done
    assert run.report.accepted == len(received) == len({result.row for result in received}) == 20
    assert run.report.pending == run.report.read - 20


async def test_a_stop_ends_a_loop_that_waits_for_no_result() -> None:
    """Rows that were not sent get no result."""
    clock = FakeClock()
    clock.hold()
    server = ModelServer(always(Reply(429, executed=False, headers={"retry-after": "60"})))
    async with Bulk(transport_to(server, clock=clock)).open(**SMALL) as run:
        await run.put("a@example.org")
        received: list[RowResult] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: read(run, received, until_end=False))
            await wait_all_tasks_blocked()
            run.stop()

        assert [] == received

    assert {"read": 1, "pending": 1} == counts(run.report)


async def test_a_stop_in_tasks_of_the_caller_is_not_an_error() -> None:
    """Producers in a task group of the caller may get StopRequestedError."""
    server = HeldServer()
    async with bulk_of(server).open(**SMALL) as run:

        async def produce() -> None:
            for receiver in receivers(10**6):
                await run.put(receiver)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            tasks.start_soon(produce)
            await wait_all_tasks_blocked()
            run.stop("enough")
            server.release()

    assert "enough" == run.report.stopped
    assert run.report.accepted == len(server.stored) == 20


async def test_an_error_of_the_source_ends_the_reader() -> None:
    """A loop in another task ends with the import, whatever ends it."""
    received: list[RowResult] = []
    errors: list[ImportFailedError] = []

    async def source() -> AsyncIterator[ReceiverInput]:
        for receiver in receivers(30):
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
                received.extend([result async for result in results])

            tasks.start_soon(collect)

        tasks.start_soon(work)

    assert (30, 1) == (len(received), len(errors))
