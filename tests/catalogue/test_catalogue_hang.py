"""Catalogue, family H: waiting indefinitely."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from support.clocks import FakeClock
from support.model_server import (
    ModelServer,
    Reply,
    always,
    counts,
    receivers,
    transport_to,
    upsert,
)
from support.virtual_time import VirtualClock, write_in_the_loop

from cleverreach_async import ImportFailedError, ImportRun, OrderInput, ReceiverInput
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio

BLACK_HOLE = Reply(None, delay=10**6)
WITH_ORDER = ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")])


class Stopper:
    """Stops an import some time after its start."""

    def __init__(self, tasks: anyio.abc.TaskGroup, clock: VirtualClock, seconds: float) -> None:
        self._tasks = tasks
        self._clock = clock
        self._seconds = seconds

    def __call__(self, run: ImportRun) -> None:
        """Start waiting."""
        self._tasks.start_soon(self._stop, run)

    async def _stop(self, run: ImportRun) -> None:
        await self._clock.sleep(self._seconds)
        run.stop()


@pytest.mark.parametrize("journal", [True, False])
async def test_h1_a_stop_waits_for_a_silent_server_only_until_the_drain_ends(
    *, journal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``drain`` seconds the requests are aborted, and every row is accounted for."""
    write_in_the_loop(monkeypatch)
    clock = VirtualClock()
    server = ModelServer(always(BLACK_HOLE), clock=clock)
    async with clock.flowing() as tasks:
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            [WITH_ORDER, *receivers(500)],
            group_id=7,
            batch_size=10,
            drain=20.0,
            journal=tmp_path / "journal" if journal else None,
            on_start=Stopper(tasks, clock, 7.0),
        )

    assert (27.0, int(not journal)) == (clock.elapsed, report.unknown)
    assert report.read == report.pending + report.unknown
    assert "stop was requested" == report.stopped


async def test_h1_a_cancelled_caller_waits_only_until_the_drain_ends() -> None:
    """A cancelled import ends within the drain even if its last batch keeps failing."""
    clock = VirtualClock()
    server = ModelServer(always(Reply(503, executed=False)), clock=clock)
    async with clock.flowing() as tasks:
        with anyio.CancelScope() as scope:

            async def cancel_later() -> None:
                await clock.sleep(10.0)
                scope.cancel()

            tasks.start_soon(cancel_later)
            await Bulk(transport_to(server, clock=clock)).upsert(receivers(3), group_id=7)

        assert scope.cancelled_caught
        assert clock.elapsed <= 40.0


async def test_h1_a_look_up_without_response_ends_with_the_drain() -> None:
    """Rows whose look-up is aborted are unknown, and nothing waits for the list."""

    class Silent(ModelServer):
        """A server that loses a response, and then does not respond to look-ups."""

        async def send(self, method: str, url: str, **rest: Any) -> Any:
            """Receive a look-up and do not respond."""
            if method != "GET":
                return await super().send(method, url, **rest)
            return await self._serve("upsertplus", [], BLACK_HOLE, rest["stop"])

    clock = VirtualClock()
    server = Silent(always(Reply(None)), clock=clock)
    async with clock.flowing() as tasks:
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            [WITH_ORDER], group_id=7, drain=10.0, on_start=Stopper(tasks, clock, 6.0)
        )

    assert {"read": 1, "unknown": 1} == counts(report)
    assert 16.0 == clock.elapsed


async def test_h2_a_source_does_not_wait_for_failed_workers() -> None:
    """Every worker fails at once; reading the endless source ends, and the error is raised."""

    class Broken(ModelServer):
        """A server whose connection raises an unexpected error."""

        async def send(self, *_args: Any, **_kwargs: Any) -> Any:
            """Fail."""
            raise ZeroDivisionError("a defect")

    with anyio.fail_after(5), pytest.raises(ImportFailedError, match="a defect") as caught:
        await upsert(Broken(), receivers(10**9), batch_size=10)

    assert caught.value.report.read == caught.value.report.pending < 1000


async def test_h3_batches_that_wait_for_a_retry_do_not_block_each_other() -> None:
    """Every slot contains a batch that got a 429; all of them are accepted in the end."""
    clock = VirtualClock()
    server = ModelServer(lambda n, _: Reply(429, executed=False) if n < 40 else None, clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            receivers(300), group_id=7, batch_size=10, concurrency=2, canary=False
        )

    assert {"read": 300, "accepted": 300} == counts(report)


