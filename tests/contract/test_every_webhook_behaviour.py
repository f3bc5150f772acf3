"""The endpoint receives the sandbox's webhooks under every switch, in process and over HTTP."""

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import httpx
import pytest
import trustme
import uvicorn

from cleverreach_async import (
    AutomationEvent,
    CleverReach,
    FilterEvent,
    FormEvent,
    GroupEvent,
    ReceiverEvent,
    ReceiverInput,
    WebhookApp,
    WebhookEndpoint,
    WebhookEvent,
    WebhookKeys,
    where,
)
from cleverreach_async.sandbox import Behaviour, Sandbox, deliver_over_http, deliver_to_app
from cleverreach_async.sandbox.server import running

pytestmark = pytest.mark.anyio

VERIFY = "shop-webhook-verify"
VARIANTS: dict[str, tuple[Any, ...]] = {
    "webhook_value": ("other",),
    "webhook_repeats": (2,),
    "webhook_order": ("reversed", "shuffled"),
    "webhook_ids": ("int",),
    "webhook_content_type": ("application/x-www-form-urlencoded", "text/plain", ""),
    "webhook_email": ("base64", "plain"),
    "webhook_key": ("sha256_text", "secret"),
    "webhook_vector": ("zero", "key"),
    "webhook_email_of": ("all",),
    "webhook_deleted_id": ("zero", "stale"),
    "webhook_retry_refused": (True,),
}
ENCRYPTIONS = [
    Behaviour(webhook_email=email, webhook_key=key, webhook_vector=vector)
    for email in ("hex", "base64")
    for key in ("sha256", "sha256_text", "secret")
    for vector in ("front", "zero", "key")
]
BEHAVIOURS = [
    *(Behaviour(**{name: value}) for name, values in VARIANTS.items() for value in values),
    *ENCRYPTIONS,
]
BRUCE = "bruce.thomas.wayne.of.gotham@manor.wayne.example"


