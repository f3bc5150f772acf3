"""Mailings: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cleverreach_async.errors import ConfigurationError, PermissionDeniedError
from cleverreach_async.resources.drafts import MailingSettings
from cleverreach_async.resources.mailing_models import Mailing, MailingGroups, MailingLink
from cleverreach_async.resources.mailings import Mailings
from cleverreach_async.resources.order_models import Order
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Mailings], Awaitable[object]]

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))
SENDER: dict[str, Any] = {"sender_name": "Mia", "sender_email": "mia@mail.example"}
ALL = "/v3/mailings?state=all&limit=1000&omit_body=true"

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "get": (
        lambda it: it.get(77001),
        "GET",
        "/v3/mailings/77001",
        None,
        {
            "id": "77001",
            "name": "May news",
            "subject": "Hello",
            "body_html": "<html>",
            "stamp": 1767225600,
            "started": 0,
            "is_html": "1",
            "is_text": 0,
            "m_type": "2",
            "external_id": None,
            "unsubscribe_form_id": 3001,
            "mailing_groups": {"group_ids": ["540001", 7]},
            "tags": ["a"],
            "state": "paused",
            "is_dynamic": True,
            "is_campaign": 0,
            "position": "3",
            "unsubscribe_link": "https://shop.example/leave",
            "is_new": False,
        },
        Mailing(
            id=77001,
            name="May news",
            subject="Hello",
            body_html="<html>",
            stamp=datetime(2026, 1, 1, tzinfo=UTC),
            is_html=True,
            m_type=2,
            unsubscribe_form_id="3001",
            mailing_groups=MailingGroups(group_ids=(540001, 7)),
            tags=("a",),
            state="paused",
            is_dynamic=True,
            position=3,
            unsubscribe_link="https://shop.example/leave",
            extra={"is_new": False},
        ),
    ),
    "get with an empty map": (
        lambda it: it.get(1),
        "GET",
        "/v3/mailings/1",
        None,
        [{"id": 1, "mailing_groups": []}],
        Mailing(id=1, state="draft"),
    ),
    "create": (
        lambda it: it.create(name="May", subject="Hello", **SENDER),
        "POST",
        "/v3/mailings",
        {"name": "May", "subject": "Hello", **SENDER},
        {"id": "77001", "success": True},
        77001,
    ),
    "create in full": (
        lambda it: it.create(
            name="May",
            subject="Hello",
            html="<p>",
            text="p",
            group_ids=[7, 8],
            settings=MailingSettings(editor="freeform", click_tracking=False),
            tags=["a"],
            **SENDER,
        ),
        "POST",
        "/v3/mailings",
        {
            "name": "May",
            "subject": "Hello",
            "content": {"type": "html/text", "html": "<p>", "text": "p"},
            "receivers": {"groups": [7, 8]},
            "settings": {"editor": "freeform", "click_tracking": False},
            "tags": ["a"],
            **SENDER,
        },
        {"id": 5},
        5,
    ),
    "update": (
        lambda it: it.update(5, html="<p>", filter_id=12),
        "PUT",
        "/v3/mailings/5",
        {"content": {"type": "html", "html": "<p>"}, "receivers": {"filter": "12"}},
        {"id": "5", "success": True},
        None,
    ),
    "update the text": (
        lambda it: it.update(5, text="p", name="June"),
        "PUT",
        "/v3/mailings/5",
        {"name": "June", "content": {"type": "text", "text": "p"}},
        True,
        None,
    ),
    "links": (
        lambda it: it.links(5),
        "GET",
        "/v3/mailings/5/links",
        None,
        [{"id": "1", "link": "https://shop.example/", "total_clicks": 3, "unique": 2}],
        (MailingLink(id=1, link="https://shop.example/", total_clicks=3, extra={"unique": 2}),),
    ),
    "orders": (
        lambda it: it.orders(5),
        "GET",
        "/v3/mailings/5/orders",
        None,
        [{"order_id": "A-1", "product": "Mug", "amount": "2", "mailing_id": "5"}],
        (Order(order_id="A-1", product="Mug", quantity=2, mailing_id=5),),
    ),
    "preview": (
        lambda it: it.send_preview(5, receivers=["mia@mail.example"], preview_text="Look"),
        "POST",
        "/v3/mailings/5/sendpreview",
        {"receivers": ["mia@mail.example"], "previewText": "Look"},
        True,
        None,
    ),
    "preview to one": (
        lambda it: it.send_preview(5, receivers="mia@mail.example"),
        "POST",
        "/v3/mailings/5/sendpreview",
        {"receivers": ["mia@mail.example"]},
        {"success": True},
        None,
    ),
    "release": (
        lambda it: it.release(5, time=NOON),
        "POST",
        "/v3/mailings/5/release",
        {"time": 1767265200},
        True,
        None,
    ),
    "release in seconds": (
        lambda it: it.release(5, time=1767265200),
        "POST",
        "/v3/mailings/5/release",
        {"time": 1767265200},
        True,
        None,
    ),
    "stop": (lambda it: it.stop(5), "POST", "/v3/mailings/5/stop", None, True, None),
    "list keyed by state": (
        lambda it: it.list(),
        "GET",
        ALL,
        None,
        {"draft": [{"id": 1}], "finished": [{"id": 2, "state": "sent"}], "waiting": []},
        (Mailing(id=1, state="draft"), Mailing(id=2, state="sent")),
    ),
    "list keyed by state and number": (
        lambda it: it.list(),
        "GET",
        ALL,
        None,
        {"automation": {"0": {"id": 1}, "2": {"id": 2}}, "running": False},
        (Mailing(id=1, state="automation"), Mailing(id=2, state="automation")),
    ),
    "plain list of all": (
        lambda it: it.list(),
        "GET",
        ALL,
        None,
        [{"id": 1, "finished": 1767225600}],
        (Mailing(id=1, finished=datetime(2026, 1, 1, tzinfo=UTC), state="finished"),),
    ),
    "nothing at all": (lambda it: it.list(), "GET", ALL, None, [], ()),
    "false": (lambda it: it.list(), "GET", ALL, None, False, ()),
    "list of one state": (
        lambda it: it.list(
            state="waiting", page_size=50, channel_id=3, start=NOON, end=1767265201, omit_body=False
        ),
        "GET",
        "/v3/mailings?state=waiting&limit=50&channel_id=3&start=1767265200&end=1767265201&page=0",
        None,
        [{"id": 1}, {"id": 2, "state": None}],
        (Mailing(id=1, state="waiting"), Mailing(id=2, state="waiting")),
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_mailing_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Mailings, act, answer)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param({}, "draft", id="no time"),
        pytest.param({"ready": 5}, "waiting", id="released"),
        pytest.param({"ready": 5, "started": 6}, "running", id="started"),
        pytest.param({"ready": 5, "started": "6", "finished": 7}, "finished", id="finished"),
        pytest.param({"ready": 5, "finished": 0}, "waiting", id="0 is never"),
    ],
)
async def test_state_follows_from_the_times(
    times: dict[str, object], expected: str, serve: Callable[..., Call]
) -> None:
    """If the response has no state, it is derived from the times."""
    mailing = await Mailings(serve({"id": 1, **times})).get(1)
    assert expected == mailing.state


async def test_one_state_is_paged(serve: Callable[..., Call], sent: list[Request]) -> None:
    """A full page is followed by the next, in either shape. A short one ends the list."""
    call = serve([{"id": 1}, {"id": 2}], {"draft": [{"id": 3}]})
    listing = Mailings(call).list(state="draft", page_size=2)
    expected_ids = [1, 2, 3]
    assert expected_ids == [mailing.id async for mailing in listing]
    expected = [f"/v3/mailings?state=draft&limit=2&omit_body=true&page={page}" for page in (0, 1)]
    assert expected == [request.target for request in sent]


async def test_all_states_come_at_once(serve: Callable[..., Call], sent: list[Request]) -> None:
    """The API does not page all states, so a full page is the last one too."""
    listing = Mailings(serve([{"id": 1}])).list(page_size=1)
    expected = [1]
    assert expected == [mailing.id async for mailing in listing]
    assert "page=" not in sent[0].target


REFUSED: dict[str, Act] = {
    "a second page of all": lambda it: it.list(page=1),
    "no page": lambda it: it.list(page_size=0),
    "a page of all too large": lambda it: it.list(page_size=1001),
    "a page of one state too large": lambda it: it.list(state="draft", page_size=101),
    "a naive bound": lambda it: it.list(start=datetime(2026, 1, 1)),  # noqa: DTZ001 - the point
    "a naive release": lambda it: it.release(5, time=datetime(2026, 1, 1)),  # noqa: DTZ001
    "two audiences": lambda it: it.update(5, group_ids=[7], filter_id=1),
    "a preview without an address": lambda it: it.send_preview(5, receivers=[]),
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED.keys())
async def test_wrong_mailing_arguments_are_refused_before_sending(
    act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """No request is sent."""
    with pytest.raises(ConfigurationError):
        await act(Mailings(serve(True)))
    assert not sent


REPEATABLE: dict[str, tuple[Act, bool]] = {
    "create": (lambda it: it.create(name="A", subject="B", **SENDER), False),
    "update": (lambda it: it.update(5, name="A"), True),
    "preview": (lambda it: it.send_preview(5, receivers="mia@mail.example"), False),
    "release": (lambda it: it.release(5, time=1), False),
    "stop": (lambda it: it.stop(5), True),
}


@pytest.mark.parametrize(("act", "idempotent"), REPEATABLE.values(), ids=REPEATABLE.keys())
async def test_mailing_idempotency(
    act: Act, idempotent: bool, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Nothing that sends a mail or creates a draft is repeated. Stopping twice is harmless."""
    await act(Mailings(serve({"id": 5})))
    assert idempotent is sent[0].idempotent


async def test_release_without_permission(serve: Callable[..., Call]) -> None:
    """It is a permission of its own."""
    answer = {"error": {"code": 403, "message": "Forbidden: invalid scope"}}
    with pytest.raises(PermissionDeniedError, match="invalid scope"):
        await Mailings(serve(answer, status=403)).release(5, time=1)


def test_mailing_repr_is_short() -> None:
    """It has the identifying fields, and no body or address."""
    expected = "Mailing(id=1, name='May', state='draft')"
    assert expected == repr(Mailing(id=1, name="May", body_html="<p>", sender_email="a@b.example"))
