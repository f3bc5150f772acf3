"""The client works with every plausible behaviour of the real API."""

from collections.abc import Iterator
from typing import Any

import pytest

from cleverreach_async import (
    APIStatusError,
    CleverReach,
    ImportFailedError,
    NotFoundError,
    OrderInput,
    ReceiverInput,
)
from cleverreach_async.resources.attributes import AttributeType
from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

VARIANTS: dict[str, tuple[Any, ...]] = {
    "bad_row_as": ("object",),
    "refused_plus_row": ("string", "object"),
    "plus_order": ("reversed", "shuffled"),
    "plus_nothing_stored": ("false",),
    "plus_with_orders": (True,),
    "repeated_row": ("once",),
    "batch_item_id": ("str",),
    "missing_group_on_batch": (405,),
    "max_rows": (100, 999),
    "max_body_bytes": (2000, 50_000),
    "blacklisted_row": ("refuse",),
    "negative_number": ("store",),
    "attribute_spelling": ("any",),
    "attribute_letters": ("ascii",),
    "order_quantity_key": ("amount",),
    "arrays": ("numbered", "keyed"),
    "sparse_profiles": (True,),
    "email_case": ("lower",),
    "empty_map": ("list",),
    "single_read": ("list",),
    "missing_receiver_read": ("empty_list",),
    "error_shape": ("flat", "string"),
    "errors_as_200": ("refusals", "always"),
    "client_credentials_refresh": (True,),
    "form_send_answer": ("success", "email"),
    "mail_to_active": ("refuse",),
    "duplicate_status": (409,),
    "repeated_group_name": ("refuse",),
    "batch_delete_answer": ("true",),
}
BEHAVIOURS = {
    "default": Behaviour(),
    **{
        f"{name}={value}": Behaviour(**{name: value})
        for name, values in VARIANTS.items()
        for value in values
    },
    **{
        f"{it} arrays of one": Behaviour(arrays=it, single_read="list", empty_map="list")
        for it in ("numbered", "keyed")
    },
    "strings as 200": Behaviour(error_shape="string", errors_as_200="always"),
    "strings as 200 for refusals": Behaviour(error_shape="string", errors_as_200="refusals"),
}


