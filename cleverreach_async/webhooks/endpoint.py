"""The endpoint that receives webhooks, free of any framework."""

import json
import logging
import math
import re
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from hmac import new as new_hmac
from inspect import isasyncgenfunction, isawaitable, isgeneratorfunction
from secrets import token_hex
from typing import Any, Final

import anyio

from cleverreach_async.auth.credentials import as_credential
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.arguments import check_answer, check_plain_functions, kind_of
from cleverreach_async.transport.numbers import check_number, check_seconds
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.webhooks.encryption import load_aes
from cleverreach_async.webhooks.events import (
    AutomationEvent,
    ReceiverEvent,
    WebhookEvent,
    parse_event,
    read_condition,
    read_name,
)
from cleverreach_async.webhooks.json_text import MalformedDeliveryError, read_object
from cleverreach_async.webhooks.keys import (
    WebhookKeys,
    as_keys,
    authenticated,
)
from cleverreach_async.webhooks.repeats import MemoryRepeatStore, RepeatStore
from cleverreach_async.webhooks.requests import (
    Headers,
    RefusedError,
    WebhookResponse,
    call_token,
    check_type,
    handshake_value,
    plain,
    read_body,
    read_headers,
)

__all__ = ["Keys", "WebhookEndpoint"]

_log: Final = logging.getLogger("cleverreach_async")

_VERIFY: Final = re.compile(r"[!-~]{10,50}")
_SETTLE_SECONDS: Final = 5.0

Keys = (
    Iterable[WebhookKeys] | Callable[[], Iterable[WebhookKeys] | Awaitable[Iterable[WebhookKeys]]]
)
"""The keys of webhooks, or a function that returns them, which may be async."""


_Known = tuple[WebhookKeys, ...] | Callable[[], Any]


