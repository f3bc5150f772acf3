"""The sandbox's page in process: what it shows and what its forms do."""

import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Fault, Sandbox, WebhookAnswer, WebhookCall

pytestmark = pytest.mark.anyio


def section(page: httpx.Response, name: str) -> str:
    """The text of a section, with single spaces."""
    found = re.search(rf'<section id="{name}".*?</section>', page.text, re.DOTALL)
    assert found is not None
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0])).split())


async def post(guest: httpx.AsyncClient, action: str, **fields: Any) -> httpx.Response:
    """Send a form of the page and follow its redirect."""
    return await guest.post(f"/sandbox/{action}", data=fields, follow_redirects=True)


async def test_everything_of_the_account(
    sandbox: Sandbox, api: httpx.AsyncClient, guest: httpx.AsyncClient, group: int
) -> None:
    """Groups, receivers with their state, orders, mails and requests are on the page."""
    form_id = sandbox.add_form(group, "Sign-up")
    people = [
        {"email": "mia@example.org", "activated": 1, "tags": ["vip"], "source": "shop"},
        {"email": "new@example.org", "activated": 0},
        {"email": "gone@example.org", "activated": 1, "deactivated": 1},
        {"email": "full@example.org", "activated": 1},
    ]
    await api.post(f"groups/{group}/receivers/upsert", json=people)
    sandbox.add_bounce("full@example.org")
    line = {"order_id": "A-17", "product": "Lamp", "price": 49.9, "quantity": 2, "currency": "EUR"}
    await api.post("receivers/mia@example.org/orders", json=line)
    proof = {"user_ip": "127.0.0.1", "referer": "x", "user_agent": "y"}
    mail = {"email": "new@example.org", "doidata": proof}
    await api.post(f"forms/{form_id}/send/activate", json=mail)

    page = await guest.get("/")

    assert f"Newsletter {group} 4 Sign-up ({form_id}) no" in section(page, "groups")
    receivers = section(page, "receivers")
    assert ["active", "not confirmed", "unsubscribed", "bounced"] == re.findall(
        r"example\.org \d+ (active|not confirmed|unsubscribed|bounced)", receivers
    )
    assert "vip 1 shop" in receivers
    assert "A-17 mia@example.org Lamp 2 49.9 EUR" in section(page, "orders")
    assert f"new@example.org opt-in {form_id} {group}" in section(page, "mails")
    assert "POST /v3/receivers/mia@example.org/orders 200" in section(page, "requests")
    assert "main" == re.findall(r"<title>(\w+)", page.text)[0]


async def test_receivers_are_shown_in_parts(
    api: httpx.AsyncClient, guest: httpx.AsyncClient, group: int
) -> None:
    """Each page has a link to the next one, and an address can be searched for."""
    other = (await api.post("groups", json={"name": "Other"})).json()["id"]
    for group_id in (group, other):
        rows = [{"email": f"r{index}-{group_id}@example.org"} for index in range(60)]
        await api.post(f"groups/{group_id}/receivers/upsert", json=rows)

    def shown(page: httpx.Response) -> list[str]:
        """The addresses in the order of the page."""
        return re.findall(r"r\d+-\d+@example\.org", section(page, "receivers"))

    first = await guest.get("/", params={"group": other})
    links = re.findall(r'href="(\./[^"]+)">(?:Next|First) page', first.text)
    second = await guest.get(unescape(links[0]))

    expected = [f"r{index}-{other}@example.org" for index in range(60)]
    assert (expected[:50], expected[50:]) == (shown(first), shown(second))
    assert "First page" in section(second, "receivers")
    found = await guest.get("/", params={"group": other, "find": "R59-"})
    assert [f"r59-{other}@example.org"] == shown(found)
    for odd in ("x", "-1", "9" * 40, "٣"):
        assert 200 == (await guest.get("/", params={"group": odd, "after": odd})).status_code


