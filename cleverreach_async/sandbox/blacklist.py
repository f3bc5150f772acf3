"""Blacklists of the account (group 0) and of groups, and bounces."""

from .call import Call, required, required_email, required_list, text
from .errors import ApiError, not_found
from .routing import route
from .store import Row, Store
from .values import Json, load_map


def blacklisted(store: Store, group_id: int = 0) -> set[str]:
    """Return the blacklisted addresses of the account and a group, in lower case."""
    sql = "SELECT email_key FROM blacklist WHERE group_id IN (0, ?)"
    return {key for (key,) in store.tuples(sql, group_id)}


def entry_json(row: Row) -> dict[str, Json]:
    """Return the JSON of an entry."""
    return {
        "email": row["email"],
        "comment": row["comment"],
        "stamp": row["stamp"],
        "isLocked": bool(row["locked"]),
    }


def _entry(call: Call, email: str) -> Row:
    """Return the entry of an address, which must exist."""
    row = call.store.one(
        "SELECT * FROM blacklist WHERE group_id = ? AND email_key = ?", call.scope(), email.lower()
    )
    if row is None:
        raise not_found("email")
    return row


def list_entries(call: Call) -> Json:
    """GET /blacklist, also in a group: all entries, without pages (M)."""
    scope = call.scope()
    rows = call.store.rows("SELECT * FROM blacklist WHERE group_id = ? ORDER BY email_key", scope)
    if scope and call.behaviour.group_blacklist_items == "string":
        return [row["email"] for row in rows]  # M: items of a group may be addresses
    return [entry_json(row) for row in rows]


def add_entry(call: Call) -> Json:
    """POST /blacklist, also in a group; 409 if the address is already there (M)."""
    scope, fields = call.scope(), call.fields()
    email = required_email(fields)
    added = call.store.run(
        "INSERT OR IGNORE INTO blacklist (group_id, email_key, email, comment, stamp)"
        " VALUES (?, ?, ?, ?, ?)",
        scope,
        email.lower(),
        email,
        text(fields, "comment"),
        call.now(),
    )
    if not added:
        raise ApiError(409, "Conflict: email already blacklisted")
    if scope and call.behaviour.group_blacklist_answer == "true":
        return True
    return entry_json(_entry(call, email))


def change_entry(call: Call) -> Json:
    """PUT /blacklist: 409 if nothing would change (M)."""
    fields = call.fields()
    row = _entry(call, required(fields, "email"))
    comment = text(fields, "comment", row["comment"])
    if comment == row["comment"] or row["locked"]:
        raise ApiError(409, "Conflict: entry is locked or unchanged")
    call.store.run(
        "UPDATE blacklist SET comment = ? WHERE group_id = 0 AND email_key = ?",
        comment,
        row["email_key"],
    )
    return entry_json(row | {"comment": comment})


def get_entry(call: Call) -> Json:
    """GET /blacklist/{email}."""
    return entry_json(_entry(call, call.params["email"]))


def delete_entry(call: Call) -> Json:
    """DELETE /blacklist/{email}, also in a group."""
    row = _entry(call, call.params["email"])
    call.store.run(
        "DELETE FROM blacklist WHERE group_id = ? AND email_key = ?",
        row["group_id"],
        row["email_key"],
    )
    return True


def validate(call: Call) -> Json:
    """POST /blacklist/validate: returns the addresses that are not blacklisted (M)."""
    emails, blocked = required_list(call.fields(), "emails"), blacklisted(call.store)
    return [email for email in map(str, emails) if email.lower() not in blocked]


def list_bounces(call: Call) -> Json:
    """GET /bounces."""
    limit, offset = call.page(5000)
    rows = call.store.tuples("SELECT data FROM bounces ORDER BY id LIMIT ? OFFSET ?", limit, offset)
    return [load_map(data) for (data,) in rows]


ROUTES = (
    route("GET", "/v3/blacklist", list_entries),
    route("POST", "/v3/blacklist", add_entry),
    route("PUT", "/v3/blacklist", change_entry),
    route("POST", "/v3/blacklist/validate", validate),
    route("GET", "/v3/blacklist/{email}", get_entry),
    route("DELETE", "/v3/blacklist/{email}", delete_entry),
    route("GET", "/v3/groups/{group}/blacklist", list_entries),
    route("POST", "/v3/groups/{group}/blacklist", add_entry),
    route("DELETE", "/v3/groups/{group}/blacklist/{email}", delete_entry),
    route("GET", "/v3/bounces", list_bounces),
)
