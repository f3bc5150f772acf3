"""OAuth: grants, rotation, expiry, revocation and the debug calls."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

CREDENTIALS = {"client_id": "sandbox", "client_secret": "sandbox-secret"}
CALLBACK = "https://shop.example/callback?shop=7"


async def code_from_authorize(guest: httpx.AsyncClient) -> str:
    """Consent and return the code."""
    answer = await guest.get(
        "/oauth/authorize.php",
        params={
            "client_id": "sandbox",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "grant": "basic",
            "state": "s1",
        },
    )
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["shop"] == ["7"]
    assert query["state"] == ["s1"]
    return query["code"][0]


async def redeem(guest: httpx.AsyncClient, code: str) -> httpx.Response:
    """Exchange a code."""
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    return await guest.post("/oauth/token.php", data=fields | CREDENTIALS)


async def refresh(guest: httpx.AsyncClient, token: str) -> httpx.Response:
    """Use a refresh token."""
    fields = {"grant_type": "refresh_token", "refresh_token": token}
    return await guest.post("/oauth/token.php", data=fields | CREDENTIALS)


async def whoami(guest: httpx.AsyncClient, token: str) -> httpx.Response:
    """Read the account of a token."""
    headers = {"authorization": f"Bearer {token}"}
    return await guest.get("/v3/debug/whoami.json", headers=headers)


GRANT = {"grant_type": "client_credentials"}


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param({"data": GRANT, "auth": ("sandbox", "sandbox-secret")}, id="basic-form"),
        pytest.param({"json": GRANT, "auth": ("sandbox", "sandbox-secret")}, id="basic-json"),
        pytest.param({"data": GRANT | CREDENTIALS}, id="form"),
        pytest.param({"json": GRANT | CREDENTIALS}, id="json"),
    ],
)
async def test_client_credentials_in_every_style(
    guest: httpx.AsyncClient, request_body: dict[str, Any]
) -> None:
    """Basic or body credentials, in a form or JSON: each gets a working token."""
    answer = await guest.post("/oauth/token.php", **request_body)
    token = answer.json()
    assert (answer.status_code, token["expires_in"]) == (200, 2_592_000)
    assert "refresh_token" not in token
    assert (await whoami(guest, token["access_token"])).json()["id"] == "129000"


async def test_access_token_is_a_jwt_with_the_account_id(
    guest: httpx.AsyncClient, now: int
) -> None:
    """The token has the claims that clients read."""
    answer = await guest.post("/oauth/token.php", data=GRANT | CREDENTIALS)
    parts = answer.json()["access_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    assert len(parts) == 3
    assert claims["client_id"] == 129_000
    assert (claims["iat"], claims["exp"]) == (now, now + 2_592_000)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (GRANT | CREDENTIALS | {"client_secret": "wrong"}, "invalid_client"),
        (GRANT, "invalid_client"),
        (CREDENTIALS, "invalid_request"),
        (CREDENTIALS | {"grant_type": "password"}, "unsupported_grant_type"),
        (CREDENTIALS | {"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        (CREDENTIALS | {"grant_type": "authorization_code", "code": "x"}, "invalid_grant"),
    ],
)
async def test_refused_grants(guest: httpx.AsyncClient, fields: dict[str, str], error: str) -> None:
    """Every error is a 400 in the OAuth shape."""
    answer = await guest.post("/oauth/token.php", data=fields)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["error_description"]


@pytest.mark.parametrize("header", ["Basic !!!", "Basic eA==", "Basic"])
async def test_broken_basic_header(guest: httpx.AsyncClient, header: str) -> None:
    """An invalid Basic header is an unknown client."""
    answer = await guest.post("/oauth/token.php", data=GRANT, headers={"authorization": header})
    assert answer.json()["error"] == "invalid_client"


async def test_broken_token_body(guest: httpx.AsyncClient) -> None:
    """A body that is not JSON is an invalid request."""
    answer = await guest.post(
        "/oauth/token.php", content=b"{", headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_code_works_once(guest: httpx.AsyncClient) -> None:
    """A code can be exchanged once; the second time it is refused."""
    code = await code_from_authorize(guest)
    assert (await redeem(guest, code)).json()["refresh_token"]
    assert (await redeem(guest, code)).json()["error"] == "invalid_grant"


async def test_code_expires(guest: httpx.AsyncClient, advance: Callable[[float], None]) -> None:
    """An expired code is refused."""
    code = await code_from_authorize(guest)
    advance(31)
    assert (await redeem(guest, code)).json()["error"] == "invalid_grant"


async def test_code_is_bound_to_its_redirect(guest: httpx.AsyncClient) -> None:
    """A redirect_uri other than that of the authorization is refused."""
    fields = {"grant_type": "authorization_code", "code": await code_from_authorize(guest)}
    answer = await guest.post("/oauth/token.php", data=fields | CREDENTIALS)
    assert answer.json()["error"] == "redirect_uri_mismatch"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_id": "other"}, "invalid_client"),
        ({"response_type": "token"}, "invalid_request"),
        ({"redirect_uri": ""}, "invalid_uri"),
    ],
)
async def test_refused_authorization(
    guest: httpx.AsyncClient, change: dict[str, str], error: str
) -> None:
    """An invalid authorization request gets JSON, not a redirect."""
    query = {"client_id": "sandbox", "redirect_uri": CALLBACK, "response_type": "code"}
    answer = await guest.get("/oauth/authorize.php", params=query | change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_refresh_rotates(guest: httpx.AsyncClient) -> None:
    """A refresh returns new tokens; the old refresh token no longer works."""
    first = (await redeem(guest, await code_from_authorize(guest))).json()
    second = (await refresh(guest, first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await whoami(guest, second["access_token"])).status_code == 200
    assert (await refresh(guest, first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(guest, second["refresh_token"])).status_code == 200


async def test_refresh_reuse_switch(guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With the switch, a used refresh token works again."""
    sandbox.behaviour = Behaviour(refresh_reuse="accept")
    first = (await redeem(guest, await code_from_authorize(guest))).json()
    for _ in range(2):
        assert (await refresh(guest, first["refresh_token"])).status_code == 200


