"""Events, channels, templates, automations, and the rest of mailings, tags and tokens."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cleverreach_async.errors import (
    APIStatusError,
    CleverReachError,
    ConfigurationError,
    NotFoundError,
    ResponseDecodeError,
)
from cleverreach_async.resources.automation import (
    AbandonedCart,
    Automation,
    CartAutomation,
    CartItem,
)
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.channels import Channel, Channels
from cleverreach_async.resources.events import Events
from cleverreach_async.resources.mailing_models import MailingPreview
from cleverreach_async.resources.mailings import Mailings
from cleverreach_async.resources.oauth import OAuth
from cleverreach_async.resources.receiver_models import Event, Receiver
from cleverreach_async.resources.tags import Tags
from cleverreach_async.resources.templates import MailingTemplate, Templates
from cleverreach_async.transport.clock import SYSTEM_CLOCK
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Any], Awaitable[object]]

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = 1767225600
LAMP = CartItem(id="L1", name="Lamp", amount=2, single_price=Decimal("49.90"))
CART = AbandonedCart(
    store_id="shop-1",
    return_url="https://shop.example/cart/1",
    items=[LAMP, {"id": "M", "name": "Mug", "product_url": "https://shop.example/mug"}],
    total=Decimal("99.80"),
    currency="EUR",
)

ROWS: dict[str, tuple[type[Resource], Act, str, str, object, object, object]] = {
    "events": (
        Events,
        lambda it: it.list("ann@mail.example"),
        "GET",
        "/v3/receivers/ann%40mail.example/events",
        None,
        [{"stamp": STAMP, "type": "mail_open", "mailing_id": "77001"}],
        (Event(stamp=NEW_YEAR, type="mail_open", mailing_id=77001),),
    ),
    "events of a group": (
        Events,
        lambda it: it.list(7, group_id=9),
        "GET",
        "/v3/groups/9/receivers/7/events",
        None,
        [],
        (),
    ),
    "event": (Events, lambda it: it.create(7), "POST", "/v3/receivers/7/events", {}, True, None),
    "event with everything": (
        Events,
        lambda it: it.create(
            7,
            type="visit",
            type_id="page-3",
            value="twice",
            stamp=NEW_YEAR,
            mailing_id=77001,
            group_id=9,
        ),
        "POST",
        "/v3/groups/9/receivers/7/events",
        {
            "type": "visit",
            "type_id": "page-3",
            "value": "twice",
            "stamp": STAMP,
            "mailing_id": 77001,
        },
        {"stamp": STAMP, "type": "visit"},
        None,
    ),
    "channels": (
        Channels,
        lambda it: it.list(),
        "GET",
        "/v3/mailings/channel",
        None,
        [{"id": "901", "name": "News", "colour": "red"}],
        (Channel(id=901, name="News", extra={"colour": "red"}),),
    ),
    "channel": (
        Channels,
        lambda it: it.get(901),
        "GET",
        "/v3/mailings/channel/901",
        None,
        [{"id": 901}],
        Channel(id=901),
    ),
    "channel deleted": (
        Channels,
        lambda it: it.delete(901),
        "DELETE",
        "/v3/mailings/channel/901",
        None,
        True,
        None,
    ),
    "templates": (
        Templates,
        lambda it: it.list(),
        "GET",
        "/v3/mailings/templates/user",
        None,
        [{"id": "5", "name": "Spring"}, {"id": "five", "name": None}],
        (MailingTemplate(id=5, name="Spring"), MailingTemplate(extra={"id": "five"})),
    ),
    "templates of the agency": (
        Templates,
        lambda it: it.list_agency(),
        "GET",
        "/v3/mailings/templates/agency",
        None,
        None,
        (),
    ),
    "template": (
        Templates,
        lambda it: it.create({"name": "Spring", "html": "<p>"}),
        "POST",
        "/v3/mailings/template",
        {"name": "Spring", "html": "<p>"},
        {"id": "5", "success": True},
        {"id": "5", "success": True},
    ),
    "automation": (
        Automation,
        lambda it: it.create_abandoned_cart(
            name="Cart", store_id="shop-1", description="Mails", source="shop"
        ),
        "POST",
        "/v3/automation/createfromtemplate/abandonedcart",
        {"name": "Cart", "storeid": "shop-1", "description": "Mails", "source": "shop"},
        {"id": "12", "name": "Cart", "type": "cart", "lastExecuted": STAMP, "active": True, "x": 1},
        CartAutomation(
            id="12", name="Cart", type="cart", last_executed=NEW_YEAR, active=True, extra={"x": 1}
        ),
    ),
    "automation with an id of letters": (
        Automation,
        lambda it: it.create_abandoned_cart(name="Cart", store_id="shop-1"),
        "POST",
        "/v3/automation/createfromtemplate/abandonedcart",
        {"name": "Cart", "storeid": "shop-1"},
        {"id": "a1f-cart", "lastExecuted": None},
        CartAutomation(id="a1f-cart"),
    ),
    "cart": (
        Automation,
        lambda it: it.trigger_abandoned_cart(7, CART, group_id=9, cart_id="C-1", customer_id="K-1"),
        "POST",
        "/v3/trigger/abandonedcart",
        {
            "poolid": "7",
            "groupid": "9",
            "cartId": "C-1",
            "customerId": "K-1",
            "abandonedCartData": {
                "storeId": "shop-1",
                "returnUrl": "https://shop.example/cart/1",
                "total": 99.8,
                "currency": "EUR",
                "cartItems": [
                    {"id": "L1", "name": "Lamp", "amount": 2, "singlePrice": 49.9},
                    {"id": "M", "name": "Mug", "productUrl": "https://shop.example/mug"},
                ],
            },
        },
        True,
        None,
    ),
    "random receiver": (
        Mailings,
        lambda it: it.random_receiver(77001),
        "GET",
        "/v3/mailings/77001/randomreceiver",
        None,
        [{"id": "7", "email": "ann@mail.example"}],
        Receiver(id=7, email="ann@mail.example"),
    ),
    "rendering": (
        Mailings,
        lambda it: it.render(subject="Hi {NAME}", text="", receiver={"name": "Ann"}),
        "POST",
        "/gomailer/preview",
        {"subject": "Hi {NAME}", "text": "", "receiver": {"name": "Ann"}},
        {"subject": "Hi Ann", "html": None, "text": "", "took": 3},
        MailingPreview(subject="Hi Ann", extra={"took": 3}),
    ),
    "tags of a receiver": (
        Tags,
        lambda it: it.of_receiver("ann@mail.example"),
        "GET",
        "/v3/receivers/ann%40mail.example/tags",
        None,
        {"1": "vip", "3": "shop.gold"},
        ("vip", "shop.gold"),
    ),
    "tags of a receiver of a group": (
        Tags,
        lambda it: it.of_receiver(7, group_id=9),
        "GET",
        "/v3/receivers/7/tags?group_id=9",
        None,
        False,
        (),
    ),
}


@pytest.mark.parametrize(
    ("kind", "act", "method", "target", "body", "answer", "expected"),
    ROWS.values(),
    ids=ROWS.keys(),
)
async def test_calls_of_small_nouns(
    kind: type[Resource],
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(kind, act, answer)


OAUTH: dict[str, tuple[Act, str, object]] = {
    "finish": (
        lambda it: it.finish(finished=True, name="Shop", brand="Wayne", client_id="id"),
        "/v3/oauth/finish",
        {"finished": True, "name": "Shop", "brand": "Wayne", "client_id": "id"},
    ),
    "synced": (
        lambda it: it.report_synced(imported=["buyers"], not_imported=[]),
        "/v3/oauth/settings",
        {"import": ["buyers"], "not_import": []},
    ),
}


@pytest.mark.parametrize(("act", "target", "body"), OAUTH.values(), ids=OAUTH.keys())
async def test_reports_of_a_set_up(
    act: Act, target: str, body: object, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """As the vendor's plugins send them."""
    tokens: Any = None
    await act(OAuth(serve(True), tokens, SYSTEM_CLOCK))
    assert [("POST", target, True)] == [(it.method, it.target, it.idempotent) for it in sent]
    assert body == msgspec.json.decode(sent[0].content)
    with pytest.raises(APIStatusError):
        await act(OAuth(serve(False), tokens, SYSTEM_CLOCK))


