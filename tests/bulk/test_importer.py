"""Imports with a model of the server: order, limits, repeated addresses and balance."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.model_server import (
    ModelServer,
    Reply,
    Row,
    at,
    counts,
    receivers,
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
    """Any number of rows is stored, including the last, incomplete batch."""
    server = ModelServer()
    report = await upsert(server, receivers(count))

    assert ({"read": count, "accepted": count} if count else {}) == counts(report)
    assert count == len(server.stored)
    assert -(-count // 1000) == report.batches == report.requests


async def test_no_batch_is_larger_than_a_thousand_rows() -> None:
    """The API accepts 1000 rows; a smaller batch size is respected too."""
    server = ModelServer()
    await upsert(server, receivers(2100))
    await upsert(server, receivers(100), batch_size=30)

    sizes = [len(rows) for _, rows in server.requests]

    assert [1000, 1000, 100, 30, 30, 30, 10] == sizes
    assert {"upsertplus"} == {verb for verb, _ in server.requests}


async def test_batches_that_wait_for_the_first_are_sent_in_order() -> None:
    """With one request at a time, the order of rows is the order in which they arrive."""
    server = ModelServer()
    await upsert(server, receivers(1000), batch_size=100, concurrency=1, canary=True)

    sent = [row["email"] for _, rows in server.requests for row in rows]

    assert [row.email for row in receivers(1000)] == sent


async def test_rows_of_async_sources_and_put_arrive_too() -> None:
    """All rows of an async iterable and of ``put`` are stored."""

    async def source() -> AsyncIterator[ReceiverInput]:
        for receiver in receivers(130):
            await anyio.lowlevel.checkpoint()
            yield receiver

    server = ModelServer()

    assert 130 == (await upsert(server, source())).accepted

    async with Bulk(transport_to(server)).open(group_id=7) as run:
        for receiver in receivers(70):
            await run.put(receiver)

    assert 70 == run.report.accepted


async def test_requests_run_in_parallel_up_to_the_limit() -> None:
    """The number of requests in flight reaches ``concurrency`` and does not exceed it."""
    server = ModelServer(steps=50)
    await upsert(server, receivers(400), batch_size=10, concurrency=3)

    assert 3 == server.peak


async def test_a_server_that_does_not_respond_makes_the_source_wait() -> None:
    """The number of rows in memory is limited by the slots, not by the source."""
    taken = 0

    def endless() -> Iterator[ReceiverInput]:
        nonlocal taken
        for receiver in receivers(10**9):
            taken += 1
            yield receiver

    class SilentServer(ModelServer):
        """A server that never responds."""

        async def send(self, *args: Any, **kwargs: Any) -> Any:
            """Wait until the request is aborted."""
            with anyio.CancelScope(shield=True) as scope, kwargs["stop"].cutting(scope):
                await anyio.sleep_forever()
            raise APIConnectionError("aborted", sent=True)

    with anyio.move_on_after(0.2):
        await upsert(SilentServer(), endless(), batch_size=64, concurrency=2)

    slots = 2 + SPARE_SLOTS
    assert (slots + 2) * 64 >= taken


async def test_repeated_addresses_in_one_batch_are_superseded() -> None:
    """The last row of an address is sent; earlier ones are reported as superseded."""
    server = ModelServer()
    rows = [
        ReceiverInput("A@example.org", source="old"),
        ReceiverInput("b@example.org"),
        ReceiverInput("a@example.org", source="new"),
    ]
    report = await upsert(server, rows)

    assert {"read": 3, "accepted": 2, "superseded": 1} == counts(report)
    assert "new" == server.stored["a@example.org"]["source"]


async def test_repeated_addresses_in_different_batches_keep_their_order() -> None:
    """A later row of an address waits until the earlier one has a result, retries included."""

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
    """The worst case for the order of rows does not block."""
    server = ModelServer()
    rows = [ReceiverInput("a@example.org", source=str(n)) for n in range(500)]
    report = await upsert(server, rows, batch_size=1)

    assert 500 == report.accepted + report.superseded
    assert "499" == server.stored["a@example.org"]["source"]


async def test_an_error_of_the_source_is_raised() -> None:
    """The rows before it are delivered; the error is the cause of one that has the report."""
    server = ModelServer()

    def source() -> Iterator[ReceiverInput]:
        yield from receivers(70)
        raise LookupError("the cursor is gone")

    with pytest.raises(ImportFailedError, match="after 70 rows: the cursor is gone") as caught:
        await upsert(server, source())

    assert 70 == len(server.stored) == caught.value.report.accepted
    assert isinstance(caught.value.__cause__, LookupError)


async def test_an_error_of_a_callback_changes_no_outcome() -> None:
    """All rows are delivered although ``on_progress`` raises."""
    server = ModelServer()

    def show(progress: ImportProgress) -> None:
        raise ZeroDivisionError(progress.done)

    with pytest.raises(ImportFailedError, match="on_progress failed") as caught:
        await upsert(server, receivers(30), on_progress=show, batch_size=10)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert 30 == len(server.stored) == caught.value.report.accepted


async def test_progress_grows_and_ends() -> None:
    """Counters never decrease; the last event is marked and has the numbers of the report."""
    events: list[ImportProgress] = []
    report = await upsert(ModelServer(), receivers(95), batch_size=10, on_progress=events.append)

    assert sorted(event.done for event in events) == [event.done for event in events]
    assert [True] == [event.finished for event in events if event.finished]
    assert (95, report.requests) == (events[-1].accepted, events[-1].requests)


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_progress_shows_every_pause(concurrency: int) -> None:
    """Also if nothing else happens meanwhile; and that it is over."""
    busy = Reply(429, executed=False, headers={"retry-after": "3"})
    events: list[ImportProgress] = []
    await upsert(
        ModelServer(at(busy, 2)),
        receivers(60),
        batch_size=10,
        concurrency=concurrency,
        on_progress=events.append,
    )

    switches = [event.paused for event in events]
    paused = switches.index(True)
    assert (False, False) == (switches[-1], switches[paused + switches[paused:].index(False)])
    after = next(event for event in events[paused:] if not event.paused)
    assert after.elapsed - events[paused].elapsed >= 3
    assert after.done < 60


async def test_a_rejects_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Otherwise a rejected row would be lost."""
    with pytest.raises(ConfigurationError, match="cannot write"):
        await upsert(ModelServer(), receivers(1), rejects=tmp_path / "missing" / "rejects.jsonl")


