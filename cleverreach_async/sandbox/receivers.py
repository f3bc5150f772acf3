"""Receivers of one group: listing, and one at a time."""

from collections.abc import Mapping
from dataclasses import replace

from .attributes import definitions, load_attribute
from .batch import leave_group
from .call import Call, page_of, text, whole
from .errors import ApiError, bad_value, not_found
from .groups import order_clause
from .members import (
    ANY_OF,
    Member,
    change_data,
    change_times,
    find_member,
    load_members,
    save_members,
    save_orders,
)
from .profiles import EVENTS, ORDERS, TAGS, profiles
from .routing import route
from .rows import RowRefusedError, merge_attributes, parse_fields
from .store import ACTIVE
from .values import Json, dump_text, split_csv

EVERYTHING = EVENTS | ORDERS | TAGS
MAX_PAGE = 5000
_STATES = {
    "all": "",
    "active": f" AND {ACTIVE}",
    "inactive": f" AND NOT {ACTIVE}",
    "bounce": " AND m.bounced > 0",
}
ORDERABLE = {
    "id": "r.id",
    "email": "r.email_key",
    **{
        name: f"m.{name}"
        for name in (
            "registered",
            "activated",
            "deactivated",
            "imported",
            "bounced",
            "last_changed",
            "source",
        )
    },
}


def group_member(call: Call) -> Member:
    """The receiver in the path, which has to be in the group in the path."""
    member = find_member(call.store, call.group(), call.params["receiver"])
    if member is None:
        raise not_found("receiver")  # H: live-tested text
    return member


def one_receiver(call: Call, member: Member) -> Json:
    """A receiver with everything, as a single read answers it (H)."""
    return profiles(call, [member], EVERYTHING)[0]


def single_read(call: Call, answer: Json) -> Json:
    """The object, or a list of one, which the vendor's SDK unwraps (M)."""
    return answer if call.behaviour.single_read == "object" else [answer]


def _query_members(call: Call, source: Mapping[str, Json]) -> Json:
    """A page of receivers for the parameters of a query or a body."""
    group_id = call.group()
    limit, offset = page_of(
        source, call.behaviour, size_key="pagesize", default=50, maximum=MAX_PAGE
    )
    state = _STATES.get(text(source, "type", "all") or "all")
    if state is None:
        raise bad_value("type", "one of all, active, inactive, bounce")
    conditions, values = [f"m.group_id = ?{state}"], list[object]([group_id])
    for name, column in (("email_list", "r.email_key"), ("id_list", "CAST(r.id AS TEXT)")):
        if source.get(name):
            conditions.append(f"{column} {ANY_OF}")
            values.append(dump_text([part.lower() for part in split_csv(source[name])]))
    where = " AND ".join(conditions)
    order = order_clause(text(source, "order_by"), ORDERABLE, "order_by", "r.id ASC")
    rest = f"WHERE {where} ORDER BY {order}, r.id LIMIT ? OFFSET ?"
    members = load_members(call.store, rest, *values, limit, offset)
    # H: no total, no link to a next page; the end is a page shorter than the size.
    return profiles(call, members, whole(source, "detail"))


def list_receivers(call: Call) -> Json:
    """GET /groups/{id}/receivers."""
    return _query_members(call, call.query)


def query_receivers(call: Call) -> Json:
    """POST /groups/{id}/get_receivers: the same with the parameters in the body (L)."""
    return _query_members(call, call.fields() if call.raw else {})


def get_receiver(call: Call) -> Json:
    """GET /groups/{id}/receivers/{id or address}."""
    try:
        member = group_member(call)
    except ApiError:
        # M: the vendor's SDK treats an empty list as not found.
        if call.behaviour.missing_receiver_read == "empty_list":
            return []
        raise
    return single_read(call, one_receiver(call, member))


