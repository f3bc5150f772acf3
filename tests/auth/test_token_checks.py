"""Tokens that cannot be sent are refused where they enter: the source is named, not the value."""

import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import (
    BearerToken,
    CleverReach,
    ConfigurationError,
    OAuthApp,
    Secret,
    Token,
    TokenError,
)
from cleverreach_async.auth.tokens import parse_token, read_token

DEFECTS = {
    "line-4711\nbreak": "a line break",
    "line-4711\rbreak": "a line break",
    "header-4711\r\nx-injected: 1": "a line break",
    "nul-4711\0": "a control character",
    "esc-4711\x1b[2J": "a control character",
    "delete-4711\x7f": "a control character",
    "space-4711 inside": "a space",
    "schlüssel-4711": "a non-ASCII character",
    "nbsp-4711\u00a0inside": "a non-ASCII character",
    "emoji-4711\U0001f511": "a non-ASCII character",
    "half-4711\ud83d": "half a character (a lone surrogate)",
    "long-4711" * 5_000 + "\n.": "a line break",
}
bad_tokens = pytest.mark.parametrize(
    ("token", "defect"), DEFECTS.items(), ids=[it[:12].partition("4711")[0] for it in DEFECTS]
)


def shown_by(call: Callable[[], object], kind: type[Exception]) -> tuple[str, str]:
    """The message of a failing call, and all that an error reporter collects of our frames."""
    try:
        call()
    except kind as error:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        # The first frames are those of this file, which hold the token.
        report.stack[:] = [it for it in report.stack if "tests" not in it.filename]
        return str(error), "".join(report.format()) + repr(vars(error)) + repr(error.__context__)
    pytest.fail("the token was accepted")


ENTRIES: dict[str, tuple[Callable[[str], object], type[Exception], str]] = {
    "bearer": (BearerToken, ConfigurationError, "token contains "),
    "bearer secret": (
        lambda it: BearerToken(Secret(it)),
        ConfigurationError,
        "token contains ",
    ),
    "client": (CleverReach, ConfigurationError, "token contains "),
    "client secret": (
        lambda it: OAuthApp("id", it),
        ConfigurationError,
        "client_secret contains ",
    ),
    "access token": (
        lambda it: Token(access_token=Secret(it)),
        ConfigurationError,
        "access_token contains ",
    ),
    "access text": (
        lambda it: Token(access_token=it),
        ConfigurationError,
        "access_token contains ",
    ),
    "refresh token": (
        lambda it: Token(access_token="a", refresh_token=it),
        ConfigurationError,
        "refresh_token contains ",
    ),
    "stored": (
        lambda it: parse_token(json.dumps({"access_token": it}), "token.json"),
        ConfigurationError,
        "token.json: the stored access token contains ",
    ),
    "stored refresh": (
        lambda it: parse_token(json.dumps({"access_token": "a", "refresh_token": it}), "key"),
        ConfigurationError,
        "key: the stored refresh token contains ",
    ),
    "response": (
        lambda it: read_token({"access_token": it}, now=0.0),
        TokenError,
        "the token endpoint refused: invalid_response (the access token contains ",
    ),
    "plain response": (
        lambda it: read_token(it, now=0.0),
        TokenError,
        "the token endpoint refused: invalid_response (the access token contains ",
    ),
    "response refresh": (
        lambda it: read_token({"access_token": "a", "refresh_token": it}, now=0.0),
        TokenError,
        "the token endpoint refused: invalid_response (the refresh token contains ",
    ),
}


@bad_tokens
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_token_that_cannot_be_sent_is_refused(
    entry: tuple[Callable[[str], object], type[Exception], str], token: str, defect: str
) -> None:
    """By an error that names where it is from; neither it nor a variable shows the token."""
    enter, kind, message = entry
    if token.strip() != token and enter in {BearerToken, CleverReach}:
        pytest.skip("blanks around a text are no part of it")

    text, shown = shown_by(lambda: enter(token), kind)

    assert text.startswith(f"{message}{defect}")
    assert "4711" not in shown


