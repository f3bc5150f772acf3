"""Filters of groups: saved rules that select receivers."""

import re
from collections.abc import Iterator, Mapping, Sequence

from .attributes import definitions
from .call import Call, required, required_list, text
from .errors import bad_value, not_found
from .filters import Rule, matches_rules, parse_rules
from .members import ANY_OF, Member, load_members, rule_values
from .profiles import profiles
from .receivers import MAX_PAGE, STATES
from .routing import route
from .store import Row, Store
from .values import Json, as_map, dump_text, load_list

_BRACKETS = "()"
_OF_ATTRIBUTE = re.compile(r"a(\d{1,15})\.value")
_OPERATORS = {"", "AND", "OR"}


def _operator(fields: Mapping[str, Json]) -> str:
    """Return AND, OR, or an empty string for neither."""
    operator = text(fields, "operator").upper()
    if operator not in _OPERATORS:
        raise bad_value("operator", "AND or OR")
    return operator


def _field_name(store: Store, field: str) -> str:
    """Return the name of a field; an attribute may come as ``a<id>.value``, as it is returned."""
    found = _OF_ATTRIBUTE.fullmatch(field)
    name = found and store.value("SELECT name FROM attributes WHERE id = ?", int(found[1]))
    return str(name or field)


def _parse(call: Call, group_id: int, fields: Mapping[str, Json]) -> list[dict[str, Json]]:
    """Return the rules of a request as they are stored."""
    items = [as_map(item) or {} for item in required_list(fields, "rules")]
    known = {*definitions(call.store, 0), *definitions(call.store, group_id)}
    depth, rules = 0, list[dict[str, Json]]()
    for item in items:
        if (bracket := item.get("field")) in {*_BRACKETS}:
            depth += 1 if bracket == "(" else -1
            rule = Rule(str(bracket), "", "")
        else:
            [sent] = parse_rules([item])
            rule = Rule(_field_name(call.store, sent.field), sent.logic, sent.condition)
            if not rule.is_known(known):
                raise bad_value("rules", f"a known field, not {rule.field}")
        if depth < 0:
            break
        rules.append({name: getattr(rule, name) for name in ("field", "logic", "condition")})
        rules[-1]["operator"] = _operator(item)
    if depth or not rules:
        raise bad_value("rules", "rules with brackets in pairs")
    return rules


def _selects(rules: Iterator[Mapping[str, Json]], values: Mapping[str, Json], joint: str) -> bool:
    """Whether rules select a receiver, up to their end or a closing bracket.

    U: whether AND binds more than OR; here each rule is combined with the result before it.
    """
    result: bool | None = None
    for rule in rules:
        if rule["field"] == ")":
            break
        if rule["field"] == "(":
            holds = _selects(rules, values, joint)
        else:
            one = Rule(rule["field"], rule["logic"], rule["condition"])
            holds = matches_rules(values, [one], any_rule=False)
        if result is None:
            result = holds
        else:
            is_or = (rule["operator"] or joint) == "OR"
            result = result or holds if is_or else result and holds
    return result is not False


def _load(call: Call) -> Row:
    """Return the filter in the path, which must be one of the group in the path."""
    filter_id, group_id = call.number("filter", "filter"), call.group()
    sql = "SELECT * FROM filters WHERE id = ? AND group_id = ?"
    row = call.store.one(sql, filter_id, group_id)
    if row is None:
        raise not_found("filter")  # H
    return row


def _rule_json(store: Store, group_id: int, rule: Mapping[str, Json]) -> dict[str, Json]:
    """Return a rule as the API returns it: logic in upper case, attributes by their ids (M)."""
    sql = "SELECT id FROM attributes WHERE name = ? AND group_id IN (0, ?) ORDER BY group_id DESC"
    attribute_id = store.value(sql, rule["field"], group_id)
    field = rule["field"] if attribute_id is None else f"a{attribute_id}.value"
    return {**rule, "field": field, "logic": rule["logic"].upper()}


