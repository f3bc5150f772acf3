"""Tokens in a real Redis: holder and lifetime of the lock, and errors without secrets."""

import secrets
import traceback
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from cleverreach_async import ConfigurationError, Secret, Token
from cleverreach_async.auth.redis_store import RedisTokenStore

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),  # as the Redis client
]

OpenRedis = Callable[..., Any]
TOKEN = Token(access_token=Secret("access-4711"), refresh_token=Secret("refresh-4711"))


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return secrets.token_hex(8)


@pytest.fixture
def redis(open_redis: OpenRedis) -> Any:
    """A Redis client."""
    return open_redis()


async def test_the_lock_has_a_lifetime_and_a_holder(redis: Any, key: str) -> None:
    """It ends when its holder dies, and two holders in a row have different values."""
    store = RedisTokenStore(redis, key, lock_timeout=90)
    marks: list[bytes] = []
    for _ in range(2):
        async with store.lock():
            marks.append(await redis.get(f"{key}:lock"))
            assert 85_000 < await redis.pttl(f"{key}:lock") <= 90_000
        assert not await redis.exists(f"{key}:lock")
    assert all(marks)
    assert marks[0] != marks[1]


async def test_the_default_lifetime_is_longer_than_a_renewal(redis: Any, key: str) -> None:
    """Two requests of three attempts of 15 s, and the waits between them."""
    async with RedisTokenStore(redis, key).lock():
        assert 115_000 < await redis.pttl(f"{key}:lock") <= 120_000


async def test_an_expired_lock_of_another_holder_is_not_released(redis: Any, key: str) -> None:
    """The first holder releases too late, without an error, and the second keeps its lock."""
    first, second = RedisTokenStore(redis, key), RedisTokenStore(redis, key)
    async with first.lock():
        await redis.delete(f"{key}:lock")  # as if it had expired
        holding = second.lock()
        await holding.__aenter__()
        mark = await redis.get(f"{key}:lock")
    assert mark == await redis.get(f"{key}:lock")
    await holding.__aexit__(None, None, None)
    assert not await redis.exists(f"{key}:lock")


async def test_an_expired_lock_is_released_without_an_error(redis: Any, key: str) -> None:
    """The work under the lock is done."""
    async with RedisTokenStore(redis, key).lock():
        await redis.delete(f"{key}:lock")
    assert not await redis.exists(f"{key}:lock")


async def test_the_lock_of_a_dead_holder_expires(redis: Any, key: str) -> None:
    """The next holder gets it after its lifetime, not before."""
    await redis.set(f"{key}:lock", "somebody", px=200)
    began = anyio.current_time()
    async with RedisTokenStore(redis, key, lock_timeout=5).lock():
        waited = anyio.current_time() - began
    assert 0.1 < waited < 3


async def test_a_lock_that_does_not_end_is_reported(
    redis: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for it ends after its lifetime and a grace period."""
    monkeypatch.setattr("cleverreach_async.auth.redis_store._GRACE_SECONDS", 0.1)
    await redis.set(f"{key}:lock", "somebody")
    with pytest.raises(ConfigurationError) as caught:
        async with RedisTokenStore(redis, key, lock_timeout=0.1).lock():
            pytest.fail("two holders")
    assert str(caught.value).startswith(f"Redis key {key}:lock has been held by another process")
    assert b"somebody" == await redis.get(f"{key}:lock")


@pytest.mark.parametrize("decode", [False, True])
async def test_either_kind_of_client_works(open_redis: OpenRedis, key: str, decode: bool) -> None:
    """A client that decodes responses and one that does not: token and lock."""
    store = RedisTokenStore(open_redis(decode_responses=decode), key)
    async with store.lock():
        await store.save(TOKEN)
    assert TOKEN == await store.load()
    async with store.lock():
        pass


async def test_keys_are_separate(redis: Any, key: str) -> None:
    """Another account has its own token and its own lock."""
    mine, other = RedisTokenStore(redis, f"{key}:1"), RedisTokenStore(redis, f"{key}:2")
    await mine.save(TOKEN)
    assert await other.load() is None
    async with mine.lock(), other.lock():
        pass


async def test_an_empty_key_is_refused(redis: Any) -> None:
    """Accounts would overwrite each other's token."""
    with pytest.raises(ConfigurationError, match="key is empty"):
        RedisTokenStore(redis, "")


def report_of(error: BaseException) -> str:
    """What an error reporter collects: the whole chain with all variables."""
    links: list[str] = []
    link: BaseException | None = error
    while link is not None:
        report = traceback.TracebackException.from_exception(link, capture_locals=True)
        links += [*report.format(), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "".join(links)


async def test_invalid_content_is_reported_without_showing_it(redis: Any, key: str) -> None:
    """The message names the key, and no variable has the stored value."""
    await redis.set(key, TOKEN.to_json()[:-9])
    with pytest.raises(ConfigurationError) as caught:
        await RedisTokenStore(redis, key).load()
    shown = report_of(caught.value)
    assert f"Redis key {key}: the stored value is not a token: authorise again" == str(caught.value)
    assert "parse_token" in shown
    assert "4711" not in shown


async def test_an_outage_shows_no_token(
    open_redis: OpenRedis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames of the library have the command, so its errors are raised without tracebacks."""
    from redis.asyncio.connection import Connection  # noqa: PLC0415 - an extra
    from redis.exceptions import RedisError  # noqa: PLC0415 - an extra

    async def get_stuck(self: Connection, command: Any, *args: Any, **kwargs: Any) -> None:
        await anyio.lowlevel.checkpoint()
        raise RedisError(f"gone with {len(list(command))} parts")

    store = RedisTokenStore(open_redis(), key)
    await store.save(TOKEN)
    monkeypatch.setattr(Connection, "send_packed_command", get_stuck)
    try:
        await store.save(TOKEN)
    except RedisError as error:
        shown = report_of(error)
    else:
        pytest.fail("the command did not fail")
    assert "gone with" in shown
    assert "4711" not in shown
