"""``respx.mock`` intercepts what is sent, as the tests of many applications rely on."""

import json

import httpx
import pytest
import respx

from cleverreach_async import CleverReach, OAuthApp, ReceiverInput

pytestmark = pytest.mark.anyio

ROOT = "https://rest.cleverreach.com"


@pytest.fixture(params=["no proxy", "proxy"], autouse=True)
def _proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests may have to use a proxy."""
    if request.param == "proxy":
        monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy.invalid:3128")


async def test_a_call_is_intercepted() -> None:
    """URL, headers and body arrive at the route, for one call after the other."""
    with respx.mock(base_url=ROOT) as router:
        created = router.post("/v3/groups").respond(200, json={"id": 7, "name": "Newsletter"})
        listed = router.get("/v3/groups").respond(200, json=[{"id": "7", "name": "Newsletter"}])
        async with CleverReach("token") as cr:
            group = await cr.groups.create(name="Newsletter")
            assert [group.id] == [it.id for it in await cr.groups.list()]
    assert b'{"name":"Newsletter"}' == created.calls.last.request.content
    assert "Bearer token" == listed.calls.last.request.headers["authorization"]
    assert "rest.cleverreach.com" == listed.calls.last.request.headers["host"]


async def test_the_request_for_a_token_is_intercepted() -> None:
    """It goes over the same connections."""
    with respx.mock(base_url=ROOT) as router:
        token = router.post("/oauth/token.php").respond(
            200, json={"access_token": "abc", "expires_in": 60}
        )
        listed = router.get("/v3/groups").respond(200, json=[])
        async with CleverReach(OAuthApp("id", "secret").client_credentials()) as cr:
            assert 0 == len(await cr.groups.list())
    assert b"client_credentials" in token.calls.last.request.content
    assert "Bearer abc" == listed.calls.last.request.headers["authorization"]


async def test_an_import_is_intercepted() -> None:
    """Each batch is one call of the route."""

    def store(request: httpx.Request) -> httpx.Response:
        rows = json.loads(request.read())
        return httpx.Response(200, json=[{"id": 1, "email": row["email"]} for row in rows])

    with respx.mock(base_url=ROOT) as router:
        stored = router.post(path="/v3/groups/7/receivers/upsertplus").mock(side_effect=store)
        async with CleverReach("token") as cr:
            rows = [ReceiverInput(email=f"{number}@shop.example") for number in range(1500)]
            report = await cr.bulk.upsert(rows, group_id=7, concurrency=1)
    assert (1500, 0) == (report.accepted, report.unknown)
    assert 3 == stored.call_count
