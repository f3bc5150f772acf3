"""Credentials are hidden in whatever a library or a server quotes."""

import html
import json
import re
import time
import traceback
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.transport.error_bodies import error_in
from cleverreach_async.transport.hiding import hide, hide_in_error
from cleverreach_async.transport.wire import Response, build_request

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


def own_cause() -> Exception:
    """An error that is its own cause, as by ``raise error from error``."""
    error = ValueError(SECRET)
    error.__cause__ = error
    return error


def causes_of_each_other() -> Exception:
    """What remains when a second way fails because of the first, and the first is raised again."""
    first, second = ValueError(SECRET), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def with_a_note() -> Exception:
    """An error with a note."""
    error = ValueError("no")
    error.add_note(f"parameters: {SECRET}")
    return error


def with_fields(**fields: Any) -> Exception:
    """An error that formats its fields, as those of SQLAlchemy do with the parameters."""

    class QuotingError(Exception):
        def __str__(self) -> str:
            return repr(vars(self))

    error = QuotingError()
    vars(error).update(fields)
    return error


def with_a_context_beside_the_cause() -> Exception:
    """An error with both."""
    error = ValueError("no")
    error.__cause__, error.__context__ = KeyError(7), KeyError(SECRET)
    return error


class UnchangeableError(Exception):
    """An error of a foreign class, whose text cannot be changed, as those of Pydantic."""

    def __str__(self) -> str:
        return f"input_value={SECRET!r}"


class WithoutTextError(Exception):
    """An error whose text cannot be made."""

    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "cause",
    [
        own_cause(),
        causes_of_each_other(),
        with_a_note(),
        with_a_context_beside_the_cause(),
        ExceptionGroup("tasks", [ValueError(7), ExceptionGroup("more", [ValueError(SECRET)])]),
        ExceptionGroup(f"tasks of {SECRET}", [ValueError(7)]),
        ValueError({"token": [SECRET]}, {SECRET}, (SECRET,), bytearray(SECRET.encode())),
        OSError(5, f"cannot write {SECRET}", f"{SECRET}.json"),
        with_fields(params=({"token": SECRET},)),
        with_fields(orig=ValueError(SECRET)),
        UnchangeableError(),
        WithoutTextError(),
    ],
    ids=repr,
)
def test_errors_of_all_shapes_are_searched(cause: Exception) -> None:
    """Whatever a token store raises: what a report of the error shows has no credential."""
    error = LookupError("the store cannot save the token")
    error.__cause__ = cause
    shown = "".join(traceback.format_exception(hide_in_error(error, [SECRET])))
    assert "the store cannot save the token" in shown
    assert "4711" not in shown


def test_containers_in_errors_are_not_changed_in_place() -> None:
    """They may be the parameters that the user's own code goes on to use."""
    params: dict[str, Any] = {"token": SECRET, "number": 7}
    params["itself"] = params
    error = with_fields(params=params, other=[7])
    other = vars(error)["other"]
    hide_in_error(error, [SECRET])
    assert ({"token": "<hidden>", "number": 7, "itself": "<hidden>"}, True, SECRET) == (
        vars(error)["params"],
        vars(error)["other"] is other,
        params["token"],
    )


def test_body_headers_and_message_of_an_error_are_searched() -> None:
    """The response itself stays as it is, since it may be a token that was asked for."""
    content = json.dumps({"error": {"code": 400, "message": f"ä {SECRET} €"}}).encode()
    headers = {"x-auth": SECRET, "date": "now", SECRET: "name"}
    response = Response(400, headers, content, secrets=(SECRET,))
    error = error_in(response, build_request("GET", "/groups"), now=0.0)
    assert error is not None
    assert ("ä <hidden> €", {"x-auth": "<hidden>", "date": "now", "<hidden>": "name"}) == (
        error.message,
        error.headers,
    )
    assert "4711" not in f"{error} {vars(error)!r} {response!r}"
    assert content == response.content


def entities(text: str) -> str:
    """Write each character as HTML may do it."""
    return "".join(f"&#x{ord(it):X};" for it in text)


