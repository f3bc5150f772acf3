"""Stopping an import at any point; every row is accounted for."""

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
from support.model_server import ModelServer, Reply, always, at, counts, receivers, transport_to
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
class ImportJob:
    """An import that runs in the background.

    Attributes:
        run: The import, once it has started.
        report: Its report, once it has ended.
        error: The error with which it has ended.
    """

    run: ImportRun | None = None
    report: ImportReport | None = None
    error: ImportFailedError | None = None

    def running(self) -> ImportRun:
        """Return the running import."""
        assert self.run is not None
        return self.run

    def balanced_report(self) -> ImportReport:
        """Return the report of an import that ended without an error; checks its balance."""
        assert self.error is None
        assert self.report is not None
        self.report.assert_balanced()
        return self.report


@asynccontextmanager
async def importing(
    server: ModelServer, source: Any, *, clock: FakeClock | None = None, **options: Any
) -> AsyncGenerator[ImportJob, None]:
    """Run an import in the background; leaving the block waits for its end."""
    job = ImportJob()
    options.setdefault("canary", False)
    if clock is None:
        clock = FakeClock()
        clock.hold()  # otherwise the drain would end immediately
    bulk = Bulk(transport_to(server, clock=clock))

    def started(run: ImportRun) -> None:
        job.run = run

    async def work() -> None:
        try:
            job.report = await bulk.upsert(source, group_id=7, on_start=started, **options)
        except ImportFailedError as error:
            job.error, job.report = error, error.report

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await wait_all_tasks_blocked()
        yield job


async def test_responses_to_requests_in_flight_count() -> None:
    """Requests in flight at the stop complete as if there were none."""
    server = HeldServer()
    async with importing(server, receivers(100), batch_size=10, concurrency=2) as job:
        assert 2 == server.held
        job.running().stop("enough")
        await wait_all_tasks_blocked()
        server.release()

    report = job.balanced_report()
    assert (20, 0, "enough") == (report.accepted, report.unknown, report.stopped)
    assert report.read - 20 == report.pending
    assert (20, 0) == (len(server.stored), server.aborted)


async def test_a_stop_ends_the_wait_for_a_permit() -> None:
    """Batches that are held but not sent yet are never sent."""
    server = HeldServer()
    async with importing(server, receivers(1000), batch_size=10, concurrency=1) as job:
        job.running().stop()
        await wait_all_tasks_blocked()
        server.release()

    assert (1, 10) == (len(server.requests), job.balanced_report().accepted)


async def test_a_stop_ends_the_backoff() -> None:
    """The backoff before a retry ends immediately."""
    clock = FakeClock()
    clock.hold()
    server = ModelServer(always(Reply(500, executed=False)))
    async with importing(server, receivers(30), clock=clock) as job:
        assert clock.sleeps
        job.running().stop()

    assert {"read": 30, "pending": 30} == counts(job.balanced_report())
    assert 0.0 == clock.elapsed


async def test_a_stop_ends_the_wait_at_a_closed_gate() -> None:
    """A Retry-After of a minute does not delay the stop."""
    clock = FakeClock()
    clock.hold()
    reply = Reply(429, executed=False, headers={"retry-after": "60"})
    server = ModelServer(always(reply))
    async with importing(server, receivers(30), clock=clock, batch_size=10) as job:
        await clock.advance(5.0)
        job.running().stop()

    assert {"read": 30, "pending": 30} == counts(job.balanced_report())
    assert 5.0 == clock.elapsed


async def test_a_stop_ends_the_wait_for_the_rate_limit() -> None:
    """As it does other waits."""
    clock = FakeClock()
    clock.hold()
    server = ModelServer()
    async with importing(
        server, receivers(100), clock=clock, batch_size=10, max_rows_per_second=1.0
    ) as job:
        job.running().stop()

    report = job.balanced_report()
    assert report.accepted == len(server.stored) < 100
    assert report.pending == report.read - report.accepted


async def test_a_stop_closes_the_source() -> None:
    """A source that waits for a slot is closed and can clean up."""
    closed = 0

    async def endless() -> AsyncIterator[ReceiverInput]:
        nonlocal closed
        try:
            for receiver in receivers(10**9):
                yield receiver
        finally:
            closed += 1

    server = HeldServer()
    async with importing(server, endless(), batch_size=10, concurrency=1) as job:
        job.running().stop()
        await wait_all_tasks_blocked()
        server.release()

    assert (1, 10) == (closed, job.balanced_report().accepted)


async def test_a_stop_during_the_first_batch() -> None:
    """It completes, although the other rows wait for it."""
    server = HeldServer()
    async with importing(server, receivers(300), canary=True) as job:
        job.running().stop()
        await wait_all_tasks_blocked()
        server.release()

    assert 100 == job.balanced_report().accepted


async def test_a_second_stop_changes_nothing() -> None:
    """The first reason remains, and so does the deadline."""
    clock = FakeClock()
    clock.hold()
    server = HeldServer()
    async with importing(server, receivers(10), clock=clock, drain=30) as job:
        job.running().stop("first")
        await clock.advance(20.0)
        job.running().stop("second")
        await clock.advance(11.0)

    assert ("first", 1) == (job.balanced_report().stopped, server.aborted)


