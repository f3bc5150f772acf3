"""The store of repeats in a real Redis: the same answers as in memory, for all processes."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from cleverreach_async import Claim, ConfigurationError, RedisRepeatStore

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),  # as the Redis client
]

OpenRedis = Callable[..., Any]


@pytest.fixture
def subject() -> str:
    """A subject that no other test uses."""
    return secrets.token_hex(8)


@pytest.mark.parametrize("decode", [True, False])
async def test_a_delivery_is_claimed_once(
    open_redis: OpenRedis, subject: str, decode: bool
) -> None:
    """By one process; it is busy until it is finished, and then a repeat for the window."""
    redis = open_redis(decode_responses=decode)
    one, two = RedisRepeatStore(redis), RedisRepeatStore(open_redis())
    assert Claim("new") == await one.claim(subject, "receiver.updated", "a", 60)
    busy = await two.claim(subject, "receiver.updated", "b", 60)
    assert ("busy", True) == (busy.state, 55 < busy.seconds <= 60)
    await one.finish(subject, "receiver.updated", "a", 10)
    repeat = await two.claim(subject, "receiver.updated", "b", 60)
    assert ("repeat", True) == (repeat.state, 5 < repeat.seconds <= 10)


async def test_a_released_claim_is_free(open_redis: OpenRedis, subject: str) -> None:
    """Only its owner can release it."""
    store = RedisRepeatStore(open_redis())
    await store.claim(subject, "x", "a", 60)
    await store.release(subject, "x", "b")
    assert "busy" == (await store.claim(subject, "x", "b", 60)).state
    await store.release(subject, "x", "a")
    assert "new" == (await store.claim(subject, "x", "b", 60)).state


async def test_another_event_opens_the_way(open_redis: OpenRedis, subject: str) -> None:
    """And what it has replaced does not come back when it is finished or released."""
    store = RedisRepeatStore(open_redis())
    await store.claim(subject, "unsubscribed", "a", 60)
    assert "new" == (await store.claim(subject, "subscribed", "b", 60)).state
    await store.finish(subject, "unsubscribed", "a", 60)
    await store.release(subject, "unsubscribed", "a")
    assert "busy" == (await store.claim(subject, "subscribed", "c", 60)).state
    assert "new" == (await store.claim(subject, "unsubscribed", "d", 60)).state


async def test_a_claim_ends_with_its_lease(open_redis: OpenRedis, subject: str) -> None:
    """The process is dead then."""
    redis = open_redis()
    await RedisRepeatStore(redis, "shop").claim(subject, "x", "a", 42)
    assert 41_000 < await redis.pttl(f"shop:{subject}") <= 42_000


async def test_an_endpoint_uses_it(
    open_endpoint: Callable[..., Any], open_redis: OpenRedis, subject: str
) -> None:
    """Two processes handle one delivery once; Redis has no address and no token."""
    redis = open_redis(decode_responses=True)
    shops = [open_endpoint(repeats=RedisRepeatStore(redis, subject)) for _ in range(2)]
    body = {"event": "receiver.deleted", "payload": {"email": "mia@example.org"}}
    assert [200, 429] == [(await shop.send(body)).status for shop in shops]
    [key] = await redis.keys(f"{subject}:*")
    stored = f"{key} {await redis.get(key)}"
    assert "receiver.deleted" in stored
    assert not {"mia", "4711"} & {stored[it : it + n] for n in (3, 4) for it in range(len(stored))}


async def test_without_redis_nothing_is_handled(open_endpoint: Callable[..., Any]) -> None:
    """The vendor repeats what is answered with 503."""
    from redis.asyncio import Redis  # noqa: PLC0415 - an extra
    from redis.asyncio.retry import Retry  # noqa: PLC0415 - an extra
    from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra

    redis = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    shop = open_endpoint(repeats=RedisRepeatStore(redis))
    assert 503 == (await shop.send({"event": "x.y"})).status
    assert [] == shop.events
    await redis.aclose()


@pytest.mark.parametrize("prefix", ["", None, 7])
async def test_a_prefix_is_text(prefix: Any) -> None:
    """An empty one could be the beginning of any key."""
    with pytest.raises(ConfigurationError, match="prefix"):
        RedisRepeatStore(None, prefix)


async def test_a_blocking_client_is_refused() -> None:
    """Every delivery would be answered with 503."""
    from redis import Redis  # noqa: PLC0415 - an extra

    for client in (Redis(), None, "redis://localhost"):
        with pytest.raises(ConfigurationError, match="redis is "):
            RedisRepeatStore(client)