REFUSED: dict[str, tuple[type[Resource], Act, str]] = {
    "an event of nobody": (Events, lambda it: it.create(None), "receiver_id is None"),
    "an event at no time": (Events, lambda it: it.create(7, stamp="soon"), "stamp is a text"),
    "an event without a zone": (
        Events,
        lambda it: it.create(7, stamp=datetime(2026, 1, 1)),  # noqa: DTZ001 - the point
        "no time zone",
    ),
    "a template of nothing": (Templates, lambda it: it.create({}), "fields is empty"),
    "None as a template": (Templates, lambda it: it.create(None), "fields is None"),
    "a list as a template": (Templates, lambda it: it.create([1]), "fields is of type list"),
    "an address as a pool id": (
        Automation,
        lambda it: it.trigger_abandoned_cart("a@b.example", CART, group_id=9, cart_id="C"),
        "pool_id is",
    ),
    "a cart without an id": (
        Automation,
        lambda it: it.trigger_abandoned_cart(7, CART, group_id=9, cart_id=" "),
        "cart_id is empty",
    ),
    "a cart with None as an id": (
        Automation,
        lambda it: it.trigger_abandoned_cart(7, CART, group_id=9, cart_id=None),
        "cart_id is None",
    ),
    "no cart": (
        Automation,
        lambda it: it.trigger_abandoned_cart(7, None, group_id=9, cart_id="C"),
        "the cart is None; pass AbandonedCart",
    ),
    "an unknown field of a cart": (
        Automation,
        lambda it: it.trigger_abandoned_cart(7, {"storeid": "x"}, group_id=9, cart_id="C"),
        "no field 'storeid': did you mean 'store_id'",
    ),
    "an empty cart": (
        Automation,
        lambda it: it.trigger_abandoned_cart(
            7, {"store_id": "x", "return_url": "y", "items": []}, group_id=9, cart_id="C"
        ),
        "items of the cart is empty",
    ),
    "one item": (
        Automation,
        lambda it: it.trigger_abandoned_cart(
            7, {"store_id": "x", "return_url": "y", "items": LAMP}, group_id=9, cart_id="C"
        ),
        "items of the cart is of type CartItem",
    ),
    "a text as an item": (
        Automation,
        lambda it: it.trigger_abandoned_cart(
            7, {"store_id": "x", "return_url": "y", "items": ["x"]}, group_id=9, cart_id="C"
        ),
        "an item of the cart is of type str",
    ),
}


