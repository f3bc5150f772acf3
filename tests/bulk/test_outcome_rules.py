"""Rules of delivery, intake and accounting that only show in the details of an import."""

import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest
from anyio import wait_all_tasks_blocked
from anyio.streams.memory import MemoryObjectReceiveStream
from support.clocks import FakeClock
from support.model_server import (
    ModelServer,
    Reply,
    Row,
    always,
    counts,
    receivers,
    transport_to,
    upsert,
)

from cleverreach_async import ImportFailedError, OrderInput, ReceiverInput
from cleverreach_async.bulk.delivery.attempts import Attempts
from cleverreach_async.bulk.delivery.workers import Workers
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.intake import Intake
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.pacing.limits import FixedLimit
from cleverreach_async.bulk.report import ImportProgress, ImportReport
from cleverreach_async.bulk.rows import Batch, EncodedRow, RowResult
from cleverreach_async.errors import status_error
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.retry import diagnose
from cleverreach_async.transport.stop import Stop, StopRequestedError
from cleverreach_async.transport.wire import Response

pytestmark = pytest.mark.anyio


async def test_a_batch_is_sent_three_times_if_no_response_can_be_read() -> None:
    """A fourth response is not waited for."""
    server = ModelServer(always(Reply(content=b"<html>")))
    report = await upsert(server, receivers(3))

    assert (3, 3) == (report.unknown, len(server.requests))


async def test_no_rows_are_suspected_while_the_gate_is_closed() -> None:
    """Then the server is in trouble, whatever succeeds late."""
    transport = transport_to(ModelServer())
    limiter = ConcurrencyLimiter(FixedLimit(2), FakeClock())
    attempts = Attempts(
        transport=transport,
        limiter=limiter,
        stop=Stop(),
        timeout=30.0,
        max_outage=600.0,
        settle=5.0,
    )
    streak = attempts.new_streak()
    error = status_error(500)("oops", status_code=500)
    for _ in range(3):
        streak.add(error, diagnose(error, ""), now=0.0, succeeded=0)
    attempts.state.succeeded = 1

    assert attempts.suspects_rows(streak) is True
    assert isinstance(attempts.gate, AccountGate)
    attempts.gate.push_back(30.0, probe=False)
    assert attempts.suspects_rows(streak) is False


async def test_suspects_are_sent_at_the_same_time() -> None:
    """Those that succeed show that the others contain the bad row."""
    in_flight: list[int] = []

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        if len(rows) == 25:
            in_flight.append(server.in_flight)
        return Reply(500, executed=False) if any("p3@" in it["email"] for it in rows) else None

    server = ModelServer(script, steps=5)
    report = await upsert(server, receivers(400), batch_size=100, concurrency=4)

    assert 399 == report.accepted
    assert 4 == max(in_flight)


class FailingServer(ModelServer):
    """Responds 403 to requests with one address, and later 404 to those with others.

    Args:
        first: The address.
        script: Replies to requests before.
        rows: Rows of the requests that fail.
    """

    def __init__(self, first: str, script: Any = None, *, rows: int) -> None:
        super().__init__(script)
        self.first = first.encode()
        self.rows = rows
        self.other_arrived = anyio.Event()

    async def send(self, method: str, url: str, **rest: Any) -> Response:
        """Handle one request."""
        content: bytes = rest["content"]
        if content.count(b'"email"') != self.rows:
            return await super().send(method, url, **rest)
        if self.first in content:
            await self.other_arrived.wait()
            return Response(403, {}, b'{"error": {"code": 403, "message": "the first"}}')
        self.other_arrived.set()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        return Response(404, {}, b'{"error": {"code": 404, "message": "a later one"}}')


async def test_the_first_failure_of_an_import_is_raised() -> None:
    """It is the cause of those after it."""
    with pytest.raises(ImportFailedError, match="the first"):
        await upsert(FailingServer("p0@", rows=5), receivers(20), batch_size=5, concurrency=4)


