"""Redis is killed while a token is renewed, and comes back with what it had on disk."""

import shutil
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from cleverreach_async import (
    CleverReach,
    OAuthApp,
    RedisTokenStore,
    Secret,
    Token,
    TokenStoreError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

OLD = Token(access_token=Secret("old-4711"), refresh_token=Secret("refresh-4711"))
KEY = "shop-42"


class OwnRedis:
    """A Redis server that writes every command to disk, and can be killed."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"]
        self.process: Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = Popen(self.command, stdout=PIPE, encoding="utf-8")  # noqa: S603
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "ready to accept connections" in line.lower():
                return
        pytest.fail("redis-server did not start")

    def kill(self) -> None:
        """End it without a word."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture
def server(tmp_path: Path) -> Generator[OwnRedis]:
    """A running server."""
    server = OwnRedis(tmp_path)
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def redis_of(server: OwnRedis) -> AsyncGenerator[Any]:
    """A client that does not retry, so that an outage is noticed at once."""
    from redis.asyncio import Redis  # noqa: PLC0415 - an extra
    from redis.asyncio.retry import Retry  # noqa: PLC0415 - an extra
    from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra

    client = Redis(host="127.0.0.1", port=server.port, retry=Retry(NoBackoff(), 0))
    try:
        yield client
    finally:
        await client.aclose()


class TokenServer:
    """Refuses the old token and renews it; ``during`` runs before the new one is sent."""

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.renewals = 0
        self.during = during

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if request.url.path == "/oauth/token.php":
            self.renewals += 1
            self.during()
            token = f"new-{self.renewals}"
            answer = {"access_token": token, "refresh_token": f"refresh-{self.renewals}"}
            return httpx.Response(200, json=answer)
        is_old = request.headers["authorization"].endswith("4711")
        return httpx.Response(401 if is_old else 200, json={} if is_old else [])


def stored_in(token: Token | None) -> str | None:
    """The refresh token that is stored."""
    refresh_token = None if token is None else token.refresh_token
    return None if refresh_token is None else refresh_token.reveal()


async def test_a_token_renewed_during_an_outage_is_not_lost(server: OwnRedis) -> None:
    """The call fails with an error of ours. The next one after the outage saves the token at once.

    The lock of the failed call is still in Redis then; its own store does not wait for it.
    """
    tokens = TokenServer(during=server.kill)
    async with (
        redis_of(server) as redis,
        httpx.AsyncClient(transport=httpx.MockTransport(tokens)) as http_client,
    ):
        store = RedisTokenStore(redis, KEY)
        await store.save(OLD)
        cr = CleverReach(OAuthApp("id", "secret").user(store=store), http_client=http_client)
        for _ in range(2):
            with anyio.fail_after(20), pytest.raises(TokenStoreError, match=f"Redis key {KEY}: "):
                await cr.groups.list()
        await anyio.to_thread.run_sync(server.start)
        assert await redis.exists(f"{KEY}:lock")
        assert "refresh-4711" == stored_in(await store.load())
        with anyio.fail_after(5):
            await cr.groups.list()
        assert ("refresh-1", 1) == (stored_in(await store.load()), tokens.renewals)
        assert not await redis.exists(f"{KEY}:lock")


async def test_a_server_that_is_down_is_reported(server: OwnRedis) -> None:
    """By an error that names the key and the reason, for each use of the store."""
    server.kill()
    async with redis_of(server) as redis:
        store = RedisTokenStore(redis, KEY)
        with pytest.raises(TokenStoreError, match=f"Redis key {KEY}: cannot load the token: Conn"):
            await store.load()
        with pytest.raises(TokenStoreError, match="cannot save the token"):
            await store.save(OLD)
        with pytest.raises(TokenStoreError, match="cannot lock it"):
            async with store.lock():
                pytest.fail("it is locked")


async def test_a_lock_that_ends_during_a_renewal_does_not_cost_a_token(server: OwnRedis) -> None:
    """Another process renews with the same refresh token and saves first: its token is used."""
    async with redis_of(server) as redis, redis_of(server) as other:
        tokens = TokenServer()

        async def answer(request: httpx.Request) -> httpx.Response:
            response = tokens(request)
            if request.url.path == "/oauth/token.php":
                await other.delete(f"{KEY}:lock")
                newer = Token(access_token="newer", refresh_token="refresh-newer")
                await RedisTokenStore(other, KEY).save(newer)
            return response

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client:
            store = RedisTokenStore(redis, KEY)
            await store.save(OLD)
            cr = CleverReach(OAuthApp("id", "secret").user(store=store), http_client=http_client)
            with pytest.raises(TokenStoreError, match="the lock has ended"):
                await cr.groups.list()
            await cr.groups.list()
        assert ("refresh-newer", 1) == (stored_in(await store.load()), tokens.renewals)
