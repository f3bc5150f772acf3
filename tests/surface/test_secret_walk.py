"""A walk over what failing calls leave behind, with secrets that a server or a library quotes.

Every way to authenticate meets every answer; errors, their causes, tracebacks with variables, logs
and the texts of the objects are searched.
"""

import logging
import pickle
import traceback
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

import cleverreach_async
from cleverreach_async import (
    CleverReach,
    CleverReachError,
    FileTokenStore,
    MemoryTokenStore,
    OAuthApp,
    RetryPolicy,
    Secret,
    Token,
)

PACKAGE = str(Path(cleverreach_async.__file__).parent)
CODE, CLIENT, ACCESS, REFRESH, NEW = (
    f"{name}~WALK/{filler}"
    for name, filler in (
        ("code", "x"),
        ("client", "a'b\\c%d+e=f"),
        ("access", "y" * 3000),
        ("refresh", "z" * 300),
        ("new", "n"),
    )
)
BASIC = b64encode(f"id:{CLIENT}".encode()).decode()
PARTS = ("~WALK", "%7EWALK", BASIC[-12:])
APP = OAuthApp("id", CLIENT, redirect_uri="https://shop.example/callback")
EXPIRED = Token(
    access_token=Secret(ACCESS),
    refresh_token=Secret(REFRESH),
    expires_at=datetime(2020, 1, 1, tzinfo=UTC),
)
VALID = Token(access_token=Secret(ACCESS), refresh_token=Secret(REFRESH))

Answer = Callable[[httpx.Request], httpx.Response]


def quoted(request: httpx.Request) -> str:
    """What was sent, as a server or a library with little tact repeats it."""
    return f"{request.headers['authorization']} {request.content.decode()}"


def refuse(status: int) -> Answer:
    """Return an answer with a status and two kinds of error bodies."""

    def answer(request: httpx.Request) -> httpx.Response:
        said = quoted(request)
        body: dict[str, Any] = {"error": {"code": status, "message": said}}
        if "oauth" in request.url.path:
            body = {"error": "invalid_grant", "error_description": said}
        return httpx.Response(status, json=body, headers={"x-debug": said})

    return answer


def fail(kind: type[httpx.RequestError]) -> Answer:
    """Return an answer that raises an error of the library."""

    def answer(request: httpx.Request) -> httpx.Response:
        header = request.headers["authorization"].encode()
        cause = OSError(f"illegal header value {header!r}")
        raise kind(f"cannot send {header!r}: {request.content!r}") from cause

    return answer


def say(text: str, status: int = 200) -> Answer:
    """Return an answer with another body, and what was sent in place of the dots."""
    return lambda request: httpx.Response(status, text=text.replace("…", quoted(request)))


def issue(text: str) -> Answer:
    """Return an answer with a token, to requests for one only."""

    def answer(request: httpx.Request) -> httpx.Response:
        is_asked = request.url.path in {"/oauth/token.php", "/v3/debug/exchange"}
        return httpx.Response(200, text=text) if is_asked else refuse(404)(request)

    return answer


KINDS: list[type[httpx.RequestError]] = [
    *(httpx.LocalProtocolError, httpx.ReadError, httpx.ConnectError),
    *(httpx.ReadTimeout, httpx.ConnectTimeout, httpx.DecodingError),
]
ANSWERS: dict[str, Answer] = {
    **{str(it): refuse(it) for it in (200, 302, 400, 401, 403, 404, 413, 429, 500, 503)},
    **{kind.__name__: fail(kind) for kind in KINDS},
    "html": say("<html>…"),
    "cut": say('{"access_token": "…'),
    "false": say("false"),
    "html error": say("<html>…", 502),
    "line break": issue(f'{{"access_token": "{NEW}\\nx", "refresh_token": "{NEW}"}}'),
    "nul": issue(f'{{"access_token": "{NEW}\\u0000"}}'),
    "non-ASCII": issue(f'"{NEW}ä"'),
    "half": issue(f'"{NEW}\\ud800"'),
    "no token": issue(f'{{"refresh_token": "{NEW}", "error": null}}'),
    "odd token": issue(f'{{"access_token": ["{NEW}"], "refresh_token": {{"a": "{NEW}"}}}}'),
}


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def left_behind(error: BaseException) -> str:
    """What an error and its chain show, with the variables of our frames."""
    words: list[str] = []
    for link in chain_of(error):
        words += [str(link), repr(link), repr(vars(link)), repr(link.args)]
        report = traceback.TracebackException.from_exception(link, capture_locals=True, limit=None)
        ours = [it for it in report.stack if it.filename.startswith(PACKAGE) or "<" in it.filename]
        words += [f"{it.filename} {it.name} {it.locals}" for it in ours]
    words.append(repr(pickle.dumps(error)))
    return "\n".join(words)


