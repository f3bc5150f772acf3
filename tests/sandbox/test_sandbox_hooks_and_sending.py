"""Webhooks, mailings and carts in the sandbox: what it refuses, and what it keeps in a file."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

HOOK = {
    "url": "https://shop.example/hook",
    "event": "receiver.unsubscribed",
    "verify": "a-word-of-mine",
}
HOOKS = "http://sandbox.example/hooks/eventhook"

WRONG_HOOKS: dict[str, dict[str, Any]] = {
    "a condition that is a number": {"condition": 540001},
    "a url of another kind": {"url": "ftp://shop.example/hook"},
    "no url": {"url": ""},
    "an unknown family": {"event": "mailing"},
    "an unknown event": {"event": "receiver.gone"},
    "an empty event": {"event": "receiver."},
    "a short word": {"verify": "123456789"},
    "a long word": {"verify": "x" * 51},
}


@pytest.mark.parametrize("change", WRONG_HOOKS.values(), ids=WRONG_HOOKS.keys())
async def test_wrong_webhooks_are_refused(api: httpx.AsyncClient, change: dict[str, Any]) -> None:
    """Nothing is stored."""
    answer = await api.post(HOOKS, json=HOOK | change)
    assert 400 == answer.status_code
    assert ("json" in answer.text) is ("condition" in change)
    assert [] == (await api.get(HOOKS)).json()


async def test_webhooks_need_a_token(guest: httpx.AsyncClient) -> None:
    """As every call of an account."""
    for method in ("GET", "POST", "DELETE"):
        path = "/receiver" if method == "DELETE" else ""
        assert 401 == (await guest.request(method, HOOKS + path)).status_code


async def test_tokens_are_new_for_every_registration(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Also when a registration replaces another one."""
    sandbox.behaviour = Behaviour(repeated_webhook="replace")
    answers = [(await api.post(HOOKS, json=HOOK)).json() for _ in range(2)]
    assert 4 == len({it[name] for it in answers for name in ("call_token", "secret")})
    assert 1 == len((await api.get(HOOKS)).json())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "mailings/channel/4711"),
        ("DELETE", "mailings/channel/4711"),
        ("GET", "mailings/channel/x"),
        ("GET", "mailings/templates/others"),
        ("GET", "mailings/4711/links"),
        ("GET", "mailings/4711/orders"),
        ("GET", "mailings/4711/randomreceiver"),
        ("POST", "mailings/4711/release"),
        ("POST", "mailings/4711/stop"),
        ("POST", "mailings/4711/sendpreview"),
        ("GET", "reports/4711/receivers/sent"),
        ("GET", "reports/4711/stats/basic"),
    ],
)
async def test_unknown_objects(api: httpx.AsyncClient, method: str, path: str) -> None:
    """They are not found."""
    assert 404 == (await api.request(method, path)).status_code


