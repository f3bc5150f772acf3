"""HTTP details: paths, methods, bodies, tokens and error shapes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Fault, Sandbox

pytestmark = pytest.mark.anyio

NOT_FOUND = {"error": {"code": 404, "message": "Not Found"}}
NO_GROUP = {"error": {"code": 404, "message": "Not Found: invalid group"}}
UNAUTHORIZED = {"error": {"code": 401, "message": "Unauthorized"}}
TOO_LARGE = {"error": {"code": 413, "message": "Request Entity Too Large"}}


async def call(
    sandbox: Sandbox, method: str, raw_path: str, *, token: str | None = None
) -> tuple[int, dict[str, str], Any]:
    """Call the application without an HTTP client, which would normalize the path.

    Args:
        sandbox: The sandbox.
        method: The method, as it is.
        raw_path: The path, as it is.
        token: The access token; None for a valid one.

    Returns:
        Status, headers and decoded JSON of the response.
    """
    token = sandbox.add_token() if token is None else token
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": raw_path,
        "raw_path": raw_path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode())],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        """Return an empty body."""
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        """Store a message."""
        sent.append(message)

    await sandbox.app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, json.loads(b"".join(part["body"] for part in sent[1:]))


@pytest.mark.parametrize(
    "path",
    [
        "/v3/groups",
        "/v3/groups/",
        "/v3/groups.json",
        "/v3/groups.json/",
        "/v3/groups%2Ejson",
        "/v3.json/%67roups",
        "//v3/groups//",
    ],
)
async def test_spellings_of_one_path(sandbox: Sandbox, path: str) -> None:
    """Slashes at both ends, the legacy ending and unnecessary escapes have no effect."""
    status, headers, groups = await call(sandbox, "GET", path)
    assert (status, groups) == (200, [])
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == "2"
    assert sandbox.requests[0].path == "/v3/groups"


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "", NOT_FOUND),
        ("POST", "/v3/", NOT_FOUND),
        ("GET", "/v3", NOT_FOUND),
        ("GET", "/v3/nothing", NOT_FOUND),
        ("GET", "/v3/Groups", NOT_FOUND),
        ("GET", "/v3/groups.json.json", NOT_FOUND),
        ("GET", "/v3/groups.xml", NOT_FOUND),
        ("GET", "/v3/groups%0A", NOT_FOUND),
        ("GET", "/v3//groups", NOT_FOUND),
        ("GET", "/v3/groups/1/receivers/2/orders/3/4", NOT_FOUND),
        ("DELETE", "/v3/receivers/", NOT_FOUND),
        ("GET", "/v3%2Fgroups", NOT_FOUND),
        ("GET", "/v3/groups%2F1", NOT_FOUND),
        ("GET", "/v3/groups//receivers", NO_GROUP),
        ("GET", "/v3/groups//", []),
        ("GET", "/v3/groups/a%2Fb", NO_GROUP),
        ("GET", "/v3/groups/%FF", NO_GROUP),
        ("GET", "/v3/groups/1%0A", NO_GROUP),
        ("GET", "/v3/groups/%", NO_GROUP),
        ("GET", f"/v3/groups/{'0' * 5000}1", NO_GROUP),
        ("GET", f"/v3/groups/{'9' * 16}", NO_GROUP),
    ],
)
async def test_unknown_paths(sandbox: Sandbox, method: str, path: str, error: object) -> None:
    """An unknown path is 404 in the vendor's shape; an empty or invalid id is unknown too."""
    status, headers, answer = await call(sandbox, method, path)
    assert (status, answer) == (200 if error == [] else 404, error)
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/v3/groups", "/v3/debug/ping", "/oauth/token.php"])
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "TRACE", "get", "DELETE"])
async def test_wrong_method(sandbox: Sandbox, method: str, path: str) -> None:
    """A wrong method is an unknown operation: 404 with a token, else 401."""
    status, headers, answer = await call(sandbox, method, path)
    assert (status, answer) == (404, NOT_FOUND)
    assert "allow" not in headers
    status, headers, answer = await call(sandbox, method, path, token="")
    assert (status, answer) == (401, UNAUTHORIZED)


