"""Receivers of the account, across groups."""

from collections.abc import Mapping

from msgspec.structs import replace

from .attributes import definitions
from .blacklist import blacklisted
from .call import Call, check_group, required_email, required_list, text, whole
from .errors import ApiError, bad_value
from .filters import Rule, matches_rules, parse_rules
from .groups import group_json, order_clause
from .members import (
    Member,
    delete_receiver,
    find_members,
    ids_after,
    load_members,
    memberships,
    receiver_without_group,
    rule_values,
)
from .profiles import profiles
from .receivers import MAX_PAGE, ORDERABLE, find_receiver, one_receiver, path_receiver
from .routing import route
from .saving import save_members
from .store import ACTIVE
from .values import MAX_INT, Json, is_email, to_bool


def delete_people(call: Call) -> Json:
    """POST /receivers/delete: ``{"receivers": [...]}``, unlike the call in a group (M)."""
    items = required_list(call.fields(), "receivers")
    with call.store.transaction():
        for item in items:
            try:
                delete_receiver(call.store, find_receiver(call, str(item)).id)
            except ApiError:
                continue
    return True


def list_groups_of(call: Call) -> Json:
    """GET /receivers/{id or address}/groups."""
    rows = call.store.rows(
        "SELECT g.* FROM recipient_groups g JOIN members m ON m.group_id = g.id"
        " WHERE m.receiver_id = ? ORDER BY g.id",
        path_receiver(call).id,
    )
    return [group_json(row) for row in rows]


def change_email(call: Call) -> Json:
    """PUT /receivers/{id or address}/email: changes the address in every group (M)."""
    member = path_receiver(call)
    email = required_email(call.fields())
    owner = call.store.value("SELECT id FROM receivers WHERE email_key = ?", email.lower())
    if owner not in {None, member.id}:
        # U: text and status for an address in use.
        raise ApiError(call.behaviour.duplicate_status, f"duplicate address '{email}'")
    call.store.run(
        "UPDATE receivers SET email = ?, email_key = ? WHERE id = ?",
        email,
        email.lower(),
        member.id,
    )
    return True


def clone(call: Call) -> Json:
    """POST /receivers/{id or address}/clone: copies to another address (L: the body)."""
    member = path_receiver(call)
    fields = call.fields()
    email, group_id = required_email(fields), whole(fields, "group_id")
    if group_id:
        check_group(call.store, group_id)
    if find_members(call.store, 0, [email.lower()]):
        raise ApiError(call.behaviour.duplicate_status, f"duplicate address '{email}'")
    with call.store.transaction():
        blank = receiver_without_group(next(iter(ids_after(call.store))), email)
        copies = [
            replace(m, id=blank.id, email=email, key=blank.key, group_id=group_id or m.group_id)
            for m in memberships(call.store, member.id)
        ]
        save_members(call.store, copies[:1] if group_id else copies)
    answers: dict[str, Json] = {"true": True, "id": {"id": str(blank.id), "success": True}}
    return answers.get(call.behaviour.clone_answer) or one_receiver(call, copies[0])


# Searching.


def bounced(call: Call) -> Json:
    """GET /receivers/bounced; its page size is unknown (L)."""
    limit, offset = call.page(MAX_PAGE) if call.behaviour.bounced_pages else (MAX_INT, 0)
    rest = "WHERE m.bounced > 0 ORDER BY r.id, m.group_id LIMIT ? OFFSET ?"
    return profiles(call, load_members(call.store, rest, limit, offset), 0)


def is_valid(call: Call) -> Json:
    """POST /receivers/isvalid: returns the valid addresses, or with ``invert`` the others.

    An address is valid if it is well-formed, not blacklisted and, with a group, active in it (M).
    """
    fields = call.fields()
    emails = required_list(fields, "emails")
    group_id, invert = whole(fields, "group_id"), to_bool(fields.get("invert", False))
    blocked = blacklisted(call.store, group_id)
    members = find_members(call.store, group_id, [str(email).lower() for email in emails])

    def valid(email: str) -> bool:
        """Whether an address is valid."""
        if not is_email(email) or email.lower() in blocked:
            return False
        member = members.get(email.lower())
        return not group_id or (member is not None and member.active)

    return [email for email in map(str, emails) if valid(email) is not invert]


def filter_people(call: Call) -> Json:
    """POST /receivers/filter: receivers that match rules, in some or all groups (H)."""
    fields = call.fields()
    rules = parse_rules(required_list(fields, "rules"))
    groups = [whole({"groups": group}, "groups") for group in required_list(fields, "groups")]
    found = find_matching(call, groups, rules, fields)
    limit, offset = call.page(MAX_PAGE, source=fields)
    members = found[offset : offset + limit]
    if not groups:  # L: without groups the response lacks local attributes and tags
        members = [replace(member, attributes={}, tags=[]) for member in members]
    return profiles(call, members, whole(fields, "detail"))


def find_matching(
    call: Call, groups: list[int], rules: list[Rule], fields: Mapping[str, Json]
) -> list[Member]:
    """Return the matching receivers, each once."""
    operator = text(fields, "operator").upper()
    if operator not in {"", "AND", "OR"}:
        raise bad_value("operator", "AND or OR")
    active_only = to_bool(fields.get("activeonly", call.behaviour.filter_active_only))
    where = "(? = '[]' OR m.group_id IN (SELECT value FROM json_each(?)))"
    clause = order_clause(text(fields, "orderby"), ORDERABLE, "orderby", "r.id ASC")
    active = f" AND {ACTIVE}" if active_only else ""
    rest = f"WHERE {where}{active} ORDER BY {clause}, r.id, m.group_id"
    wanted = str(groups)
    known = set(definitions(call.store, 0)).union(
        *(definitions(call.store, group) for group in groups)
    )
    if unknown := next((rule.field for rule in rules if not rule.is_known(known)), None):
        raise bad_value("rules", f"a known field, not {unknown}")
    found: dict[int, Member] = {}
    for member in load_members(call.store, rest, wanted, wanted):
        if member.id not in found and matches_rules(
            rule_values(member), rules, any_rule=operator == "OR"
        ):
            found[member.id] = member
    return list(found.values())


_ONE = "/v3/receivers/{receiver}"
ROUTES = (
    route("GET", "/v3/receivers/bounced", bounced),
    route("POST", "/v3/receivers/delete", delete_people),
    route("POST", "/v3/receivers/filter", filter_people),
    route("POST", "/v3/receivers/isvalid", is_valid),
    route("GET", f"{_ONE}/groups", list_groups_of),
    route("PUT", f"{_ONE}/email", change_email),
    route("POST", f"{_ONE}/clone", clone),
)
