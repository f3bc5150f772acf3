"""Minutes of outage in milliseconds: what the gate and the retries cost a server in trouble."""

import random
from collections.abc import Awaitable, Callable

import anyio
import pytest
import trio
import trio.testing

from cleverreach_async import Token
from cleverreach_async.errors import APIConnectionError, CleverReachError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.http import Headers
from cleverreach_async.transport.retry import RetryPolicy
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.transport import Call, Credential, TokenSource, Transport
from cleverreach_async.transport.wire import Response, build_request

GET = build_request("GET", "/groups")
OUTAGE = 60.0
ROUND_TRIP = 0.05


class EternalToken:
    """One token for ever; it is its own authentication."""

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Return itself."""
        del call, clock
        return self

    async def credential(self) -> Credential:
        """Return the token."""
        return Credential("Bearer token", 1)

    async def renew(self, generation: int) -> bool:
        """Refuse."""
        del generation
        return False

    @property
    def stale(self) -> bool:
        """Never."""
        return False

    async def renew_early(self) -> None:
        """Do nothing."""

    async def adopt(self, token: Token) -> None:
        """Refuse."""
        raise NotImplementedError(token)


class TroubledServer:
    """A sender whose server pushes back until its outage is over; it notes when it was called."""

    def __init__(self, answer: Response | None, *, until: float = OUTAGE) -> None:
        self.arrivals: list[float] = []
        self._answer = answer
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
        """Answer after a round trip."""
        del method, url, headers, content, timeout, stop
        arrival = anyio.current_time()
        self.arrivals.append(arrival)
        await anyio.sleep(ROUND_TRIP)
        if arrival >= self._until:
            return Response(200, {}, b"[]")
        if self._answer is None:
            raise APIConnectionError("cannot reach it", sent=False)
        return self._answer

    async def aclose(self) -> None:
        """Do nothing."""


def serve(
    server: TroubledServer, *, callers: int, seed: int, single: bool = False
) -> list[tuple[float, int]]:
    """Let callers call until each has had a success; return when, and after how many failures."""
    back: list[tuple[float, int]] = []

    async def persist(call: Callable[[], Awaitable[object]]) -> None:
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
        ).with_auth(EternalToken())
        send = transport.call_once if single else transport.call
        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(persist, lambda: send(GET))

    trio.run(main, clock=_clock_from_zero())
    return back


def _clock_from_zero() -> trio.testing.MockClock:
    """Make a clock that stands at 0 when the run begins and jumps over all waiting."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.mark.parametrize("answer", [None, Response(503, {}, b"")], ids=["unreachable", "503"])
@pytest.mark.parametrize("callers", [1, 4, 50])
@pytest.mark.parametrize("single", [True, False], ids=["single attempts", "retried calls"])
def test_a_minute_of_outage_costs_ten_probes(
    *, answer: Response | None, callers: int, single: bool
) -> None:
    """However many callers there are: what was under way when it began, then at most 10 probes."""
    for seed in range(5):
        server = TroubledServer(answer)
        back = serve(server, callers=callers, seed=seed, single=single)
        under_way = max(3, callers)
        assert callers == len(back)
        assert sum(at < OUTAGE for at in server.arrivals) <= under_way + 10
        assert max(at for at, _ in back) <= OUTAGE + 15.0 + 1.0


def test_an_average_minute_of_outage_costs_a_dozen_calls() -> None:
    """For a lone caller the three calls that close the gate are included."""
    costs: list[int] = []
    for seed in range(20):
        server = TroubledServer(Response(503, {}, b""))
        serve(server, callers=1, seed=seed)
        costs.append(sum(at < OUTAGE for at in server.arrivals))
    assert sum(costs) / len(costs) <= 11.5
    assert max(costs) <= 13


def test_no_call_is_sent_before_retry_after_has_passed() -> None:
    """Eight callers, told to wait 20 s: one goes first after that, the others after its success."""
    told = Response(429, {"retry-after": "20"}, b"")
    for seed in range(5):
        server = TroubledServer(told, until=20.0)
        serve(server, callers=8, seed=seed)
        before = [at for at in server.arrivals if at <= ROUND_TRIP]
        after = sorted(at for at in server.arrivals if at > ROUND_TRIP)
        assert (8, 8) == (len(before), len(after))
        assert after[0] >= 20.0 + ROUND_TRIP
        assert after[1] >= after[0] + ROUND_TRIP