@pytest.mark.parametrize(
    ("segment", "email"),
    [
        ("a%2Fb@example.org", "a/b@example.org"),
        ("a%2fb%40example.org", "a/b@example.org"),
        ("a+b@example.org", "a+b@example.org"),
        ("a%2Bb%40EXAMPLE.org", "a+b@example.org"),
        ("a%252Fb@example.org", "a%2Fb@example.org"),
        ("a%25b@example.org", "a%b@example.org"),
        ("a&b=c@example.org", "a&b=c@example.org"),
        ("a%3Fb%23c@example.org", "a?b#c@example.org"),
        ("m%C3%BCller@example.org", "müller@example.org"),
        ("ann@shop.json", "ann@shop.json"),
        ("ann@shop.json.json", "ann@shop.json.json"),
        ("{receiver}@example.org", "{receiver}@example.org"),
    ],
)
async def test_address_in_the_path(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox, segment: str, email: str
) -> None:
    """An address is decoded once, remains one segment and keeps its ending."""
    created = await api.post(f"groups/{group}/receivers", json={"email": email})
    assert created.json()["email"] == email
    status, _, receiver = await call(sandbox, "GET", f"/v3/groups/{group}/receivers/{segment}")
    assert (status, receiver["email"]) == (200, email)
    recorded = sandbox.requests[-1].path
    assert recorded.lower() == f"/v3/groups/{group}/receivers/{email.lower()}"
    status, _, answer = await call(
        sandbox, "PUT", f"/v3/groups/{group}/receivers/{segment}/deactivate/"
    )
    assert (status, answer) == (200, True)


async def test_escapes_in_other_segments(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox
) -> None:
    """Order ids and tags may have slashes, spaces and commas; "+" is not a space."""
    row = {"email": "a@example.org", "orders": [{"order_id": "A/1 +x", "product": "Lamp"}]}
    await api.post(f"groups/{group}/receivers", json=row | {"tags": ["shop.new", "b"]})
    assert (await api.delete("receivers/1/orders/A%2F1 +x")).json() is True
    assert (await api.delete("receivers/1/tags/shop.%2A%2Cb")).json() is True
    stored = sandbox.store.receiver(group, "a@example.org") or {}
    assert (stored["orders"], stored["tags"]) == ([], [])


async def test_path_without_raw_path(sandbox: Sandbox) -> None:
    """A server that provides no raw path works too."""
    sandbox.add_token("known")
    scope = {"type": "http", "method": "GET", "path": "/v3/receivers/a@example.org"}
    headers = [(b"authorization", b"bearer  known ")]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        """Return an empty body."""
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        """Store a message."""
        sent.append(message)

    await sandbox.app(scope | {"query_string": b"", "headers": headers}, receive, send)
    assert sent[0]["status"] == 404
    assert b"invalid receiver" in sent[1]["body"]


