"""Orders that are sent in the background, so that no failure reaches the checkout.

Every order ends exactly once: it is delivered, or handed to ``on_error``. Workers are shielded from
the cancellation of the block, since the orders in flight would be lost with them; the block's end
stops them instead.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Protocol, Self

import anyio
import attrs
from anyio.abc import TaskGroup

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.order_delivery import LiveOrder, prepared
from cleverreach_async.resources.order_results import OrderResult, OrderStatus
from cleverreach_async.resources.orders import OrderLike
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.arguments import check_answer
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.transport.stop import Stop

__all__ = ["BackgroundOptions", "BackgroundOrders"]

_log: Final = logging.getLogger("cleverreach_async")

_TOO_LATE: Final = "the block ended before it was sent"


@attrs.frozen(kw_only=True, eq=False)
class BackgroundOptions:
    """Options of ``cr.orders.background()``.

    Attributes:
        on_error: Called with each order that was not delivered.
        group_id: The group of orders for which ``send()`` names none.
        limit: Most orders that wait or are in flight.
        concurrency: Most orders in flight.
        max_wait: Seconds from ``send()`` until an order is given up.
        drain: Seconds after the end of the block until the orders in flight are cut off.
    """

    on_error: Callable[[OrderResult], object]
    group_id: int | None
    limit: int
    concurrency: int
    max_wait: float
    drain: float


@attrs.frozen(eq=False)
class _Waiting:
    order: LiveOrder
    until: float


class BackgroundDelivery(Protocol):
    """Delivers one order: sends it, or hands it to an outbox."""

    @property
    def stop(self) -> Stop:
        """Ends it; its abort cuts off the requests in flight."""
        ...

    async def deliver(self, order: LiveOrder, seconds: float) -> OrderResult:
        """Deliver an order within some seconds. It raises nothing but cancellation."""
        ...


class BackgroundOrders:
    """Sends orders in the background; see ``cr.orders.background()``. Use it in ``async with``.

    Args:
        delivery: Delivers one order.
        clock: Source of time.
        options: Its options.

    Attributes:
        delivered: Orders that the server has stored.
        kept: Orders that the outbox has stored, if there is one.
        handed_over: Orders that were handed to ``on_error``.
    """

    def __init__(
        self, delivery: BackgroundDelivery, clock: Clock, options: BackgroundOptions
    ) -> None:
        self.delivered: int = 0
        self.kept: int = 0
        self.handed_over: int = 0
        self._delivery = delivery
        self._clock = clock
        self._options = options
        self._queue: deque[_Waiting] = deque()
        self._in_flight = 0
        self._workers = 0
        self._thread: int | None = None
        self._is_open = False
        self._tasks: TaskGroup | None = None
        self._something_to_do = anyio.Event()
        self._ended = anyio.Event()
        self._timer: anyio.CancelScope | None = None

    @property
    def pending(self) -> int:
        """Orders that wait or are in flight."""
        return len(self._queue) + self._in_flight

    def send(
        self, receiver_id: int | str, order: OrderLike, *, group_id: int | Unset | None = UNSET
    ) -> None:
        """Send an order in the background. It returns at once and never raises.

        An order that cannot be accepted is handed to ``on_error`` before this returns: it is
        invalid, too many are pending, or the block has ended. Orders may arrive in another
        sequence.

        Args:
            receiver_id: E-mail address or pool id.
            order: The order. Later changes of the object do not matter.
            group_id: The group; ``None`` for the whole account. By default that of the block.
        """
        group = self._options.group_id if group_id is UNSET else group_id
        ready = prepared(receiver_id, order, group, now=int(self._clock.now()))
        if isinstance(ready, OrderResult):
            self._hand_over(ready)
            return
        reason = self._refusal()
        if reason:
            self._hand_over(ready.ended(OrderStatus.FAILED, reason))
            return
        try:
            until = self._clock.monotonic() + self._options.max_wait
        except Exception as error:  # noqa: BLE001 - whatever the event loop raises in a callback
            reason = "send() was called outside of a task of the event loop"
            self._hand_over(ready.ended(OrderStatus.FAILED, reason, error))
            return
        self._queue.append(_Waiting(ready, until))
        self._wake()

    def _refusal(self) -> str:
        """Return why no order can be accepted now; empty if one can."""
        if not self._is_open:
            return "orders are accepted inside of the async with block only"
        if threading.get_ident() != self._thread:
            return (
                "send() was called from another thread; call it with"
                " anyio.from_thread.run_sync(orders.send, …)"
            )
        limit = self._options.limit
        return f"{limit} orders are pending already" if self.pending >= limit else ""

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise ConfigurationError("background() was entered already; call it again for another")
        self._tasks = await anyio.create_task_group().__aenter__()
        self._thread = threading.get_ident()
        self._workers = self._options.concurrency
        for _ in range(self._workers):
            self._tasks.start_soon(self._work)
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        tasks = self._tasks
        if tasks is None:
            return
        if error is not None and not isinstance(error, Exception):
            self._delivery.stop.request()  # cancelled: begin nothing more
        self._wake()
        try:
            tasks.start_soon(self._cut_off_later)
            with anyio.CancelScope(shield=True):
                await self._ended.wait()
        except BaseException:
            self._delivery.stop.abort()  # cancelled once more, by the event loop itself
            raise
        finally:
            # Without the error of the block, which would be wrapped in a group.
            await tasks.__aexit__(None, None, None)
            while self._queue:  # only if the event loop has cancelled all workers
                left = self._queue.popleft().order
                self._hand_over(left.ended(OrderStatus.FAILED, _TOO_LATE))

    async def _cut_off_later(self) -> None:
        if self._ended.is_set():
            return
        with anyio.CancelScope(shield=True) as self._timer:
            await self._clock.sleep(self._options.drain)
            self._delivery.stop.abort()

    async def _work(self) -> None:
        try:
            with anyio.CancelScope(shield=True):
                while (waiting := await self._next()) is not None:
                    self._settle(await self._deliver(waiting))
        finally:
            self._workers -= 1
            if not self._workers:
                self._ended.set()
                if self._timer is not None:
                    self._timer.cancel()

    def _settle(self, result: OrderResult) -> None:
        if result.delivered:
            self.delivered += 1
        elif result.status is OrderStatus.KEPT:
            self.kept += 1
        else:
            self._hand_over(result)

    async def _next(self) -> _Waiting | None:
        while not self._queue:
            if not self._is_open:
                return None
            await self._something_to_do.wait()
        return self._queue.popleft()

    async def _deliver(self, waiting: _Waiting) -> OrderResult:
        left = waiting.until - self._clock.monotonic()
        if self._delivery.stop.requested:
            return waiting.order.ended(OrderStatus.FAILED, _TOO_LATE)
        if left <= 0:
            reason = f"it waited for {self._options.max_wait:g} s without being sent"
            return waiting.order.ended(OrderStatus.FAILED, reason)
        self._in_flight += 1
        try:
            return await self._delivery.deliver(waiting.order, left)
        except BaseException as error:
            # The event loop itself has cancelled the worker.
            reason = f"its task was cancelled ({type(error).__name__})"
            self._hand_over(waiting.order.ended(OrderStatus.UNKNOWN, reason))
            raise
        finally:
            self._in_flight -= 1

    def _wake(self) -> None:
        self._something_to_do.set()
        self._something_to_do = anyio.Event()

    def _hand_over(self, result: OrderResult) -> None:
        """Hand an order to ``on_error``; what that raises is only logged."""
        self.handed_over += 1
        try:
            check_answer("on_error", self._options.on_error(result))
        except Exception as error:  # noqa: BLE001
            # The checkout must not fail, nor the orders after this one. The text of the error may
            # hold the address.
            _log.error(
                "on_error failed with %s: order %s, %s: %s",
                _kind_of(error),
                _shown(result.order_id),
                result.status,
                result.reason,
            )


def _kind_of(error: Exception) -> str:
    """Return the type of an error, with its text if that is the library's."""
    text = f" ({error})" if type(error) is ConfigurationError else ""
    return f"{type(error).__name__}{mask_emails(text)}"


def _shown(order_id: Any) -> str:
    return (
        mask_emails(str(order_id))[:100] if isinstance(order_id, str | int) else "without a number"
    )
