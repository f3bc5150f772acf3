"""The endpoint: verification, who may deliver, what is refused, and what is handled again."""

# pyright: reportPrivateUsage=false

import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from cleverreach_async import (
    ConfigurationError,
    MemoryRepeatStore,
    ReceiverEvent,
    Secret,
    WebhookEndpoint,
    WebhookEvent,
    WebhookKeys,
    WebhookResponse,
)

pytestmark = pytest.mark.anyio

Open = Callable[..., Any]
Delivery = Callable[..., dict[str, Any]]


class Unread:
    """A body that nobody may read."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Fail."""
        pytest.fail("read")


# Verification.


@pytest.mark.parametrize("query", ["secret=a-b_4711", b"secret=a-b_4711", "?secret=a-b_4711"])
async def test_the_verification_is_answered(deliveries: Any, query: Any) -> None:
    """With the word, one blank and the value, as plain text."""
    answer = await deliveries.endpoint.respond("GET", query, {}, b"")
    assert (200, b"shop-webhook-verify a-b_4711") == (answer.status, answer.body)
    assert "text/plain" == answer.headers["content-type"]
    assert [] == deliveries.events


@pytest.mark.parametrize("value", ["x", ["x"], ("x",)])
async def test_parameters_of_a_framework_are_read(deliveries: Any, value: Any) -> None:
    """As one value, or as a list of values."""
    answer = await deliveries.endpoint.respond("GET", {"secret": value, "other": "y"}, {}, b"")
    assert b"shop-webhook-verify x" == answer.body


@pytest.mark.parametrize(
    "query",
    [
        *("", "secret=", "secret=a&secret=b", "secret=a%20b", "secret=%3Cb%3E%0A", "other=1"),
        *("secret=" + "x" * 257, "&".join(f"a{n}=1" for n in range(30)), {"secret": 4}, None),
        {"secret": ["a", "b"]},
    ],
)
async def test_an_odd_verification_is_refused(deliveries: Any, query: Any) -> None:
    """Nothing of it is repeated."""
    answer = await deliveries.endpoint.respond("GET", query, {}, b"")
    assert (400, b"secret expected") == (answer.status, answer.body)


async def test_without_a_word_there_is_no_verification(open_endpoint: Open) -> None:
    """The endpoint then only receives."""
    answer = await open_endpoint(verify=None).endpoint.respond("GET", "secret=x", {}, b"")
    assert 404 == answer.status


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "get", ""])
async def test_other_methods_are_refused(deliveries: Any, method: str) -> None:
    """The answer names the two that there are."""
    answer = await deliveries.endpoint.respond(method, "secret=x", {}, b"")
    assert (405, "GET, POST") == (answer.status, answer.headers["allow"])


# Call tokens.


async def test_a_delivery_with_the_call_token_is_handled(
    deliveries: Any, receiver: Delivery
) -> None:
    """The function gets a typed event, with ids as numbers."""
    answer = await deliveries.send(receiver("unsubscribed"))
    assert (200, b"ok") == (answer.status, answer.body)
    [event] = deliveries.events
    assert isinstance(event, ReceiverEvent)
    assert ("receiver.unsubscribed", 5, 7, 5) == (
        event.name,
        event.condition,
        event.pool_id,
        event.group_id,
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-CR-Calltoken": ""},
        {"X-CR-Calltoken": "calltoken"},
        {"X-CR-Calltoken": "ü"},
        [("X-CR-Calltoken", "TOKEN"), ("x-cr-calltoken", "TOKEN")],
        {"X-CR-Calltoken": "TOKENx"},
        {"Authorization": "Bearer TOKEN"},
    ],
)
async def test_another_call_token_is_refused(
    deliveries: Any, receiver: Delivery, headers: Any
) -> None:
    """The body is not read, not even its length."""
    token = deliveries.endpoint._keys[0].calltoken.reveal()
    pairs: list[tuple[str, str]] = [*getattr(headers, "items", lambda: headers)()]
    given = [(name, value.replace("TOKEN", token)) for name, value in pairs]

    given.append(("content-length", str(10**9)))
    answer = await deliveries.endpoint.respond("POST", "", given, Unread())
    assert 401 == answer.status
    assert [] == deliveries.events


