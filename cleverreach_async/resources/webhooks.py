"""Registrations of webhooks: the server posts an event to a URL when it happens."""

import logging
import re
from typing import Any, Final, cast
from urllib.parse import urlsplit

import attrs

from cleverreach_async.errors import APIStatusError, ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.base import Resource, body
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.success import failure_in
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.hiding import hide_in_error
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.transport.wire import (
    Request,
    as_list,
    as_object,
    build_request,
    is_numbered,
)

__all__ = ["Webhook", "WebhookRegistration", "Webhooks"]

_log: Final = logging.getLogger("cleverreach_async")

FAMILIES: Final = ("receiver", "form", "filter", "group", "automation")
SHORTEST_VERIFY: Final = 10
LONGEST_VERIFY: Final = 50

_PATH: Final = "/hooks/eventhook"
_SECRET_FIELDS: Final = ("call_token", "secret")
_SECRETS: Final = re.compile(r'"(?:call_token|secret)"\s*:\s*"([^"]+)')
_HOST: Final = re.compile(r"[^\s/?#@]*\.[^\s/?#@]+|localhost")


@attrs.frozen(kw_only=True)
class WebhookRegistration:
    """What the server sends when a webhook is registered. Store both; they are not sent again.

    Attributes:
        call_token: Every delivery has it in the header ``X-CR-Calltoken``.
        secret: Decrypts the e-mail address of receivers who are deleted.
        extra: Fields of the response that this model does not know.
    """

    call_token: Secret
    secret: Secret
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class Webhook:
    """A registered webhook.

    Attributes:
        event: An event such as ``receiver.unsubscribed``, or a family such as ``receiver``.
        condition: The group that it is for, or the automation, as text; empty for all.
        url: Where the server posts to.
        extra: Fields of the response that this model does not know, and values that it cannot read.
            A call token or a secret in it is a :class:`Secret`.
    """

    event: str
    condition: str = ""
    url: str = attrs.field(default="", repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Webhooks(Resource):
    """``cr.webhooks``: register, list and delete webhooks.

    Known families of events are ``receiver``, ``form``, ``filter``, ``group`` and ``automation``,
    with events such as ``receiver.subscribed``, ``receiver.unsubscribed`` or ``group.deleted``.
    """

    async def register(
        self, url: str, event: str, *, verify: str, condition: str | int | None = None
    ) -> WebhookRegistration:
        """Register a URL for an event, or for all events of a family.

        During this call the server sends ``GET <url>?secret=<value>``, and the answer has to be
        ``<verify> <value>`` as plain text. There is one registration per event and condition, so
        delete an older one before. The call is not repeated after a lost response.

        Args:
            url: Public address of the endpoint, with ``https://``.
            event: Event or family; one that is not known is sent, with a warning in the log.
            verify: A word of 10 to 50 characters that the endpoint answers with.
            condition: Id of the group, or of the automation; without it, all of them.

        Raises:
            ConfigurationError: An argument is not as described.
            APIStatusError: The endpoint did not answer as it has to, or is registered already.
            ResponseDecodeError: The response has no call token or no secret.

        ``POST /hooks/eventhook``, which is not below ``/v3``
        """
        fields = body(
            url=_checked_url(url),
            event=_checked_event(event),
            verify=_checked_verify(verify),
            condition=UNSET if condition is None else _checked_condition(condition),
        )
        request = build_request("POST", _PATH, json=fields)
        try:
            return _registration(await self._done(request, _has_both), request)
        except APIStatusError as error:
            # Of a refusal too the body may have them.
            raise hide_in_error(error, _SECRETS.findall(error.body)) from None

    def list(self) -> Paginator[Webhook]:
        """List all registered webhooks; the API does not page them.

        ``GET /hooks/eventhook``, which is not below ``/v3``
        """
        return self._list(Webhook, _PATH, read=_masked)

    async def delete(self, event: str, *, condition: str | int | Unset = UNSET) -> None:
        """Delete the webhook of an event and a condition, or all of the event without it.

        Args:
            event: Event or family, as it was registered.
            condition: Id of the group or of the automation, as it was registered.

        Raises:
            ConfigurationError: ``event`` is empty, or ``condition`` is ``None``.

        ``DELETE /hooks/eventhook/{event}``, which is not below ``/v3``
        """
        query = {"condition": UNSET if condition is UNSET else _checked_condition(condition)}
        path = {"event": _checked_event(event)}
        await self._do("DELETE", f"{_PATH}/{{event}}", path=path, query=query)


def _has_both(response: Any) -> bool:
    """Whether a response has a call token and a secret, and no failure: they are not sent again."""
    items = as_list(response)
    fields = as_object(items[0] if len(items) == 1 else response)
    has_both = all(isinstance(fields.get(it), str) and fields[it] for it in _SECRET_FIELDS)
    return has_both and failure_in({"id": 1, **fields}) is None


def _registration(response: Any, request: Request) -> WebhookRegistration:
    """Return call token and secret.

    Raises:
        ResponseDecodeError: There is none.
    """
    items = as_list(response)
    fields = dict(as_object(items[0] if len(items) == 1 else response))
    found = {name: fields.pop(name, None) for name in _SECRET_FIELDS}
    missing = [name for name, it in found.items() if not isinstance(it, str) or not it.strip()]
    if missing:
        del response, items, fields, found  # An error report of this frame shows its variables.
        problems = [f"required field missing @ $.{name}" for name in missing]
        raise ResponseDecodeError(problems, method=request.method, path=request.template)
    fields.pop("success", None)
    secrets = {name: Secret(cast("str", it)) for name, it in found.items()}
    return WebhookRegistration(**secrets, extra=fields)


def _masked(response: Any) -> Any:
    """Return a list of webhooks whose call tokens and secrets no ``repr`` shows."""
    if not isinstance(response, list) and not is_numbered(response):
        return response
    return [
        {
            name: Secret(it) if name in _SECRET_FIELDS and isinstance(it, str) else it
            for name, it in fields.items()
        }
        if (fields := as_object(item))
        else item
        for item in as_list(response)
    ]


def _checked_url(url: object) -> str:
    """Return the URL of an endpoint. It is in no message, because it may have a secret."""
    if not isinstance(url, str):
        raise ConfigurationError(f"url is {kind_of(url)}; pass text")
    try:
        parts = urlsplit(url)
        is_right = parts.scheme == "https" and bool(_HOST.fullmatch(parts.hostname or ""))
    except ValueError:
        is_right = False
    if not is_right or not url.isprintable() or any(map(str.isspace, url)):
        raise ConfigurationError("url is not the https:// address of a public server")
    return url


def _checked_verify(verify: object) -> str:
    if not isinstance(verify, str):
        raise ConfigurationError(f"verify is {kind_of(verify)}; pass text")
    if not SHORTEST_VERIFY <= len(verify) <= LONGEST_VERIFY:
        raise ConfigurationError(
            f"verify has {len(verify)} characters; the API takes {SHORTEST_VERIFY} to"
            f" {LONGEST_VERIFY}"
        )
    if verify != verify.strip() or not verify.isprintable():
        raise ConfigurationError("verify has blanks around it, or control characters")
    return verify


def _checked_event(event: object) -> str:
    if not isinstance(event, str):
        raise ConfigurationError(f"event is {kind_of(event)}; pass text")
    if not event.strip() or "/" in event:
        raise ConfigurationError(f"event is {event!r}; pass one such as 'receiver.unsubscribed'")
    if event.partition(".")[0] not in FAMILIES:
        _log.warning(
            "the family of the webhook event %r is not known; known are %s",
            event[:LONGEST_VERIFY],
            ", ".join(FAMILIES),
        )
    return event


def _checked_condition(condition: object) -> str:
    """Return a condition as text: the API refuses a number."""
    if isinstance(condition, str) and condition.strip():
        return condition
    if isinstance(condition, int) and not isinstance(condition, bool) and condition > 0:
        return str(condition)
    shown = "empty" if condition == "" else kind_of(condition)
    raise ConfigurationError(
        f"condition is {shown}; pass the id of the group, or leave condition out for all groups"
    )
