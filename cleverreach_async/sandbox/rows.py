"""Parse receivers and order lines of requests."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from .behaviour import Behaviour
from .errors import ApiError
from .values import (
    MAX_INT,
    Json,
    apply_increment,
    as_list,
    as_map,
    attribute_text,
    is_email,
    to_int,
)

_ORDER_TEXTS = (
    "order_id",
    "product",
    "product_id",
    "currency",
    "mailing_id",
    "source",
    "brand",
    "product_category",
    "attributes",
)
# M: clients send quantity; old documentation says amount.
_ORDER_NUMBERS = (("amount", "quantity"), ("quantity", "quantity"), ("stamp", "stamp"))


class RowRefusedError(ApiError):
    """A receiver or an order line is invalid: 400, unless it is a row of a batch."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


class SentRow(Struct, gc=False):
    """The fields of a receiver as they were sent, of any type; None if they were not.

    A whole batch is decoded into such rows, without a dict for each.
    """

    email: Json = None
    registered: Json = None
    activated: Json = None
    deactivated: Json = None
    source: Json = None
    attributes: Json = None
    global_attributes: Json = None
    tags: Json = None
    orders: Json = None


_FIELDS = SentRow.__struct_fields__
_decode_rows = msgspec.json.Decoder(list[SentRow]).decode


