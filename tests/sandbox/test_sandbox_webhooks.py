"""Webhooks of the sandbox: registration, what is delivered, retries, and every switch."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox, WebhookAnswer, WebhookCall

pytestmark = pytest.mark.anyio

URL = "https://shop.example/hook"
WORD = "shop-webhook-verify"
HOOK = {"url": URL, "event": "receiver", "verify": WORD}


class Shop:
    """A webhook that answers the verification and stores deliveries.

    Attributes:
        calls: Every request.
        answer: The response to a verification, with ``{}`` for the value.
        status: The status of the response to a delivery; None drops the connection.
    """

    def __init__(self) -> None:
        self.calls: list[WebhookCall] = []
        self.answer = WebhookAnswer(200, {"content-type": "text/plain"}, f"{WORD} {{}}".encode())
        self.status: int | None = 200

    async def __call__(self, call: WebhookCall) -> WebhookAnswer:
        """Respond."""
        self.calls.append(call)
        if call.method == "GET":
            value = call.url.partition("secret=")[2].encode()
            return replace(self.answer, body=self.answer.body.replace(b"{}", value))
        if self.status is None:
            raise ConnectionError
        return WebhookAnswer(self.status)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON of the deliveries."""
        return [json.loads(call.body) for call in self.calls if call.method == "POST"]

    @property
    def events(self) -> list[str]:
        """The names of the delivered events."""
        return [body["event"] for body in self.bodies]


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    """A webhook that the sandbox reaches."""
    shop = Shop()
    sandbox.deliver = shop
    return shop


