"""Values that cannot be sent: one error of the library, before any request, without the value."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.transport.wire import Response, build_request, decode_json

MUG: Any = memoryview(b"Mug")
HALF = "ann\ud83d@mail.example"


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def endless() -> Any:
    """A list that contains itself."""
    value: list[Any] = []
    value.append(value)
    return value


BODIES: dict[str, tuple[Any, str]] = {
    "an object": (object(), "Encoding objects of type object is unsupported"),
    "an object inside": ([{"a": object()}], "Encoding objects of type object is unsupported"),
    "an exception": (ValueError("no"), "type ValueError"),
    "half a surrogate pair": ({"name": HALF}, "not valid Unicode"),
    "the same as a name": ({HALF: 1}, "not valid Unicode"),
    "nested too deeply": (nested(100_000), "nested too deeply, or contains itself"),
    "nested in itself": (endless(), "nested too deeply, or contains itself"),
    "not a number": ({"price": float("nan")}, "infinite or not a number"),
    "infinite": ([1, [float("-inf")]], "infinite or not a number"),
    "not a number in a model": (
        {"orders": (OrderInput("A", "Mug", price=float("nan")),)},
        "infinite or not a number",
    ),
    "a decimal that is not a number": ([Decimal("NaN")], "non-finite"),
    "bytes": ({"name": b"Ann"}, "it has bytes, which would be stored as Base64; decode them"),
    "bytes in a list": ([["vip", bytearray(b"vip")]], "it has bytes"),
    "bytes in a model": ({"orders": [OrderInput("A", MUG)]}, "it has bytes"),
    "names that are no texts": ({(1, 2): 3}, "Only dicts with str-like or number-like keys"),
}


@pytest.mark.parametrize(("body", "reason"), BODIES.values(), ids=BODIES)
def test_a_body_that_has_no_form_in_json(body: Any, reason: str) -> None:
    """The error names the reason, and neither it nor its context has the value."""
    with pytest.raises(ConfigurationError, match="cannot be sent as JSON") as caught:
        build_request("POST", "/groups", json=body)
    error = caught.value
    assert (True, None, None) == (reason in str(error), error.__cause__, error.__context__)
    assert "mail.example" not in str(error)


@pytest.mark.parametrize("body", [None, {"a": None}, [None, 1.5], {"null": 1}, "null"])
def test_null_is_sent(body: Any) -> None:
    """What is looked for is a number that would become ``null``."""
    assert b"null" in build_request("POST", "/groups", json=body).content


@pytest.mark.parametrize("value", [HALF, [HALF], b"abc", {"a": 1}, object()])
def test_a_query_that_cannot_be_sent(value: Any) -> None:
    """The error names the parameter."""
    with pytest.raises(ConfigurationError, match="email in the query") as caught:
        build_request("GET", "/groups", query={"email": value})
    assert caught.value.__context__ is None
    assert "mail.example" not in str(caught.value)


@given(st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF)), st.text())
def test_any_text_is_sent_or_refused(text: str, other: str) -> None:
    """In a path, in a query and in a body, no other error is raised."""
    cases: list[dict[str, Any]] = [
        {"path": {"name": text}},
        {"path": {"receiver_id": text + "@x"}, "template": "/a/{receiver_id}"},
        {"query": {"q": text, other: 1}},
        {"json": {other: text}},
        {"template": f"/a/{text}", "path": {}},
    ]
    for parts in cases:
        arguments: dict[str, Any] = {"template": "/a/{name}", "path": {"name": "x"}, **parts}
        try:
            target = build_request("PUT", arguments.pop("template"), **arguments).target
        except ConfigurationError:
            continue
        assert (True, True) == (target.isascii() or "template" in parts, target.isprintable())


def test_a_url_that_no_server_takes() -> None:
    """The error says so, instead of one of the HTTP library."""
    with pytest.raises(ConfigurationError, match=r"^/groups: the URL would have 70\d+ characters"):
        build_request("GET", "/groups", query={"q": "x" * 70_000})


AREAS = {
    "/groups": "/v3/groups",
    "/hooks/eventhook": "/hooks/eventhook",
    "/hooks": "/hooks",
    "/flow/flow": "/flow/flow",
    "/gomailer/preview": "/gomailer/preview",
    "/oauth/token.php": "/oauth/token.php",
    "/oauth/token": "/v3/oauth/token",
    "/hooksmith": "/v3/hooksmith",
    "/groups/hooks": "/v3/groups/hooks",
}


@pytest.mark.parametrize(("path", "target"), AREAS.items())
def test_areas_of_the_server_beside_v3(path: str, target: str) -> None:
    """Webhooks, flows and the token page are not below ``/v3``."""
    assert target == build_request("GET", path).target


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply, 200000 bytes"),
        (b'{"a":' * 100_000, "nested too deeply, 500000 bytes"),
        (b"[" + b"[]," * 400_000 + b"0]", "too many values; ask for fewer at a time,"),
        (b"[" + b"0," * 1_100_000 + b"0]", "too many values; ask for fewer at a time,"),
        (b'["' + b"\xfc" * 200_000 + b'"]', "mostly not UTF-8"),
    ],
)
def test_json_that_would_keep_the_event_loop_busy(content: bytes, reason: str) -> None:
    """It is not read, and the error says why."""
    with pytest.raises(ResponseDecodeError) as caught:
        decode_json(Response(200, {}, content), build_request("GET", "/groups"))
    assert reason in str(caught.value)


def test_the_content_type_of_the_server_is_cleaned() -> None:
    """It is part of the message."""
    kind = "text/\x1b[31mred\x9b ann@mail.example" + "x" * 5000
    with pytest.raises(ResponseDecodeError) as caught:
        decode_json(Response(200, {"content-type": kind}, b"<"), build_request("GET", "/groups"))
    text = str(caught.value)
    assert (True, False, True) == (text.isprintable(), "mail.example" in text, len(text) < 300)
