"""The rate of requests of each account that a client is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest
from anyio import wait_all_tasks_blocked
from support.clocks import FakeClock, FixedRandom

from cleverreach_async import CleverReach, ConfigurationError, RateLimitError, ReceiverInput
from cleverreach_async.transport.shared.local_share import LimitedGate
from cleverreach_async.transport.wire import Response

if TYPE_CHECKING:
    from engine.conftest import ScriptedSender

pytestmark = pytest.mark.anyio


@pytest.fixture
def cr(sender: ScriptedSender, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> CleverReach:
    """A client with the scripted sender, which may send four requests per second."""

    def make_sender(*_args: Any, **_kwargs: Any) -> ScriptedSender:
        return sender

    monkeypatch.setattr("cleverreach_async.client.make_sender", make_sender)
    return CleverReach("token", clock=clock, requests_per_second=4)


async def test_calls_are_spaced_evenly(cr: CleverReach, clock: FakeClock) -> None:
    """Four per second, whichever client of the account they are from."""
    for client in (cr, cr.with_options(timeout=5), cr, cr, cr):
        await client.request("GET", "/groups")

    assert 1.0 == clock.elapsed


async def test_an_import_keeps_to_the_rate_too(
    cr: CleverReach, sender: ScriptedSender, clock: FakeClock
) -> None:
    """Its batches and other calls of the account share the turns."""

    async def accept() -> Response:
        [row] = msgspec.json.decode(sender.sent[-1].content)
        return Response(200, {}, msgspec.json.encode([{"id": "1", "email": row["email"]}]))

    sender.script(accept)
    rows = [ReceiverInput(email=f"bruce.{it}@wayne.example") for it in range(9)]
    report = await cr.bulk.upsert(
        rows, group_id=1, batch_size=1, canary=False, concurrency=1, attributes="ignore"
    )

    assert (9, 9) == (report.accepted, report.requests)
    assert 2.0 == clock.elapsed


async def test_each_account_has_a_rate_of_its_own(cr: CleverReach, clock: FakeClock) -> None:
    """CleverReach limits an account."""
    other = cr.with_auth("other")
    for tenant in (cr.accounts(lambda key: key)["a"], cr, other):
        await tenant.request("GET", "/groups")
    assert 0.0 == clock.elapsed

    await other.request("GET", "/groups")
    assert 0.25 == clock.elapsed


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "4", True])
async def test_an_invalid_rate_is_refused(rate: Any) -> None:
    """The message names the argument."""
    with pytest.raises(ConfigurationError, match=r"^requests_per_second is"):
        CleverReach("token", requests_per_second=rate)


async def test_a_shared_account_must_be_told_the_rate(cr: CleverReach) -> None:
    """Otherwise each process would send as many; the message says where it belongs."""
    shared: Any = object()
    with pytest.raises(ConfigurationError, match="RedisAccount"):
        CleverReach("token", shared=shared, requests_per_second=4)
    with pytest.raises(ConfigurationError, match="RedisAccount"):
        cr.with_auth("other", shared=shared)


async def test_a_call_that_gives_up_takes_no_turn(clock: FakeClock) -> None:
    """Calls that cannot wait do not delay those that can."""
    gate = LimitedGate(clock, FixedRandom(), requests_per_second=1.0)
    clock.hold()
    async with gate.passage(max_wait=0.0):
        pass
    for _ in range(50):
        with pytest.raises(RateLimitError, match="no turn"):
            async with gate.passage(max_wait=0.5):
                pytest.fail("it passed")
    passed: list[float] = []

    async def wait() -> None:
        async with gate.passage(max_wait=1.0):
            passed.append(clock.elapsed)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        await clock.advance(1.0)

    assert [1.0] == passed
