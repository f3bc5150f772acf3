"""Automations for abandoned carts, as the vendor's shop plugins use them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.arguments import as_model
from cleverreach_async.resources.base import Resource, body, unwrap
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.success import failure_in
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.wire import as_object, build_request

__all__ = ["AbandonedCart", "Automation", "CartAutomation", "CartItem"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Price = Decimal | float | int


@attrs.define(kw_only=True)
class CartItem:
    """One product in an abandoned cart. Fields that are not set are not sent.

    Attributes:
        id: The shop's id of the product.
        name: Name of the product.
        sku: The shop's number of the product.
        description: Description.
        amount: How many of it.
        image: URL of a picture.
        single_price: Price of one.
        product_url: URL of the product.
    """

    id: str
    name: str
    sku: str | Unset = UNSET
    description: str | Unset = UNSET
    amount: int | Unset = UNSET
    image: str | Unset = UNSET
    single_price: Price | Unset = UNSET
    product_url: str | Unset = UNSET


@attrs.define(kw_only=True)
class AbandonedCart:
    """A cart that was not ordered. Fields that are not set are not sent.

    Attributes:
        store_id: The shop, as it was given when the automation was created.
        return_url: URL at which the receiver finds the cart again.
        items: Its products, as :class:`CartItem` or mappings of its fields.
        total: Sum of the prices.
        vat: Tax in it.
        currency: Code such as ``EUR``.
    """

    store_id: str
    return_url: str
    items: Sequence[CartItem | Mapping[str, Any]]
    total: Price | Unset = UNSET
    vat: Price | Unset = UNSET
    currency: str | Unset = UNSET


@attrs.frozen(kw_only=True)
class CartAutomation:
    """An automation for abandoned carts.

    Attributes:
        id: Its id, which is text.
        name: Name as shown in the account.
        description: Description.
        type: The vendor's type.
        last_executed: When it last ran, or ``None`` for never.
        active: Whether it is active.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    aliases: ClassVar[Mapping[str, str]] = {"lastExecuted": "last_executed"}

    id: str
    name: str = ""
    description: str = attrs.field(default="", repr=False)
    type: str = ""
    last_executed: datetime | None = attrs.field(default=None, repr=False)
    active: bool = False
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Automation(Resource):
    """``cr.automation``: automations that mail receivers who left a cart.

    The vendor does not document these calls; its shop plugins use them.
    """

    async def create_abandoned_cart(
        self,
        *,
        name: str,
        store_id: str,
        description: str | Unset = UNSET,
        source: str | Unset = UNSET,
    ) -> CartAutomation:
        """Create an automation for abandoned carts. The call is not repeated after a lost response.

        Args:
            name: Name as shown in the account.
            store_id: The shop, any text of yours.
            description: Description.
            source: The system that the carts come from.

        ``POST /automation/createfromtemplate/abandonedcart``
        """
        fields = body(name=name, storeid=store_id, description=description, source=source)
        template = "/automation/createfromtemplate/abandonedcart"
        request = build_request("POST", template, json=fields)
        created = self._done(request, _has_id_of_letters)
        # No variable holds what the server sent, since error reports show variables.
        return structure(
            unwrap(await created, request), CartAutomation, method="POST", path=template
        )

    async def trigger_abandoned_cart(
        self,
        pool_id: int,
        cart: AbandonedCart | Mapping[str, Any],
        *,
        group_id: int,
        cart_id: str,
        customer_id: str | Unset = UNSET,
    ) -> None:
        """Start the automation for a receiver. The call is not repeated after a lost response.

        Args:
            pool_id: Pool id of the receiver; an address does not do.
            cart: The cart, or a mapping of its fields.
            group_id: The group that the receiver is in.
            cart_id: The shop's id of the cart.
            customer_id: The shop's id of the customer.

        Raises:
            ConfigurationError: An id is not one, ``cart`` is no cart or has no products.

        ``POST /trigger/abandonedcart``
        """
        fields = body(
            poolid=str(check_id("pool_id", pool_id)),
            groupid=str(check_id("group_id", group_id)),
            cartId=_checked_text("cart_id", cart_id),
            customerId=customer_id,
            abandonedCartData=_cart_on_wire(cart),
        )
        await self._do("POST", "/trigger/abandonedcart", json=fields)


def _has_id_of_letters(response: Any) -> bool:
    """Whether a response is an automation, whose id need not be a number."""
    fields = as_object(response)
    word = fields.get("id")
    is_id = isinstance(word, str) and bool(_ID.fullmatch(word)) and not word.isdecimal()
    return is_id and failure_in({**fields, "id": 1}) is None


def _checked_text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        shown = "empty" if isinstance(value, str) else kind_of(value)
        raise ConfigurationError(f"{name} is {shown}; pass text")
    return value


def _cart_on_wire(value: object) -> dict[str, Any]:
    cart = as_model(value, AbandonedCart, "the cart", "store_id")
    _check_items(cart.items)
    return body(
        storeId=cart.store_id,
        returnUrl=cart.return_url,
        total=cart.total,
        vat=cart.vat,
        currency=cart.currency,
        cartItems=[_item_on_wire(item) for item in cart.items],
    )


def _check_items(items: object) -> None:
    kind = kind_of(items)
    is_list = isinstance(items, Sequence) and not isinstance(items, str | bytes)
    if not is_list or not items:
        shown = "empty" if is_list else kind
        raise ConfigurationError(f"items of the cart is {shown}; pass a list of products")


def _item_on_wire(value: object) -> dict[str, Any]:
    item = as_model(value, CartItem, "an item of the cart", "id")
    return body(
        id=item.id,
        sku=item.sku,
        name=item.name,
        description=item.description,
        amount=item.amount,
        image=item.image,
        singlePrice=item.single_price,
        productUrl=item.product_url,
    )
