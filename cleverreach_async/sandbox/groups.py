"""Groups: the vendor's recipient lists."""

from .call import Call, required, text
from .errors import ApiError, bad_value, not_found
from .routing import route
from .store import ACTIVE, Row, Store
from .values import Json, to_bool

_ORDERS = {"created": "stamp", "changed": "last_changed"}
_DIRECTIONS = {"asc": "ASC", "desc": "DESC"}


def group_json(row: Row) -> dict[str, Json]:
    """Return the JSON of a group: its id is a string, its times are ints (H, recorded)."""
    return row | {
        "id": str(row["id"]),
        "locked": bool(row["locked"]),
        "backup": bool(row["backup"]),
    }


def order_clause(order: str, columns: dict[str, str], name: str, default: str) -> str:
    """Return the SQL of an order such as ``created DESC``; only known names become SQL."""
    if not order.strip():
        return default
    field, _, direction = order.strip().lower().partition(" ")
    column, way = columns.get(field), _DIRECTIONS.get(direction.strip() or "asc")
    if column is None or way is None:
        raise bad_value(name, "a known field and ASC or DESC")
    return f"{column} {way}"


def list_groups(call: Call) -> Json:
    """GET /groups: all groups, without pages (M)."""
    clause = order_clause(call.query.get("order", ""), _ORDERS, "order", "id ASC")
    sql = f"SELECT * FROM recipient_groups ORDER BY {clause}, id"  # noqa: S608 - mapped above
    rows = call.store.rows(sql)
    return [group_json(row) for row in rows]


def load_group(store: Store, group_id: int) -> dict[str, Json]:
    """Return the JSON of a group, which must exist."""
    row = store.one("SELECT * FROM recipient_groups WHERE id = ?", group_id)
    if row is None:
        raise not_found("group")
    return group_json(row)


def create_group(call: Call) -> Json:
    """POST /groups."""
    fields = call.fields()
    now = call.now()
    name = required(fields, "name")
    sql = "SELECT 1 FROM recipient_groups WHERE name = ?"
    if call.behaviour.repeated_group_name == "refuse" and call.store.value(sql, name):
        raise ApiError(409, "Conflict: group already exists")  # U: whether names are unique
    group_id = call.store.insert(
        "recipient_groups",
        name=name,
        locked=to_bool(fields.get("locked", False)),
        backup=to_bool(fields.get("backup", True)),
        receiver_info=text(fields, "receiver_info"),
        stamp=now,
        last_changed=now,
    )
    return load_group(call.store, group_id)


def get_group(call: Call) -> Json:
    """GET /groups/{id}."""
    return call.single_read(load_group(call.store, call.number("group", "group")))


def update_group(call: Call) -> Json:
    """PUT /groups/{id}: only what is sent changes (H)."""
    group_id = call.group()
    fields = call.fields()
    old = load_group(call.store, group_id)
    call.store.run(
        "UPDATE recipient_groups SET name = ?, locked = ?, backup = ?, receiver_info = ?,"
        " last_changed = ?"
        " WHERE id = ?",
        required(fields, "name") if "name" in fields else old["name"],
        to_bool(fields.get("locked", old["locked"])),
        to_bool(fields.get("backup", old["backup"])),
        text(fields, "receiver_info", old["receiver_info"]),
        call.now(),
        group_id,
    )
    return load_group(call.store, group_id)


def delete_receivers_without_group(store: Store) -> None:
    """Delete receivers that are no longer in any group, with their orders and events."""
    orphan = "NOT IN (SELECT receiver_id FROM members)"
    for table, column in (
        ("receivers", "id"),
        ("orders", "receiver_id"),
        ("events", "receiver_id"),
    ):
        store.run(f"DELETE FROM {table} WHERE {column} {orphan}")  # noqa: S608 - fixed names


def delete_group(call: Call) -> Json:
    """DELETE /groups/{id}."""
    group_id = call.group()
    with call.store.transaction():
        for table in ("members", "attributes", "forms", "blacklist", "filters"):
            sql = f"DELETE FROM {table} WHERE group_id = ?"  # noqa: S608 - fixed names
            call.store.run(sql, group_id)
        call.store.run("DELETE FROM recipient_groups WHERE id = ?", group_id)
        delete_receivers_without_group(call.store)
    return True


def clear_group(call: Call) -> Json:
    """DELETE /groups/{id}/clear: removes every receiver and keeps the group (M)."""
    group_id = call.group()
    with call.store.transaction():
        call.store.run("DELETE FROM members WHERE group_id = ?", group_id)
        delete_receivers_without_group(call.store)
    return True


def delete_empty_id(call: Call) -> Json:
    """DELETE /groups/{id}/receivers/ with an empty receiver id."""
    # M: the vendor's v2 changelog says that this could clear the group.
    if not call.behaviour.empty_id_clears_group:
        raise not_found("receiver")
    return clear_group(call)


def group_stats(call: Call) -> Json:
    """GET /groups/{id}/stats."""
    group_id = call.group()
    sql = (
        f"SELECT count(*), total({ACTIVE}), total(m.bounced > 0)"  # noqa: S608 - fixed names
        " FROM members m WHERE m.group_id = ?"
    )
    total, active, bounced = map(int, call.store.tuples(sql, group_id)[0])
    return {
        "total_count": total,
        "active_count": active,
        "inactive_count": total - active,
        "bounce_count": bounced,
        "avg_points": 0.0,
        "quality": 3,
        "time": call.now(),
        "order_count": call.store.value(
            "SELECT count(*) FROM orders o JOIN members m ON m.receiver_id = o.receiver_id"
            " WHERE m.group_id = ?",
            group_id,
        ),
    }


def advanced_stats(call: Call) -> Json:
    """GET /groups/{id}/advancedstats; its fields are not recorded anywhere (U)."""
    sql = "SELECT source, count(*) FROM members WHERE group_id = ? GROUP BY source ORDER BY source"
    return {"sources": dict(call.store.tuples(sql, call.group()))}


ROUTES = (
    route("GET", "/v3/groups", list_groups),
    route("POST", "/v3/groups", create_group),
    route("GET", "/v3/groups/{group}", get_group),
    route("PUT", "/v3/groups/{group}", update_group),
    route("DELETE", "/v3/groups/{group}", delete_group),
    route("DELETE", "/v3/groups/{group}/clear", clear_group),
    route("DELETE", "/v3/groups/{group}/receivers", delete_empty_id),
    route("GET", "/v3/groups/{group}/stats", group_stats),
    route("GET", "/v3/groups/{group}/advancedstats", advanced_stats),
)
