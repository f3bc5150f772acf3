"""The sender over the user's own client: requests, responses and errors.

The client has a mocked transport; nothing is patched.
"""

import gzip
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

import anyio
import httpx
import httpx2
import pytest
import respx

from cleverreach_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    CleverReach,
    ConfigurationError,
    OAuthApp,
)
from cleverreach_async.transport.http import bodies
from cleverreach_async.transport.http.choice import make_sender
from cleverreach_async.transport.http.httpx_sender import HttpxSender
from cleverreach_async.transport.http.pooled_sender import PooledSender

pytestmark = pytest.mark.anyio

URL = "https://api.example/v3/groups"
Handler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


@pytest.fixture
def router() -> respx.MockRouter:
    """Routes of a server that does not exist."""
    return respx.MockRouter(using=None, assert_all_called=False)


@pytest.fixture
def client(router: respx.MockRouter) -> httpx.AsyncClient:
    """A client of that server."""
    handler = cast("Handler", router.async_handler)
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


async def send(client: Any, *, method: str = "GET", content: bytes = b"") -> Any:
    """Send one request."""
    headers = [("accept", "application/json"), ("authorization", "Bearer token")]
    return await HttpxSender(client).send(
        method, URL, headers=headers, content=content, timeout=12.0
    )


async def test_headers_are_sent_as_given(
    router: respx.MockRouter, client: httpx.AsyncClient
) -> None:
    """They replace the client's, and only the framing is added."""
    route = router.post(URL).respond(204)
    client.headers["accept"] = "text/html"
    await send(client, method="POST", content=b"{}")
    request = route.calls.last.request
    assert ("application/json", "Bearer token", "2", b"{}") == (
        request.headers["accept"],
        request.headers["authorization"],
        request.headers["content-length"],
        request.content,
    )
    assert ["application/json"] == request.headers.get_list("accept")
    assert {"connect": 10.0, "read": 12.0, "write": 12.0, "pool": None} == request.extensions[
        "timeout"
    ]


@pytest.mark.parametrize(("timeout", "connect"), [(None, 10.0), (5.0, 4.5), (60.0, 10.0)], ids=str)
async def test_connecting_ends_before_the_deadline(
    router: respx.MockRouter,
    client: httpx.AsyncClient,
    timeout: float | None,
    connect: float,
) -> None:
    """Otherwise a request that was never sent would be reported as sent."""
    route = router.get(URL).respond(200)
    await HttpxSender(client).send("GET", URL, headers=[], content=b"", timeout=timeout)
    timeouts = route.calls.last.request.extensions["timeout"]
    assert {"connect": connect, "read": timeout, "write": timeout, "pool": None} == timeouts


async def test_the_headers_of_an_ordinary_call(
    router: respx.MockRouter, client: httpx.AsyncClient
) -> None:
    """All headers, with and without a body."""
    post = router.post("https://rest.cleverreach.com/v3/groups").respond(200, json={"id": 1})
    cr = CleverReach("token", http_client=client)
    await cr.groups.create(name="Newsletter")
    sent = post.calls.last.request.headers
    assert "application/json" == sent["content-type"]
    assert "application/json" == sent["accept"]
    assert "gzip, deflate" == sent["accept-encoding"]
    assert "Bearer token" == sent["authorization"]
    assert sent["user-agent"].startswith("cleverreach-async/")
    get = router.get("https://rest.cleverreach.com/v3/groups").respond(200, json=[])
    await cr.groups.list()
    assert "content-type" not in get.calls.last.request.headers


async def test_the_token_request_follows_the_standard(
    router: respx.MockRouter, client: httpx.AsyncClient
) -> None:
    """Basic credentials, both parts encoded, and a form."""
    token = router.post("https://rest.cleverreach.com/oauth/token.php").respond(
        200, json={"access_token": "abc", "expires_in": 60}
    )
    router.get("https://rest.cleverreach.com/v3/groups").respond(200, json=[])
    await CleverReach(OAuthApp("i:d", "s/x").client_credentials(), http_client=client).groups.list()
    request = token.calls.last.request
    assert "Basic aSUzQWQ6cyUyRng=" == request.headers["authorization"]
    assert "application/x-www-form-urlencoded" == request.headers["content-type"]
    assert b"grant_type=client_credentials" == request.content


async def test_response_headers_have_lower_case_names(
    router: respx.MockRouter, client: httpx.AsyncClient
) -> None:
    """Status, headers and body, whatever the status is."""
    router.get(URL).respond(503, headers={"Retry-After": "7", "X-Thing": "A"}, content=b"x")
    response = await send(client)
    assert (503, "7", "A", b"x") == (
        response.status_code,
        response.headers["retry-after"],
        response.headers["x-thing"],
        response.content,
    )