async def test_an_import_that_cannot_start_leaves_no_journal(tmp_path: Path) -> None:
    """So the next attempt starts a new journal."""
    journal = tmp_path / "import.journal"
    with pytest.raises(ConfigurationError, match="cannot write"):
        await upsert(
            ModelServer(), receivers(1), journal=journal, rejects=tmp_path / "no" / "rejects"
        )

    assert not journal.exists()
    assert 1 == (await upsert(ModelServer(), receivers(1), journal=journal)).accepted


@pytest.mark.parametrize(
    "options",
    [{"concurrency": 0}, {"concurrency": 33}, {"batch_size": 0}, {"batch_size": 1001}],
)
async def test_arguments_are_checked(options: dict[str, int]) -> None:
    """Numbers out of range are refused before a row is read."""
    with pytest.raises(ConfigurationError, match="it must be a whole number from 1 to"):
        await upsert(ModelServer(), receivers(1), **options)


async def test_a_cancelled_import_leaves_no_workers() -> None:
    """The next import with the same client works."""
    server = ModelServer()
    bulk = Bulk(transport_to(server))

    with anyio.CancelScope() as scope:
        async with bulk.open(group_id=7) as run:
            await run.put(ReceiverInput("a@example.org"))
            scope.cancel()
            await anyio.lowlevel.checkpoint()

    assert scope.cancelled_caught
    assert {} == server.stored
    assert 5 == (await bulk.upsert(receivers(5), group_id=7)).accepted


async def test_on_accepted_is_called_before_rows_are_done_in_the_journal(tmp_path: Path) -> None:
    """If ``on_accepted`` raises, a resumed import imports these rows again."""
    server = ModelServer()
    accepted: list[str] = []

    def refuse(addresses: Sequence[str]) -> None:
        raise OSError(f"no room for {len(addresses)} lines")

    journal = tmp_path / "import.journal"
    with pytest.raises(ImportFailedError, match="no room for 30 lines"):
        await upsert(server, receivers(30), journal=journal, on_accepted=refuse)
    report = await upsert(
        server, receivers(30), journal=journal, resume=True, on_accepted=accepted.extend
    )

    assert {"read": 30, "accepted": 30} == counts(report)
    assert [f"p{n}@example.org" for n in range(30)] == accepted


@pytest.mark.parametrize("group_id", [None, 0, -1, True, 1.5, "", "Newsletter"], ids=repr)
@pytest.mark.parametrize("call", ["upsert", "insert", "update", "delete"])
async def test_group_that_is_not_an_id(call: str, group_id: Any) -> None:
    """Nothing is sent, and the source is not read."""
    server = ModelServer()
    rows = iter(["a@example.org"])
    with pytest.raises(ConfigurationError, match=r"^group_id is "):
        await getattr(Bulk(transport_to(server)), call)(rows, group_id=group_id)
    assert [] == server.requests
    assert ["a@example.org"] == [*rows]


async def test_open_in_a_group_that_is_not_an_id() -> None:
    """The error is raised before the block."""
    group: Any = None
    with pytest.raises(ConfigurationError, match=r"^group_id is None"):
        async with Bulk(transport_to(ModelServer())).open(group_id=group):
            pytest.fail("not reached")
