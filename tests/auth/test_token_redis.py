"""Tokens in a real Redis: holder and lifetime of the lock, and errors without secrets."""

import secrets
import traceback
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from cleverreach_async import ConfigurationError, Secret, Token, TokenStoreError
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


async def test_the_lock_is_extended_while_it_is_held(redis: Any, key: str) -> None:
    """So its lifetime may be shorter than a renewal, and a dead holder is soon replaced."""
    async with RedisTokenStore(redis, key, lock_timeout=0.6).lock():
        await redis.pexpire(f"{key}:lock", 400)
        with anyio.fail_after(5):
            while await redis.pttl(f"{key}:lock") <= 400:
                await anyio.lowlevel.checkpoint()
    assert not await redis.exists(f"{key}:lock")


async def test_the_lock_of_a_dead_process_ends_soon(redis: Any, key: str) -> None:
    """In half a minute by default."""
    async with RedisTokenStore(redis, key).lock():
        assert 25_000 < await redis.pttl(f"{key}:lock") <= 30_000


async def test_a_lock_that_could_not_be_released_is_taken_again(redis: Any, key: str) -> None:
    """Redis was gone then. The same store does not wait for itself, another one does."""
    store = RedisTokenStore(redis, key)
    async with store.lock():
        mark = await redis.get(f"{key}:lock")
    await redis.set(f"{key}:lock", mark, px=60_000)
    with anyio.fail_after(5):
        async with store.lock():
            assert mark != await redis.get(f"{key}:lock")
    await redis.set(f"{key}:lock", mark, px=60_000)
    with anyio.move_on_after(0.2) as patience:
        async with RedisTokenStore(redis, key).lock():
            pytest.fail("two holders")
    assert patience.cancelled_caught


async def test_a_holder_that_lost_the_lock_saves_nothing(redis: Any, key: str) -> None:
    """Another process may have saved a newer token meanwhile."""
    store, newer = RedisTokenStore(redis, key), Token(access_token=Secret("newer"))
    async with store.lock():
        await redis.set(f"{key}:lock", "somebody")
        await RedisTokenStore(redis, key).save(newer)
        with pytest.raises(TokenStoreError, match="the lock has ended"):
            await store.save(TOKEN)
    assert newer == await store.load()
    assert b"somebody" == await redis.get(f"{key}:lock")


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
async def test_a_lock_needs_a_lifetime(redis: Any, seconds: float) -> None:
    """Otherwise the lock of a dead process would never end."""
    with pytest.raises(ConfigurationError, match="lock_timeout is"):
        RedisTokenStore(redis, "key", lock_timeout=seconds)


async def test_an_expired_lock_of_another_holder_is_not_released(redis: Any, key: str) -> None:
    """The first holder releases too late, without an error, and the second keeps its lock."""
    first, second = RedisTokenStore(redis, key), RedisTokenStore(redis, key)
    held, done = anyio.Event(), anyio.Event()

    async def hold() -> None:
        async with second.lock():
            held.set()
            await done.wait()

    async with anyio.create_task_group() as tasks:
        async with first.lock():
            await redis.delete(f"{key}:lock")  # as if it had expired
            tasks.start_soon(hold)
            await held.wait()
            mark = await redis.get(f"{key}:lock")
        assert mark == await redis.get(f"{key}:lock")
        done.set()
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
    with pytest.raises(TokenStoreError) as caught:
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


@pytest.mark.parametrize("name", [b"key", 7, "key\ud800", "key\0"])
async def test_a_key_is_text(redis: Any, name: Any) -> None:
    """The error comes when the store is created."""
    with pytest.raises(ConfigurationError, match=r"^key "):
        RedisTokenStore(redis, name)


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


@pytest.mark.parametrize("kind", ["ConnectionError", "ResponseError"])
async def test_an_outage_shows_no_token(
    open_redis: OpenRedis, key: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The library's frames have the command, and Redis may quote it; so neither is kept."""
    from redis import exceptions  # noqa: PLC0415 - an extra
    from redis.asyncio.connection import Connection  # noqa: PLC0415 - an extra
    from redis.asyncio.retry import Retry  # noqa: PLC0415 - an extra
    from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra

    async def get_stuck(self: Connection, command: Any, *args: Any, **kwargs: Any) -> None:
        await anyio.lowlevel.checkpoint()
        quoted = "" if kind == "ConnectionError" else b"".join(command).decode()
        raise getattr(exceptions, kind)(f"gone {quoted}")

    # The retries of Redis's client take nearly as long as a command may.
    store = RedisTokenStore(open_redis(retry=Retry(NoBackoff(), 0)), key)
    await store.save(TOKEN)
    monkeypatch.setattr(Connection, "send_packed_command", get_stuck)
    with pytest.raises(TokenStoreError) as caught:
        await store.save(TOKEN)
    shown = report_of(caught.value)
    reason = "ConnectionError: gone " if kind == "ConnectionError" else kind
    assert f"Redis key {key}: cannot save the token: {reason}" == str(caught.value)
    assert "_ask" in shown
    assert "4711" not in shown


async def test_a_command_without_an_answer_ends(
    open_redis: OpenRedis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal cannot be cancelled, so nothing in it may hang."""
    from redis.asyncio.connection import Connection  # noqa: PLC0415 - an extra

    monkeypatch.setattr("cleverreach_async.auth.redis_store._COMMAND_SECONDS", 0.05)

    async def hang(self: Connection, *args: Any, **kwargs: Any) -> None:
        await anyio.sleep_forever()

    store = RedisTokenStore(open_redis(), key)
    await store.save(TOKEN)
    monkeypatch.setattr(Connection, "read_response", hang)
    with anyio.fail_after(5), pytest.raises(TokenStoreError, match=r"no answer within 0\.05 s"):
        await store.save(TOKEN)


@pytest.mark.parametrize("text", ["", " \n", "\0\0"])
async def test_an_empty_value_is_no_token(redis: Any, key: str, text: str) -> None:
    """As without the key."""
    await redis.set(key, text)
    assert await RedisTokenStore(redis, key).load() is None


async def test_the_code_of_an_error_is_shown(redis: Any, key: str) -> None:
    """It says what is wrong; the rest of the message may quote the token."""
    await redis.lpush(key, "other")
    with pytest.raises(
        TokenStoreError, match=r"cannot load the token: ResponseError WRONGTYPE; some"
    ):
        await RedisTokenStore(redis, key).load()


async def test_what_cannot_be_awaited_is_refused(redis_port: int) -> None:
    """A client that blocks would save a token and report that it had not."""
    from redis import Redis  # noqa: PLC0415 - an extra

    wrong: tuple[Any, ...] = (None, "redis://localhost", Redis(port=redis_port))
    for client in wrong:
        with pytest.raises(ConfigurationError, match=r"pass a (client|redis\.asyncio)"):
            RedisTokenStore(client, "a")