async def test_compressed_responses_are_decoded(
    router: respx.MockRouter, client: httpx.AsyncClient
) -> None:
    """The body is that before compression."""
    body = b'[{"id":1}]' * 1000
    router.get(URL).respond(200, headers={"content-encoding": "gzip"}, content=gzip.compress(body))
    assert body == (await send(client)).content


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
async def test_an_endless_response_is_cut_off(
    router: respx.MockRouter,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    *,
    size: int,
    fits: bool,
) -> None:
    """A response larger than any of the API is an error, and does not fill the memory."""
    monkeypatch.setattr(bodies, "MAX_RESPONSE_BYTES", 1000)
    router.get(URL).respond(200, content=b"x" * size)
    if fits:
        assert size == len((await send(client)).content)
        return
    with pytest.raises(APIConnectionError, match="larger than 1000 bytes") as caught:
        await send(client)
    assert caught.value.sent


FAULTS = {
    "connect": (httpx.ConnectError("refused"), APIConnectionError, False),
    "connect timeout": (httpx.ConnectTimeout(""), APITimeoutError, False),
    "pool timeout": (httpx.PoolTimeout(""), APITimeoutError, False),
    "proxy": (httpx.ProxyError("407"), APIConnectionError, False),
    "scheme": (httpx.UnsupportedProtocol("ftp"), APIConnectionError, False),
    "read timeout": (httpx.ReadTimeout(""), APITimeoutError, True),
    "write timeout": (httpx.WriteTimeout(""), APITimeoutError, True),
    "read": (httpx.ReadError(""), APIConnectionError, True),
    "write": (httpx.WriteError(""), APIConnectionError, True),
    "protocol": (httpx.RemoteProtocolError("cut"), APIConnectionError, True),
    "os": (ConnectionResetError("reset"), APIConnectionError, True),
    "tls": (ssl.SSLError("bad record"), APIConnectionError, True),
}


@pytest.mark.parametrize(("fault", "kind", "sent"), FAULTS.values(), ids=FAULTS)
async def test_errors_are_translated(
    router: respx.MockRouter,
    client: httpx.AsyncClient,
    fault: Exception,
    kind: type[APIConnectionError],
    sent: object,
) -> None:
    """Every error of the library becomes one of ours that says whether the request was sent."""
    router.get(URL).mock(side_effect=fault)
    with pytest.raises(APIConnectionError) as caught:
        await send(client)
    error = caught.value
    assert (kind, sent) == (type(error), error.sent)
    assert "api.example" in str(error)
    assert isinstance(error.__cause__, type(fault))
    assert error.__cause__.__traceback__ is None


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_the_users_client_is_not_changed(library: Any) -> None:
    """It may be of either library. It is not closed, and its own redirects do not apply."""
    seen: list[Any] = []

    async def handle(request: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        seen.append(request)
        return library.Response(200, json=[])

    async with library.AsyncClient(
        transport=library.MockTransport(handle),
        auth=("user", "password"),
        timeout=3.0,
        headers={"x-mine": "yes"},
        follow_redirects=True,
    ) as client:
        before = (dict(client.headers), client.timeout, client.follow_redirects, client.auth)
        async with CleverReach("token", http_client=client, timeout=50.0) as cr:
            await cr.groups.list()
        after = (dict(client.headers), client.timeout, client.follow_redirects, client.auth)
        assert before == after
        assert not client.is_closed
        [request] = seen
        assert ("Bearer token", "yes", 50.0) == (
            request.headers["authorization"],
            request.headers["x-mine"],
            request.extensions["timeout"]["read"],
        )


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_errors_of_either_library_are_translated(library: Any) -> None:
    """A client of the fork raises the fork's errors."""

    async def handle(request: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        raise library.ConnectTimeout("slow", request=request)

    async with library.AsyncClient(transport=library.MockTransport(handle)) as client:
        with pytest.raises(APITimeoutError) as caught:
            await send(client)
    assert not caught.value.sent


async def test_redirects_are_refused(router: respx.MockRouter, client: httpx.AsyncClient) -> None:
    """Even by a client that follows them: a POST would arrive as a GET."""
    client.follow_redirects = True
    root = "https://rest.cleverreach.com/v3/groups"
    router.get(root).respond(302, headers={"location": "https://elsewhere.example/"})
    elsewhere = router.get("https://elsewhere.example/").respond(200, json=[])
    with pytest.raises(APIStatusError, match=r"redirects, .* check base_url"):
        await CleverReach("token", http_client=client).groups.list()
    assert not elsewhere.called


def kind_of(value: object) -> str:
    """The name of a value's type."""
    return type(value).__name__


class NotAClient:
    """Has a method of that name, but is not a client."""

    def build_request(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    "wrong", ["client", {}, NotAClient(), httpx.AsyncHTTPTransport, object()], ids=kind_of
)
async def test_anything_else_is_refused(wrong: Any) -> None:
    """Before any request, with the name of its type."""
    with pytest.raises(ConfigurationError, match=f"not {type(wrong).__name__}$"):
        make_sender(wrong, base_url="https://api.example", max_connections=1)


async def test_without_a_client_the_sender_has_pools_of_its_own() -> None:
    """The usual case."""
    sender = make_sender(None, base_url="https://api.example", max_connections=1)
    assert isinstance(sender, PooledSender)
    await sender.aclose()
