"""Fixtures of the engine tests: a manual clock, fixed randomness, a scripted sender, a client."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import httpx
import httpx2
import msgspec
import pytest
from support.asgi import with_checkpoints
from support.clocks import FakeClock, FixedRandom
from support.http_clients import CLIENTS, opened

from cleverreach_async import CleverReach, OAuthApp, RequestEvent, RetryPolicy, Token
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.server import running
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.token_source import Credential, Renewal, TokenSource
from cleverreach_async.transport.transport import Account, Auth, Call, Transport
from cleverreach_async.transport.wire import Response


@attrs.frozen(kw_only=True)
class Sent:
    """One request as the sender received it."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes
    timeout: float | None


Scripted = Response | Exception | Callable[[], Any]


class ScriptedSender:
    """A sender that returns scripted responses, repeats the last one, and records requests."""

    def __init__(self) -> None:
        self.responses: deque[Scripted] = deque([Response(200, {}, b"[]")])
        self.sent: list[Sent] = []
        self.closed = 0

    def script(self, *responses: Scripted) -> None:
        """Set the next responses: a response, an error to raise, or an async function."""
        self.responses = deque(responses)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Response:
        """Respond as scripted."""
        del stop
        await anyio.lowlevel.checkpoint()
        self.sent.append(
            Sent(method=method, url=url, headers=dict(headers), content=content, timeout=timeout)
        )
        response = self.responses.popleft() if len(self.responses) > 1 else self.responses[0]
        if isinstance(response, Exception):
            raise response
        if isinstance(response, Response):
            return response
        result: Response = await response()
        return result

    async def aclose(self) -> None:
        """Count the calls."""
        self.closed += 1


class StepTokens:
    """A token source whose token is its generation."""

    def __init__(self, *, renewable: bool = True) -> None:
        self.generation = 1
        self.renewals = 0
        self._renewable = renewable

    async def credential(self, *, max_wait: float | None = None) -> Credential:
        """Return the current token."""
        return Credential(f"Bearer token-{self.generation}", self.generation)

    async def renew(self, generation: int, *, max_wait: float | None = None) -> Renewal:
        """Go to the next generation, if renewal is possible."""
        self.renewals += 1
        if not self._renewable:
            return Renewal.IMPOSSIBLE
        is_own = generation == self.generation
        self.generation += is_own
        return Renewal.OWN if is_own else Renewal.SHARED

    @property
    def stale(self) -> bool:
        """Never."""
        return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """None."""
        return ()

    async def renew_early(self) -> None:
        """Do nothing."""

    async def adopt(self, token: Token) -> None:
        """Raise: these tokens are numbers."""
        raise NotImplementedError(token)


@attrs.frozen
class StepAuth:
    """Authentication with a given token source."""

    tokens: TokenSource

    def bind(self, call: Call, clock: Any) -> TokenSource:
        """Return the source."""
        del call, clock
        return self.tokens


@pytest.fixture
def clock() -> FakeClock:
    """A clock at New Year 2026."""
    return FakeClock()


@pytest.fixture
def rng() -> FixedRandom:
    """Randomness that always returns 0.5."""
    return FixedRandom()


@pytest.fixture
def sender() -> ScriptedSender:
    """A sender that responds with an empty list by default."""
    return ScriptedSender()


@pytest.fixture
def tokens() -> StepTokens:
    """Tokens that need no server."""
    return StepTokens()


@pytest.fixture
def events() -> list[RequestEvent]:
    """The events of the attempts."""
    return []


@pytest.fixture
def transport(
    sender: ScriptedSender,
    clock: FakeClock,
    rng: FixedRandom,
    tokens: StepTokens,
    events: list[RequestEvent],
) -> Transport:
    """A transport of one account with the scripted sender."""
    return Transport(
        sender=sender,
        base_url="https://api.example",
        timeout=30.0,
        retry=RetryPolicy(),
        user_agent="test",
        on_event=events.append,
        clock=clock,
        rng=rng,
    ).with_auth(StepAuth(tokens))


@pytest.fixture
def account(transport: Transport) -> Account:
    """The account of that transport."""
    assert transport.account is not None
    return transport.account


@pytest.fixture
def sandbox(clock: FakeClock) -> Generator[Sandbox]:
    """An empty sandbox that uses the fake clock."""
    with Sandbox(now=clock.now) as sandbox:
        yield sandbox


@pytest.fixture
def app() -> OAuthApp:
    """The OAuth app that the sandbox knows."""
    return OAuthApp("sandbox", "sandbox-secret")


@pytest.fixture(params=CLIENTS)
def http_library(request: pytest.FixtureRequest) -> str:
    """The HTTP library of the client."""
    name: str = request.param
    return name


@pytest.fixture
async def http_server(sandbox: Sandbox, http_library: str) -> AsyncGenerator[tuple[str, Any]]:
    """The root of the sandbox, and the HTTP client to inject: in this process, or on a socket."""
    if http_library in {"httpx", "httpx2"}:
        library: Any = {"httpx": httpx, "httpx2": httpx2}[http_library]
        transport = library.ASGITransport(app=with_checkpoints(sandbox.app))
        async with library.AsyncClient(transport=transport) as client:
            yield "https://sandbox.example", client
        return
    async with opened(http_library) as client:
        with running(sandbox) as url:
            yield url, client


@pytest.fixture
async def connect(
    http_server: tuple[str, Any], clock: FakeClock, rng: FixedRandom, events: list[RequestEvent]
) -> AsyncGenerator[Callable[[Auth | str], CleverReach]]:
    """Return a function that creates clients of the sandbox."""
    base_url, http_client = http_server
    async with AsyncExitStack() as made:

        def make(auth: Auth | str) -> CleverReach:
            cr = CleverReach(
                auth,
                base_url=base_url,
                http_client=http_client,
                on_event=events.append,
                clock=clock,
                rng=rng,
            )
            made.push_async_callback(cr.aclose)
            return cr

        yield make


@pytest.fixture
def refusal() -> Callable[..., Response]:
    """Return a function that creates error responses in the vendor's usual format."""

    def make(status: int, **headers: str) -> Response:
        body = msgspec.json.encode({"error": {"code": status, "message": "no"}})
        names: Iterable[tuple[str, str]] = headers.items()
        return Response(status, {name.replace("_", "-"): value for name, value in names}, body)

    return make