async def test_headers_may_be_bytes(deliveries: Any, receiver: Delivery) -> None:
    """As in ASGI."""
    token = deliveries.endpoint._keys[0].calltoken.reveal().encode()
    headers = [(b"x-cr-calltoken", token), (b"content-type", b"application/json")]
    body = b'{"event": "group.created", "payload": {"group_id": 5}}'
    assert 200 == (await deliveries.endpoint.respond("POST", b"", headers, body)).status


async def test_each_registration_has_its_token(open_endpoint: Open, receiver: Delivery) -> None:
    """A token is valid for its event and condition, and nothing else."""
    keys = [
        WebhookKeys(calltoken="one", event="receiver", condition="5"),
        WebhookKeys(calltoken="two", event="receiver.deleted"),
        WebhookKeys(calltoken="new", event="receiver", condition=5),
    ]
    shop = open_endpoint(calltoken=None, secret=None, keys=keys)
    assert 200 == (await shop.send(receiver("created"), calltoken="one")).status
    assert 200 == (await shop.send(receiver("created"), calltoken="new")).status
    assert 200 == (await shop.send(receiver("deleted", group_id=6), calltoken="two")).status
    assert 403 == (await shop.send(receiver("created", group_id=6), calltoken="one")).status
    assert 403 == (await shop.send(receiver("created"), calltoken="two")).status
    assert 403 == (await shop.send({"event": "receivers.x"}, calltoken="one")).status
    assert 401 == (await shop.send(receiver("created"), calltoken="three")).status
    assert 3 == len(shop.events)


async def test_one_token_may_belong_to_several_registrations(
    open_endpoint: Open, receiver: Delivery
) -> None:
    """It is enough that one of them covers the event."""
    keys = [
        WebhookKeys(calltoken="same", event="group"),
        WebhookKeys(calltoken="same", event="receiver"),
    ]
    shop = open_endpoint(calltoken=None, secret=None, keys=keys)
    assert 200 == (await shop.send(receiver(), calltoken="same")).status


@pytest.mark.parametrize("is_async", [True, False])
async def test_registrations_may_be_asked_for(
    open_endpoint: Open, receiver: Delivery, is_async: bool
) -> None:
    """Another process may have registered since."""
    known: list[WebhookKeys] = []

    async def ask() -> list[WebhookKeys]:
        return known

    shop = open_endpoint(calltoken=None, secret=None, keys=ask if is_async else lambda: known)
    assert 401 == (await shop.send(receiver(), calltoken="one")).status
    known.append(WebhookKeys(calltoken="one"))
    assert 200 == (await shop.send(receiver(), calltoken="one")).status


