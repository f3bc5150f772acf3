"""Errors in responses: four shapes of body, with any status, become one kind of exception."""

import json
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.effort import effort

from cleverreach_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DuplicateReceiverError,
    InternalServerError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
    status_error,
)
from cleverreach_async.transport.error_bodies import error_in
from cleverreach_async.transport.wire import Response, build_request

GET = build_request("GET", "/receivers/{receiver_id}", path={"receiver_id": "ann@mail.example"})
LIST = build_request("GET", "/receivers", accepts_false=True)


RECEIVERS = "/groups/{group_id}/receivers"


def error_of(
    content: bytes, *, status: int = 200, headers: dict[str, str] | None = None
) -> APIStatusError:
    """The error that a response reports."""
    error = error_in(Response(status, headers or {}, content), GET, now=0.0)
    assert error is not None
    return error


SHAPES: dict[str, tuple[int, Any, type[APIStatusError], int, int | None, str]] = {
    "nested": (
        404,
        {"error": {"code": 404, "message": "Not Found: invalid receiver"}},
        NotFoundError,
        404,
        404,
        "Not Found: invalid receiver",
    ),
    "nested, code as text": (
        409,
        {"error": {"code": "409", "message": "taken"}},
        ConflictError,
        409,
        409,
        "taken",
    ),
    "nested with 200": (
        200,
        {"error": {"code": 404, "message": "gone"}},
        NotFoundError,
        404,
        404,
        "gone",
    ),
    "nested with 200, no code": (
        200,
        {"error": {"message": "duplicate data"}},
        BadRequestError,
        400,
        None,
        "duplicate data",
    ),
    "nested with 200, a code that is not a status": (
        200,
        {"error": {"code": 17, "message": "odd"}},
        BadRequestError,
        400,
        17,
        "odd",
    ),
    "nested with 200, no code, a status in words": (
        200,
        {"error": {"message": "Not Found: invalid receiver"}},
        NotFoundError,
        404,
        None,
        "Not Found: invalid receiver",
    ),
    "nested, empty": (403, {"error": {}}, PermissionDeniedError, 403, None, "Forbidden"),
    "OAuth": (
        400,
        {"error": "invalid_client", "error_description": "no such client"},
        BadRequestError,
        400,
        None,
        "invalid_client: no such client",
    ),
    "OAuth, short": (
        401,
        {"error": "invalid_token"},
        AuthenticationError,
        401,
        None,
        "invalid_token",
    ),
    "OAuth with 200": (200, {"error": "denied"}, BadRequestError, 400, None, "denied"),
    "flat": (
        401,
        {"message": "Unauthorized: token expired"},
        AuthenticationError,
        401,
        None,
        "Unauthorized: token expired",
    ),
    "flat with a code": (422, {"code": 5, "message": "no"}, UnprocessableEntityError, 422, 5, "no"),
    "flat description": (400, {"error_description": "why"}, BadRequestError, 400, None, "why"),
    "flag with 200": (
        200,
        {"error": True, "message": "refused", "code": 403},
        PermissionDeniedError,
        403,
        403,
        "refused",
    ),
    "list": (413, [], PayloadTooLargeError, 413, None, HTTPStatus(413).phrase),
    "unknown status": (599, None, InternalServerError, 599, None, "unknown status"),
    "unknown 4xx": (418, {}, APIStatusError, 418, None, "I'm a Teapot"),
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "status_code", "code", "message"), SHAPES.values(), ids=SHAPES.keys()
)
def test_error_shapes(
    status: int,
    body: Any,
    kind: type[APIStatusError],
    status_code: int,
    code: int | None,
    message: str,
) -> None:
    """Each shape has the class of its status, the vendor's code and the vendor's sentence."""
    error = error_of(json.dumps(body).encode(), status=status)
    expected = (kind, status_code, code, message)
    assert expected == (type(error), error.status_code, error.code, error.message)
    place = ("GET", "/receivers/{receiver_id}")
    assert place == (error.method, error.path)


BARE: dict[str, tuple[int, bytes, type[APIStatusError], str]] = {
    "HTML": (502, b"<html>Bad Gateway</html>", InternalServerError, "Bad Gateway"),
    "nothing": (503, b"", InternalServerError, "Service Unavailable"),
    "false with 404": (404, b"false", NotFoundError, "Not Found"),
    "not UTF-8": (400, b"\xff\xfe", BadRequestError, "Bad Request"),
    "cut JSON": (429, b'{"error": {"co', RateLimitError, "Too Many Requests"),
    "false with 200": (200, b" false\n", APIStatusError, "the server reports a failure"),
    "no success": (200, b'{"success": false}', APIStatusError, "the server reports a failure"),
    "blanks before the object": (200, b'\n\n {"error": "no"}', BadRequestError, "no"),
}


