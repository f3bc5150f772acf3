"""Run through the vendor's integration guide on a local sandbox, without an account.

    uv run --extra all python examples/walkthrough.py

It authorises an app, sets up a group, imports customers with their orders, sends a live order,
signs a visitor up, receives a webhook, reads a report, exports the group, and compares it with the
shop. For the real service use your own app, and no ``http_client``.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import httpx

from cleverreach_async import (
    CleverReach,
    Detail,
    ImportProgress,
    NotFoundError,
    OAuthApp,
    OrderInput,
    ReceiverEvent,
    ReceiverInput,
    UserToken,
    WebhookApp,
    WebhookEndpoint,
    WebhookEvent,
    WebhookKeys,
    new_state,
)
from cleverreach_async.sandbox import Sandbox, deliver_to_app

VERIFY = "a-word-of-your-own"


def customers(count: int) -> Iterator[ReceiverInput]:
    """Yield customers with their orders, as from a shop's database."""
    signed_up = datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(count):
        when = signed_up + timedelta(minutes=number)
        yield ReceiverInput(
            email=f"customer{number}@shop.example",
            registered=when,
            activated=when,
            source="walkthrough shop",
            global_attributes={"firstname": f"Kim {number}", "city": "Köln"},
            tags=["shop.customer"],
            orders=[
                OrderInput(
                    order_id=f"SO-{number}",
                    product="Blue mug",
                    product_id="MUG-B",
                    price=Decimal("9.90"),
                    currency="EUR",
                    quantity=2,
                    stamp=when,
                )
            ],
        )


async def prepare(cr: CleverReach) -> int:
    """Create the group and the account's attributes if they are missing; return the group's id."""
    group = await cr.groups.ensure(name="Newsletter")
    print(f"group {group.id}: {group.name}")
    for attribute in (await cr.attributes.ensure({"firstname": "text", "city": "text"})).values():
        print(f"global attribute {attribute.id}: {attribute.tag}")
    return group.id


async def initial_import(cr: CleverReach, group_id: int) -> None:
    """Import all customers with their orders, in batches of 1000."""

    def show(progress: ImportProgress) -> None:
        if not progress.finished:
            print(f"  {progress.accepted} accepted, {progress.rejected} rejected")

    report = await cr.bulk.upsert(customers(3500), group_id=group_id, on_progress=show)
    report.raise_for_failures()
    print(f"imported {report.accepted} customers in {report.requests} requests")


async def live_order(cr: CleverReach, group_id: int) -> None:
    """Send an order in the background when it is placed; no failure reaches the checkout."""
    async with cr.orders.background(on_error=print, group_id=group_id) as orders:
        orders.send(
            "customer7@shop.example",
            OrderInput("SO-90001", "Desk lamp", price=Decimal("49.90"), currency="EUR"),
        )
    receiver = await cr.receivers.get("customer7@shop.example", group_id=group_id)
    print(f"customer 7 has bought: {', '.join(order.product for order in receiver.orders)}")


async def double_opt_in(cr: CleverReach, group_id: int, form_id: int) -> None:
    """Sign a visitor up: they are added as inactive, and get the activation mail."""
    done = await cr.receivers.sign_up(
        ReceiverInput("new@visitor.example"),
        group_id=group_id,
        form_id=form_id,
        user_ip="203.0.113.7",
        referer="https://shop.example/newsletter",
        user_agent="Mozilla/5.0",
    )
    print(f"sign-up: {done.outcome}")
    inactive = [r.email async for r in cr.receivers.list(group_id=group_id, state="inactive")]
    print(f"not confirmed yet: {', '.join(inactive)}")


async def receive_webhook(cr: CleverReach, sandbox: Sandbox, group_id: int) -> None:
    """Register a webhook for unsubscriptions, and receive the event of one."""
    keys: list[WebhookKeys] = []

    async def handle(event: WebhookEvent) -> None:
        if isinstance(event, ReceiverEvent) and event.pool_id is not None:
            receiver = await cr.receivers.get(event.pool_id, group_id=group_id)
            print(f"webhook: {receiver.email} is {'active' if receiver.active else 'inactive'}")

    endpoint = WebhookEndpoint(handle, keys=lambda: keys, verify=VERIFY)
    sandbox.deliver = deliver_to_app(WebhookApp(endpoint))
    made = await cr.webhooks.register(
        "https://shop.example/cleverreach",
        "receiver.unsubscribed",
        verify=VERIFY,
        condition=group_id,
    )
    keys.append(WebhookKeys(calltoken=made.call_token, secret=made.secret))
    await cr.receivers.deactivate("customer9@shop.example", group_id=group_id)
    await sandbox.deliver_webhooks()


async def read_report(cr: CleverReach, report_id: int) -> None:
    """List drafts, read the report of a sent mailing, and handle a typed error."""
    drafts = await cr.mailings.list(state="draft")
    print(f"drafts: {', '.join(mailing.name for mailing in drafts)}")
    counters = (await cr.reports.get(report_id)).counters
    print(f"delivered {counters.delivered}, opened {counters.unique_opened}")
    try:
        await cr.reports.get(4711)
    except NotFoundError as error:
        print(f"unknown report: {error}")


async def export_and_verify(cr: CleverReach, group_id: int, folder: Path) -> None:
    """Write the group to a file, and compare it with the shop's customers."""
    written = await cr.bulk.export(group_id=group_id, detail=Detail.TAGS).write(
        folder / "newsletter.csv"
    )
    print(f"exported {written.receivers} receivers")
    compared = await cr.bulk.verify(customers(3500), group_id=group_id)
    print(
        f"compared: {compared.missing} missing, {compared.different} different,"
        f" {compared.beyond} that the shop does not have"
    )


async def authorise(app: OAuthApp, browser: httpx.AsyncClient) -> UserToken:
    """Let the user of an account grant access, as in a browser, and exchange the code at once."""
    state = new_state()
    answer = await browser.get(app.authorization_url(state=state))
    returned = app.read_callback(answer.headers["location"], state=state)
    token = await app.exchange_code(returned)
    print("authorised")
    return app.user(token)


async def main() -> None:
    """Run every step of the guide."""
    sandbox = Sandbox()
    sandbox.add_mailing(name="Spring sale", state="draft")
    sent = sandbox.add_mailing(name="Winter sale", state="finished")
    sandbox.add_report(sent, stats={"basic": {"delivered": 3400, "unique_opened": 1200}})
    in_process = httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app))
    app = OAuthApp(
        "sandbox",
        "sandbox-secret",
        redirect_uri="https://shop.example/callback",
        http_client=in_process,
    )
    async with CleverReach(await authorise(app, in_process), http_client=in_process) as cr:
        account = await cr.debug.whoami()
        print(f"token works for account {account.id}")
        group_id = await prepare(cr)
        form_id = await cr.forms.create_from_template(group_id, name="Sign-up")
        await initial_import(cr, group_id)
        await live_order(cr, group_id)
        await double_opt_in(cr, group_id, form_id)
        await receive_webhook(cr, sandbox, group_id)
        await read_report(cr, sent)
        with TemporaryDirectory() as folder:
            await export_and_verify(cr, group_id, Path(folder))
    sandbox.close()


if __name__ == "__main__":
    anyio.run(main)