@pytest.fixture(params=list(BEHAVIOURS.values()), ids=list(BEHAVIOURS))
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with each behaviour."""
    with Sandbox(behaviour=request.param) as sandbox:
        yield sandbox


@pytest.fixture
async def group_id(cr: CleverReach) -> int:
    """The id of a group; the attribute of the receivers exists."""
    await cr.attributes.create(name="firstname", type="text")
    return (await cr.groups.create(name="Newsletter")).id


async def test_an_import_accounts_for_every_row(
    cr: CleverReach, sandbox: Sandbox, group_id: int
) -> None:
    """Valid rows are stored, invalid ones are rejected, and every row is counted once."""
    await cr.request("POST", "/blacklist", json={"email": "p3@example.org"})
    refuses_blacklisted = sandbox.behaviour.blacklisted_row == "refuse"
    rows = [
        ReceiverInput(
            f"P{n}@example.org",
            global_attributes={"firstname": f"Kim {n}"},
            tags=["shop.customer"],
        )
        for n in range(1200)
    ]
    rows[5] = ReceiverInput("nobody")
    rows[7] = ReceiverInput(
        "p6@EXAMPLE.org", global_attributes={"firstname": "later"}, tags=["shop.customer"]
    )
    rows[1100] = ReceiverInput("p9@example.org", global_attributes={"firstname": "latest"})
    report = await cr.bulk.upsert(rows, group_id=group_id)

    rejected = 2 if refuses_blacklisted else 1
    assert (1200, 1, rejected, 0, 0) == (
        report.read,
        report.superseded,
        report.rejected,
        report.unknown,
        report.pending,
    )
    missing = {5, 7, 1100} | ({3} if refuses_blacklisted else set[int]())
    expected = {f"p{n}@example.org" for n in range(1200)} - {f"p{n}@example.org" for n in missing}
    assert expected == {email.lower() for email in sandbox.store.emails(group_id)}
    names = {
        key: (await cr.receivers.get(f"{key}@example.org", group_id=group_id)).global_attributes
        for key in ("p6", "p9")
    }
    assert {"p6": "later", "p9": "latest"} == {k: v["firstname"] for k, v in names.items()}


async def test_orders_are_stored_once(cr: CleverReach, sandbox: Sandbox, group_id: int) -> None:
    """Orders of imports and single calls are stored exactly once and can be read."""
    rows = [
        ReceiverInput(f"p{n}@example.org", orders=[OrderInput(f"A-{n}", "Lamp", quantity=2)])
        for n in range(5)
    ]
    report = await cr.bulk.upsert(rows, group_id=group_id)
    await cr.orders.create("p1@example.org", OrderInput("B-1", "Mug"), group_id=group_id)
    orders = await cr.orders.list("p1@example.org", group_id=group_id)

    assert 5 == report.accepted
    assert [("A-1", 2), ("B-1", 1)] == [(order.order_id, order.quantity) for order in orders]
    assert 1 == len(sandbox.store.orders("p2@example.org"))


async def test_single_reads_and_listings(cr: CleverReach, group_id: int) -> None:
    """A receiver is read by address and id, all are listed by page, an unknown one is an error."""
    await cr.bulk.upsert(
        [ReceiverInput(f"p{n}@example.org") for n in range(25)], group_id=group_id, batch_size=10
    )
    one = await cr.receivers.get("p7@example.org", group_id=group_id)
    same = await cr.receivers.get(one.id, group_id=group_id)
    everyone = [r.email async for r in cr.receivers.list(group_id=group_id, page_size=10)]

    assert ("p7@example.org", one) == (one.email, same)
    assert sorted(f"p{n}@example.org" for n in range(25)) == sorted(everyone)
    assert group_id == (await cr.groups.get(group_id)).id
    with pytest.raises(NotFoundError):
        await cr.receivers.get("stranger@example.org", group_id=group_id)


async def test_small_batches(cr: CleverReach, group_id: int) -> None:
    """The batch calls report valid and invalid rows."""
    receivers = [
        ReceiverInput("a@example.org"),
        ReceiverInput("bad"),
        ReceiverInput("b@example.org"),
    ]
    items = await cr.receivers.upsert_many(receivers, group_id=group_id)
    stored = await cr.receivers.upsertplus_many(receivers, group_id=group_id)
    await cr.receivers.delete_many(["a@example.org"], group_id=group_id)
    left = await cr.receivers.list(group_id=group_id)

    assert [True, False, True] == [item.ok for item in items]
    assert {"a@example.org", "b@example.org"} == {receiver.email for receiver in stored}
    assert ["b@example.org"] == [receiver.email for receiver in left]


async def test_double_opt_in(cr: CleverReach, sandbox: Sandbox, group_id: int) -> None:
    """A receiver is created inactive and confirmed by the link in the e-mail."""
    form_id = await cr.forms.create_from_template(group_id, name="Sign-up")
    created = await cr.receivers.create(
        ReceiverInput("new@example.org", registered=1_700_000_000, activated=0), group_id=group_id
    )
    await cr.forms.send_activation(
        form_id,
        email="new@example.org",
        user_ip="203.0.113.7",
        referer="https://shop.example/",
        user_agent="test",
    )
    sandbox.follow_link(sandbox.mails[0])
    confirmed = await cr.receivers.get("new@example.org", group_id=group_id)

    assert (None, True) == (created.activated, confirmed.activated is not None)


async def test_set_up(cr: CleverReach, group_id: int) -> None:
    """What exists is found again, and what is missing is created once."""
    types: dict[str, AttributeType] = {"firstname": "text", "Alter in Jahren": "number"}
    first = await cr.attributes.ensure(types)
    assert ["firstname", "alter_in_jahren"] == [it.name for it in first.values()]
    assert first == await cr.attributes.ensure(types)
    assert group_id == (await cr.groups.ensure(name="Newsletter")).id
    created = await cr.groups.ensure(name="Customers")
    assert created == await cr.groups.ensure(name="Customers")


async def test_sign_up(cr: CleverReach, sandbox: Sandbox, group_id: int) -> None:
    """Each state of a receiver has its outcome, and nobody is active who did not confirm."""
    form_id = await cr.forms.create_from_template(group_id, name="Sign-up")

    async def sign_up(*, again: bool = False) -> tuple[str, bool]:
        done = await cr.receivers.sign_up(
            ReceiverInput("new@example.org"),
            group_id=group_id,
            form_id=form_id,
            user_ip="203.0.113.7",
            referer="https://shop.example/",
            user_agent="test",
            again=again,
        )
        read = await cr.receivers.get("new@example.org", group_id=group_id)
        return done.outcome, read.activated is not None and read.deactivated is None

    assert ("mailed", False) == await sign_up()
    assert ("mailed_again", False) == await sign_up()
    sandbox.follow_link(sandbox.mails[0])
    assert ("already_active", True) == await sign_up(again=True)
    await cr.receivers.deactivate("new@example.org", group_id=group_id)
    assert ("unsubscribed", False) == await sign_up()
    assert ("mailed_again", False) == await sign_up(again=True)
    sandbox.follow_link(sandbox.mails[-1])
    assert ("already_active", True) == await sign_up()


async def test_an_import_into_an_unknown_group(cr: CleverReach) -> None:
    """Every row is counted, whatever the response for an unknown group."""
    try:
        report = await cr.bulk.upsert([ReceiverInput("a@example.org")], group_id=4711)
    except ImportFailedError as error:
        report = error.report

    assert (1, 0) == (report.read, report.accepted)


async def test_an_expired_token_is_renewed(cr: CleverReach, sandbox: Sandbox) -> None:
    """A call with an expired token succeeds after a renewal."""
    await cr.debug.whoami()
    sandbox.expire_tokens()
    await cr.debug.whoami()

    assert 2 == sandbox.count("POST", "/oauth/token.php")


async def test_errors_are_raised(cr: CleverReach) -> None:
    """An error in any shape, with any status, is raised with its message."""
    with pytest.raises(APIStatusError) as caught:
        await cr.mailings.get(4711)

    assert "Not Found" in caught.value.message
