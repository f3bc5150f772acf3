"""My content: the content sources of the editor."""

from .call import Call, required, text
from .errors import ApiError, not_found
from .routing import route
from .store import Row
from .values import Json, dump_text, load_map, to_bool

_TEXTS = ("password", "type", "icon")


def _content_json(row: Row) -> dict[str, Json]:
    """Return the JSON of a content source, with recorded fields (H)."""
    return {"id": str(row["id"]), "name": row["name"], "url": row["url"], **load_map(row["data"])}


def _load(call: Call) -> Row:
    """Return the content source in the path, which must exist."""
    row = call.store.one("SELECT * FROM my_content WHERE id = ?", call.number("id", "mycontent"))
    if row is None:
        raise not_found("mycontent")
    return row


def _check_free(call: Call, name: str, url: str, own_id: int = 0) -> None:
    """Refuse a name or an address that another content source has (H)."""
    sql = "SELECT 1 FROM my_content WHERE (name = ? OR url = ?) AND id != ?"
    if call.store.value(sql, name, url, own_id):
        raise ApiError(409, "Conflict: name or url already exists")


def _changes(fields: dict[str, Json]) -> dict[str, Json]:
    """Return what a request changes beside name and address."""
    changes: dict[str, Json] = {name: text(fields, name) for name in _TEXTS if name in fields}
    return changes | ({"cors": to_bool(fields["cors"])} if "cors" in fields else {})


def list_contents(call: Call) -> Json:
    """GET /mycontent: all, without pages (M)."""
    return [_content_json(row) for row in call.store.rows("SELECT * FROM my_content ORDER BY id")]


def get_content(call: Call) -> Json:
    """GET /mycontent/{id}."""
    return _content_json(_load(call))


def create_content(call: Call) -> Json:
    """POST /mycontent; 409 if the name or the address is taken (H)."""
    fields = call.fields()
    name, url = required(fields, "name"), required(fields, "url")
    _check_free(call, name, url)
    data: dict[str, Json] = {
        "login": "",
        "password": "",
        "interface": "",
        "client_id": str(call.account.id),
        "group_id": "0",
        "active": True,
        "stamp": call.now(),
        "last_import": 0,
    }
    data |= _changes(fields)
    content_id = call.store.insert("my_content", name=name, url=url, data=dump_text(data))
    return {"id": str(content_id), "name": name, "url": url, **data}


def update_content(call: Call) -> Json:
    """PUT /mycontent/{id}: omitted fields are kept (M)."""
    row, fields = _load(call), call.fields()
    name = required(fields, "name") if "name" in fields else row["name"]
    url = required(fields, "url") if "url" in fields else row["url"]
    _check_free(call, name, url, row["id"])
    data = dump_text(load_map(row["data"]) | _changes(fields))
    sql = "UPDATE my_content SET name = ?, url = ?, data = ? WHERE id = ?"
    call.store.run(sql, name, url, data, row["id"])
    return _content_json(_load(call))


def delete_content(call: Call) -> Json:
    """DELETE /mycontent/{id}."""
    call.store.run("DELETE FROM my_content WHERE id = ?", _load(call)["id"])
    return True


ROUTES = (
    route("GET", "/v3/mycontent", list_contents),
    route("POST", "/v3/mycontent", create_content),
    route("GET", "/v3/mycontent/{id}", get_content),
    route("PUT", "/v3/mycontent/{id}", update_content),
    route("DELETE", "/v3/mycontent/{id}", delete_content),
)