async def test_refresh_token_outlives_the_access_token_by_two_weeks(
    guest: httpx.AsyncClient, advance: Callable[[float], None]
) -> None:
    """A refresh token works for two weeks longer, then no more."""
    first = (await redeem(guest, await code_from_authorize(guest))).json()
    advance(2_592_000 + 13 * 86_400)
    assert (await whoami(guest, first["access_token"])).status_code == 401
    second = (await refresh(guest, first["refresh_token"])).json()
    advance(2_592_000 + 15 * 86_400)
    assert (await refresh(guest, second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_client_credentials_refresh_switch(
    guest: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """With the switch, client_credentials returns a refresh token too."""
    sandbox.behaviour = Behaviour(client_credentials_refresh=True)
    token = (await guest.post("/oauth/token.php", data=GRANT | CREDENTIALS)).json()
    assert (await refresh(guest, token["refresh_token"])).status_code == 200


async def test_expired_token(
    api: httpx.AsyncClient, sandbox: Sandbox, advance: Callable[[float], None]
) -> None:
    """A token expires with time; the error says so."""
    advance(2_592_000 - 1)
    assert (await api.get("debug/ttl")).json()["ttl"] == 1
    advance(1)
    answer = await api.get("debug/ttl")
    assert answer.status_code == 401
    assert answer.json() == {"error": {"code": 401, "message": "Unauthorized: token expired"}}
    assert sandbox.requests[-1].status_code == 401


async def test_helpers_expire_and_revoke(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Tests can expire and revoke all tokens."""
    sandbox.expire_tokens()
    assert (await api.get("groups")).json()["error"]["message"] == "Unauthorized: token expired"
    sandbox.revoke_tokens()
    assert (await api.get("groups")).json()["error"]["message"] == "Unauthorized"


async def test_missing_token(guest: httpx.AsyncClient) -> None:
    """Without a token there is a 401 in the vendor's shape, except for ping."""
    for path in ("/v3/groups", "/v3/nothing/here"):
        answer = await guest.get(path)
        assert answer.status_code == 401
        assert answer.json() == {"error": {"code": 401, "message": "Unauthorized"}}
    assert (await guest.get("/v3/debug/ping.json")).status_code == 200


async def test_token_in_the_query_is_not_recorded(
    guest: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """A token may be in the query; neither it nor the header is recorded."""
    token = sandbox.add_token("invented")
    answer = await guest.get("/v3/debug/validate", params={"token": token, "x": "1"})
    assert answer.json() is True
    await whoami(guest, token)
    assert sandbox.requests[0].query == {"x": "1"}
    assert token not in repr(sandbox.requests)


@pytest.mark.parametrize("path", ["/v3/oauth/token.json", "/oauth/token"])
async def test_revoke(guest: httpx.AsyncClient, path: str) -> None:
    """A revoked token and its refresh token stop working; both paths are in use."""
    first = (await redeem(guest, await code_from_authorize(guest))).json()
    headers = {"authorization": f"Bearer {first['access_token']}"}
    assert (await guest.delete(path, headers=headers)).json() is True
    assert (await whoami(guest, first["access_token"])).status_code == 401
    assert (await refresh(guest, first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_exchange(api: httpx.AsyncClient, guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """An exchange replaces the token; with the switch, the response is only the token."""
    new = (await api.get("debug/exchange.json")).json()["access_token"]
    assert (await api.get("debug/ttl")).status_code == 401
    assert (await whoami(guest, new)).status_code == 200
    sandbox.behaviour = Behaviour(exchange_answer="string")
    headers = {"authorization": f"Bearer {new}"}
    bare = (await guest.get("/v3/debug/exchange", headers=headers)).json()
    assert (await whoami(guest, bare)).status_code == 200
