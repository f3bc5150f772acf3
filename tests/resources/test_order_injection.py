"""Orders that are added with a result instead of an error."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from support.clocks import START
from support.event_loops import anyio_backend
from support.order_server import OrderServer, live_orders, order_transport
from support.virtual_time import VirtualClock

from cleverreach_async import (
    APIConnectionError,
    AuthenticationError,
    CleverReach,
    ClientClosedError,
    ConfigurationError,
    OrderInput,
    OrderResult,
    OrderStatus,
    RequestEvent,
    Secret,
)
from cleverreach_async.auth.renewal import StaticToken
from cleverreach_async.resources.live_orders import LiveOrders
from cleverreach_async.resources.order_delivery import LiveOrder, OrderDelivery, prepared
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.token_source import Credential
from cleverreach_async.transport.transport import Transport

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio

ANN = "ann@example.org"


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of the client."""
    return VirtualClock()


@pytest.fixture
def server(clock: VirtualClock) -> OrderServer:
    """A server that stores orders."""
    return OrderServer(clock)


async def inject(server: OrderServer, clock: VirtualClock, **options: Any) -> OrderResult:
    """Inject an order in virtual time."""
    order = options.pop("order", OrderInput("A-1", "Lamp"))
    with anyio.fail_after(10):
        async with clock.flowing():
            return await live_orders(server, clock).inject(ANN, order, **options)
    pytest.fail("it took too long")


async def test_a_stored_order_is_delivered(server: OrderServer, clock: VirtualClock) -> None:
    """It has the time of the call, and the result has all that was given."""
    done = await inject(server, clock, group_id=7)

    assert (OrderStatus.DELIVERED, True, "", None) == (
        done.status,
        done.delivered,
        done.reason,
        done.error,
    )
    assert (ANN, 7, "A-1") == (done.receiver_id, done.group_id, done.order_id)
    assert ["/groups/7/receivers/ann%40example.org/orders"] == server.targets
    assert [{"order_id": "A-1", "product": "Lamp", "stamp": int(START)}] == server.bodies
    assert ANN not in repr(done)


async def test_an_order_keeps_its_own_time(server: OrderServer, clock: VirtualClock) -> None:
    """Also in a mapping, and the caller's object does not change."""
    order = {"order_id": "A-1", "product": "Lamp", "stamp": 1_700_000_000}
    done = await inject(server, clock, order=order)
    assert (1_700_000_000, "A-1") == (server.bodies[0]["stamp"], done.order_id)
    assert ["/receivers/ann%40example.org/orders"] == server.targets


ERROR = {"error": {"code": 400, "message": "Bad Request"}}
FINAL: dict[str, tuple[Any, str]] = {
    "bad request": ((400, ERROR), "refused"),
    "no receiver": ((404, {"error": {"code": 404, "message": "Not Found"}}), "refused"),
    "no right": ((403, ERROR), "refused"),
    "error as success": ((200, ERROR), "refused"),
    "false": ((200, False), "refused"),
    "success is false": ((200, {"success": False}), "refused"),
    "redirect": ((302, b""), "refused"),
    "token refused": ((401, {"error": {"code": 401, "message": "Unauthorized"}}), "failed"),
    "page": ((200, b"<html>login</html>"), "unknown"),
    "server error": ((500, ERROR), "unknown"),
    "bad gateway": ((502, b"<html>"), "unknown"),
    "unavailable": ((503, b""), "unknown"),
    "lost": ("lost", "unknown"),
    "hang": ("hang", "unknown"),
}


@pytest.mark.parametrize(("answer", "status"), FINAL.values(), ids=FINAL)
async def test_an_order_that_may_be_stored_is_sent_once(
    server: OrderServer, clock: VirtualClock, answer: Any, status: str
) -> None:
    """So is one that would be refused again. The reason has no address."""
    server.script = lambda number, order: answer
    done = await inject(server, clock)

    assert (status, 1) == (done.status, len(server.bodies))
    assert done.error is not None
    assert done.reason
    assert ANN not in f"{done.reason}{done}"


