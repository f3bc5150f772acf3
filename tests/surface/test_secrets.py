"""No credential shows: not in a repr, a dict, a pickle, a log, nor a traceback with variables."""

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
from cleverreach_async.transport.http import PooledSender
from cleverreach_async.transport.redaction import Masked
from cleverreach_async.transport.transport import Credential
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
    """The credentials that a text gives away."""
    return [word for word in HIDDEN if word in text]


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_no_text_of_a_holder_shows_its_secret(holder: object) -> None:
    """However it is turned into text, alone or in a list."""
    texts = [repr(holder), str(holder), f"{holder}", "%s" % (holder,), str([holder])]  # noqa: UP031
    assert [] == showing("".join(texts))


@pytest.mark.parametrize(
    "name", ["OAuthApp", "ClientCredentials", "BearerToken", "Token", "Credential", "Request"]
)
def test_no_dict_of_a_holder_shows_its_secret(name: str) -> None:
    """``attrs.asdict`` ignores ``repr=False``, so the value itself has to be masked."""
    fields = attrs.asdict(HOLDERS[name])
    fields.pop("target", None)
    fields.pop("content", None)
    assert [] == showing(repr(fields))


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(holder: object, protocol: int) -> None:
    """Neither alone nor inside of anything."""
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(holder, protocol)


def test_a_secret_is_not_copied_into_another_form() -> None:
    """JSON does not know it, and a deep copy goes the way of the pickle."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(Secret(TOKEN))
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(Secret(TOKEN))


def test_a_secret_gives_itself_out_when_asked() -> None:
    """It compares, hashes and is true or false like the text it holds."""
    secret = Secret(TOKEN)
    assert TOKEN == secret.reveal()
    assert secret == Secret(TOKEN)
    assert secret != Secret("other")
    assert secret != TOKEN
    assert {secret} == {Secret(TOKEN)}
    assert not Secret("")


def test_a_masked_text_works_like_any_other() -> None:
    """What goes over the wire is the text itself."""
    masked = Masked(f"Bearer {TOKEN}")
    assert f"Bearer {TOKEN}".encode() == masked.encode()
    assert f"Bearer {TOKEN}" == masked


class BreakingStream(httpcore.AsyncNetworkStream):
    """A connection that takes nothing."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Break."""
        del max_bytes, timeout
        raise httpcore.ReadError("broken")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Get stuck, since the library passes over a write that merely breaks."""
        del buffer, timeout
        raise httpcore.WriteTimeout("stuck")

    async def aclose(self) -> None:
        """Do nothing."""

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Go on as before."""
        del args, kwargs
        return self


class BreakingNetwork(httpcore.AsyncNetworkBackend):
    """A network on which every connect works and every write gets stuck."""

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Connect."""
        del args, kwargs
        return BreakingStream()


def broken_pool(sender: PooledSender) -> httpx.AsyncHTTPTransport:
    """Make a pool on that network."""
    del sender
    transport = httpx.AsyncHTTPTransport(verify=False)
    transport._pool = httpcore.AsyncConnectionPool(network_backend=BreakingNetwork())
    return transport


async def handle(request: httpx.Request) -> httpx.Response:
    """Hand out the token; answer what the path asks for."""
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
    """A client of an account where everything fails."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http_client:
        yield CleverReach(
            APP.client_credentials(), http_client=http_client, retry=RetryPolicy(attempts=1)
        )


async def told_of(call: Awaitable[object]) -> str:
    """Everything that a failing call leaves behind, as an error reporter would collect it."""
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
    pytest.fail("the call was to fail")


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["400", "401", "404", "429", "500", "late", "garbled"])
async def test_no_traceback_of_a_failing_call_shows_a_secret(cr: CleverReach, what: str) -> None:
    """With every local variable of every frame."""
    told = await told_of(cr.request("GET", "/fail/{what}", path_params={"what": what}))
    assert "_exchange" in told or what == "garbled"
    assert [] == showing(told)


@pytest.mark.anyio
async def test_no_traceback_of_a_failing_token_request_shows_a_secret() -> None:
    """The client secret travels in a header as well."""

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
            assert [] == showing(await told_of(cr.groups.list()))


@pytest.mark.anyio
@pytest.mark.parametrize("auth", [TOKEN, APP.client_credentials()], ids=["token", "app"])
async def test_no_traceback_of_a_stuck_connection_shows_a_secret(
    auth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's frames hold the bytes as sent, so the error comes without them."""
    monkeypatch.setattr(PooledSender, "_open_pool", broken_pool)
    async with CleverReach(auth, retry=RetryPolicy(attempts=1)) as cr:
        told = await told_of(cr.groups.list())
    assert "WriteTimeout" in told
    assert [] == showing(told)


@pytest.mark.anyio
async def test_no_log_and_no_event_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, with the HTTP library's own records."""
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