async def test_the_first_failure_among_suspects_is_raised() -> None:
    """Whatever happens to the others."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        return Reply(500, executed=False) if any("p3@" in it["email"] for it in rows) else None

    server = FailingServer("p3@", script, rows=5)
    with pytest.raises(ImportFailedError, match="the first"):
        await upsert(server, receivers(80), batch_size=20, concurrency=4)


async def test_push_back_lowers_the_limit_and_the_import_goes_on() -> None:
    """Pacing is told of each push-back, while the gate is open; one alone may be chance."""
    limits: list[int] = []

    def on_progress(event: ImportProgress) -> None:
        limits.append(event.limit)

    def refuse(number: int, rows: list[Row]) -> Reply | None:
        del rows
        return Reply(429, executed=False) if 10 <= number < 40 and number % 4 == 0 else None

    server = ModelServer(refuse, steps=3)
    await upsert(
        server, receivers(2000), batch_size=50, concurrency="auto", on_progress=on_progress
    )

    assert any(later < earlier for earlier, later in pairwise(limits))


async def test_counters_that_do_not_add_up_end_the_import_with_an_error() -> None:
    """Nobody trusts a report that lost a row."""

    def miscount(run: Any) -> None:
        run.report.accepted += 1

    with pytest.raises(ImportFailedError, match="accounted for"):
        await upsert(ModelServer(), receivers(5), on_start=miscount)


async def test_too_many_rejects_of_the_last_rows_are_no_failure() -> None:
    """There is nothing left to stop."""
    rows = [ReceiverInput(f"refuse{n}@example.org") for n in range(100)]
    report = await upsert(ModelServer(), rows, canary=True)

    assert ({"read": 100, "rejected": 100}, "") == (counts(report), report.stopped)


@attrs.define
class AccountingLog:
    """Logs what workers tell the accounting; it is also its checkpoint and its results."""

    calls: list[str] = attrs.field(factory=list[str])
    report: ImportReport = attrs.field(factory=ImportReport)

    @property
    def checkpoint(self) -> Any:
        """The checkpoint."""
        return CheckpointLog(self.calls)

    @property
    def results(self) -> Any:
        """The results."""
        return self

    def record(self, *_: object) -> None:
        """Log a batch that has ended."""
        self.calls.append("counted")

    def end(self) -> None:
        """Do nothing."""

    def emit_progress(self) -> None:
        """Do nothing."""

    def fail(self, error: Exception) -> None:
        """Raise the error."""
        raise error


@attrs.define
class CheckpointLog:
    """Logs what is written down."""

    calls: list[str]

    async def record_sending(self, *_: object) -> None:
        """Log a batch that is sent."""
        self.calls.append("sending")

    async def record(self, *_: object) -> None:
        """Log a batch that has ended."""
        self.calls.append("written")


async def test_a_batch_that_never_began_is_not_written_down() -> None:
    """What an earlier run has written about its rows is still valid."""
    log, stop = AccountingLog(), Stop()
    stop.request()
    send, receive = anyio.create_memory_object_stream[Batch](1)
    unused: Any = None
    workers = Workers(
        delivery=unused,
        accounting=log,  # type: ignore[arg-type]
        batches=receive,
        stop=stop,
        clock=FakeClock(),
        count=1,
        drain=0.0,
    )
    row = EncodedRow("a@example.org", b"{}", 1, None, repeatable=False)
    with send:
        send.send_nowait([row])
    async with anyio.create_task_group() as tasks:
        workers.start(tasks, on_taken=lambda _: None, on_done=lambda _: None)
        await workers.wait()

    assert ["counted"] == log.calls


class WatchedBatch(list[EncodedRow]):
    """A batch whose end can be observed."""


async def test_a_worker_that_waits_holds_no_batch() -> None:
    """All workers at once would free their rows at the end, and hold the event loop."""
    send, receive = anyio.create_memory_object_stream[Batch](1)
    unused: Any = None
    stop = Stop()
    stop.request()
    workers = Workers(
        delivery=unused,
        accounting=AccountingLog(),  # type: ignore[arg-type]
        batches=receive,
        stop=stop,
        clock=FakeClock(),
        count=1,
        drain=0.0,
    )
    batch = WatchedBatch()
    is_alive = weakref.ref(batch)
    async with anyio.create_task_group() as tasks:
        workers.start(tasks, on_taken=lambda _: None, on_done=lambda _: None)
        with send:
            send.send_nowait(batch)
            del batch
            await wait_all_tasks_blocked()
            gc.collect()

            assert is_alive() is None


@attrs.define
class OpenIntake:
    """An intake whose batches are taken and logged, and get no result.

    Attributes:
        intake: The intake.
        windows: Rows at which windows start.
        batches: The batches.
    """

    intake: Intake
    windows: list[int]
    batches: list[Batch] = attrs.field(factory=list[Batch])

    async def take(self, stream: MemoryObjectReceiveStream[Batch]) -> None:
        """Take all batches."""
        async with stream:
            async for batch in stream:
                self.intake.batch_taken(batch)
                self.batches.append(batch)


@asynccontextmanager
async def open_intake(**options: Any) -> AsyncGenerator[OpenIntake, None]:
    """Open an intake."""
    send, receive = anyio.create_memory_object_stream[Batch](0)
    windows: list[int] = []

    async def record_unsent(results: list[RowResult]) -> None:
        del results

    intake = Intake(
        encoder=Encoder(),
        report=ImportReport(read=1),
        stop=Stop(),
        batches=send,
        record_unsent=record_unsent,
        window_starts=windows.append,
        on_refused=lambda _: None,
        resumed=JournalState(next_row=2, window_row=2),
        **options,
    )
    opened = OpenIntake(intake, windows)
    async with anyio.create_task_group() as tasks, send:
        tasks.start_soon(opened.take, receive)
        yield opened
        tasks.cancel_scope.cancel()


def skip(row: int) -> None:
    """Record no position."""
    del row


async def test_a_window_starts_at_its_first_row() -> None:
    """A resumed import that began one row later would gather other batches."""
    async with open_intake(max_rows=10, canary=False) as opened:
        await opened.intake.add(list(receivers(25)), skip)
        await wait_all_tasks_blocked()

        assert [12, 22] == opened.windows
        assert [[*range(2, 12)], [*range(12, 22)]] == [
            [row.number for row in batch] for batch in opened.batches
        ]


async def test_waiting_rows_are_bounded() -> None:
    """Rows of one address wait for each other, and no more are taken meanwhile."""
    added = 0

    async def add_all(intake: Intake) -> None:
        nonlocal added
        for n in range(500):
            row = ReceiverInput("a@example.org", orders=[OrderInput(f"A-{n}", "Lamp")])
            await intake.add([row], skip)
            added += 1

    async with (
        open_intake(max_rows=10, canary=False) as opened,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(add_all, opened.intake)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert 10 <= added <= 30


async def test_the_rest_of_the_first_batch_does_not_block_its_addresses_after_a_failure() -> None:
    """The caller may put later rows of them."""
    async with open_intake(max_rows=150, canary=True) as opened:
        opened.intake.stop.request()
        with pytest.raises(StopRequestedError):
            await opened.intake.add([*receivers(151)], skip)
        assert not opened.batches
        opened.intake.stop = Stop()
        await opened.intake.add([ReceiverInput("p120@example.org")], skip)
        await opened.intake.flush()
        await wait_all_tasks_blocked()

        assert ["p120@example.org"] == [row.key for row in opened.batches[-1]]