async def test_a_hung_server_takes_no_longer_than_the_timeout(
    server: OrderServer, clock: VirtualClock
) -> None:
    """The client's own limit is longer."""
    server.script = lambda number, order: "hang"
    await inject(server, clock, timeout=2)
    assert 2 == clock.elapsed


@pytest.mark.parametrize(
    "answer", ["unreachable", (429, ERROR), (503, b"", {"retry-after": "1"})], ids=str
)
async def test_an_order_that_is_not_stored_is_sent_again(
    server: OrderServer, clock: VirtualClock, answer: Any
) -> None:
    """It is stored once."""
    server.script = lambda number, order: answer if number == 0 else "stored"
    done = await inject(server, clock, timeout=10)
    assert ("delivered", 2, {"A-1": 1}) == (done.status, len(server.bodies), server.stored)


@pytest.mark.parametrize("answer", ["unreachable", (429, ERROR), (429, b"", {"retry-after": "60"})])
async def test_it_gives_up_in_time(server: OrderServer, clock: VirtualClock, answer: Any) -> None:
    """The order was not stored, and can be sent again later."""
    server.script = lambda number, order: answer
    done = await inject(server, clock, timeout=5)
    assert (OrderStatus.FAILED, True) == (done.status, clock.elapsed <= 5)


async def test_the_budget_of_retries_slows_it_down(
    server: OrderServer, clock: VirtualClock
) -> None:
    """Further attempts are 15 s apart, at least."""
    server.script = lambda number, order: "unreachable"
    transport = order_transport(server, clock)
    transport.own_account().budget.level = 0
    transport.own_account().budget.trickle = 0
    async with clock.flowing():
        done = await LiveOrders(transport).inject(ANN, OrderInput("A-1", "Lamp"), timeout=40)
    assert ("failed", [0, 15, 30]) == (done.status, [it - 5000 for it in server.arrivals])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({"order": None}, "the order is None"),
    "no product": ({"order": {"order_id": "A"}}, "the order has no product"),
    "unknown field": ({"order": {"order_id": "A", "product": "x", "sku": 1}}, "no field 'sku'"),
    "no number": ({"order": OrderInput("A", "x", price=float("nan"))}, "not a number"),
    "time": ({"order": OrderInput("A", "x", stamp="soon")}, "stamp is a text"),  # type: ignore[arg-type]
    "object": ({"order": OrderInput("A", object())}, ""),  # type: ignore[arg-type]
    "group": ({"group_id": "Newsletter"}, "group_id is 'Newsletter'"),
}


@pytest.mark.parametrize(("given", "reason"), BAD.values(), ids=BAD)
async def test_an_invalid_order_is_a_result(
    server: OrderServer, clock: VirtualClock, given: dict[str, Any], reason: str
) -> None:
    """Nothing is sent."""
    done = await inject(server, clock, **given)
    assert (OrderStatus.REFUSED, []) == (done.status, server.bodies)
    assert reason in done.reason


@pytest.mark.parametrize("receiver_id", [None, "", "ann", 0, True, [ANN]])
async def test_an_invalid_receiver_is_a_result(
    server: OrderServer, clock: VirtualClock, receiver_id: Any
) -> None:
    """Nothing is sent, and no text is shown, since it may be a mistyped address."""
    done = await live_orders(server, clock).inject(receiver_id, OrderInput("A-1", "Lamp"))
    assert (OrderStatus.REFUSED, []) == (done.status, server.bodies)


class Hostile(dict[str, Any]):
    """A mapping that raises whatever is asked of it."""

    def __iter__(self) -> Any:
        """Raise an error."""
        raise RuntimeError(ANN)


async def test_an_object_that_raises_is_a_result(server: OrderServer, clock: VirtualClock) -> None:
    """Its text is not shown."""
    done = await live_orders(server, clock).inject(ANN, Hostile())
    assert ("refused", "the order cannot be sent (RuntimeError)") == (done.status, done.reason)


