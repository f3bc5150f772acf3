"""The FastAPI example: tenants connect, list groups and place orders, with and without failures."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest

from cleverreach_async import FileTokenStore, OAuthApp, Token
from cleverreach_async.sandbox import Fault, Sandbox
from examples.fastapi_app import create_app, from_environment

SERVER = "https://cleverreach.test"
SHOP = "http://shop.test"
ORDER = {"email": "mia@example.org", "order_id": "A-1", "product": "Lamp", "price": "9.90"}


class Spy:
    """A sandbox that records the token of each API call.

    Attributes:
        tokens: The recorded tokens.
        gate: Event that orders wait for, if any.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.tokens: list[str] = []
        self.gate: anyio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Record the token and forward the request."""
        if scope["path"].startswith("/v3/"):
            self.tokens.append(dict(scope["headers"])[b"authorization"].decode()[7:])
        if self.gate is not None and scope["path"].endswith("/orders"):
            await self.gate.wait()
        await self.sandbox.app(scope, receive, send)


@attrs.frozen
class Stage:
    """The application under test and its surroundings."""

    browser: httpx.AsyncClient
    cleverreach: httpx.AsyncClient
    spy: Spy
    folder: Path

    def stored(self, tenant: str) -> Token:
        """The token in the tenant's file."""
        return Token.from_json((self.folder / f"{tenant}.json").read_bytes())

    async def consent(self, tenant: str) -> httpx.Response:
        """Connect a tenant up to the authorization page, which redirects the browser at once."""
        begun = await self.browser.get(f"/tenants/{tenant}/connect")
        return await self.cleverreach.get(begun.headers["location"])

    async def connect(self, tenant: str) -> httpx.Response:
        """Connect a tenant and return the last response."""
        consented = await self.consent(tenant)
        return await self.browser.get(consented.headers["location"], follow_redirects=True)


Open = Callable[..., Any]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty account whose OAuth app is ``shop`` with ``geheim-123``."""
    with Sandbox(client_id="shop", client_secret="geheim-123") as sandbox:
        yield sandbox


@pytest.fixture
def opened(sandbox: Sandbox, tmp_path: Path) -> Open:
    """Return a function that runs the application within a block."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncGenerator[Stage]:
        spy = Spy(sandbox)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=spy)) as cleverreach:
            oauth_app = OAuthApp(
                "shop",
                "geheim-123",
                redirect_uri=f"{SHOP}/callback",
                base_url=SERVER,
                http_client=cleverreach,
            )
            app = create_app(
                oauth_app, store_for=lambda it: FileTokenStore(tmp_path / f"{it}.json"), **options
            )
            shop = httpx.ASGITransport(app=app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=shop, base_url=SHOP) as browser,
            ):
                yield Stage(browser, cleverreach, spy, tmp_path)

    return opened


async def add_group(stage: Stage, name: str) -> int:
    """Add a group to the account and return its id."""
    headers = {"authorization": f"Bearer {stage.spy.sandbox.add_token()}"}
    group = await stage.cleverreach.post(
        f"{SERVER}/v3/groups", json={"name": name}, headers=headers
    )
    stage.spy.tokens.clear()
    return int(group.json()["id"])


async def add_receiver(stage: Stage, email: str) -> None:
    """Add a receiver to the account."""
    group_id = await add_group(stage, "Kunden")
    headers = {"authorization": f"Bearer {stage.spy.sandbox.add_token()}"}
    url = f"{SERVER}/v3/groups/{group_id}/receivers"
    (await stage.cleverreach.post(url, json={"email": email}, headers=headers)).raise_for_status()


def state_of(answer: httpx.Response) -> str:
    """The state in the URL of a redirect."""
    return httpx.URL(answer.headers["location"]).params["state"]