@pytest.mark.parametrize(("status", "content", "kind", "message"), BARE.values(), ids=BARE.keys())
def test_errors_without_a_shape(
    status: int, content: bytes, kind: type[APIStatusError], message: str
) -> None:
    """The status is used if the body says nothing."""
    error = error_of(content, status=status)
    assert (kind, message) == (type(error), error.message)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_an_error(status: int) -> None:
    """API calls do not follow redirects. The message says what to check."""
    error = error_of(b"", status=status, headers={"location": "https://mail.example/"})
    assert (APIStatusError, status) == (type(error), error.status_code)
    assert "base_url" in str(error)


SUCCESSES: dict[str, tuple[int, bytes]] = {
    "object": (200, b'{"id": 1}'),
    "no error": (200, b'{"error": null, "id": 1}'),
    "empty error": (200, b'{"error": "", "id": 1}'),
    "false error": (200, b'{"error": false, "id": 1}'),
    "error deeper down": (200, b'{"item": {"error": "x"}}'),
    "error in a list": (200, b'[{"error": "x"}]'),
    "error as a word": (200, b'"error"'),
    "true": (200, b"true"),
    "number": (200, b"0"),
    "nothing": (204, b""),
    "created": (201, b'{"id": 1}'),
    "not JSON": (200, b'{"error'),
}


@pytest.mark.parametrize(("status", "content"), SUCCESSES.values(), ids=SUCCESSES.keys())
def test_successes(status: int, content: bytes) -> None:
    """Any other response is not an error."""
    assert error_in(Response(status, {}, content), GET, now=0.0) is None


def test_false_can_be_a_value() -> None:
    """Lists used to return false for no items."""
    assert error_in(Response(200, {}, b"false"), LIST, now=0.0) is None


@given(st.integers(400, 999), st.binary(max_size=60))
def test_class_matches_the_status(status: int, content: bytes) -> None:
    """Whatever the body, the class is that of the status."""
    error = error_of(content, status=status)
    assert (status_error(status), status) == (type(error), error.status_code)


@given(st.integers(200, 299), st.binary(max_size=60))
def test_any_body_is_a_success_or_an_error(status: int, content: bytes) -> None:
    """Reading a response never crashes."""
    error = error_in(Response(status, {}, content), GET, now=0.0)
    assert error is None or isinstance(error, APIStatusError)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"error": {"message": "no ann.o+x@mail.example here"}}', id="message"),
        pytest.param(
            b'{"error": {"message": "invalid address \'ann at mail.example\'"}}', id="quoted"
        ),
        pytest.param(b"<p>The URL /receivers/ann%40mail.example was not found</p>", id="encoded"),
        pytest.param(b"<p>/receivers/ann@mail.example</p>", id="URL"),
        pytest.param("ünn@mail.example".encode(), id="umlaut"),
    ],
)
def test_no_address_in_an_error(content: bytes) -> None:
    """Errors are logged, addresses are not."""
    error = error_of(content, status=404)
    for text in (str(error), repr(error), error.message, error.body, error.path):
        assert "mail.example" not in text


def test_template_that_a_caller_filled_is_masked() -> None:
    """A path written out by the caller may contain an address."""
    request = build_request("GET", "/receivers/ann@mail.example")
    error = error_in(Response(404, {}, b""), request, now=0.0)
    assert error is not None
    expected = "GET <e-mail>: 404 Not Found"
    assert expected == str(error)


def test_headers_without_credentials() -> None:
    """Headers help in support. Those with credentials are removed."""
    headers = {
        "x-request-id": "r1",
        "set-cookie": "s=1",
        "authorization": "Bearer t",
        "www-authenticate": "Bearer",
        "retry-after": "7",
    }
    error = error_of(b"", status=429, headers=headers)
    expected = ({"x-request-id": "r1", "retry-after": "7"}, 7.0)
    assert expected == (error.headers, error.retry_after)


def test_a_long_message_is_cut_and_its_text_is_in_the_body() -> None:
    """An importer may store a message once per row. The body has its full text, up to a limit."""
    error = error_of(json.dumps({"error": {"code": 400, "message": "x" * 9000}}).encode())
    assert ("x" * 2000, True) == (error.message, "x" * 9000 in error.body)
    assert len(str(error)) < 2200
    assert 65_536 == len(error_of(b"x" * 10_000_000, status=500).body)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"x" * 10_000_000, id="one word"),
        pytest.param(b"address '" * 1_000_000, id="quotes"),
        pytest.param(b"a@" * 5_000_000, id="signs"),
        pytest.param(b'{"error": {"code": 400, "message": "%s"}}' % (b"x" * 10_000_000), id="JSON"),
        pytest.param(b'{"error": ["%s"]}' % (b'","'.join([b"no"] * 300_000)), id="texts"),
        pytest.param(b" " * 10_000_000 + b"x", id="blanks"),
        pytest.param(b"{" + b" " * 10_000_000 + b"x", id="blanks in an object"),
        pytest.param(b"[" * 10_000_000, id="nested"),
        pytest.param(b'"\xfc",' * 2_000_000, id="not UTF-8"),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_an_error_is_read_in_bounded_time(content: bytes, status: int) -> None:
    """Ten megabytes of anything do not keep the event loop busy."""
    with effort() as spent:
        error = error_in(Response(status, {}, content), GET, now=0.0)
    assert spent.loops < 12  # 1.5 on a quiet computer; thousands where time grows with the square
    assert error is None or len(error.message) <= 2000