async def test_states_in_which_a_mailing_is_released_or_stopped(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Drafts are released, and what waits or runs is stopped."""
    after: dict[str, list[object]] = {}
    for state in ("draft", "waiting", "running", "finished", "automation"):
        after[state] = []
        for verb in ("release", "stop"):
            mailing_id = sandbox.add_mailing(name="May", state=state)
            path = f"mailings/{mailing_id}"
            answer = await api.post(f"{path}/{verb}", json={"time": 1_900_000_000})
            now = (await api.get(path)).json()["state"]
            after[state].append(now if answer.status_code == 200 else answer.status_code)
    assert {
        "draft": ["waiting", 400],
        "waiting": [400, "draft"],
        "running": [400, "finished"],
        "finished": [400, 400],
        "automation": [400, 400],
    } == after


async def test_a_release_needs_a_time(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The text of the error was seen by a client."""
    mailing_id = sandbox.add_mailing(name="May")
    for body in ({}, {"time": "soon"}):
        answer = await api.post(f"mailings/{mailing_id}/release", json=body)
        assert (400, True) == (answer.status_code, "time" in answer.text)


@pytest.mark.parametrize("receivers", [None, [], "mia@example.org", ["nobody"], [7]])
async def test_previews_go_to_addresses(
    api: httpx.AsyncClient, sandbox: Sandbox, receivers: object
) -> None:
    """Without any or with a wrong one nothing is sent."""
    mailing_id = sandbox.add_mailing(name="May")
    answer = await api.post(f"mailings/{mailing_id}/sendpreview", json={"receivers": receivers})
    assert 400 == answer.status_code
    assert [] == sandbox.previews


async def test_reports_know_states_and_modes(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Others are not found; the times of events are bounds."""
    report_id = sandbox.add_report(sandbox.add_mailing(name="May", state="finished"))
    for path in ("receivers/loved", "stats/all"):
        assert 404 == (await api.get(f"reports/{report_id}/{path}")).status_code
    group = (await api.post("groups", json={"name": "N"})).json()["id"]
    await api.post(f"groups/{group}/receivers", json={"email": "mia@example.org"})
    event = {"type": "mail_open", "mailing_id": report_id, "stamp": 1_000_000_000}
    await api.post("receivers/mia@example.org/events", json=event)
    found = {
        bounds: len((await api.get(f"reports/{report_id}/receivers/opened?{bounds}")).json())
        for bounds in ("", "from=1000000000&to=1000000000", "from=1000000001", "to=999999999")
    }
    assert [1, 1, 0, 0] == [*found.values()]


async def test_wrong_carts_are_refused(
    api: httpx.AsyncClient, sandbox: Sandbox, group: int
) -> None:
    """Nothing is stored."""
    stored = await api.post(f"groups/{group}/receivers", json={"email": "mia@example.org"})
    cart = {"storeId": "shop-1", "cartItems": [{"id": "x"}]}
    right = {
        "poolid": str(stored.json()["id"]),
        "groupid": str(group),
        "cartId": "C",
        "abandonedCartData": cart,
    }
    automation = {"name": "Cart", "storeid": "shop-1"}
    await api.post("automation/createfromtemplate/abandonedcart", json=automation)
    wrong: list[dict[str, Any]] = [
        {"poolid": ""},
        {"poolid": "x"},
        {"groupid": "1"},
        {"groupid": "x"},
        {"cartId": ""},
        {"abandonedCartData": None},
        {"abandonedCartData": {**cart, "cartItems": []}},
        {"abandonedCartData": {**cart, "storeId": "shop-2"}},
    ]
    for change in wrong:
        answer = await api.post("trigger/abandonedcart", json=right | change)
        assert answer.status_code in {400, 404}, change
    assert [] == sandbox.carts
    assert 200 == (await api.post("trigger/abandonedcart", json=right)).status_code
    assert ["C"] == [it["cartId"] for it in sandbox.carts]


async def test_everything_survives_in_a_file(tmp_path: Path) -> None:
    """Another process sees it."""
    path = str(tmp_path / "account.sqlite")
    with Sandbox(path) as first:
        channel = first.add_channel("News")
        first.add_agency_template("House style")
        transport = httpx.ASGITransport(app=first.app)
        headers = {"authorization": f"Bearer {first.add_token('tok')}"}
        async with httpx.AsyncClient(transport=transport, headers=headers) as client:
            await client.post(HOOKS, json=HOOK)
    with Sandbox(path) as second:
        transport = httpx.ASGITransport(app=second.app)
        headers = {"authorization": "Bearer tok"}
        base = "http://sandbox.example/v3/"
        async with httpx.AsyncClient(transport=transport, headers=headers, base_url=base) as client:
            answers = [
                (await client.get(it)).json()
                for it in ("mailings/channel", "mailings/templates/agency", HOOKS)
            ]
    assert [str(channel)] == [it["id"] for it in answers[0]]
    assert ["House style"] == [it["name"] for it in answers[1]]
    assert ["receiver.unsubscribed"] == [it["event"] for it in answers[2]]
