"""Fixtures for authentication: a sandbox, clients of it, a user's token, and a Redis server."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import httpx
import pytest
from support.asgi import with_checkpoints
from support.clocks import START, FakeClock, FixedRandom
from support.redis_server import open_redis, redis_port

from cleverreach_async import CleverReach, OAuthApp, RequestEvent, Token
from cleverreach_async.auth.file_store import FileTokenStore
from cleverreach_async.auth.redis_store import RedisTokenStore
from cleverreach_async.auth.stores import MemoryTokenStore, TokenStore
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.transport.http.choice import asgi_client
from cleverreach_async.transport.transport import Auth

CALLBACK = "https://shop.example/callback"
ROOT = "https://sandbox.example"
LIFETIME = 1000.0

__all__ = ["open_redis", "redis_port"]


@pytest.fixture
def clock() -> FakeClock:
    """A clock at New Year 2026."""
    return FakeClock()


@pytest.fixture
def sandbox(clock: FakeClock) -> Generator[Sandbox]:
    """An empty sandbox whose wall clock is the fake one."""
    with Sandbox(now=clock.now, token_lifetime=int(LIFETIME)) as sandbox:
        yield sandbox


@pytest.fixture
def order() -> list[str]:
    """The events in their order: the path of each attempt, and entries that a test adds."""
    return []


@pytest.fixture
async def http_client(sandbox: Sandbox) -> AsyncGenerator[httpx.AsyncClient]:
    """A client that reaches the sandbox in this process."""
    async with asgi_client(with_checkpoints(sandbox.app)) as http_client:
        yield http_client


@pytest.fixture
def app(http_client: httpx.AsyncClient) -> OAuthApp:
    """The OAuth app of the sandbox."""
    return OAuthApp(
        "sandbox",
        "sandbox-secret",
        redirect_uri=CALLBACK,
        base_url=ROOT,
        http_client=http_client,
    )


@pytest.fixture
def connect(
    http_client: httpx.AsyncClient, clock: FakeClock, order: list[str]
) -> Callable[[Auth | str], CleverReach]:
    """Return a function that creates clients of the sandbox."""

    def note(event: RequestEvent) -> None:
        order.append(event.path)

    def make(auth: Auth | str) -> CleverReach:
        return CleverReach(
            auth,
            base_url=ROOT,
            http_client=http_client,
            on_event=note,
            clock=clock,
            rng=FixedRandom(),
        )

    return make


@pytest.fixture
def get_code(app: OAuthApp, http_client: httpx.AsyncClient) -> Callable[[], Awaitable[str]]:
    """Return a function that connects the app as a user does, and returns the code."""

    async def get() -> str:
        answer = await http_client.get(app.authorization_url(state="state"))
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        return app.read_callback({name: it[0] for name, it in query.items()}, state="state")

    return get


@pytest.fixture
async def token(app: OAuthApp, get_code: Callable[[], Awaitable[str]], sandbox: Sandbox) -> Token:
    """A user's token, which expires after :data:`LIFETIME` by the fake clock."""
    token = await app.exchange_code(await get_code())
    return attrs.evolve(token, expires_at=datetime.fromtimestamp(START + LIFETIME, UTC))


@pytest.fixture
def refreshes(sandbox: Sandbox, token: Token) -> Callable[[], int]:
    """Return a function that counts the token requests since the user's token was issued."""
    before = sandbox.count("POST", "/oauth/token.php")
    return lambda: sandbox.count("POST", "/oauth/token.php") - before


@pytest.fixture
def opener(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], TokenStore]:
    """Return a function that opens another store of the test's kind for the same token."""
    if kind == "memory":
        store = MemoryTokenStore()
        return lambda: store
    if kind == "file":
        return lambda: FileTokenStore(tmp_path / "account" / "token.json")
    open_redis: Callable[[], Any] = request.getfixturevalue("open_redis")
    key = secrets.token_hex(8)
    return lambda: RedisTokenStore(open_redis(), key)
