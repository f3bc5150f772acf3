"""Fixtures of the sandbox tests: a fixed clock, a sandbox and clients."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from cleverreach_async.sandbox import Sandbox


class Clock:
    """A clock that only moves when a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1_767_225_600.0

    def __call__(self) -> float:
        """Return the time in unix seconds."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """A clock that does not move."""
    return Clock()


@pytest.fixture
def now(clock: Clock) -> int:
    """The time at the start of a test, in unix seconds."""
    return int(clock())


@pytest.fixture
def advance(clock: Clock) -> Callable[[float], None]:
    """A function that moves the clock."""

    def advance(seconds: float) -> None:
        """Move the clock."""
        clock.seconds += seconds

    return advance


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """An empty sandbox in memory."""
    with Sandbox(now=clock) as sandbox:
        yield sandbox


@pytest.fixture
async def guest(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.example") as client:
        yield client


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid token and the base URL /v3."""
    transport = httpx.ASGITransport(app=sandbox.app)
    headers = {"authorization": f"Bearer {sandbox.add_token()}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sandbox.example/v3/", headers=headers
    ) as client:
        yield client


@pytest.fixture
async def group(api: httpx.AsyncClient) -> int:
    """The id of an empty group."""
    answer = await api.post("groups", json={"name": "Newsletter"})
    return int(answer.json()["id"])
