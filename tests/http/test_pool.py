"""The pool: what it opens, uses again and closes, whatever its users do."""

from __future__ import annotations

from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.transport.http.pool import ConnectionPool

pytestmark = pytest.mark.anyio


class FakeConnection:
    """A connection that can be told what it is."""

    def __init__(self) -> None:
        self.idle = True
        self.expired = False
        self.closed = 0
        self.used = 0

    def is_idle(self) -> bool:
        """Whether it takes a request."""
        return self.idle

    def has_expired(self) -> bool:
        """Whether it was unused for long."""
        return self.expired

    async def aclose(self) -> None:
        """Close it."""
        await anyio.lowlevel.checkpoint()
        self.closed += 1


class Opened(list[FakeConnection]):
    """All connections that were opened."""

    def open(self) -> FakeConnection:
        """Open one more."""
        self.append(FakeConnection())
        return self[-1]


async def use(connection: FakeConnection) -> FakeConnection:
    """Use a connection, which is by then in use by nobody else."""
    assert not connection.closed
    connection.used += 1
    await anyio.lowlevel.checkpoint()
    return connection


async def test_a_connection_that_takes_no_further_request_is_closed() -> None:
    """Its server has said so, as with ``Connection: close``."""
    opened = Opened()
    pool = ConnectionPool(opened.open, 2)

    async def use_up(connection: FakeConnection) -> None:
        connection.idle = False
        await use(connection)

    await pool.use(use_up)
    assert (1, 0, 0) == (opened[0].closed, pool.idle, pool.in_use)


async def test_a_connection_in_use_is_closed_after_the_pool_was() -> None:
    """A client may be closed while background tasks wait for their last response."""
    opened = Opened()
    pool = ConnectionPool(opened.open, 2)

    async def close_meanwhile(connection: FakeConnection) -> None:
        await pool.aclose()
        await use(connection)

    await pool.use(close_meanwhile)
    assert (1, 0, 0) == (opened[0].closed, pool.idle, pool.in_use)


async def test_an_expired_connection_is_replaced() -> None:
    """It is closed before another one is opened or used."""
    opened = Opened()
    pool = ConnectionPool(opened.open, 2)
    first = await pool.use(use)
    first.expired = True
    second = await pool.use(use)
    assert (1, 0, [first, second]) == (first.closed, second.closed, opened)


async def test_those_waiting_are_served_in_order() -> None:
    """And one that gives up makes no hole."""
    opened = Opened()
    pool = ConnectionPool(opened.open, 1)
    go_on = anyio.Event()
    served: list[int] = []

    async def hold(connection: FakeConnection) -> None:
        del connection
        await go_on.wait()

    async def wait(number: int, scope: anyio.CancelScope) -> None:
        async def serve(connection: FakeConnection) -> None:
            served.append(number)
            await use(connection)

        with scope:
            await pool.use(serve)

    scopes = [anyio.CancelScope() for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pool.use, hold)
        await anyio.wait_all_tasks_blocked()
        for number, scope in enumerate(scopes):
            tasks.start_soon(wait, number, scope)
            await anyio.wait_all_tasks_blocked()
        scopes[1].cancel()
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert ([0, 2, 3], 1, 0) == (served, len(opened), pool.in_use)


STEPS = st.lists(
    st.sampled_from(["works", "fails", "is cancelled", "ends it", "expires all"]), max_size=40
)


@given(steps=STEPS, most=st.integers(1, 3))
def test_no_connection_is_lost_or_used_after_its_end(steps: list[str], most: int) -> None:
    """After any sequence each connection is open and idle in the pool, or closed once."""
    anyio.run(play, steps, most)


async def play(steps: list[str], most: int) -> None:
    """Do the steps, four at a time."""
    opened = Opened()
    pool = ConnectionPool(opened.open, most)
    for start in range(0, len(steps), 4):
        async with anyio.create_task_group() as tasks:
            for step in steps[start : start + 4]:
                tasks.start_soon(do, step, pool, opened)
    assert 0 == pool.in_use
    assert all(connection.closed <= 1 for connection in opened)
    assert pool.idle == sum(not connection.closed for connection in opened) <= most
    await pool.aclose()
    assert [1] * len(opened) == [connection.closed for connection in opened]


async def do(step: str, pool: ConnectionPool[FakeConnection], opened: Opened) -> None:
    """Use the pool once."""

    async def work(connection: FakeConnection) -> None:
        await use(connection)
        if step == "fails":
            raise ConnectionError
        connection.idle = step != "ends it"
        if step == "is cancelled":
            await anyio.sleep_forever()

    with anyio.CancelScope() as scope, suppress(ConnectionError):
        if step == "is cancelled":
            scope.cancel()
        await pool.use(work)
    if step == "expires all":
        for connection in opened:
            connection.expired = True
