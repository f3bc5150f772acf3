"""A shared gate while Redis cannot be reached: one of the process stands in, and says so once."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Generator
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from support.redis_server import redis_port
from support.virtual_redis import VirtualRedis

from cleverreach_async import ConfigurationError, RateLimitError
from cleverreach_async.auth.redis_account import RedisAccount
from cleverreach_async.transport.passage import Gate
from cleverreach_async.transport.retry import Diagnosis

if TYPE_CHECKING:
    from support.clocks import FakeClock, FixedRandom

__all__ = ["redis_port"]

pytestmark = pytest.mark.anyio

THROTTLED = Diagnosis(closes_gate=True, retry_after=30.0)


@pytest.fixture
def redis(redis_port: int, clock: FakeClock) -> Generator[VirtualRedis]:
    """A Redis whose time is the clock's. Time passes only in ``clock.advance()``."""
    from redis import Redis  # noqa: PLC0415 - an extra

    clock.hold()
    with Redis(host="127.0.0.1", port=redis_port) as client:
        yield VirtualRedis(client, clock)


@pytest.fixture
def gates(redis: VirtualRedis, clock: FakeClock, rng: FixedRandom) -> list[Gate]:
    """The gates of two processes, which may have four calls in flight together."""
    account = RedisAccount(redis, secrets.token_hex(8), max_in_flight=4)
    return [account.gate(clock, rng) for _ in range(2)]


async def send(gate: Gate, outcome: Diagnosis | None = None, *, max_wait: float = 0.0) -> None:
    """Send one call that does not wait."""
    async with gate.passage(max_wait=max_wait) as passage:
        if outcome is None:
            passage.succeeded()
        else:
            passage.failed(outcome)


async def settle() -> None:
    """Let all tasks go on until each waits. No answer is from a real socket."""
    for _ in range(40):
        await anyio.lowlevel.checkpoint()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning."""
    return [it.getMessage() for it in caplog.records if it.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "error", [ConnectionError("redis://:geheim@host"), TimeoutError(), RuntimeError("READONLY")]
)
async def test_calls_go_on_without_redis_and_one_warning_says_so(
    gates: list[Gate], redis: VirtualRedis, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """No error of Redis reaches a call, and its text is not logged."""
    redis.fails = error
    for _ in range(3):
        await send(gates[0])
    [warning] = warnings(caplog)
    assert f"({type(error).__name__})" in warning
    assert "geheim" not in caplog.text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("AuthenticationError", "pass a client with the right user name and password"),
        ("NoPermissionError", "allow its user the commands and the keys"),
        ("ResponseError", "use a key that nothing else uses"),
    ],
)
async def test_what_does_not_pass_by_waiting_is_an_error_in_the_log(
    gates: list[Gate],
    redis: VirtualRedis,
    caplog: pytest.LogCaptureFixture,
    error: str,
    said: str,
) -> None:
    """It says what to do: otherwise each process would send all, as in an outage, for ever."""
    exceptions: Any = import_module("redis.exceptions")
    redis.fails = getattr(exceptions, error)("WRONGTYPE geheim" if error == "ResponseError" else "")
    await send(gates[0])
    [record] = [it for it in caplog.records if it.levelno >= logging.WARNING]
    assert logging.ERROR == record.levelno
    assert f"({error}; " in record.getMessage()
    assert said in record.getMessage()
    assert "geheim" not in caplog.text


async def test_each_process_keeps_to_its_share(
    gates: list[Gate], redis: VirtualRedis, clock: FakeClock
) -> None:
    """Two processes have been seen, so each may have two of four calls in flight."""
    for gate in (*gates, gates[0]):
        await send(gate)
    redis.fails = ConnectionError()
    async with gates[0].passage(max_wait=0.0):
        await clock.advance(1.0)
        async with gates[0].passage(max_wait=0.0):
            await clock.advance(1.0)
            with pytest.raises(RateLimitError, match="no turn within 0 s"):
                await send(gates[0])


async def test_each_process_keeps_to_its_share_of_the_rate(
    redis: VirtualRedis, clock: FakeClock, rng: FixedRandom
) -> None:
    """Two processes have been seen, so each may send every second of the requests."""
    account = RedisAccount(redis, secrets.token_hex(8), requests_per_second=10)
    gates = [account.gate(clock, rng) for _ in range(2)]
    for gate in gates:
        await send(gate)
        await clock.advance(1.0)
    await send(gates[0])
    redis.fails = ConnectionError()
    await send(gates[0])
    await clock.advance(0.19)
    with pytest.raises(RateLimitError, match="no turn"):
        await send(gates[0])


async def test_calls_in_flight_count_when_redis_comes_and_goes(
    gates: list[Gate], redis: VirtualRedis, clock: FakeClock
) -> None:
    """Else each outage would let as many more through, while a slow server answers none."""
    in_flight = most = 0
    end = anyio.Event()

    async def call() -> None:
        nonlocal in_flight, most
        with suppress(RateLimitError):
            async with gates[0].passage(max_wait=0.0):
                in_flight += 1
                most = max(most, in_flight)
                await end.wait()

    async with anyio.create_task_group() as tasks:
        for outage in range(8):
            redis.fails = ConnectionError() if outage % 2 else None
            for _ in range(5):
                tasks.start_soon(call)
                await settle()
            await clock.advance(2.1)
        end.set()
    assert 4 == most


async def test_a_call_that_waits_for_its_share_gets_it_although_redis_is_back(
    gates: list[Gate], redis: VirtualRedis, clock: FakeClock
) -> None:
    """Also if Redis lets others of this process through meanwhile."""
    passed, end = anyio.Event(), anyio.Event()

    async def hold() -> None:
        async with gates[0].passage(max_wait=60.0):
            await end.wait()

    async def wait() -> None:
        async with gates[0].passage(max_wait=60.0):
            passed.set()

    redis.fails = ConnectionError()
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(hold)
        await settle()
        tasks.start_soon(wait)
        await settle()
        redis.fails = None
        await clock.advance(2.1)
        await send(gates[0])
        assert not passed.is_set()
        end.set()
        await passed.wait()


async def test_turns_in_the_rate_count_when_redis_comes_and_goes(
    redis: VirtualRedis, clock: FakeClock, rng: FixedRandom
) -> None:
    """One request in ten seconds: each outage would let one more through."""
    gate = RedisAccount(redis, secrets.token_hex(8), requests_per_second=0.1).gate(clock, rng)
    sent = 0
    for second in range(40):
        redis.fails = ConnectionError() if second // 3 % 2 else None
        with suppress(RateLimitError):
            await send(gate)
            sent += 1
        await clock.advance(1.0)
    # At most five by Redis and five without it.
    assert 4 <= sent <= 10


async def test_a_pause_holds_when_redis_is_lost_and_when_it_is_back(
    gates: list[Gate], redis: VirtualRedis, clock: FakeClock
) -> None:
    """What Redis knew holds without it, and what a process learned without it holds with it."""
    await send(gates[0], THROTTLED)
    redis.fails = ConnectionError()
    with pytest.raises(RateLimitError, match="paused for 3"):
        await send(gates[0], max_wait=20.0)
    redis.fails = None
    await clock.advance(40.0)
    await send(gates[1])
    assert not gates[1].closed

    redis.fails = ConnectionError()
    await send(gates[0], THROTTLED)
    redis.fails = None
    await clock.advance(3.0)
    for gate in gates:
        with pytest.raises(RateLimitError, match="paused for 2"):
            await send(gate, max_wait=20.0)


async def test_it_goes_back_to_redis_by_itself(
    gates: list[Gate], redis: VirtualRedis, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It asks again every two seconds, and says when it has an answer."""
    redis.fails = ConnectionError()
    await send(gates[0])
    redis.fails = None
    await clock.advance(1.9)
    await send(gates[0])
    assert 0 == redis.calls
    await clock.advance(0.2)
    await send(gates[0])
    assert 0 < redis.calls
    assert ["Redis cannot be used", "Redis answers again "] == [it[:20] for it in warnings(caplog)]


