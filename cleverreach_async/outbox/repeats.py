"""Order lines that are put again: the same ones, or others under the same name."""

import logging
from collections.abc import Sequence
from typing import Any, Final

from cleverreach_async.outbox.parcels import Parcel
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["warn_of_changes"]

_log: Final = logging.getLogger("cleverreach_async")


def warn_of_changes(parcel: Parcel, order_id: str, known: Sequence[tuple[bool, str]]) -> None:
    """Warn if lines of an order are known with other values: those put now are not sent.

    Args:
        parcel: What is put.
        order_id: Number of an order of which some lines are known.
        known: The entries with lines of it: whether each writes the receiver, and its body, which
            is empty when the data was removed.
    """
    if not known or not all(body for _, body in known):
        return  # nobody knows
    try:
        now = _lines_in(order_id, parcel.body, creates=parcel.creates)
        before = [
            it for creates, body in known for it in _lines_in(order_id, body, creates=creates)
        ]
    except ValueError:  # such as a number of hundreds of digits
        return
    products = [line["product"] for line in before]
    if any(line not in before and line["product"] in products for line in now):
        _log.warning(
            "order %r is in the outbox already, with other values: those put now are not sent."
            " Change it with cr.orders.update(), or give different lines different product names",
            mask_emails(order_id),
        )


def _lines_in(order_id: str, body: str, *, creates: bool) -> list[dict[str, Any]]:
    """Return the lines of an order in a body, without the time, which may be that of the call."""
    value = parse_json(body.encode())
    return [
        {name: field for name, field in order.items() if name != "stamp"}
        for order in (value["orders"] if creates else [value])
        if order["order_id"] == order_id
    ]
