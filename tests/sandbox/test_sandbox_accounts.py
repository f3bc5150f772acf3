"""The sandbox: several accounts, which have nothing in common but the server."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Fault, Sandbox, SandboxAccount

pytestmark = pytest.mark.anyio

CALLBACK = "https://shop.example/callback"


@pytest.fixture
def shop(sandbox: Sandbox) -> SandboxAccount:
    """A second account."""
    return sandbox.add_account("shop-42")


def of(account: SandboxAccount) -> dict[str, str]:
    """The headers of a request of an account."""
    return {"authorization": f"Bearer {account.add_token()}"}


async def fill(guest: httpx.AsyncClient, account: SandboxAccount) -> dict[str, Any]:
    """Store one thing of each kind; return the ids."""
    guest.headers.update(of(account))
    group = (await guest.post("/v3/groups", json={"name": "Newsletter"})).json()
    row = {
        "email": "ann@example.org",
        "tags": ["vip"],
        "orders": [{"order_id": "1", "product": "Lamp"}],
    }
    receiver = (await guest.post(f"/v3/groups/{group['id']}/receivers", json=row)).json()
    attribute = (await guest.post("/v3/attributes", json={"name": "age", "type": "number"})).json()
    mailing = account.add_mailing(name="Hello")
    account.add_report(mailing)
    account.add_bounce("ann@example.org")
    account.add_flow("Goodbye")
    await guest.post("/v3/blacklist", json={"email": "cat@example.org"})
    await guest.post("/v3/mycontent", json={"name": "Shop", "url": "https://shop.example"})
    return {
        "group": group["id"],
        "receiver": receiver["id"],
        "attribute": str(attribute["id"]),
        "mailing": str(mailing),
        "form": str(account.add_form(int(group["id"]), "Sign-up")),
        "account": str(account.id),
    }


LISTS = (
    *("groups", "attributes", "tags", "mailings?state=draft&page=0", "reports", "blacklist"),
    *("bounces", "mycontent", "forms", "receivers/bounced"),
)


async def test_what_one_account_stores_another_never_sees(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """Every list of the other account is empty, and the ids of the first one are unknown there."""
    ids = await fill(guest, sandbox)
    full = {path: (await guest.get(f"/v3/{path}")).json() for path in LISTS}
    guest.headers.update(of(shop))

    empty = {path: (await guest.get(f"/v3/{path}")).json() for path in LISTS}
    assert [] == [path for path in LISTS if empty[path] or not full[path]]
    assert [] == (await guest.get("/flow/flow")).json()
    paths = [
        f"groups/{ids['group']}",
        f"groups/{ids['group']}/receivers",
        "receivers/ann@example.org",
    ]
    paths += [f"receivers/{ids['receiver']}", f"mailings/{ids['mailing']}", f"forms/{ids['form']}"]
    paths += [f"clients/{sandbox.id}", f"reports/{ids['mailing']}"]
    found = {path: (await guest.get(f"/v3/{path}")).status_code for path in paths}
    assert dict.fromkeys(paths, 404) == found
    assert 0 == (await guest.get(f"/v3/clients/{shop.id}/receivercount")).json()
    assert 404 == (await guest.delete(f"/v3/groups/{ids['group']}")).status_code
    assert 1 == sandbox.store.count(int(ids["group"]))


async def test_ids_are_unique(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """A mixed-up id is never the id of something in another account."""
    first, second = await fill(guest, sandbox), await fill(guest, shop)
    assert set() == {*first.values()} & {*second.values()}
    assert (str(shop.id), "shop-42") == (second["account"], shop.name)
    whoami = (await guest.get("/v3/debug/whoami")).json()
    assert (str(shop.id), "shop-42") == (whoami["id"], whoami["company"])


async def token(guest: httpx.AsyncClient, app: SandboxAccount, **fields: str) -> Any:
    """Ask for a token with the app of an account."""
    credentials = {"client_id": app.client_id, "client_secret": app.client_secret}
    return (await guest.post("/oauth/token.php", data=credentials | fields)).json()


async def owner(guest: httpx.AsyncClient, answer: Any) -> str:
    """The id of the account of a token."""
    headers = {"authorization": f"Bearer {answer['access_token']}"}
    return str((await guest.get("/v3/debug/whoami", headers=headers)).json()["id"])


async def consent(guest: httpx.AsyncClient, app: SandboxAccount, **query: str) -> httpx.Response:
    """Ask for the consent of a user."""
    query |= {"client_id": app.client_id, "redirect_uri": CALLBACK, "response_type": "code"}
    return await guest.get("/oauth/authorize.php", params=query)


def code_in(answer: httpx.Response) -> str:
    """The authorization code of a consent."""
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def test_each_app_gets_tokens_of_its_account(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """Client credentials, and the secret of another account is refused."""
    for account in (sandbox, shop):
        answer = await token(guest, account, grant_type="client_credentials")
        assert str(account.id) == await owner(guest, answer)
    wrong = {"grant_type": "client_credentials", "client_secret": "sandbox-secret"}
    assert "invalid_client" == (await token(guest, shop, **wrong))["error"]


async def test_a_user_of_each_account_consents_to_one_app(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """``account=NAME`` selects it; code, refresh token and renewed token belong to it."""
    for account in (sandbox, shop):
        code = code_in(await consent(guest, sandbox, account=account.name, state="s"))
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        first = await token(guest, sandbox, **asked)
        again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        assert "invalid_grant" == (await token(guest, shop, **again))["error"]
        second = await token(guest, sandbox, **again)
        assert [str(account.id)] * 2 == [await owner(guest, it) for it in (first, second)]
        assert account.name == sandbox.requests[-3].account


async def test_a_code_is_of_the_app_that_asked(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """Another app cannot exchange it; the app of an added account needs no selection."""
    code = code_in(await consent(guest, shop))
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    assert "invalid_grant" == (await token(guest, sandbox, **asked))["error"]
    asked["code"] = code_in(await consent(guest, shop))
    assert str(shop.id) == await owner(guest, await token(guest, shop, **asked))


async def test_a_page_asks_for_the_account(guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With one account the browser is redirected at once; with several nothing is guessed."""
    assert 302 == (await consent(guest, sandbox)).status_code
    sandbox.add_account("shop-42")
    page = await consent(guest, sandbox, state='"><x>')
    assert ["main", None] == [it.account for it in sandbox.requests]
    assert (200, 2) == (page.status_code, page.text.count("<li>"))
    assert "<x>" not in page.text
    link = page.text.split('href="')[2].split('"')[0].replace("&amp;", "&")
    assert 302 == (await guest.get(f"/oauth/authorize.php{link}")).status_code
    unknown = await consent(guest, sandbox, account="nobody")
    assert "invalid_request" == unknown.json()["error"]


