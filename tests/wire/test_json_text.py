"""JSON in other encodings than UTF-8, which a part of the server may send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import NotFoundError
from cleverreach_async.transport.error_bodies import error_in
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.wire import Response, build_request, decode_json

GET = build_request("GET", "/groups")
MARK = b"\xef\xbb\xbf"

TEXTS: dict[str, tuple[bytes, str]] = {
    "UTF-8": ("Müller €".encode(), "Müller €"),
    "latin-1": (b"M\xfcller", "Müller"),
    "Windows-1252": (b"5 \x80 \x84x\x93", "5 € „x“"),
    "a mixture": ("Köln".encode() + b" M\xfcller", "Köln Müller"),
    "cut within a character": (b"Stra\xc3", "StraÃ"),
}


@pytest.mark.parametrize(("content", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_text_in_another_encoding(content: bytes, expected: str) -> None:
    """One odd text does not make a response unreadable, and no byte of it is lost."""
    assert [expected, "b"] == parse_json(b'["' + content + b'", "b"]')


@pytest.mark.parametrize("content", [b"", b"{", b"\x81", b'"\x81"', b'"\\ud800"', b"\xfc"])
def test_anything_else_is_an_error(content: bytes) -> None:
    """The error is of one type, whatever is wrong."""
    with pytest.raises(ValueError, match=r"."):
        parse_json(content)


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """What is read can be written again."""
    try:
        value = parse_json(content)
    except ValueError:
        return
    assert value == json.loads(json.dumps(value))


def test_byte_order_mark() -> None:
    """It is not part of the content."""
    assert [1] == decode_json(Response(200, {}, MARK + b"[1]"), GET)


@pytest.mark.parametrize("content", [b"false", b'{"error": {"code": 404, "message": "Not Found"}}'])
def test_error_after_a_byte_order_mark(content: bytes) -> None:
    """A mark does not hide a failure with status 200."""
    assert error_in(Response(200, {}, MARK + content), GET, now=0.0) is not None


def test_message_in_another_encoding() -> None:
    """The vendor's sentence is kept."""
    content = b'{"error": {"code": 404, "message": "Not Found: ung\xfcltig"}}'
    error = error_in(Response(404, {}, content), GET, now=0.0)
    assert isinstance(error, NotFoundError)
    assert "Not Found: ungültig" == error.message