def assert_hidden(shown: str) -> None:
    """No part of a secret is shown; what surrounds one is."""
    places = [shown.find(part) for part in PARTS if part in shown]
    assert [] == [shown[max(0, it - 90) : it + 20] for it in places]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio runs the same frames of ours
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(
    "way", ["bearer", "client", "expired", "refused", "file", "code", "exchange"]
)
async def test_no_failing_call_shows_a_secret(
    name: str, way: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """In no error, variable or log record."""
    caplog.set_level(logging.DEBUG)
    transport = httpx.MockTransport(ANSWERS[name])
    async with httpx.AsyncClient(transport=transport) as http_client:
        options: dict[str, Any] = {
            "http_client": http_client,
            "retry": RetryPolicy(attempts=1),
        }
        call: Awaitable[object]
        if way == "code":
            app = OAuthApp("id", CLIENT, redirect_uri="https://x", http_client=http_client)
            call = app.exchange_code(CODE)
        else:
            store = FileTokenStore(tmp_path / "token.json")
            await store.save(EXPIRED)
            auth: Any = {
                "bearer": ACCESS,
                "client": APP.client_credentials(),
                "expired": APP.user(EXPIRED),
                "refused": APP.user(VALID, on_refresh=lambda _: None),
                "file": APP.user(store=store),
                "exchange": APP.user(store=MemoryTokenStore(VALID)),
            }[way]
            cr = CleverReach(auth, **options)
            call = cr.oauth.exchange() if way == "exchange" else cr.groups.get(7)
            assert_hidden(f"{'' if way == 'bearer' else auth!r} {cr!r} {vars(cr)}")
        with pytest.raises(CleverReachError) as caught:
            await call
    assert_hidden(left_behind(caught.value))
    assert_hidden("".join(repr(it.__dict__) for it in caplog.records))


class FailingStore(MemoryTokenStore):
    """A store of a user's that fails in one method."""

    def __init__(self, method: str) -> None:
        super().__init__(EXPIRED)
        self.method = method

    async def load(self) -> Token | None:
        """Load, or fail."""
        await anyio.lowlevel.checkpoint()
        if self.method == "load":
            raise LookupError("the database is down")
        return await super().load()

    async def save(self, token: Token) -> None:
        """Save, or fail."""
        await anyio.lowlevel.checkpoint()
        if self.method == "save":
            raise LookupError(f"the database is down: INSERT {token.to_json()}")
        await super().save(token)

    def lock(self) -> Any:
        """Lock, or fail."""
        if self.method == "lock":
            raise LookupError("the database is down")
        return super().lock()


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["load", "save", "lock", "on_refresh"])
async def test_no_failing_store_shows_a_secret(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own error is the cause."""
    caplog.set_level(logging.DEBUG)

    def keep(token: Token) -> None:
        raise LookupError("the database is down", token.access_token.reveal())

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, json={"access_token": NEW, "refresh_token": NEW})
        )
    ) as http_client:
        auth = APP.user(store=FailingStore(method))
        if method == "on_refresh":
            auth = APP.user(EXPIRED, on_refresh=keep)
        cr = CleverReach(auth, http_client=http_client)
        with pytest.raises(cleverreach_async.TokenStoreError) as caught:
            await cr.groups.list()
    shown = left_behind(caught.value)
    assert "the database is down" in shown
    assert_hidden(shown)
    assert_hidden("".join(repr(it.__dict__) for it in caplog.records))


@pytest.mark.anyio
async def test_no_dead_server_shows_a_secret() -> None:
    """A refused connection, with the pool of the library itself."""
    for auth in (ACCESS, APP.client_credentials(), APP.user(EXPIRED)):
        cr = CleverReach(auth, base_url="http://127.0.0.1:1", retry=RetryPolicy(attempts=1))
        async with cr:
            with pytest.raises(cleverreach_async.APIConnectionError) as caught:
                await cr.groups.list()
        assert_hidden(left_behind(caught.value))


def test_no_invalid_environment_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the invalid value nor another one."""
    monkeypatch.delenv("CLEVERREACH_TOKEN", raising=False)
    monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "id")
    for secret, base_url in ((f"{CLIENT} x", ""), (CLIENT, "nonsense")):
        monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", secret)
        monkeypatch.setenv("CLEVERREACH_BASE_URL", base_url)
        with pytest.raises(cleverreach_async.ConfigurationError) as caught:
            CleverReach.from_env()
        assert_hidden(left_behind(caught.value))


