"""Deliveries of webhooks: made of events, sent when they are due, repeated when they fail."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random

from .behaviour import Behaviour
from .hook_calls import Deliver, WebhookCall
from .hook_events import take_events
from .store import Row, Store
from .values import Json, encode_json

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class SentWebhook:
    """One attempt to deliver an event.

    Attributes:
        event: The name of the event.
        url: The URL of the webhook.
        body: The JSON that was sent.
        attempt: Its number, from 1.
        status_code: The status of the response; None without a response.
        stamp: When it was sent, in unix seconds.
    """

    event: str
    url: str
    body: dict[str, Json] = field(repr=False)
    attempt: int
    status_code: int | None
    stamp: int

    @property
    def ok(self) -> bool:
        """Whether the webhook has accepted it."""
        status = self.status_code
        return status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(slots=True)
class _WaitingWebhook:
    """A delivery that waits."""

    url: str
    call_token: str = field(repr=False)
    body: dict[str, Json] = field(repr=False)
    due: int
    attempts: int = 0


class HookQueue:
    """The deliveries of an account.

    Attributes:
        deliver: Sends a request to a webhook; None sends nothing.
        is_used: Whether a webhook was ever registered; without one there is nothing to send.
        sent: The last 10,000 attempts, oldest first.
    """

    def __init__(self) -> None:
        self.deliver: Deliver | None = None
        self.is_used: bool = False
        self.sent: deque[SentWebhook] = deque(maxlen=_KEPT)
        self._waiting: list[_WaitingWebhook] = []

    async def send_due(
        self, store: Store, behaviour: Behaviour, now: Callable[[], int], random: Random
    ) -> list[SentWebhook]:
        """Send what is due, one after the other, and return the attempts."""
        if self.deliver is None:
            return []
        self._waiting += _deliveries(store, behaviour, now())
        due = [it for it in self._waiting if it.due <= now()]
        self._waiting = [it for it in self._waiting if it.due > now()]
        # U: whether deliveries are in the order of what happened.
        if behaviour.webhook_order == "reversed":
            due.reverse()
        elif behaviour.webhook_order == "shuffled":
            random.shuffle(due)
        return [await self._send(self.deliver, it, behaviour, now()) for it in due]

    async def _send(
        self, deliver: Deliver, delivery: _WaitingWebhook, behaviour: Behaviour, now: int
    ) -> SentWebhook:
        """Send one delivery; what fails waits for its next attempt, if it has one."""
        headers = {"X-CR-Calltoken": delivery.call_token, "User-Agent": "CleverReach"}
        if behaviour.webhook_content_type:
            headers["Content-Type"] = behaviour.webhook_content_type
        status: int | None = None
        try:
            call = WebhookCall("POST", delivery.url, headers, encode_json(delivery.body))
            status = (await deliver(call)).status_code
        except Exception:  # noqa: BLE001 - of any receiver: it does not answer
            status = None
        delivery.attempts += 1
        attempt = delivery.attempts
        event = delivery.body["event"]
        sent = SentWebhook(event, delivery.url, delivery.body, attempt, status, now)
        self.sent.append(sent)
        pauses = behaviour.webhook_retries
        is_failure = status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        is_repeated = is_failure or (behaviour.webhook_retry_refused and not sent.ok)
        if is_repeated and attempt <= len(pauses):
            delivery.due = now + pauses[attempt - 1]
            self._waiting.append(delivery)
        return sent


def _deliveries(store: Store, behaviour: Behaviour, now: int) -> list[_WaitingWebhook]:
    """Return the deliveries of what has happened."""
    events = take_events(store)
    hooks = store.rows("SELECT * FROM webhooks ORDER BY id") if events else []
    return [
        _WaitingWebhook(hook["url"], hook["call_token"], _body(row, hook, behaviour), now)
        for row in events
        for hook in hooks
        if _covers(hook, row, behaviour)
        for _ in range(1 + behaviour.webhook_repeats)
    ]


def public_id(automation_id: int, behaviour: Behaviour) -> str:
    """Return the id of an automation, which is text (U: whether it is a number)."""
    return str(automation_id) if behaviour.automation_id == "digits" else f"a{automation_id:x}-cart"


def _condition(row: Row, behaviour: Behaviour) -> str:
    """Return what an event is about: the id of an automation (H), or of a group (H)."""
    if row["event"].startswith("automation."):
        return public_id(row["object_id"], behaviour)
    return str(row["group_id"])


def _covers(hook: Row, row: Row, behaviour: Behaviour) -> bool:
    """Whether a webhook is registered for an event."""
    is_event = hook["event"] in {row["event"], row["event"].partition(".")[0]}
    return is_event and hook["condition"] in {"", _condition(row, behaviour)}


def _body(row: Row, hook: Row, behaviour: Behaviour) -> dict[str, Json]:
    """Return the JSON of a delivery: ids only, as strings (H)."""
    as_id = str if behaviour.webhook_ids == "str" else int
    event: str = row["event"]
    condition = _condition(row, behaviour)
    is_number = condition.isdecimal()
    body: dict[str, Json] = {
        "event": event,
        "condition": as_id(condition) if is_number else condition,
    }
    match event.partition(".")[0]:
        case "form":
            payload: dict[str, Json] = {"form_id": as_id(row["object_id"])}
        case "filter":  # L: the names are not confirmed
            payload = {"filter_id": as_id(row["object_id"]), "group_id": as_id(row["group_id"])}
        case "automation":
            payload = {}  # M: its id is the condition; nothing else is known
        case "receiver":
            payload = {"group_id": as_id(row["group_id"])}
            payload |= _about_receiver(row, hook["secret"], behaviour)
        case _:
            payload = {"group_id": as_id(row["group_id"])}
    return body | {"payload": payload}


def _about_receiver(row: Row, secret: str, behaviour: Behaviour) -> dict[str, Json]:
    """Return the id of a receiver, or of a deleted one the encrypted address (M-H)."""
    as_id = str if behaviour.webhook_ids == "str" else int
    is_deleted = row["event"] == "receiver.deleted"
    payload: dict[str, Json] = {}
    if not is_deleted or behaviour.webhook_deleted_id == "stale":
        payload["pool_id"] = as_id(row["receiver_id"])
    elif behaviour.webhook_deleted_id == "zero":
        payload["pool_id"] = as_id(0)
    if is_deleted or behaviour.webhook_email_of == "all":
        if behaviour.webhook_email == "plain":
            payload["email"] = row["email"]
        elif behaviour.webhook_email != "missing":
            from .hook_secrets import encrypt_address  # noqa: PLC0415 - needs an extra

            payload["email"] = encrypt_address(row["email"], secret, behaviour)
    return payload
