"""How many requests the gate and the retries send in an outage; minutes in virtual time."""

import random
from collections.abc import Awaitable, Callable

import anyio
import pytest
import trio
import trio.testing

from cleverreach_async import Token
from cleverreach_async.errors import APIConnectionError, CleverReachError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.retry import RetryPolicy
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.token_source import Credential, Renewal, TokenSource
from cleverreach_async.transport.transport import Call, Transport
from cleverreach_async.transport.wire import Response, build_request

GET = build_request("GET", "/groups")
OUTAGE = 60.0
ROUND_TRIP = 0.05


class ConstantToken:
    """A token that never expires; it is its own authentication."""

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Return itself."""
        del call, clock
        return self

    async def credential(self, *, max_wait: float | None = None) -> Credential:
        """Return the token."""
        return Credential("Bearer token", 1)

    async def renew(self, generation: int, *, max_wait: float | None = None) -> Renewal:
        """Do not renew."""
        del generation
        return Renewal.IMPOSSIBLE

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
        """Raise: the token is constant."""
        raise NotImplementedError(token)


class TroubledServer:
    """A sender whose server fails until its outage ends; it records when it was called."""

    def __init__(self, response: Response | None, *, until: float = OUTAGE) -> None:
        self.arrivals: list[float] = []
        self._response = response
        self._until = until

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
        """Respond after a round trip."""
        del method, url, headers, content, timeout, stop
        arrival = anyio.current_time()
        self.arrivals.append(arrival)
        await anyio.sleep(ROUND_TRIP)
        if arrival >= self._until:
            return Response(200, {}, b"[]")
        if self._response is None:
            raise APIConnectionError("cannot reach it", sent=False)
        return self._response

    async def aclose(self) -> None:
        """Do nothing."""


def serve(
    server: TroubledServer, *, callers: int, seed: int, single: bool = False
) -> list[tuple[float, int]]:
    """Call until each caller has had a success; return when, and after how many failures."""
    back: list[tuple[float, int]] = []

    async def call_until_success(call: Callable[[], Awaitable[object]]) -> None:
        failures = 0
        while True:
            try:
                await call()
            except CleverReachError:
                failures += 1
            else:
                back.append((anyio.current_time(), failures))
                return

    async def main() -> None:
        transport = Transport(
            sender=server,
            base_url="https://api.example",
            timeout=30.0,
            retry=RetryPolicy(),
            user_agent="test",
            rng=random.Random(seed),
        ).with_auth(ConstantToken())
        send = transport.call_once if single else transport.call
        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(call_until_success, lambda: send(GET))

    trio.run(main, clock=_clock_from_zero())
    return back


def _clock_from_zero() -> trio.testing.MockClock:
    """Return a clock that starts at 0 when the run starts and skips all waits."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.mark.parametrize("response", [None, Response(503, {}, b"")], ids=["unreachable", "503"])
@pytest.mark.parametrize("callers", [1, 4, 50])
@pytest.mark.parametrize("single", [True, False], ids=["single attempts", "retried calls"])
def test_a_minute_of_outage_costs_ten_probes(
    *, response: Response | None, callers: int, single: bool
) -> None:
    """For any number of callers: the calls in flight at its start, and at most 10 probes."""
    for seed in range(5):
        server = TroubledServer(response)
        back = serve(server, callers=callers, seed=seed, single=single)
        in_flight = max(3, callers)
        assert callers == len(back)
        assert sum(at < OUTAGE for at in server.arrivals) <= in_flight + 10
        assert max(at for at, _ in back) <= OUTAGE + 15.0 + 1.0


def test_an_average_minute_of_outage_costs_a_dozen_calls() -> None:
    """With one caller, including the three calls that close the gate."""
    costs: list[int] = []
    for seed in range(20):
        server = TroubledServer(Response(503, {}, b""))
        serve(server, callers=1, seed=seed)
        costs.append(sum(at < OUTAGE for at in server.arrivals))
    assert sum(costs) / len(costs) <= 11.5
    assert max(costs) <= 13


def test_no_call_is_sent_before_retry_after_has_passed() -> None:
    """After Retry-After of 20 s one of eight calls is sent first, the others after its success."""
    throttled = Response(429, {"retry-after": "20"}, b"")
    for seed in range(5):
        server = TroubledServer(throttled, until=20.0)
        serve(server, callers=8, seed=seed)
        before = [at for at in server.arrivals if at <= ROUND_TRIP]
        after = sorted(at for at in server.arrivals if at > ROUND_TRIP)
        assert (8, 8) == (len(before), len(after))
        assert after[0] >= 20.0 + ROUND_TRIP
        assert after[1] >= after[0] + ROUND_TRIP