class WebhookEndpoint:
    """Receives webhooks: answers the verification, checks deliveries and calls your function.

    It takes and returns plain values. :class:`WebhookApp` and :func:`django_webhook` connect it
    with web frameworks.

    A delivery is answered with 200 after your function returned, with 500 if it raised, so that the
    vendor repeats it, and with 4xx if it is forged, malformed, too long or a repeat; then your
    function is not called. How often and for how long the vendor repeats is undocumented.

    **Events are hints.** They may come late, more than once, not at all and in any order, and only
    a token shows who sent them. Read the state of a receiver from the API, and make your function
    safe to call twice. A repeat is the same event about the same receiver within ``window``, with
    no other event about them in between. Two real changes that look the same within the window
    are indistinguishable from a repeat: the second is answered 429 with ``Retry-After``.

    Args:
        on_event: Called with each event; may be async. It should return fast: the vendor waits.
        calltoken: The ``call_token`` that the registration of your one webhook returned.
        secret: The ``secret`` that it returned, which decrypts the address of deleted receivers
            with the extra ``webhooks``.
        keys: Call token and secret of several webhooks instead, or a function that returns them,
            which is called for each delivery and may be async. Several may be of one event, so
            that an old and a new token are valid at the same time.
        verify: The word of 10 to 50 characters that you register all webhooks with. It
            is answered while you register; ``None`` answers no verification.
        window: Seconds in which a repeat is refused; 0 refuses none.
        lease: Seconds that your function may take before a repeat is handled beside it.
        max_body: Most bytes of a delivery.
        repeats: Remembers what was handled: by default in the memory of this process.
        on_error: Called with what your function raised, and the event. By default its type is
            logged, without its text, which may contain an address.

    Raises:
        ConfigurationError: An argument is missing or wrong.
    """

    def __init__(
        self,
        on_event: Callable[[WebhookEvent], Awaitable[None] | None],
        *,
        calltoken: str | Secret | None = None,
        secret: str | Secret | None = None,
        keys: Keys = (),
        verify: str | None = None,
        window: float = 10.0,
        lease: float = 60.0,
        max_body: int = 65_536,
        repeats: RepeatStore | None = None,
        on_error: Callable[[Exception, WebhookEvent], None] | None = None,
    ) -> None:
        # Wrapped before anything can fail: an error report shows the variables of this frame.
        calltoken = None if calltoken is None else as_credential(calltoken)
        secret = None if secret is None else as_credential(secret)
        self._keys: _Known = _all_keys(keys, calltoken, secret)
        _check_on_event(on_event)
        check_plain_functions(on_error=on_error)
        _check_repeats(repeats)
        _check_verify(verify)
        if verify is None and self._keys == ():
            raise ConfigurationError("pass calltoken and secret, keys, or verify")
        check_seconds("window", window)
        check_seconds("lease", lease, least=1)
        check_number("max_body", max_body, least=1)
        self._on_event = on_event
        self._on_error = on_error or _log_error
        self._verify = verify
        self._window = float(window)
        self._lease = float(lease)
        self._max_body = max_body
        self._repeats: RepeatStore = MemoryRepeatStore() if repeats is None else repeats
        self._decrypt = load_aes()  # now, because loading it would block the event loop

    async def respond(
        self,
        method: str,
        query: str | bytes | Mapping[str, Any],
        headers: Headers,
        body: bytes | AsyncIterable[bytes],
    ) -> WebhookResponse:
        """Handle one request. It raises nothing but cancellation.

        Args:
            method: HTTP method.
            query: The query string, or its parameters.
            headers: The headers, in any case.
            body: The body, or its parts. Without a valid token it is not read.

        Returns:
            What to answer.
        """
        try:
            if method == "GET":
                return self._answer_verification(query)
            if method == "POST":
                return await self._receive(headers, body)
            raise RefusedError(405, "GET and POST only", allow="GET, POST")  # noqa: TRY301 - as all
        except RefusedError as refusal:
            _log.info("a webhook was refused: %s", refusal)
            return refusal.response

    def _answer_verification(self, query: Any) -> WebhookResponse:
        if self._verify is None:
            raise RefusedError(404, "no verification")
        return plain(200, f"{self._verify} {handshake_value(query)}")

    async def _receive(
        self, headers: Headers, body: bytes | AsyncIterable[bytes]
    ) -> WebhookResponse:
        known = await self._known()
        named = read_headers(headers)
        senders = authenticated(known, call_token(named))
        if not senders:
            raise RefusedError(401, "unknown call token")
        check_type(named)
        raw = await read_body(named, body, self._max_body)
        try:
            envelope = read_object(raw)
            name, condition = read_name(envelope), read_condition(envelope)
            senders = [it for it in senders if it.covers(name, condition)]
            secrets = [it.secret.reveal() for it in senders if it.secret is not None]
            event = parse_event(envelope, dict.fromkeys(secrets), self._decrypt)
        except MalformedDeliveryError as error:
            raise RefusedError(400, str(error)) from None
        if not senders:
            raise RefusedError(403, "the call token is that of another event or condition")
        return await self._handle_once(event, _subject(event, senders[0]))

    async def _known(self) -> tuple[WebhookKeys, ...]:
        known = self._keys
        if not callable(known):
            return known
        try:
            found = known()
            return as_keys(await found if isawaitable(found) else found)
        except Exception as error:  # noqa: BLE001 - its text may have a token
            _log.error("webhooks: keys() raised %s", type(error).__name__)
            raise RefusedError(503, "try later", **{"retry-after": "60"}) from None

    async def _handle_once(self, event: WebhookEvent, subject: str) -> WebhookResponse:
        """Handle an event, unless it is a repeat or another task is handling it."""
        if not self._window:
            return _response(is_done=await self._handle(event))
        owner = token_hex(8)
        try:
            claim = await self._repeats.claim(subject, event.name, owner, self._lease)
            wait = {"retry-after": str(max(1, math.ceil(claim.seconds)))}
        except Exception as error:  # noqa: BLE001 - of any client
            _log.error("webhooks: the store of repeats raised %s", type(error).__name__)
            raise RefusedError(503, "try later", **{"retry-after": "60"}) from None
        if claim.state == "busy":
            # 5xx: should the other task fail or die, the vendor must repeat this.
            raise RefusedError(503, "this delivery is being handled", **wait)
        if claim.state == "repeat":
            raise RefusedError(429, "this delivery was handled already", **wait)
        is_done = False
        try:
            is_done = await self._handle(event)
        finally:
            await self._settle(subject, event.name, owner, is_done=is_done)
        return _response(is_done=is_done)

    async def _handle(self, event: WebhookEvent) -> bool:
        """Call the function of the user, and return whether it succeeded."""
        try:
            result = self._on_event(event)
            if isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - the vendor repeats it
            try:
                check_answer("on_error", self._on_error(error, event))
            except Exception as second:  # noqa: BLE001 - its text may have an address
                _log.error("webhooks: on_error raised %s", type(second).__name__)
                _log_error(error, event)
            return False
        return True

    async def _settle(self, subject: str, name: str, owner: str, *, is_done: bool) -> None:
        """Remember or forget a delivery, also when the task is cancelled."""
        with anyio.move_on_after(_SETTLE_SECONDS, shield=True):
            try:
                if is_done:
                    await self._repeats.finish(subject, name, owner, self._window)
                else:
                    await self._repeats.release(subject, name, owner)
            except Exception as error:  # noqa: BLE001 - of any client
                # The claim ends by itself. What was handled may be handled once more.
                _log.error("webhooks: the store of repeats raised %s", type(error).__name__)


