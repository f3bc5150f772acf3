"""The events that webhooks deliver."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, cast

import attrs

from cleverreach_async.webhooks.encryption import Decrypt, decrypted, is_address, read_ciphertext
from cleverreach_async.webhooks.json_text import MalformedDeliveryError

__all__ = [
    "AutomationEvent",
    "FilterEvent",
    "FormEvent",
    "GroupEvent",
    "ReceiverEvent",
    "WebhookEvent",
    "is_text_id",
    "parse_event",
    "read_condition",
    "read_name",
]

_NAME: Final = re.compile(r"[!-~]{1,100}")
_TEXT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_MAX_ID: Final = 2**63 - 1
_NOT_AN_ID: Final = -1

_NO_EXTRA: Final = "decrypting needs cryptography: pip install 'cleverreach-async[webhooks]'"
_SECRET_MISSING: Final = "decrypting needs the secret of the webhook"  # noqa: S105 - a sentence
_UNREADABLE: Final = "the secret of the webhook does not decrypt it"


@attrs.frozen(kw_only=True)
class WebhookEvent:
    """An event. Those that this version does not know are of this class itself.

    An event is a hint, not the new state: events may arrive late, twice and in any order, and their
    body is not signed. Read the state from the API.

    Attributes:
        name: Family and action, such as ``receiver.unsubscribed``.
        condition: Id of the group or automation that the webhook is registered for, if any.
        payload: What the vendor sent about it, as it came. It may have an encrypted address.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = ()

    name: str
    condition: int | None = None
    payload: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)

    @property
    def family(self) -> str:
        """The part before the dot, such as ``receiver``."""
        return self.name.partition(".")[0]

    @property
    def action(self) -> str:
        """The part after the dot, such as ``unsubscribed``."""
        return self.name.partition(".")[2]


@attrs.frozen(kw_only=True)
class ReceiverEvent(WebhookEvent):
    """A receiver was subscribed, unsubscribed, created, updated or deleted.

    Attributes:
        pool_id: Id of the receiver; ``None`` when the receiver does not exist any more.
        group_id: Id of the group.
        email: The decrypted address, of deleted receivers; ``None`` where the vendor sent none, and
            where ``email_problem`` says why it cannot be read.
        email_problem: Why the address cannot be read, or an empty text.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (
        "subscribed",
        "unsubscribed",
        "created",
        "updated",
        "deleted",
    )

    pool_id: int | None = None
    group_id: int | None = None
    email: str | None = attrs.field(default=None, repr=False)
    email_problem: str = ""


@attrs.frozen(kw_only=True)
class GroupEvent(WebhookEvent):
    """A group was created, updated or deleted.

    Attributes:
        group_id: Id of the group.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = ("created", "updated", "deleted")

    group_id: int | None = None


@attrs.frozen(kw_only=True)
class FormEvent(WebhookEvent):
    """A form was created, updated or deleted.

    Attributes:
        form_id: Id of the form.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = ("created", "updated", "deleted")

    form_id: int | None = None


@attrs.frozen(kw_only=True)
class FilterEvent(WebhookEvent):
    """A segment was created, updated or deleted. Its fields are undocumented: see ``payload``."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("created", "updated", "deleted")


@attrs.frozen(kw_only=True)
class AutomationEvent(WebhookEvent):
    """An automation was activated, deactivated or deleted.

    Attributes:
        automation_id: Its id, which is text and may have letters; empty if the vendor sent none.
            If it is a number, it is the ``condition`` too.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = ("activated", "deactivated", "deleted")

    automation_id: str = ""


_IDS: Final[Mapping[type[WebhookEvent], tuple[str, ...]]] = {
    ReceiverEvent: ("pool_id", "group_id"),
    GroupEvent: ("group_id",),
    FormEvent: ("form_id",),
    FilterEvent: (),
    AutomationEvent: (),
}
_FAMILIES: Final[Mapping[str, type[WebhookEvent]]] = {
    "receiver": ReceiverEvent,
    "group": GroupEvent,
    "form": FormEvent,
    "filter": FilterEvent,
    "automation": AutomationEvent,
}


def read_name(envelope: Mapping[str, Any]) -> str:
    """Return the name of the event in a delivery.

    Raises:
        MalformedDeliveryError: There is none.
    """
    name = envelope.get("event")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise MalformedDeliveryError("no event")
    return name


def read_condition(envelope: Mapping[str, Any]) -> int | str | None:
    """Return the condition in a delivery; of events that are not known, only if it is an id.

    Raises:
        MalformedDeliveryError: The condition of an event that is known is no id. Those of
            automations are text.
    """
    condition = envelope.get("condition")
    number = _id(condition)
    if number != _NOT_AN_ID:
        return number
    kind = _class_of(read_name(envelope))
    if kind is WebhookEvent:
        return None
    if kind is AutomationEvent and isinstance(condition, str) and is_text_id(condition):
        return condition
    raise MalformedDeliveryError("condition is no id")


def parse_event(
    envelope: Mapping[str, Any], secrets: Iterable[str], decrypt: Decrypt | None
) -> WebhookEvent:
    """Return the event in a delivery.

    Args:
        envelope: The delivery.
        secrets: The secrets of the webhooks that it belongs to.
        decrypt: AES, or ``None`` where its library is not installed.

    Raises:
        MalformedDeliveryError: It is not an event.
    """
    name = read_name(envelope)
    payload = _payload(envelope)
    kind = _class_of(name)
    fields: dict[str, Any] = {}
    for key in _IDS.get(kind, ()):
        fields[key] = number = _id(payload.get(key))
        if number == _NOT_AN_ID:
            raise MalformedDeliveryError(f"{key} is no id")
    if kind is ReceiverEvent:
        fields["email"], fields["email_problem"] = _email(payload, secrets, decrypt)
    condition = read_condition(envelope)
    if kind is AutomationEvent:
        fields["automation_id"] = "" if condition is None else str(condition)
    number = condition if isinstance(condition, int) else None
    return kind(name=name, condition=number, payload=payload, **fields)


def is_text_id(text: str) -> bool:
    """Whether a text may be the id of an automation."""
    return bool(_TEXT_ID.fullmatch(text))


def _class_of(name: str) -> type[WebhookEvent]:
    family, _, action = name.partition(".")
    kind = _FAMILIES.get(family, WebhookEvent)
    return kind if action in kind.ACTIONS else WebhookEvent


def _payload(envelope: Mapping[str, Any]) -> dict[str, Any]:
    payload = envelope.get("payload")
    if payload is None or payload == []:
        return {}  # as PHP encodes an empty map
    if not isinstance(payload, dict):
        raise MalformedDeliveryError("payload is not an object")
    return cast("dict[str, Any]", payload)


def _id(value: Any) -> int | None:
    """Return an id, ``None`` where there is none, or :data:`_NOT_AN_ID`."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_ID:
        return _NOT_AN_ID
    return value or None


def _email(
    payload: Mapping[str, Any], secrets: Iterable[str], decrypt: Decrypt | None
) -> tuple[str | None, str]:
    """Return the address, and why it cannot be read."""
    text = payload.get("email")
    if text is None or text == "":
        return None, ""
    if not isinstance(text, str):
        raise MalformedDeliveryError("email is not text")
    if is_address(text):
        return text, ""
    data = read_ciphertext(text)
    if data is None:
        raise MalformedDeliveryError("email is neither an address nor an encrypted one")
    known = list(secrets)
    if not known:
        return None, _SECRET_MISSING
    if decrypt is None:
        return None, _NO_EXTRA
    email = decrypted(data, known, decrypt)
    return email, "" if email is not None else _UNREADABLE
