"""What happens to a mailing: previews, release, links and orders; channels and templates."""

import re

from .call import Call, required, required_list, text, whole
from .errors import ApiError, not_found
from .mailings import load_mailing
from .members import ANY_OF, load_members
from .profiles import order_json
from .receivers import one_receiver
from .routing import route
from .store import ACTIVE, Store
from .values import Json, as_map, dump_text, is_email, load_map

_LINK = re.compile(r'href="(https?://[^"]+)"')
_STOPPED = {"waiting": "draft", "running": "finished"}


def links_of(store: Store, mailing_id: int, html: str) -> list[dict[str, Json]]:
    """Return the links of a mailing with the clicks that events tell of (U: their fields)."""
    clicks = store.tuples(
        "SELECT json_extract(data, '$.type_id') AS link, count(*) FROM events"
        " WHERE json_extract(data, '$.type') = 'mail_click'"
        " AND json_extract(data, '$.mailing_id') = ? GROUP BY link",
        str(mailing_id),
    )
    number_of = dict(clicks)
    found = enumerate(dict.fromkeys(_LINK.findall(html)), start=1)
    return [
        {"id": str(number), "link": link, "total_clicks": number_of.get(str(number), 0)}
        for number, link in found
    ]


def list_links(call: Call) -> Json:
    """GET /mailings/{id}/links."""
    mailing_id, _, data = load_mailing(call)
    return links_of(call.store, mailing_id, data["body_html"])


def list_orders(call: Call) -> Json:
    """GET /mailings/{id}/orders: the order lines that name the mailing."""
    mailing_id, _, _ = load_mailing(call)
    lines = call.store.tuples(
        "SELECT data FROM orders WHERE json_extract(data, '$.mailing_id') IN (?, ?) ORDER BY line",
        mailing_id,
        str(mailing_id),
    )
    return [order_json(load_map(data), call.behaviour) for (data,) in lines]


def random_receiver(call: Call) -> Json:
    """GET /mailings/{id}/randomreceiver: an active receiver of its groups."""
    _, _, data = load_mailing(call)
    groups = dump_text([int(group) for group in data["mailing_groups"]["group_ids"]])
    members = load_members(
        call.store,
        f"WHERE {ACTIVE} AND m.group_id {ANY_OF} ORDER BY r.id",
        groups,
    )
    if not members:
        raise not_found("receiver")  # U: the answer for a mailing without receivers
    return call.single_read(one_receiver(call, call.account.random.choice(members)))


def send_preview(call: Call) -> Json:
    """POST /mailings/{id}/sendpreview: ``{"receivers": [...], "previewText"}`` (H)."""
    mailing_id, _, _ = load_mailing(call)
    fields = call.fields()
    receivers = required_list(fields, "receivers")
    if not receivers or not all(isinstance(it, str) and is_email(it) for it in receivers):
        raise ApiError(400, "Bad Request: invalid receivers")
    note = text(fields, "previewText")
    with call.store.transaction():
        for email in receivers:
            call.store.insert(
                "previews", mailing_id=mailing_id, email=email, note=note, stamp=call.now()
            )
    return True


def _change_state(call: Call, state: str, **changes: Json) -> Json:
    mailing_id, _, data = load_mailing(call)
    call.store.run(
        "UPDATE mailings SET state = ?, data = ? WHERE id = ?",
        state,
        dump_text(data | {"last_changed": call.now()} | changes),
        mailing_id,
    )
    return True


def _check_right(call: Call) -> None:
    if not call.behaviour.may_release:
        raise ApiError(403, "Forbidden: invalid scope")  # M: the text was seen


def release(call: Call) -> Json:
    """POST /mailings/{id}/release: ``{"time"}``; needs a right of its own (M)."""
    _check_right(call)
    _, state, _ = load_mailing(call)
    if state != "draft":
        raise ApiError(400, "Bad Request: mailing is not a draft")
    fields = call.fields()
    required(fields, "time")
    return _change_state(call, "waiting", ready=call.now(), send_on=whole(fields, "time"))


def stop(call: Call) -> Json:
    """POST /mailings/{id}/stop (U: the states before and after)."""
    _check_right(call)
    _, state, _ = load_mailing(call)
    if state not in _STOPPED:
        raise ApiError(400, "Bad Request: mailing is neither waiting nor running")
    times = {"ready": 0, "send_on": 0} if state == "waiting" else {"finished": call.now()}
    return _change_state(call, _STOPPED[state], **times)


def render(call: Call) -> Json:
    """POST /gomailer/preview: placeholders such as ``{EMAIL}`` are filled (L)."""
    fields = call.fields()
    receiver = as_map(fields.get("receiver")) or {}
    values = dict(receiver)
    for part in ("attributes", "global_attributes"):
        values |= as_map(receiver.get(part)) or {}
    answer: dict[str, Json] = {}
    for name in ("subject", "html", "text"):
        filled = text(fields, name)
        for key, value in values.items():
            filled = filled.replace(f"{{{key.upper()}}}", str(value))
        answer[name] = filled
    return answer


# Channels and templates (L: their fields are unknown; id and name are expected).


def _channel(call: Call) -> dict[str, Json]:
    row = call.store.one("SELECT * FROM channels WHERE id = ?", call.number("id", "channel"))
    if row is None:
        raise not_found("channel")
    return row | {"id": str(row["id"])}


def list_channels(call: Call) -> Json:
    """GET /mailings/channel."""
    rows = call.store.rows("SELECT * FROM channels ORDER BY id")
    return [row | {"id": str(row["id"])} for row in rows]


def get_channel(call: Call) -> Json:
    """GET /mailings/channel/{id}."""
    return call.single_read(_channel(call))


def delete_channel(call: Call) -> Json:
    """DELETE /mailings/channel/{id}."""
    call.store.run("DELETE FROM channels WHERE id = ?", int(_channel(call)["id"]))
    return True


def create_template(call: Call) -> Json:
    """POST /mailings/template."""
    fields = call.fields()
    required(fields, "name")
    template_id = call.store.insert("templates", owner="user", data=dump_text(fields))
    return {"id": str(template_id), "success": True}


def list_templates(call: Call) -> Json:
    """GET /mailings/templates/{user or agency}."""
    owner = call.params["owner"]
    if owner not in {"user", "agency"}:
        raise not_found()
    rows = call.store.tuples("SELECT id, data FROM templates WHERE owner = ? ORDER BY id", owner)
    return [{**load_map(data), "id": str(template_id)} for template_id, data in rows]


_ONE = "/v3/mailings/{id}"
ROUTES = (
    route("GET", "/v3/mailings/channel", list_channels),
    route("GET", "/v3/mailings/channel/{id}", get_channel),
    route("DELETE", "/v3/mailings/channel/{id}", delete_channel),
    route("POST", "/v3/mailings/template", create_template),
    route("GET", "/v3/mailings/templates/{owner}", list_templates),
    route("GET", f"{_ONE}/links", list_links),
    route("GET", f"{_ONE}/orders", list_orders),
    route("GET", f"{_ONE}/randomreceiver", random_receiver),
    route("POST", f"{_ONE}/sendpreview", send_preview),
    route("POST", f"{_ONE}/release", release),
    route("POST", f"{_ONE}/stop", stop),
    route("POST", "/gomailer/preview", render),
)
