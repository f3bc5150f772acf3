"""Catalogue, family H: ways to wait for ever."""

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
    people,
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
    """Stops an import some time after its beginning."""

    def __init__(self, tasks: anyio.abc.TaskGroup, clock: VirtualClock, seconds: float) -> None:
        self._tasks = tasks
        self._clock = clock
        self._seconds = seconds

    def __call__(self, run: ImportRun) -> None:
        """Begin to wait."""
        self._tasks.start_soon(self._stop, run)

    async def _stop(self, run: ImportRun) -> None:
        await self._clock.sleep(self._seconds)
        run.stop()


@pytest.mark.parametrize("journal", [True, False])
async def test_h1_a_black_hole_holds_a_stop_for_no_longer_than_the_drain(
    *, journal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``drain`` seconds the requests are broken off, and the rows accounted for."""
    write_in_the_loop(monkeypatch)
    clock = VirtualClock()
    server = ModelServer(always(BLACK_HOLE), clock=clock)
    async with clock.flowing() as tasks:
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            [WITH_ORDER, *people(500)],
            group_id=7,
            batch_size=10,
            drain=20.0,
            journal=tmp_path / "journal" if journal else None,
            on_start=Stopper(tasks, clock, 7.0),
        )

    assert (27.0, int(not journal)) == (clock.elapsed, report.unknown)
    assert report.read == report.pending + report.unknown
    assert "stop was requested" == report.stopped


async def test_h1_a_caller_cancelled_at_the_very_end_is_let_go() -> None:
    """With the last batch in trouble, a cancelled import still ends within the drain."""
    clock = VirtualClock()
    server = ModelServer(always(Reply(503, executed=False)), clock=clock)
    async with clock.flowing() as tasks:
        with anyio.CancelScope() as scope:

            async def cancel_later() -> None:
                await clock.sleep(10.0)
                scope.cancel()

            tasks.start_soon(cancel_later)
            await Bulk(transport_to(server, clock=clock)).upsert(people(3), group_id=7)

        assert scope.cancelled_caught
        assert clock.elapsed <= 40.0


async def test_h1_a_look_up_without_answer_ends_with_the_drain() -> None:
    """Rows that were being looked up are unknown, and nobody waits for the list."""

    class Silent(ModelServer):
        """A server that loses an answer, and then does not tell."""

        async def send(self, method: str, url: str, **rest: Any) -> Any:
            """Take a look-up and keep silent."""
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


async def test_h2_a_source_does_not_wait_for_workers_that_are_gone() -> None:
    """Every worker meets a defect at once; the endless source is left, and the error told."""

    class Broken(ModelServer):
        """A server whose connection is a defect."""

        async def send(self, *_args: Any, **_kwargs: Any) -> Any:
            """Fail."""
            raise ZeroDivisionError("a defect")

    with anyio.fail_after(5), pytest.raises(ImportFailedError, match="a defect") as caught:
        await upsert(Broken(), people(10**9), batch_size=10)

    assert caught.value.report.read == caught.value.report.pending < 1000


async def test_h3_batches_that_retry_do_not_block_one_another() -> None:
    """Every slot is taken by a batch that was pushed back; all of them come through."""
    clock = VirtualClock()
    server = ModelServer(lambda n, _: Reply(429, executed=False) if n < 40 else None, clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            people(300), group_id=7, batch_size=10, concurrency=2, canary=False
        )

    assert {"read": 300, "accepted": 300} == counts(report)


@pytest.mark.parametrize("addresses", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 10])
async def test_h4_few_addresses_in_many_rows_make_progress(addresses: int, batch_size: int) -> None:
    """Rows that wait for their address neither fill everything nor wait for each other."""
    server = ModelServer(lambda n, _: Reply(429, executed=False) if n % 5 == 2 else None)
    rows = [ReceiverInput(f"p{n % addresses}@example.org", source=f"{n}") for n in range(300)]
    report = await upsert(server, rows, batch_size=batch_size, concurrency=4)

    assert 300 == report.accepted + report.superseded
    assert {f"{n}" for n in range(300 - addresses, 300)} == {
        row["source"] for row in server.stored.values()
    }


async def test_h9_a_stop_does_not_wait_for_a_source_that_is_silent() -> None:
    """The next row may be an hour away; the rows there are are sent or told as pending."""
    clock = VirtualClock()
    closed: list[bool] = []

    async def source() -> AsyncIterator[ReceiverInput]:
        try:
            for receiver in people(70):
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
    "told", ["-5", "soon", "nan", "inf", "1e999", "Thu, 99 Jan 2026 12:00:00 GMT", ""]
)
async def test_h11_a_wait_that_makes_no_sense_is_replaced_by_backing_off(told: str) -> None:
    """Neither for ever nor at once: the gate's own schedule holds."""
    clock = FakeClock()
    server = ModelServer(
        lambda n, _: Reply(429, executed=False, headers={"retry-after": told}) if n < 8 else None
    )
    report = await Bulk(transport_to(server, clock=clock)).upsert(people(5), group_id=7)

    assert {"read": 5, "accepted": 5} == counts(report)
    assert 5.0 < clock.elapsed < 120.0


async def test_h11_a_wait_of_a_day_stops_the_import_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not slept through; the rows are pending, and can be taken up again."""
    write_in_the_loop(monkeypatch)
    is_closed = True
    headers = {"retry-after": "86400"}
    server = ModelServer(
        lambda _n, _rows: Reply(429, executed=False, headers=headers) if is_closed else None
    )
    with pytest.raises(ImportFailedError, match="429") as caught:
        await upsert(server, people(5), journal=tmp_path / "journal")
    assert (1, {"read": 5, "pending": 5}) == (len(server.requests), counts(caught.value.report))
    is_closed = False
    report = await upsert(server, people(5), journal=tmp_path / "journal", resume=True)
    assert {"read": 5, "accepted": 5} == counts(report)


async def test_h10_a_cursor_that_dies_under_back_pressure_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read no faster than the server takes rows, it expires; a later run goes on behind it."""
    write_in_the_loop(monkeypatch)
    clock = VirtualClock()

    def cursor(*, lives: float) -> Iterator[ReceiverInput]:
        for receiver in people(400):
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
