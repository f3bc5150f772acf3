"""Addresses and other texts in paths: any text is one segment, or it is refused."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.blacklist import Blacklist
from cleverreach_async.resources.clients import Clients
from cleverreach_async.resources.flows import Flows
from cleverreach_async.resources.orders import Orders
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.resources.tags import Tags
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request, Response

pytestmark = pytest.mark.anyio

HOSTILE = [
    "/",
    "\\",
    "..",
    ".",
    "%2e%2e",
    "%2F",
    "?",
    "#",
    "&",
    " ",
    "\x00",
    "\n",
    "ü",
    ";",
    "{",
    "}",
]
TEXTS = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=4), max_size=5).map("".join)
ADDRESSES = st.builds("{}@{}".format, TEXTS, TEXTS) | st.emails()

Use = Callable[[Call, str], Awaitable[Any]]

CALLS: dict[str, tuple[Use, str, str]] = {
    "blacklist": (lambda call, it: Blacklist(call).get(it), "/v3/blacklist/", ""),
    "blacklist, remove": (lambda call, it: Blacklist(call).remove(it), "/v3/blacklist/", ""),
    "blacklist of a group, remove": (
        lambda call, it: Blacklist(call).remove(it, group_id=7),
        "/v3/groups/7/blacklist/",
        "",
    ),
    "receiver": (lambda call, it: Receivers(call).delete(it), "/v3/receivers/", ""),
    "receiver of a group": (
        lambda call, it: Receivers(call).delete(it, group_id=7),
        "/v3/groups/7/receivers/",
        "",
    ),
    "orders": (lambda call, it: Orders(call).list(it), "/v3/receivers/", "/orders"),
    "tags": (lambda call, it: Tags(call).remove(it, "a"), "/v3/receivers/", "/tags/a"),
}
TEXT_CALLS: dict[str, tuple[Use, str, str]] = {
    "domain": (lambda call, it: Clients(call).by_domain(it), "/v3/clients/domain/", ""),
    "flow": (lambda call, it: Flows(call).get(it), "/flow/flow/", ""),
}


async def target_of(use: Use, text: str) -> str | None:
    """Return the target of the request that a call sends, or ``None`` if it sends none."""
    sent: list[Request] = []

    async def answer(request: Request) -> Response:
        sent.append(request)
        body = b"[]" if request.target.endswith("/orders") else b'{"id": 1, "email": "a@b.example"}'
        return Response(200, {}, body)

    try:
        await use(answer, text)
    except ConfigurationError:
        assert [] == sent
        return None
    [request] = sent
    return request.target


@pytest.mark.parametrize(("use", "before", "after"), CALLS.values(), ids=CALLS.keys())
@given(address=ADDRESSES)
async def test_an_address_is_one_segment(use: Use, before: str, after: str, address: str) -> None:
    """It cannot leave its place, whatever it has."""
    target = await target_of(use, address)
    if target is not None:
        assert target.startswith(before)
        assert target.endswith(after)
        segment = target.removeprefix(before).removesuffix(after)
        assert segment not in {"", ".", ".."}
        assert set() == set("/?#\\ ") & set(segment)
        assert address.strip() == unquote(segment)


@pytest.mark.parametrize(("use", "before", "after"), TEXT_CALLS.values(), ids=TEXT_CALLS.keys())
@given(text=TEXTS)
async def test_a_text_is_one_segment(use: Use, before: str, after: str, text: str) -> None:
    """So is any other text of a path."""
    target = await target_of(use, text)
    if target is None:
        return
    segment = target.removeprefix(before)
    assert segment not in {"", ".", ".."}
    assert set() == set("/?#\\ ") & set(segment)
    assert text.strip() == unquote(segment)


@pytest.mark.parametrize(("use", "before", "after"), CALLS.values(), ids=CALLS.keys())
async def test_usual_addresses_are_sent(use: Use, before: str, after: str) -> None:
    """The tests above would pass if everything were refused."""
    for address in ("ann@mail.example", "o'neil+news/a%b@mail.example", "jörg@köln.example"):
        target = await target_of(use, address)
        assert target is not None
        assert address == unquote(target.removeprefix(before).removesuffix(after))
