"""Credentials are shown in no repr, dict, pickle, log, or traceback with variables."""

# pyright: reportPrivateUsage=false

import copy
import json
import logging
import pickle
import traceback
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable
from datetime import UTC, datetime
from typing import Any

import anyio
import attrs
import httpcore
import httpx
import pytest

from cleverreach_async import (
    BearerToken,
    CleverReach,
    CleverReachError,
    OAuthApp,
    RequestEvent,
    RetryPolicy,
    Secret,
    Token,
)
from cleverreach_async.transport.http import pooled_sender
from cleverreach_async.transport.redaction import Masked
from cleverreach_async.transport.token_source import Credential
from cleverreach_async.transport.wire import Request

TOKEN = "to.ken-4711"
CLIENT_SECRET = "client-secret-0815"
BASIC = b64encode(f"client-id:{CLIENT_SECRET}".encode()).decode()
HIDDEN = (TOKEN, CLIENT_SECRET, BASIC)

APP = OAuthApp("client-id", CLIENT_SECRET)
HOLDERS: dict[str, Any] = {
    "Secret": Secret(TOKEN),
    "OAuthApp": APP,
    "ClientCredentials": APP.client_credentials(),
    "BearerToken": BearerToken(TOKEN),
    "Token": Token(
        access_token=Secret(TOKEN),
        refresh_token=Secret(CLIENT_SECRET),
        expires_at=datetime(2026, 1, 1, tzinfo=UTC),
    ),
    "Credential": Credential(f"Bearer {TOKEN}", 1),
    "Request": Request(
        method="POST",
        target=f"/?token={TOKEN}",
        template="/",
        content=CLIENT_SECRET.encode(),
        headers=(("authorization", Masked(f"Basic {BASIC}")),),
    ),
    "CleverReach": CleverReach(APP.client_credentials()),
    "CleverReach with a token": CleverReach(TOKEN),
}


def showing(text: str) -> list[str]:
    """The credentials that a text contains."""
    return [word for word in HIDDEN if word in text]


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_no_text_form_shows_a_secret(holder: object) -> None:
    """Neither alone nor in a list."""
    texts = [repr(holder), str(holder), f"{holder}", "%s" % (holder,), str([holder])]  # noqa: UP031
    assert [] == showing("".join(texts))


@pytest.mark.parametrize(
    "name", ["OAuthApp", "ClientCredentials", "BearerToken", "Token", "Credential", "Request"]
)
def test_no_dict_shows_a_secret(name: str) -> None:
    """``attrs.asdict`` ignores ``repr=False``, so the value itself has to be masked."""
    fields = attrs.asdict(HOLDERS[name])
    fields.pop("target", None)
    fields.pop("content", None)
    assert [] == showing(repr(fields))


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_cannot_be_pickled(holder: object, protocol: int) -> None:
    """Neither alone nor inside another object."""
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(holder, protocol)


def test_a_secret_cannot_be_encoded_or_copied() -> None:
    """Neither as JSON nor by a deep copy."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(Secret(TOKEN))
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(Secret(TOKEN))


def test_reveal_returns_the_secret() -> None:
    """It compares, hashes and is true or false like its text."""
    secret = Secret(TOKEN)
    assert TOKEN == secret.reveal()
    assert secret == Secret(TOKEN)
    assert secret != Secret("other")
    assert secret != TOKEN
    assert {secret} == {Secret(TOKEN)}
    assert not Secret("")


def test_a_masked_text_works_like_any_other() -> None:
    """The text itself is sent."""
    masked = Masked(f"Bearer {TOKEN}")
    assert f"Bearer {TOKEN}".encode() == masked.encode()
    assert f"Bearer {TOKEN}" == masked


class BreakingStream(httpcore.AsyncNetworkStream):
    """A connection on which writing fails."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Fail."""
        del max_bytes, timeout
        raise httpcore.ReadError("broken")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Hang, because the library ignores a write that fails."""
        del buffer, timeout
        raise httpcore.WriteTimeout("stuck")

    async def aclose(self) -> None:
        """Do nothing."""

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Continue as before."""
        del args, kwargs
        return self


class BreakingNetwork(httpcore.AsyncNetworkBackend):
    """A network on which every connect works and every write hangs."""

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Connect."""
        del args, kwargs
        return BreakingStream()


async def handle(request: httpx.Request) -> httpx.Response:
    """Send a token, or the response for the path."""
    await anyio.lowlevel.checkpoint()
    if request.url.path == "/oauth/token.php":
        return httpx.Response(200, json={"access_token": TOKEN, "expires_in": 3600})
    what = request.url.path.rpartition("/")[2]
    if what == "late":
        raise httpx.ReadTimeout("late", request=request)
    if what == "garbled":
        return httpx.Response(200, text="<html>")
    return httpx.Response(int(what), json={"error": {"code": int(what), "message": "no"}})


@pytest.fixture
async def cr() -> AsyncGenerator[CleverReach]:
    """A client of an account where every call fails."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http_client:
        yield CleverReach(
            APP.client_credentials(), http_client=http_client, retry=RetryPolicy(attempts=1)
        )


async def report_of(call: Awaitable[object]) -> str:
    """Everything that a failing call leaves behind, as an error reporter collects it."""
    try:
        await call
    except CleverReachError as error:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        chain: list[BaseException] = []
        link: BaseException | None = error
        while link is not None:
            chain.append(link)
            link = link.__cause__ or link.__context__
        return "".join([*report.format(), *(repr(it) + repr(vars(it)) for it in chain)])
    pytest.fail("the call did not fail")


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["400", "401", "404", "429", "500", "late", "garbled"])
async def test_no_traceback_of_a_failing_call_shows_a_secret(cr: CleverReach, what: str) -> None:
    """In no local variable of any frame."""
    shown = await report_of(cr.request("GET", "/fail/{what}", path_params={"what": what}))
    assert "_exchange" in shown or what == "garbled"
    assert [] == showing(shown)


@pytest.mark.anyio
async def test_no_traceback_of_a_failing_token_request_shows_a_secret() -> None:
    """The client secret is sent in a header too."""

    async def refuse(request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        assert request.headers["authorization"] == f"Basic {BASIC}"
        return httpx.Response(next(statuses), json={"error": "invalid_client"})

    for status in (400, 401, 503):
        statuses = iter([status])
        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http_client:
            cr = CleverReach(
                APP.client_credentials(), http_client=http_client, retry=RetryPolicy(attempts=1)
            )
            assert [] == showing(await report_of(cr.groups.list()))


@pytest.mark.anyio
@pytest.mark.parametrize("auth", [TOKEN, APP.client_credentials()], ids=["token", "app"])
async def test_no_traceback_of_a_hanging_connection_shows_a_secret(
    auth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's frames have the bytes as sent, so its errors are raised without tracebacks."""
    monkeypatch.setattr(pooled_sender, "NetworkBackend", BreakingNetwork)
    async with CleverReach(auth, retry=RetryPolicy(attempts=1)) as cr:
        shown = await report_of(cr.groups.list())
    assert "WriteTimeout" in shown
    assert [] == showing(shown)


@pytest.mark.anyio
async def test_no_log_and_no_event_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, including the records of the HTTP library."""
    caplog.set_level(logging.DEBUG)
    events: list[RequestEvent] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http_client:
        cr = CleverReach(APP.client_credentials(), http_client=http_client, on_event=events.append)
        with pytest.raises(CleverReachError):
            await cr.request("POST", "/fail/500")
    records = [repr(it.__dict__) for it in caplog.records]
    assert 2 == len(events)
    assert any("/fail/500" in it for it in records)
    assert [] == showing("".join(records) + repr(events))
