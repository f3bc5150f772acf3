"""Fixtures of the chaos tests: a server, a proxy in front of it, and clients of the proxy."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.abc
import pytest
from chaos.chaos_proxy import ChaosProxy, CountingServer
from support.clocks import FakeClock, FixedRandom
from support.http_clients import CLIENTS, opened

from cleverreach_async import CleverReach, RequestEvent, RetryPolicy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the clients of others on trio: what differs by event loop is in our own pool.

    The tests of ``engine/`` have each client on each event loop.
    """
    here = Path(__file__).parent
    items[:] = [it for it in items if not (it.path.parent == here and is_foreign_on_trio(it))]


def is_foreign_on_trio(item: pytest.Item) -> bool:
    """Whether a test has a client that is not our own, on trio."""
    call = getattr(item, "callspec", None)
    values = set(map(str, call.params.values())) if call is not None else set[str]()
    return "trio" in values and not values.isdisjoint(set(CLIENTS) - {"own pool"})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove proxy settings of the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def tasks() -> AsyncGenerator[anyio.abc.TaskGroup]:
    """The task group of servers; it is cancelled after the test."""
    async with anyio.create_task_group() as tasks:
        yield tasks
        tasks.cancel_scope.cancel()


@pytest.fixture
async def server(tasks: anyio.abc.TaskGroup) -> AsyncGenerator[CountingServer]:
    """A server that responds to every request with an empty list by default."""
    server = CountingServer()
    server.listen(tasks)
    yield server
    server.close()


@pytest.fixture
async def closed_proxy(server: CountingServer) -> AsyncGenerator[ChaosProxy]:
    """A proxy in front of that server; it refuses connections until it listens."""
    proxy = ChaosProxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture
async def proxy(closed_proxy: ChaosProxy, tasks: anyio.abc.TaskGroup) -> ChaosProxy:
    """A proxy in front of that server that forwards everything by default."""
    closed_proxy.listen(tasks)
    return closed_proxy


@pytest.fixture
def clock() -> FakeClock:
    """A clock on which waits between attempts end immediately; timeouts are real."""
    return FakeClock()


@pytest.fixture
def events() -> list[RequestEvent]:
    """The events of the clients."""
    return []


class Connect(Protocol):
    """Creates clients of a server."""

    def __call__(
        self, url: str, *, http_client: Any = None, timeout: float = 20.0, attempts: int = 4
    ) -> CleverReach:
        """Return a client with a fixed token."""
        ...


@pytest.fixture
async def connect(clock: FakeClock, events: list[RequestEvent]) -> AsyncGenerator[Connect]:
    """Return a function that creates clients, which are closed after the test."""
    made: list[CleverReach] = []

    def make(
        url: str, *, http_client: Any = None, timeout: float = 20.0, attempts: int = 4
    ) -> CleverReach:
        cr = CleverReach(
            "token",
            base_url=url,
            timeout=timeout,
            retry=RetryPolicy(attempts=attempts),
            http_client=http_client,
            on_event=events.append,
            clock=clock,
            rng=FixedRandom(),
        )
        made.append(cr)
        return cr

    yield make
    for cr in made:
        await cr.aclose()


@pytest.fixture(params=CLIENTS)
async def http_client(request: pytest.FixtureRequest) -> AsyncGenerator[Any]:
    """The injected HTTP client: none, or one of each library."""
    async with opened(request.param) as client:
        yield client