def _filter_json(call: Call, row: Row) -> dict[str, Json]:
    """Return the JSON of a filter."""
    rules = load_list(row["rules"])
    if call.behaviour.filter_rules == "stored":
        rules = [_rule_json(call.store, row["group_id"], rule) for rule in rules]
    operator = {"operator": row["operator"]} if row["operator"] else {}
    return {"id": str(row["id"]), "name": row["name"], **operator, "rules": rules}


def list_filters(call: Call) -> Json:
    """GET /groups/{id}/filters."""
    rows = call.store.rows("SELECT * FROM filters WHERE group_id = ? ORDER BY id", call.group())
    return [_filter_json(call, row) for row in rows]


def create_filter(call: Call) -> Json:
    """POST /groups/{id}/filters; 400 for an unknown field or comparison (H)."""
    group_id, fields = call.group(), call.fields()
    filter_id = call.store.insert(
        "filters",
        group_id=group_id,
        name=required(fields, "name"),
        operator=_operator(fields),
        rules=dump_text(_parse(call, group_id, fields)),
    )
    return {"id": str(filter_id), "success": True}


def get_filter(call: Call) -> Json:
    """GET /groups/{id}/filters/{id}."""
    return _filter_json(call, _load(call))


def update_filter(call: Call) -> Json:
    """PUT /groups/{id}/filters/{id}: all rules; an omitted name stays (M)."""
    row, fields = _load(call), call.fields()
    call.store.run(
        "UPDATE filters SET name = ?, operator = ?, rules = ? WHERE id = ?",
        required(fields, "name") if "name" in fields else row["name"],
        _operator(fields) if "operator" in fields else row["operator"],
        dump_text(_parse(call, row["group_id"], fields)),
        row["id"],
    )
    return {"id": str(row["id"]), "success": True}


def delete_filter(call: Call) -> Json:
    """DELETE /groups/{id}/filters/{id}."""
    call.store.run("DELETE FROM filters WHERE id = ?", _load(call)["id"])
    return True


def _selected(call: Call, state: str = "") -> Sequence[Member]:
    """Return the receivers that the filter in the path selects; ``state`` is SQL."""
    row = _load(call)
    rules = load_list(row["rules"])
    members = load_members(
        call.store, f"WHERE m.group_id = ?{state} ORDER BY r.id", row["group_id"]
    )
    return [it for it in members if _selects(iter(rules), rule_values(it), row["operator"])]


def count_selected(call: Call) -> Json:
    """GET /groups/{id}/filters/{id}/count: a number, not cached (H)."""
    return len(_selected(call))


def list_selected(call: Call) -> Json:
    """GET /groups/{id}/filters/{id}/receivers (M)."""
    state = STATES.get(call.query.get("type") or "all")
    if state is None:
        raise bad_value("type", "one of all, active, inactive, bounce")
    limit, offset = call.page(MAX_PAGE)
    return profiles(call, [*_selected(call, state)][offset : offset + limit], 0)


def filter_stats(call: Call) -> Json:
    """GET /groups/{id}/filters/{id}/stats: as those of a group (M)."""
    members = _selected(call)
    active = sum(member.active for member in members)
    sql = f"SELECT count(*) FROM orders WHERE receiver_id {ANY_OF}"  # noqa: S608 - fixed names
    return {
        "total_count": len(members),
        "active_count": active,
        "inactive_count": len(members) - active,
        "bounce_count": sum(member.bounced > 0 for member in members),
        "avg_points": 0.0,
        "quality": 3,
        "time": call.now(),
        "order_count": call.store.value(sql, dump_text([member.id for member in members])),
    }


_ALL = "/v3/groups/{group}/filters"
_ONE = f"{_ALL}/{{filter}}"
ROUTES = (
    route("GET", _ALL, list_filters),
    route("POST", _ALL, create_filter),
    route("GET", _ONE, get_filter),
    route("PUT", _ONE, update_filter),
    route("DELETE", _ONE, delete_filter),
    route("GET", f"{_ONE}/count", count_selected),
    route("GET", f"{_ONE}/receivers", list_selected),
    route("GET", f"{_ONE}/stats", filter_stats),
)