async def test_a_call_that_redis_let_through_may_end_without_it(
    gates: list[Gate], redis: VirtualRedis, clock: FakeClock
) -> None:
    """Its result counts in this process; its permit comes back with its lease."""
    async with gates[0].passage(max_wait=0.0) as passage:
        redis.fails = ConnectionError()
        passage.failed(THROTTLED)
    assert gates[0].closed
    with pytest.raises(RateLimitError, match="paused for 3"):
        await send(gates[0], max_wait=20.0)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (("redis://localhost", "a"), {}, "redis is of type str; pass a client"),
        ((None, "a"), {}, "redis is of type NoneType"),
        (("client", ""), {}, "key is empty"),
        (("client", 42), {}, "key is of type int"),
        (("client", "a"), {"max_in_flight": 0}, "max_in_flight is 0"),
        (("client", "a"), {"max_in_flight": True}, "max_in_flight is True"),
        (("client", "a"), {"max_in_flight": 2.5}, "max_in_flight is 2.5"),
        (("client", "a"), {"requests_per_second": 0}, "requests_per_second is 0"),
        (("client", "a"), {"requests_per_second": float("nan")}, "requests_per_second is nan"),
    ],
)
def test_wrong_arguments_are_refused(
    redis: VirtualRedis, arguments: tuple[Any, Any], options: dict[str, Any], said: str
) -> None:
    """When the account is made, by an error that says what to pass."""
    client = redis if arguments[0] == "client" else arguments[0]
    with pytest.raises(ConfigurationError, match=said):
        RedisAccount(client, arguments[1], **options)


def test_a_blocking_client_is_refused() -> None:
    """It would block the event loop, and cannot be awaited."""
    from redis import Redis  # noqa: PLC0415 - an extra

    with (
        Redis() as client,
        pytest.raises(ConfigurationError, match=r"pass a redis\.asyncio\.Redis"),
    ):
        RedisAccount(client, "a")


def test_the_repr_shows_the_limits_and_no_client(redis: VirtualRedis) -> None:
    """A client of Redis may hold a password."""
    assert "RedisAccount('{a}', max_in_flight=4, requests_per_second=None)" == repr(
        RedisAccount(redis, "a")
    )
