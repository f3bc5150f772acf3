"""Arbitrary requests: no exception, no 2xx for a wrong token, no change by a refused one."""

# pyright: reportPrivateUsage=false

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import MemoryRepeatStore, WebhookEndpoint, WebhookEvent, WebhookResponse

TOKEN = "calltoken-4711"
NAMES = ["content-type", "content-length", "content-encoding", "x-cr-calltoken", "X-CR-CallToken"]
EVENTS = ["receiver.created", "receiver.deleted", "group.updated", "form.deleted", "receiver", "x"]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
keys = st.sampled_from(["pool_id", "group_id", "form_id", "email"])
payloads = st.dictionaries(keys, scalars | st.sampled_from(["7", "ab" * 32, "a@b.co"])) | values
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(EVENTS) | values,
        "condition": st.sampled_from(["5", 5, ""]) | values,
        "payload": payloads,
    },
)
bodies = st.binary(max_size=300) | (envelopes | values).map(lambda it: json.dumps(it).encode())
texts = st.text(max_size=20) | st.sampled_from(["application/json", "7", "999999", TOKEN[:-1]])
headers = st.lists(
    st.tuples(st.sampled_from(NAMES) | st.text(max_size=9), texts | st.binary(max_size=20)),
    max_size=5,
)
methods = st.sampled_from(["GET", "POST", "POST", "POST", "PUT", ""])
queries = st.text(max_size=30) | st.binary(max_size=30) | st.dictionaries(st.text(), values)


class Shop:
    """An endpoint whose store and function are watched."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent] = []
        self.repeats = MemoryRepeatStore(lambda: 0.0)
        self.endpoint = WebhookEndpoint(
            self.events.append,
            calltoken=TOKEN,
            secret="s" * 32,
            verify="shop-webhook-verify",
            max_body=200,
            repeats=self.repeats,
        )

    def ask(self, method: str, query: Any, given_headers: Any, body: bytes) -> WebhookResponse:
        """Send one request, its body in two parts."""

        async def parts() -> AsyncIterator[bytes]:
            yield body[:7]
            yield body[7:]

        async def respond() -> WebhookResponse:
            return await self.endpoint.respond(method, query, given_headers, parts())

        return anyio.run(respond)


@given(method=methods, query=queries, pairs=headers, body=bodies)
def test_no_request_without_the_token_gets_anywhere(
    method: str, query: Any, pairs: list[tuple[Any, Any]], body: bytes
) -> None:
    """Whatever it is: it gets a response, and nothing changes."""
    shop = Shop()
    response = shop.ask(method, query, pairs, body)
    assert [] == shop.events
    assert {} == shop.repeats._last
    if method == "GET":
        assert response.status in {200, 400}
    else:
        assert 400 <= response.status < 500


@given(
    pairs=headers.map(lambda it: [pair for pair in it if pair[0].lower() != "x-cr-calltoken"]),
    body=bodies,
)
def test_a_refused_delivery_changes_nothing(pairs: list[tuple[Any, Any]], body: bytes) -> None:
    """With the token too: it is handled and answered with 200, or refused and without effect."""
    shop = Shop()
    for count in (1, 2):
        response = shop.ask("POST", "", [*pairs, ("X-CR-Calltoken", TOKEN)], body)
        if response.status == 200:
            assert (1, 1) == (count, len(shop.events))
            [event] = shop.events
            assert json.loads(body)["event"] == event.name
            assert 1 == len(shop.repeats._last)
        elif shop.events:
            assert (2, 429, 1) == (count, response.status, len(shop.events))
        else:
            assert 400 <= response.status < 500
            assert {} == shop.repeats._last
