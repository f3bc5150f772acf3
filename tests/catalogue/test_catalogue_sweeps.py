"""Catalogue, L15 and H5: an import is cancelled at every checkpoint, and loses nothing."""

# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from support.checkpoints import counted
from support.model_server import ModelServer, Reply, Row, receivers, transport_to
from support.virtual_time import VirtualClock, write_in_the_loop

from cleverreach_async import ImportReport, ImportRun, ReceiverInput
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio

ROWS = 150


@attrs.define(eq=False)
class Checkpoints:
    """Counts the checkpoints of an import, and cancels it at one of them.

    Attributes:
        number: Number of the checkpoint, from 1.
        cancel: Cancels the import.
        seen: Checkpoints so far.
    """

    number: int
    cancel: Callable[[], object] = lambda: None
    seen: int = 0

    def count(self, *_: int) -> None:
        """Count a checkpoint, and cancel if it is the one."""
        self.seen += 1
        if self.seen == self.number:
            self.cancel()


@attrs.define(eq=False)
class Swept:
    """An import with a journal that is cancelled, and the checks afterwards."""

    checkpoints: Checkpoints
    folder: Path
    clock: VirtualClock
    taken: int = 0
    run: ImportRun | None = None
    server: ModelServer = attrs.field(init=False)
    bulk: Bulk = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Create a server that fails now and then, and the importer."""
        self.server = ModelServer(self._reply, clock=self.clock, steps=2)
        self.bulk = Bulk(transport_to(self.server, clock=self.clock))

    def _reply(self, number: int, rows: list[Row]) -> Reply | None:
        del rows
        self.checkpoints.count()
        replies = {1: Reply(429, executed=False), 3: Reply(None, delay=1.0), 4: Reply(delay=3.0)}
        return replies.get(number)

    def _source(self) -> Iterator[ReceiverInput]:
        for receiver in receivers(ROWS):
            self.taken += 1
            yield receiver
        yield ReceiverInput("refuse@example.org")
        yield ReceiverInput("no address")
        self.taken += 2

    def _begun(self, run: ImportRun) -> None:
        self.run = run

    async def upsert(self, *, resume: bool = False) -> ImportReport:
        """Import everything."""
        return await self.bulk.upsert(
            self._source(),
            group_id=7,
            batch_size=20,
            concurrency=2,
            canary=False,
            journal=self.folder / "journal",
            rejects=self.folder / "rejects",
            resume=resume,
            on_start=self._begun,
        )

    async def check(self) -> None:
        """Check the invariants after the cancelled run, and resume it."""
        if self.run is not None:
            self.run.report.assert_balanced()
            workers = self.run._workers
            limiter = workers.delivery.attempts.limiter
            assert (0, 0) == (limiter.in_use, limiter._in_flight), "a permit is lost"
            assert 0 == workers._running, "a worker is left"
        assert 0 == self.server.in_flight
        if (self.folder / "journal").exists():
            checkpoint = None if self.run is None else self.run._accounting.checkpoint
            if checkpoint is None or not checkpoint._state.finished:
                report = await self.upsert(resume=True)
                assert (ROWS, 2) == (
                    report.accepted + report.earlier["accepted"],
                    report.rejected + report.earlier["rejected"],
                )
        else:
            await self.upsert()
        assert ROWS == len(self.server.stored)
        assert {1} == set(self.server.created.values())
        assert 2 == len((self.folder / "rejects").read_bytes().splitlines())


async def sweep(
    folder: Path,
    patch: pytest.MonkeyPatch,
    cancelled: Callable[[Swept], Coroutine[Any, Any, None]],
) -> None:
    """Cancel imports at their first checkpoint, their second, and so on, until one completes."""
    number, was_reached = 0, True
    checkpoints = Checkpoints(0)
    write_in_the_loop(patch, on_write=lambda: checkpoints.count())  # noqa: PLW0108 - it changes
    while was_reached:
        number += 1
        place = folder / str(number)
        place.mkdir()
        clock = VirtualClock()
        checkpoints = Checkpoints(number)
        swept = Swept(checkpoints, place, clock)
        async with clock.flowing():
            with anyio.fail_after(20):
                await cancelled(swept)
                was_reached = swept.checkpoints.seen >= number
                swept.checkpoints.number = 0
                await swept.check()
    assert number > 40


async def test_l15_h5_a_scope_cancelled_at_any_point_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row read is accounted for, permits are returned, and the import can be resumed."""

    async def cancelled(swept: Swept) -> None:
        with anyio.CancelScope() as scope:
            swept.checkpoints.cancel = scope.cancel
            await counted(swept.upsert(), swept.checkpoints.count)

    await sweep(tmp_path, monkeypatch, cancelled)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_l15_h5_a_task_cancelled_by_asyncio_at_any_point_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Task.cancel`` ignores the shields of scopes; it does not lose a row either."""

    async def cancelled(swept: Swept) -> None:
        async def run() -> ImportReport:
            result: ImportReport = await counted(swept.upsert(), swept.checkpoints.count)
            return result

        task = asyncio.ensure_future(run())
        swept.checkpoints.cancel = task.cancel
        await asyncio.wait([task])

    await sweep(tmp_path, monkeypatch, cancelled)
