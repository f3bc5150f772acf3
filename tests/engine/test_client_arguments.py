"""Arguments of the client, and ``request()`` for endpoints without a method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cleverreach_async import (
    CleverReach,
    ConfigurationError,
    InternalServerError,
    NotFoundError,
    RedisTokenStore,
    ResponseDecodeError,
    RetryPolicy,
    SqlJournal,
    WebhookEndpoint,
)
from cleverreach_async.transport.wire import DEFAULT_BASE_URL, Response

if TYPE_CHECKING:
    from engine.conftest import ScriptedSender
    from support.clocks import FakeClock


@pytest.fixture
def cr(sender: ScriptedSender, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> CleverReach:
    """A client with the scripted sender."""

    def make_sender(*_args: Any, **_kwargs: Any) -> ScriptedSender:
        return sender

    monkeypatch.setattr("cleverreach_async.client.make_sender", make_sender)
    return CleverReach("token", clock=clock)


@pytest.mark.parametrize(
    ("given", "root"),
    [
        (DEFAULT_BASE_URL, "https://rest.cleverreach.com"),
        ("https://rest.cleverreach.com/", "https://rest.cleverreach.com"),
        ("https://rest.cleverreach.com/v3", "https://rest.cleverreach.com"),
        ("https://rest.cleverreach.com/v3/", "https://rest.cleverreach.com"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://127.0.0.1:8765/proxy/v3", "http://127.0.0.1:8765/proxy"),
    ],
)
def test_base_url_may_end_with_the_version(given: str, root: str) -> None:
    """Both the vendor's documented URL and the bare host are accepted."""
    assert f"<CleverReach {root} unopened>" == repr(CleverReach("token", base_url=given))


@pytest.mark.parametrize("base_url", ["", "rest.cleverreach.com", "ftp://x", "https://", "/v3"])
def test_an_invalid_base_url_is_refused(base_url: str) -> None:
    """The message contains the value and what is expected."""
    with pytest.raises(ConfigurationError, match=r"such as https://rest\.cleverreach\.com"):
        CleverReach("token", base_url=base_url)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "30"])
def test_an_invalid_timeout_is_refused(timeout: Any) -> None:
    """By the constructor and by ``with_options``."""
    with pytest.raises(ConfigurationError, match="number of seconds above 0"):
        CleverReach("token", timeout=timeout)
    with pytest.raises(ConfigurationError, match="number of seconds above 0"):
        CleverReach("token").with_options(timeout=timeout)


@pytest.mark.parametrize("max_connections", [0, -1])
def test_zero_connections_are_refused(max_connections: int) -> None:
    """A client without connections would wait indefinitely."""
    with pytest.raises(ConfigurationError, match="a whole number of 1 or more"):
        CleverReach("token", max_connections=max_connections)


NUMBERS: dict[str, Callable[[Any], object]] = {
    "timeout": lambda it: CleverReach("token", timeout=it),
    "max_connections": lambda it: CleverReach("token", max_connections=it),
    "requests_per_second": lambda it: CleverReach("token", requests_per_second=it),
    "attempts": lambda it: RetryPolicy(attempts=it),
    "wait": lambda it: RetryPolicy(wait=it),
    "throttled_wait": lambda it: RetryPolicy(throttled_wait=it),
    "cap": lambda it: RetryPolicy(cap=it),
    "jitter": lambda it: RetryPolicy(jitter=it),
    "max_retry_after": lambda it: RetryPolicy(max_retry_after=it),
    "max_pause": lambda it: RetryPolicy(max_pause=it),
    "lock_timeout": lambda it: RedisTokenStore(None, "shop", lock_timeout=it),
    "lease": lambda it: SqlJournal(None, "a", lease=it),
    "window": lambda it: WebhookEndpoint(print, calltoken="t", secret="s", window=it),
    "max_body": lambda it: WebhookEndpoint(print, calltoken="t", secret="s", max_body=it),
}


