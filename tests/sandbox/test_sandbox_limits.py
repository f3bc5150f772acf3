"""The sandbox: requests per second, requests at once, and outages of an account."""

from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from cleverreach_async.sandbox import AccountLimits, Fault, Sandbox
from cleverreach_async.sandbox.limits import parse_outage

pytestmark = pytest.mark.anyio

Advance = Callable[[float], None]


async def statuses(api: httpx.AsyncClient, number: int) -> list[int]:
    """Send requests one after the other."""
    return [(await api.get("groups")).status_code for _ in range(number)]


async def test_a_rate(api: httpx.AsyncClient, sandbox: Sandbox, advance: Advance) -> None:
    """In no second are more requests admitted, and what is refused does not count."""
    sandbox.limits.rate = 3
    assert [200, 200] == await statuses(api, 2)
    advance(0.5)
    assert [200, 429, 429] == await statuses(api, 3)
    advance(0.5)
    assert [200, 200, 429] == await statuses(api, 3)
    advance(0.5)
    assert [200, 429] == await statuses(api, 2)
    assert 200 == (await api.get("debug/ping")).status_code


async def test_a_rate_below_one(api: httpx.AsyncClient, sandbox: Sandbox, advance: Advance) -> None:
    """Admits one request in each longer period."""
    sandbox.limits.rate = 0.5
    assert [200, 429] == await statuses(api, 2)
    advance(1.9)
    assert [429] == await statuses(api, 1)
    advance(0.2)
    assert [200] == await statuses(api, 1)


@pytest.mark.parametrize(("retry_after", "expected"), [(False, None), (True, "2")])
async def test_the_wait_is_told_on_request(
    api: httpx.AsyncClient, sandbox: Sandbox, advance: Advance, retry_after: Any, expected: Any
) -> None:
    """In whole seconds, and waiting so long helps."""
    sandbox.limits.rate, sandbox.limits.retry_after = 0.4, retry_after
    await api.get("groups")
    advance(0.6)
    refused = await api.get("groups")
    assert (429, expected) == (refused.status_code, refused.headers.get("retry-after"))
    assert {"code": 429, "message": "Too Many Requests"} == refused.json()["error"]
    advance(2)
    assert [200] == await statuses(api, 1)


async def test_requests_at_once(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """One more than allowed is refused; those that are over leave room, failed ones too."""
    sandbox.limits.max_in_flight = 2
    sandbox.faults.add(Fault("hang", seconds=60))
    found = list[int]()

    async def ask() -> None:
        found.append((await api.get("groups")).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await ask()
        assert [429] == found
        tasks.cancel_scope.cancel()
    sandbox.faults.clear()
    assert [200] * 3 == await statuses(api, 3)


async def test_outages(api: httpx.AsyncClient, sandbox: Sandbox, advance: Advance) -> None:
    """Seconds count from the start of the account; nothing is stored in an outage."""
    sandbox.limits.outages = ((10, 30), (40, 41))
    found = dict[int, int]()
    for second in range(0, 45, 5):
        found[second] = (await api.post("groups", json={"name": str(second)})).status_code
        advance(5)
    assert {
        second: 503 if second in {10, 15, 20, 25, 40} else 200 for second in range(0, 45, 5)
    } == found
    assert 4 == len((await api.get("groups")).json())


async def test_limits_are_of_one_account(guest: httpx.AsyncClient) -> None:
    """Of two accounts with limits each uses its own; one without any has none."""
    with Sandbox(rate=1, now=lambda: 0.0) as sandbox:
        busy = sandbox.add_account("busy", rate=2)
        free = sandbox.add_account("free")
        guest = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=sandbox.app), base_url="http://x.example/v3/"
        )
        found = list[int]()
        for account in (sandbox, busy, free):
            guest.headers["authorization"] = f"Bearer {account.add_token()}"
            found.append((await statuses(guest, 4)).count(200))
        await guest.aclose()
    assert [1, 2, 4] == found


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"rate": 0}, "above 0 requests per second"),
        ({"rate": float("nan")}, "above 0 requests per second"),
        ({"max_in_flight": 0}, "At least 1"),
        ({"outages": [(30, 10)]}, "not 30:10"),
        ({"outages": [(-1, 10)]}, "not -1:10"),
    ],
)
def test_limits_that_are_none(arguments: dict[str, Any], reason: str) -> None:
    """Are refused when they are set, in words."""
    with pytest.raises(ValueError, match=reason):
        Sandbox(**arguments)
    limits = AccountLimits(lambda: 0.0)
    [(name, value)] = arguments.items()
    with pytest.raises(ValueError, match=reason):
        setattr(limits, name, value)


def test_outages_of_a_command_line() -> None:
    """Are written with a colon."""
    assert [(10.0, 30.0), (0.5, 1.0)] == [parse_outage("10:30"), parse_outage("0.5:1")]
    for spec in ("", "10", "10:", ":10", "30:10", "a:b", "-1:2", "nan:1", "10:30:40"):
        with pytest.raises(ValueError, match="such as 10:30"):
            parse_outage(spec)
