"""Credentials are hidden in whatever a library or a server quotes."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.transport.hiding import hide, hide_in_error, hide_in_response
from cleverreach_async.transport.wire import Response

SECRET = "to/ken'4711+=\\x"
visible = st.characters(min_codepoint=33, max_codepoint=126)
secrets = st.text(visible, min_size=8, max_size=40)


@pytest.mark.parametrize(
    "quoted",
    [
        SECRET,
        f"Bearer {SECRET}",
        repr(f"Bearer {SECRET}".encode()),
        repr(SECRET),
        json.dumps(SECRET).replace("/", r"\/").replace(r"\\", "\\"),
        quote(SECRET, safe=""),
        SECRET[:-3],
        SECRET * 3,
    ],
)
def test_a_quoted_credential_is_hidden(quoted: str) -> None:
    """As it is, escaped, percent-encoded, cut, or several times; the rest stays."""
    shown = hide(f"Illegal header value {quoted}", [SECRET])
    assert shown.startswith("Illegal header value ")
    assert "4711" not in shown
    assert "<hidden>" in shown


@given(secret=secrets, before=st.text(), after=st.text(), cut=st.integers(8, 40))
def test_no_credential_remains(secret: str, before: str, after: str, cut: int) -> None:
    """Wherever it stands, and where it is cut."""
    shown = hide(f"{before}{secret}{after} {secret[:cut]}", [secret])
    assert secret not in shown.replace("<hidden>", "\0")


def test_other_texts_stay() -> None:
    """So do words with the letters of a short test token."""
    assert "a token at the end" == hide("a token at the end", ["a", "", "to", SECRET])


def test_errors_and_their_causes_are_searched() -> None:
    """Arguments as text and as bytes, and attributes."""
    cause = ValueError(f"bad {SECRET}", SECRET.encode(), 7)
    error = LookupError(SECRET)
    error.__cause__ = cause
    vars(error)["message"] = f"no {SECRET}"
    assert error is hide_in_error(error, [SECRET])
    shown = f"{error!r} {vars(error)} {cause!r}"
    assert "4711" not in shown
    assert ("no <hidden>", ("bad <hidden>", b"<hidden>", 7)) == (vars(error)["message"], cause.args)


def test_body_and_headers_of_a_response_are_searched() -> None:
    """Other bytes stay as they are."""
    content = f"ä {SECRET} €".encode() + b"\xff"
    response = hide_in_response(Response(400, {"x-auth": SECRET, "date": "now"}, content), [SECRET])
    expected = "ä <hidden> €".encode() + b"\xff"
    assert (expected, "<hidden>", "now") == (
        response.content,
        response.headers["x-auth"],
        response.headers["date"],
    )