@pytest.mark.parametrize("addresses", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 10])
async def test_h4_few_addresses_in_many_rows_make_progress(addresses: int, batch_size: int) -> None:
    """Rows that wait for their address neither take all slots nor wait for each other."""
    server = ModelServer(lambda n, _: Reply(429, executed=False) if n % 5 == 2 else None)
    rows = [ReceiverInput(f"p{n % addresses}@example.org", source=f"{n}") for n in range(300)]
    report = await upsert(server, rows, batch_size=batch_size, concurrency=4)

    assert 300 == report.accepted + report.superseded
    assert {f"{n}" for n in range(300 - addresses, 300)} == {
        row["source"] for row in server.stored.values()
    }


async def test_h9_a_stop_does_not_wait_for_the_next_row() -> None:
    """The next row may take an hour; the rows read so far are sent or reported as pending."""
    clock = VirtualClock()
    closed: list[bool] = []

    async def source() -> AsyncIterator[ReceiverInput]:
        try:
            for receiver in receivers(70):
                yield receiver
            await clock.sleep(3600.0)
        finally:
            closed.append(True)

    server = ModelServer(clock=clock)
    async with clock.flowing() as tasks:
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            source(), group_id=7, on_start=Stopper(tasks, clock, 60.0)
        )

    assert (60.0, [True]) == (clock.elapsed, closed)
    assert (70, 70) == (report.read, report.accepted + report.pending)


@pytest.mark.parametrize(
    "value", ["-5", "soon", "nan", "inf", "1e999", "Thu, 99 Jan 2026 12:00:00 GMT", ""]
)
async def test_h11_an_invalid_retry_after_is_replaced_by_backoff(value: str) -> None:
    """It is neither obeyed nor treated as zero: the gate uses its own backoff."""
    clock = FakeClock()
    server = ModelServer(
        lambda n, _: Reply(429, executed=False, headers={"retry-after": value}) if n < 8 else None
    )
    report = await Bulk(transport_to(server, clock=clock)).upsert(receivers(5), group_id=7)

    assert {"read": 5, "accepted": 5} == counts(report)
    assert 5.0 < clock.elapsed < 120.0


async def test_h11_a_retry_after_of_a_day_stops_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import does not wait for it; the rows are pending, and the import can be resumed."""
    write_in_the_loop(monkeypatch)
    is_closed = True
    headers = {"retry-after": "86400"}
    server = ModelServer(
        lambda _n, _rows: Reply(429, executed=False, headers=headers) if is_closed else None
    )
    with pytest.raises(ImportFailedError, match="429") as caught:
        await upsert(server, receivers(5), journal=tmp_path / "journal")
    assert (1, {"read": 5, "pending": 5}) == (len(server.requests), counts(caught.value.report))
    is_closed = False
    report = await upsert(server, receivers(5), journal=tmp_path / "journal", resume=True)
    assert {"read": 5, "accepted": 5} == counts(report)


async def test_h10_an_import_resumes_after_its_cursor_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read only as fast as the server accepts rows; a later run continues after the key."""
    write_in_the_loop(monkeypatch)
    clock = VirtualClock()

    def cursor(*, lives: float) -> Iterator[ReceiverInput]:
        for receiver in receivers(400):
            if clock.elapsed > lives:
                raise TimeoutError("the cursor has expired")
            yield receiver

    server = ModelServer(always(Reply(delay=60.0)), clock=clock)
    bulk = Bulk(transport_to(server, clock=clock))
    options: dict[str, Any] = {"group_id": 7, "batch_size": 20, "concurrency": 1}
    options |= {"journal": tmp_path / "journal", "canary": False}
    async with clock.flowing():
        with pytest.raises(ImportFailedError, match="the cursor has expired") as caught:
            await bulk.upsert(cursor(lives=600.0), **options)
        assert caught.value.report.read == caught.value.report.accepted == len(server.stored)
        report = await bulk.upsert(cursor(lives=10**9), resume=True, **options)

    assert (400, 400) == (len(server.stored), report.skipped + report.accepted)
    assert {1} == set(server.created.values())