ROW = {"email": "ada@example.org"}
CALLS: dict[str, Callable[[CleverReach], Awaitable[Any]]] = {
    "get": lambda cr: cr.groups.get(7),
    "list": lambda cr: cr.groups.list(),
    "create": lambda cr: cr.groups.create(name="x"),
    "delete": lambda cr: cr.groups.delete(7),
    "code": lambda cr: cr.forms.code(7),
    "whoami": lambda cr: cr.debug.whoami(),
    "one receiver": lambda cr: cr.receivers.upsert(ROW, group_id=7),
    "profiles": lambda cr: cr.receivers.upsertplus_many([ROW], group_id=7),
    "results": lambda cr: cr.receivers.insert_many([ROW], group_id=7),
    "delete many": lambda cr: cr.receivers.delete_many([7]),
    "filter": lambda cr: cr.receivers.filter([{"field": "email", "logic": "notisnull"}]),
    "by post": lambda cr: cr.receivers.list_by_post(group_id=7, ids=[7]),
    "bounced": lambda cr: cr.receivers.bounced().collect(),
    "several pages": lambda cr: cr.receivers.list(group_id=7, page_size=1, prefetch=2).collect(),
    "clone": lambda cr: cr.receivers.clone(7, "bob@example.org"),
    "value": lambda cr: cr.receivers.set_attribute(7, 8, "x"),
    "valid": lambda cr: cr.receivers.valid_addresses(["x"]),
    "event": lambda cr: cr.events.create(7),
    "webhook": lambda cr: cr.webhooks.register("https://a.example", "form", verify="w" * 10),
    "webhooks": lambda cr: cr.webhooks.list(),
    "automation": lambda cr: cr.automation.create_abandoned_cart(name="x", store_id="y"),
    "rendering": lambda cr: cr.mailings.render(subject="x"),
    "channel": lambda cr: cr.channels.get(7),
}
BODIES: dict[str, Callable[[str], Any]] = {
    "text": lambda said: said,
    "texts": lambda said: [said, {"error": said}],
    "failure": lambda said: {"success": False, "message": said, "debug": said},
    "error": lambda said: {"error": {"message": said}},
    "odd id": lambda said: {"id": said, "name": said},
    "odd object": lambda said: [{"id": {said: said}, "name": [said], said: said}],
    "refused row": lambda said: [{"email": "ada@example.org", "status": f"invalid {said}"}],
    "odd receiver": lambda said: [{"email": "ada@example.org", "id": said, "tags": {said: 1}}],
    "number": lambda said: {"0": said, "1": {"id": [said]}},
}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", BODIES)
async def test_no_success_that_is_none_shows_a_secret(
    call: str, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A response with status 200 may quote what was sent in what shows that the call failed."""
    caplog.set_level(logging.DEBUG)
    is_answer_data = call == "code"

    def answer(request: httpx.Request) -> httpx.Response:
        if "oauth" in request.url.path:
            return httpx.Response(200, json={"access_token": ACCESS})
        said = f"no: {CLIENT} {BASIC} {request.headers['authorization']}"
        return httpx.Response(200, json=BODIES[body](said))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client:
        cr = CleverReach(
            APP.client_credentials(), http_client=http_client, retry=RetryPolicy(attempts=1)
        )
        try:
            result = await CALLS[call](cr)
        except CleverReachError as error:
            assert_hidden(left_behind(error))
        else:
            assert_hidden("" if is_answer_data else repr(getattr(result, "status", result)))
    assert_hidden("".join(repr(it.__dict__) for it in caplog.records))