async def test_after_the_drain_requests_are_aborted() -> None:
    """The import waits at most ``drain`` seconds for responses."""
    clock = FakeClock()
    clock.hold()
    server = HeldServer()
    async with importing(server, [WITH_ORDER, "b@example.org"], clock=clock, drain=30) as job:
        job.running().stop()
        await clock.advance(29.0)

        assert (None, 0) == (job.report, server.aborted)

        await clock.advance(2.0)

    assert {"read": 2, "unknown": 1, "pending": 1} == counts(job.balanced_report())
    assert 1 == server.aborted


async def test_a_drain_ends_with_the_last_request() -> None:
    """The import does not wait for the deadline."""
    clock = FakeClock()
    clock.hold()
    server = HeldServer()
    async with importing(server, receivers(10), clock=clock, drain=3600) as job:
        job.running().stop()
        await wait_all_tasks_blocked()
        server.release()

    assert (10, 0.0) == (job.balanced_report().accepted, clock.elapsed)


async def test_an_abort_ends_requests_immediately() -> None:
    """Rows that may be sent again are pending; others are unknown."""
    server = HeldServer()
    async with importing(server, [WITH_ORDER, "b@example.org"]) as job:
        job.running().abort("now")

    report = job.balanced_report()
    assert {"read": 2, "unknown": 1, "pending": 1} == counts(report)
    assert ("now", "unknown_outcome") == (report.stopped, report.samples[0].code)


async def test_an_abort_ends_a_look_up() -> None:
    """Rows in doubt are then unknown."""

    class SilentLookUpServer(ModelServer):
        """Loses the response to a batch and never responds to a look-up."""

        async def send(self, method: str, *args: Any, **kwargs: Any) -> Any:
            """Do not respond to a request for a list."""
            if method == "GET":
                with anyio.CancelScope(shield=True) as scope, kwargs["stop"].cutting(scope):
                    await anyio.sleep_forever()
                raise APIConnectionError("aborted", sent=True)
            return await super().send(method, *args, **kwargs)

    clock = FakeClock()
    clock.hold()
    server = SilentLookUpServer(at(Reply(None), 0))
    async with importing(server, [WITH_ORDER], clock=clock, settle=5) as job:
        await clock.advance(5.0)
        job.running().stop()
        await wait_all_tasks_blocked()

        assert job.report is None

        job.running().abort()

    assert {"read": 1, "unknown": 1} == counts(job.balanced_report())


async def test_rows_whose_second_call_is_aborted_are_in_doubt() -> None:
    """Orders that a response omits may be stored, so their rows are not pending."""
    server = HeldServer(at(Reply(content=b"[]"), 0), holds=lambda number: number == 1)
    async with importing(server, [WITH_ORDER, "b@example.org"]) as job:
        assert ["upsertplus", "upsert"] == [verb for verb, _ in server.requests]
        job.running().abort()

    assert {"read": 2, "unknown": 1, "pending": 1} == counts(job.balanced_report())


async def test_omitted_rows_stay_in_doubt_while_the_next_part_is_sent() -> None:
    """If the second part of a batch fails, rows omitted by the first response are unknown."""

    def script(number: int, rows: list[Any]) -> Reply | None:
        if len(rows) > 1:
            return Reply(413, executed=False, content=b"{}")
        return Reply(content=b"[]") if number == 1 else Reply(401, executed=False, content=b"{}")

    server = ModelServer(script)
    async with importing(server, [WITH_ORDER, "b@example.org"]) as job:
        pass

    assert job.error is not None
    assert {"read": 2, "unknown": 1, "pending": 1} == counts(job.error.report)


@pytest.mark.parametrize("ending", ["unknown", "sent"])
async def test_rows_in_doubt_are_unknown_or_left_to_the_next_run(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a journal they are unknown; with one a resumed import looks them up."""
    path = tmp_path / "import.journal"
    write_in_the_loop(monkeypatch)
    options: dict[str, Any] = {"journal": path} if ending == "sent" else {}
    server = HeldServer()
    async with importing(server, [WITH_ORDER, "b@example.org"], **options) as job:
        job.running().abort()

    report = job.balanced_report()
    if ending == "unknown":
        assert {"read": 2, "unknown": 1, "pending": 1} == counts(report)
        return
    assert {"read": 2, "pending": 2} == counts(report)
    again = await Bulk(transport_to(RestartedServer(server))).upsert(
        [WITH_ORDER, "b@example.org"], group_id=7, journal=path, resume=True
    )
    assert {"read": 2, "accepted": 2} == counts(again)
    assert ["A-1"] == server.order_ids


class RestartedServer(ModelServer):
    """A server with the store of another, as after a restart."""

    def __init__(self, other: ModelServer) -> None:
        super().__init__()
        self.stored, self.orders = other.stored, other.orders
