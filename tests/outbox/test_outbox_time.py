"""Clocks that jump, and computers that sleep: nothing is stored twice or waits forever."""

from pathlib import Path

import pytest
from support.outbox_server import ANN, GROUP, LAMP, OutboxServer, receiver
from support.virtual_time import VirtualClock

from cleverreach_async import CleverReach, Outbox

pytestmark = pytest.mark.anyio

YEAR = 365 * 86_400.0


class Wall:
    """The difference of the computer's clock from the true time.

    Attributes:
        ahead: Seconds.
    """

    def __init__(self) -> None:
        self.ahead = 0.0


@pytest.fixture
def wall(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Wall:
    """A clock that can be set; the monotonic one does not see it."""
    wall, true = Wall(), clock.now
    monkeypatch.setattr(clock, "now", lambda: true() + wall.ahead)
    return wall


async def states(outbox: Outbox) -> list[str]:
    """Return the states of all entries."""
    return [it.state for it in await outbox.entries()]


async def test_a_computer_that_slept_through_its_lease_sends_nothing(
    outbox: Outbox, server: OutboxServer, wall: Wall
) -> None:
    """Another process may have sent the entry; the monotonic clock stands still meanwhile."""
    await outbox.put(receiver(), group_id=GROUP)
    async with server.client() as cr:

        def sleep(account: str) -> CleverReach:
            wall.ahead = 3600.0
            return cr

        await outbox.send_due(sleep, concurrency=1)
        assert ([], ["waiting"]) == (server.writes, await states(outbox))
        wall.ahead += 60
        await outbox.send_due(lambda account: cr)
    assert (1, ["done"]) == (len(server.writes), await states(outbox))


@pytest.mark.parametrize("answer", ["unreachable", "lost", "cut"])
async def test_a_clock_that_was_set_back(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, wall: Wall, answer: str
) -> None:
    """An entry waits for as long as it would have, not until the time comes again."""
    server.script = lambda number: answer if number == 0 else "stored"
    await outbox.put(receiver(), group_id=GROUP)
    wall.ahead += YEAR
    await server.send_due(outbox)
    wall.ahead -= YEAR
    await server.send_due(outbox)
    before = len(server.writes), len(server.reads)
    assert (1, 0) == before
    clock.elapsed += 61
    await server.send_due(outbox)
    assert (["done"], 1) == (await states(outbox), len(server.orders()))


async def test_a_dead_entry_is_tried_again_after_the_clock_was_set_back(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, wall: Wall
) -> None:
    """It settles, and no longer."""
    server.script = lambda number: "lost" if number == 0 else "stored"
    wall.ahead += YEAR
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox, give_up=0)
    wall.ahead -= YEAR
    await outbox.retry()
    await server.send_due(outbox)
    assert (["sent"], []) == (await states(outbox), server.reads)
    clock.elapsed += 61
    await server.send_due(outbox)
    assert (["done"], 1) == (await states(outbox), len(server.writes))


async def test_addresses_are_removed_after_the_clock_was_set_back(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, wall: Wall, tmp_path: Path
) -> None:
    """They are kept for no longer than was said."""
    wall.ahead += YEAR
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    wall.ahead -= YEAR
    for _ in range(2):
        await server.send_due(outbox, keep=60)
        clock.elapsed += 61
    await server.send_due(outbox, keep=60)
    outbox.close()
    assert ANN.encode() not in (tmp_path / "orders.db").read_bytes()


async def test_a_lease_is_not_cut_short_by_a_clock_that_was_set_back(
    outbox: Outbox, server: OutboxServer, wall: Wall
) -> None:
    """An entry that a sender has stays with it."""
    await outbox.put_order(ANN, LAMP)

    async def another_sender() -> None:
        wall.ahead -= 30
        async with server.client() as other:
            await outbox.send_due(lambda account: other)

    server.during = another_sender
    await server.send_due(outbox)
    assert (1, [], ["done"]) == (len(server.writes), server.reads, await states(outbox))


async def test_an_entry_is_not_given_up_because_nobody_tried_to_send_it(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """As after weeks without a sender: the first failure may pass."""
    server.script = lambda number: "unreachable" if number < 2 else "stored"
    await outbox.put(receiver(), group_id=GROUP)
    clock.elapsed += YEAR
    await server.send_due(outbox)
    assert ["waiting"] == await states(outbox)
    clock.elapsed += 7 * 86_400
    await server.send_due(outbox)
    assert ["dead"] == await states(outbox)
    await outbox.retry()
    await server.send_due(outbox)
    assert ["done"] == await states(outbox)