def _response(*, is_done: bool) -> WebhookResponse:
    return plain(200, "ok") if is_done else plain(500, "not handled")


def _subject(event: WebhookEvent, sender: WebhookKeys) -> str:
    """Return what an event is about: a hash that needs the call token, so it hides addresses."""
    about = dict(event.payload)
    if isinstance(event, ReceiverEvent) and event.email is not None:
        about["email"] = event.email  # encrypting it twice gives two texts
    if isinstance(event, AutomationEvent):
        about["automation_id"] = event.automation_id
    text = json.dumps([event.family, event.condition, about], sort_keys=True)
    return new_hmac(sender.calltoken.reveal().encode(), text.encode(), sha256).hexdigest()


def _all_keys(keys: Any, calltoken: Secret | None, secret: Secret | None) -> _Known:
    """Return all keys as a tuple, or the function that returns them."""
    if callable(keys):
        if calltoken is not None or secret is not None:
            raise ConfigurationError("pass either calltoken and secret, or keys")
        ask: Callable[[], Any] = keys
        return ask
    found = as_keys(keys)
    if calltoken is None:
        if secret is not None:
            raise ConfigurationError("calltoken is missing; a secret alone authenticates nobody")
        return found
    if found:
        raise ConfigurationError("pass either calltoken and secret, or keys")
    return (WebhookKeys(calltoken=calltoken, secret=secret),)


def _check_on_event(on_event: Any) -> None:
    if not callable(on_event):
        raise ConfigurationError(f"on_event is {kind_of(on_event)}; pass a function")
    if isasyncgenfunction(on_event) or isgeneratorfunction(on_event):
        raise ConfigurationError("on_event has a yield, so that a call does nothing; leave it out")


def _check_repeats(repeats: Any) -> None:
    methods = [getattr(repeats, name, None) for name in ("claim", "finish", "release")]
    if repeats is not None and (isinstance(repeats, type) or not all(map(callable, methods))):
        raise ConfigurationError(
            f"repeats is {kind_of(repeats)}; pass a store, such as MemoryRepeatStore()"
        )


def _check_verify(verify: Any) -> None:
    if verify is not None and not (isinstance(verify, str) and _VERIFY.fullmatch(verify)):
        raise ConfigurationError("verify must be a word of 10 to 50 letters, digits and signs")


def _log_error(error: Exception, event: WebhookEvent) -> None:
    _log.error(
        "webhook %s: on_event raised %s; answered 500, so that the vendor repeats it",
        event.name,
        type(error).__name__,
    )
