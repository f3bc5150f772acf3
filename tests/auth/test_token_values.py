"""A token as a value: written as JSON, read again, and the account in its payload."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import ConfigurationError, Secret, Token

visible = st.characters(min_codepoint=33, max_codepoint=126)
secrets = st.text(visible, min_size=1).map(Secret)
zones = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=zones)  # noqa: DTZ001
tokens = st.builds(
    Token,
    access_token=secrets,
    refresh_token=st.none() | secrets,
    expires_at=st.none() | times,
    scope=st.text(),
)


def jwt(claims: Any) -> str:
    """A text in the format of the vendor's tokens."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"e30.{urlsafe_b64encode(payload).rstrip(b'=').decode()}.c2ln"


@given(token=tokens)
def test_a_token_is_read_as_it_was_written(token: Token) -> None:
    """From text and from bytes."""
    text = token.to_json()
    assert token == Token.from_json(text)
    assert token == Token.from_json(text.encode())


@given(token=tokens, data=st.data())
def test_half_a_token_is_refused(token: Token, data: st.DataObject) -> None:
    """Wherever the text is cut."""
    text = token.to_json()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(ConfigurationError, match=r"^the stored value is not a token: authorise"):
        Token.from_json(text[:cut])


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["access_token", "refresh_token", "expires_at", "scope"]), inner
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_is_stored_is_a_token_or_refused(value: Any) -> None:
    """A token that is read has texts as its parts."""
    try:
        token = Token.from_json(json.dumps(value))
    except ConfigurationError:
        return
    assert isinstance(token.access_token.reveal(), str)
    assert token.access_token
    assert token.refresh_token is None or isinstance(token.refresh_token.reveal(), str)


@pytest.mark.parametrize(
    ("claims", "account_id"),
    [({"client_id": 4711}, 4711), ({"client_id": "4711", "exp": 1}, 4711), ({"client_id": 0}, 0)],
)
def test_the_payload_contains_the_account(claims: Any, account_id: int) -> None:
    """As a number or as text, with any padding."""
    for filler in ("", "x", "xx", "xxx"):
        token = Token(access_token=Secret(jwt({**claims, "filler": filler})))
        assert account_id == token.account_id


@pytest.mark.parametrize(
    "text",
    [
        "opaque",
        "a.b",
        "a.b.c.d",
        "..",
        "e30.!.c2ln",
        "e30.A.c2ln",
        jwt(b"\xff\xfe"),
        jwt(b"{"),
        jwt(b"[" * 100_000),
        jwt([]),
        jwt(7),
        jwt({}),
        jwt({"client_id": None}),
        jwt({"client_id": True}),
        jwt({"client_id": "shop"}),
        jwt({"client_id": -1}),
        jwt({"client_id": 1.5}),
        jwt({"client_id": "²"}),
        jwt({"client_id": ["1"]}),
        jwt({"client_id": "9" * 5000}),
        jwt(b'{"client_id": ' + b"9" * 5000 + b"}"),
    ],
    ids=lambda text: str(text)[:30],
)
def test_other_payloads_contain_no_account(text: str) -> None:
    """And raise no error."""
    assert Token(access_token=Secret(text)).account_id is None


def test_a_token_without_extras_is_written_without_them() -> None:
    """Without nulls, which other readers may not expect."""
    text = Token(access_token=Secret("a")).to_json()
    assert {"access_token": "a", "scope": ""} == json.loads(text)


def test_the_expiry_is_written_as_unix_time() -> None:
    """In seconds, for other readers."""
    end = datetime(2026, 1, 1, tzinfo=UTC)
    fields = json.loads(Token(access_token=Secret("a"), expires_at=end).to_json())
    assert 1_767_225_600 == fields["expires_at"]
