"""No code, token or refresh token shows in what the authentication leaves behind."""

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

from cleverreach_async import CleverReach, CleverReachError, OAuthApp, RetryPolicy, Secret, Token
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
    """The credentials that a text gives away."""
    return [word for word in HIDDEN if word in text]


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_no_text_of_an_auth_holder_shows_a_secret(holder: Any) -> None:
    """However it is turned into text; its fields as well."""
    texts = [repr(holder), str(holder), f"{holder}", str([holder])]
    if hasattr(holder, "__attrs_attrs__"):
        texts.append(repr(attrs.asdict(holder)))
    assert [] == showing("".join(texts))


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_no_auth_holder_is_pickled(holder: Any) -> None:
    """Nor deeply copied."""
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(holder)
    with pytest.raises(TypeError):
        copy.deepcopy(holder)


Handler = Callable[[httpx.Request], httpx.Response]


def refuse(request: httpx.Request) -> httpx.Response:
    """Refuse what is asked for."""
    return httpx.Response(400, json={"error": "invalid_grant", "error_description": "no"})


def stumble(request: httpx.Request) -> httpx.Response:
    """Fail."""
    return httpx.Response(500)


def get_lost(request: httpx.Request) -> httpx.Response:
    """Answer never."""
    raise httpx.ReadTimeout("late", request=request)


def talk_html(request: httpx.Request) -> httpx.Response:
    """Answer something else."""
    return httpx.Response(200, text=f"<html>{ACCESS}</html>")


def hold_no_token(request: httpx.Request) -> httpx.Response:
    """Answer JSON that is no token."""
    return httpx.Response(200, json={"refresh_token": REFRESH})


def hand_out(request: httpx.Request) -> httpx.Response:
    """Answer a token."""
    return httpx.Response(200, json={"access_token": ACCESS, "refresh_token": REFRESH})


HANDLERS = [refuse, stumble, get_lost, talk_html, hold_no_token]


def told_of(error: BaseException, words: list[str]) -> None:
    """Collect what an error reporter would send off of our frames, the whole chain of them."""
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
        told_of(error, words)
        return "".join(words)
    pytest.fail("the call was to fail")


@pytest.mark.anyio
@pytest.mark.parametrize("handler", HANDLERS)
async def test_no_failing_exchange_shows_the_code(handler: Handler) -> None:
    """With every local variable of every frame, our own included."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http_client:
        app = attrs.evolve(APP, http_client=http_client)
        told = await failing(app.exchange_code(CODE))
    assert "exchange_code" in told
    assert [] == showing(told)


@pytest.mark.anyio
@pytest.mark.parametrize("handler", HANDLERS)
async def test_no_failing_refresh_shows_a_token(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the error nor the log."""
    caplog.set_level(logging.DEBUG)
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http_client:
        cr = CleverReach(APP.user(TOKEN), http_client=http_client, retry=RetryPolicy(attempts=1))
        told = await failing(cr.debug.ttl())
    assert "_renew_unless" in told
    assert [] == showing(told)
    assert [] == showing("".join(repr(it.__dict__) for it in caplog.records))


@pytest.mark.anyio
async def test_no_failing_on_refresh_shows_a_token() -> None:
    """Its own error comes through; our frames around it stay silent."""

    async def keep(token: Token) -> None:
        await anyio.lowlevel.checkpoint()
        raise LookupError("down")

    async with httpx.AsyncClient(transport=httpx.MockTransport(hand_out)) as http_client:
        cr = CleverReach(APP.user(TOKEN, on_refresh=keep), http_client=http_client)
        told = await failing(cr.debug.ttl(), LookupError)
    assert "_save" in told
    assert [] == showing(told)
