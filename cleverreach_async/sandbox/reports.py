"""The receivers and the statistics of a report, as far as the events of receivers tell."""

from .call import Call, whole
from .errors import not_found
from .mailings import load_report
from .members import ANY_OF, load_members
from .profiles import profiles
from .receivers import MAX_PAGE
from .routing import route
from .values import Json, dump_text

_EVENTS = {
    "sent": "mail_send",
    "opened": "mail_open",
    "clicked": "mail_click",
    "bounced": "mail_bounce",
    "unsubscribed": "user_unsubscribe",
}
_WITHOUT = {"notopened": "opened", "notclicked": "clicked"}


def _who(call: Call, report_id: int, state: str) -> set[int]:
    """Return the ids of the receivers with an event of the mailing."""
    link = call.query.get("linkid") if state == "clicked" else None
    rows = call.store.tuples(
        "SELECT DISTINCT receiver_id FROM events WHERE json_extract(data, '$.type') = ?"
        " AND json_extract(data, '$.mailing_id') = ?"
        " AND (? IS NULL OR json_extract(data, '$.type_id') = ?)"
        " AND json_extract(data, '$.stamp') BETWEEN ? AND ?",
        _EVENTS[state],
        str(report_id),
        link,
        link,
        call.query_number("from"),
        call.query_number("to", 2**53),
    )
    return {receiver_id for (receiver_id,) in rows}


def list_receivers(call: Call) -> Json:
    """GET /reports/{id}/receivers/{state}."""
    report_id, state = int(load_report(call)["id"]), call.params["state"]
    if state in _WITHOUT:
        found = _who(call, report_id, "sent") - _who(call, report_id, _WITHOUT[state])
    elif state in _EVENTS:
        found = _who(call, report_id, state)
    else:
        raise not_found("state")
    limit, offset = call.page(MAX_PAGE)
    # Each receiver once, though they may be in several groups.
    rest = (
        f"WHERE r.id {ANY_OF} AND m.group_id = (SELECT min(group_id) FROM members"  # noqa: S608 - fixed names
        " WHERE receiver_id = r.id) ORDER BY r.id LIMIT ? OFFSET ?"
    )
    members = load_members(call.store, rest, dump_text(sorted(found)), limit, offset)
    if not members and call.behaviour.no_report_receivers == "false":
        return False
    return profiles(call, members, whole(call.query, "detail"))


def stats(call: Call) -> Json:
    """GET /reports/{id}/stats/{mode} (L: the fields of the answers are unknown)."""
    report = load_report(call)
    views = {"full": report["stats"], "basic": report["stats"].get("basic", {})}
    views["links"] = report["links"]
    if call.params["mode"] not in views:
        raise not_found("mode")
    return views[call.params["mode"]]


ROUTES = (
    route("GET", "/v3/reports/{id}/receivers/{state}", list_receivers),
    route("GET", "/v3/reports/{id}/stats/{mode}", stats),
)