@pytest.mark.parametrize("value", ["5", True, float("nan"), -1, [1]])
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_suitable_number_is_refused(name: str, value: Any) -> None:
    """The message says which argument it is, and what it must be."""
    with pytest.raises(ConfigurationError, match=f"^{name} is .*; it must be a .*number"):
        NUMBERS[name](value)


@pytest.mark.parametrize("auth", ["", " ", "two words"])
def test_an_invalid_token_is_refused(auth: str) -> None:
    """Before any request."""
    with pytest.raises(ConfigurationError):
        CleverReach(auth)
    with pytest.raises(ConfigurationError):
        CleverReach("token").with_auth(auth)


def test_an_http_client_of_another_library_is_refused() -> None:
    """The message names the type of the value."""
    with pytest.raises(ConfigurationError, match=r"httpx\.AsyncClient.* not dict"):
        CleverReach("token", http_client={})


REQUESTS: dict[str, tuple[dict[str, Any], tuple[str, str, bytes]]] = {
    "lower case": (
        {"method": "get", "path": "/debug/ttl"},
        ("GET", "/v3/debug/ttl", b""),
    ),
    "with version": (
        {"method": "GET", "path": "/v3/debug/ttl"},
        ("GET", "/v3/debug/ttl", b""),
    ),
    "path params": (
        {
            "method": "PUT",
            "path": "/receivers/{id}",
            "path_params": {"id": "a+b/c%ä@x.example"},
            "json": {"email": None},
        },
        ("PUT", "/v3/receivers/a%2Bb%2Fc%25%C3%A4%40x.example", b'{"email":null}'),
    ),
    "query": (
        {"method": "GET", "path": "/groups", "query": {"page": 0, "all": True, "x": None}},
        ("GET", "/v3/groups?page=0&all=true", b""),
    ),
    "null body": (
        {"method": "POST", "path": "/clear", "json": None},
        ("POST", "/v3/clear", b"null"),
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("asked", "expected"), REQUESTS.values(), ids=REQUESTS)
async def test_a_request_is_sent_as_given(
    cr: CleverReach,
    sender: ScriptedSender,
    asked: dict[str, Any],
    expected: tuple[str, str, bytes],
) -> None:
    """Method, escaped path, query and body."""
    await cr.request(**asked)
    [sent] = sender.sent
    assert expected == (
        sent.method,
        sent.url.removeprefix("https://rest.cleverreach.com"),
        sent.content,
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "value"), [(b"", None), (b"false", False), (b'{"ttl":7}', {"ttl": 7}), (b"[]", [])]
)
async def test_a_request_returns_the_decoded_response(
    cr: CleverReach, sender: ScriptedSender, body: bytes, value: object
) -> None:
    """A bare ``false`` is returned, because its meaning in this call is unknown."""
    sender.script(Response(200, {}, body))
    assert value == await cr.request("GET", "/debug/ttl")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("debug/ttl", {}),
        ("", {}),
        ("/groups//receivers", {}),
        ("/groups/{id}", {}),
        ("/groups/{id}", {"id": ""}),
        ("/groups/{id}", {"id": ".."}),
        ("/groups/7/receivers/", {}),
        ("/groups/None/clear", {}),
        ("/v3/groups/../debug", {}),
        ("/groups/7#", {}),
        ("/groups/7%2fclear", {}),
        ("/groups", {"group_id": 7}),
        ("/groups/{group_id}/clear", {"group_id": None}),
        ("/groups/{group_id}/clear", {"group_id": "7/../8"}),
        ("https://mail.example/groups", {}),
    ],
)
async def test_path_that_addresses_something_else_is_refused(
    cr: CleverReach, sender: ScriptedSender, path: str, params: dict[str, Any]
) -> None:
    """An empty segment would address a whole group, for example; nothing is sent."""
    with pytest.raises(ConfigurationError):
        await cr.request("DELETE", path, path_params=params)
    assert [] == sender.sent