@given(token=st.text(min_size=1))
def test_a_token_is_sent_as_it_is_or_refused(token: str) -> None:
    """Whatever enters as a token fits into a header."""
    try:
        held = Token(access_token=token).access_token.reveal()
    except ConfigurationError:
        return
    assert token.strip() == held
    request = httpx.Request("GET", "https://x", headers={"authorization": f"Bearer {held}"})
    assert f"Bearer {held}" == request.headers["authorization"]
    assert held.isprintable()


@pytest.mark.parametrize("value", [None, 7, b"abc", ["abc"], {"access_token": "abc"}])
def test_something_else_is_no_token(value: Any) -> None:
    """The message names the type and what to pass."""
    calls: list[Callable[[], object]] = [
        lambda: BearerToken(value),
        lambda: Token(access_token=value),
        lambda: OAuthApp("id", value),
    ]
    for make in calls:
        with pytest.raises(ConfigurationError, match=f"of type {type(value).__name__}; pass it as"):
            make()


@pytest.mark.parametrize("value", [7, b"abc", ["abc"]])
def test_a_refresh_token_is_text(value: Any) -> None:
    """Or it is missing."""
    with pytest.raises(ConfigurationError, match="refresh_token is of type"):
        Token(access_token="a", refresh_token=value)


@pytest.mark.parametrize(
    "expires_at",
    [datetime(2026, 1, 1), 1_767_225_600, "2026-01-01"],  # noqa: DTZ001 - the test
)
def test_an_expiry_has_a_time_zone(expires_at: Any) -> None:
    """A naive one would be read in the time zone of the machine."""
    with pytest.raises(ConfigurationError, match="expires_at is not a datetime with a time zone"):
        Token(access_token="a", expires_at=expires_at)


@pytest.mark.parametrize("scope", [None, ["basic"]])
def test_a_scope_is_text(scope: Any) -> None:
    """Otherwise the stored token could not be read again."""
    with pytest.raises(ConfigurationError, match="scope is not text"):
        Token(access_token="a", scope=scope)


def test_texts_are_wrapped() -> None:
    """A token may be given as text; blanks around it are from copying."""
    token = Token(access_token=" a\n", refresh_token="b")
    assert Token(access_token=Secret("a"), refresh_token=Secret("b")) == token


@pytest.mark.parametrize("refresh_token", [True, {"a": 1}, ["r"], 1.5])
def test_a_refresh_token_of_another_type_is_refused(refresh_token: object) -> None:
    """A text made of it would not renew anything."""
    with pytest.raises(TokenError, match="the refresh_token in the response is not text"):
        read_token({"access_token": "a", "refresh_token": refresh_token}, now=0.0)


@pytest.mark.parametrize(
    "expires_in", [0, -1, "0", "-3600", 0.0, -0.0, 1e-9, 0.999, False, True, -1e300, "-inf"]
)
def test_no_lifetime_means_no_known_expiry(expires_in: object) -> None:
    """Otherwise every call would request a token first. It is used until it is refused."""
    token = read_token({"access_token": "a", "expires_in": expires_in}, now=1_767_225_600.0)
    assert token.expires_at is None


def test_a_lifetime_of_a_second_is_believed() -> None:
    """It is relative to the request."""
    token = read_token({"access_token": "a", "expires_in": 1}, now=1_767_225_600.0)
    assert datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC) == token.expires_at


@pytest.mark.anyio
@pytest.mark.parametrize("expires_in", [0, -1, "0"])
async def test_a_token_without_lifetime_is_requested_once(expires_in: object) -> None:
    """For any number of calls."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        is_token = request.url.path == "/oauth/token.php"
        token = {"access_token": "a", "expires_in": expires_in}
        return httpx.Response(200, json=token if is_token else [])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client:
        cr = CleverReach(OAuthApp("id", "secret").client_credentials(), http_client=http_client)
        for _ in range(5):
            await cr.groups.list()
    assert ["/oauth/token.php", *["/v3/groups"] * 5] == asked
