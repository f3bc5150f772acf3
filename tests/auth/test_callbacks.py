"""The callback of the authorization page, in the forms in which web frameworks have it."""

import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import URL, QueryParams

from cleverreach_async import CleverReachError, ConfigurationError, OAuthApp, TokenError

APP = OAuthApp("id", "secret", redirect_uri="https://shop.example/callback")
QUERY = "code=c%2F4711&state=s%20%C3%A4&scope=basic"
CODE, STATE = "c/4711", "s ä"


class MultiDict(dict[str, list[str]]):
    """A mapping of one value per name, with a method for all values."""

    def lists(self) -> list[tuple[str, list[str]]]:
        """Return names and lists of values."""
        return list(super().items())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the last value."""
        return self[name][-1] if name in self else default

    def items(self) -> Any:
        """Return names and last values."""
        return [(name, values[-1]) for name, values in super().items()]


FORMS: dict[str, Any] = {
    "mapping": {"code": CODE, "state": STATE},
    "mapping of lists": parse_qs(QUERY),
    "mapping of bytes": {b"code": [CODE.encode()], b"state": [STATE.encode()]},
    "query": QUERY,
    "query with a mark": f"?{QUERY}",
    "bytes": QUERY.encode(),
    "URL": f"https://shop.example/callback?{QUERY}",
    "URL with a fragment": f"http://localhost:8765/callback?{QUERY}#_=_",
    "target": f"/callback?{QUERY}",
    "httpx.URL": httpx.URL(f"https://shop.example/callback?{QUERY}"),
    "httpx.QueryParams": httpx.QueryParams(QUERY),
    "starlette.URL": URL(f"https://shop.example/callback?{QUERY}"),
    "starlette.QueryParams": QueryParams(QUERY),
    "lists()": MultiDict(parse_qs(QUERY)),
    "blanks": f" {QUERY}\n",
}


@pytest.mark.parametrize("query", FORMS.values(), ids=FORMS)
def test_the_code_is_read_from_any_form(query: Any) -> None:
    """Text or bytes, a query or a URL, a mapping of values or of lists."""
    code = APP.read_callback(query, state=STATE)
    assert (CODE, str) == (code, type(code))


@pytest.mark.parametrize("name", ["code", "state", "error"])
@pytest.mark.parametrize("second", ["same", "other"])
def test_a_repeated_parameter_is_refused(name: str, second: str) -> None:
    """Another reader might take the other value (RFC 6749 §3.1)."""
    pairs = [("code", CODE), ("state", STATE)] + [("error", "denied")] * (name == "error")
    again = dict(pairs)[name] if second == "same" else "other"
    query = urlencode([*pairs, (name, again)])
    for form in (
        query,
        query.encode(),
        parse_qs(query),
        QueryParams(query),
        httpx.QueryParams(query),
        MultiDict(parse_qs(query)),
        f"https://shop.example/callback?{query}",
    ):
        with pytest.raises(TokenError, match=f"{name} more than once") as caught:
            APP.read_callback(form, state=STATE)
        assert "invalid_callback" == caught.value.error


@pytest.mark.parametrize("query", [None, 7, ["code"], {"code"}, object(), [("code", "c")]])
def test_anything_else_is_refused(query: Any) -> None:
    """The message names the type and what to pass."""
    with pytest.raises(ConfigurationError, match="pass the callback's URL, its query string or a"):
        APP.read_callback(query, state=STATE)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        b"",
        "https://shop.example/callback",
        "/callback",
        {},
        {"code": [], "state": [STATE]},
        {"code": None, "state": STATE},
        {"code": 7, "state": STATE},
        f"code=&state={STATE}",
    ],
)
def test_a_callback_without_a_code_is_refused(query: Any) -> None:
    """Whatever there is instead."""
    with pytest.raises(TokenError):
        APP.read_callback(query, state=STATE)


values = st.recursive(
    st.none() | st.text() | st.binary() | st.integers() | st.just(STATE),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@given(
    query=st.text()
    | st.binary()
    | st.dictionaries(st.sampled_from(["code", "state", "error", b"code", 7]), values)
    | values
)
def test_any_callback_gives_a_code_or_an_error_of_ours(query: Any) -> None:
    """A web server does not fail because of what a stranger sends."""
    try:
        code = APP.read_callback(query, state=STATE)
    except CleverReachError:
        return
    assert isinstance(code, str)
    assert code


@pytest.mark.parametrize("query", FORMS.values(), ids=FORMS)
def test_a_refused_callback_does_not_show_the_code(query: Any) -> None:
    """Nor the state of the session, in any variable of ours."""
    try:
        APP.read_callback(query, state="state-4711")
    except TokenError as error:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        report.stack[:] = [it for it in report.stack if "tests" not in it.filename]
        shown = "".join(report.format())
    else:
        pytest.fail("the callback was accepted")
    assert "check_state" in shown
    assert "4711" not in shown


@pytest.mark.anyio
@pytest.mark.parametrize("code", [None, "", " ", 7, ["c"], b"c", "c\ud800", "c\0"])
async def test_only_a_code_is_exchanged(code: Any) -> None:
    """Nothing is sent for anything else."""
    with pytest.raises(ConfigurationError, match=r"^code "):
        await APP.exchange_code(code)


@pytest.mark.parametrize("text", ["\ud800", "a\0", "a\nb"])
def test_no_half_characters_are_sent(text: str) -> None:
    """The error names the parameter, and comes before a user is redirected."""
    calls: dict[str, Callable[[], object]] = {
        "client_id": lambda: OAuthApp(text, "secret"),
        "redirect_uri": lambda: OAuthApp("id", "secret", redirect_uri=text),
        "state": lambda: APP.authorization_url(state=text),
        "scope": lambda: APP.authorization_url(state="s", scope=text),
        "lang": lambda: APP.authorization_url(state="s", lang=text),
    }
    for name, make in calls.items():
        with pytest.raises(ConfigurationError, match=f"^{name} contains "):
            make()
