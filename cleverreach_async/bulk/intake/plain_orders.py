"""Which orders are sent as they are, without a look at each row: pure."""

from collections.abc import Iterable
from itertools import chain
from math import isfinite
from typing import Any, Final, cast

from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.resources.unset import UNSET

__all__ = ["are_plain_orders"]

_TEXTS: Final = frozenset(
    {"order_id", "product", "product_id", "currency", "source", "brand", "product_category"}
    | {"attributes"}
)
_NUMBERS: Final = frozenset({"price", "quantity", "mailing_id"})
_REQUIRED: Final = ("order_id", "product")


def are_plain_orders(orders: Iterable[Iterable[Any]]) -> bool:
    """Whether orders can be sent as they are, and have no time that has to be checked.

    Args:
        orders: The orders of each row that has some.
    """
    return all(
        line.stamp is UNSET if type(line) is OrderInput else _is_plain_mapping(line)
        for line in chain.from_iterable(orders)
    )


def _is_plain_mapping(line: Any) -> bool:
    """Whether a mapping has the fields of an order, with values that need no conversion."""
    if type(line) is not dict:
        return False
    fields = cast("dict[str, Any]", line)
    return all(name in fields for name in _REQUIRED) and all(
        _is_plain_value(name, value) for name, value in fields.items()
    )


def _is_plain_value(name: str, value: object) -> bool:
    kind = type(value)
    if kind is str:
        return name in _TEXTS or name == "mailing_id"
    if kind is int:
        return name in _NUMBERS
    return name == "price" and isinstance(value, float) and isfinite(value)
