"""The sandbox: the account, content sources, flows and blacklists of groups."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

OWN = "clients/129000"


async def test_the_account_is_that_of_whoami(api: httpx.AsyncClient) -> None:
    """It is found by its id and by its domain, and listed."""
    account = (await api.get("debug/whoami")).json()
    assert account == (await api.get(OWN)).json()
    assert account == (await api.get(f"clients/domain/{account['login_domain']}")).json()
    assert [account] == (await api.get("clients")).json()
    assert [] == (await api.get("clients", params={"page": 1})).json()


@pytest.mark.parametrize(
    "path",
    ["clients/1", "clients/x", "clients/domain/x", "clients/domain/1.eu2.cleverreach.example"]
    + [
        f"clients/1/{what}"
        for what in (
            *("receivercount", "activereceivercount", "contingent", "invoiceaddress", "limits"),
            *("nextinvoicedate", "plan", "users", "token"),
        )
    ],
)
async def test_an_unknown_account(api: httpx.AsyncClient, path: str) -> None:
    """Is 404 for every call."""
    answer = await api.get(path)
    assert (404, "Not Found: invalid client") == (
        answer.status_code,
        answer.json()["error"]["message"],
    )


async def test_receivers_are_counted(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """Each once, however many groups they are in."""
    rows = [{"email": "ann@example.org"}, {"email": "bob@example.org", "activated": 0}]
    await api.post(f"groups/{group}/receivers/upsert", json=rows)
    other = (await api.post("groups", json={"name": "Other"})).json()["id"]
    await api.post(f"groups/{other}/receivers/upsert", json=rows)
    assert 2 == (await api.get(f"{OWN}/receivercount")).json()
    assert 1 == (await api.get(f"{OWN}/activereceivercount")).json()
    sandbox.add_bounce("ann@example.org")
    assert 0 == (await api.get(f"{OWN}/activereceivercount")).json()


async def test_mails_use_up_the_contingent(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox
) -> None:
    """It begins with the mails of the plan; a switch selects its form."""
    plan = (await api.get(f"{OWN}/plan")).json()
    assert plan["emails"] == (await api.get(f"{OWN}/contingent")).json()
    form = sandbox.add_form(group, "Sign up")
    await api.post(f"groups/{group}/receivers", json={"email": "ann@example.org", "activated": 0})
    proof = {"user_ip": "192.0.2.1", "referer": "x", "user_agent": "x"}
    fields = {"email": "ann@example.org", "doidata": proof}
    await api.post(f"forms/{form}/send/activate", json=fields)
    assert plan["emails"] - 1 == (await api.get(f"{OWN}/contingent")).json()
    sandbox.behaviour = Behaviour(contingent_answer="object")
    assert {"emails": plan["emails"] - 1} == (await api.get(f"{OWN}/contingent")).json()


async def test_limits_follow_the_switches(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Plan and limits agree with what is enforced."""
    sandbox.behaviour = Behaviour(contact_limit=3, attribute_cap=2)
    assert {"receivers": 3, "attributes": 2} == (await api.get(f"{OWN}/limits")).json()
    assert 3 == (await api.get(f"{OWN}/plan")).json()["receiver_cap"]


async def test_the_next_invoice(
    api: httpx.AsyncClient, sandbox: Sandbox, advance: Callable[[float], None]
) -> None:
    """It is due on the first of the next month, in unix seconds."""
    api.headers["authorization"] = f"Bearer {sandbox.add_token(lifetime=10**9)}"
    advance(330 * 86_400)
    assert 1_796_083_200 == (await api.get(f"{OWN}/nextinvoicedate")).json()
    advance(20 * 86_400)
    assert 1_798_761_600 == (await api.get(f"{OWN}/nextinvoicedate")).json()


async def test_payments_are_kept(api: httpx.AsyncClient) -> None:
    """What was written is part of the account."""
    assert (await api.put(f"{OWN}/paymentoptions", json={"type": "invoice"})).json() is True
    await api.put(f"{OWN}/paymentsource", json={"iban": "x"})
    await api.put(f"{OWN}/paymentsource", json={"iban": "y"})
    account = (await api.get(OWN)).json()
    assert ({"type": "invoice"}, {"iban": "y"}) == (
        account["payment_options"],
        account["payment_source"],
    )
    assert 400 == (await api.put(f"{OWN}/paymentsource", json={})).status_code
    assert 400 == (await api.put(f"{OWN}/paymentsource", json=[])).status_code
    assert 404 == (await api.put("clients/1/paymentsource", json={"a": 1})).status_code
    assert isinstance((await api.get("clients/paymentmethods")).json(), list)


