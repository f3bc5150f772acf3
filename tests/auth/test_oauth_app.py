"""Connecting an app: the authorization page, the callback and the code."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import pytest
from support.clocks import FakeClock

from cleverreach_async import (
    APIConnectionError,
    ConfigurationError,
    OAuthApp,
    RateLimitError,
    Secret,
    Token,
    TokenError,
)
from cleverreach_async.auth.app import check_state, new_state
from cleverreach_async.auth.stores import MemoryTokenStore
from cleverreach_async.sandbox import Fault, Sandbox

CALLBACK = "https://shop.example/callback?shop=1&x=ä"
APP = OAuthApp("client id/1", "secret", redirect_uri=CALLBACK)
TOKEN = Token(access_token=Secret("a"), refresh_token=Secret("r"))


def test_the_page_names_app_callback_and_state() -> None:
    """Everything is escaped, ``grant=basic`` is required by the vendor, the rest is left out."""
    url = urlsplit(APP.authorization_url(state="s &=#"))
    assert "https://rest.cleverreach.com/oauth/authorize.php" == url._replace(query="").geturl()
    assert [
        ("client_id", "client id/1"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("grant", "basic"),
        ("state", "s &=#"),
    ] == parse_qsl(url.query, strict_parsing=True)


def test_the_page_takes_scope_and_language() -> None:
    """As given."""
    url = APP.authorization_url(state="s", scope="basic groups:read", lang="de")
    query = dict(parse_qsl(urlsplit(url).query))
    assert ("basic groups:read", "de") == (query["scope"], query["lang"])


def test_the_page_is_on_the_apps_server() -> None:
    """``base_url`` may include the version or not."""
    app = OAuthApp("id", "secret", redirect_uri=CALLBACK, base_url="https://sandbox.example/v3/")
    url = app.authorization_url(state="s")
    assert url.startswith("https://sandbox.example/oauth/authorize.php?")


@pytest.mark.parametrize("redirect_uri", [None, ""])
@pytest.mark.anyio
async def test_the_page_needs_a_redirect_uri(redirect_uri: str | None) -> None:
    """The error comes before a user is redirected."""
    app = OAuthApp("id", "secret", redirect_uri=redirect_uri)
    with pytest.raises(ConfigurationError, match="no redirect_uri"):
        app.authorization_url(state="s")
    with pytest.raises(ConfigurationError, match="no redirect_uri"):
        await app.exchange_code("code")


def test_the_page_needs_a_state() -> None:
    """An empty one protects nobody."""
    with pytest.raises(ConfigurationError, match="state is empty"):
        APP.authorization_url(state="")


@pytest.mark.parametrize("client_id", ["", "  "])
def test_an_app_needs_an_id(client_id: str) -> None:
    """The error comes when the app is created."""
    with pytest.raises(ConfigurationError, match="client_id is empty"):
        OAuthApp(client_id, "secret")


@pytest.mark.parametrize("secret", ["", "  ", "a b", "a\nb", "ä"])
def test_an_apps_secret_must_be_printable_ascii(secret: str) -> None:
    """The error comes when the app is created, and does not show the secret."""
    with pytest.raises(ConfigurationError, match=r"^client_secret ") as caught:
        OAuthApp("id", secret)
    assert not secret.strip() or secret not in str(caught.value)


def test_a_state_cannot_be_guessed() -> None:
    """256 random bits, safe in a URL."""
    states = {new_state() for _ in range(1000)}
    assert 1000 == len(states)
    assert {43} == {len(it) for it in states}
    assert all(it.replace("-", "").replace("_", "").isalnum() and it.isascii() for it in states)


@pytest.mark.parametrize("state", ["s", "ä€", "\udcff"])
def test_the_same_state_passes(state: str) -> None:
    """Whatever characters it has."""
    check_state(state, state)


@pytest.mark.parametrize(
    ("expected", "received"),
    [("s", None), ("s", ""), ("s", "t"), ("s", "ß€"), ("s", "\udcff"), ("", ""), ("", None)],
)
def test_another_state_is_refused(expected: str, received: str | None) -> None:
    """A forged one may have any content, and a session without a state expects no callback."""
    with pytest.raises(TokenError) as caught:
        check_state(expected, received)
    assert "state_mismatch" == caught.value.error


def test_the_callback_contains_the_code() -> None:
    """If its state is that of the session."""
    assert "c" == APP.read_callback({"code": "c", "state": "s"}, state="s")


@pytest.mark.parametrize(
    ("query", "error", "description"),
    [
        ({"code": "c"}, "state_mismatch", "the callback does not belong to this session"),
        ({"code": "c", "state": "x"}, "state_mismatch", None),
        ({"code": "c", "state": "ü\udcff"}, "state_mismatch", None),
        ({"error": "access_denied", "state": "x"}, "state_mismatch", None),
        ({"error": "access_denied", "state": "s"}, "access_denied", ""),
        (
            {"error": "access_denied", "error_description": "no thanks", "state": "s", "code": "c"},
            "access_denied",
            "no thanks",
        ),
        ({"state": "s"}, "invalid_callback", "the callback has no code"),
        ({"state": "s", "code": ""}, "invalid_callback", None),
    ],
)
def test_a_callback_without_a_code_is_refused(
    query: dict[str, str], error: str, description: str | None
) -> None:
    """The state is checked first, so a forged error is not reported as the server's."""
    with pytest.raises(TokenError) as caught:
        APP.read_callback(query, state="s")
    assert error == caught.value.error
    assert description in {None, caught.value.description}


