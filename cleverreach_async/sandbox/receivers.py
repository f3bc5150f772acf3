"""Lists of receivers in a group, and single receivers in a group or in the account."""

from collections.abc import Mapping

from msgspec.structs import replace

from .attributes import attribute_rules, in_stored_spelling, load_attribute
from .call import Call, text, whole
from .errors import ApiError, bad_value, not_found
from .groups import order_clause
from .members import (
    ANY_OF,
    Member,
    change_data,
    change_times,
    delete_receiver,
    find_member,
    find_members,
    key_of,
    leave_group,
    load_members,
    memberships,
)
from .profiles import EVENTS, ORDERS, TAGS, profiles
from .routing import route
from .rows import AttributeRules, RowParser, sent_row
from .saving import save_members, save_orders
from .store import ACTIVE, Store
from .values import MAX_INT, Json, dump_text, split_csv

EVERYTHING = EVENTS | ORDERS | TAGS
MAX_PAGE = 5000
STATES = {
    "all": "",
    "active": f" AND {ACTIVE}",
    "inactive": f" AND NOT {ACTIVE}",
    "bounce": " AND m.bounced > 0",
}
"""SQL for the states of receivers."""
BY_ID = "m.receiver_id"
"""The column of the primary key: SQLite would sort all rows of a group by the same in ``r.id``."""
ORDERABLE = {
    "id": BY_ID,
    "email": "r.email_key",
    "registered": "m.registered",
    "activated": "m.activated",
    "deactivated": "m.deactivated",
    "imported": "m.imported",
    "bounced": "m.bounced",
    "last_changed": "m.last_changed",
    "source": "m.source",
}


def find_receiver(call: Call, receiver: str, group_id: int = 0) -> Member:
    """Return the receiver with an id or address, which must exist in the group or the account."""
    if group_id:
        member = find_member(call.store, group_id, receiver)
    else:
        key = key_of(call.store, receiver)
        member = None if key is None else find_members(call.store, 0, [key]).get(key)
    if member is None:
        raise not_found("receiver")  # H: live-tested text
    return member


def path_receiver(call: Call) -> Member:
    """Return the receiver in the path, in the group in the path or in ``group_id``."""
    group_id = call.scope() or call.query_number("group_id")
    return find_receiver(call, call.params["receiver"], group_id)


def one_receiver(call: Call, member: Member) -> Json:
    """Return the JSON of a receiver with all details (H)."""
    return profiles(call, [member], EVERYTHING)[0]


def _query_members(call: Call, source: Mapping[str, Json]) -> Json:
    """Return a page of receivers; the parameters are in the query or the body."""
    group_id = call.group()
    limit, offset = call.page(MAX_PAGE, source=source)
    state = STATES.get(text(source, "type", "all") or "all")
    if state is None:
        raise bad_value("type", "one of all, active, inactive, bounce")
    conditions, values = [f"m.group_id = ?{state}"], list[object]([group_id])
    for name, column in (("email_list", "r.email_key"), ("id_list", "CAST(r.id AS TEXT)")):
        if source.get(name):
            conditions.append(f"{column} {ANY_OF}")
            values.append(dump_text([part.lower() for part in split_csv(source[name])]))
    default = f"{BY_ID} ASC"
    order = order_clause(text(source, "order_by"), ORDERABLE, "order_by", default)
    if offset and (order, state, len(conditions)) == (default, "", 1):
        conditions.append(f"{BY_ID} >= ?")
        values.append(_id_at(call.store, group_id, offset))
        offset = 0
    where = " AND ".join(conditions)
    rest = f"WHERE {where} ORDER BY {order}, {BY_ID} LIMIT ? OFFSET ?"
    members = load_members(call.store, rest, *values, limit, offset)
    # H: no total and no link to the next page; a short page is the last one.
    return profiles(call, members, whole(source, "detail"))


def _id_at(store: Store, group_id: int, place: int) -> int:
    """Return the id at a place in a group, without loading the rows before it."""
    sql = "SELECT receiver_id FROM members WHERE group_id = ? ORDER BY receiver_id LIMIT 1 OFFSET ?"
    found = store.value(sql, group_id, place)
    return MAX_INT if found is None else int(found)


def list_receivers(call: Call) -> Json:
    """GET /groups/{id}/receivers."""
    return _query_members(call, call.query)


def query_receivers(call: Call) -> Json:
    """POST /groups/{id}/get_receivers: the same with parameters in the body (L)."""
    return _query_members(call, call.fields() if call.raw else {})


