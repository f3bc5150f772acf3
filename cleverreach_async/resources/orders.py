"""Orders of receivers, one line per product."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import attrs

from cleverreach_async.resources.arguments import as_model
from cleverreach_async.resources.base import UNSET, Resource, Unset, receiver_path, refuse_none
from cleverreach_async.resources.converter import Extra, Number
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.times import seconds_on_wire

__all__ = ["Order", "OrderInput", "Orders"]


@attrs.define
class OrderInput:
    """One product line of an order. Lines of one order share the ``order_id``.

    Attributes:
        order_id: The shop's order number.
        product: Product name.
        product_id: Article number.
        price: Price of one item.
        currency: ISO 4217 code, such as ``EUR``.
        quantity: Number of items.
        mailing_id: The mailing that led to the order (tracking parameter ``crmailing``).
        source: Name of the shop.
        brand: Brand.
        product_category: Category names, separated by commas.
        attributes: ``key:value`` pairs, separated by commas.
        stamp: Time of the order: an aware ``datetime`` or Unix seconds. Now by default.
    """

    order_id: str
    product: str
    product_id: str | Unset = UNSET
    price: Decimal | float | Unset = UNSET
    currency: str | Unset = UNSET
    quantity: int | Unset = UNSET
    mailing_id: int | str | Unset = UNSET
    source: str | Unset = UNSET
    brand: str | Unset = UNSET
    product_category: str | Unset = UNSET
    attributes: str | Unset = UNSET
    stamp: datetime | int | Unset = UNSET


@attrs.frozen(kw_only=True)
class Order:
    """One product line as the API returns it.

    A value under an older name beside one under the newer name stays in ``extra``.

    Attributes:
        order_id: The shop's order number.
        product: Product name.
        product_id: Article number.
        price: Price of one item.
        currency: ISO 4217 code, or an empty string.
        quantity: Number of items, whole or not; older responses call it ``amount``, in which some
            shops store the price of the line.
        mailing_id: The mailing that led to the order, or 0.
        source: Name of the shop; older responses call it ``product_source``.
        brand: Brand; older responses call it ``vendor``.
        product_category: Category names, separated by commas.
        attributes: ``key:value`` pairs, separated by commas.
        stamp: Time of the order.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    aliases: ClassVar[Mapping[str, str]] = {
        "amount": "quantity",
        "product_source": "source",
        "vendor": "brand",
    }

    order_id: str
    product: str = ""
    product_id: str = ""
    price: float = 0.0
    currency: str = ""
    quantity: Number = 1
    mailing_id: int = 0
    source: str = ""
    brand: str = ""
    product_category: str = ""
    attributes: str = ""
    stamp: datetime | None = None
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


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
        template, path = receiver_path(receiver_id, group_id)
        await self._do("POST", f"{template}/orders", path=path, json=order_on_wire(order))

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