@pytest.mark.parametrize("returned", [None, "one", [None], 7, RuntimeError("token-4711")])
async def test_registrations_that_cannot_be_read(
    open_endpoint: Open, receiver: Delivery, returned: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The vendor repeats what is answered with 503."""

    def ask() -> Any:
        if isinstance(returned, Exception):
            raise returned
        return returned

    shop = open_endpoint(calltoken=None, secret=None, keys=ask)
    answer = await shop.send(receiver(), calltoken="one")
    assert (503, []) == (answer.status, shop.events)
    assert "keys() raised" in caplog.text
    assert "4711" not in caplog.text


async def test_an_endpoint_can_be_verified_before_it_is_registered() -> None:
    """Registering needs the endpoint, and the endpoint gets its tokens by registering."""
    endpoint = WebhookEndpoint(lambda event: None, verify="shop-webhook-verify")
    assert 200 == (await endpoint.respond("GET", "secret=x", {}, b"")).status
    assert 401 == (await endpoint.respond("POST", "", {"x-cr-calltoken": "-" * 64}, b"{}")).status


# Bodies.


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "application/json; charset=utf-8", 'APPLICATION/JSON;charset="UTF8"'),
        *("application/x-www-form-urlencoded", "text/plain", "text/json", ""),
    ],
)
async def test_types_that_a_program_may_send_json_with(
    deliveries: Any, receiver: Delivery, content_type: str
) -> None:
    """Which one the vendor sends is undocumented."""
    assert 200 == (await deliveries.send(receiver(), Content_Type=content_type)).status


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "text/html"},
        {"Content_Type": "application/xml"},
        {"Content_Type": "application/json; charset=utf-16"},
        {"Content_Encoding": "gzip"},
        {"Content_Encoding": "br"},
    ],
)
async def test_other_types_are_refused(
    deliveries: Any, receiver: Delivery, headers: dict[str, str]
) -> None:
    """Compressed bodies too: what is small may become large."""
    assert 415 == (await deliveries.send(receiver(), **headers)).status
    assert [] == deliveries.events


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"x"', b"7", b"{", b"{}", b'{"event": 7}', b'{"event": ""}'),
        *(b'{"event": "a b"}', b'{"event": "\xc3\xa4"}', b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}"),
        b'{"event": "receiver.created", "event": "receiver.deleted"}',
        b'{"event": "x.y", "payload": {"a": 1, "a": 2}}',
        b'{"event": "x.y", "payload": "x"}',
        b'{"event": "x.y", "payload": [1]}',
        b'{"event": "x.y", "payload": {"a": NaN}}',
        b'{"event": "x.y", "payload": {"a": 1e999}}',
        b'{"event": "x.y", "payload": {"a": "\\ud800"}}',
        b'{"event": "x.y", "payload": {"a": ' + b"9" * 5000 + b"}}",
        b'{"event": "x.y", "payload": {"a": ' + b"[" * 30 + b"]" * 30 + b"}}",
        b'{"event": "x.y", "payload": ' + b"[" * 30_000,
        b'{"event": "x.y", "payload": {"a": ' + b'{"a":' * 9_000 + b"1" + b"}" * 9_002,
        b'{"event": "receiver.created", "payload": {"pool_id": true}}',
        b'{"event": "receiver.created", "payload": {"pool_id": 7.5}}',
        b'{"event": "receiver.created", "payload": {"pool_id": "-7"}}',
        b'{"event": "receiver.created", "payload": {"pool_id": "7/../8"}}',
        b'{"event": "receiver.created", "payload": {"pool_id": "99999999999999999999"}}',
        b'{"event": "receiver.created", "payload": {"group_id": ["5"]}}',
        b'{"event": "receiver.created", "condition": {"id": 5}}',
        b'{"event": "receiver.deleted", "payload": {"email": 7}}',
        b'{"event": "receiver.deleted", "payload": {"email": "nobody"}}',
        b'{"event": "receiver.deleted", "payload": {"email": "abcdef"}}',
    ],
)
async def test_a_malformed_delivery_is_refused(deliveries: Any, body: bytes) -> None:
    """It changes nothing, and the next one is handled."""
    answer = await deliveries.send(body)
    assert 400 == answer.status
    assert [] == deliveries.events
    assert {} == deliveries.repeats._last
    assert 200 == (await deliveries.send({"event": "x.y"})).status


async def test_the_length_is_checked_before_the_body_is_read(open_endpoint: Open) -> None:
    """A declared length that is too long; a body that is longer; a length that is none."""
    shop = open_endpoint(max_body=100)

    headers = {"x-cr-calltoken": shop.endpoint._keys[0].calltoken.reveal()}
    for length, status in (("101", 413), ("-1", 400), ("1e3", 400), ("", 400), ("²", 400)):
        given = headers | {"content-length": length}
        assert status == (await shop.endpoint.respond("POST", "", given, Unread())).status
    assert 413 == (await shop.send(b" " * 101)).status
    assert 400 == (await shop.send(b" " * 100)).status


async def test_a_body_that_is_too_long_is_not_read_to_its_end(open_endpoint: Open) -> None:
    """Whatever its declared length is."""
    shop = open_endpoint(max_body=100)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b" " * 40

    headers = {"x-cr-calltoken": shop.endpoint._keys[0].calltoken.reveal()}
    assert 413 == (await shop.endpoint.respond("POST", "", headers, endless())).status
    assert 3 == read


async def test_a_body_without_an_end_is_refused(deliveries: Any) -> None:
    """The sender is gone; what it sent is not handled, although it is complete JSON."""

    async def cut() -> AsyncIterator[bytes]:
        yield b'{"event": "x.y"}'
        raise ConnectionError

    headers = {"x-cr-calltoken": deliveries.endpoint._keys[0].calltoken.reveal()}
    answer = await deliveries.endpoint.respond("POST", "", headers, cut())
    assert (400, []) == (answer.status, deliveries.events)


async def test_a_header_that_is_no_text_is_refused(deliveries: Any) -> None:
    """Adapters of users may pass anything."""
    answer = await deliveries.endpoint.respond("POST", "", {"x-cr-calltoken": 7}, b"{}")
    assert 400 == answer.status


# Handling.


async def test_a_failed_delivery_is_handled_when_it_is_repeated(
    deliveries: Any, receiver: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    """It is answered with 500, so that the vendor repeats it; no log has the text of the error."""
    deliveries.fails = ValueError("mia@example.org is unknown")
    assert 500 == (await deliveries.send(receiver())).status
    assert "receiver.updated: on_event raised ValueError" in caplog.text
    assert "example.org" not in caplog.text
    deliveries.fails = None
    assert 200 == (await deliveries.send(receiver())).status
    assert 1 == len(deliveries.events)


async def test_errors_can_be_taken(
    open_endpoint: Open, receiver: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    """With the event. What ``on_error`` raises does not change the answer, and both are logged."""
    taken: list[Any] = []

    def on_error(error: Exception, event: WebhookEvent) -> None:
        taken.append((error, event.name))
        raise RuntimeError

    shop = open_endpoint(on_error=on_error)
    shop.fails = ValueError()
    assert 500 == (await shop.send(receiver())).status
    assert [(shop.fails, "receiver.updated")] == taken
    assert "on_error raised RuntimeError" in caplog.text
    assert "receiver.updated: on_event raised ValueError" in caplog.text


async def test_what_is_returned_to_await_is_an_error(
    open_endpoint: Open, receiver: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that returns a coroutine looks like a plain one."""

    def on_error(error: Exception, event: WebhookEvent) -> Any:
        return log_later(error, event)

    shop = open_endpoint(on_error=on_error)
    shop.fails = ValueError()
    assert 500 == (await shop.send(receiver())).status
    assert "on_error raised ConfigurationError" in caplog.text


async def test_a_function_without_async(receiver: Delivery) -> None:
    """It is called as it is."""
    events: list[WebhookEvent] = []
    endpoint = WebhookEndpoint(events.append, calltoken="token")
    body = b'{"event": "x.y"}'
    answer = await endpoint.respond("POST", "", {"x-cr-calltoken": "token"}, body)
    assert (200, 1) == (answer.status, len(events))


async def test_a_cancelled_delivery_is_handled_when_it_is_repeated(
    deliveries: Any, receiver: Delivery
) -> None:
    """Cancellation passes, and the claim is forgotten."""
    waiting = anyio.Event()

    async def wait(event: WebhookEvent) -> None:
        waiting.set()
        await anyio.sleep_forever()

    deliveries.endpoint._on_event = wait
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliveries.send, receiver())
        await waiting.wait()
        tasks.cancel_scope.cancel()
    deliveries.endpoint._on_event = deliveries.handle
    assert 200 == (await deliveries.send(receiver())).status
    assert 1 == len(deliveries.events)


