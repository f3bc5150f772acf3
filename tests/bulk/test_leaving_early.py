"""Imports that end early: cancelled, failed, timed out, or ended by the caller."""

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked
from support.clocks import FakeClock
from support.held_server import HeldServer
from support.model_server import ModelServer, Reply, always, counts, receivers, transport_to

from cleverreach_async import ConfigurationError, ImportRun, ReceiverInput
from cleverreach_async.bulk.assembly import SPARE_SLOTS
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio

SMALL: dict[str, Any] = {"group_id": 7, "batch_size": 5, "concurrency": 2, "canary": False}


def by_scope(cancel: Callable[[], None], task: list[Any]) -> None:
    """Cancel as anyio and trio do."""
    cancel()


def by_task(cancel: Callable[[], None], task: list[Any]) -> None:
    """Cancel as the runner of asyncio does on Ctrl-C."""
    task[0].cancel()


@pytest.mark.parametrize("phase", ["reading", "last batch", "backing off"])
@pytest.mark.parametrize("cancel", [by_scope, by_task])
async def test_after_a_cancellation_requests_in_flight_complete(
    phase: str, cancel: Callable[..., None], anyio_backend: str
) -> None:
    """Their responses count, no other request is sent, and the report is complete."""
    if cancel is by_task and anyio_backend == "trio":
        return
    clock = FakeClock()
    clock.hold()
    server = HeldServer(always(Reply(500, executed=False)) if phase == "backing off" else None)
    bulk = Bulk(transport_to(server, clock=clock))
    runs: list[ImportRun] = []
    task: list[Any] = []
    scope = anyio.CancelScope()

    async def work() -> None:
        if anyio_backend == "asyncio":
            task.append(asyncio.current_task())
        with scope:
            await bulk.upsert(
                receivers(1000 if phase == "reading" else 10),
                group_id=7,
                batch_size=10,
                concurrency=1,
                canary=False,
                on_start=runs.append,
                drain=10,
            )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await wait_all_tasks_blocked()
        if phase == "backing off":
            server.release()
            await wait_all_tasks_blocked()
        cancel(scope.cancel, task)
        await wait_all_tasks_blocked()
        server.release()

    report = runs[0].report
    report.assert_balanced()
    assert (0.0, 1) == (clock.elapsed, len(server.requests))
    assert (0 if phase == "backing off" else 10, "the caller was cancelled") == (
        report.accepted,
        report.stopped,
    )


async def test_a_cancelled_caller_waits_at_most_drain_seconds() -> None:
    """Even if the server does not respond."""
    clock = FakeClock()
    clock.hold()
    server = HeldServer()
    bulk = Bulk(transport_to(server, clock=clock))
    scope = anyio.CancelScope()

    async def work() -> None:
        with scope:
            await bulk.upsert(receivers(10), group_id=7, canary=False, drain=10)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await wait_all_tasks_blocked()
        scope.cancel()
        await clock.advance(11.0)

    assert (1, 11.0) == (server.aborted, clock.elapsed)


async def test_an_exception_of_the_block_is_raised_as_it_is() -> None:
    """Rows put before it are delivered, and a note says how many."""
    runs: list[ImportRun] = []

    async def fail() -> None:
        async with Bulk(transport_to(ModelServer())).open(group_id=7) as run:
            runs.append(run)
            await run.put("a@example.org")
            raise LookupError("the cursor is gone")

    with pytest.raises(LookupError, match="the cursor is gone") as caught:
        await fail()

    assert {"read": 1, "accepted": 1} == counts(runs[0].report)
    assert ["1 of 1 rows read before it were imported"] == caught.value.__notes__


async def test_a_put_after_a_stop_raises_and_the_block_ends_without_error() -> None:
    """The report contains the reason of the stop."""
    server = ModelServer()
    async with Bulk(transport_to(server)).open(group_id=7) as run:
        await run.put("a@example.org")
        run.stop("enough")
        await run.flush()

    assert {"read": 1, "pending": 1} == counts(run.report)
    assert "enough" == run.report.stopped


async def test_a_cancelled_put_does_not_block_the_address() -> None:
    """Its rows are pending; later rows of the same address are sent."""
    server = HeldServer()
    options: dict[str, Any] = {"concurrency": 1, "batch_size": 1, "canary": False}
    async with Bulk(transport_to(server)).open(group_id=7, **options) as run:
        for number in range(1 + SPARE_SLOTS):
            await run.put(f"p{number}@example.org")
            await run.flush()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                await run.put(ReceiverInput("late@example.org", source="1"))
                tasks.start_soon(run.flush)
                await wait_all_tasks_blocked()
                scope.cancel()
        server.stop_holding()
        await run.put(ReceiverInput("late@example.org", source="2"))

    run.report.assert_balanced()
    assert {"read": 7, "accepted": 6, "pending": 1} == counts(run.report)
    assert "2" == server.stored["late@example.org"]["source"]


async def test_nothing_can_be_put_after_the_end() -> None:
    """A row put later would be lost."""
    server = ModelServer()
    async with Bulk(transport_to(server)).open(group_id=7) as run:
        await run.put("a@example.org")
        await run.end()

        assert 1 == run.report.accepted == len(server.stored)
        with pytest.raises(ConfigurationError, match="after end"):
            await run.put("b@example.org")

    assert {"read": 1, "accepted": 1} == counts(run.report)


@pytest.mark.parametrize("after", range(0, 40, 3))
async def test_after_a_stop_at_any_moment_the_report_balances(after: int) -> None:
    """No row is lost or counted twice, and the server has the accepted rows."""
    server = ModelServer(steps=3)
    bulk = Bulk(transport_to(server))

    async def stop(run: ImportRun) -> None:
        for _ in range(after):
            await anyio.lowlevel.checkpoint()
        run.stop()

    async with anyio.create_task_group() as tasks, bulk.open(**SMALL) as run:
        tasks.start_soon(stop, run)
        for number, receiver in enumerate(receivers(100)):
            await run.put(receiver)
            if not number % 16:
                await run.flush()

    run.report.assert_balanced()
    assert len(server.stored) == run.report.accepted
    assert run.report.read == run.report.accepted + run.report.pending
