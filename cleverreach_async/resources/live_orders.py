"""Live orders: those of a checkout, which no failure of the API may break."""

from collections.abc import Callable

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.background_orders import (
    BackgroundDelivery,
    BackgroundOptions,
    BackgroundOrders,
)
from cleverreach_async.resources.kept_orders import KeptOrders, OrderKeeper
from cleverreach_async.resources.order_delivery import OrderDelivery, prepared
from cleverreach_async.resources.order_results import OrderResult
from cleverreach_async.resources.orders import OrderLike, Orders
from cleverreach_async.transport.arguments import check_plain_function, kind_of
from cleverreach_async.transport.numbers import check_above_zero, check_number
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.transport import Transport

__all__ = ["LiveOrders"]


class LiveOrders(Orders):
    """``cr.orders``: a receiver's orders, in all groups or in one, and the orders of a checkout.

    ``receiver_id`` is a pool id or an e-mail address.

    Args:
        transport: Sends the requests of the account.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport.call, transport.clock)
        self._transport = transport

    async def inject(
        self,
        receiver_id: int | str,
        order: OrderLike,
        *,
        group_id: int | None = None,
        timeout: float = 5.0,
    ) -> OrderResult:
        """Add an order line, and return a result instead of raising.

        It is sent again within ``timeout`` only if the server has certainly not stored it.

        Args:
            receiver_id: E-mail address or pool id.
            order: The order. Without ``stamp`` it gets the current time.
            group_id: The group.
            timeout: Seconds for all of it. A renewal of the token that is under way is not cut off.

        Returns:
            The result, also for an invalid order.

        Raises:
            ConfigurationError: The timeout is no number above 0.

        ``POST /receivers/{pool_id}/orders``, ``POST /groups/{group_id}/receivers/{pool_id}/orders``
        """
        check_above_zero("timeout", timeout, "number of seconds")
        ready = prepared(receiver_id, order, group_id, now=int(self._clock.now()))
        if isinstance(ready, OrderResult):
            return ready
        return await OrderDelivery(transport=self._transport).deliver(ready, timeout)

    def background(
        self,
        *,
        on_error: Callable[[OrderResult], object],
        group_id: int | None = None,
        limit: int = 1000,
        concurrency: int = 4,
        max_wait: float = 60.0,
        drain: float = 10.0,
        outbox: OrderKeeper | None = None,
        account: str = "default",
    ) -> BackgroundOrders:
        """Return a sender for ``async with``, whose ``send()`` never waits and never raises.

        Each order is delivered, stored in the outbox, or handed to ``on_error`` exactly once. See
        ``docs/live-orders.md``.

        Args:
            on_error: Called with each order that was not delivered. It must neither block the event
                loop nor call ``send()``. What it raises is logged.
            group_id: The group of orders for which ``send()`` names none.
            limit: Most orders that wait or are in flight.
            concurrency: Most orders in flight.
            max_wait: Seconds from ``send()`` until an order is given up.
            drain: Seconds after the end of the block until the orders in flight are cut off.
            outbox: Where the orders are stored, within milliseconds, instead of being sent from
                memory. They are sent by ``outbox.sending()``.
            account: Name of the account in the outbox.

        Raises:
            ConfigurationError: An argument is invalid.
        """
        check_plain_function("on_error", on_error)
        check_number("limit", limit, least=1)
        check_number("concurrency", concurrency, least=1)
        check_above_zero("max_wait", max_wait, "number of seconds")
        check_above_zero("drain", drain, "number of seconds")
        if outbox is not None and not callable(getattr(outbox, "put_order", None)):
            raise ConfigurationError(f"outbox is {kind_of(outbox)}; pass an Outbox('orders.db')")
        options = BackgroundOptions(
            on_error=on_error,
            group_id=None if group_id is None else check_id("group_id", group_id),
            limit=limit,
            concurrency=concurrency,
            max_wait=max_wait,
            drain=drain,
        )
        delivery: BackgroundDelivery = (
            OrderDelivery(transport=self._transport)
            if outbox is None
            else KeptOrders(outbox=outbox, account=account)
        )
        return BackgroundOrders(delivery, self._clock, options)
