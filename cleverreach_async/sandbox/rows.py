"""Parse receivers and order lines of requests."""

from collections.abc import Mapping
from dataclasses import dataclass

from .behaviour import Behaviour
from .errors import ApiError
from .values import Json, apply_increment, as_list, as_map, attribute_text, is_email, to_int

TIMES = ("registered", "activated", "deactivated")
_ORDER_TEXTS = (
    "product_id",
    "currency",
    "mailing_id",
    "source",
    "brand",
    "product_category",
    "attributes",
)


class RowRefusedError(ApiError):
    """A receiver or an order line is invalid: 400, unless it is a row of a batch."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


@dataclass(slots=True)
class InputRow:
    """A valid receiver of a request.

    Attributes:
        email: The address as it was sent.
        key: The address in lower case, which identifies the receiver.
        times: The times that were sent.
        source: The origin, None if it was not sent.
        attributes: New values of attributes of the group as they were sent; None and an empty
            string unset one.
        global_attributes: New values of attributes of the account.
        tags: Tags to add, or with a leading ``-`` to remove; None if not sent.
        orders: Order lines to append.
    """

    email: str
    key: str
    times: dict[str, int]
    source: str | None
    attributes: dict[str, Json]
    global_attributes: dict[str, Json]
    tags: list[str] | None
    orders: list[dict[str, Json]]


def parse_row(
    value: Json, local: Mapping[str, str], shared: Mapping[str, str], now: int
) -> InputRow:
    """Parse one receiver of a request.

    Args:
        value: The JSON value.
        local: The types of the attributes of the group by name.
        shared: The types of the attributes of the account by name.
        now: The time in unix seconds.

    Raises:
        RowRefusedError: The row is invalid.
    """
    fields = as_map(value)
    if fields is None:
        raise RowRefusedError("invalid receiver")
    email = fields.get("email")
    if not isinstance(email, str) or not is_email(email):
        # M: v2 reported this per row and stored the other rows of the batch.
        raise RowRefusedError(f"invalid address '{email}'")
    return parse_fields(fields, email, local, shared, now)


def parse_fields(
    fields: Mapping[str, Json],
    email: str,
    local: Mapping[str, str],
    shared: Mapping[str, str],
    now: int,
) -> InputRow:
    """Parse everything except the address.

    Raises:
        RowRefusedError: A field has a wrong type.
    """
    source = fields.get("source")
    if isinstance(source, bool) or not isinstance(source, str | int | None):
        raise RowRefusedError("invalid source")
    return InputRow(
        email=email,
        key=email.lower(),
        times=_times(fields),
        source=None if source is None else str(source),
        attributes=parse_attributes(fields.get("attributes"), local),
        global_attributes=parse_attributes(fields.get("global_attributes"), shared),
        tags=_tags(fields.get("tags")),
        orders=_orders(fields.get("orders"), now),
    )


def _times(fields: Mapping[str, Json]) -> dict[str, int]:
    """Return the times that were sent; null means not sent."""
    times: dict[str, int] = {}
    for name in TIMES:
        if (value := fields.get(name)) is not None:
            seconds = to_int(value)
            if seconds is None or seconds < 0:
                raise RowRefusedError(f"invalid {name}")
            times[name] = seconds
    return times


def parse_attributes(value: Json, types: Mapping[str, str]) -> dict[str, Json]:
    """Return the values of known attributes; others are ignored (M).

    An empty PHP array is an empty object (M), and the old string ``k:v,k:v`` works (H).

    Raises:
        RowRefusedError: A value has a wrong type.
    """
    if value in (None, [], ""):
        return {}
    if isinstance(value, str):
        pairs = (part.partition(":") for part in value.split(","))
        return {name.strip(): text.strip() for name, _, text in pairs if name.strip() in types}
    given = as_map(value)
    if given is None:
        raise RowRefusedError("invalid attributes")
    values = {name: item for name, item in given.items() if name in types}
    for name, item in values.items():
        if item is not None and attribute_text(item) is None:
            raise RowRefusedError(f"invalid attribute {name}")
    return values


def merge_attributes(
    stored: Mapping[str, str],
    changes: Mapping[str, Json],
    types: Mapping[str, str],
    behaviour: Behaviour,
) -> dict[str, str]:
    """Return the values after a change; ``+n`` and ``-n`` add to number attributes (M)."""
    result = dict(stored)
    for name, value in changes.items():
        text = attribute_text(value)
        if not text:  # M: null and the empty string unset a value.
            result.pop(name, None)
            continue
        adds = isinstance(value, str) or behaviour.negative_number == "subtract"
        is_number = types.get(name) == "number"
        total = apply_increment(result.get(name, "0"), text) if is_number and adds else None
        result[name] = text if total is None else total
    return result


def _tags(value: Json) -> list[str] | None:
    """Return the tags, which must be strings."""
    if value is None:
        return None
    tags = as_list(value)
    if tags is None or not all(isinstance(tag, str) for tag in tags):
        raise RowRefusedError("invalid tags")
    return tags


def _orders(value: Json, now: int) -> list[dict[str, Json]]:
    """Return the order lines."""
    if value is None:
        return []
    lines = as_list(value)
    if lines is None:
        raise RowRefusedError("invalid orders")
    return [parse_order(line, now) for line in lines]


def parse_order(value: Json, now: int) -> dict[str, Json]:
    """Parse an order line; order_id and product are required (H).

    Raises:
        RowRefusedError: The line is invalid.
    """
    fields = as_map(value)
    if fields is None:
        raise RowRefusedError("invalid order")
    order: dict[str, Json] = {"order_id": "", "product": ""}
    return order | {"stamp": now} | parse_order_changes(fields, required=("order_id", "product"))


def parse_order_changes(
    fields: Mapping[str, Json], required: tuple[str, ...] = ()
) -> dict[str, Json]:
    """Parse the fields of an order line that were sent.

    Raises:
        RowRefusedError: A field is missing or has a wrong type.
    """
    order: dict[str, Json] = {}
    for name in ("order_id", "product", *_ORDER_TEXTS):
        text = attribute_text(fields.get(name, "") or "")
        if text is None or (name in required and not text):
            raise RowRefusedError(f"invalid order: {name}")
        if text:
            order[name] = text
    if fields.get("price") is not None:
        order["price"] = _price(fields["price"])
    # M: clients send quantity; old documentation says amount.
    for name, key in (("amount", "quantity"), ("quantity", "quantity"), ("stamp", "stamp")):
        if fields.get(name) is not None:
            number = to_int(fields[name])
            if number is None:
                raise RowRefusedError(f"invalid order: {name}")
            order[key] = number
    return order


def _price(value: Json) -> float:
    """Return a price; numeric strings are accepted."""
    try:
        price = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        price = float("nan")
    if not abs(price) < float("inf"):
        raise RowRefusedError("invalid order: price")
    return price
