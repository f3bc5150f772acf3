"""Attribute definitions, account-wide (group 0) and local to a group."""

import re

from .behaviour import Behaviour
from .call import Call, check_group, required, text, whole
from .errors import ApiError, bad_value, not_found
from .routing import route
from .rows import AttributeRules, SentRow
from .store import Row, Store
from .values import Json, as_map

TYPES = frozenset({"text", "number", "gender", "date"})
RESERVED = frozenset({"email", "activated", "registered", "deactivated", "bounced", "source"})
_NOT_IN_NAME = {"any": re.compile(r"\W"), "ascii": re.compile(r"\W", re.ASCII)}


def definitions(store: Store, group_id: int) -> dict[str, str]:
    """Return the types of the attributes of a group, or of the account for group 0, by name."""
    rows = store.tuples(
        "SELECT name, type FROM attributes WHERE group_id = ? ORDER BY id", group_id
    )
    return dict(rows)


def attribute_rules(call: Call, group_id: int) -> AttributeRules:
    """Return what values of the attributes of a group, or of the account for group 0, may be."""
    return AttributeRules(definitions(call.store, group_id), call.behaviour)


def attribute_json(row: Row) -> dict[str, Json]:
    """Return the JSON of a definition: ids are ints here, unlike elsewhere (H, recorded)."""
    return {
        "id": row["id"],
        "groups_id": row["group_id"],
        "name": row["name"],
        "type": row["type"],
        "description": row["description"],
        "preview_value": row["preview_value"],
        "value": row["default_value"],
        "tag": row["tag"],
    }


def load_attribute(store: Store, attribute_id: int) -> Row:
    """Return a definition, which must exist."""
    row = store.one("SELECT * FROM attributes WHERE id = ?", attribute_id)
    if row is None:
        raise not_found("attribute")
    return row


def _path_attribute(call: Call) -> Row:
    """Return the definition in the path; if the path has a group, it must be of that group."""
    attribute_id, group_id = call.number("id", "attribute"), call.scope()
    row = load_attribute(call.store, attribute_id)
    if group_id not in {0, row["group_id"]}:
        raise not_found("attribute")
    return row


def stored_name(name: str, behaviour: Behaviour) -> str:
    """Return a name as it is stored: lower case (H), with underscores (M)."""
    return _NOT_IN_NAME[behaviour.attribute_letters].sub("_", name.lower())


def in_stored_spelling(sent: SentRow, behaviour: Behaviour) -> SentRow:
    """Return a receiver of a request with the stored names, if other spellings are accepted."""
    if behaviour.attribute_spelling == "any":
        for field in ("attributes", "global_attributes"):
            values = as_map(getattr(sent, field)) or {}
            if values:
                renamed = {stored_name(name, behaviour): it for name, it in values.items()}
                setattr(sent, field, renamed)
    return sent


def _name(fields: dict[str, Json], behaviour: Behaviour) -> str:
    """Return the name for a new attribute, or a new name."""
    name = stored_name(required(fields, "name"), behaviour)
    if name in RESERVED:
        raise bad_value("name", "a name that is not reserved")
    return name


def _type(fields: dict[str, Json]) -> str:
    """Return the type, one of four."""
    kind = required(fields, "type")
    if kind not in TYPES:
        raise bad_value("type", "one of text, number, gender, date")
    return kind


def _check_free(call: Call, group_id: int, name: str) -> None:
    """Refuse a name that is in use with 409 (M-H: the vendor's integration core handles it)."""
    if name in definitions(call.store, group_id):
        raise ApiError(409, "Conflict: attribute already exists")


def _check_cap(call: Call, group_id: int) -> None:
    """Refuse an attribute above the limit: 40 in one importer (M), with an unknown status (U)."""
    used = len(definitions(call.store, group_id)) + (
        len(definitions(call.store, 0)) if group_id else 0
    )
    if used >= call.behaviour.attribute_cap:
        raise ApiError(call.behaviour.attribute_cap_status, "maximum number of attributes reached")


def list_attributes(call: Call) -> Json:
    """GET /attributes, with ``group_id`` those of a group, and GET /groups/{id}/attributes."""
    group_id = call.scope() or call.query_number("group_id")
    rows = call.store.rows("SELECT * FROM attributes WHERE group_id = ? ORDER BY id", group_id)
    return [attribute_json(row) for row in rows]