def in_base64(text: str, before: str = "", after: str = "") -> str:
    """Write a text in Base64 with what surrounds it."""
    return b64encode(f"{before}{text}{after}".encode()).decode()


SHAPES: dict[str, Callable[[str], str]] = {
    "JSON": json.dumps,
    "JSON of PHP": lambda it: json.dumps(it).replace("/", r"\/"),
    "JSON in JSON": lambda it: json.dumps(json.dumps({"said": it})),
    "JSON in HTML": lambda it: html.escape(json.dumps(it)),
    "code points": lambda it: "".join(f"\\u{ord(char):04x}" for char in it),
    "URL": lambda it: quote(it, safe=""),
    "all percent-encoded": lambda it: "".join(f"%{ord(char):02x}" for char in it),
    "URL in a URL": lambda it: quote(quote(it, safe=""), safe=""),
    "HTML": html.escape,
    "HTML entities": entities,
    "Python": repr,
    "bytes of Python": lambda it: repr(it.encode()),
    "Python in Python": lambda it: repr(repr(it.encode())),
    "Base64": in_base64,
    "Basic": lambda it: in_base64(it, "id:"),
    "Basic of another id": lambda it: in_base64(it, "id-1:"),
    "Bearer in Base64": lambda it: in_base64(it, "Bearer ", "\n"),
    "Base64 of URLs": lambda it: urlsafe_b64encode(f"~~{it}".encode()).decode(),
    "Base64 in a URL": lambda it: quote(in_base64(it), safe=""),
    "Base64 in JSON of PHP": lambda it: in_base64(it).replace("/", r"\/"),
    "hexadecimal": lambda it: it.encode().hex(),
    "wrapped lines": lambda it: "\r\n ".join(it[at : at + 9] for at in range(0, len(it), 9)),
    "wrapped Base64": lambda it: encodebytes(it.encode()).decode().strip(),
}
words = st.text(st.sampled_from("abcXYZ0189-._~+/='\"!$(),:@[]{}|"), min_size=12, max_size=90)


@pytest.mark.parametrize("shape", SHAPES)
@given(secret=words)
def test_a_notation_does_not_reveal_a_credential(shape: str, secret: str) -> None:
    """What was before it remains, and a few bits of its first and last character."""
    shown = hide(f"before {SHAPES[shape](secret)} after", [secret])
    around = shown.removeprefix("before ").removesuffix(" after").replace("<hidden>", "")
    most = {"Basic of another id": 7, "Bearer in Base64": 10}
    assert "<hidden>" in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert len(re.findall(r"\w", html.unescape(around))) <= most.get(shape, 5)


@pytest.mark.parametrize("secret", ["a%2Fb%41c&amp;d#1", "%%41%25x&#38;y", r"back\\slash\u0041"])
def test_a_credential_may_look_like_a_notation(secret: str) -> None:
    """It is found as it is, and written once more."""
    for said in (secret, json.dumps(secret), quote(secret, safe=""), html.escape(secret)):
        shown = hide(f"before {said} after", [secret])
        assert "before <hidden> after" == shown.replace('"', "")


def test_an_older_token_of_the_same_kind_is_hidden_to_its_end() -> None:
    """Tokens begin alike; the rest of one that was replaced may still be valid."""
    header = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
    shown = hide(f"token {header}.old-claims.old_signature. Bye", [f"{header}.new.signature"])
    assert "token <hidden>. Bye" == shown


def test_the_time_grows_with_the_length_of_the_text() -> None:
    """Not with its square, whatever is in it; counted in steps of a text ten times as long."""
    secret = "secret-4711/" * 3
    for part in (secret, secret[:8], "%2F", "\\", "&amp;", "\n", "&#", "%5c%5cu0041"):
        spent: list[float] = []
        for times in (2_000, 20_000):
            began = time.process_time()
            hide(part * times, [secret, "other-secret"])
            spent.append(time.process_time() - began)
        assert spent[1] < 40 * spent[0] + 0.05
