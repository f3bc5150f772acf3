"""Requests: encoding of queries and bodies, and decoding of bodies."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.transport.redaction import Masked
from cleverreach_async.transport.wire import (
    Request,
    Response,
    as_list,
    as_object,
    build_request,
    decode_json,
    encode_json,
    encode_query,
)

GET = build_request("GET", "/receivers/{receiver_id}", path={"receiver_id": "ann@mail.example"})

QUERIES: dict[str, tuple[Mapping[str, Any], str]] = {
    "none": ({}, ""),
    "left out": ({"a": None, "b": msgspec.UNSET}, ""),
    "falsy but sent": ({"a": 0, "b": ""}, "?a=0&b="),
    "booleans": ({"a": True, "b": False}, "?a=true&b=false"),
    "time": ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "?at=1767225600"),
    "list": ({"ids": [1, "2"]}, "?ids=1%2C2"),
    "reserved": ({"q": "a&b=c+d ü"}, "?q=a%26b%3Dc%2Bd+%C3%BC"),
    "order kept": ({"b": 1, "a": 2.5}, "?b=1&a=2.5"),
}


@pytest.mark.parametrize(("values", "expected"), QUERIES.values(), ids=QUERIES.keys())
def test_query(values: Mapping[str, Any], expected: str) -> None:
    """Unset values are left out, the rest is encoded."""
    assert expected == encode_query(values)


def test_naive_time_in_a_query() -> None:
    """A time without a time zone is refused."""
    with pytest.raises(ConfigurationError, match="no time zone"):
        encode_query({"at": datetime(2026, 1, 1)})  # noqa: DTZ001 - the point


@attrs.define
class Row:
    """A row to encode."""

    email: str
    note: str | msgspec.UnsetType | None = msgspec.UNSET
    price: Decimal | msgspec.UnsetType = msgspec.UNSET


BODIES: dict[str, tuple[object, bytes]] = {
    "unset left out": (Row("a@b.example"), b'{"email":"a@b.example"}'),
    "none as null": (Row("a", note=None), b'{"email":"a","note":null}'),
    "decimal as a number": (Row("a", price=Decimal("9.90")), b'{"email":"a","price":9.90}'),
    "utf-8": (["ü"], '["ü"]'.encode()),
    "null": (None, b"null"),
    "tuple": ((1, 2), b"[1,2]"),
}


@pytest.mark.parametrize(("value", "expected"), BODIES.values(), ids=BODIES.keys())
def test_encode_json(value: object, expected: bytes) -> None:
    """Bodies are compact UTF-8."""
    assert expected == encode_json(value)


@pytest.mark.parametrize(
    ("method", "given", "expected"),
    [
        ("GET", None, True),
        ("PUT", None, True),
        ("DELETE", None, True),
        ("POST", None, False),
        ("POST", True, True),
        ("PUT", False, False),
    ],
)
def test_idempotency_by_method(method: str, given: bool | None, expected: bool) -> None:
    """Only a POST counts as not idempotent, unless the caller says otherwise."""
    assert expected is build_request(method, "/groups", idempotent=given).idempotent


def test_whole_request() -> None:
    """Target, body and template. Only the template may be logged."""
    request = build_request(
        "PUT",
        "/receivers/{receiver_id}",
        path={"receiver_id": "ann@mail.example"},
        query={"page": 0},
        json={},
        accepts_false=True,
    )
    expected = Request(
        method="PUT",
        target="/v3/receivers/ann%40mail.example?page=0",
        template="/receivers/{receiver_id}",
        content=b"{}",
        idempotent=True,
        accepts_false=True,
    )
    assert expected == request
    assert "mail.example" not in repr(request)


def test_request_without_body() -> None:
    """No body is empty, and ``None`` is ``null``."""
    expected = (b"", b"null")
    actual = (build_request("POST", "/a").content, build_request("POST", "/a", json=None).content)
    assert expected == actual


DECODED: dict[str, tuple[bytes, object]] = {
    "object": (b' {"a": [1]}\n', {"a": [1]}),
    "true": (b"true", True),
    "number": (b"12", 12),
    "text": (b'"token"', "token"),
    "empty": (b"", None),
    "blank": (b" \r\n", None),
}


@pytest.mark.parametrize(("content", "expected"), DECODED.values(), ids=DECODED.keys())
def test_decode_json(content: bytes, expected: object) -> None:
    """An empty body is a success without data."""
    assert expected == decode_json(Response(200, {}, content), GET)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<html>ann@mail.example</html>", id="HTML"),
        pytest.param(b'{"a": 1', id="cut"),
        pytest.param(b'{"a": "\xff', id="cut, and not UTF-8"),
        pytest.param(b"\xff\xfe", id="UTF-16"),
        pytest.param(b"1e999", id="a number beyond all"),
        pytest.param(b"OK", id="text"),
        pytest.param(b"NaN", id="NaN"),
    ],
)
def test_success_that_is_not_json(content: bytes) -> None:
    """The error has content type, length and template, and nothing of the content."""
    with pytest.raises(ResponseDecodeError) as caught:
        decode_json(Response(200, {"content-type": "text/html"}, content), GET)
    expected = (
        f"GET /receivers/{{receiver_id}}: unexpected response: not JSON (text/html,"
        f" {len(content)} bytes)"
    )
    assert expected == str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("value", "expected"), [({"a": 1}, {"a": 1}), ([], {}), (None, {}), ("a", {}), (True, {})]
)
def test_as_object(value: object, expected: dict[str, Any]) -> None:
    """Anything that is not an object becomes an empty one."""
    assert expected == as_object(value)


LISTS: list[tuple[object, list[Any]]] = [
    ([1, 2], [1, 2]),
    ([], []),
    ({"a": 1}, [{"a": 1}]),
    ({}, [{}]),
    ("ab", ["ab"]),
    ({"0": "a", "2": "b"}, ["a", "b"]),
    ({"0": "a", "x": "b"}, [{"0": "a", "x": "b"}]),
]


@pytest.mark.parametrize(("value", "expected"), LISTS)
def test_as_list(value: object, expected: list[Any]) -> None:
    """PHP sends a list with gaps as an object. Anything else becomes a list of one."""
    assert expected == as_list(value)


def test_response_repr_has_no_content() -> None:
    """A body may contain personal data."""
    assert "mail.example" not in repr(Response(200, {}, b"ann@mail.example"))


def test_masked_text_is_not_shown() -> None:
    """Tracebacks with local variables do not show a credential."""
    token = Masked("Bearer INVENTED")
    assert token == "Bearer INVENTED"
    assert "INVENTED" not in repr((token, {"authorization": token}))
