"""``base_url`` is parsed: what is no root of a server, or would show credentials, is refused."""

import traceback
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import CleverReach, ConfigurationError, OAuthApp
from cleverreach_async.transport.base_url import server_root

SPELLINGS = {
    "https://rest.cleverreach.com": "https://rest.cleverreach.com",
    "HTTPS://REST.CleverReach.com": "https://rest.cleverreach.com",
    " https://rest.cleverreach.com/v3/\n": "https://rest.cleverreach.com",
    "https://rest.cleverreach.com:443": "https://rest.cleverreach.com",
    "https://rest.cleverreach.com:": "https://rest.cleverreach.com",
    "https://rest.cleverreach.com:8443/": "https://rest.cleverreach.com:8443",
    "https://proxy.example/CR~1/a%20b/v3": "https://proxy.example/CR~1/a%20b",
    "https://[::1]:8800": "https://[::1]:8800",
    "http://localhost": "http://localhost",
    "HTTP://LOCALHOST:80/": "http://localhost",
    "http://127.0.0.1:8800": "http://127.0.0.1:8800",
    "http://127.8.9.10:8800": "http://127.8.9.10:8800",
    "http://[::1]:8800": "http://[::1]:8800",
    "http://0.0.0.0:8800": "http://0.0.0.0:8800",
}


@pytest.mark.parametrize(("given", "root"), SPELLINGS.items())
def test_a_root_has_one_spelling(given: str, root: str) -> None:
    """So two spellings of one server are one server."""
    assert root == server_root(given)
    assert root == server_root(root)
    assert root == OAuthApp("id", "secret", base_url=given).base_url


REFUSED = {
    "https://x.example#x": "query or fragment",
    "https://x.example?x=1": "query or fragment",
    "https://x.example?": "query or fragment",
    "https://user:pass@x.example": "user or password",
    "https://user@x.example": "user or password",
    "https://x.example\n.evil.example": "line break",
    "https://x.example\r\nhost: evil": "line break",
    "https://x\t.example": "line break",
    "https://x .example": "blank",
    "https://x\0.example": "blank",
    "https://x.example:65536": "not a valid URL",
    "https://x.example:99999999": "not a valid URL",
    "https://x.example:-1": "not a valid URL",
    "https://x.example:http": "not a valid URL",
    "https://x.example:0": "port is invalid",
    "https://[::1": "not a valid URL",
    "https://::1]": "not a valid URL",
    "https://[x]": "not a valid URL",
    "https://[fe80::1%25eth0]": "name of the server is invalid",
    "https://": "name of the server is missing",
    "https:///v3": "name of the server is missing",
    "https://:443": "name of the server is missing",
    "https:x.example": "name of the server is missing",
    "https://x..example": "name of the server is invalid",
    "https://-x.example": "name of the server is invalid",
    "https://x%2eexample": "name of the server is invalid",
    "https://x\\.example": "name of the server is invalid",
    f"https://{'x' * 64}.example": "name of the server is invalid",
    "https://münchen.example": "in ASCII",
    "https://x\ud800.example": "in ASCII",
    "https://x.example/https://y.example": "path is invalid",
    "https://x.example//y": "path is invalid",
    "https://x.example/../y": "path is invalid",
    "https://x.example/%zz": "path is invalid",
    "https://x.example/ä": "path is invalid",
    "https://https://x.example": "path is invalid",
    "https://x.example/v3/groups": "path of the API",
    "https://x.example/oauth/token.php": "path of the API",
    "ftp://x.example": "begin with https://",
    "x.example": "begin with https://",
    "//x.example": "begin with https://",
    "": "begin with https://",
}