class Shop:
    """An endpoint that knows the webhooks that it has registered, and keeps their events."""

    def __init__(self) -> None:
        self.keys: list[WebhookKeys] = []
        self.events: SimpleQueue[WebhookEvent] = SimpleQueue()
        self.fails = False
        self.endpoint = WebhookEndpoint(self.handle, keys=lambda: self.keys, verify=VERIFY)

    async def handle(self, event: WebhookEvent) -> None:
        """Keep an event, or fail."""
        if self.fails:
            raise ValueError
        self.events.put(event)

    async def register(self, sandbox: Sandbox, url: str, event: str, condition: str = "") -> None:
        """Register for an event, and keep token and secret."""
        body = {"url": url, "event": event, "condition": condition, "verify": VERIFY}
        headers = {"authorization": f"Bearer {sandbox.add_token()}"}
        transport = httpx.ASGITransport(app=sandbox.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x.example") as api:
            answer = await api.post("/hooks/eventhook", json=body, headers=headers)
        assert 200 == answer.status_code, answer.text
        made = answer.json()
        self.keys.append(
            WebhookKeys(
                calltoken=made["call_token"],
                secret=made["secret"],
                event=event,
                condition=condition,
            )
        )

    def taken(self) -> list[WebhookEvent]:
        """The events so far."""
        return [self.events.get_nowait() for _ in range(self.events.qsize())]


@pytest.fixture(params=BEHAVIOURS, ids=str)
def sandbox(request: pytest.FixtureRequest) -> Generator[Sandbox]:
    """A sandbox with each behaviour, whose clock does not move."""
    with Sandbox(behaviour=request.param, now=lambda: 1_767_225_600.0) as sandbox:
        yield sandbox


async def test_events_of_a_receiver(cr: CleverReach, sandbox: Sandbox) -> None:
    """All are received once, with ids as numbers, and the address of the deleted one."""
    shop = Shop()
    sandbox.deliver = deliver_to_app(WebhookApp(shop.endpoint))
    group = await cr.groups.create(name="Newsletter")
    await shop.register(sandbox, "https://shop.example/hook", "receiver", str(group.id))
    made = await cr.receivers.create(ReceiverInput(BRUCE), group_id=group.id)
    await cr.receivers.deactivate(made.id, group_id=group.id)
    await cr.receivers.delete(made.id, group_id=group.id)
    sent = await sandbox.deliver_webhooks()

    assert {200, 429} >= {it.status_code for it in sent}
    events = shop.taken()
    assert {"created", "subscribed", "unsubscribed", "deleted"} == {it.action for it in events}
    for event in events:
        assert isinstance(event, ReceiverEvent)
        assert (group.id, group.id, "") == (event.condition, event.group_id, event.email_problem)
        if event.action == "deleted":
            assert BRUCE == event.email
        else:
            assert made.id == event.pool_id
    if sandbox.behaviour.webhook_order == "events":
        assert 4 == len(events)


@pytest.mark.parametrize("sandbox", [Behaviour()], indirect=True)
async def test_groups_and_forms(cr: CleverReach, sandbox: Sandbox) -> None:
    """Several webhooks, each with a token of its own, at one endpoint."""
    shop = Shop()
    sandbox.deliver = deliver_to_app(WebhookApp(shop.endpoint))
    for event in ("group", "form.created"):
        await shop.register(sandbox, "https://shop.example/hook", event)
    group = await cr.groups.create(name="Newsletter")
    form_id = sandbox.add_form(group.id, "Sign-up")
    await cr.groups.delete(group.id)
    assert {200} == {it.status_code for it in await sandbox.deliver_webhooks()}
    created, form, deleted = shop.taken()
    assert isinstance(created, GroupEvent)
    assert isinstance(form, FormEvent)
    assert isinstance(deleted, GroupEvent)
    assert (group.id, form_id, group.id) == (created.group_id, form.form_id, deleted.group_id)


@pytest.mark.parametrize(
    "sandbox",
    [Behaviour(automation_id=it, webhook_ids=ids) for it in ("digits", "letters")
     for ids in ("str", "int")],
    ids=str, indirect=True,
)  # fmt: skip
async def test_segments_and_automations(cr: CleverReach, sandbox: Sandbox) -> None:
    """Each is one event, also for an automation whose id has letters."""
    shop = Shop()
    sandbox.deliver = deliver_to_app(WebhookApp(shop.endpoint))
    group = await cr.groups.create(name="Newsletter")
    ids = [
        (await cr.automation.create_abandoned_cart(name="Cart", store_id=it)).id
        for it in ("s1", "s2")
    ]
    await shop.register(sandbox, "https://shop.example/hook", "filter", str(group.id))
    for automation_id in ids:
        await shop.register(sandbox, "https://shop.example/hook", "automation", automation_id)
    made = await cr.filters.create(
        group_id=group.id, name="A", rules=where("email").contains("example")
    )
    for automation_id in ids:
        sandbox.set_automation(automation_id, active=True)
    assert {200} == {it.status_code for it in await sandbox.deliver_webhooks()}

    segment, *automations = shop.taken()
    assert isinstance(segment, FilterEvent)
    assert (group.id, str(made)) == (segment.condition, str(segment.payload["filter_id"]))
    found = [it.automation_id for it in automations if isinstance(it, AutomationEvent)]
    assert ids == found


async def test_a_failure_is_handled_when_it_is_repeated() -> None:
    """The sandbox repeats what the endpoint answers with 500."""
    time = 1_767_225_600.0
    shop = Shop()
    app = deliver_to_app(WebhookApp(shop.endpoint))
    with Sandbox(now=lambda: time, deliver=app) as sandbox:
        await shop.register(sandbox, "https://shop.example/hook", "form")
        sandbox.add_form(5, "Sign-up")
        shop.fails = True
        assert [500] == [it.status_code for it in await sandbox.deliver_webhooks()]
        shop.fails = False
        time += 60
        assert [200] == [it.status_code for it in await sandbox.deliver_webhooks()]
    assert ["form.created"] == [it.name for it in shop.taken()]


@contextmanager
def served(app: Any, **tls: str) -> Generator[str]:
    """Serve an application on a free port, and return its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", **tls))  # type: ignore[arg-type]
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.socket
def test_over_http() -> None:
    """Both sides are servers. The API answers although the endpoint is still busy."""
    busy, go_on = SimpleQueue[WebhookEvent](), SimpleQueue[None]()

    def handle(event: WebhookEvent) -> None:
        busy.put(event)
        go_on.get(timeout=30)

    known: list[WebhookKeys] = []
    endpoint = WebhookEndpoint(handle, keys=lambda: known, verify=VERIFY)
    with (
        Sandbox() as sandbox,
        served(WebhookApp(endpoint)) as url,
        running(sandbox) as address,
        httpx.Client(
            base_url=address, headers={"authorization": f"Bearer {sandbox.add_token()}"}
        ) as api,
    ):
        body = {"url": f"{url}/hook?shop=7", "event": "group", "verify": VERIFY}
        made = api.post("/hooks/eventhook", json=body).json()
        known.append(WebhookKeys(calltoken=made["call_token"], secret=made["secret"]))
        group_id = int(api.post("/v3/groups", json={"name": "Newsletter"}).json()["id"])
        event = busy.get(timeout=30)
        assert 200 == api.get(f"/v3/groups/{group_id}").status_code
        assert [] == sandbox.webhooks
        go_on.put(None)
        assert isinstance(event, GroupEvent)
        assert group_id == event.group_id


async def test_over_http_without_an_answer() -> None:
    """A port that nobody listens on: the registration is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    with Sandbox(deliver=deliver_over_http(timeout=5)) as sandbox:
        with pytest.raises(AssertionError, match="could not be verified"):
            await Shop().register(sandbox, f"http://127.0.0.1:{port}/", "group")
        assert [] == sandbox.store.rows("SELECT * FROM webhooks")


@pytest.mark.socket
async def test_over_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is verified: by the context if there is one, else by the system's store."""
    authority, stranger = trustme.CA(), trustme.CA()
    key, trusted = tmp_path / "key.pem", ssl.create_default_context()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(key)
    authority.configure_trust(trusted)  # pyright: ignore[reportUnknownMemberType]
    shop = Shop()

    def trust(authority: trustme.CA) -> None:
        """Make an authority the only one of the system."""
        authority.cert_pem.write_to_path(tmp_path / "trusted.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))

    with served(WebhookApp(shop.endpoint), ssl_certfile=str(key)) as url, Sandbox() as sandbox:
        sandbox.deliver = deliver_over_http(timeout=10)
        trust(authority)
        await shop.register(sandbox, f"{url}/hook", "form.created")
        trust(stranger)
        with pytest.raises(AssertionError, match="could not be verified"):
            await shop.register(sandbox, f"{url}/hook", "group")
        sandbox.add_form(1, "Sign-up")
        assert [None] == [it.status_code for it in await sandbox.deliver_webhooks()]
        sandbox.deliver = deliver_over_http(timeout=10, context=trusted)
        sandbox.add_form(1, "Sign-up")
        assert [200] == [it.status_code for it in await sandbox.deliver_webhooks()]
    assert ["form.created"] == [it.name for it in shop.taken()]