# Repeats.


async def test_a_repeat_is_refused_within_the_window(deliveries: Any, receiver: Delivery) -> None:
    """With the seconds after which it would be handled; afterwards it is a new event."""
    assert 200 == (await deliveries.send(receiver())).status
    deliveries.seconds = 4.5
    answer = await deliveries.send(receiver())
    assert (429, "6", 1) == (answer.status, answer.headers["retry-after"], len(deliveries.events))
    assert 200 == (await deliveries.send(receiver(pool_id=8))).status
    assert 200 == (await deliveries.send(receiver(group_id=6))).status
    assert 429 == (await deliveries.send(receiver())).status
    deliveries.seconds = 10.0
    assert 200 == (await deliveries.send(receiver())).status
    assert 4 == len(deliveries.events)


async def test_a_repeat_may_be_spelled_differently(deliveries: Any) -> None:
    """The order of names and blanks do not matter."""
    assert 200 == (await deliveries.send(b'{"event": "x.y", "payload": {"a": 1, "b": 2}}')).status
    assert 429 == (await deliveries.send(b'{"payload":{"b":2,"a":1},"event":"x.y"}')).status


async def test_the_same_change_after_another_one_is_no_repeat(
    deliveries: Any, receiver: Delivery
) -> None:
    """Who leaves, returns and leaves again within the window has left."""
    for action in ("unsubscribed", "subscribed", "unsubscribed"):
        assert 200 == (await deliveries.send(receiver(action))).status
    assert 429 == (await deliveries.send(receiver("unsubscribed"))).status


