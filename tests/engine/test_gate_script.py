"""What the script of a shared account leaves in Redis, and whose clock it trusts."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.redis_server import redis_port
from support.virtual_redis import VirtualRedis

from cleverreach_async import RateLimitError
from cleverreach_async.auth.redis_account import RedisAccount
from cleverreach_async.transport.retry import Diagnosis
from cleverreach_async.transport.shared.script import AccountScript

if TYPE_CHECKING:
    from support.clocks import FakeClock, FixedRandom

__all__ = ["redis_port"]

pytestmark = pytest.mark.anyio

LEAVES = ("", -1, 0, "0", 0)


@pytest.fixture
def client(redis_port: int) -> Generator[Any]:
    """A client of Redis that blocks."""
    from redis import Redis  # noqa: PLC0415 - an extra

    with Redis(host="127.0.0.1", port=redis_port, decode_responses=True) as made:
        yield made


@pytest.fixture
def redis(client: Any, clock: FakeClock) -> VirtualRedis:
    """A Redis whose time is the clock's."""
    clock.hold()
    return VirtualRedis(client, clock)


def script_of(redis: VirtualRedis, **limits: Any) -> AccountScript:
    """Return the script of a new account."""
    usual = {"max_in_flight": 1, "requests_per_second": None}
    key = f"{{{secrets.token_hex(8)}}}"
    return AccountScript(redis=redis, key=key, lease=10.0, **{**usual, **limits})


@pytest.mark.parametrize("hours", [1, 1000])
async def test_permits_come_back_after_the_clock_was_set_back(
    redis: VirtualRedis, clock: FakeClock, hours: int
) -> None:
    """That of a dead process after its lease, and whoever waits keeps the place."""
    script = script_of(redis)
    assert (await script.run("enter", "dead", "a")).granted
    assert not (await script.run("enter", "first", "b")).granted
    redis.ahead -= 3600.0 * hours
    assert not (await script.run("enter", "second", "b")).granted
    clock.elapsed += 9.0
    assert not (await script.run("enter", "first", "b")).granted
    clock.elapsed += 1.5
    assert not (await script.run("enter", "second", "b")).granted
    assert (await script.run("enter", "first", "b")).granted


async def test_the_rate_goes_on_after_the_clock_was_set_back(
    redis: VirtualRedis, clock: FakeClock
) -> None:
    """Else no request would be sent before the clock is where it was."""
    script = script_of(redis, max_in_flight=None, requests_per_second=1.0)
    for call in "abc":
        await script.run("enter", call, "a")
    redis.ahead -= 3600.0
    assert not (await script.run("enter", "c", "a")).granted
    clock.elapsed += 2.0
    assert (await script.run("enter", "c", "a")).granted


async def test_a_pause_lasts_as_long_after_the_clock_was_set_back(
    redis: VirtualRedis, clock: FakeClock, rng: FixedRandom
) -> None:
    """As it had left when Redis was last asked, not an hour longer."""
    gate = RedisAccount(redis, secrets.token_hex(8)).gate(clock, rng)
    async with gate.passage(max_wait=0.0) as passage:
        passage.failed(Diagnosis(closes_gate=True, retry_after=30.0))
    redis.ahead -= 3600.0
    await clock.advance(10.0)
    with pytest.raises(RateLimitError, match="paused for 3"):
        async with gate.passage(max_wait=5.0):
            pass
    await clock.advance(35.0)
    async with gate.passage(max_wait=5.0) as probe:
        assert probe.probe


async def test_everything_ends_a_week_after_the_last_use(redis: VirtualRedis, client: Any) -> None:
    """Also what a process leaves that was killed, and what came after all was deleted."""
    script = script_of(redis)
    await script.run("enter", "dead", "a")
    await script.run("enter", "waits", "b")
    keys = client.keys(f"{script.key}:*")
    assert 5 == len(keys)
    assert all(client.ttl(key) > 6 * 86400 for key in keys)
    client.delete(*keys)
    await script.run("renew", "dead", "a")
    await script.run("leave", "dead", "a", *LEAVES)
    await anyio.lowlevel.checkpoint()
    assert all(client.ttl(key) > 6 * 86400 for key in client.keys(f"{script.key}:*"))


@pytest.mark.parametrize("other", [{"max_in_flight": 8}, {"requests_per_second": 5.0}, {}])
async def test_processes_with_different_limits_are_warned_once_each(
    redis: VirtualRedis,
    clock: FakeClock,
    rng: FixedRandom,
    caplog: pytest.LogCaptureFixture,
    other: dict[str, Any],
) -> None:
    """Each keeps to its own, so one with lower limits could wait for ever."""
    key = secrets.token_hex(8)
    gates = [RedisAccount(redis, key, **limits).gate(clock, rng) for limits in ({}, other)]
    for gate in (gates[0], gates[0], *gates, *gates):
        async with gate.passage(max_wait=0.0):
            await clock.advance(1.0)
    assert (2 if other else 0) == caplog.text.count("with different limits")


async def test_limits_may_be_changed(
    redis: VirtualRedis, clock: FakeClock, rng: FixedRandom, caplog: pytest.LogCaptureFixture
) -> None:
    """By a later version of a job, when the processes of the earlier one have ended."""
    key = secrets.token_hex(8)
    for most in (4, 8):
        gate = RedisAccount(redis, key, max_in_flight=most).gate(clock, rng)
        async with gate.passage(max_wait=0.0):
            pass
        clock.elapsed += 200.0
    assert "" == caplog.text