def sent_rows(raw: bytes) -> list[SentRow] | None:
    """Decode a list of receivers; None if it has anything else, or is not valid."""
    try:
        return _decode_rows(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def sent_row(fields: Mapping[str, Json]) -> SentRow:
    """Return the fields of a receiver from a JSON object."""
    return SentRow(*map(fields.get, _FIELDS))


class InputRow(Struct, gc=False):
    """A valid receiver of a request.

    Attributes:
        email: The address as it was sent.
        key: The address in lower case, which identifies the receiver.
        registered: In unix seconds, None if it was not sent; so are the next two.
        activated: When the receiver confirmed.
        deactivated: When the receiver left.
        source: The origin, None if it was not sent.
        attributes: New values of attributes of the group as they were sent; None and an empty
            string unset one.
        global_attributes: New values of attributes of the account.
        tags: Tags to add, or with a leading ``-`` to remove; None if not sent.
        orders: Order lines to append.
    """

    email: str
    key: str
    registered: int | None
    activated: int | None
    deactivated: int | None
    source: str | None
    attributes: dict[str, Json]
    global_attributes: dict[str, Json]
    tags: list[str] | None
    orders: Sequence[dict[str, Json]]


class AttributeRules:
    """Parses and merges values of the attributes of a group, or of the account.

    Args:
        types: The types of the attributes by name.
        behaviour: The current behaviour.
    """

    def __init__(self, types: Mapping[str, str], behaviour: Behaviour) -> None:
        self._types = dict(types)
        self._has_numbers = "number" in self._types.values()
        self._subtracts = behaviour.negative_number == "subtract"

    def parse(self, value: Json) -> dict[str, Json]:
        """Return the values of known attributes; others are ignored (M).

        An empty PHP array is an empty object (M), and the old string ``k:v,k:v`` works (H).

        Raises:
            RowRefusedError: A value has a wrong type.
        """
        if value is None:
            return {}
        types, given = self._types, as_map(value)
        if given is None:
            if value in ([], ""):
                return {}
            if not isinstance(value, str):
                raise RowRefusedError("invalid attributes")
            pairs = (part.partition(":") for part in value.split(","))
            return {name.strip(): text.strip() for name, _, text in pairs if name.strip() in types}
        if not given.keys() <= types.keys():
            given = {name: item for name, item in given.items() if name in types}
        for name, item in given.items():
            if type(item) is not str and item is not None and attribute_text(item) is None:
                raise RowRefusedError(f"invalid attribute {name}")
        return given

    def merge(self, stored: dict[str, str], changes: Mapping[str, Json]) -> dict[str, str]:
        """Return the values after a change; ``+n`` and ``-n`` add to number attributes (M)."""
        if changes == stored and not self._has_numbers:
            return stored
        result = dict(stored)
        for name, value in changes.items():
            text = value if type(value) is str else attribute_text(value)
            if not text:  # M: null and the empty string unset a value.
                result.pop(name, None)
                continue
            total = None
            if text[0] in "+-" and self._types.get(name) == "number":
                adds = isinstance(value, str) or self._subtracts
                total = apply_increment(result.get(name, "0"), text) if adds else None
            result[name] = text if total is None else total
        return result


class RowParser:
    """Parses the receivers of one request.

    Args:
        local: The attributes of the group.
        shared: The attributes of the account.
        now: The time in unix seconds.
    """

    def __init__(self, local: AttributeRules, shared: AttributeRules, now: int) -> None:
        self._local = local
        self._shared = shared
        self._now = now

    def parse(self, sent: SentRow) -> InputRow:
        """Parse one receiver.

        Raises:
            RowRefusedError: The row is invalid.
        """
        email = sent.email
        if not isinstance(email, str) or not is_email(email):
            # M: v2 reported this per row and stored the other rows of the batch.
            raise RowRefusedError(f"invalid address '{email}'")
        return self.parse_fields(sent, email)

    def parse_fields(self, sent: SentRow, email: str) -> InputRow:
        """Parse everything except the address.

        Raises:
            RowRefusedError: A field has a wrong type.
        """
        source = sent.source
        if source is not None and type(source) is not str:
            if isinstance(source, bool) or not isinstance(source, int):
                raise RowRefusedError("invalid source")
            source = str(source)
        return InputRow(
            email,
            email.lower(),
            _time("registered", sent.registered),
            _time("activated", sent.activated),
            _time("deactivated", sent.deactivated),
            source,
            self._local.parse(sent.attributes),
            self._shared.parse(sent.global_attributes),
            _tags(sent.tags),
            self._orders(sent.orders),
        )

    def _orders(self, value: Json) -> Sequence[dict[str, Json]]:
        """Return the order lines."""
        if value is None:
            return ()
        lines = as_list(value)
        if lines is None:
            raise RowRefusedError("invalid orders")
        return [parse_order(line, self._now) for line in lines]


def _time(name: str, value: Json) -> int | None:
    """Return a time that was sent; null means not sent."""
    if value is None:
        return None
    seconds = value if type(value) is int and value <= MAX_INT else to_int(value)
    if seconds is None or seconds < 0:
        raise RowRefusedError(f"invalid {name}")
    return seconds


def _tags(value: Json) -> list[str] | None:
    """Return the tags, which must be strings."""
    if value is None:
        return None
    tags = as_list(value)
    if tags is None:
        raise RowRefusedError("invalid tags")
    for tag in tags:
        if not isinstance(tag, str):
            raise RowRefusedError("invalid tags")
    return tags


def parse_order(value: Json, now: int) -> dict[str, Json]:
    """Parse an order line; order_id and product are required (H).

    Raises:
        RowRefusedError: The line is invalid.
    """
    fields = as_map(value)
    if fields is None:
        raise RowRefusedError("invalid order")
    order: dict[str, Json] = {"order_id": "", "product": "", "stamp": now}
    order.update(parse_order_changes(fields, required=("order_id", "product")))
    return order


def parse_order_changes(
    fields: Mapping[str, Json], required: tuple[str, ...] = ()
) -> dict[str, Json]:
    """Parse the fields of an order line that were sent.

    Raises:
        RowRefusedError: A field is missing or has a wrong type.
    """
    order: dict[str, Json] = {}
    for name in _ORDER_TEXTS:
        value = fields.get(name)
        if value:
            text = value if type(value) is str else attribute_text(value)
            if text is None:
                raise RowRefusedError(f"invalid order: {name}")
            order[name] = text
        elif name in required:
            raise RowRefusedError(f"invalid order: {name}")
    if (price := fields.get("price")) is not None:
        order["price"] = _price(price)
    for name, key in _ORDER_NUMBERS:
        if (value := fields.get(name)) is not None:
            number = to_int(value)
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
