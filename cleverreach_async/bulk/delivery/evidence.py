"""What a receiver that was read back shows about a row in doubt: pure functions."""

import enum
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, getcontext
from typing import Any, Final, cast

import msgspec

from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.resources.values import read_attributes
from cleverreach_async.transport.wire import as_list, as_object, is_numbered

_EXACT: Final = 2**53
"""Above it, decimals do not tell whole numbers from each other."""

_is_number: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?").fullmatch

__all__ = ["Evidence", "Profile", "evidence_of", "lines_by_order", "order_number"]

Profile = Mapping[str, Any]


class Evidence(enum.Enum):
    """What a look-up shows about a row."""

    STORED = "stored"
    """The server has the data of the row."""
    ABSENT = "absent"
    """The server does not have it; the row can be sent again."""
    UNCLEAR = "unclear"
    """The server has other data, or does not say."""


def evidence_of(row: EncodedRow, profile: Profile | None, *, is_certain: bool = True) -> Evidence:
    """Compare a receiver as read back with its row.

    Args:
        row: The row.
        profile: The receiver; ``None`` if there is none.
        is_certain: Whether it is that of the row's address; if not, its address has another
            spelling, and may be that of another receiver.
    """
    if profile is None:
        return Evidence.ABSENT
    sent = cast("dict[str, Any]", msgspec.json.decode(row.body))
    if sent.get("orders"):
        return _evidence_of_orders(sent["orders"], profile.get("orders"))
    if row.relative or not is_certain:
        return Evidence.UNCLEAR  # what a relative number was before is not known
    return Evidence.STORED if _has_values_of(sent, profile) else Evidence.UNCLEAR


def _evidence_of_orders(sent: Sequence[Any], stored: Any) -> Evidence:
    """Compare order lines. An order whose id the server has is never absent.

    The server may have changed the text of its lines; or an earlier request has stored other lines.
    """
    if not isinstance(stored, list) and not is_numbered(stored):
        return Evidence.UNCLEAR  # a response without orders says nothing about them
    lines = as_list(stored)
    if not Counter(map(_order_line, sent)) - Counter(map(_order_line, lines)):
        return Evidence.STORED
    ids_of_lines = [_ids_of(line, with_number=_is_decimal(line)) for line in lines]
    known = set[str]().union(*ids_of_lines)
    is_absent = all(ids_of_lines) and all(known.isdisjoint(_ids_of(order)) for order in sent)
    return Evidence.ABSENT if is_absent else Evidence.UNCLEAR


def lines_by_order(orders: Sequence[Any]) -> Counter[str]:
    """Return the number of lines of each order, whatever their text is."""
    return Counter(order_number(as_object(order).get("order_id")) for order in orders)


def order_number(value: object) -> str:
    """Return the number of an order in a form in which two orders are hardly ever the same."""
    text = unicodedata.normalize("NFKC", html.unescape(str(value))).strip().casefold()
    # As a float, long numbers would be the same; so would still longer ones as a decimal.
    is_exact = len(text) <= getcontext().prec and _is_number(text)
    return str(Decimal(text).normalize()) if is_exact else text


def _order_line(order: Any) -> tuple[str, str]:
    """Return the id and the product of an order line, in which entities and spaces are equal."""
    fields = as_object(order)
    order_id, product = fields.get("order_id"), html.unescape(str(fields.get("product")))
    if isinstance(order_id, float) and order_id.is_integer() and order_id < _EXACT:
        order_id = int(order_id)
    return str(order_id), " ".join(product.split())


def _is_decimal(order: Any) -> bool:
    """Whether a server sends an id as a decimal: with zeros, or without the last of many digits."""
    order_id = as_object(order).get("order_id")
    return isinstance(order_id, float) or "." in str(order_id)


def _ids_of(order: Any, *, with_number: bool = True) -> set[str]:
    """Return the id of an order line in forms that hardly depend on how a server writes it.

    Args:
        order: The line; without an id it has no form.
        with_number: Whether its value is one of them, if it is a number.
    """
    value = as_object(order).get("order_id")
    text = unicodedata.normalize("NFKC", html.unescape("" if value is None else str(value))).strip()
    letters = "".join(filter(str.isalnum, text.casefold())).lstrip("0")
    found = {letters} if letters else set[str]()
    if with_number:
        with suppress(ValueError):
            found.add(f"number {float(text)}")
    return found


def _has_values_of(sent: Mapping[str, Any], profile: Profile) -> bool:
    """Whether the receiver has all values of the row."""
    for field in ("registered", "activated", "deactivated", "source"):
        if field in sent and str(sent[field]) != str(profile.get(field)):
            return False
    for field in ("attributes", "global_attributes"):
        stored = _attributes_in(profile.get(field))
        for name, value in as_object(sent.get(field)).items():
            if str("" if value is None else value) != str(stored.get(name) or ""):
                return False
    return True


def _attributes_in(value: Any) -> Mapping[str, Any]:
    try:
        return read_attributes(value)
    except (ValueError, TypeError):
        return {}