async def register(api: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    """Register a webhook, outside of /v3."""
    body = {name: value for name, value in (HOOK | fields).items() if value is not ...}
    return await api.post("http://sandbox.example/hooks/eventhook", json=body)


async def test_registration(api: httpx.AsyncClient, shop: Shop) -> None:
    """The URL is verified, and token and secret are returned once; the list has neither."""
    answer = (await register(api, condition="540001")).json()
    assert [True, 64, 32] == [
        answer["success"],
        *map(len, (answer["call_token"], answer["secret"])),
    ]
    [call] = shop.calls
    assert ("GET", f"{URL}?secret={answer['secret']}") == (call.method, call.url)
    listed = await api.get("http://sandbox.example/hooks/eventhook")
    assert [{"event": "receiver", "condition": "540001", "url": URL}] == listed.json()


async def test_a_query_of_the_url_stays(api: httpx.AsyncClient, shop: Shop) -> None:
    """The value is one more parameter, and may be another one than the secret."""
    assert 200 == (await register(api, url=f"{URL}?shop=1")).status_code
    assert shop.calls[0].url.startswith(f"{URL}?shop=1&secret=")


async def test_the_value_may_be_another_one(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop
) -> None:
    """Than the secret that is returned."""
    sandbox.behaviour = Behaviour(webhook_value="other")
    answer = (await register(api)).json()
    assert not shop.calls[0].url.endswith(answer["secret"])


@pytest.mark.parametrize(
    "fields",
    [
        *({"url": ...}, {"url": ""}, {"url": "shop.example"}, {"url": "ftp://shop.example/"}),
        *({"url": "https://["}, {"url": "https://shop.example:x/"}),
        *({"event": ...}, {"event": "receiver.sent"}, {"event": "Receiver"}),
        *({"verify": ...}, {"verify": "short"}, {"verify": "x" * 51}, {"condition": 540_001}),
    ],
)
async def test_a_registration_is_refused(
    api: httpx.AsyncClient, shop: Shop, fields: dict[str, Any]
) -> None:
    """Before the URL is asked. A condition must be text."""
    assert 400 == (await register(api, **fields)).status_code
    assert [] == shop.calls


@pytest.mark.parametrize(
    "answer",
    [
        WebhookAnswer(404, {"content-type": "text/plain"}, f"{WORD} {{}}".encode()),
        WebhookAnswer(200, {"content-type": "text/html"}, f"{WORD} {{}}".encode()),
        WebhookAnswer(200, {}, f"{WORD} {{}}".encode()),
        WebhookAnswer(200, {"content-type": "text/plain"}, f"{WORD}{{}}".encode()),
        WebhookAnswer(200, {"content-type": "text/plain"}, f'"{WORD} {{}}"'.encode()),
    ],
)
async def test_a_wrong_verification_is_refused(
    api: httpx.AsyncClient, shop: Shop, answer: WebhookAnswer
) -> None:
    """Nothing is registered."""
    shop.answer = answer
    assert 400 == (await register(api)).status_code
    assert [] == (await api.get("http://sandbox.example/hooks/eventhook")).json()


async def test_an_address_without_an_answer_is_refused(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Nothing is registered."""

    async def fail(call: WebhookCall) -> WebhookAnswer:
        raise ConnectionError

    sandbox.deliver = fail
    assert 400 == (await register(api)).status_code
    assert [] == (await api.get("http://sandbox.example/hooks/eventhook")).json()


async def test_a_sandbox_that_sends_nothing(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop
) -> None:
    """Registers without verification; what happened is sent once it can send."""
    sandbox.deliver = None
    assert 200 == (await register(api, event="group")).status_code
    await api.post("groups", json={"name": "One"})
    assert [] == await sandbox.deliver_webhooks()
    sandbox.deliver = shop
    await sandbox.deliver_webhooks()
    assert ["group.created"] == shop.events


async def test_http_may_be_refused(api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop) -> None:
    """As the vendor does."""
    sandbox.behaviour = Behaviour(webhook_url="https")
    assert 400 == (await register(api, url="http://shop.example/")).status_code
    sandbox.behaviour = Behaviour()
    assert 200 == (await register(api, url="http://shop.example/")).status_code


async def test_a_second_registration(api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop) -> None:
    """For the same event and condition is refused, or replaces the first."""
    assert 200 == (await register(api)).status_code
    assert 200 == (await register(api, condition="5")).status_code
    assert 409 == (await register(api)).status_code
    sandbox.behaviour = Behaviour(repeated_webhook="replace")
    assert 200 == (await register(api, url="https://other.example/")).status_code
    urls = [it["url"] for it in (await api.get("http://sandbox.example/hooks/eventhook")).json()]
    assert [URL, "https://other.example/"] == urls


async def test_removal(api: httpx.AsyncClient, shop: Shop, group: int) -> None:
    """With one condition, or all; nothing is delivered afterwards."""
    path = "http://sandbox.example/hooks/eventhook"
    for condition in ("", "5", str(group)):
        await register(api, condition=condition)
    assert (await api.delete(f"{path}/receiver", params={"condition": "5"})).json() is True
    assert ["", str(group)] == [it["condition"] for it in (await api.get(path)).json()]
    assert 404 == (await api.delete(f"{path}/receiver", params={"condition": "5"})).status_code
    assert (await api.delete(f"{path}/receiver")).json() is True
    assert [] == (await api.get(path)).json()
    assert 404 == (await api.delete(f"{path}/receiver")).status_code


async def test_a_token_is_needed(guest: httpx.AsyncClient, shop: Shop) -> None:
    """As for every other call."""
    assert 401 == (await guest.get("/hooks/eventhook")).status_code
    assert 401 == (await guest.post("/hooks/eventhook", json=HOOK)).status_code
    assert 401 == (await guest.delete("/hooks/eventhook/receiver")).status_code


# Events.


async def test_a_life_of_a_receiver(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, group: int
) -> None:
    """Every change is delivered, in the order in which it happened, with ids only."""
    token = (await register(api)).json()["call_token"]
    path = f"groups/{group}/receivers"
    made = (await api.post(path, json={"email": "mia@example.org"})).json()
    await api.put(f"{path}/{made['id']}", json={"source": "shop"})
    await api.put(f"{path}/{made['id']}", json={"global_attributes": {"firstname": "Mia"}})
    await api.put(f"{path}/{made['id']}/deactivate")
    await api.put(f"{path}/{made['id']}/activate")
    await api.delete(f"{path}/{made['id']}")
    assert [] == shop.bodies
    sent = await sandbox.deliver_webhooks()
    expected = ["created", "subscribed", "updated", "updated", "unsubscribed", "subscribed"]
    assert [f"receiver.{it}" for it in [*expected, "deleted"]] == shop.events
    ids = {"pool_id": str(made["id"]), "group_id": str(group)}
    assert {"event": "receiver.created", "condition": str(group), "payload": ids} == shop.bodies[0]
    post = shop.calls[-1]
    assert ("POST", URL, token) == (post.method, post.url, post.headers["X-CR-Calltoken"])
    assert "application/json" == post.headers["Content-Type"]
    assert {"email", "group_id"} == set(shop.bodies[-1]["payload"])
    assert sandbox.webhooks == sent
    assert [] == await sandbox.deliver_webhooks()


async def test_batches_mails_and_bounces(
    api: httpx.AsyncClient,
    sandbox: Sandbox,
    shop: Shop,
    group: int,
    advance: Callable[[float], None],
) -> None:
    """However a receiver changes, the change is delivered."""
    await register(api)
    rows = [{"email": f"p{n}@example.org", "activated": 0} for n in range(60)]
    path = f"groups/{group}/receivers"
    answer = await api.post(f"{path}/upsert", json=rows)
    assert len(rows) == len(answer.json())
    form = sandbox.add_form(group, "Sign-up")
    proof = {"user_ip": "203.0.113.7", "referer": "https://shop.example/", "user_agent": "x"}
    await api.post(
        f"forms/{form}/send/activate", json={"email": "p7@example.org", "doidata": proof}
    )
    sandbox.follow_link(sandbox.mails[0])
    sandbox.add_bounce("p7@example.org")
    advance(1)
    await api.post(f"{path}/upsert", json=rows[:2])
    await api.post(f"{path}/delete", json=["p1@example.org"])
    await api.delete(f"groups/{group}/clear")
    await sandbox.deliver_webhooks()
    names = [it.removeprefix("receiver.") for it in shop.events]
    expected = ["created"] * 60 + ["subscribed"] + ["updated"] * 3 + ["deleted"] * 60
    assert expected == names


async def test_groups_and_forms(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, group: int
) -> None:
    """Created, updated and deleted; a condition selects one group."""
    for event in ("group", "form.created"):
        await register(api, event=event)
    await register(api, event="group.deleted", condition=str(group))
    other = (await api.post("groups", json={"name": "Other"})).json()["id"]
    await api.put(f"groups/{other}", json={"name": "Else"})
    form = sandbox.add_form(group, "Sign-up")
    await api.delete(f"forms/{form}")
    await api.delete(f"groups/{other}")
    await api.delete(f"groups/{group}")
    await sandbox.deliver_webhooks()
    names = ["group.created", "group.updated", "form.created", *["group.deleted"] * 3]
    assert names == shop.events
    assert {"group_id": other} == shop.bodies[0]["payload"]
    form_body = shop.bodies[2]
    assert (str(group), {"form_id": str(form)}) == (form_body["condition"], form_body["payload"])


async def test_segments(api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, group: int) -> None:
    """Created, updated and deleted, with the ids of segment and group; the condition is a group."""
    await register(api, event="filter", condition=str(group))
    await register(api, event="filter.deleted", condition="1")
    rules = [{"field": "email", "logic": "contains", "condition": "example"}]
    path = f"groups/{group}/filters"
    made = (await api.post(path, json={"name": "A", "rules": rules})).json()["id"]
    await api.put(f"{path}/{made}", json={"name": "B", "rules": rules})
    await api.delete(f"{path}/{made}")
    await sandbox.deliver_webhooks()
    assert ["filter.created", "filter.updated", "filter.deleted"] == shop.events
    ids = {"filter_id": made, "group_id": str(group)}
    assert [(str(group), ids)] * 3 == [(it["condition"], it["payload"]) for it in shop.bodies]


@pytest.mark.parametrize("automation_id", ["digits", "letters"])
async def test_automations(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, automation_id: Any
) -> None:
    """Activated, deactivated and deleted; the condition is the id, and a new one is not active."""
    sandbox.behaviour = Behaviour(automation_id=automation_id)
    path = "automation/createfromtemplate/abandonedcart"
    fields = {"name": "Cart", "description": "", "storeid": "s1"}
    ids = [(await api.post(path, json=fields)).json()["id"] for _ in range(2)]
    await register(api, event="automation", condition=ids[0])
    await register(api, event="automation.deleted")
    for one in ids:
        sandbox.set_automation(one, active=True)
        sandbox.set_automation(one, active=True)
        sandbox.set_automation(one, active=False)
        sandbox.delete_automation(one)
    await sandbox.deliver_webhooks()
    names = ["automation.activated", "automation.deactivated", *["automation.deleted"] * 3]
    assert names == shop.events
    assert [ids[0]] * 4 + [ids[1]] == [it["condition"] for it in shop.bodies]
    with pytest.raises(ValueError, match="no automation"):
        sandbox.delete_automation(ids[0])


async def test_what_happened_before_is_not_delivered(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, group: int
) -> None:
    """Nor what happens while nothing is registered."""
    path = f"groups/{group}/receivers"
    await api.post(path, json={"email": "a@example.org"})
    await register(api)
    await api.post(path, json={"email": "b@example.org"})
    await api.delete("http://sandbox.example/hooks/eventhook/receiver")
    await register(api)
    assert [] == await sandbox.deliver_webhooks()


async def test_a_file_keeps_the_registrations(tmp_path: Any) -> None:
    """And what has happened since the last delivery."""
    path, shop = str(tmp_path / "account.sqlite"), Shop()
    for name in ("one", "two"):
        with Sandbox(path, deliver=shop) as sandbox:
            headers = {"authorization": f"Bearer {sandbox.add_token()}"}
            transport = httpx.ASGITransport(app=sandbox.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://sandbox.example/v3/", headers=headers
            ) as api:
                if name == "one":
                    await register(api, event="group")
                await api.post("groups", json={"name": name})
            if name == "two":
                await sandbox.deliver_webhooks()
    assert ["group.created"] * 2 == shop.events


# Retries.


@pytest.mark.parametrize("status", [500, 503, None])
async def test_a_failure_is_delivered_again(
    api: httpx.AsyncClient,
    sandbox: Sandbox,
    shop: Shop,
    advance: Callable[[float], None],
    status: int | None,
) -> None:
    """After the pauses of the behaviour, by the sandbox's clock, until there is none left."""
    sandbox.behaviour = Behaviour(webhook_retries=(60, 300))
    await register(api, event="group")
    await api.post("groups", json={"name": "One"})
    shop.status = status
    attempts: list[list[int]] = []
    for seconds in (0, 59, 1, 299, 1, 10_000):
        advance(seconds)
        attempts.append([it.attempt for it in await sandbox.deliver_webhooks()])
    assert [[1], [], [2], [], [3], []] == attempts
    assert [status] * 3 == [it.status_code for it in sandbox.webhooks]


async def test_an_accepted_delivery_ends_the_retries(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, advance: Callable[[float], None]
) -> None:
    """The repeat is identical."""
    await register(api, event="group")
    await api.post("groups", json={"name": "One"})
    shop.status = 500
    await sandbox.deliver_webhooks()
    shop.status = 204
    advance(60)
    [sent] = await sandbox.deliver_webhooks()
    assert (2, True) == (sent.attempt, sent.ok)
    assert shop.calls[-1] == shop.calls[-2]
    advance(10_000)
    assert [] == await sandbox.deliver_webhooks()


@pytest.mark.parametrize(("is_repeated", "attempts"), [(False, 1), (True, 2)])
async def test_a_refused_delivery(
    api: httpx.AsyncClient,
    sandbox: Sandbox,
    shop: Shop,
    advance: Callable[[float], None],
    is_repeated: bool,
    attempts: int,
) -> None:
    """Is final, or repeated as a failure is."""
    sandbox.behaviour = Behaviour(webhook_retries=(60,), webhook_retry_refused=is_repeated)
    await register(api, event="group")
    await api.post("groups", json={"name": "One"})
    shop.status = 401
    for _ in range(3):
        await sandbox.deliver_webhooks()
        advance(60)
    assert attempts == len(shop.events)


# Switches.


async def test_order_and_repeats(api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop) -> None:
    """Deliveries may come in another order, and more than once."""
    await register(api, event="group")
    for order, repeats in (("reversed", 0), ("shuffled", 1), ("events", 1)):
        sandbox.behaviour = Behaviour(webhook_order=order, webhook_repeats=repeats)  # type: ignore[arg-type]
        ids = [(await api.post("groups", json={"name": "x"})).json()["id"] for _ in range(9)]
        sent = [it.body["payload"]["group_id"] for it in await sandbox.deliver_webhooks()]
        expected = {"reversed": ids[::-1], "events": [it for it in ids for _ in range(2)]}
        if order == "shuffled":
            assert sorted([*ids, *ids]) == sorted(sent)
            assert sent != sorted(sent)
        else:
            assert expected[order] == sent


async def test_ids_and_types(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, group: int
) -> None:
    """Ids may be numbers, and the type may be missing."""
    sandbox.behaviour = Behaviour(webhook_ids="int", webhook_content_type="")
    await register(api)
    made = (await api.post(f"groups/{group}/receivers", json={"email": "a@example.org"})).json()
    await sandbox.deliver_webhooks()
    assert {"pool_id": int(made["id"]), "group_id": group} == shop.bodies[0]["payload"]
    assert "Content-Type" not in shop.calls[-1].headers


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Behaviour(webhook_email="missing"), {}),
        (Behaviour(webhook_email="plain"), {"email": "a@example.org"}),
        (Behaviour(webhook_email="missing", webhook_deleted_id="zero"), {"pool_id": "0"}),
        (Behaviour(webhook_email="missing", webhook_deleted_id="stale"), {"pool_id": "1"}),
    ],
)
async def test_a_deleted_receiver(
    api: httpx.AsyncClient,
    sandbox: Sandbox,
    shop: Shop,
    group: int,
    behaviour: Behaviour,
    expected: dict[str, str],
) -> None:
    """May be named by its address, by an id of no use, or not at all."""
    sandbox.behaviour = behaviour
    await register(api, event="receiver.deleted")
    await api.post(f"groups/{group}/receivers", json={"email": "a@example.org"})
    await api.delete(f"groups/{group}/receivers/a@example.org")
    await sandbox.deliver_webhooks()
    assert [{"group_id": str(group)} | expected] == [it["payload"] for it in shop.bodies]


async def test_other_events_may_have_the_address(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, group: int
) -> None:
    """Encrypted like that of a deleted receiver."""
    sandbox.behaviour = Behaviour(webhook_email_of="all", webhook_email="base64")
    await register(api, event="receiver.created")
    await api.post(f"groups/{group}/receivers", json={"email": "a@example.org"})
    await sandbox.deliver_webhooks()
    payload = shop.bodies[0]["payload"]
    assert {"pool_id", "group_id", "email"} == set(payload)
    assert "example" not in payload["email"]


async def test_without_the_library_nothing_is_registered(
    api: httpx.AsyncClient, sandbox: Sandbox, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be encrypted later is refused, and the message names the remedy."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    monkeypatch.delitem(sys.modules, "cleverreach_async.sandbox.hook_secrets", raising=False)
    monkeypatch.delattr("cleverreach_async.sandbox.hook_secrets", raising=False)
    refused = await register(api)
    assert (400, True) == (refused.status_code, "cleverreach-async[webhooks]" in refused.text)
    sandbox.behaviour = Behaviour(webhook_email_of="all")
    assert 400 == (await register(api, event="receiver.created")).status_code
    sandbox.behaviour = Behaviour(webhook_email="missing")
    assert 200 == (await register(api)).status_code
