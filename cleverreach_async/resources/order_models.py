"""Models of an order line: as written, and as read."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import attrs

from cleverreach_async.resources.field_types import Extra, Number
from cleverreach_async.resources.unset import UNSET, Unset

__all__ = ["Order", "OrderInput"]


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
