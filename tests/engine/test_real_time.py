"""No test waits for long: the guard of all tests ends those that do."""

import anyio
import pytest
import trio
import trio.testing
from support.model_server import ModelServer, Reply, always, receivers, transport_to
from support.real_time import RealTime

from cleverreach_async import ImportFailedError
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.transport.clock import SYSTEM_CLOCK


@pytest.mark.anyio
async def test_a_test_that_retries_against_the_system_clock_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An import ends at once, and the check after the test tells why if the test expected that."""
    waits = RealTime(monkeypatch, most=0.05)
    server = ModelServer(always(Reply(503, executed=False)))
    bulk = Bulk(transport_to(server, clock=SYSTEM_CLOCK))
    waits.check()
    with pytest.raises(ImportFailedError, match="Failed came out of"):
        await bulk.upsert(receivers(3), group_id=7)
    with pytest.raises(pytest.fail.Exception, match="pass clock=FakeClock"):
        waits.check()


@pytest.mark.anyio
async def test_waits_at_the_same_time_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a hundred tasks could not wait for a moment."""
    waits = RealTime(monkeypatch, most=5.0)
    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(SYSTEM_CLOCK.sleep, 0.01)
    waits.check()


def test_virtual_time_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of outage pass at once."""
    waits = RealTime(monkeypatch, most=5.0)
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(SYSTEM_CLOCK.sleep, 36_000, clock=clock)
    waits.check()