TEXTS_FROM_OUTSIDE: dict[str, tuple[str, str]] = {
    "escape": ("\x1b[31mred", "\ufffd[31mred"),
    "a forged line": ("no\n2026-01-01 ERROR all lost", "no 2026-01-01 ERROR all lost"),
    "carriage return": ("no\r\nyes", "no yes"),
    "NUL and DEL": ("a\0b\x7f", "a\ufffdb\ufffd"),
    "C1": ("a\x9b1m", "a\ufffd1m"),
    "right to left": ("a\u202eb", "a\ufffdb"),
    "half a pair": ("a\udc80b", "a\ufffdb"),
    "separators": ("a\u2028b\xa0c", "a b c"),
    "letters": ("Größe 5 € 🙂", "Größe 5 € 🙂"),
}


@pytest.mark.parametrize(("text", "shown"), TEXTS_FROM_OUTSIDE.values(), ids=TEXTS_FROM_OUTSIDE)
def test_no_control_character_of_the_server_is_in_an_error(text: str, shown: str) -> None:
    """Errors end up in terminals and logs."""
    content = msgspec.json.encode({"error": {"code": 400, "message": text.replace("\udc80", "\0")}})
    headers = {"x-note": text, "retry-after": "1"}
    error = error_in(Response(400, headers, content), GET, now=0.0)
    assert error is not None
    assert (shown, shown) == (error.message, error.headers["x-note"])
    assert not [it for it in str(error) + error.body if not it.isprintable() and it not in "\n\t"]


@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_an_interim_status_is_no_success(status: int) -> None:
    """A response that ends with it has no answer."""
    error = error_of(b"", status=status)
    assert (APIStatusError, status) == (type(error), error.status_code)


MESSAGES: dict[str, tuple[Any, str]] = {
    "texts": ({"error": ["no name", "no type"]}, "no name; no type"),
    "texts in an object": ({"error": {"message": ["no name", {"message": "no"}]}}, "no name; no"),
    "a number": ({"error": {"message": 7}}, "7"),
    "an object without a message": ({"error": {"message": {"a": 1}}}, "Bad Request"),
    "an endless code": ({"error": {"code": "9" * 5000, "message": "no"}}, "no"),
}


@pytest.mark.parametrize(("body", "message"), MESSAGES.values(), ids=MESSAGES)
def test_messages_of_other_types(body: Any, message: str) -> None:
    """Whatever stands for a message is read without guessing."""
    assert message == error_of(json.dumps(body).encode(), status=400).message


def test_an_address_at_the_cut_is_not_shown_in_part() -> None:
    """A text is cut after its addresses are masked."""
    for length in range(1960, 2001):
        content = json.dumps({"message": "x " * (length // 2) + "ann.smith@mail.example"}).encode()
        message = error_of(content, status=400).message
        assert ("ann" in message, len(message) <= 2000) == (False, True)


@pytest.mark.parametrize(
    ("status", "body", "method", "template", "expected"),
    [
        (400, {"message": "Duplicate address 'x'"}, "POST", RECEIVERS, DuplicateReceiverError),
        (409, {"error": {"message": "duplicate data"}}, "POST", RECEIVERS, DuplicateReceiverError),
        (200, {"error": "duplicate address"}, "POST", RECEIVERS, DuplicateReceiverError),
        (400, {"message": "duplicate name"}, "POST", RECEIVERS, BadRequestError),
        (500, {"message": "duplicate address"}, "POST", RECEIVERS, InternalServerError),
        (409, {"message": "duplicate address"}, "POST", "/blacklist", ConflictError),
        (400, {"message": "duplicate address"}, "GET", RECEIVERS, BadRequestError),
    ],
)
def test_a_duplicate_has_an_error_of_its_own(
    status: int, body: dict[str, Any], method: str, template: str, expected: type
) -> None:
    """Whatever the status; only creating a receiver can be refused for it."""
    path = {"group_id": 7} if template == RECEIVERS else {}
    request = build_request(method, template, path=path)
    response = Response(status, {}, json.dumps(body).encode())

    assert expected is type(error_in(response, request, now=0))
