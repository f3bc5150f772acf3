"""The keys of webhooks, and which deliveries belong to them."""

from collections.abc import Iterable
from hmac import compare_digest
from typing import Any, Final

import attrs

from cleverreach_async.auth.credentials import (
    as_credential,
    check_credential,
    set_fields,
)
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.webhooks.events import is_text_id

__all__ = ["WebhookKeys", "as_keys", "authenticated"]

_MAX_ID: Final = 2**63 - 1
_NOBODY: Final = b"-" * 64


def _condition(value: Any, event: str | None) -> int | str | None:
    if value is None or value == "":
        return None
    is_text = isinstance(value, str) and value.isascii() and value.isdigit()
    is_automation = (event or "").partition(".")[0] == "automation"
    if is_automation and not is_text and isinstance(value, str) and is_text_id(value):
        return value
    if not is_text and (not isinstance(value, int) or isinstance(value, bool)):
        raise ConfigurationError("condition must be the id of a group or automation, or None")
    number = int(value[:20]) if isinstance(value, str) else value
    if not 0 < number <= _MAX_ID:
        raise ConfigurationError("condition must be the id of a group or automation, or None")
    return number


@attrs.frozen(init=False)
class WebhookKeys:
    """What the registration of a webhook returned: store it as you store a password.

    Attributes:
        calltoken: The ``call_token`` that the registration returned. Each delivery has it.
        secret: The ``secret`` that it returned, which decrypts addresses; or ``None``.
        event: The event or family that was registered, such as ``receiver`` or
            ``receiver.unsubscribed``; ``None`` accepts all.
        condition: The id of the group or automation that was registered; ``None`` accepts all. Only
            that of an automation may have letters.

    Raises:
        ConfigurationError: A value is empty, of another type, or cannot be sent.
    """

    calltoken: Secret = attrs.field(repr=False)
    secret: Secret | None = attrs.field(repr=False)
    event: str | None
    condition: int | str | None

    def __init__(
        self,
        *,
        calltoken: str | Secret,
        secret: str | Secret | None = None,
        event: str | None = None,
        condition: str | int | None = None,
    ) -> None:
        calltoken = as_credential(calltoken)
        secret = None if secret is None else as_credential(secret)
        set_fields(self, calltoken=calltoken, secret=secret, event=event, condition=None)
        check_credential(calltoken, "calltoken")
        if secret is not None:
            check_credential(secret, "secret")
        name: Any = event
        if name is not None and (not isinstance(name, str) or not name.strip(". ")):
            raise ConfigurationError("event must be text such as 'receiver.deleted', or None")
        set_fields(self, condition=_condition(condition, event))

    def covers(self, event: str, condition: int | str | None) -> bool:
        """Whether a delivery with this event and condition belongs to the webhook."""
        if (
            self.event is not None
            and event != self.event
            and not event.startswith(self.event + ".")
        ):
            return False
        # A delivery without a condition is not refused: which events have one is undocumented.
        return self.condition is None or condition is None or condition == self.condition


def as_keys(values: Any) -> tuple[WebhookKeys, ...]:
    """Return keys as a tuple.

    Raises:
        ConfigurationError: One of them is something else.
    """
    try:
        found: tuple[Any, ...] = tuple(values)
    except TypeError:
        found = (None,)
    if not all(isinstance(it, WebhookKeys) for it in found):
        raise ConfigurationError("keys must be a list of WebhookKeys")
    return found


def authenticated(keys: Iterable[WebhookKeys], given: bytes) -> list[WebhookKeys]:
    """Return the keys with a call token.

    All are compared, each in a time that does not depend on where the texts differ.

    Args:
        keys: All keys.
        given: The call token of a delivery.
    """
    compare_digest(given, _NOBODY)  # so that no key and one take about the same time
    known = list(keys)
    equal = [compare_digest(given, it.calltoken.reveal().encode()) for it in known]
    return [it for it, is_equal in zip(known, equal, strict=True) if is_equal]
