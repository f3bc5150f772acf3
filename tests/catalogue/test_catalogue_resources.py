"""Catalogue, family R: memory and other resources."""

# pyright: reportPrivateUsage=false

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from support.model_server import ModelServer, Reply, always, counts, receivers, transport_to, upsert
from support.virtual_time import VirtualClock

from cleverreach_async import ImportFailedError, ImportRun, ReceiverInput
from cleverreach_async.bulk.assembly import SPARE_SLOTS
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.rows import EncodedRow

pytestmark = pytest.mark.anyio

SLICE = 64


async def test_r1_memory_does_not_grow_in_an_outage() -> None:
    """However long the source, only the rows of the slots and of one slice are in memory."""
    clock = VirtualClock()
    server = ModelServer(always(Reply(503, executed=False)), clock=clock)
    async with clock.flowing():
        with pytest.raises(ImportFailedError) as caught:
            await Bulk(transport_to(server, clock=clock)).upsert(
                receivers(10**9), group_id=7, batch_size=50, concurrency=3, canary=False
            )

    assert 1800.0 <= clock.elapsed < 1830.0
    # The slots, a batch that waits for one, the window after it, and the current slice.
    assert caught.value.report.read <= (3 + SPARE_SLOTS + 2) * 50 + 2 * SLICE
    assert len(server.requests) < 250


async def test_r2_a_slow_reader_of_results_makes_the_source_wait() -> None:
    """The number of unread results is limited, and so is the number of rows read."""
    taken = 0

    def source() -> Iterator[ReceiverInput]:
        nonlocal taken
        for receiver in receivers(30_000):
            taken += 1
            yield receiver

    server = ModelServer()
    most = read = 0
    async with (
        Bulk(transport_to(server)).open(group_id=7, batch_size=100) as run,
        anyio.create_task_group() as tasks,
    ):
        results = run.results(until_end=True)

        async def feed() -> None:
            await run.feed(source())
            await run.end()

        tasks.start_soon(feed)
        async for _ in results:
            read += 1
            most = max(most, taken - read)
            if read % 100 == 0:
                for _ in range(20):
                    await anyio.lowlevel.checkpoint()

    assert (30_000, 30_000) == (read, run.report.accepted)
    assert most < 2000 + (8 + SPARE_SLOTS + 4) * 100


async def test_r3_a_million_rejects_leave_a_hundred_samples() -> None:
    """All rows are rejected; the report keeps the first few of each reason, without their data."""
    rows = [ReceiverInput(f"refuse{n}@example.org") for n in range(5000)]
    report = await upsert(ModelServer(), rows, max_reject_share=1)

    assert ({"read": 5000, "rejected": 5000}, 5) == (counts(report), len(report.samples))
    assert {b""} == {sample.receiver for sample in report.samples}


async def test_r4_addresses_are_kept_only_while_their_rows_are_in_flight() -> None:
    """Their number depends on the rows in flight, not on the rows of the import."""
    kept: list[int] = []
    runs: list[ImportRun] = []

    def script(number: int, rows: list[Any]) -> None:
        del number, rows
        keys = runs[0]._intake._keys
        kept.append(len(keys._in_flight) + keys.waiting)

    await upsert(
        ModelServer(script), receivers(20_000), batch_size=100, concurrency=2, on_start=runs.append
    )
    keys = runs[0]._intake._keys

    assert max(kept) <= (2 + SPARE_SLOTS + 1) * 100
    assert (0, 0, 0) == (len(keys._in_flight), keys.waiting, len(keys._waiting))


@pytest.mark.parametrize("reply", [Reply(422, executed=False, content=b"{}"), Reply(500), None])
async def test_r9_failed_batches_are_released(
    reply: Reply | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No error and no traceback keeps the rows of finished batches in memory."""
    alive: list[int] = []
    count = 0

    class Counted(BatchResult):
        """A result that counts its instances."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            nonlocal count
            count += 1
            super().__init__(*args, **kwargs)

        def __del__(self) -> None:
            nonlocal count
            count -= 1

    def script(number: int, rows: list[Any]) -> Reply | None:
        alive.append(count)
        return reply if number % 3 == 0 else None

    monkeypatch.setattr("cleverreach_async.bulk.delivery.workers.BatchResult", Counted)
    gc.disable()
    try:
        await upsert(ModelServer(script), receivers(600), batch_size=2, concurrency=2)
    finally:
        gc.enable()

    assert len(alive) >= 300
    assert max(alive) <= 2 + SPARE_SLOTS + 1
    assert EncodedRow not in {*map(type, gc.get_objects())}


async def test_r7_many_imports_leave_no_files_threads_or_tasks(tmp_path: Path) -> None:
    """After 200 imports there are no more files, threads and tasks than after the first few."""
    journal, rejects = tmp_path / "journal", tmp_path / "rejects"

    async def run_one() -> None:
        rows = [*receivers(5), ReceiverInput("refuse@example.org")]
        await upsert(ModelServer(), rows, journal=journal, rejects=rejects, overwrite=True)
        journal.unlink()

    for _ in range(5):
        await run_one()
    before = _in_use()
    for _ in range(200):
        await run_one()
    after = _in_use()

    # Idle threads end after some seconds, and another may start before the last one is idle.
    slack = {"threads": 5}
    more = {name: count - before[name] - slack.get(name, 0) for name, count in after.items()}
    assert {} == {name: count for name, count in more.items() if count > 0}


def _in_use() -> dict[str, int]:
    files = Path("/proc/self/fd")
    return {
        "files": len(list(files.iterdir())) if files.exists() else 0,
        "threads": threading.active_count(),
        "tasks": len(anyio.get_running_tasks()),
    }
