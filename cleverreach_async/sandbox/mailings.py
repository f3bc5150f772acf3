"""Mailings and their reports."""

from .accounts import AccountState
from .call import Call, required, text, whole
from .errors import ApiError, bad_value, not_found
from .routing import route
from .values import Json, as_list, as_map, dump_text, is_email, load_map

STATES = ("draft", "waiting", "running", "finished", "automation")
_CONTENT = {"text": (1, "text"), "html": (2, "html"), "html/text": (3, "html/text")}
_TIMES = {
    "waiting": ("ready",),
    "running": ("ready", "started"),
    "finished": ("ready", "started", "finished"),
}


def blank_mailing(now: int) -> dict[str, Json]:
    """Return a new mailing; its fields are those of recorded responses (H)."""
    return {
        "name": "",
        "subject": "",
        "sender_name": "",
        "sender_email": "",
        "body_html": "",
        "body_text": "",
        "category_id": "0",
        "stamp": now,
        "last_changed": now,
        "started": 0,
        "finished": 0,
        "ready": 0,
        "send_on": 0,
        "m_type": 3,
        "type_name": "html/text",
        "is_html": True,
        "is_text": True,
        "unsubscribe_form_id": "0",
        "mailing_groups": {"group_ids": []},
        "tags": [],
    }


def store_mailing(account: AccountState, state: str, fields: dict[str, Json]) -> int:
    """Store a mailing in any state and return its id; the API creates only drafts.

    Raises:
        ValueError: The state is unknown.
    """
    if state not in STATES:
        raise ValueError(f"Unknown state {state!r} of a mailing: use one of {', '.join(STATES)}")
    times = dict.fromkeys(_TIMES.get(state, ()), account.now())
    data = blank_mailing(account.now()) | times | fields
    return account.store.insert("mailings", state=state, data=dump_text(data))


def store_report(account: AccountState, mailing_id: int, fields: dict[str, Json]) -> None:
    """Store the report of a mailing; its id is the id of the mailing (H)."""
    row = account.store.one("SELECT data FROM mailings WHERE id = ?", mailing_id)
    mailing = load_map(row["data"]) if row else blank_mailing(account.now())
    names = (
        "delivered",
        "unsubscribed",
        "spam",
        "unique_opened",
        "unique_clicks",
        "bounced",
        "dropouts",
    )
    finished = mailing["finished"] or account.now()
    data: dict[str, Json] = {
        "id": str(mailing_id),
        **{name: mailing[name] for name in ("name", "subject", "sender_name", "sender_email")},
        "finished": finished,
        "stats": {"basic": dict.fromkeys(names, 0)},
        "links": list[Json](),
        "groups": mailing["mailing_groups"]["group_ids"],
        "tags": mailing["tags"],
    }
    data |= fields
    account.store.run(
        "INSERT OR REPLACE INTO reports VALUES (?, ?, ?)", mailing_id, finished, dump_text(data)
    )


def load_mailing(call: Call) -> tuple[int, str, dict[str, Json]]:
    """Return id, state and data of the mailing in the path."""
    row = call.store.one("SELECT * FROM mailings WHERE id = ?", call.number("id", "mailing"))
    if row is None:
        raise not_found("mailing")
    return row["id"], row["state"], load_map(row["data"])


def _answer(mailing_id: int, state: str, data: dict[str, Json]) -> dict[str, Json]:
    """Return the JSON of a mailing."""
    return {"id": str(mailing_id), **data, "state": state}


def _select(call: Call, state: str, limit: int, offset: int) -> list[dict[str, Json]]:
    """Return a page of the mailings in one state, newest first."""
    rows = call.store.tuples(
        "SELECT id, state, data FROM mailings WHERE state = ? ORDER BY id DESC LIMIT ? OFFSET ?",
        state,
        limit,
        offset,
    )
    answers = [_answer(mailing_id, of, load_map(data)) for mailing_id, of, data in rows]
    if call.query_flag("omit_body"):
        for answer in answers:
            del answer["body_html"], answer["body_text"]
    return answers


def list_mailings(call: Call) -> Json:
    """GET /mailings: a list for one state and a page, else an object with a list per state (H)."""
    state = call.query.get("state") or "all"
    if state not in {"all", *STATES}:
        raise bad_value("state", f"one of all, {', '.join(STATES)}")
    maximum = 1000 if state == "all" else 100  # M
    limit, offset = call.page(maximum, size_key="limit", default=25)
    if state != "all" and "page" in call.query:
        return _select(call, state, limit, offset)
    return {
        name: _select(call, name, limit, 0) for name in (STATES if state == "all" else (state,))
    }