@pytest.mark.parametrize(("given", "reason"), REFUSED.items())
def test_what_is_no_root_is_refused(given: str, reason: str) -> None:
    """By client and app, when they are created."""
    for make in (
        lambda: CleverReach("token", base_url=given),
        lambda: OAuthApp("id", "secret", base_url=given),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            make()


CLEAR = [
    "http://x.example",
    "http://10.0.0.7:8800",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://[2001:db8::1]",
    "http://sandbox:8800/v3",
]


@pytest.mark.parametrize("given", CLEAR)
def test_credentials_travel_in_clear_only_on_request(given: str) -> None:
    """``http://`` to another computer needs ``allow_http``, which the message names."""
    app: dict[str, Any] = {"client_id": "id", "client_secret": "secret", "base_url": given}
    for make in (lambda: CleverReach("token", base_url=given), lambda: OAuthApp(**app)):
        with pytest.raises(ConfigurationError, match=r"allow_http=True \(.*_ALLOW_HTTP=1"):
            make()
    root = given.removesuffix("/v3")
    assert root in repr(CleverReach("token", base_url=given, allow_http=True))
    auth = OAuthApp(**app, allow_http=True).client_credentials()
    assert root in repr(CleverReach(auth))
    assert root in repr(CleverReach(auth, base_url=given))


@pytest.mark.parametrize("given", [7, b"https://x.example", ["https://x.example"]])
def test_a_base_url_is_text(given: Any) -> None:
    """The message names the type."""
    with pytest.raises(ConfigurationError, match=f"of type {type(given).__name__}; pass a text"):
        CleverReach("token", base_url=given)


@pytest.mark.parametrize(
    "given", ["https://user:pass-4711@x.example", "https://x.example?token=pass-4711"]
)
def test_a_password_in_it_is_not_shown(given: str) -> None:
    """Neither by the message nor by a variable of ours."""
    for make in (
        lambda: CleverReach("token", base_url=given),
        lambda: OAuthApp("id", "secret", base_url=given),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        error = caught.value
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        report.stack[:] = [it for it in report.stack if "tests" not in it.filename]
        shown = "".join(report.format())
        assert "server_root" in shown
        assert "4711" not in shown


@given(
    text=st.text()
    | st.text("htps:/[]@?#.%:x1 \n").map("https://x".__add__)
    | st.from_regex(r"https?://[a-z.\[\]:0-9%]*(:[0-9]*)?(/[a-z%./]*)?", fullmatch=True)
)
def test_any_text_is_a_root_or_an_error_of_ours(text: str) -> None:
    """And what is accepted is accepted again, unchanged."""
    try:
        root = server_root(text, allow_http=True)
    except ConfigurationError:
        return
    assert root == server_root(root, allow_http=True)
    assert root.startswith(("https://", "http://"))
    assert root.isascii()
    assert not set(root) & set("@?# \n")


@pytest.mark.parametrize(
    ("value", "allowed"), [("1", True), ("yes", True), ("0", False), ("", False)]
)
def test_the_environment_may_allow_it(
    monkeypatch: pytest.MonkeyPatch, value: str, allowed: bool
) -> None:
    """For a sandbox in another container, for example."""
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"CLEVERREACH_{name}", raising=False)
    monkeypatch.setenv("CLEVERREACH_TOKEN", "token")
    monkeypatch.setenv("CLEVERREACH_BASE_URL", "http://sandbox:8800")
    monkeypatch.setenv("CLEVERREACH_ALLOW_HTTP", value)
    if allowed:
        assert "http://sandbox:8800" in repr(CleverReach.from_env())
    else:
        with pytest.raises(ConfigurationError, match="allow_http=True"):
            CleverReach.from_env()
        assert "http://sandbox:8800" in repr(CleverReach.from_env(allow_http=True))


async def _no_app(*_: Any) -> None:
    """Stand for an ASGI application."""


@pytest.mark.parametrize(
    ("options", "is_accepted"),
    [
        ({"transport": httpx.MockTransport(lambda _: httpx.Response(200))}, True),
        ({"transport": httpx.ASGITransport(_no_app)}, True),
        ({}, False),
        (
            {
                "transport": httpx.ASGITransport(_no_app),
                "mounts": {"http://": httpx.AsyncHTTPTransport()},
            },
            False,
        ),
    ],
)
def test_http_that_stays_in_the_process_is_accepted(
    options: dict[str, Any], is_accepted: bool
) -> None:
    """Clients of tests send nothing over a network; a mounted transport may."""
    client, url = httpx.AsyncClient(**options), "http://cr.example"
    for make in (
        lambda: CleverReach("token", base_url=url, http_client=client),
        lambda: OAuthApp("id", "secret", base_url=url, http_client=client),
    ):
        with (
            nullcontext() if is_accepted else pytest.raises(ConfigurationError, match="allow_http")
        ):
            make()


def test_the_environment_says_yes_or_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else may be a mistake."""
    monkeypatch.setenv("CLEVERREACH_TOKEN", "token")
    monkeypatch.setenv("CLEVERREACH_ALLOW_HTTP", "maybe")
    with pytest.raises(ConfigurationError, match="CLEVERREACH_ALLOW_HTTP is neither 1 nor 0"):
        CleverReach.from_env()