async def test_a_refused_delivery_is_no_first_one(deliveries: Any, receiver: Delivery) -> None:
    """Nobody without the token can keep an event from being handled."""
    assert 401 == (await deliveries.send(receiver(), calltoken="wrong")).status
    assert 200 == (await deliveries.send(receiver())).status


async def test_without_a_window_nothing_is_a_repeat(
    open_endpoint: Open, receiver: Delivery
) -> None:
    """Every delivery is handled, and failures are answered with 500."""
    shop = open_endpoint(window=0)
    for _ in range(2):
        assert 200 == (await shop.send(receiver())).status
    shop.fails = ValueError()
    assert 500 == (await shop.send(receiver())).status
    assert 2 == len(shop.events)


async def test_a_delivery_that_is_being_handled_is_repeated_later(
    deliveries: Any, receiver: Delivery
) -> None:
    """It gets 503, because the first may fail; after the lease the process counts as dead."""
    waiting, go_on = anyio.Event(), anyio.Event()
    answers: list[WebhookResponse] = []

    async def wait(event: WebhookEvent) -> None:
        waiting.set()
        await go_on.wait()

    async def first() -> None:
        answers.append(await deliveries.send(receiver()))

    deliveries.endpoint._on_event = wait
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await waiting.wait()
        answer = await deliveries.send(receiver())
        assert (503, "60") == (answer.status, answer.headers["retry-after"])
        deliveries.seconds = 60.0
        deliveries.endpoint._on_event = deliveries.handle
        assert 200 == (await deliveries.send(receiver())).status
        go_on.set()
    assert [200] == [it.status for it in answers]
    assert 429 == (await deliveries.send(receiver())).status


async def test_memory_does_not_grow(deliveries: Any, receiver: Delivery) -> None:
    """What is older than the window is forgotten."""
    for number in range(1, 1001):
        deliveries.seconds += 1
        await deliveries.send(receiver(pool_id=number))
    assert len(deliveries.repeats._last) <= 11


class BrokenStore:
    """A store that fails in one of its methods."""

    def __init__(self, broken: str) -> None:
        self.broken = broken

    def __getattr__(self, name: str) -> Any:
        """A method of the protocol."""

        async def method(*args: Any) -> Any:
            if name == self.broken:
                raise ConnectionError("token-4711")
            from cleverreach_async import Claim  # noqa: PLC0415

            return Claim("new")

        return method


@pytest.mark.parametrize(
    ("broken", "fails", "status"),
    [("claim", False, 503), ("finish", False, 200), ("release", True, 500)],
)
async def test_a_store_that_fails(
    open_endpoint: Open,
    receiver: Delivery,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    fails: bool,
    status: int,
) -> None:
    """What cannot be claimed is not handled; what was handled is not repeated."""
    shop = open_endpoint(repeats=BrokenStore(broken))
    shop.fails = ValueError() if fails else None
    assert status == (await shop.send(receiver())).status
    assert (0 if status != 200 else 1) == len(shop.events)
    assert "the store of repeats raised ConnectionError" in caplog.text
    assert "4711" not in caplog.text


