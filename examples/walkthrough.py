"""Run through the vendor's integration guide on a local sandbox, without an account.

    uv run --all-extras python examples/walkthrough.py

For the real service pass the credentials of your own app to ``CleverReach`` and no ``http_client``.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import anyio
import httpx

from cleverreach_async import (
    CleverReach,
    Detail,
    ImportProgress,
    NotFoundError,
    OAuthApp,
    OrderInput,
    ReceiverInput,
)
from cleverreach_async.sandbox import Sandbox


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


async def look_around(cr: CleverReach, group_id: int) -> None:
    """List drafts, page through receivers, and handle a typed error."""
    drafts = await cr.mailings.list(state="draft")
    print(f"drafts: {', '.join(mailing.name for mailing in drafts)}")
    page = await cr.receivers.list(group_id=group_id, detail=Detail.TAGS, page_size=2)
    print(f"first page: {', '.join(f'{r.email} {list(r.tags)}' for r in page)}")
    try:
        await cr.reports.get(4711)
    except NotFoundError as error:
        print(f"unknown report: {error}")


async def main() -> None:
    """Run every step of the guide."""
    sandbox = Sandbox()
    sandbox.add_mailing(name="Spring sale", state="draft")
    app = OAuthApp("sandbox", "sandbox-secret")
    in_process = httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app))
    async with CleverReach(app.client_credentials(), http_client=in_process) as cr:
        account = await cr.debug.whoami()
        print(f"token works for account {account.id}")
        group_id = await prepare(cr)
        form_id = await cr.forms.create_from_template(group_id, name="Sign-up")
        await initial_import(cr, group_id)
        await live_order(cr, group_id)
        await double_opt_in(cr, group_id, form_id)
        await look_around(cr, group_id)
    sandbox.close()


if __name__ == "__main__":
    anyio.run(main)