def _map_of(fields: dict[str, Json], name: str) -> dict[str, Json] | None:
    """Return an object of a request; None if it was not sent. PHP sends an empty one as a list."""
    value = fields.get(name)
    if value is None or value == []:
        return None
    if (found := as_map(value)) is None:
        raise bad_value(name, "object")
    return found


def _list_of(fields: dict[str, Json], name: str) -> list[Json] | None:
    """Return a list of a request; None if it was not sent."""
    value = fields.get(name)
    found = as_list(value)
    if found is None and value is not None:
        raise bad_value(name, "list")
    return found


def _changes(call: Call, fields: dict[str, Json]) -> dict[str, Json]:
    """Return the fields of a mailing that a request changes; 400 names a bad one (M)."""
    data: dict[str, Json] = {
        name: required(fields, name)
        for name in ("name", "subject", "sender_name", "sender_email")
        if name in fields
    }
    if not is_email(data.get("sender_email", "nobody@example.org")):
        raise bad_value("sender_email", "e-mail address")
    if (content := _map_of(fields, "content")) is not None:
        kind = text(content, "type", "html/text")
        if kind not in _CONTENT:
            raise bad_value("content.type", "one of html, text, html/text")
        data |= {"body_html": text(content, "html"), "body_text": text(content, "text")}
        data["m_type"], data["type_name"] = _CONTENT[kind]
        data |= {"is_html": kind != "text", "is_text": kind != "html"}
    if (receivers := _map_of(fields, "receivers")) is not None:
        groups = [
            whole({"groups": group}, "groups") for group in _list_of(receivers, "groups") or ()
        ]
        data["mailing_groups"] = {"group_ids": [str(group) for group in groups]}
    if (settings := _map_of(fields, "settings")) is not None:
        data["category_id"] = str(whole(settings, "category_id"))
        data["unsubscribe_form_id"] = text(settings, "unsubscribe_form_id", "0")
    if (tags := _list_of(fields, "tags")) is not None:
        data["tags"] = [str(tag) for tag in tags]
    return data | {"last_changed": call.now()}


def create_mailing(call: Call) -> Json:
    """POST /mailings: creates a draft."""
    fields = call.fields()
    for name in ("name", "subject", "sender_name", "sender_email"):
        required(fields, name)
    mailing_id = store_mailing(call.account, "draft", _changes(call, fields))
    return {"id": str(mailing_id), "success": True}


def get_mailing(call: Call) -> Json:
    """GET /mailings/{id}."""
    return _answer(*load_mailing(call))


def update_mailing(call: Call) -> Json:
    """PUT /mailings/{id}: changes a draft; omitted fields are kept (M)."""
    mailing_id, state, data = load_mailing(call)
    if state != "draft":
        raise ApiError(403, "Forbidden: mailing is not a draft")
    changed = data | _changes(call, call.fields())
    call.store.run("UPDATE mailings SET data = ? WHERE id = ?", dump_text(changed), mailing_id)
    return {"id": str(mailing_id), "success": True}


# Reports.


def list_reports(call: Call) -> Json:
    """GET /reports: at most 100 per page (M), newest first."""
    limit, offset = call.page(100)
    if ("start" in call.query) != ("end" in call.query):
        raise ApiError(400, "Bad Request: start needs end and end needs start")
    start, end = call.query_number("start"), call.query_number("end", 2**53)
    rows = call.store.tuples(
        "SELECT data FROM reports WHERE finished BETWEEN ? AND ? ORDER BY id DESC LIMIT ? OFFSET ?",
        start,
        end,
        limit,
        offset,
    )
    return [load_map(data) for (data,) in rows]


def load_report(call: Call) -> dict[str, Json]:
    """Return the report in the path, which must exist."""
    row = call.store.one("SELECT data FROM reports WHERE id = ?", call.number("id", "report"))
    if row is None:
        raise not_found("report")
    return load_map(row["data"])


def get_report(call: Call) -> Json:
    """GET /reports/{id}."""
    return load_report(call)


def delete_report(call: Call) -> Json:
    """DELETE /reports/{id}."""
    if not call.store.run("DELETE FROM reports WHERE id = ?", call.number("id", "report")):
        raise not_found("report")
    return True


ROUTES = (
    route("GET", "/v3/mailings", list_mailings),
    route("POST", "/v3/mailings", create_mailing),
    route("GET", "/v3/mailings/{id}", get_mailing),
    route("PUT", "/v3/mailings/{id}", update_mailing),
    route("GET", "/v3/reports", list_reports),
    route("GET", "/v3/reports/{id}", get_report),
    route("DELETE", "/v3/reports/{id}", delete_report),
)