@pytest.mark.parametrize("timeout", [0, -1, None, "5", True, float("inf"), float("nan")])
async def test_a_timeout_that_is_none(
    server: OrderServer, clock: VirtualClock, timeout: Any
) -> None:
    """It is a mistake in the program, not in an order."""
    with pytest.raises(ConfigurationError, match="timeout is"):
        await live_orders(server, clock).inject(ANN, OrderInput("A-1", "Lamp"), timeout=timeout)


async def test_a_closed_client_is_a_result() -> None:
    """The order can be sent again by another client."""
    async with CleverReach("token") as cr:
        pass
    done = await cr.orders.inject(ANN, OrderInput("A-1", "Lamp"))
    assert OrderStatus.FAILED == done.status
    assert isinstance(done.error, ClientClosedError)


async def test_an_unexpected_error_is_a_result(clock: VirtualClock) -> None:
    """It is unknown what has become of the order."""

    class Broken(OrderServer):
        async def send(self, method: str, url: str, **options: Any) -> Any:
            raise ValueError(ANN)

    done = await live_orders(Broken(clock), clock).inject(ANN, OrderInput("A-1", "Lamp"))
    assert ("unknown", "unexpected error (ValueError)") == (done.status, done.reason)


async def test_attempts_are_observed(server: OrderServer, clock: VirtualClock) -> None:
    """Metrics see each attempt, as of any other call."""
    seen: list[RequestEvent] = []
    server.script = lambda number, order: "unreachable" if number == 0 else "stored"
    live = LiveOrders(order_transport(server, clock, on_event=seen.append))
    async with clock.flowing():
        await live.inject(ANN, OrderInput("A-1", "Lamp"))
    assert [(1, None), (2, 200)] == [(it.attempt, it.status_code) for it in seen]
    assert {"/receivers/{receiver_id}/orders"} == {it.path for it in seen}


async def test_kinds_of_errors(server: OrderServer, clock: VirtualClock) -> None:
    """The error is that of the last attempt."""
    server.script = lambda number, order: FINAL["token refused"][0]
    assert isinstance((await inject(server, clock)).error, AuthenticationError)
    server.script = lambda number, order: "unreachable"
    assert isinstance((await inject(server, clock)).error, APIConnectionError)


class OwnTokens(StaticToken):
    """A source of tokens that does something before it returns one."""

    before: Callable[[], None]

    async def credential(self, *, max_wait: float | None = None) -> Credential:
        """Do it, and return the token."""
        self.before()
        return await super().credential(max_wait=max_wait)


def with_tokens(server: OrderServer, clock: VirtualClock, before: Callable[[], None]) -> Transport:
    """Return a transport whose source of tokens does something first."""
    transport = order_transport(server, clock)
    tokens = OwnTokens(Secret("token"))
    tokens.before = before
    transport.own_account().tokens = tokens
    return transport


async def test_an_unexpected_error_before_the_request(
    server: OrderServer, clock: VirtualClock
) -> None:
    """The order was certainly not sent."""

    def fail() -> None:
        raise ValueError(ANN)

    live = LiveOrders(with_tokens(server, clock, fail))
    done = await live.inject(ANN, OrderInput("A-1", "Lamp"))
    assert ("failed", "unexpected error (ValueError)", []) == (
        done.status,
        done.reason,
        server.bodies,
    )


async def test_a_stop_while_the_token_is_fetched(server: OrderServer, clock: VirtualClock) -> None:
    """The order is not sent after that, so there is no doubt about it."""
    stop = Stop()
    delivery = OrderDelivery(transport=with_tokens(server, clock, stop.abort), stop=stop)
    order = prepared(ANN, OrderInput("A-1", "Lamp"), None, now=1_700_000_000)
    assert isinstance(order, LiveOrder)
    done = await delivery.deliver(order, 5)
    assert ("failed", "there was no time left to send it", []) == (
        done.status,
        done.reason,
        server.bodies,
    )