def create_attribute(call: Call) -> Json:
    """POST /attributes, with ``group_id`` for a group, and POST /groups/{id}/attributes."""
    group_id, fields = call.scope(), call.fields()
    group_id = group_id or whole(fields, "group_id")
    if group_id:
        check_group(call.store, group_id)
    name, kind = _name(fields, call.behaviour), _type(fields)
    _check_free(call, group_id, name)
    _check_cap(call, group_id)
    attribute_id = call.store.insert(
        "attributes",
        group_id=group_id,
        name=name,
        type=kind,
        description=text(fields, "description"),
        preview_value=text(fields, "preview_value"),
        default_value=text(fields, "default_value") or None,
        tag=text(fields, "tag") or f"{{{name.upper()}}}",
    )
    return attribute_json(load_attribute(call.store, attribute_id))


def _values_column(group_id: int) -> tuple[str, str, str]:
    """Return table, column and SQL condition of the values of a group, or of the account."""
    if group_id:
        return "members", "attributes", f"group_id = {group_id}"
    return "receivers", "global_attributes", "true"


def _rename_values(store: Store, group_id: int, old: str, new: str) -> None:
    """Rename the stored values of an attribute; names contain word characters only."""
    table, column, where = _values_column(group_id)
    store.run(
        f"UPDATE {table} SET {column} ="  # noqa: S608 - fixed names
        f" json_remove(json_set({column}, ?, json_extract({column}, ?)), ?)"
        f" WHERE {where} AND json_type({column}, ?) IS NOT NULL",
        f'$."{new}"',
        *[f'$."{old}"'] * 3,
    )


def _drop_values(store: Store, group_id: int, name: str) -> None:
    """Delete the stored values of a deleted attribute."""
    table, column, where = _values_column(group_id)
    sql = f"UPDATE {table} SET {column} = json_remove({column}, ?) WHERE {where}"  # noqa: S608 - fixed names
    store.run(sql, f'$."{name}"')


def attribute_limits(call: Call) -> Json:
    """GET /attributes/limits; its fields are not recorded anywhere (U)."""
    word = call.behaviour.attribute_limits
    if word == "missing":
        raise not_found()
    used = call.store.value("SELECT count(*) FROM attributes")
    cap: Json = call.behaviour.attribute_cap
    return {"account": {"of": cap}} if word == "other" else {word: cap, "used": used}


def get_attribute(call: Call) -> Json:
    """GET /attributes/{id}."""
    return attribute_json(_path_attribute(call))


def update_attribute(call: Call) -> Json:
    """PUT /attributes/{id}, also in a group; stored values follow a new name."""
    row, fields = _path_attribute(call), call.fields()
    name = _name(fields, call.behaviour) if "name" in fields else row["name"]
    kind = _type(fields) if "type" in fields else row["type"]
    with call.store.transaction():
        if name != row["name"]:
            _check_free(call, row["group_id"], name)
            _rename_values(call.store, row["group_id"], row["name"], name)
        call.store.run(
            "UPDATE attributes SET name = ?, type = ?, description = ?, preview_value = ?,"
            " default_value = ?, tag = ? WHERE id = ?",
            name,
            kind,
            text(fields, "description", row["description"]),
            text(fields, "preview_value", row["preview_value"]),
            text(fields, "default_value", row["default_value"] or "") or None,
            text(fields, "tag", row["tag"]),
            row["id"],
        )
    return attribute_json(load_attribute(call.store, row["id"]))


def delete_attribute(call: Call) -> Json:
    """DELETE /attributes/{id}, also in a group: the definition and its values."""
    row = _path_attribute(call)
    with call.store.transaction():
        _drop_values(call.store, row["group_id"], row["name"])
        call.store.run("DELETE FROM attributes WHERE id = ?", row["id"])
    return True


ROUTES = (
    route("GET", "/v3/attributes", list_attributes),
    route("POST", "/v3/attributes", create_attribute),
    route("GET", "/v3/attributes/limits", attribute_limits),
    route("GET", "/v3/attributes/{id}", get_attribute),
    route("PUT", "/v3/attributes/{id}", update_attribute),
    route("DELETE", "/v3/attributes/{id}", delete_attribute),
    route("GET", "/v3/groups/{group}/attributes", list_attributes),
    route("POST", "/v3/groups/{group}/attributes", create_attribute),
    route("PUT", "/v3/groups/{group}/attributes/{id}", update_attribute),
    route("DELETE", "/v3/groups/{group}/attributes/{id}", delete_attribute),
)