def test_a_users_token_comes_from_one_place() -> None:
    """From the token or from the store. ``on_refresh`` goes with the token."""
    store = MemoryTokenStore(TOKEN)
    with pytest.raises(ConfigurationError, match="takes a token, or a store"):
        APP.user()
    with pytest.raises(ConfigurationError, match="takes a token, or a store"):
        APP.user(TOKEN, store=store)
    with pytest.raises(ConfigurationError, match="on_refresh goes with a token"):
        APP.user(store=store, on_refresh=lambda token: None)
    assert store is APP.user(store=store).store


GetCode = Callable[[], Awaitable[str]]


@pytest.mark.anyio
async def test_a_code_is_exchanged_for_a_token(
    app: OAuthApp, get_code: GetCode, sandbox: Sandbox
) -> None:
    """Access token, refresh token, lifetime, scope and account."""
    token = await app.exchange_code(await get_code())
    assert token.refresh_token is not None
    assert token.expires_at is not None
    assert ("basic", sandbox.account.id) == (token.scope, token.account_id)


@pytest.mark.anyio
async def test_a_code_works_once(app: OAuthApp, get_code: GetCode, sandbox: Sandbox) -> None:
    """The second time it is refused, and the request is not repeated."""
    code = await get_code()
    await app.exchange_code(code)
    with pytest.raises(TokenError) as caught:
        await app.exchange_code(code)
    assert ("invalid_grant", 400) == (caught.value.error, caught.value.status_code)
    assert 2 == sandbox.count("POST", "/oauth/token.php")


@pytest.mark.anyio
async def test_a_code_expires_within_seconds(
    app: OAuthApp, get_code: GetCode, clock: FakeClock
) -> None:
    """The sandbox refuses it after half a minute."""
    code = await get_code()
    clock.elapsed += timedelta(minutes=1).total_seconds()
    with pytest.raises(TokenError, match="invalid_grant"):
        await app.exchange_code(code)


@pytest.mark.anyio
async def test_a_code_belongs_to_its_callback(
    app: OAuthApp, get_code: GetCode, http_client: httpx.AsyncClient
) -> None:
    """Another redirect URI is refused."""
    code = await get_code()
    other = OAuthApp(
        "sandbox",
        "sandbox-secret",
        redirect_uri="https://evil.example/",
        base_url="https://sandbox.example",
        http_client=http_client,
    )
    with pytest.raises(TokenError, match="redirect_uri_mismatch"):
        await other.exchange_code(code)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("reset", path_prefix="/oauth/token", committed=True), APIConnectionError),
        (Fault("status", code=429, retry_after=6, path_prefix="/oauth/token"), RateLimitError),
    ],
    ids=["lost", "long wait"],
)
async def test_a_code_is_not_sent_twice(
    app: OAuthApp,
    get_code: GetCode,
    sandbox: Sandbox,
    fault: Fault,
    kind: type[Exception],
) -> None:
    """After a lost response, or if the wait exceeds the lifetime of the code, it raises."""
    code = await get_code()
    sandbox.faults.add(fault)
    with anyio.fail_after(4), pytest.raises(kind):
        await app.exchange_code(code)
    assert 1 == sandbox.count("POST", "/oauth/token.php")


@pytest.mark.anyio
async def test_the_users_http_client_is_not_closed(
    app: OAuthApp, get_code: GetCode, http_client: httpx.AsyncClient
) -> None:
    """Whoever created it closes it."""
    await app.exchange_code(await get_code())
    assert not http_client.is_closed


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [{}, [], {"access_token": ""}, {"access_token": None}], ids=str)
async def test_a_response_without_a_token_is_refused(answer: Any) -> None:
    """Even with HTTP 200."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    async with httpx.AsyncClient(transport=transport) as http_client:
        app = OAuthApp("id", "secret", redirect_uri=CALLBACK, http_client=http_client)
        with pytest.raises(TokenError, match="no access_token"):
            await app.exchange_code("code")
