"""Stopping an import: wherever it is, in order, and with every row accounted for."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from anyio import wait_all_tasks_blocked
from support.clocks import FakeClock
from support.held_server import HeldServer
from support.model_server import ModelServer, Reply, always, at, counts, people, transport_to
from support.virtual_time import write_in_the_loop

from cleverreach_async import (
    APIConnectionError,
    ImportFailedError,
    ImportReport,
    ImportRun,
    OrderInput,
    ReceiverInput,
)
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio

SMALL: dict[str, Any] = {"group_id": 7, "batch_size": 5, "concurrency": 2, "canary": False}
WITH_ORDER = ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")])


@attrs.define(eq=False)
class Import:
    """An import that runs beside the test.

    Attributes:
        run: The import under way; there once the source is being read.
        report: Its report, once it has ended.
        error: The error with which it has ended.
    """

    run: ImportRun | None = None
    report: ImportReport | None = None
    error: ImportFailedError | None = None

    def under_way(self) -> ImportRun:
        """Return the import under way."""
        assert self.run is not None
        return self.run

    def ended(self) -> ImportReport:
        """Return the balanced report of an import that ended without an error of its own."""
        assert self.error is None
        assert self.report is not None
        self.report.assert_balanced()
        return self.report


@asynccontextmanager
async def importing(
    server: ModelServer, source: Any, *, clock: FakeClock | None = None, **options: Any
) -> AsyncGenerator[Import, None]:
    """Run an import beside the block until nothing moves; leaving the block waits for its end."""
    held = Import()
    options.setdefault("canary", False)
    if clock is None:
        clock = FakeClock()
        clock.hold()  # else the drain would be over at once
    bulk = Bulk(transport_to(server, clock=clock))

    def started(run: ImportRun) -> None:
        held.run = run

    async def work() -> None:
        try:
            held.report = await bulk.upsert(source, group_id=7, on_start=started, **options)
        except ImportFailedError as error:
            held.error, held.report = error, error.report

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await wait_all_tasks_blocked()
        yield held


async def test_answers_on_their_way_count() -> None:
    """What is on the wire when the stop comes ends as if there had been none."""
    server = HeldServer()
    async with importing(server, people(100), batch_size=10, concurrency=2) as held:
        assert 2 == server.held
        held.under_way().stop("enough")
        await wait_all_tasks_blocked()
        server.release()

    report = held.ended()
    assert (20, 0, "enough") == (report.accepted, report.unknown, report.stopped)
    assert report.read - 20 == report.pending
    assert (20, 0) == (len(server.stored), server.cut)


async def test_a_stop_ends_the_wait_for_a_permit() -> None:
    """Batches that are held but not sent yet are never sent."""
    server = HeldServer()
    async with importing(server, people(1000), batch_size=10, concurrency=1) as held:
        held.under_way().stop()
        await wait_all_tasks_blocked()
        server.release()

    assert (1, 10) == (len(server.requests), held.ended().accepted)


async def test_a_stop_ends_backing_off() -> None:
    """Nobody waits for the end of a wait that serves no purpose any more."""
    clock = FakeClock()
    clock.hold()
    server = ModelServer(always(Reply(500, executed=False)))
    async with importing(server, people(30), clock=clock) as held:
        assert clock.sleeps
        held.under_way().stop()

    assert {"read": 30, "pending": 30} == counts(held.ended())
    assert 0.0 == clock.elapsed


async def test_a_stop_ends_the_wait_at_a_closed_gate() -> None:
    """A server that asked for a minute does not keep the import that long."""
    clock = FakeClock()
    clock.hold()
    reply = Reply(429, executed=False, headers={"retry-after": "60"})
    server = ModelServer(always(reply))
    async with importing(server, people(30), clock=clock, batch_size=10) as held:
        await clock.advance(5.0)
        held.under_way().stop()

    assert {"read": 30, "pending": 30} == counts(held.ended())
    assert 5.0 == clock.elapsed


async def test_a_stop_ends_the_wait_for_the_pace() -> None:
    """A limit of rows per second is a wait like any other."""
    clock = FakeClock()
    clock.hold()
    server = ModelServer()
    async with importing(
        server, people(100), clock=clock, batch_size=10, max_rows_per_second=1.0
    ) as held:
        held.under_way().stop()

    report = held.ended()
    assert report.accepted == len(server.stored) < 100
    assert report.pending == report.read - report.accepted


async def test_a_stop_closes_the_source() -> None:
    """A source that waits for a slot is left, and gets to tidy up."""
    closed = 0

    async def endless() -> AsyncIterator[ReceiverInput]:
        nonlocal closed
        try:
            for receiver in people(10**9):
                yield receiver
        finally:
            closed += 1

    server = HeldServer()
    async with importing(server, endless(), batch_size=10, concurrency=1) as held:
        held.under_way().stop()
        await wait_all_tasks_blocked()
        server.release()

    assert (1, 10) == (closed, held.ended().accepted)


async def test_a_stop_during_the_canary_ends_in_order() -> None:
    """The first batch, which is waited for, is no exception."""
    server = HeldServer()
    async with importing(server, people(300), canary=True) as held:
        held.under_way().stop()
        await wait_all_tasks_blocked()
        server.release()

    assert 100 == held.ended().accepted


async def test_a_second_stop_changes_nothing() -> None:
    """The first reason stands, and the deadline is not moved."""
    clock = FakeClock()
    clock.hold()
    server = HeldServer()
    async with importing(server, people(10), clock=clock, drain=30) as held:
        held.under_way().stop("first")
        await clock.advance(20.0)
        held.under_way().stop("second")
        await clock.advance(11.0)

    assert ("first", 1) == (held.ended().stopped, server.cut)


async def test_the_deadline_of_the_drain_breaks_requests_off() -> None:
    """After ``drain`` seconds nobody waits for the server any more."""
    clock = FakeClock()
    clock.hold()
    server = HeldServer()
    async with importing(server, [WITH_ORDER, "b@example.org"], clock=clock, drain=30) as held:
        held.under_way().stop()
        await clock.advance(29.0)

        assert (None, 0) == (held.report, server.cut)

        await clock.advance(2.0)

    assert {"read": 2, "unknown": 1, "pending": 1} == counts(held.ended())
    assert 1 == server.cut


async def test_a_drain_that_is_done_early_leaves_no_deadline_behind() -> None:
    """The end of the last request ends the import, not the deadline."""
    clock = FakeClock()
    clock.hold()
    server = HeldServer()
    async with importing(server, people(10), clock=clock, drain=3600) as held:
        held.under_way().stop()
        await wait_all_tasks_blocked()
        server.release()

    assert (10, 0.0) == (held.ended().accepted, clock.elapsed)


async def test_an_abort_breaks_requests_off_at_once() -> None:
    """Rows that may be sent again are pending; those that may not are unknown."""
    server = HeldServer()
    async with importing(server, [WITH_ORDER, "b@example.org"]) as held:
        held.under_way().abort("now")

    report = held.ended()
    assert {"read": 2, "unknown": 1, "pending": 1} == counts(report)
    assert ("now", "unknown_outcome") == (report.stopped, report.samples[0].code)


async def test_an_abort_breaks_a_look_up_off() -> None:
    """What is still in doubt then stays in doubt."""

    class Mute(ModelServer):
        """Loses the answer of a batch, and never answers a look-up."""

        async def send(self, method: str, *args: Any, **kwargs: Any) -> Any:
            """Hang where a list is asked for."""
            if method == "GET":
                with anyio.CancelScope(shield=True) as scope, kwargs["stop"].cutting(scope):
                    await anyio.sleep_forever()
                raise APIConnectionError("broken off", sent=True)
            return await super().send(method, *args, **kwargs)

    clock = FakeClock()
    clock.hold()
    server = Mute(at(Reply(None), 0))
    async with importing(server, [WITH_ORDER], clock=clock, settle=5) as held:
        await clock.advance(5.0)
        held.under_way().stop()
        await wait_all_tasks_blocked()

        assert held.report is None

        held.under_way().abort()

    assert {"read": 1, "unknown": 1} == counts(held.ended())


async def test_rows_whose_second_look_is_stopped_are_in_doubt() -> None:
    """Orders that an answer left out may be stored: the stop must not call them unsent."""
    server = HeldServer(at(Reply(content=b"[]"), 0), holds=lambda number: number == 1)
    async with importing(server, [WITH_ORDER, "b@example.org"]) as held:
        assert ["upsertplus", "upsert"] == [verb for verb, _ in server.requests]
        held.under_way().abort()

    assert {"read": 2, "unknown": 1, "pending": 1} == counts(held.ended())


async def test_rows_left_out_stay_in_doubt_while_the_next_part_is_sent() -> None:
    """A batch in parts: what the first answer left out is not settled by the second's failure."""

    def script(number: int, rows: list[Any]) -> Reply | None:
        if len(rows) > 1:
            return Reply(413, executed=False, content=b"{}")
        return Reply(content=b"[]") if number == 1 else Reply(401, executed=False, content=b"{}")

    server = ModelServer(script)
    async with importing(server, [WITH_ORDER, "b@example.org"]) as held:
        pass

    assert held.error is not None
    assert {"read": 2, "unknown": 1, "pending": 1} == counts(held.error.report)


@pytest.mark.parametrize("ending", ["unknown", "sent"])
async def test_rows_in_doubt_are_unknown_or_left_to_the_next_run(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a journal nobody will look them up later; with one a resumed run does."""
    path = tmp_path / "import.journal"
    write_in_the_loop(monkeypatch)
    options: dict[str, Any] = {"journal": path} if ending == "sent" else {}
    server = HeldServer()
    async with importing(server, [WITH_ORDER, "b@example.org"], **options) as held:
        held.under_way().abort()

    report = held.ended()
    if ending == "unknown":
        assert {"read": 2, "unknown": 1, "pending": 1} == counts(report)
        return
    assert {"read": 2, "pending": 2} == counts(report)
    again = await Bulk(transport_to(ModelServerOf(server))).upsert(
        [WITH_ORDER, "b@example.org"], group_id=7, journal=path, resume=True
    )
    assert {"read": 2, "accepted": 2} == counts(again)
    assert ["A-1"] == server.order_ids


class ModelServerOf(ModelServer):
    """A server with the store of another, after a restart as it were."""

    def __init__(self, other: ModelServer) -> None:
        super().__init__()
        self.stored, self.orders = other.stored, other.orders
