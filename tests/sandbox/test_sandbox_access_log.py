"""The sandbox: the record of requests, and its line for a log."""

from collections.abc import Callable

import httpx
import pytest

from cleverreach_async.sandbox import Fault, RecordedRequest, Sandbox

pytestmark = pytest.mark.anyio


async def test_the_record_of_a_request(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox, advance: Callable[[float], None]
) -> None:
    """It has the template of the path, the account, the duration, and what was injected."""
    seen = list[RecordedRequest]()

    def see(request: RecordedRequest) -> None:
        seen.append(request)

    sandbox.on_request = see
    sandbox.faults.add(Fault("status", code=429, times=1))
    await api.get(f"groups/{group}/receivers/ann@example.org")
    await api.get(f"groups/{group}/receivers/ann@example.org")
    sandbox.limits.outages = ((0, 1),)
    await api.get("groups")
    advance(2)
    await api.get("groups", headers={"authorization": "Bearer unknown"})

    assert [
        ("/v3/groups/{group}/receivers/{receiver}", "main", 429, "status"),
        ("/v3/groups/{group}/receivers/{receiver}", "main", 404, ""),
        ("/v3/groups", "main", 503, "outage"),
        ("/v3/groups", None, 401, ""),
    ] == [(it.route, it.account, it.status_code, it.fault) for it in seen]
    assert seen == sandbox.requests[-4:]
    assert f"/v3/groups/{group}/receivers/ann@example.org" == seen[1].path


async def test_the_duration(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Is that of the sandbox's clock; a clock that is set back makes none negative."""
    times = iter((100.0, 100.25, 100.0, 90.0))
    sandbox.account.clock = lambda: next(times)
    await api.get("debug/ping")
    await api.get("debug/ping")
    assert [250.0, 0.0] == [it.milliseconds for it in sandbox.requests]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v3/groups/7/receivers/ann@example.org", "/v3/groups/{group}/receivers/{receiver}"),
        ("/v3/tags/ann@example.org/x", "/v3/tags/{}/x"),
        ("/v3/x/ann%40example.org", "/v3/x/{}"),
        ("/v3/x/0123456789abcdef0123456789abcdef", "/v3/x/{}"),
        ("/v3/x/eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "/v3/x/{}"),
        ("/v3/orders/4711/unknown.json", "/v3/orders/4711/unknown"),
        ("/oauth/other.php", "/oauth/other.php"),
        ("/v3/x/a%0Ab", "/v3/x/{}"),
        ("/v3/x/" + "a" * 40, "/v3/x/{}"),
    ],
)
async def test_a_line_has_no_address_and_no_secret(
    guest: httpx.AsyncClient, sandbox: Sandbox, path: str, shown: str
) -> None:
    """The template, or of unknown operations only what is a plain word or a number."""
    token = sandbox.add_token()
    await guest.get(path, params={"token": token, "email": "ann@example.org"})
    [line] = [it.line for it in sandbox.requests]
    assert f"GET {shown}  404  account=main  0.0 ms" == line


async def test_a_line_of_a_fault(guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """What got no response says so."""
    sandbox.faults.add(Fault("reset"))
    with pytest.raises(ConnectionResetError):
        await guest.post("/v3/groups")
    assert "POST /v3/groups  no response  account=-  0.0 ms  fault=reset" == (
        sandbox.requests[0].line
    )
