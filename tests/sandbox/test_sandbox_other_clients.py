"""Requests of clients in other languages, in the shapes in which these send them.

The shapes follow the sources of three public clients: ``cleverreach/php-sdk``, the vendor's SDK;
``rdoepner/cleverreach``, PHP with Guzzle, which sends a JSON body with every request and empty maps
as lists; and a script with Python's requests, whose paths have the old ``.json``.
"""

import base64
import json
from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

BASIC = f"Basic {base64.b64encode(b'sandbox:sandbox-secret').decode()}"
FORM = "application/x-www-form-urlencoded"


async def replay(
    guest: httpx.AsyncClient, method: str, target: str, body: str = "", **headers: str
) -> Any:
    """Send a request exactly so, and return the JSON of the answer, which must be a success."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await guest.request(method, target, content=body.encode(), headers=named)
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def test_the_official_php_sdk(
    sandbox: Sandbox, guest: httpx.AsyncClient, group: int, api: httpx.AsyncClient
) -> None:
    """Code, refresh and revoke; groups and receivers; each 401 is followed by one refresh."""
    people = [{"email": f"mia+{index}@example.org"} for index in range(3)]
    await api.post(f"groups/{group}/receivers/upsert", json=people)
    app = "client_id=sandbox&client_secret=sandbox-secret"
    redirect = "redirect_uri=https%3A%2F%2Fshop.example%2Fback"
    consent = await guest.get(
        f"/oauth/authorize.php?client_id=sandbox&{redirect}&response_type=code&grant=basic&state=s1"
    )
    code = httpx.URL(consent.headers["location"]).params["code"]

    async def token(fields: str) -> dict[str, Any]:
        """Send a form to the token endpoint."""
        accept = "application/json"
        target = "/oauth/token.php"
        return dict(await replay(guest, "POST", target, fields, accept=accept, content_type=FORM))

    first = await token(f"grant_type=authorization_code&{app}&{redirect}&code={code}")
    assert {"access_token", "refresh_token", "expires_in", "scope"} <= first.keys()

    async def get(target: str, tokens: dict[str, Any]) -> Any:
        """Send a GET of the SDK: no body and no content type."""
        bearer = f"Bearer {tokens['access_token']}"
        return await replay(guest, "GET", target, accept="application/json", authorization=bearer)

    groups = await get("/v3/groups?order=changed+DESC", first)
    assert (["Newsletter"], int) == ([it["name"] for it in groups], type(int(groups[0]["id"])))
    assert "Newsletter" == (await get(f"/v3/groups/{group}", first))["name"]
    query = "page=0&pagesize=2&type=all&detail=6&order_by=email+DESC"
    page = await get(f"/v3/groups/{group}/receivers?{query}", first)
    assert ["mia+2@example.org", "mia+1@example.org"] == [it["email"] for it in page]
    listed = "page=0&pagesize=50&email_list=mia%2B0%40example.org"
    [chosen] = await get(f"/v3/groups/{group}/receivers?{listed}", first)
    one = await get(f"/v3/receivers/mia%2B0@example.org?group_id={group}", first)
    assert chosen["id"] == one["id"]

    sandbox.expire_tokens()
    bearer = f"Bearer {first['access_token']}"
    refused = await guest.get("/v3/groups", headers={"authorization": bearer})
    assert 401 == refused.status_code
    second = await token(f"grant_type=refresh_token&{app}&refresh_token={first['refresh_token']}")
    assert 1 == len(await get("/v3/groups", second))
    bearer = f"Bearer {second['access_token']}"
    revoked = await guest.delete("/oauth/token", headers={"authorization": bearer})
    assert revoked.is_success
    gone = await guest.get("/v3/groups", headers={"authorization": bearer})
    assert 401 == gone.status_code


async def test_a_php_client_over_guzzle(
    sandbox: Sandbox, guest: httpx.AsyncClient, group: int
) -> None:
    """JSON to the token endpoint with Basic, ``[]`` as body of a GET, ``[]`` as empty map."""
    json_type = {"accept": "application/json", "content_type": "application/json"}
    tokens = await replay(
        guest, "POST", "/oauth/token.php", '{"grant_type":"client_credentials"}',
        authorization=BASIC, **json_type,
    )  # fmt: skip
    form = sandbox.add_form(group, "Sign-up")
    bearer = {"authorization": f"Bearer {tokens['access_token']}", **json_type}

    async def act(method: str, path: str, body: object = ()) -> Any:
        """Send a request of the client."""
        text = json.dumps(body, separators=(",", ":"))
        return await replay(guest, method, path, text, **bearer)

    person: dict[str, Any] = {
        "email": "mia@example.org",
        "registered": 1_767_225_600,
        "activated": 0,
        "attributes": [],
        "global_attributes": {"firstname": "Mia"},
    }
    receivers = f"/v3/groups.json/{group}/receivers"
    created = await act("POST", receivers, person)
    assert created["id"] == (await act("GET", f"{receivers}/mia@example.org"))["id"]
    assert created["id"] == (await act("GET", "/v3/receivers.json/mia@example.org"))["id"]
    batch = [person | {"email": f"{name}@example.org"} for name in ("mia", "lea")]
    statuses = await act("POST", f"{receivers}/upsert", batch)
    assert ["update success", "insert success"] == [it["status"] for it in statuses]
    proof = {"user_ip": "127.0.0.1", "referer": "http://localhost", "user_agent": "Agent/2.0"}
    mail = {"email": "mia@example.org", "doidata": proof}
    for kind in ("activate", "deactivate"):
        assert await act("POST", f"/v3/forms.json/{form}/send/{kind}", mail)
    assert ["activate", "deactivate"] == [it.kind for it in sandbox.mails]
    for kind, is_active in (("activate", True), ("deactivate", False)):
        assert await act("PUT", f"{receivers}/mia@example.org/{kind}") is True
        stored = sandbox.store.receiver(group, "mia@example.org")
        assert stored is not None
        assert is_active == stored["active"]
    assert await act("DELETE", f"{receivers}/mia@example.org") is True
    assert ["lea@example.org"] == sandbox.store.emails(group)


async def test_a_script_with_requests(
    sandbox: Sandbox, guest: httpx.AsyncClient, group: int
) -> None:
    """A form to the token endpoint with Basic; counts decide how many pages are read."""
    grant = "grant_type=client_credentials"
    tokens = await replay(
        guest, "POST", "/oauth/token.php", grant, authorization=BASIC, content_type=FORM
    )
    bearer = {"authorization": f"Bearer {tokens['access_token']}", "accept": "*/*"}
    json_type = {**bearer, "content_type": "application/json"}
    base = f"/v3/groups.json/{group}"
    rows: list[dict[str, Any]] = [
        {"email": f"r{index}@example.org", "source": "User Import", "attributes": {},
         "global_attributes": {}, "tags": [], "orders": []}
        for index in range(4)
    ]  # fmt: skip
    for expected in ("insert success", "update success"):
        answer = await replay(
            guest, "POST", f"{base}/receivers/upsert", json.dumps(rows), **json_type
        )
        assert [expected] * 4 == [it["status"] for it in answer]
    stats = await replay(guest, "GET", f"{base}/stats", **bearer)
    assert (4, 4) == (stats["total_count"], stats["active_count"] + stats["inactive_count"])
    read = list[Any]()
    for page in range(2):
        query = f"pagesize=2&page={page}&type=all"
        read += await replay(guest, "GET", f"{base}/receivers?{query}", **bearer)
    assert [it["email"] for it in rows] == [it["email"] for it in read]
    assert [] == await replay(guest, "GET", "/v3/attributes.json", **bearer)
    number = read[0]["id"]
    assert await replay(guest, "PUT", f"{base}/receivers/{number}/activate", **bearer)
    body = json.dumps(["r0@example.org", "r1@example.org"])
    gone = await replay(guest, "POST", f"{base}/receivers/delete", body, **json_type)
    assert ["success"] * 2 == [it["status"] for it in gone]
    assert ["r2@example.org", "r3@example.org"] == sandbox.store.emails(group)
