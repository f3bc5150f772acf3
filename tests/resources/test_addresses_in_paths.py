"""Addresses in paths: whatever is in one, it stays one segment, and names the same receiver."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.resource_calls import CALLS, arguments, call, parameters

from cleverreach_async.errors import CleverReachError
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.webhooks import Webhooks
from cleverreach_async.sandbox.routing import split_path
from cleverreach_async.transport.wire import Request, Response

pytestmark = pytest.mark.anyio

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
ADDRESSES = st.builds("{}@{}".format, TEXT, TEXT) | st.emails()
BY_ADDRESS = [it for it in CALLS if "receiver_id" in parameters(*it)]
ANSWER = msgspec.json.encode({"id": 5, "email": "ann@mail.example", "stamp": 5})


async def sent_by(act: Callable[[Callable[[Request], Any]], Any]) -> list[Request]:
    """Return the requests of a call, whatever becomes of it."""
    sent: list[Request] = []

    async def answer(request: Request) -> Response:
        sent.append(request)
        return Response(200, {}, ANSWER)

    with suppress(CleverReachError):
        await act(answer)
    return sent


async def path_of(kind: type[Resource], method: str, **given: object) -> list[str]:
    """Return the decoded segments of the path of a call; nothing if it was refused."""
    requests = await sent_by(
        lambda answer: call(kind(answer), method, arguments(kind, method, **given))
    )
    return (
        [unquote(it) for it in requests[0].target.partition("?")[0].split("/")] if requests else []
    )


def test_calls_are_found_by_address() -> None:
    """The test below would pass if there were none."""
    names = {f"{kind.__name__}.{method}" for kind, method in BY_ADDRESS}
    assert {"Receivers.clone", "Events.create", "Tags.of_receiver", "Orders.delete"} <= names
    assert len(names) >= 19


@given(st.sampled_from(BY_ADDRESS), ADDRESSES)
@example(BY_ADDRESS[0], "a/b@mail.example")
@example(BY_ADDRESS[0], "a%2Fb@mail.example")
@example(BY_ADDRESS[0], "a?b#c@mail.example")
@example(BY_ADDRESS[0], "../7@mail.example")
@example(BY_ADDRESS[0], "ann@mail.example/../../clear")
async def test_an_address_is_one_segment(it: tuple[type[Resource], str], address: str) -> None:
    """Or the call is refused, because the address would lead elsewhere."""
    kind, method = it
    path = await path_of(kind, method, receiver_id=address)
    usual = await path_of(kind, method, receiver_id=7)
    assert usual
    if path:
        expected = [
            address.strip() if part == "7" and "receivers" == usual[place - 1] else part
            for place, part in enumerate(usual)
        ]
        assert expected == path


@given(st.sampled_from(BY_ADDRESS), st.emails().filter(lambda it: not {"/", "%"} & {*it}))
async def test_usual_addresses_are_never_refused(
    it: tuple[type[Resource], str], address: str
) -> None:
    """And the other side reads the same one."""
    kind, method = it
    [request] = await sent_by(
        lambda answer: call(kind(answer), method, arguments(kind, method, receiver_id=address))
    )
    assert address in split_path(request.target.partition("?")[0])


@given(TEXT)
async def test_the_event_of_a_webhook_is_one_segment(event: str) -> None:
    """Deleting one never deletes another."""
    for request in await sent_by(lambda answer: Webhooks(answer).delete(event)):
        path = [unquote(it) for it in request.target.split("/")]
        assert ["", "hooks", "eventhook", event.strip()] == path