class StoreWithoutClaims:
    """A store whose claims are none."""

    async def claim(self, *_: Any) -> None:
        """Return nothing."""

    async def finish(self, *_: Any) -> None:
        """Do nothing."""

    release = finish


async def test_a_store_without_claims(
    open_endpoint: Open, receiver: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    """It is one that fails."""
    shop = open_endpoint(repeats=StoreWithoutClaims())
    assert 503 == (await shop.send(receiver())).status
    assert "the store of repeats raised AttributeError" in caplog.text


# Secrets and arguments.


async def test_no_secret_is_shown(
    deliveries: Any, receiver: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither of the registration nor of a refused delivery, in no text and no log."""
    caplog.set_level(logging.DEBUG)
    [keys] = deliveries.endpoint._keys
    refused = await deliveries.send(receiver(), calltoken="wrong-0042")
    await deliveries.send({"event": "receiver.deleted", "payload": {"email": "mia@example.org"}})
    [event] = deliveries.events
    shown = f"{keys!r} {deliveries.endpoint!r} {refused!r} {event!r} {caplog.text}"
    assert [] == [word for word in ("4711", "0815", "0042", "mia@") if word in shown]
    assert "mia@example.org" == event.email


async def log_later(_error: Exception, _event: WebhookEvent) -> None:
    """Nobody would await it."""


class LogLater:
    """As above, as an object."""

    async def __call__(self, _error: Exception, _event: WebhookEvent) -> None:
        """Nobody would await it."""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "pass calltoken and secret, keys, or verify"),
        ({"secret": "s"}, "calltoken is missing"),
        ({"calltoken": ""}, "calltoken is empty"),
        ({"calltoken": "a b"}, "calltoken contains"),
        ({"calltoken": 7}, "calltoken is of type int"),
        ({"calltoken": "t", "secret": ""}, "secret is empty"),
        ({"calltoken": "t", "secret": b"x"}, "secret is of type bytes"),
        ({"calltoken": "t", "keys": lambda: ()}, "pass either"),
        ({"calltoken": "t", "keys": [WebhookKeys(calltoken="t")]}, "pass either"),
        ({"keys": ["token"]}, "keys must be a list"),
        ({"keys": "token"}, "keys must be a list"),
        ({"keys": None}, "keys must be a list"),
        ({"verify": "short"}, "verify must be"),
        ({"verify": "x" * 51}, "verify must be"),
        ({"verify": "with a blank"}, "verify must be"),
        ({"verify": 1234567890}, "verify must be"),
        (
            {"calltoken": "t", "window": -1},
            "window is .*; it must be a number of seconds, 0 or more",
        ),
        (
            {"calltoken": "t", "window": True},
            "window is .*; it must be a number of seconds, 0 or more",
        ),
        (
            {"calltoken": "t", "window": float("nan")},
            "window is .*; it must be a number of seconds, 0 or more",
        ),
        (
            {"calltoken": "t", "window": "10"},
            "window is .*; it must be a number of seconds, 0 or more",
        ),
        ({"calltoken": "t", "lease": 0}, "lease is 0; it must be a number of seconds, 1 or more"),
        (
            {"calltoken": "t", "max_body": 0},
            "max_body is .*; it must be a whole number of 1 or more",
        ),
        (
            {"calltoken": "t", "max_body": True},
            "max_body is .*; it must be a whole number of 1 or more",
        ),
        (
            {"calltoken": "t", "max_body": "9"},
            "max_body is .*; it must be a whole number of 1 or more",
        ),
        ({"calltoken": "t", "on_error": "log"}, "on_error is of type str; pass a function"),
        ({"calltoken": "t", "on_error": log_later}, "on_error is an async function; pass a plain"),
        ({"calltoken": "t", "on_error": LogLater()}, "on_error is an async function; pass a plain"),
        ({"calltoken": "t", "repeats": "redis://x"}, "repeats is of type str; pass a store"),
        ({"calltoken": "t", "repeats": object()}, "repeats is of type object; pass a store"),
        ({"calltoken": "t", "repeats": MemoryRepeatStore}, "repeats is of type type; pass a store"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], text: str) -> None:
    """They are found when the endpoint is made."""
    with pytest.raises(ConfigurationError, match=text.replace("(", r"\(")):
        WebhookEndpoint(lambda event: None, **options)


def make_endpoint(**options: Any) -> WebhookEndpoint:
    """An endpoint that prints its events."""
    return WebhookEndpoint(print, **options)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (WebhookKeys, {"calltoken": "token-4711\nx", "secret": "secret-4711"}),
        (WebhookKeys, {"calltoken": "token-4711", "secret": "secret-4711 ü"}),
        (WebhookKeys, {"calltoken": b"token-4711"}),
        (WebhookKeys, {"calltoken": "token-4711", "secret": "secret-4711", "event": ""}),
        (WebhookKeys, {"calltoken": "token-4711", "secret": "secret-4711", "condition": 0}),
        (make_endpoint, {"calltoken": "token-4711\nx", "secret": "secret-4711"}),
        (make_endpoint, {"calltoken": "token-4711", "secret": b"secret-4711"}),
        (make_endpoint, {"calltoken": "token-4711", "secret": "secret-4711", "window": -1}),
        (make_endpoint, {"calltoken": "token-4711", "keys": lambda: ()}),
        (make_endpoint, {"secret": "secret-4711"}),
    ],
)
def test_no_error_shows_a_secret(make: Callable[..., Any], options: dict[str, Any]) -> None:
    """Neither its text, nor the variables of a frame of the library."""
    with pytest.raises(ConfigurationError) as caught:
        make(**options)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [str(it.locals) for it in report.stack if "/cleverreach_async/" in it.filename]
    assert ours
    assert "4711" not in f"{caught.value} {ours}"


def test_a_function_is_needed() -> None:
    """Anything else cannot be called."""
    nothing: Any = None
    with pytest.raises(ConfigurationError, match="on_event is None; pass a function"):
        WebhookEndpoint(nothing, calltoken="t")


async def yields_later(_: WebhookEvent) -> AsyncIterator[None]:
    """Does nothing when it is called."""
    yield


def yields(_: WebhookEvent) -> Iterator[None]:
    """Does nothing when it is called."""
    yield


@pytest.mark.parametrize("function", [yields_later, yields])
def test_a_function_with_yield_is_refused(function: Any) -> None:
    """Its events would be answered with 200 and lost."""
    with pytest.raises(ConfigurationError, match="on_event has a yield"):
        WebhookEndpoint(function, calltoken="t")


@pytest.mark.parametrize("condition", [0, -1, True, 1.5, "x", "0", "٣", 2**63, [5]])
def test_a_condition_is_an_id(condition: Any) -> None:
    """The vendor's conditions are ids of groups and automations."""
    with pytest.raises(ConfigurationError, match="condition must be the id"):
        WebhookKeys(calltoken="t", condition=condition)


@pytest.mark.parametrize("condition", ["a2e-cart", "41001"])
def test_the_id_of_an_automation_is_text(condition: str) -> None:
    """It may have letters, and covers only the deliveries about it."""
    keys = WebhookKeys(calltoken="t", event="automation", condition=condition)
    assert [True, False] == [
        keys.covers("automation.deleted", it) for it in (keys.condition, "a2f-cart")
    ]
    with pytest.raises(ConfigurationError, match="condition must be the id"):
        WebhookKeys(calltoken="t", event="automation", condition="a b")


@pytest.mark.parametrize("event", ["", " ", ".", 7])
def test_an_event_is_text(event: Any) -> None:
    """An empty one would cover nothing."""
    with pytest.raises(ConfigurationError, match="event must be text"):
        WebhookKeys(calltoken="t", event=event)


def test_a_registration_takes_texts_and_secrets() -> None:
    """An empty condition is none, as in the vendor's list."""
    one = WebhookKeys(calltoken=Secret("t"), secret="s", condition="")
    assert (Secret("t"), Secret("s"), None) == (one.calltoken, one.secret, one.condition)
