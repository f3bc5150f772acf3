"""Fixtures: a clock, a model server, and an outbox whose transactions run in the event loop."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import anyio.lowlevel
import pytest
from support.outbox_server import OutboxServer
from support.virtual_time import VirtualClock

from cleverreach_async import Outbox
from cleverreach_async.outbox import database as outbox_database
from cleverreach_async.outbox.database import OutboxDatabase

T = TypeVar("T")


@pytest.fixture
def clock() -> VirtualClock:
    """A clock whose time can be set, and flows in ``clock.flowing()``."""
    return VirtualClock()


@pytest.fixture
def server(clock: VirtualClock) -> OutboxServer:
    """A server that stores orders."""
    return OutboxServer(clock)


@pytest.fixture
def outbox(
    clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Outbox]:
    """An empty outbox. Virtual time does not wait for threads, so it uses none."""

    async def run(function: Callable[..., T], *args: Any) -> T:
        await anyio.lowlevel.checkpoint()
        return function(*args)

    monkeypatch.setattr(outbox_database, "run_in_thread", run)
    outbox = Outbox(tmp_path / "orders.db", clock=clock)
    yield outbox
    outbox.close()


@pytest.fixture
def database(outbox: Outbox) -> OutboxDatabase:
    """The database of the outbox."""
    return outbox._database  # pyright: ignore[reportPrivateUsage]
