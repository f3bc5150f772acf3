"""Orders in the background: each is delivered or handed over exactly once, whatever happens."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import START
from support.event_loops import anyio_backend
from support.order_server import OrderServer, live_orders
from support.virtual_time import VirtualClock

from cleverreach_async import (
    BackgroundOrders,
    CleverReach,
    ConfigurationError,
    OrderInput,
    OrderResult,
)

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio

ANN = "ann@example.org"
BUSY = (429, {"error": {"code": 429, "message": "Too many requests"}})


class Desk:
    """A server, its clock, and the orders that were handed over.

    Attributes:
        clock: The clock.
        server: The server.
        failed: The orders that were handed over.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.server = OrderServer(self.clock)
        self.failed: list[OrderResult] = []

    def background(self, **options: Any) -> BackgroundOrders:
        """Return a sender of orders."""
        settings: dict[str, Any] = {"on_error": self.failed.append} | options
        return live_orders(self.server, self.clock).background(**settings)

    def outcomes(self) -> list[tuple[str, str]]:
        """Return number and status of the orders that were handed over."""
        return sorted((str(it.order_id), it.status.value) for it in self.failed)

    def check(self, orders: BackgroundOrders, sent: int) -> None:
        """Check that each order is delivered or handed over, and that none is doubled."""
        handed = Counter(str(it.order_id) for it in self.failed)
        certain = {str(it.order_id) for it in self.failed if it.status.value != "unknown"}
        assert (sent, 0) == (orders.delivered + orders.handed_over, orders.pending)
        assert orders.handed_over == len(self.failed)
        assert {1} >= set(handed.values()) | set(self.server.stored.values())
        assert set() == certain & set(self.server.stored)
        assert orders.delivered == len(set(self.server.stored) - set(handed))


@pytest.fixture
def desk() -> Desk:
    """A server that stores orders."""
    return Desk()


def always(answer: Any) -> Callable[[int, str], Any]:
    """Return a script with one answer."""
    return lambda number, order_id: answer


def order(number: int = 1) -> OrderInput:
    """Return an order."""
    return OrderInput(f"A-{number}", "Lamp")


async def test_orders_are_delivered_before_the_block_ends(desk: Desk) -> None:
    """In their group, with the time at which they were sent, a few at once."""
    async with desk.clock.flowing(), desk.background(group_id=7, concurrency=3) as orders:
        for number in range(10):
            orders.send(ANN, order(number))
        orders.send(17, order(10), group_id=8)
        orders.send(ANN, {"order_id": "A-11", "product": "Mug"}, group_id=None)
        assert ([], 12, 0) == (desk.server.bodies, orders.pending, orders.delivered)

    desk.check(orders, 12)
    assert (12, 3, []) == (orders.delivered, desk.server.peak, desk.failed)
    assert {"/groups/7/receivers/ann%40example.org/orders": 10} | {
        "/groups/8/receivers/17/orders": 1,
        "/receivers/ann%40example.org/orders": 1,
    } == Counter(desk.server.targets)
    assert {int(START)} == {body["stamp"] for body in desk.server.bodies}


async def test_later_changes_of_an_order_do_not_matter(desk: Desk) -> None:
    """The caller may use the object again."""
    async with desk.clock.flowing(), desk.background() as orders:
        sent = order()
        orders.send(ANN, sent)
        sent.order_id, sent.product = "B", "Mug"
    assert ["A-1"] == [body["order_id"] for body in desk.server.bodies]


async def test_an_order_keeps_the_time_of_its_checkout(desk: Desk) -> None:
    """It may be delivered much later, or by the caller itself."""
    desk.server.script = lambda number, _: "unreachable" if number == 0 else "stored"
    async with desk.clock.flowing(), desk.background() as orders:
        await desk.clock.sleep(5)
        orders.send(ANN, order())
        await desk.clock.sleep(50)
        orders.send("nobody", order(2))
        desk.server.script = always((404, b""))
        orders.send(ANN, order(3))
    assert {int(START) + 5} == {body["stamp"] for body in desk.server.bodies[:2]}
    assert isinstance(desk.failed[1].order, OrderInput)
    assert int(START) + 55 == desk.failed[1].order.stamp


