"""Tags of the account and of receivers."""

from collections.abc import Sequence

from msgspec.structs import replace

from .call import Call, required_list, text, whole
from .errors import ApiError, bad_value
from .members import Member, memberships
from .receivers import find_receiver
from .routing import route
from .saving import save_members
from .store import ACTIVE
from .values import MAX_INT, Json, change_tags, clean_tag, to_bool

_ALL = (
    "SELECT t.value AS name, count(DISTINCT m.receiver_id) AS number"
    " FROM members m, json_each(m.tags) t WHERE (? = 0 OR m.group_id = ?)"
)
_ORDERS = {"": "name", "tag": "name", "origin": "name", "count": "number DESC, name"}


def split_tag(tag: str) -> tuple[str, str]:
    """Return the origin, which may be empty, and the name of a tag."""
    origin, dot, name = tag.partition(".")
    return (origin, name) if dot else ("", tag)


def list_tags(call: Call) -> Json:
    """GET /tags."""
    group_id, wanted = call.query_number("group_id"), call.query.get("origin", "*")
    order = _ORDERS.get(text(call.query, "order_by"))
    if order is None:
        raise bad_value("order_by", "one of tag, origin, count")
    answer: list[Json] = []
    for name, number in call.store.tuples(
        f"{_ALL} GROUP BY name ORDER BY {order}", group_id, group_id
    ):
        origin, tag = split_tag(name)
        if wanted in {"*", origin}:
            answer.append({"origin": origin, "tag": tag, "count": number})
    limit = call.query_number("limit", 20) or 20
    # U: one client pages with `page`, another with `offset`.
    page = call.behaviour.tags_paging == "page"
    start = min(call.query_number("page") * limit if page else call.query_number("offset"), MAX_INT)
    return answer[start : start + limit]


def count_tag(call: Call) -> Json:
    """GET /tags/count: a number (M)."""
    tag, group_id = clean_tag(call.query.get("tag", "")), call.query_number("group_id")
    if not tag:
        raise ApiError(400, "Bad Request: missing tag")
    active = f" AND {ACTIVE}" if to_bool(call.query.get("active", "")) else ""
    numbers = call.store.tuples(
        f"{_ALL}{active} AND name = ? GROUP BY name", group_id, group_id, tag
    )
    return numbers[0][1] if numbers else 0


def _members(call: Call, group_id: int) -> list[Member]:
    """Return the receiver in the path, in one group, or once for each group.

    U: whether tags belong to the receiver or to its membership in a group; here to the membership.
    """
    member = find_receiver(call, call.params["receiver"], group_id)
    return [member] if group_id else memberships(call.store, member.id)


def _change(call: Call, group_id: int, changes: Sequence[str]) -> None:
    """Change the tags of the receiver in the path, in one group or in all its groups."""
    now = call.now()
    members = [
        replace(member, tags=change_tags(member.tags, changes), last_changed=now)
        for member in _members(call, group_id)
    ]
    with call.store.transaction():
        save_members(call.store, members)


def add_tags(call: Call) -> Json:
    """POST …/tags: ``{"tags": [...], "group_id": ...}``; returns the added tags (M)."""
    fields = call.fields()
    tags = required_list(fields, "tags")
    if not all(isinstance(tag, str) for tag in tags):
        raise ApiError(400, "Bad Request: missing tags")
    _change(call, call.scope() or whole(fields, "group_id"), tags)
    return [clean_tag(tag) for tag in tags if not tag.startswith("-")]


def list_receiver_tags(call: Call) -> Json:
    """GET /receivers/{id or address}/tags."""
    members = _members(call, call.query_number("group_id"))
    return list(dict.fromkeys(tag for member in members for tag in member.tags))


def remove_tags(call: Call) -> Json:
    """DELETE /receivers/{id or address}/tags/{a,b}: comma-separated, or ``origin.*`` (M)."""
    names = [name for name in call.params["tags"].split(",") if name]
    _change(call, call.query_number("group_id"), [f"-{name}" for name in names])
    return True


ROUTES = (
    route("GET", "/v3/tags", list_tags),
    route("GET", "/v3/tags/count", count_tag),
    route("POST", "/v3/groups/{group}/receivers/{receiver}/tags", add_tags),
    route("POST", "/v3/receivers/{receiver}/tags", add_tags),
    route("GET", "/v3/receivers/{receiver}/tags", list_receiver_tags),
    route("DELETE", "/v3/receivers/{receiver}/tags/{tags}", remove_tags),
)
