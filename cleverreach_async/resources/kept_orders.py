"""Background orders that are written to an outbox instead of being sent from memory."""

from typing import Protocol

import attrs

from cleverreach_async.errors import CleverReachError, ConfigurationError
from cleverreach_async.resources.order_delivery import LiveOrder
from cleverreach_async.resources.order_results import OrderResult, OrderStatus
from cleverreach_async.resources.orders import OrderLike
from cleverreach_async.transport.stop import Stop

__all__ = ["KeptOrders", "OrderKeeper"]


class OrderKeeper(Protocol):
    """What can keep orders until they are sent: :class:`~cleverreach_async.Outbox`."""

    async def put_order(
        self, receiver_id: int | str, order: OrderLike, *, group_id: int | None, account: str
    ) -> int:
        """Store an order; returns how many of its lines are new."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class KeptOrders:
    """Hands orders to an outbox, in place of a delivery.

    Attributes:
        outbox: The outbox.
        account: Name of the account there.
        stop: Ends the block.
    """

    outbox: OrderKeeper
    account: str
    stop: Stop = attrs.field(factory=Stop)

    async def deliver(self, order: LiveOrder, seconds: float) -> OrderResult:
        """Store an order. It raises nothing but cancellation."""
        del seconds  # the outbox has a limit of its own
        try:
            await self.outbox.put_order(
                order.receiver_id, order.order, group_id=order.group_id, account=self.account
            )
        except Exception as error:  # noqa: BLE001 - no error may end the task
            known = isinstance(error, CleverReachError)
            reason = str(error) if known else f"unexpected error ({type(error).__name__})"
            # What the outbox refuses it would refuse again.
            is_refused = isinstance(error, ConfigurationError)
            status = OrderStatus.REFUSED if is_refused else OrderStatus.FAILED
            return order.ended(status, reason, error)
        return order.ended(OrderStatus.KEPT)
