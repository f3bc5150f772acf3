"""Registered webhooks. They lie beside ``/v3``."""

import secrets

from .call import Call, required, text
from .errors import ApiError, bad_value, not_found
from .routing import route
from .values import Json

EVENTS = {
    "receiver": ("subscribed", "unsubscribed", "created", "updated", "deleted"),
    "form": ("created", "updated", "deleted"),
    "filter": ("created", "updated", "deleted"),
    "group": ("created", "updated", "deleted"),
    "automation": ("activated", "deactivated", "deleted"),
}
"""The events of each family (H)."""

_VERIFY_LENGTH = range(10, 51)


def is_event(event: str) -> bool:
    """Whether a name is that of a family, or of an event in it."""
    family, dot, name = event.partition(".")
    return family in EVENTS and (not dot or name in EVENTS[family])


def register(call: Call) -> Json:
    """POST /hooks/eventhook: returns a call token of 64 and a secret of 32 characters (H)."""
    fields = call.fields()
    if not isinstance(fields.get("condition", ""), str):
        raise ApiError(400, "Bad Request: invalid json")  # M: seen for a number
    url, event, verify = (required(fields, name) for name in ("url", "event", "verify"))
    if not url.startswith("https://"):
        raise bad_value("url", "an https URL")
    if not is_event(event):
        raise bad_value("event", "a known event")
    if len(verify) not in _VERIFY_LENGTH:
        raise bad_value("verify", "10 to 50 characters")
    condition = text(fields, "condition")
    where = "FROM webhooks WHERE event = ? AND condition = ?"
    with call.store.transaction():
        known = call.store.value(f"SELECT 1 {where}", event, condition)
        if known is not None and call.behaviour.repeated_webhook == "refuse":
            raise ApiError(409, "Conflict: event is registered already")
        call.store.run(f"DELETE {where}", event, condition)
        hook = {"call_token": secrets.token_hex(32), "secret": secrets.token_hex(16)}
        call.store.insert(
            "webhooks", event=event, condition=condition, url=url, verify=verify, **hook
        )
    return {"success": True, **hook}


def list_webhooks(call: Call) -> Json:
    """GET /hooks/eventhook."""
    return call.store.rows("SELECT event, condition, url FROM webhooks ORDER BY id")


def delete_webhook(call: Call) -> Json:
    """DELETE /hooks/eventhook/{event}: without a condition all of the event (H)."""
    condition = call.query.get("condition")
    gone = call.store.run(
        "DELETE FROM webhooks WHERE event = ? AND (? IS NULL OR condition = ?)",
        call.params["event"],
        condition,
        condition,
    )
    if not gone:
        raise not_found("event")  # U: text and status
    return True


ROUTES = (
    route("POST", "/hooks/eventhook", register),
    route("GET", "/hooks/eventhook", list_webhooks),
    route("DELETE", "/hooks/eventhook/{event}", delete_webhook),
)