BAD: dict[str, Callable[[BackgroundOrders], None]] = {
    "none": lambda it: it.send(ANN, None),  # type: ignore[arg-type]
    "text": lambda it: it.send(ANN, "A-1"),  # type: ignore[arg-type]
    "no product": lambda it: it.send(ANN, {"order_id": "A-1"}),
    "no receiver": lambda it: it.send(None, order()),  # type: ignore[arg-type]
    "no address": lambda it: it.send("ann", order()),
    "group": lambda it: it.send(ANN, order(), group_id="x"),  # type: ignore[arg-type]
    "time": lambda it: it.send(ANN, OrderInput("A", "x", stamp=-1)),
    "object": lambda it: it.send(ANN, OrderInput("A", object())),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("send", BAD.values(), ids=BAD)
async def test_bad_input_is_handed_over(
    desk: Desk, send: Callable[[BackgroundOrders], None]
) -> None:
    """At once; nothing is raised or sent. The reason has no address."""
    async with desk.background() as orders:
        send(orders)
        [failed] = desk.failed
    desk.check(orders, 1)
    assert ("refused", []) == (failed.status, desk.server.bodies)
    assert failed.reason
    assert ANN not in failed.reason + repr(failed)


async def test_a_receiver_who_does_not_exist(desk: Desk) -> None:
    """Sending it again would not help. The result has all that is needed for something else."""
    desk.server.script = always((404, {"error": {"code": 404, "message": "Not Found"}}))
    async with desk.clock.flowing(), desk.background(group_id=7) as orders:
        orders.send(ANN, order())
    [failed] = desk.failed
    assert ("refused", ANN, "A-1", 7, 1) == (
        failed.status,
        failed.receiver_id,
        failed.order_id,
        failed.group_id,
        len(desk.server.bodies),
    )


async def test_the_queue_is_bounded(desk: Desk) -> None:
    """Those above the limit are handed over at once, and places become free again."""
    async with desk.clock.flowing(), desk.background(limit=3, concurrency=1) as orders:
        for number in range(5):
            orders.send(ANN, order(number))
        assert [("A-3", "failed"), ("A-4", "failed")] == desk.outcomes()
        await desk.clock.sleep(1)
        orders.send(ANN, order(5))
    desk.check(orders, 6)
    assert "3 orders are pending already" == desk.failed[0].reason


async def test_orders_in_flight_count_for_the_limit(desk: Desk) -> None:
    """Otherwise more would be held than said."""
    desk.server.script = always("hang")
    async with desk.clock.flowing(), desk.background(limit=2, concurrency=2) as orders:
        for number in range(3):
            orders.send(ANN, order(number))
            await desk.clock.sleep(1)
        assert [("A-2", "failed")] == desk.outcomes()


async def test_a_hung_server_leaves_doubt(desk: Desk) -> None:
    """After the client's timeout. The order is not sent again."""
    desk.server.script = always("hang and store")
    async with desk.clock.flowing(), desk.background(drain=100) as orders:
        orders.send(ANN, order())
    desk.check(orders, 1)
    assert ([("A-1", "unknown")], 30) == (desk.outcomes(), desk.clock.elapsed)


async def test_a_server_that_is_down_for_minutes(desk: Desk) -> None:
    """Orders wait for up to a minute. It gets few requests, and later orders are delivered."""

    def script(number: int, order_id: str) -> str:
        return "unreachable" if desk.clock.elapsed < 300 else "stored"

    desk.server.script = script
    async with desk.clock.flowing(), desk.background() as orders:
        for number in range(40):
            orders.send(ANN, order(number))
            await desk.clock.sleep(10)
    desk.check(orders, 40)
    assert {"failed"} == {it.status.value for it in desk.failed}
    assert len(desk.failed) <= 26
    assert orders.delivered >= 14
    down = [at for at in desk.server.arrivals if at < 5300]
    assert len(down) <= 60


async def test_an_order_is_delivered_after_a_short_outage(desk: Desk) -> None:
    """It was certainly not stored before."""

    def script(number: int, order_id: str) -> str:
        return "unreachable" if desk.clock.elapsed < 20 else "stored"

    desk.server.script = script
    async with desk.clock.flowing(), desk.background() as orders:
        orders.send(ANN, order())
        await desk.clock.sleep(60)
        assert 1 == orders.delivered


@pytest.mark.parametrize(
    "answer", ["unreachable", BUSY, (429, b"", {"retry-after": "1000"})], ids=str
)
async def test_orders_are_given_up_in_time(desk: Desk, answer: Any) -> None:
    """Whether they wait in the queue, for the next attempt, or for the gate."""
    desk.server.script = always(answer)
    async with desk.clock.flowing(), desk.background(max_wait=20, concurrency=1) as orders:
        for number in range(5):
            orders.send(ANN, order(number))
        await desk.clock.sleep(20.5)
        assert 0 == orders.pending
    desk.check(orders, 5)
    assert [(f"A-{n}", "failed") for n in range(5)] == desk.outcomes()


async def test_orders_behind_a_hung_one_are_given_up(desk: Desk) -> None:
    """They were not sent in time, so they can be sent later."""
    desk.server.script = always("hang")
    async with desk.clock.flowing(), desk.background(max_wait=20, concurrency=1) as orders:
        orders.send(ANN, order(1))
        await desk.clock.sleep(0.5)
        orders.send(ANN, order(2))
        orders.send(ANN, order(3))
        await desk.clock.sleep(21)
        assert [("A-1", "unknown"), ("A-2", "unknown"), ("A-3", "failed")] == desk.outcomes()
    assert "it waited for 20 s without being sent" == desk.failed[-1].reason


# The end of the block.


async def test_the_end_of_the_block_has_a_deadline(desk: Desk) -> None:
    """Then orders in flight are in doubt, and the others were not sent."""
    desk.server.script = always("hang")
    async with desk.clock.flowing(), desk.background(drain=3, concurrency=2) as orders:
        for number in range(4):
            orders.send(ANN, order(number))
    desk.check(orders, 4)
    assert 3 == desk.clock.elapsed
    statuses = ["unknown", "unknown", "failed", "failed"]
    assert [(f"A-{n}", status) for n, status in enumerate(statuses)] == desk.outcomes()
    reasons = {it.reason for it in desk.failed if it.status == "failed"}
    assert {"the block ended before it was sent"} == reasons


async def test_waits_between_attempts_end_at_the_deadline(desk: Desk) -> None:
    """The order was not stored, so there is no doubt."""
    desk.server.script = always("unreachable")
    async with desk.clock.flowing(), desk.background(drain=2, concurrency=1) as orders:
        orders.send(ANN, order(1))
        orders.send(ANN, order(2))
    desk.check(orders, 2)
    assert (2, {"failed"}) == (desk.clock.elapsed, {it.status.value for it in desk.failed})


async def test_an_empty_block_ends_at_once(desk: Desk) -> None:
    """No timer is left."""
    async with desk.clock.flowing():
        async with desk.background():
            pass
        assert 0 == desk.clock.elapsed


async def test_after_the_block_orders_are_handed_over(desk: Desk) -> None:
    """Before it too. Nothing is raised."""
    orders = desk.background()
    orders.send(ANN, order(1))
    async with desk.clock.flowing(), orders:
        orders.send(ANN, order(2))
    orders.send(ANN, order(3))
    desk.check(orders, 3)
    assert [("A-1", "failed"), ("A-3", "failed")] == desk.outcomes()


async def test_the_error_of_the_block_is_raised_as_it_is(desk: Desk) -> None:
    """It is in no group, and orders are delivered nevertheless."""
    orders = desk.background()

    async def serve() -> None:
        async with orders:
            orders.send(ANN, order())
            raise KeyError("checkout")

    async with desk.clock.flowing():
        with pytest.raises(KeyError, match="checkout"):
            await serve()
    assert 1 == orders.delivered


@pytest.mark.parametrize("answer", ["stored", "hang", "unreachable"])
async def test_a_cancelled_block_hands_orders_over(desk: Desk, answer: str) -> None:
    """Nothing more is sent. What is in flight may end until the deadline."""
    desk.server.script = lambda number, order_id: answer
    orders = desk.background(concurrency=1, drain=4)

    async def serve() -> None:
        async with orders:
            for number in range(3):
                orders.send(ANN, order(number))
            await anyio.sleep_forever()

    requests = 0
    async with desk.clock.flowing(), anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await desk.clock.sleep(1)
        tasks.cancel_scope.cancel()
        requests = len(desk.server.bodies)
    desk.check(orders, 3)
    assert requests == len(desk.server.bodies)
    assert {"hang": 5}.get(answer, 1) == desk.clock.elapsed
    assert {"stored": 3}.get(answer, 0) == orders.delivered


async def test_a_block_that_is_cancelled_before_it_begins(desk: Desk) -> None:
    """Its orders are delivered or handed over, and nothing hangs."""
    orders = desk.background()
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with desk.clock.flowing(), orders:
            orders.send(ANN, order())
            await anyio.sleep_forever()
    desk.check(orders, 1)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_asyncio_cancels_twice(desk: Desk) -> None:
    """The second time cuts off what is in flight."""
    desk.server.script = always("hang and store")
    orders = desk.background(concurrency=1)

    async def serve() -> None:
        async with orders:
            orders.send(ANN, order(1))
            orders.send(ANN, order(2))
            await anyio.sleep_forever()

    task = asyncio.create_task(serve())
    for _ in range(2):
        await anyio.wait_all_tasks_blocked()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    desk.check(orders, 2)
    assert [("A-1", "unknown"), ("A-2", "failed")] == desk.outcomes()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_workers_that_asyncio_cancels(desk: Desk) -> None:
    """Somebody may cancel all tasks. Their orders are in doubt, the others were not sent."""
    desk.server.script = always("unreachable")
    orders = desk.background(concurrency=1)
    async with orders:
        orders.send(ANN, order(1))
        orders.send(ANN, order(2))
        await anyio.wait_all_tasks_blocked()
        workers = [task for task in asyncio.all_tasks() if "_work" in task.get_name()]
        for task in workers:
            task.cancel()
    desk.check(orders, 2)
    assert 1 == len(workers)
    assert [("A-1", "unknown"), ("A-2", "failed")] == desk.outcomes()


# on_error.


async def test_an_on_error_that_fails_is_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """With the number of the order, without the address. The next orders are delivered."""

    def on_error(failed: OrderResult) -> None:
        desk.failed.append(failed)
        raise ValueError(ANN)

    desk.server.script = lambda number, _: "lost" if number == 0 else "stored"
    with caplog.at_level(logging.DEBUG):
        async with (
            desk.clock.flowing(),
            desk.background(on_error=on_error, concurrency=1) as orders,
        ):
            orders.send(ANN, order(1))
            orders.send(ANN, order(2))
            orders.send(ANN, {"order_id": ANN, "product": None})
    desk.check(orders, 3)
    logged = [it.getMessage() for it in caplog.records if it.levelno == logging.ERROR]
    assert 2 == len(logged)
    assert any("ValueError: order A-1, unknown: " in it for it in logged)
    assert ANN not in caplog.text


async def test_an_on_error_that_sends_again(desk: Desk) -> None:
    """It is a mistake, but breaks nothing."""

    def on_error(_: OrderResult) -> None:
        orders.send(ANN, order(9))

    orders = desk.background(limit=1, on_error=on_error)
    async with desk.clock.flowing(), orders:
        orders.send(ANN, order(1))
        orders.send(ANN, order(2))
    assert 1 == orders.delivered


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no function": ({"on_error": None}, "on_error is None; pass a function"),
    "group": ({"group_id": "x"}, "group_id is 'x'"),
    "limit": ({"limit": 0}, "limit is 0"),
    "truth": ({"limit": True}, "limit is True"),
    "workers": ({"concurrency": 1.5}, "concurrency is 1.5"),
    "wait": ({"max_wait": -1}, "max_wait is -1"),
    "no end": ({"drain": float("inf")}, "drain is inf"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
async def test_mistakes_are_told_at_the_start(
    desk: Desk, given: dict[str, Any], message: str
) -> None:
    """Not at the first order that fails."""
    with pytest.raises(ConfigurationError, match=message):
        desk.background(**given)


async def test_an_async_on_error_is_refused(desk: Desk) -> None:
    """It would never run, since send() does not wait."""

    async def on_error(_: OrderResult) -> None:
        """Never called."""

    with pytest.raises(ConfigurationError, match="async function; pass a plain one"):
        desk.background(on_error=on_error)


async def test_an_on_error_that_returns_a_coroutine_is_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """It looks like a plain function, and nobody would await what it returns."""

    async def save(failed: OrderResult) -> None:
        desk.failed.append(failed)

    def on_error(failed: OrderResult) -> Any:
        return save(failed)

    async with desk.clock.flowing(), desk.background(on_error=on_error) as orders:
        orders.send(ANN, {"order_id": "A-1", "product": None})
    assert (1, []) == (orders.handed_over, desk.failed)
    assert ": order A-1, refused: the order has no product" in caplog.text
    assert "on_error is an async function; pass a plain one" in caplog.text


async def test_a_block_is_entered_once(desk: Desk) -> None:
    """A second one would share its queue."""
    orders = desk.background()
    async with orders:
        pass
    with pytest.raises(ConfigurationError, match="entered already"):
        await orders.__aenter__()


# Other threads, other loops, closed clients.


async def test_another_thread(desk: Desk) -> None:
    """The order is handed over with the remedy, which works."""
    desk.clock.monotonic = lambda: 0.0  # type: ignore[method-assign]
    async with desk.background() as orders:
        await anyio.to_thread.run_sync(orders.send, ANN, order(1))
        await anyio.to_thread.run_sync(
            lambda: anyio.from_thread.run_sync(orders.send, ANN, order(2))
        )
    desk.check(orders, 2)
    assert (1, True) == (orders.delivered, "anyio.from_thread" in desk.failed[0].reason)


async def test_a_clock_that_cannot_be_read(desk: Desk) -> None:
    """As that of the event loop, outside of a task."""

    def broken() -> float:
        raise RuntimeError(ANN)

    async with desk.background() as orders:
        desk.clock.monotonic = broken  # type: ignore[method-assign]
        orders.send(ANN, order())
    assert ("failed", "send() was called outside of a task of the event loop") == (
        desk.failed[0].status,
        desk.failed[0].reason,
    )


async def test_a_closed_client() -> None:
    """The order was not sent, and can be sent by another client."""
    failed: list[OrderResult] = []
    async with CleverReach("token") as cr:
        pass
    async with cr.orders.background(on_error=failed.append) as orders:
        orders.send(ANN, order())
    assert [("failed", True)] == [(it.status, "client is closed" in it.reason) for it in failed]


ANSWERS = st.sampled_from(
    ["stored", "lost", "unreachable", "hang", "hang and store", BUSY, (500, b""), (404, b"")]
)


@given(
    st.lists(ANSWERS, max_size=30),
    st.integers(1, 12),
    st.integers(1, 4),
    st.sampled_from([0.5, 5, 40]),
    st.sampled_from([0.0, 0.3, 12.0]),
    st.booleans(),
)
async def test_every_order_ends_exactly_once(
    answers: list[Any], limit: int, concurrency: int, drain: float, pause: float, cancels: bool
) -> None:
    """Under any answers, limits and ends; none is stored twice."""
    desk = Desk()
    desk.server.script = lambda number, _: answers[number] if number < len(answers) else "stored"
    orders = desk.background(limit=limit, concurrency=concurrency, drain=drain)

    async def serve() -> None:
        async with orders:
            for number in range(15):
                orders.send(ANN if number % 5 else "nobody", order(number))
                if pause:
                    await desk.clock.sleep(pause)
            if cancels:
                await anyio.sleep_forever()

    with anyio.fail_after(30):
        async with desk.clock.flowing(), anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            if cancels:
                await desk.clock.sleep(7)
                tasks.cancel_scope.cancel()
    sent = orders.delivered + orders.handed_over
    desk.check(orders, sent)
    assert sent == 15 or (cancels and pause)


class Keeper:
    """An outbox that stores orders in memory, or fails."""

    def __init__(self) -> None:
        self.kept: list[tuple[object, ...]] = []

    async def put_order(
        self, receiver_id: Any, order: Any, *, group_id: int | None, account: str
    ) -> int:
        """Store an order; some cannot be stored."""
        await anyio.lowlevel.checkpoint()
        if order.order_id == "A-2":
            raise ConfigurationError("the disk is full")
        if order.order_id == "A-3":
            raise ZeroDivisionError(ANN)
        self.kept.append((receiver_id, order.order_id, order.stamp, group_id, account))
        return 1


async def test_orders_can_be_stored_in_an_outbox(desk: Desk) -> None:
    """Nothing is sent from memory; only what could not be stored is handed over."""
    keeper = Keeper()
    async with desk.background(outbox=keeper, account="shop-42", group_id=7) as orders:
        for number in range(1, 5):
            orders.send(ANN, order(number))
        orders.send(ANN, order(5), group_id=None)
    kept = [(ANN, f"A-{number}", START, 7, "shop-42") for number in (1, 4)]
    # Several are stored at a time, in any order.
    assert [*kept, (ANN, "A-5", START, None, "shop-42")] == sorted(keeper.kept, key=str)
    assert [("A-2", "refused"), ("A-3", "failed")] == sorted(desk.outcomes())
    assert ["the disk is full", "unexpected error (ZeroDivisionError)"] == sorted(
        (it.reason for it in desk.failed), reverse=False
    )
    assert (3, 0, 2, []) == (
        orders.kept,
        orders.delivered,
        orders.handed_over,
        desk.server.bodies,
    )