def logged_by_example(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the example itself has logged."""
    return [it.getMessage() for it in caplog.records if it.name == "examples.fastapi_app"]


@pytest.mark.anyio
async def test_a_tenant_connects_and_sees_groups(opened: Open) -> None:
    """Connect, consent, callback, groups. The token is stored, and the cookie is deleted."""
    async with opened() as stage:
        await add_group(stage, "Newsletter")
        answer = await stage.connect("acme")

        assert (200, f"{SHOP}/tenants/acme/groups") == (answer.status_code, str(answer.url))
        assert ["Newsletter"] == [group["name"] for group in answer.json()]
        assert [stage.stored("acme").access_token.reveal()] == stage.spy.tokens
        assert {} == dict(stage.browser.cookies)


@pytest.mark.anyio
async def test_the_cookie_is_for_the_callback_only(opened: Open) -> None:
    """Scripts and other pages cannot read it. It has the state of the URL."""
    async with opened() as stage:
        begun = await stage.browser.get("/tenants/acme/connect")

        cookie = begun.headers["set-cookie"]
        state = state_of(begun)
        assert cookie.startswith(f"connecting=acme.{state};")
        assert [] == [
            word for word in ("HttpOnly", "SameSite=lax", "Path=/callback") if word not in cookie
        ]


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(None, id="no-cookie"),
        pytest.param("acme.", id="empty-state"),
        pytest.param("acme.another", id="state-of-another"),
    ],
)
@pytest.mark.anyio
async def test_a_forged_callback_is_refused(opened: Open, cookie: str | None) -> None:
    """The code is not used, because it may be an attacker's."""
    async with opened() as stage:
        callback = (await stage.consent("acme")).headers["location"]
        stage.browser.cookies.clear()
        headers = {} if cookie is None else {"cookie": f"connecting={cookie}"}
        answer = await stage.browser.get(callback, headers=headers)

        assert (400, True) == (answer.status_code, "state_mismatch" in answer.text)
        assert 0 == stage.spy.sandbox.count("POST", "/oauth/token.php")
        assert [] == list(stage.folder.iterdir())


@pytest.mark.anyio
async def test_a_refusal_is_a_friendly_page(opened: Open) -> None:
    """The user refused. The text of the URL is escaped."""
    async with opened() as stage:
        begun = await stage.browser.get("/tenants/acme/connect")
        state = state_of(begun)
        answer = await stage.browser.get(
            "/callback", params={"error": "access_denied<b>", "state": state}
        )

        assert (400, True) == (answer.status_code, "access_denied&lt;b&gt;" in answer.text)
        assert [] == list(stage.folder.iterdir())


@pytest.mark.anyio
async def test_a_code_that_is_refused_is_reported(opened: Open) -> None:
    """A code works once."""
    async with opened() as stage:
        callback = (await stage.consent("acme")).headers["location"]
        stage.spy.sandbox.store.run("DELETE FROM codes")
        answer = await stage.browser.get(callback)

        assert (400, True) == (answer.status_code, "invalid_grant" in answer.text)


@pytest.mark.anyio
async def test_tenants_do_not_mix(opened: Open) -> None:
    """Each call has the token of its tenant, in any order."""
    async with opened() as stage:
        await stage.connect("acme")
        await stage.connect("bolt")
        stage.spy.tokens.clear()
        for tenant in ("acme", "bolt", "acme"):
            await stage.browser.get(f"/tenants/{tenant}/groups")

        acme, bolt = (stage.stored(it).access_token.reveal() for it in ("acme", "bolt"))
        assert acme != bolt
        assert [acme, bolt, acme] == stage.spy.tokens


@pytest.mark.anyio
async def test_an_expired_token_is_renewed_and_stored(opened: Open) -> None:
    """The user does not notice. The file has the token that worked."""
    async with opened() as stage:
        await stage.connect("acme")
        before = stage.stored("acme")
        stage.spy.sandbox.expire_tokens()
        answer = await stage.browser.get("/tenants/acme/groups")

        after = stage.stored("acme")
        assert 200 == answer.status_code
        used = [token.access_token.reveal() for token in (before, after)]
        assert used == stage.spy.tokens[-2:]
        assert before.refresh_token != after.refresh_token


@pytest.mark.anyio
async def test_an_unconnected_tenant_is_sent_to_connect(opened: Open) -> None:
    """Without a token no call is sent."""
    async with opened() as stage:
        answer = await stage.browser.get("/tenants/acme/groups")

        assert (401, "/tenants/acme/connect") == (answer.status_code, answer.json()["connect"])
        assert 0 == stage.spy.sandbox.count()


@pytest.mark.anyio
async def test_connecting_replaces_an_invalid_refresh_token(opened: Open) -> None:
    """The tenant is sent to connect again, and the new token is used then."""
    async with opened() as stage:
        await stage.connect("acme")
        stage.spy.sandbox.revoke_tokens()
        dead = await stage.browser.get("/tenants/acme/groups")
        mended = await stage.connect("acme")

        assert (401, "/tenants/acme/connect") == (dead.status_code, dead.json()["connect"])
        assert 200 == mended.status_code


@pytest.mark.anyio
async def test_another_account_can_be_connected(opened: Open) -> None:
    """Its token is used from then on, although the old one is still valid."""
    async with opened() as stage:
        await stage.connect("acme")
        await stage.connect("acme")

        assert stage.stored("acme").access_token.reveal() == stage.spy.tokens[-1]
        assert 2 == len(set(stage.spy.tokens))


@pytest.mark.anyio
async def test_a_busy_api_is_503(opened: Open) -> None:
    """The wait that the API asked for is reported, rounded up."""
    async with opened() as stage:
        await stage.connect("acme")
        stage.spy.sandbox.faults.add(Fault("status", code=429, retry_after=30))
        answer = await stage.browser.get("/tenants/acme/groups")

        assert (503, "30") == (answer.status_code, answer.headers["retry-after"])


@pytest.mark.anyio
async def test_a_broken_api_is_502(opened: Open) -> None:
    """No internal detail is shown."""
    async with opened() as stage:
        await stage.connect("acme")
        stage.spy.sandbox.faults.add(Fault("status", code=500))
        answer = await stage.browser.get("/tenants/acme/groups")

        assert (502, ["error"]) == (answer.status_code, list(answer.json()))


@pytest.mark.anyio
async def test_a_visitor_signs_up(opened: Open, sandbox: Sandbox) -> None:
    """They get the activation mail with the proof, and the same page as somebody active."""
    async with opened() as stage:
        await stage.connect("acme")
        form_id = sandbox.add_form(await add_group(stage, "Newsletter"), "Sign-up")
        path = f"/tenants/acme/forms/{form_id}/sign-ups"
        headers = {"user-agent": "Browser/1", "referer": "https://shop.example/"}
        first = await stage.browser.post(path, json={"email": ORDER["email"]}, headers=headers)
        [mail] = sandbox.mails
        sandbox.follow_link(mail)
        second = await stage.browser.post(path, json={"email": ORDER["email"]}, headers=headers)
        refused = await stage.browser.post(path, json={"email": "nobody"})

    assert (202, 202, 422) == (first.status_code, second.status_code, refused.status_code)
    assert (first.json(), 1) == (second.json(), len(sandbox.mails))
    assert {"user_ip": "127.0.0.1", "user_agent": "Browser/1"} | mail.doidata == mail.doidata


@pytest.mark.parametrize("path", ["/tenants/ACME/groups", "/tenants/..%2fx/groups"])
@pytest.mark.anyio
async def test_a_tenant_that_is_not_a_file_name_is_404(opened: Open, path: str) -> None:
    """Capitals could be another tenant's file, dots another folder."""
    async with opened() as stage:
        answer = await stage.browser.get(path)

        assert (404, []) == (answer.status_code, list(stage.folder.iterdir()))


@pytest.mark.anyio
async def test_an_order_reaches_the_account(opened: Open, sandbox: Sandbox) -> None:
    """The application waits for it on shutdown."""
    async with opened() as stage:
        await stage.connect("acme")
        await add_receiver(stage, ORDER["email"])
        answer = await stage.browser.post("/tenants/acme/orders", json=ORDER)

    assert (202, [("A-1", "Lamp")]) == (
        answer.status_code,
        [(line["order_id"], line["product"]) for line in sandbox.store.orders(ORDER["email"])],
    )


@pytest.mark.parametrize(
    ("fault", "tries", "status"),
    [
        pytest.param(Fault("hang", seconds=600, path_suffix="/orders"), 1, "unknown", id="hangs"),
        pytest.param(Fault("status", code=500, path_suffix="/orders"), 1, "unknown", id="fails"),
        pytest.param(
            Fault("status", code=429, retry_after=60, path_suffix="/orders"), 1, "failed", id="busy"
        ),
        pytest.param(Fault("status", code=429, path_suffix="/orders"), 1, "failed", id="throttled"),
        pytest.param(Fault("reset", path_suffix="/orders"), 1, "unknown", id="reset"),
        pytest.param(Fault("status", code=401, path_suffix="/orders"), 2, "failed", id="refused"),
    ],
)
@pytest.mark.anyio
async def test_no_failure_breaks_the_checkout(
    opened: Open,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    tries: int,
    status: str,
) -> None:
    """It responds while the order is in flight. A failure is logged without the address."""
    async with opened(max_wait=0.2) as stage:
        await stage.connect("acme")
        sandbox.faults.add(fault)
        with anyio.fail_after(10):
            answer = await stage.browser.post("/tenants/acme/orders", json=ORDER)

    assert (202, tries) == (answer.status_code, sandbox.count("POST", "/v3/receivers/"))
    [message] = logged_by_example(caplog)
    assert message.startswith(f"tenant acme: order A-1 {status}: ")
    assert "mia@example.org" not in caplog.text


@pytest.mark.anyio
async def test_an_order_of_an_unconnected_tenant_breaks_nothing(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """A tenant without a connected account can sell too."""
    async with opened() as stage:
        answer = await stage.browser.post("/tenants/acme/orders", json=ORDER)

    assert 202 == answer.status_code
    [message] = logged_by_example(caplog)
    assert "tenant acme: order A-1 failed: the token endpoint refused" in message


@pytest.mark.anyio
async def test_orders_do_not_pile_up(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    """While the API hangs, a limited number of orders waits. The rest is dropped."""
    async with opened(max_wait=60.0) as stage:
        await stage.connect("acme")
        stage.spy.gate = anyio.Event()
        statuses = [
            (await stage.browser.post("/tenants/acme/orders", json=ORDER)).status_code
            for _ in range(101)
        ]
        dropped = logged_by_example(caplog)
        stage.spy.gate.set()

    assert {202} == set(statuses)
    assert ["tenant acme: order A-1 failed: 100 orders are pending already"] == dropped


@pytest.mark.anyio
async def test_ended_orders_free_their_slots(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """However they end. Only those in flight are counted."""
    async with opened() as stage:
        await stage.connect("acme")
        for _ in range(3):
            for _ in range(40):
                await stage.browser.post("/tenants/acme/orders", json=ORDER)
            await anyio.wait_all_tasks_blocked()

    assert 120 == len(logged_by_example(caplog))
    assert "pending already" not in caplog.text


@pytest.mark.anyio
async def test_orders_go_to_the_account_that_was_connected_last(
    opened: Open, sandbox: Sandbox
) -> None:
    """Connecting again ends the sender of the old account, after its orders."""
    async with opened() as stage:
        await stage.connect("acme")
        await add_receiver(stage, ORDER["email"])
        for number in range(2):
            await stage.browser.post(
                "/tenants/acme/orders", json=ORDER | {"order_id": f"B-{number}"}
            )
            await anyio.wait_all_tasks_blocked()
            await stage.connect("acme")
        await stage.browser.post("/tenants/acme/orders", json=ORDER)
        await anyio.wait_all_tasks_blocked()
        assert stage.stored("acme").access_token.reveal() == stage.spy.tokens[-1]

    stored = sandbox.store.orders(ORDER["email"])
    assert ["B-0", "B-1", "A-1"] == [line["order_id"] for line in stored]


def test_the_environment_configures_the_application(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It starts without a request and without a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "shop")
    monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", "geheim-123")

    paths = set(from_environment().openapi()["paths"])

    assert {"/callback", "/tenants/{tenant}/connect"} <= paths
    assert [] == list(tmp_path.iterdir())