async def test_query(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The last of repeated parameters is used; "+" is a space; empty values are kept."""
    await api.get("groups?order=created+DESC&order=changed+ASC&x=&y=%2B")
    assert sandbox.requests[0].query == {"order": "changed ASC", "x": "", "y": "+"}


async def test_token_in_header_or_query(guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A bearer header precedes the query; other schemes are ignored."""
    token = sandbox.add_token()
    for header, query, status in (
        (f"bEaReR {token}", "", 200),
        (f"Bearer {token}", "?token=wrong", 200),
        ("Bearer wrong", f"?token={token}", 401),
        ("Bearer", f"?token={token}", 401),
        ("Basic x", f"?token={token}", 200),
        ("Basic x", "", 401),
    ):
        answer = await guest.get(f"/v3/groups{query}", headers={"authorization": header})
        assert answer.status_code == status, (header, query)


async def test_form_body_instead_of_json(api: httpx.AsyncClient) -> None:
    """Form fields work like JSON; a form that is not UTF-8 is 400."""
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    created = await api.post("groups", content=b"name=A+%2B+B&receiver_info=", headers=headers)
    assert created.json()["name"] == "A + B"
    refused = await api.post("groups", content=b"name=\xff", headers=headers)
    assert refused.json() == {"error": {"code": 400, "message": "Bad Request: invalid JSON"}}


async def test_nested_fields_of_a_form(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """PHP names them with brackets; none is lost, in one receiver or in a list of them."""
    group = (await api.post("groups", json={"name": "x"})).json()["id"]
    for name in ("firstname", "city"):
        await api.post("attributes", json={"name": name, "type": "text"})
    headers = {"content-type": "Application/x-www-form-urlencoded"}
    one = "email=a%40b.example&global_attributes%5Bfirstname%5D=Ann&global_attributes[city]=Kiel"
    one += "&tags%5B%5D=x&tags[]=y&activated=0&source=a[b"
    path = f"groups/{group}/receivers"
    assert 200 == (await api.post(path, content=one, headers=headers)).status_code
    stored = sandbox.store.receiver(int(group), "a@b.example")
    assert stored is not None
    assert {"firstname": "Ann", "city": "Kiel"} == stored["global_attributes"]
    assert (["x", "y"], 0, "a[b") == (stored["tags"], stored["activated"], stored["source"])

    rows = "0[email]=c@b.example&1[email]=d@b.example&1[tags][0]=z" + f"&1{'[a]' * 5000}=deep"
    answer = await api.post(f"{path}/upsertplus", content=rows, headers=headers)
    assert [("c@b.example", []), ("d@b.example", ["z"])] == [
        (it["email"], it["tags"]) for it in answer.json()
    ]


async def test_body_in_chunks(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A body may arrive in chunks; the whole is recorded."""

    async def chunks() -> AsyncIterator[bytes]:
        """Yield a body in chunks."""
        for chunk in (b'{"na', b"", b'me": "x"}'):
            yield chunk

    answer = await api.post("groups", content=chunks())
    assert (answer.json()["name"], sandbox.requests[0].body_size) == ("x", 13)


async def test_order_of_the_checks(
    api: httpx.AsyncClient, guest: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """The size of the body is checked first, then the token, the path and the content."""
    assert (await guest.post("/v3/groups", content=b"{")).json() == UNAUTHORIZED
    assert (await api.post("nothing", content=b"{")).json() == NOT_FOUND
    sandbox.behaviour = Behaviour(max_body_bytes=3)
    for path in ("/v3/groups", "/v3/nothing", "/v3/debug/ping", "/oauth/token.php"):
        answer = await guest.post(path, content=b"1234")
        assert (answer.status_code, answer.json()) == (413, TOO_LARGE), path
    assert (await api.post("groups", content=b"123")).status_code == 400


@pytest.mark.parametrize(
    ("behaviour", "status", "body"),
    [
        (Behaviour(error_shape="flat"), 404, {"message": "Not Found"}),
        (Behaviour(error_shape="string", errors_as_200="always"), 200, {"error": "Not Found"}),
        (Behaviour(errors_as_200="refusals"), 200, NOT_FOUND),
    ],
)
async def test_error_shapes_of_unknown_paths(
    api: httpx.AsyncClient, sandbox: Sandbox, behaviour: Behaviour, status: int, body: object
) -> None:
    """The switches for errors apply to unknown paths and methods too."""
    sandbox.behaviour = behaviour
    for method, path in (("GET", "nothing"), ("PATCH", "groups")):
        answer = await api.request(method, path)
        assert (answer.status_code, answer.json()) == (status, body)


async def test_oauth_errors_ignore_the_switches(guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The OAuth endpoints have one error shape and one status."""
    sandbox.behaviour = Behaviour(error_shape="flat", errors_as_200="always")
    answer = await guest.post("/oauth/token.php")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")
    assert answer.headers["content-type"] == "application/json"


async def test_faults_match_the_decoded_path(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A fault matches the decoded path, also an unknown one."""
    sandbox.faults.add(Fault("status", code=418, path_suffix="/a/b@example.org"))
    sandbox.faults.add(Fault("status", code=503, path_prefix="/v3/nothing"))
    assert (await api.get("receivers/a%2Fb%40example.org")).status_code == 418
    assert (await api.post("nothing.json/")).status_code == 503
    assert [request.path for request in sandbox.requests] == [
        "/v3/receivers/a/b@example.org",
        "/v3/nothing",
    ]


async def test_an_exception_reaches_the_caller(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """An exception in an operation is raised in process and recorded without a status."""
    sandbox.store.run("DROP TABLE forms")
    with pytest.raises(Exception, match="no such table"):
        await api.get("forms")
    assert [request.status_code for request in sandbox.requests] == [None]


async def test_faults_apply_a_request_once(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox
) -> None:
    """With every kind of fault, a request is applied at most once."""
    path = f"groups/{group}/receivers/1/orders"
    await api.post(f"groups/{group}/receivers", json={"email": "a@example.org"})
    kinds: tuple[Any, ...] = ("short_answer", "cut", "hang", "status", "expire_token")
    for committed in (False, True):
        for kind in kinds:
            sandbox.faults.clear()
            sandbox.faults.add(Fault(kind, committed=committed, at=1))
            token = sandbox.add_token()
            line = {"order_id": f"{kind}-{committed}", "product": "Lamp"}
            headers = {"authorization": f"Bearer {token}"}
            await api.post(path, json=line, headers=headers)
    stored = [order["order_id"] for order in sandbox.store.orders("a@example.org")]
    assert stored == [
        "short_answer-False",
        "cut-False",
        "hang-False",
        "short_answer-True",
        "cut-True",
        "hang-True",
        "status-True",
    ]