def update_receiver(call: Call) -> Json:
    """PUT /groups/{id}/receivers/{id or address}: what is not sent stays (H)."""
    member = group_member(call)
    fields = call.fields()
    local, shared = definitions(call.store, member.group_id), definitions(call.store, 0)
    try:
        row = parse_fields(fields, member.email, local, shared, call.now())
    except RowRefusedError as error:
        raise ApiError(400, error.text) from error
    if row.tags is not None and call.behaviour.put_tags == "replace":
        member = replace(member, tags=[])  # L: one client names this call "replace tags"
    change_times(member, row.times, call.behaviour)
    change_data(member, row, local, shared, call.now())
    with call.store.transaction():
        save_members(call.store, [member])
        lines = [(member.id, order) for order in row.orders]
        save_orders(call.store, lines, dedupe=call.behaviour.dedupe_orders)
    return one_receiver(call, member)


def delete_receiver(call: Call) -> Json:
    """DELETE /groups/{id}/receivers/{id or address}."""
    member = group_member(call)
    with call.store.transaction():
        leave_group(call, member)
    return True  # H: live-tested


def activate(call: Call) -> Json:
    """PUT /groups/{id}/receivers/{id or address}/activate."""
    member = group_member(call)
    changed = replace(member, activated=member.activated or call.now(), deactivated=0)
    save_members(call.store, [replace(changed, last_changed=call.now())])
    return True  # H: live-tested


def deactivate(call: Call) -> Json:
    """PUT /groups/{id}/receivers/{id or address}/deactivate."""
    now = call.now()
    save_members(call.store, [replace(group_member(call), deactivated=now, last_changed=now)])
    return True  # H: live-tested


# Attribute values.


def attribute_values(call: Call, member: Member, group_id: int) -> Json:
    """The values of a receiver for the attributes of a group, or of the account for group 0 (M)."""
    values = member.attributes if group_id else member.global_attributes
    rows = call.store.rows(
        "SELECT id, name FROM attributes WHERE group_id = ? ORDER BY id", group_id
    )
    return [row | {"value": values.get(row["name"], "")} for row in rows]


def set_attribute_value(call: Call, member: Member) -> Json:
    """Set the value of the attribute in the path."""
    row = load_attribute(call.store, call.number("id", "attribute"))
    if row["group_id"] not in {0, member.group_id}:
        raise not_found("attribute")
    change = {row["name"]: text(call.fields(), "value")}
    types = {row["name"]: row["type"]}
    if row["group_id"]:
        values = merge_attributes(member.attributes, change, types)
        member = replace(member, attributes=values)
        call.store.run(
            "UPDATE members SET attributes = ?, last_changed = ?"
            " WHERE group_id = ? AND receiver_id = ?",
            dump_text(values),
            call.now(),
            member.group_id,
            member.id,
        )
    else:
        values = merge_attributes(member.global_attributes, change, types)
        call.store.run(
            "UPDATE receivers SET global_attributes = ? WHERE id = ?", dump_text(values), member.id
        )
    return {"id": row["id"], "name": row["name"], "value": values.get(row["name"], "")}


def list_values(call: Call) -> Json:
    """GET /groups/{id}/receivers/{id or address}/attributes."""
    member = group_member(call)
    return attribute_values(call, member, member.group_id)


def set_value(call: Call) -> Json:
    """PUT /groups/{id}/receivers/{id or address}/attributes/{id}."""
    return set_attribute_value(call, group_member(call))


_ONE = "/v3/groups/{group}/receivers/{receiver}"
ROUTES = (
    route("GET", "/v3/groups/{group}/receivers", list_receivers),
    route("POST", "/v3/groups/{group}/get_receivers", query_receivers),
    route("GET", _ONE, get_receiver),
    route("PUT", _ONE, update_receiver),
    route("DELETE", _ONE, delete_receiver),
    route("PUT", f"{_ONE}/activate", activate),
    route("PUT", f"{_ONE}/deactivate", deactivate),
    route("GET", f"{_ONE}/attributes", list_values),
    route("PUT", f"{_ONE}/attributes/{{id}}", set_value),
)
