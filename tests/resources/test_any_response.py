"""Whatever the server responds, a call returns or raises an error of the library."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.resource_calls import CALLS, arguments, call

from cleverreach_async.errors import CleverReachError
from cleverreach_async.resources.base import Resource
from cleverreach_async.transport.error_bodies import error_in
from cleverreach_async.transport.wire import Request, Response

pytestmark = pytest.mark.anyio

KEYS = ("id", "email", "name", "draft", "error", "0", "status", "stats", "basic", "code", "message")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**60) | st.text(max_size=5) | st.just(1.5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.sampled_from(CALLS), JSON.map(msgspec.json.encode) | st.binary())
async def test_any_response(it: tuple[type[Resource], str], content: bytes) -> None:
    """No other error leaves a call."""
    resource, method = it

    async def answer(request: Request) -> Response:
        response = Response(200, {"content-type": "application/json"}, content)
        refusal = error_in(response, request, now=0.0)
        if refusal is not None:
            raise refusal
        return response

    try:
        await call(resource(answer), method, arguments(resource, method))
    except CleverReachError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