@pytest.mark.parametrize(("kind", "act", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_wrong_arguments_of_small_nouns_are_refused_before_sending(
    kind: type[Resource],
    act: Act,
    words: str,
    serve: Callable[..., Call],
    sent: list[Request],
) -> None:
    """The message says which argument."""
    with pytest.raises(ConfigurationError, match=words):
        await act(kind(serve(True)))
    assert not sent


ONCE: list[Act] = [
    lambda it: it.create_abandoned_cart(name="Cart", store_id="shop-1"),
    lambda it: it.trigger_abandoned_cart(7, CART, group_id=9, cart_id="C"),
]


@pytest.mark.parametrize("act", ONCE)
async def test_automations_are_not_repeated(
    act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A second one would mail a receiver twice."""
    await act(Automation(serve({"id": "5"})))
    assert [False] == [request.idempotent for request in sent]


@pytest.mark.parametrize(
    "answer",
    [
        {"id": ""},
        {"id": "no such shop"},
        {"id": "x", "error": "no"},
        {"id": "x", "success": False},
        {"id": 0},
        b"<html>",
    ],
)
async def test_no_automation(answer: object, serve: Callable[..., Call]) -> None:
    """An id of letters is one, but not beside an error."""
    with pytest.raises(CleverReachError):
        await Automation(serve(answer)).create_abandoned_cart(name="Cart", store_id="shop-1")


@pytest.mark.parametrize("answer", ["vip", [7], [None], {"tags": ["vip"]}, [["vip"]], True, b"<p>"])
async def test_tags_that_are_no_list_of_texts(answer: object, serve: Callable[..., Call]) -> None:
    """None is guessed or left out."""
    with pytest.raises(ResponseDecodeError):
        await Tags(serve(answer)).of_receiver(7)


@pytest.mark.parametrize("answer", [{"type": "visit"}, {"stamp": 5, "error": "no"}, {"stamp": 0}])
async def test_what_is_no_stored_event(answer: object, serve: Callable[..., Call]) -> None:
    """A stored event has a time, and no error beside it."""
    with pytest.raises(CleverReachError):
        await Events(serve(answer)).create(7, type="visit")


async def test_a_mailing_without_receivers(serve: Callable[..., Call]) -> None:
    """An empty list is nobody, as in every read of one object."""
    with pytest.raises(NotFoundError):
        await Mailings(serve([])).random_receiver(77001)
