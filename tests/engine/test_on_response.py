"""Status and headers of a success, and the id of a request on errors."""

import pickle
from collections.abc import AsyncGenerator

import httpx
import pytest
from support.clocks import FakeClock

from cleverreach_async import APIStatusError, CleverReach, OAuthApp, ResponseInfo, RetryPolicy

pytestmark = pytest.mark.anyio

HEADERS = {
    "x-cr-i": "5f2c.17",
    "x-debug": "sent by ann@mail.example with the-token",
    "set-cookie": "session=1",
    "content-type": "application/json",
}


def respond(request: httpx.Request) -> httpx.Response:
    """Issue a token; refuse one path; fail once at another; and list groups."""
    if request.url.path == "/oauth/token.php":
        return httpx.Response(200, json={"access_token": "the-token", "expires_in": 3600})
    if request.url.path == "/v3/groups/7":
        return httpx.Response(404, json={"error": {"code": 404, "message": "no"}}, headers=HEADERS)
    if request.url.path == "/v3/forms/5":
        return httpx.Response(200, json={"error": "no"}, headers=HEADERS)
    if request.url.path == "/v3/receivers":
        return httpx.Response(502, headers=HEADERS)
    return httpx.Response(201, json=[], headers=HEADERS)


@pytest.fixture
async def cr() -> AsyncGenerator[CleverReach]:
    """A client of that server."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http_client:
        yield CleverReach(
            OAuthApp("id", "the-secret").client_credentials(),
            http_client=http_client,
            clock=FakeClock(),
            retry=RetryPolicy(attempts=2),
        )


async def test_a_success_is_told_with_status_and_headers(cr: CleverReach) -> None:
    """One per call, without the token's own call, credentials and addresses."""
    seen: list[ResponseInfo] = []
    told = cr.with_options(on_response=seen.append)
    await told.groups.list()
    await told.request("POST", "/groups/{group_id}/receivers", path_params={"group_id": 7}, json={})
    first, second = seen
    assert ("GET", "/groups", 201, "5f2c.17") == (
        first.method,
        first.path,
        first.status_code,
        first.request_id,
    )
    assert "/groups/{group_id}/receivers" == second.path
    assert first.headers["content-type"] == "application/json"
    assert "set-cookie" not in first.headers
    shown = f"{first!r} {dict(first.headers)!r}"
    assert not any(word in shown for word in ("the-token", "ann@", "session"))
    assert "x-debug" in shown
    assert None is ResponseInfo(method="GET", path="/", status_code=200, headers={}).request_id


async def test_only_the_client_with_the_option_tells(cr: CleverReach) -> None:
    """A sibling without it, and one in which it was taken back, do not."""
    seen: list[ResponseInfo] = []
    told = cr.with_options(on_response=seen.append)
    await cr.groups.list()
    await told.with_options(on_response=None).groups.list()
    assert [] == seen
    await told.with_options(timeout=3).groups.list()
    await told.with_auth("other").groups.list()
    assert 2 == len(seen)


async def test_an_error_is_no_success(cr: CleverReach) -> None:
    """Whatever its status is, and after retries too."""
    seen: list[ResponseInfo] = []
    told = cr.with_options(on_response=seen.append)
    for path in ("/groups/7", "/forms/5", "/receivers"):
        with pytest.raises(APIStatusError) as caught:
            await told.request("GET", path)
        assert "5f2c.17" == caught.value.request_id
    assert [] == seen


async def test_errors_have_the_id_of_the_request(cr: CleverReach) -> None:
    """After pickling too; it is ``None`` where the server has sent none."""
    with pytest.raises(APIStatusError) as caught:
        await cr.groups.get(7)
    assert "5f2c.17" == caught.value.request_id
    copied = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert "5f2c.17" == copied.request_id
    assert None is APIStatusError("no", status_code=400).request_id


async def test_what_the_callback_raises_is_only_logged(
    cr: CleverReach, caplog: pytest.LogCaptureFixture
) -> None:
    """It must not change the result of a call."""

    def fail(_: ResponseInfo) -> None:
        raise RuntimeError("a mistake")

    assert 0 == len(await cr.with_options(on_response=fail).groups.list())
    assert "on_response failed" in caplog.text
