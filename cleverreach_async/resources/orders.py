"""Orders of receivers, one line per product."""

from collections.abc import Mapping
from typing import Any

import attrs

from cleverreach_async.resources.arguments import as_model
from cleverreach_async.resources.base import Resource, receiver_path, refuse_none
from cleverreach_async.resources.order_models import Order, OrderInput
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.times import seconds_on_wire
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.wire import Request, build_request

__all__ = ["OrderLike", "Orders", "creation_of", "order_on_wire"]


OrderLike = OrderInput | Mapping[str, Any]
"""An order to write; a mapping has the fields of ``OrderInput``."""


def order_on_wire(order: OrderLike) -> OrderInput:
    """Return the order with its time in Unix seconds. The input is not changed.

    Raises:
        ConfigurationError: It is no order, or its time cannot be sent.
    """
    order = as_model(order, OrderInput, "the order", "order_id")
    if order.stamp is UNSET:
        return order
    return attrs.evolve(order, stamp=seconds_on_wire(order.stamp, "stamp"))


def creation_of(receiver_id: int | str, order: OrderLike, group_id: int | None) -> Request:
    """Return the request that adds an order line.

    Raises:
        ConfigurationError: The order, or an id, cannot be sent.
    """
    template, path = receiver_path(receiver_id, group_id)
    return build_request("POST", f"{template}/orders", path=path, json=order_on_wire(order))


class Orders(Resource):
    """``cr.orders``: a receiver's orders, in all groups or in one.

    ``receiver_id`` is a pool id or an e-mail address.
    """

    def list(self, receiver_id: int | str, *, group_id: int | None = None) -> Paginator[Order]:
        """List a receiver's order lines; the API does not page them.

        ``GET /receivers/{id}/orders``, ``GET /groups/{group_id}/receivers/{pool_id}/orders``
        """
        template, path = receiver_path(receiver_id, group_id)
        return self._list(Order, f"{template}/orders", path=path)

    async def create(
        self, receiver_id: int | str, order: OrderLike, *, group_id: int | None = None
    ) -> None:
        """Add an order line.

        It is unknown whether the server recognises a repeated line, so the call is not repeated
        after a lost response.

        ``POST /receivers/{pool_id}/orders``, ``POST /groups/{group_id}/receivers/{pool_id}/orders``
        """
        await self._done(creation_of(receiver_id, order, group_id))

    async def update(
        self, receiver_id: int | str, order: OrderLike, *, group_id: int | None = None
    ) -> None:
        """Change the order line that has the input's ``order_id``.

        ``PUT /receivers/{pool_id}/orders/{id}``,
        ``PUT /groups/{group_id}/receivers/{pool_id}/orders/{id}``
        """
        template, path = receiver_path(receiver_id, group_id)
        sent = order_on_wire(order)
        await self._do(
            "PUT",
            f"{template}/orders/{{order_id}}",
            path={**path, "order_id": sent.order_id},
            json=sent,
        )

    async def delete(
        self, receiver_id: int | str, order_id: str, *, group_id: int | Unset = UNSET
    ) -> None:
        """Delete an order in a group, or in the whole account without ``group_id``.

        Raises:
            ConfigurationError: ``group_id`` is ``None``, or an id is not one.

        ``DELETE /receivers/{pool_id}/orders/{id}``,
        ``DELETE /groups/{group_id}/receivers/{pool_id}/orders/{id}``
        """
        refuse_none(group_id)
        template, path = receiver_path(receiver_id, group_id)
        await self._do(
            "DELETE", f"{template}/orders/{{order_id}}", path={**path, "order_id": order_id}
        )