async def test_tokens_of_one_account_expire(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """Those of the others still work, and a token is of one account only."""
    own, other = of(sandbox), of(shop)
    shop.expire_tokens()
    assert 401 == (await guest.get("/v3/groups", headers=other)).status_code
    shop.revoke_tokens()
    assert 200 == (await guest.get("/v3/groups", headers=own)).status_code
    sandbox.add_token("tok")
    with pytest.raises(ValueError, match="'main' has the same token"):
        shop.add_token("tok")


async def test_each_account_has_its_behaviour_and_faults(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """A switch and a fault of one account leave the other alone."""
    shop.behaviour = Behaviour(error_shape="flat")
    sandbox.faults.add(Fault("status", code=500, times=1, account="shop-42"))
    statuses = [
        (await guest.get("/v3/groups", headers=of(it))).status_code for it in (sandbox, shop, shop)
    ]
    assert [200, 500, 200] == statuses
    bodies = [(await guest.get("/v3/x", headers=of(it))).json() for it in (sandbox, shop)]
    assert [{"error": {"code": 404, "message": "Not Found"}}, {"message": "Not Found"}] == bodies


async def test_requests_are_counted_by_account(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """The sandbox counts all, an account its own; a refused token is of nobody."""
    await token(guest, shop, grant_type="client_credentials")
    await guest.get("/v3/groups", headers=of(sandbox))
    await guest.get("/v3/groups")
    assert (3, 1, 1) == (sandbox.count(), shop.count(), shop.count("POST", "/oauth"))
    assert ["shop-42", "main", None] == [it.account for it in sandbox.requests]
    assert shop.requests == sandbox.requests[:1]


async def test_customers_of_an_agency_are_accounts(
    guest: httpx.AsyncClient, sandbox: Sandbox, shop: SandboxAccount
) -> None:
    """What the agency stores they do not see, and other accounts do not see them."""
    guest.headers.update(of(sandbox))
    await guest.post("/v3/groups", json={"name": "Newsletter"})
    made = (await guest.post("/v3/clients/createAccount", json={"company": "Wayne"})).json()
    own = (await guest.get(f"/v3/clients/{made['id']}/token")).json()
    headers = {"authorization": f"Bearer {own}"}
    assert [] == (await guest.get("/v3/groups", headers=headers)).json()
    await guest.post("/v3/groups", json={"name": "Bats"}, headers=headers)
    customer = sandbox.accounts[made["id"]]
    assert (None, None) == (sandbox.store.group_id("Bats"), customer.store.group_id("Newsletter"))
    assert 404 == (await guest.get(f"/v3/clients/{made['id']}", headers=of(shop))).status_code
    assert [str(shop.id)] == [
        it["id"] for it in (await guest.get("/v3/clients", headers=of(shop))).json()
    ]


def test_each_account_has_a_file(tmp_path: Path) -> None:
    """Beside that of the first one."""
    with Sandbox(str(tmp_path / "cr.sqlite")) as sandbox:
        sandbox.add_account("shop-42")
    assert ["cr.shop-42.sqlite", "cr.sqlite"] == sorted(it.name for it in tmp_path.iterdir())


async def test_files_keep_every_account(tmp_path: Path) -> None:
    """Each has a file of its own; tokens work before the account is added again."""
    path = str(tmp_path / "cr.sqlite")
    ids = dict[str, int]()
    for first in (True, False):
        with Sandbox(path) as sandbox:
            transport = httpx.ASGITransport(app=sandbox.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x.example") as guest:
                if first:
                    shop = sandbox.add_account("shop-42")
                    ids["shop"] = shop.id
                    shop.add_token("kept")
                    headers = {"authorization": "Bearer kept"}
                    await guest.post("/v3/groups", json={"name": "Kept"}, headers=headers)
                groups = await guest.get("/v3/groups", headers={"authorization": "Bearer kept"})
                assert ["Kept"] == [it["name"] for it in groups.json()]
                assert ids["shop"] == sandbox.accounts["shop-42"].id


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"name": "main"}, "already"),
        ({"name": "shop-42"}, "already"),
        ({"name": "other", "client_id": "sandbox"}, "OAuth app"),
        ({"name": ""}, "needs a name"),
        ({"name": "../x"}, "needs a name"),
        ({"name": "mia@example.org"}, "needs a name"),
        ({"name": "slow", "rate": 0}, "above 0"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_refused_accounts(sandbox: Sandbox, arguments: dict[str, Any], reason: str) -> None:
    """The error says what is wrong, and nothing is added."""
    with pytest.raises(ValueError, match=reason):
        sandbox.add_account(**arguments)
    assert ["main", "shop-42"] == list(sandbox.accounts)


async def test_one_account_of_many(guest: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The account of a token is found without asking the others."""
    accounts = [sandbox.add_account(f"tenant-{number}") for number in range(20)]
    for account in accounts[:-1]:
        account.store.close()
    assert [] == (await guest.get("/v3/groups", headers=of(accounts[-1]))).json()