def get_receiver(call: Call) -> Json:
    """GET …/receivers/{id or address}: without a group, its fields of a group are empty (M)."""
    try:
        member = path_receiver(call)
    except ApiError:
        # M: the vendor's SDK treats an empty list as "not found".
        if call.behaviour.missing_receiver_read == "empty_list":
            return []
        raise
    if not member.group_id:
        tags = dict.fromkeys(tag for m in memberships(call.store, member.id) for tag in m.tags)
        member = replace(member, tags=list(tags))
    return call.single_read(one_receiver(call, member))


def update_receiver(call: Call) -> Json:
    """PUT /groups/{id}/receivers/{id or address}: omitted fields are kept (H)."""
    member = path_receiver(call)
    sent = in_stored_spelling(sent_row(call.fields()), call.behaviour)
    local, shared = attribute_rules(call, member.group_id), attribute_rules(call, 0)
    row = RowParser(local, shared, call.now()).parse_fields(sent, member.email)
    if row.tags is not None and call.behaviour.put_tags == "replace":
        member = replace(member, tags=[])  # L: one client names this call "replace tags"
    change_times(member, row, call.behaviour)
    change_data(member, row, local, shared, call.now())
    with call.store.transaction():
        save_members(call.store, [member])
        lines = [(member.id, order) for order in row.orders]
        save_orders(call.store, lines, call.now(), dedupe=call.behaviour.dedupe_orders)
    return one_receiver(call, member)


def remove_receiver(call: Call) -> Json:
    """DELETE …/receivers/{id or address}: from the group, or else from the account (M)."""
    member = path_receiver(call)
    with call.store.transaction():
        if member.group_id:
            leave_group(call.store, member)
        else:
            delete_receiver(call.store, member.id)
    return True  # H: live-tested


def activate(call: Call) -> Json:
    """PUT /groups/{id}/receivers/{id or address}/activate."""
    member = path_receiver(call)
    changed = replace(member, activated=member.activated or call.now(), deactivated=0)
    save_members(call.store, [replace(changed, last_changed=call.now())])
    return True  # H: live-tested


def deactivate(call: Call) -> Json:
    """PUT /groups/{id}/receivers/{id or address}/deactivate."""
    now = call.now()
    save_members(call.store, [replace(path_receiver(call), deactivated=now, last_changed=now)])
    return True  # H: live-tested


# Attribute values.


def list_values(call: Call) -> Json:
    """GET …/receivers/{id or address}/attributes: of the group, or else of the account (M)."""
    member = path_receiver(call)
    values = member.attributes if member.group_id else member.global_attributes
    rows = call.store.rows(
        "SELECT id, name FROM attributes WHERE group_id = ? ORDER BY id", member.group_id
    )
    return [row | {"value": values.get(row["name"], "")} for row in rows]


def set_value(call: Call) -> Json:
    """PUT …/receivers/{id or address}/attributes/{id}."""
    member = path_receiver(call)
    row = load_attribute(call.store, call.number("id", "attribute"))
    if row["group_id"] not in {0, member.group_id}:
        raise not_found("attribute")
    change = {row["name"]: text(call.fields(), "value")}
    rules = AttributeRules({row["name"]: row["type"]}, call.behaviour)
    if row["group_id"]:
        values = rules.merge(member.attributes, change)
        save_members(call.store, [replace(member, attributes=values, last_changed=call.now())])
    else:
        values = rules.merge(member.global_attributes, change)
        call.store.run(
            "UPDATE receivers SET global_attributes = ? WHERE id = ?", dump_text(values), member.id
        )
    if call.behaviour.set_value_answer == "true":
        return True
    return {"id": row["id"], "name": row["name"], "value": values.get(row["name"], "")}


_ALL = "/v3/groups/{group}/receivers"
_IN_GROUP = f"{_ALL}/{{receiver}}"
_ONE = "/v3/receivers/{receiver}"
ROUTES = (
    route("GET", _ALL, list_receivers),
    route("POST", "/v3/groups/{group}/get_receivers", query_receivers),
    route("PUT", _IN_GROUP, update_receiver),
    route("PUT", f"{_IN_GROUP}/activate", activate),
    route("PUT", f"{_IN_GROUP}/deactivate", deactivate),
    *(
        route(method, f"{receiver}{path}", operation)
        for receiver in (_IN_GROUP, _ONE)
        for method, path, operation in (
            ("GET", "", get_receiver),
            ("DELETE", "", remove_receiver),
            ("GET", "/attributes", list_values),
            ("PUT", "/attributes/{id}", set_value),
        )
    ),
)
