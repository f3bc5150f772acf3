"""The importer against a model of the server: order, bounds, repeats and conservation."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.model_server import (
    ModelServer,
    Reply,
    Row,
    counts,
    people,
    transport_to,
    upsert,
)

from cleverreach_async import (
    APIConnectionError,
    ConfigurationError,
    ImportFailedError,
    ImportProgress,
    ReceiverInput,
)
from cleverreach_async.bulk.assembly import SPARE_SLOTS
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio


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
            """Wait until the request is broken off."""
            with anyio.CancelScope(shield=True) as scope, kwargs["stop"].cutting(scope):
                await anyio.sleep_forever()
            raise APIConnectionError("broken off", sent=True)

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


async def test_a_failing_source_surfaces() -> None:
    """The rows before the failure are delivered, then its own error is told, with the report."""
    server = ModelServer()

    def source() -> Iterator[ReceiverInput]:
        yield from people(70)
        raise LookupError("the cursor is gone")

    with pytest.raises(ImportFailedError, match="after 70 rows: the cursor is gone") as caught:
        await upsert(server, source())

    assert 70 == len(server.stored) == caught.value.report.accepted
    assert isinstance(caught.value.__cause__, LookupError)


async def test_a_failing_callback_changes_no_outcome() -> None:
    """Progress is told to somebody who may be broken; the rows do not suffer."""
    server = ModelServer()

    def show(progress: ImportProgress) -> None:
        raise ZeroDivisionError(progress.done)

    with pytest.raises(ImportFailedError, match="on_progress failed") as caught:
        await upsert(server, people(30), on_progress=show, batch_size=10)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert 30 == len(server.stored) == caught.value.report.accepted


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


async def test_an_import_that_cannot_begin_leaves_no_journal(tmp_path: Path) -> None:
    """The next attempt is a beginning again."""
    journal = tmp_path / "import.journal"
    with pytest.raises(ConfigurationError, match="cannot write"):
        await upsert(ModelServer(), people(1), journal=journal, rejects=tmp_path / "no" / "rejects")

    assert not journal.exists()
    assert 1 == (await upsert(ModelServer(), people(1), journal=journal)).accepted


@pytest.mark.parametrize(
    "options",
    [{"concurrency": 0}, {"concurrency": 33}, {"batch_size": 0}, {"batch_size": 1001}],
)
async def test_arguments_are_checked(options: dict[str, int]) -> None:
    """Numbers out of range are refused before anything is read."""
    with pytest.raises(ConfigurationError, match="; use 1 to"):
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


async def test_accepted_addresses_are_told_before_the_journal_says_so(tmp_path: Path) -> None:
    """Whoever could not take note of them finds the rows still to be done."""
    server = ModelServer()
    told: list[str] = []

    def refuse(addresses: Sequence[str]) -> None:
        raise OSError(f"no room for {len(addresses)} lines")

    journal = tmp_path / "import.journal"
    with pytest.raises(ImportFailedError, match="no room for 30 lines"):
        await upsert(server, people(30), journal=journal, on_accepted=refuse)
    report = await upsert(server, people(30), journal=journal, resume=True, on_accepted=told.extend)

    assert {"read": 30, "accepted": 30} == counts(report)
    assert [f"p{n}@example.org" for n in range(30)] == told
