"""The JSON of receivers."""

import html
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType

from .attributes import definitions
from .behaviour import Behaviour
from .call import Call
from .members import ANY_OF, Member
from .values import MAX_INT, Json, dump_text, load_map

EVENTS, ORDERS, TAGS = 1, 2, 4
"""The bits of ``detail`` (H)."""

MAX_EVENTS = 250
"""The most events per receiver in a response (M)."""

_UNSURE = (
    "imported",
    "bounced",
    "last_changed",
    "active",
    "conversion_rate",
    "open_rate",
    "click_rate",
)


def attributes_json(values: dict[str, str], behaviour: Behaviour) -> Json:
    """Return the JSON of attributes; an empty object may be a list, as PHP encodes it."""
    return values if values or behaviour.empty_map == "object" else []


class Profile(Struct, gc=False):
    """The JSON of a receiver; what is UNSET is left out.

    Its fields are in the order of recorded responses (H).
    """

    id: str
    email: str
    imported: int | UnsetType
    bounced: int | UnsetType
    group_id: str
    activated: int
    registered: int
    deactivated: int
    last_changed: int | UnsetType
    last_ip: str
    last_location: str
    last_client: str
    points: int
    stars: int
    source: str
    active: bool | UnsetType
    conversion_rate: int | UnsetType
    open_rate: int | UnsetType
    click_rate: int | UnsetType
    attributes: Json
    global_attributes: Json
    events: list[dict[str, Json]] | UnsetType = UNSET
    orders: list[dict[str, Json]] | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


def profile(member: Member, shared_names: Sequence[str], behaviour: Behaviour) -> Profile:
    """Return the JSON of a receiver without events, orders and tags.

    Args:
        member: The receiver.
        shared_names: The names of all attributes of the account.
        behaviour: The current behaviour.
    """
    shared = member.global_attributes
    if list(shared) != shared_names:
        # H: all attributes of the account are present; an unset one is an empty string.
        shared = {name: shared.get(name, "") for name in shared_names}
    answer = Profile(
        str(member.id),  # H: ids of receivers and groups are strings, as recorded.
        member.key if behaviour.email_case == "lower" else member.email,
        member.imported,
        member.bounced,
        str(member.group_id) if member.group_id else "",
        member.activated,
        member.registered,
        member.deactivated,
        member.last_changed,
        *("", "", ""),
        *(0, 0),
        member.source,
        member.active,
        *(0, 0, 0),
        attributes_json(member.attributes, behaviour),
        attributes_json(shared, behaviour),
    )
    if behaviour.sparse_profiles:
        for name in _UNSURE:
            setattr(answer, name, UNSET)
    return answer


_TEXT_OF_PRODUCT: Mapping[str, Callable[[str], str]] = {
    "escaped": html.escape,
    "cut": lambda text: text[:30],
    "collapsed": lambda text: " ".join(text.split()),
}


def order_json(line: dict[str, Json], behaviour: Behaviour) -> dict[str, Json]:
    """Return the JSON of an order line."""
    answer = dict(line)
    if behaviour.order_quantity_key == "amount" and "quantity" in line:
        answer = {("amount" if name == "quantity" else name): it for name, it in line.items()}
    if behaviour.order_numbers == "decimal":
        for name in answer.keys() & {"price", "quantity", "amount"}:
            answer[name] = f"{answer[name]:.4f}"
    order_id = line["order_id"]
    if behaviour.order_ids != "text" and order_id.isascii() and order_id.isdecimal():
        answer["order_id"] = (int if behaviour.order_ids == "number" else float)(order_id)
    if change := _TEXT_OF_PRODUCT.get(behaviour.product_text):
        answer["product"] = change(line["product"])
    return answer


Records = dict[int, list[dict[str, Json]]]
"""Events or order lines by receiver id, oldest first."""


def events_of(call: Call, ids: Iterable[int]) -> Records:
    """Return the events of some receivers."""
    sql = f"SELECT receiver_id, data FROM events WHERE receiver_id {ANY_OF} ORDER BY id"  # noqa: S608 - fixed names
    found: Records = {}
    for receiver_id, data in call.store.tuples(sql, dump_text(list(ids))):
        found.setdefault(receiver_id, []).append(load_map(data))
    return found


def orders_of(call: Call, ids: Iterable[int]) -> Records:
    """Return the JSON of the order lines of some receivers, as far as they can be read yet."""
    sql = (
        f"SELECT receiver_id, data FROM orders WHERE receiver_id {ANY_OF} AND saved <= ?"  # noqa: S608 - fixed names
        " ORDER BY line"
    )
    seconds = call.behaviour.orders_visible_after
    until = call.now() - seconds if seconds else MAX_INT
    found: Records = {}
    for receiver_id, data in call.store.tuples(sql, dump_text(list(ids)), until):
        found.setdefault(receiver_id, []).append(order_json(load_map(data), call.behaviour))
    return found


def profiles(call: Call, members: Collection[Member], detail: int) -> list[Profile]:
    """Return the JSON of receivers, with the parts that the bits of ``detail`` select (H)."""
    store, behaviour = call.store, call.behaviour
    shared_names = list(definitions(store, 0))
    answers = [profile(member, shared_names, behaviour) for member in members]
    ids = [member.id for member in members]
    events = events_of(call, ids) if detail & EVENTS else {}
    orders = orders_of(call, ids) if detail & ORDERS else {}
    for member, answer in zip(members, answers, strict=True):
        if detail & EVENTS:
            answer.events = events.get(member.id, [])[-MAX_EVENTS:]
        if detail & ORDERS:
            answer.orders = orders.get(member.id, [])
        if detail & TAGS:
            answer.tags = member.tags
    return answers
