"""What the outbox sends: a receiver with orders, or an order of an existing receiver: plain values.

It is checked and encoded when it is put, so that what is stored can be sent.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import attrs
import msgspec

from cleverreach_async.bulk.intake.valid_addresses import is_address
from cleverreach_async.bulk.rows import EncodedRow, email_key
from cleverreach_async.bulk.strategies import UPSERTPLUS
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import receiver_path
from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.resources.orders import OrderLike, order_on_wire
from cleverreach_async.resources.receiver_arguments import ReceiverLike, as_receiver
from cleverreach_async.resources.receiver_wire import receiver_on_wire
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.sources.addresses import strip_address
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.paths import check_id, check_receiver_id
from cleverreach_async.transport.wire import Request, build_request, encode_body

__all__ = [
    "OrderLine",
    "Parcel",
    "as_parcel",
    "check_account",
    "is_unwritable",
    "order_parcel",
    "receiver_parcel",
    "row_of",
    "write_of",
]

_MOST_CHARACTERS: Final = 500
_decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_orders: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


@attrs.frozen(order=True)
class OrderLine:
    """What identifies an order line within a receiver.

    Attributes:
        order_id: The shop's order number.
        product: Product name.
        nth: Its number among the lines of this order and product, from 1.
    """

    order_id: str
    product: str
    nth: int


@attrs.frozen(kw_only=True)
class Parcel:
    """What one request sends.

    Attributes:
        account: Name of the account, which only the user's code knows.
        receiver: E-mail address, or pool id as text.
        group_id: The group; ``None`` for the whole account.
        creates: Whether the receiver is written too, and created if there is none; otherwise only
            the order.
        body: The receiver, or the order, as JSON.
        lines: The order lines.
    """

    account: str
    receiver: str = attrs.field(repr=False)
    group_id: int | None
    creates: bool
    body: str = attrs.field(repr=False)
    lines: tuple[OrderLine, ...] = attrs.field(repr=False)

    @property
    def receiver_digest(self) -> str:
        """What identifies the receiver after the address was removed."""
        key = email_key(self.receiver)
        return sha256(f"{self.account}\n{key}".encode()).hexdigest()

    def with_lines(self, lines: Sequence[OrderLine]) -> "Parcel":
        """Return a parcel with some of the lines only."""
        if len(lines) == len(self.lines):
            return self
        # The parts stay as they are: numbers would be read as floats.
        fields = _decode_fields(self.body)
        orders = _decode_orders(fields["orders"])
        pairs = zip(self.lines, orders, strict=True)
        kept = msgspec.json.encode([order for line, order in pairs if line in lines])
        body = msgspec.json.encode({**fields, "orders": msgspec.Raw(kept)}).decode()
        return attrs.evolve(self, body=body, lines=tuple(lines))


def receiver_parcel(receiver: ReceiverLike, *, account: str, group_id: int, now: float) -> Parcel:
    """Return what sends a receiver with orders.

    Args:
        receiver: The receiver.
        account: Name of the account.
        group_id: The group.
        now: Unix time, for orders without a time: they may be sent much later.

    Raises:
        ConfigurationError: It has no orders, or something in it cannot be sent.
    """
    model = as_receiver(receiver)
    if not model.orders:
        raise ConfigurationError(
            "the receiver has no orders; the outbox is for orders: write receivers without them"
            " with cr.receivers.upsert() or cr.bulk"
        )
    orders = [_dated(order, now) for order in model.orders]
    given: Any = model.email
    address = strip_address(given) if isinstance(given, str) else ""
    if not is_address(address):
        raise ConfigurationError("the email of the receiver is no e-mail address")
    wire = receiver_on_wire(attrs.evolve(model, email=address, orders=orders))
    return Parcel(
        account=check_account(account),
        receiver=address,
        group_id=check_id("group_id", group_id),
        creates=True,
        body=encode_body(wire).decode(),
        lines=_lines_of(orders),
    )


def order_parcel(
    receiver_id: int | str, order: OrderLike, *, account: str, group_id: int | None, now: float
) -> Parcel:
    """Return what sends an order of a receiver who exists already.

    Raises:
        ConfigurationError: Something in it cannot be sent.
    """
    dated = _dated(order, now)
    return Parcel(
        account=check_account(account),
        receiver=check_receiver_id("receiver_id", receiver_id),
        group_id=None if group_id is None else check_id("group_id", group_id),
        creates=False,
        body=encode_body(dated).decode(),
        lines=_lines_of([dated]),
    )


def write_of(parcel: Parcel) -> Request:
    """Return the request that sends a parcel."""
    if parcel.creates:
        request = build_request(
            "POST", UPSERTPLUS.path, path={"group_id": parcel.group_id or 0}, idempotent=False
        )
        return attrs.evolve(request, content=f"[{parcel.body}]".encode())
    template, path = receiver_path(parcel.receiver, parcel.group_id)
    request = build_request("POST", f"{template}/orders", path=path, idempotent=False)
    return attrs.evolve(request, content=parcel.body.encode())


def row_of(parcel: Parcel) -> EncodedRow:
    """Return a parcel as a row of an import, whose look-ups compare it with what is stored."""
    body = parcel.body if parcel.creates else f'{{"orders":[{parcel.body}]}}'
    return EncodedRow(
        email_key(parcel.receiver), body.encode(), 1, None, repeatable=False, relative=False
    )


def _dated(order: OrderLike, now: float) -> OrderInput:
    """Return an order with its time, whose number and product are texts."""
    model = order_on_wire(order)
    changes: dict[str, Any] = {
        "order_id": _checked_text("order_id", model.order_id),
        "product": _checked_text("product", model.product),
    }
    if model.stamp is UNSET:
        changes["stamp"] = int(now)
    return attrs.evolve(model, **changes)


def _checked_text(name: str, value: object) -> str:
    """Return what identifies an order line, without which it could not be looked up."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} of an order is {kind_of(value)}; pass a text")
    if not value.strip():
        raise ConfigurationError(
            f"{name} of an order is empty; the outbox needs it to find the order again after a"
            " lost answer"
        )
    if len(value) > _MOST_CHARACTERS or "\0" in value:
        raise ConfigurationError(
            f"{name} of an order is longer than {_MOST_CHARACTERS} characters, or has a zero byte"
        )
    return value


def is_unwritable(text: str) -> bool:
    """Whether a database or a file name cannot hold a text."""
    return re.search("[\0\ud800-\udfff]", text) is not None


def check_account(account: object) -> str:
    """Return the name of an account.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(account, str) or not account or is_unwritable(account):
        raise ConfigurationError(
            "account is no name; pass the text by which your code finds the account again, such as"
            " 'shop-42'"
        )
    return account


def _lines_of(orders: Sequence[OrderInput]) -> tuple[OrderLine, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    lines: list[OrderLine] = []
    for order in orders:
        key = (order.order_id, order.product)
        counts[key] += 1
        lines.append(OrderLine(*key, counts[key]))
    return tuple(lines)


def as_parcel(fields: Mapping[str, Any], lines: Sequence[OrderLine] = ()) -> Parcel:
    """Return a parcel from its stored fields."""
    return Parcel(
        account=fields["account"],
        receiver=fields["receiver"],
        group_id=fields["group_id"],
        creates=bool(fields["creates"]),
        body=fields["body"],
        lines=tuple(lines),
    )
