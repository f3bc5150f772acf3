"""Flows, which the API can only read; they are beside /v3."""

from uuid import UUID

from .accounts import AccountState
from .call import Call, text
from .errors import bad_value, not_found
from .routing import route
from .store import Row
from .values import Json

_DIRECTIONS = {"": "ASC", "asc": "ASC", "desc": "DESC"}


def add_flow(account: AccountState, name: str, playbook: str, group_id: int) -> str:
    """Store a flow and return its id."""
    uuid = str(UUID(int=account.random.getrandbits(128), version=4))
    account.store.insert("flows", uuid=uuid, name=name, playbook=playbook, group_id=group_id)
    return uuid


def _flow_json(row: Row) -> dict[str, Json]:
    """Return the JSON of a flow (M)."""
    return {
        "id": row["uuid"],
        "name": row["name"],
        "playbook": row["playbook"],
        "setup": {"groupid": str(row["group_id"])},
    }


def list_flows(call: Call) -> Json:
    """GET /flow/flow, optionally of one kind and in an order (M)."""
    playbook, order = text(call.query, "playbook"), text(call.query, "order", "name")
    direction = _DIRECTIONS.get(text(call.query, "dir").lower())
    if order not in {"name", "playbook"} or direction is None:
        raise bad_value("order", "name or playbook, and asc or desc")
    rows = call.store.rows(
        f"SELECT * FROM flows WHERE ? IN ('', playbook) ORDER BY {order} {direction}, uuid",  # noqa: S608 - fixed names
        playbook,
    )
    return [_flow_json(row) for row in rows]


def get_flow(call: Call) -> Json:
    """GET /flow/flow/{uuid}."""
    row = call.store.one("SELECT * FROM flows WHERE uuid = ?", call.params["uuid"].lower())
    if row is None:
        raise not_found("flow")
    return _flow_json(row)


ROUTES = (
    route("GET", "/flow/flow", list_flows),
    route("GET", "/flow/flow/{uuid}", get_flow),
)
