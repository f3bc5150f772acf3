"""Files that threads work with while asyncio itself cancels the caller."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.accounts import an_account

from cleverreach_async import ReceiverInput
from cleverreach_async.bulk.export import export
from cleverreach_async.bulk.export.part_file import PartFile
from cleverreach_async.bulk.sync.state import SyncState
from cleverreach_async.bulk.threads import opened_in_thread, to_end_in_thread

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


class Cancelled:
    """A task that is cancelled while a thread works for it.

    Attributes:
        events: What has happened, in its order.
    """

    def __init__(self) -> None:
        self.events: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None

    def work(self) -> None:
        """Work in a thread for as long as a cancelled task would need to go on."""
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
            for _ in range(50):
                passed = threading.Event()
                self._loop.call_soon_threadsafe(passed.set)
                passed.wait(10)
        self.events.append("worked")

    async def run(self, call: Callable[[], Any]) -> None:
        """Run something that calls :meth:`work` in a thread."""
        task = self._task = asyncio.ensure_future(call())
        with pytest.raises(asyncio.CancelledError):
            await task
        self._task = None
        self.events.append("went on")

    def close(self) -> None:
        """Record it."""
        self.events.append("closed")


async def test_the_caller_goes_on_when_the_thread_has_ended() -> None:
    """Otherwise it would close a file with which the thread still works."""
    cancelled = Cancelled()
    await cancelled.run(lambda: to_end_in_thread(cancelled.work))
    assert ["worked", "went on"] == cancelled.events


async def test_what_nobody_waits_for_is_closed() -> None:
    """Its lock would last."""
    cancelled = Cancelled()

    def create() -> Cancelled:
        cancelled.work()
        return cancelled

    async def use() -> None:
        async with opened_in_thread(create):
            await anyio.sleep_forever()

    await cancelled.run(use)
    assert ["worked", "closed", "went on"] == cancelled.events


async def test_a_cancelled_export_can_go_on_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its file is just being opened or written."""
    path = tmp_path / "group.csv"
    cancelled = Cancelled()

    class Slow(PartFile):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            cancelled.work()

    monkeypatch.setattr(export, "PartFile", Slow)
    async with an_account() as account:
        await account.load([ReceiverInput("a@example.org")])

        async def write() -> Any:
            again = account.client.bulk.export(group_id=account.group_id)
            return await again.write(path, resume=True)

        await cancelled.run(write)
        report = await write()
    assert 1 == report.receivers
    assert ["worked", "went on", "worked"] == cancelled.events


async def test_a_cancelled_synchronisation_can_go_on_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its state is just being opened or written."""
    cancelled = Cancelled()
    accept = SyncState.accept

    def slow(state: SyncState, rows: Any) -> None:
        cancelled.work()
        accept(state, rows)

    monkeypatch.setattr(SyncState, "accept", slow)
    async with an_account() as account:

        async def sync() -> Any:
            rows = [ReceiverInput("a@example.org")]
            state = tmp_path / "group.sync"
            return await account.client.bulk.sync(rows, group_id=account.group_id, state=state)

        await cancelled.run(sync)
        report = await sync()
    assert 1 == report.unchanged
    assert ["worked", "went on"] == cancelled.events