async def test_text_is_escaped(
    sandbox: Sandbox, api: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    """Names are shown as they are, and are no HTML."""
    name = "<script>alert(1)</script> & \"'"
    await api.post("groups", json={"name": name})
    sandbox.faults.add(Fault("status", path_prefix=f"/{name}"))

    page = await guest.get("/", params={"find": name, "done": name})

    assert "<script>alert" not in page.text
    assert name in section(page, "groups")
    assert "'self'" in page.headers["content-security-policy"]


async def test_expiring_tokens_of_one_account(sandbox: Sandbox, guest: httpx.AsyncClient) -> None:
    """The tokens of the others stay valid; the page says what it has done."""
    shop = sandbox.add_account("shop-42")
    tokens = sandbox.add_token(), shop.add_token()

    page = await post(guest, "expire-tokens", account="shop-42")

    answers = [
        await guest.get("/v3/groups", headers={"authorization": f"Bearer {it}"}) for it in tokens
    ]
    assert [200, 401] == [it.status_code for it in answers]
    assert "Done: all access tokens of the account have expired." in section(page, "tokens")
    assert "Valid access tokens 0" in section(page, "tokens")
    assert "Valid access tokens 1" in section(await guest.get("/?account=main"), "tokens")


async def test_confirming_an_opt_in(
    sandbox: Sandbox, api: httpx.AsyncClient, guest: httpx.AsyncClient, group: int
) -> None:
    """The button does what the link in the mail does; a receiver that is gone is said."""
    form_id = sandbox.add_form(group, "Sign-up")
    row = {"email": "mia@example.org", "activated": 0}
    await api.post(f"groups/{group}/receivers", json=row)
    proof = {"user_ip": "127.0.0.1", "referer": "x", "user_agent": "y"}
    mail = {"email": "mia@example.org", "doidata": proof}
    await api.post(f"forms/{form_id}/send/activate", json=mail)
    number = re.findall(r'name="mail" value="(\d+)"', (await guest.get("/")).text)[0]

    page = await post(guest, "follow-link", mail=number)

    receiver = sandbox.store.receiver(group, "mia@example.org")
    assert receiver is not None
    assert receiver["active"]
    assert "Done:" in section(page, "mails")
    await api.delete(f"groups/{group}/receivers/mia@example.org")
    for mail_id, reason in ((number, "is gone"), ("4711", "no such e-mail"), ("x", "no such")):
        refused = await post(guest, "follow-link", mail=mail_id)
        assert (400, True) == (refused.status_code, reason in section(refused, "mails"))


async def test_faults(sandbox: Sandbox, api: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    """A fault is added as on the command line, and removed alone."""
    sandbox.faults.add(Fault("latency", seconds=0.001, path_suffix="/none"))
    await post(guest, "add-fault", spec="503:times=2")
    page = await post(guest, "add-fault", spec="404=100%")
    assert "latency, 0.001 s, path_suffix /none" in section(page, "faults")
    assert [503, 503, 404] == [(await api.get("groups")).status_code for _ in range(3)]

    unknown = await post(guest, "add-fault", spec="503:account=shp")
    assert (400, True) == (unknown.status_code, "There is no account" in unknown.text)
    refused = await post(guest, "add-fault", spec="<nonsense>")
    assert 400 == refused.status_code
    assert "Not done: Unknown fault '<nonsense>'" in section(refused, "faults")
    assert 'value="&lt;nonsense&gt;"' in refused.text
    stale = await post(guest, "remove-fault", index=2, fault="latency, 1 s")
    assert "have changed in the meantime" in section(stale, "faults")
    await post(guest, "remove-fault", index=1, fault="status 503, times 2")
    await post(guest, "remove-fault", index=1, fault="status 404")

    assert [Fault("latency", seconds=0.001, path_suffix="/none")] == [*sandbox.faults.current]
    assert 200 == (await api.get("groups")).status_code


def test_a_removed_fault_leaves_the_others_alone() -> None:
    """What the others have counted stays theirs."""
    sandbox = Sandbox()
    faults = sandbox.faults
    for times in (1, 2, 3):
        faults.add(Fault("status", code=500 + times, times=times))
    assert 501 == getattr(faults.decide("GET", "/v3/groups")[1], "code", None)
    assert 502 == getattr(faults.decide("GET", "/v3/groups")[1], "code", None)

    faults.remove(0)

    codes = [getattr(faults.decide("GET", "/v3/groups")[1], "code", None) for _ in range(5)]
    assert [502, 503, 503, 503, None] == codes


async def test_limits(sandbox: Sandbox, api: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    """All limits of one account are set at once, or none."""
    fields = {"rate": "1", "max_in_flight": "3", "outages": "100:130, 200:210"}
    await post(guest, "limits", **fields, retry_after="yes")

    limits = sandbox.limits
    expected = (1.0, 3, ((100.0, 130.0), (200.0, 210.0)), True)
    assert expected == (limits.rate, limits.max_in_flight, limits.outages, limits.retry_after)
    assert [200, 429] == [(await api.get("groups")).status_code for _ in range(2)]
    for wrong in ({"rate": "0"}, {"max_in_flight": "x"}, {"outages": "30:10"}):
        refused = await post(guest, "limits", **fields | {"rate": "9"} | wrong)
        assert (400, 1.0) == (refused.status_code, limits.rate)
        assert "Not done:" in section(refused, "limits")
    await post(guest, "limits", rate="", max_in_flight="", outages="", retry_after="no")
    assert not limits.are_set


async def test_switches(sandbox: Sandbox, guest: httpx.AsyncClient) -> None:
    """Every switch has a control with its documentation; others stay as they are."""
    sandbox.behaviour = Behaviour(webhook_retries=(5, 30), suspicious=("a@b.example",))
    page = await guest.get("/")
    controls = re.findall(r'<(?:select|input) name="(\w+)"[^>]*aria-describedby', page.text)
    assert {*Behaviour.__slots__} <= {*controls}
    assert "A refused row of insert, update, upsert" in section(page, "switches")
    assert "Changed: suspicious, webhook_retries." in section(page, "switches")

    done = await post(guest, "switches", error_shape="flat", agency="no", contact_limit="7")
    expected = Behaviour(
        webhook_retries=(5, 30),
        suspicious=("a@b.example",),
        error_shape="flat",
        agency=False,
        contact_limit=7,
    )
    assert expected == sandbox.behaviour
    assert "Done:" in section(done, "switches")
    refused = await post(guest, "switches", max_rows="many", error_shape="string")
    assert "Switch max_rows needs a whole number" in section(refused, "switches")
    assert expected == sandbox.behaviour


async def test_webhooks(sandbox: Sandbox, api: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    """Those that are registered, and what was sent to them."""

    async def deliver(call: WebhookCall) -> WebhookAnswer:
        """Accept the verification and refuse everything else."""
        secret = httpx.URL(call.url).params.get("secret", "")
        status = 200 if call.method == "GET" else 500
        body = f"check-of-the-shop {secret}".encode()
        return WebhookAnswer(status, {"content-type": "text/plain"}, body)

    sandbox.deliver = deliver
    hook = {"url": "https://shop.example/hook", "event": "group", "verify": "check-of-the-shop"}
    await guest.post("/hooks/eventhook", json=hook, headers=api.headers)
    assert "Nothing was delivered yet." in section(await guest.get("/"), "webhooks")
    await api.post("groups", json={"name": "Newsletter"})
    await sandbox.deliver_webhooks()

    shown = section(await guest.get("/"), "webhooks")

    assert "group all https://shop.example/hook" in shown
    assert "group.created https://shop.example/hook 500 refused 1" in shown


async def test_several_accounts(sandbox: Sandbox, guest: httpx.AsyncClient) -> None:
    """Each has a page of its own, with links to the others."""
    shop = sandbox.add_account("shop-42")
    headers = {"authorization": f"Bearer {shop.add_token()}"}
    await guest.post("/v3/groups", json={"name": "Tenant"}, headers=headers)

    main, tenant = await guest.get("/"), await guest.get("/?account=shop-42")

    assert [False, True] == ["Tenant" in section(it, "groups") for it in (main, tenant)]
    assert [False, True] == ["/v3/groups" in section(it, "requests") for it in (main, tenant)]
    assert 'href="./?account=shop-42">shop-42</a>' in main.text
    assert 404 == (await guest.get("/?account=nobody")).status_code
    assert 404 == (await post(guest, "expire-tokens", account="nobody")).status_code


async def test_the_page_is_no_call(
    sandbox: Sandbox, guest: httpx.AsyncClient, advance: Callable[[float], None]
) -> None:
    """Its requests are not recorded, and faults and limits do not apply to it."""
    sandbox.faults.add(Fault("status", path_prefix="/"))
    sandbox.limits.outages = ((0, 100),)
    advance(1)

    statuses = [
        (await guest.request(method, path)).status_code
        for method, path in (
            ("GET", "/"),
            ("HEAD", "/"),
            ("GET", "/sandbox/page.css"),
            ("GET", "/sandbox/page.js"),
            ("GET", "/sandbox/other"),
            ("PUT", "/"),
            ("GET", "/sandbox/limits"),
        )
    ]

    assert [200, 200, 200, 200, 404, 405, 405] == statuses
    assert ([], 0) == (sandbox.requests, sandbox.count())
    assert 503 == (await guest.get("/v3/nothing")).status_code
    large = await guest.post("/sandbox/limits", content=b"x" * 100_001)
    assert 413 == large.status_code


def test_the_page_costs_nothing_until_it_is_opened() -> None:
    """A sandbox that nobody looks at does not import it."""
    code = (
        "import sys; from cleverreach_async.sandbox import Sandbox; Sandbox();"
        "print([it for it in sys.modules if it.startswith('cleverreach_async.sandbox.page.')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert "[]" == run.stdout.strip()
