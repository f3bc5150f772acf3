"""Webhooks: registration with its verification, outside of /v3 (H)."""

from collections.abc import Container
from secrets import token_hex
from urllib.parse import urlsplit

from .call import Call, required
from .errors import ApiError, bad_value, not_found
from .hook_calls import WebhookCall
from .hook_events import FAMILIES, watch
from .routing import route
from .values import Json

_PATH = "/hooks/eventhook"
_VERIFY_LENGTHS = range(10, 51)
_EVENTS = {
    *FAMILIES,
    *(f"{family}.{action}" for family, actions in FAMILIES.items() for action in actions),
}


async def register(call: Call) -> Json:
    """POST /hooks/eventhook: asks the URL for the word, and returns token and secret (H)."""
    fields = call.fields()
    if not isinstance(fields.get("condition", ""), str | None):
        raise ApiError(400, "Bad Request: invalid json")  # M-H: of an integer
    url, event, verify = (required(fields, name) for name in ("url", "event", "verify"))
    condition = fields.get("condition") or ""
    if event not in _EVENTS:
        raise bad_value("event", "a known event")
    if len(verify) not in _VERIFY_LENGTHS:
        raise bad_value("verify", "10 to 50 characters")
    schemes = {"https"} if call.behaviour.webhook_url == "https" else {"https", "http"}
    if not _is_url(url, schemes):
        raise bad_value("url", "an https URL")
    is_known = call.store.value(
        "SELECT 1 FROM webhooks WHERE event = ? AND condition = ?", event, condition
    )
    # H: clients delete the first one before.
    if is_known and call.behaviour.repeated_webhook == "refuse":
        raise ApiError(409, "Conflict: event is registered already")
    if event in {"receiver", "receiver.deleted"} or (
        event.startswith("receiver.") and call.behaviour.webhook_email_of == "all"
    ):
        _check_encryption(call)
    secret = token_hex(16)
    await _verify(call, url, verify, secret)
    call_token = token_hex(32)
    with call.store.transaction():
        call.store.run("DELETE FROM webhooks WHERE event = ? AND condition = ?", event, condition)
        call.store.insert(
            "webhooks",
            event=event,
            condition=condition,
            url=url,
            verify=verify,
            call_token=call_token,
            secret=secret,
        )
        call.account.hooks.is_used = watch(call.store)
    return {"success": True, "call_token": call_token, "secret": secret}


def _is_url(url: str, schemes: Container[str]) -> bool:
    """Whether a text is a URL with one of some schemes and a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an address, or a port that is no number
        return False


def _check_encryption(call: Call) -> None:
    """Refuse what cannot be delivered without a library."""
    if call.behaviour.webhook_email not in {"plain", "missing"}:
        try:
            from .hook_secrets import encrypt_address  # noqa: PLC0415 - needs an extra
        except ModuleNotFoundError as error:
            raise ApiError(400, str(error)) from error
        encrypt_address("nobody@example.org", token_hex(16), call.behaviour)


async def _verify(call: Call, url: str, verify: str, secret: str) -> None:
    """Ask the URL to repeat the word and a value as plain text (H); else refuse."""
    deliver = call.account.hooks.deliver
    if deliver is None:
        return  # nothing can be reached; a server always can
    # U: whether the value is the secret that is returned.
    value = secret if call.behaviour.webhook_value == "secret" else token_hex(8)
    asked = f"{url}{'&' if urlsplit(url).query else '?'}secret={value}"
    try:
        answer = await deliver(WebhookCall("GET", asked))
    except Exception as error:
        raise ApiError(400, "Bad Request: url could not be verified") from error
    is_text = answer.headers.get("content-type", "").partition(";")[0].strip() == "text/plain"
    if answer.status_code != 200 or not is_text or answer.body != f"{verify} {value}".encode():  # noqa: PLR2004 - HTTP
        raise ApiError(400, "Bad Request: url could not be verified")


def list_webhooks(call: Call) -> Json:
    """GET /hooks/eventhook: without token and secret (M)."""
    return call.store.rows("SELECT event, condition, url FROM webhooks ORDER BY id")


def delete_webhook(call: Call) -> Json:
    """DELETE /hooks/eventhook/{event}: with all conditions, or with the given one (H)."""
    sql = "DELETE FROM webhooks WHERE event = ?"
    values = [call.params["event"]]
    if "condition" in call.query:
        sql += " AND condition = ?"
        values.append(call.query["condition"])
    if not call.store.run(sql, *values):
        raise not_found("event")  # U: the answer when there is none
    watch(call.store)
    return True


ROUTES = (
    route("GET", _PATH, list_webhooks),
    route("POST", _PATH, register),
    route("DELETE", f"{_PATH}/{{event}}", delete_webhook),
)
