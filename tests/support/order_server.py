"""A model of the calls that add orders, used as the sender of a transport."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel

from cleverreach_async import APIConnectionError, APITimeoutError, RetryPolicy
from cleverreach_async.auth.app import as_auth
from cleverreach_async.resources.live_orders import LiveOrders
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.transport import RequestEvent, Transport
from cleverreach_async.transport.wire import Response

from .clocks import FixedRandom

__all__ = ["OrderServer", "live_orders", "order_transport"]

Answer = str | tuple[int, Any] | tuple[int, Any, dict[str, str]]
Script = Callable[[int, str], Answer]


class OrderServer:
    """Stores orders, and answers as a script says.

    Args:
        clock: Clock of the waits.
        script: Returns the answer to a request by its number, from 0, and its order number:
            ``stored``, ``lost`` (stored, no response), ``unreachable``, ``hang`` (until the
            deadline), ``hang and store``, or a status with a JSON body and headers.

    Attributes:
        stored: How often each order is stored.
        targets: The path of each request, after ``/v3``.
        bodies: The body of each request.
        arrivals: The time of each request.
        in_flight: Requests in flight.
        peak: Most requests in flight.
    """

    def __init__(self, clock: Clock, script: Script = lambda number, order: "stored") -> None:
        self.script: Script = script
        self.stored: Counter[str] = Counter()
        self.targets: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.arrivals: list[float] = []
        self.in_flight = 0
        self.peak = 0
        self._clock = clock

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
        """Handle one request, shielded from cancellation as a real sender does."""
        body = json.loads(content)
        number = len(self.bodies)
        self.bodies.append(body)
        self.targets.append(url.partition("/v3")[2])
        self.arrivals.append(self._clock.monotonic())
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        with anyio.CancelScope(shield=True) as scope, (stop or Stop()).cutting(scope):
            try:
                return await self._answer(self.script(number, body["order_id"]), body, timeout)
            finally:
                self.in_flight -= 1
        raise APIConnectionError("the request was aborted", sent=True)

    async def _answer(
        self, answer: Answer, body: dict[str, Any], timeout: float | None
    ) -> Response:
        await anyio.lowlevel.checkpoint()
        if answer in ("stored", "lost", "hang and store"):
            self.stored[body["order_id"]] += 1
        if answer == "lost":
            raise APIConnectionError("the connection is lost", sent=True)
        if answer == "unreachable":
            raise APIConnectionError("cannot reach the server", sent=False)
        if answer in ("hang", "hang and store"):
            await self._clock.sleep(30.0 if timeout is None else timeout)
            raise APITimeoutError("no response", sent=True)
        status, content, *rest = (200, body) if isinstance(answer, str) else answer
        shown = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Response(status, rest[0] if rest else {}, shown)

    async def aclose(self) -> None:
        """Nothing has to be closed."""


def order_transport(
    server: Any,
    clock: Clock,
    *,
    on_event: Callable[[RequestEvent], None] | None = None,
) -> Transport:
    """Return the transport of an account on a server, with fixed random numbers."""
    transport = Transport(
        sender=server,
        base_url="https://orders.test",
        timeout=30.0,
        retry=RetryPolicy(),
        user_agent="test",
        on_event=on_event,
        clock=clock,
        rng=FixedRandom(),
    )
    return transport.with_auth(as_auth("token"))


def live_orders(server: Any, clock: Clock) -> LiveOrders:
    """Return the orders of an account on a server."""
    return LiveOrders(order_transport(server, clock))