@pytest.mark.anyio
async def test_query_in_a_path(cr: CleverReach, sender: ScriptedSender) -> None:
    """The message names the argument for it."""
    with pytest.raises(ConfigurationError, match=r"pass query parameters as query="):
        await cr.request("GET", "/groups?x=1")
    assert [] == sender.sent


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["", "GET\r\nX: y", "GET /", "GÉT", "GTE", "UPDATE", None])
async def test_a_method_that_does_not_exist(
    cr: CleverReach, sender: ScriptedSender, method: Any
) -> None:
    """A typing error is not sent, nor what could add a header."""
    with pytest.raises(ConfigurationError, match=r"method is .*; use GET, POST, PUT or DELETE"):
        await cr.request(method, "/groups")
    assert [] == sender.sent


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/hooks/eventhook", "/hooks/eventhook"),
        ("/flow/flow", "/flow/flow"),
        ("/v3/groups", "/v3/groups"),
        ("/v3hooks", "/v3/v3hooks"),
        ("/groups", "/v3/groups"),
    ],
)
async def test_a_request_reaches_all_of_the_server(
    cr: CleverReach, sender: ScriptedSender, path: str, url: str
) -> None:
    """Webhooks and flows lie beside ``/v3``, and the token is sent there too."""
    await cr.request("GET", path)
    assert (DEFAULT_BASE_URL + url, "Bearer token") == (
        sender.sent[0].url,
        sender.sent[0].headers["authorization"],
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("GET", None), "path is None"),
        (("GET", 7), "path is of type int"),
        ((None, "/groups"), "method is None"),
        (("GET", "/groups/\x1b"), "control characters"),
        (("GET", "/groups/\u202e"), "control characters"),
        (("GET", "/groups/\x00"), "control characters"),
    ],
)
async def test_arguments_of_another_type(
    cr: CleverReach, sender: ScriptedSender, arguments: tuple[Any, Any], message: str
) -> None:
    """The error says what to pass, and nothing is sent."""
    with pytest.raises(ConfigurationError, match=message):
        await cr.request(*arguments)
    assert not sender.sent


@pytest.mark.anyio
async def test_a_request_fails_like_any_other_call(
    cr: CleverReach, sender: ScriptedSender, refusal: Callable[..., Response]
) -> None:
    """The errors have the same classes."""
    sender.script(refusal(404))
    with pytest.raises(NotFoundError, match=r"^GET /groups/\{id\}: 404 no$"):
        await cr.request("GET", "/groups/{id}", path_params={"id": 7})
    sender.script(Response(200, {}, msgspec.json.encode("x")[:-1]))
    with pytest.raises(ResponseDecodeError):
        await cr.request("GET", "/groups")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"method": "POST"}, 1),
        ({"method": "POST", "idempotent": True}, 4),
        ({"method": "PUT"}, 4),
        ({"method": "PUT", "idempotent": False}, 1),
    ],
    ids=str,
)
async def test_the_caller_may_mark_a_request_as_idempotent(
    cr: CleverReach,
    sender: ScriptedSender,
    refusal: Callable[..., Response],
    options: dict[str, Any],
    sent: int,
) -> None:
    """By default all methods except POST are idempotent."""
    sender.script(refusal(502))
    with pytest.raises(InternalServerError):
        await cr.request(path="/thing", **options)
    assert sent == len(sender.sent)


async def async_observer(_event: object) -> None:
    """Nobody would await it."""


@pytest.mark.parametrize(
    "option",
    [
        {"retry": 3},
        {"retry": {"attempts": 3}},
        {"retry": RetryPolicy},
        {"on_event": "log"},
        {"on_event": async_observer},
        {"on_response": async_observer},
        {"timeout": "30"},
    ],
)
def test_an_option_of_a_wrong_kind_is_refused(option: dict[str, Any]) -> None:
    """When it is passed, and not by the first call that fails."""
    for make in (partial(CleverReach, "token"), CleverReach("token").with_options):
        with pytest.raises(ConfigurationError, match=next(iter(option))):
            make(**option)


def test_no_retry_policy_is_no_option_of_a_sibling() -> None:
    """It could mean that of the client, that of a new client, or no retries."""
    options: dict[str, Any] = {"retry": None}
    with pytest.raises(ConfigurationError, match="retry is None; pass a RetryPolicy"):
        CleverReach("token").with_options(**options)
