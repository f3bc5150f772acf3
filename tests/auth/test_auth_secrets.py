"""Nothing that authentication leaves behind shows a code, a token or a refresh token."""

import copy
import logging
import pickle
import traceback
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import httpx
import pytest

from cleverreach_async import (
    CleverReach,
    CleverReachError,
    OAuthApp,
    RetryPolicy,
    Secret,
    Token,
    TokenStoreError,
)
from cleverreach_async.auth.stores import CallbackTokenStore, MemoryTokenStore

ACCESS, REFRESH, CODE, CLIENT = "access-4711", "refresh-4711", "code-4711", "client-4711"
BASIC = b64encode(f"id:{CLIENT}".encode()).decode()
HIDDEN = (ACCESS, REFRESH, CODE, CLIENT, BASIC)

APP = OAuthApp("id", CLIENT, redirect_uri="https://shop.example/")
TOKEN = Token(
    access_token=Secret(ACCESS),
    refresh_token=Secret(REFRESH),
    expires_at=datetime(2020, 1, 1, tzinfo=UTC),
)
HOLDERS: dict[str, Any] = {
    "Token": TOKEN,
    "OAuthApp": APP,
    "Client": APP.client_credentials().client,
    "UserToken": APP.user(TOKEN),
    "UserToken with on_refresh": APP.user(TOKEN, on_refresh=lambda token: None),
    "MemoryTokenStore": MemoryTokenStore(TOKEN),
    "CallbackTokenStore": CallbackTokenStore(TOKEN, lambda token: None),
    "CleverReach": CleverReach(APP.user(TOKEN)),
}


def showing(text: str) -> list[str]:
    """The credentials that a text contains."""
    return [word for word in HIDDEN if word in text]


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_no_text_form_shows_a_secret(holder: Any) -> None:
    """Neither the text of the object nor that of its fields."""
    texts = [repr(holder), str(holder), f"{holder}", str([holder])]
    if hasattr(holder, "__attrs_attrs__"):
        texts.append(repr(attrs.asdict(holder)))
    assert [] == showing("".join(texts))


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_objects_with_secrets_cannot_be_pickled(holder: Any) -> None:
    """Nor deeply copied."""
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(holder)
    with pytest.raises(TypeError):
        copy.deepcopy(holder)


Handler = Callable[[httpx.Request], httpx.Response]


def refuse(request: httpx.Request) -> httpx.Response:
    """Refuse the request."""
    return httpx.Response(400, json={"error": "invalid_grant", "error_description": "no"})


def fail(request: httpx.Request) -> httpx.Response:
    """Fail with HTTP 500."""
    return httpx.Response(500)


def lose(request: httpx.Request) -> httpx.Response:
    """Lose the response."""
    raise httpx.ReadTimeout("late", request=request)


def send_html(request: httpx.Request) -> httpx.Response:
    """Send an HTML page."""
    return httpx.Response(200, text=f"<html>{ACCESS}</html>")


def send_no_token(request: httpx.Request) -> httpx.Response:
    """Send JSON without a token."""
    return httpx.Response(200, json={"refresh_token": REFRESH})


def send_token(request: httpx.Request) -> httpx.Response:
    """Send a token."""
    return httpx.Response(200, json={"access_token": ACCESS, "refresh_token": REFRESH})


HANDLERS = [refuse, fail, lose, send_html, send_no_token]


def report_of(error: BaseException, words: list[str]) -> None:
    """What an error reporter would collect from our frames, for the whole chain of errors."""
    link: BaseException | None = error
    while link is not None:
        report = traceback.TracebackException.from_exception(link, capture_locals=True)
        words += [
            line
            for line in report.format()
            if "cleverreach_async" in line or not line.lstrip().startswith("File ")
        ]
        words.append(repr(vars(link)))
        link = link.__cause__ or link.__context__


async def failing(call: Awaitable[Any], kind: type[Exception] = CleverReachError) -> str:
    """Everything that a failing call leaves behind."""
    words: list[str] = []
    try:
        await call
    except kind as error:
        report_of(error, words)
        return "".join(words)
    pytest.fail("the call did not fail")


@pytest.mark.anyio
@pytest.mark.parametrize("handler", HANDLERS)
async def test_a_failing_exchange_does_not_show_the_code(handler: Handler) -> None:
    """In no local variable of any frame, including our own."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http_client:
        app = attrs.evolve(APP, http_client=http_client)
        shown = await failing(app.exchange_code(CODE))
    assert "exchange_code" in shown
    assert [] == showing(shown)


@pytest.mark.anyio
@pytest.mark.parametrize("handler", HANDLERS)
async def test_a_failing_refresh_does_not_show_a_token(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the error nor in the log."""
    caplog.set_level(logging.DEBUG)
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http_client:
        cr = CleverReach(APP.user(TOKEN), http_client=http_client, retry=RetryPolicy(attempts=1))
        shown = await failing(cr.debug.ttl())
    assert "_renew_unless" in shown
    assert [] == showing(shown)
    assert [] == showing("".join(repr(it.__dict__) for it in caplog.records))


@pytest.mark.anyio
async def test_a_failing_on_refresh_does_not_show_a_token() -> None:
    """Its own error is the cause, and our frames around it do not show the token."""

    async def keep(token: Token) -> None:
        await anyio.lowlevel.checkpoint()
        raise LookupError("down")

    async with httpx.AsyncClient(transport=httpx.MockTransport(send_token)) as http_client:
        cr = CleverReach(APP.user(TOKEN, on_refresh=keep), http_client=http_client)
        shown = await failing(cr.debug.ttl(), TokenStoreError)
    assert ("_save" in shown, "LookupError: down" in shown) == (True, True)
    assert [] == showing(shown)