async def test_accounts_of_customers(api: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    """They are listed, and their tokens work."""
    fields = {"company": "Wayne", "email": "bruce@example.org", "lang": "en", "city": 7}
    created = (await api.post("clients/createAccount", json=fields)).json()
    path = f"clients/{created['id']}"
    account = (await api.get(path)).json()
    assert ("Wayne", "7", "129000") == (
        account["company"],
        account["city"],
        account["whitelabel_id"],
    )
    assert ["129000", created["id"]] == [it["id"] for it in (await api.get("clients")).json()]
    assert "Wayne" == (await api.get(f"{path}/invoiceaddress")).json()["company"]
    assert "en" == (await api.get(f"{path}/users")).json()[0]["lang"]
    assert 0 == (await api.get(f"{path}/receivercount")).json()
    token = (await api.get(f"{path}/token")).json()
    headers = {"authorization": f"Bearer {token}"}
    assert account == (await guest.get("/v3/debug/whoami", headers=headers)).json()


async def test_other_accounts_are_no_agencies(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With the switch, both calls for agencies are forbidden, and the list may be an object."""
    sandbox.behaviour = Behaviour(agency=False, lone_client="object")
    assert 403 == (await api.post("clients/createAccount", json={"company": "x"})).status_code
    assert 403 == (await api.get(f"{OWN}/token")).status_code
    assert "129000" == (await api.get("clients")).json()["id"]
    assert [] == (await api.get("clients", params={"page": 1})).json()


async def test_a_token_of_another_kind(guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Any token of the sandbox is one of the account."""
    for token in ("tok", "a.b.c", "a.e30.c", "a.eyJjbGllbnRfaWQiOiA1fQ.c", "a.W10.c"):
        headers = {"authorization": f"Bearer {sandbox.add_token(token)}"}
        assert "129000" == (await guest.get("/v3/debug/whoami", headers=headers)).json()["id"]


# Content sources.


async def test_content_sources(api: httpx.AsyncClient, now: int) -> None:
    """What is written is read; omitted fields are kept."""
    fields = {"name": "Shop", "url": "https://shop.example", "password": "p", "cors": True}
    created = (await api.post("mycontent", json=fields)).json()
    path = f"mycontent/{created['id']}"
    assert fields.items() <= created.items()
    assert (now, 0) == (created["stamp"], created["last_import"])
    assert created == (await api.get(path)).json()
    changed = (await api.put(path, json={"name": "Blog", "icon": "i"})).json()
    assert created | {"name": "Blog", "icon": "i"} == changed
    assert [changed] == (await api.get("mycontent")).json()
    assert (await api.delete(path)).json() is True
    assert [] == (await api.get("mycontent")).json()
    for call in (api.get(path), api.delete(path), api.put(path, json={"name": "x"})):
        assert 404 == (await call).status_code


async def test_content_sources_are_unique(api: httpx.AsyncClient) -> None:
    """By name and by address; a source does not collide with itself."""
    first = {"name": "Shop", "url": "https://shop.example"}
    path = f"mycontent/{(await api.post('mycontent', json=first)).json()['id']}"
    second = {"name": "Blog", "url": "https://blog.example"}
    await api.post("mycontent", json=second)
    for fields in (first | {"url": "x"}, first | {"name": "x"}):
        assert 409 == (await api.post("mycontent", json=fields)).status_code
    assert 409 == (await api.put(path, json={"name": "Blog"})).status_code
    assert 200 == (await api.put(path, json=first)).status_code
    for fields in ({"name": "x"}, {"url": "x"}, {"name": "", "url": "x"}):
        assert 400 == (await api.post("mycontent", json=fields)).status_code
    assert 400 == (await api.put(path, json={"name": ""})).status_code


# Flows.


async def test_flows(guest: httpx.AsyncClient, sandbox: Sandbox, group: int) -> None:
    """They are beside /v3, by kind and in an order."""
    guest.headers["authorization"] = f"Bearer {sandbox.add_token()}"
    bye = sandbox.add_flow("Goodbye", group_id=group)
    hello = sandbox.add_flow("Hello", playbook="signup")
    expected: dict[str, Any] = {
        "id": bye,
        "name": "Goodbye",
        "playbook": "unsubscribe",
        "setup": {"groupid": str(group)},
    }
    assert expected == (await guest.get(f"/flow/flow/{bye}")).json()

    async def ids(**query: str) -> list[str]:
        """Return the ids of a list."""
        return [it["id"] for it in (await guest.get("/flow/flow", params=query)).json()]

    assert [bye, hello] == await ids()
    assert [hello, bye] == await ids(order="name", dir="desc")
    assert [hello] == await ids(playbook="signup")
    assert 400 == (await guest.get("/flow/flow", params={"order": "x"})).status_code
    assert 400 == (await guest.get("/flow/flow", params={"dir": "x"})).status_code
    assert 404 == (await guest.get("/flow/flow/x")).status_code
    del guest.headers["authorization"]
    assert 401 == (await guest.get("/flow/flow")).status_code


# Groups.


async def test_a_blacklist_of_a_group(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """Switches select the forms of its items and of the response to a new entry."""
    path = f"groups/{group}/blacklist"
    sandbox.behaviour = Behaviour(group_blacklist_items="string", group_blacklist_answer="true")
    assert (await api.post(path, json={"email": "ann@example.org"})).json() is True
    assert ["ann@example.org"] == (await api.get(path)).json()
    answer = await api.post("blacklist", json={"email": "bob@example.org"})
    assert "bob@example.org" == answer.json()["email"]
    assert [answer.json()] == (await api.get("blacklist")).json()


async def test_advanced_statistics(api: httpx.AsyncClient, group: int) -> None:
    """They count the receivers by source."""
    rows = [
        {"email": "ann@example.org", "source": "shop"},
        {"email": "bob@example.org", "source": "shop"},
        {"email": "cat@example.org"},
    ]
    await api.post(f"groups/{group}/receivers/upsert", json=rows)
    stats = (await api.get(f"groups/{group}/advancedstats")).json()
    assert {"sources": {"": 1, "shop": 2}} == stats
    assert 404 == (await api.get("groups/1/advancedstats")).status_code
