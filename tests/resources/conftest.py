"""Fixtures for resources: a call with scripted responses that records its requests."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.pages import Page
from cleverreach_async.transport.error_bodies import error_in
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request, Response


@pytest.fixture
def anyio_backend() -> str:
    """One event loop: nouns only await one call after the other."""
    return "asyncio"


@pytest.fixture
def sent() -> list[Request]:
    """The requests that ``serve`` has received."""
    return []


@pytest.fixture
def serve(sent: list[Request]) -> Callable[..., Call]:
    """Return a call with one response after the other: bytes as they are, other values as JSON."""

    def script(*answers: object, status: int = 200) -> Call:
        left = list(answers)

        async def call(request: Request) -> Response:
            sent.append(request)
            answer = left.pop(0)
            content = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
            response = Response(status, {"content-type": "application/json"}, content)
            refusal = error_in(response, request, now=0.0)
            if refusal is not None:
                raise refusal
            return response

        return call

    return script


@pytest.fixture
def exchange(
    serve: Callable[..., Call], sent: list[Request]
) -> Callable[..., Awaitable[tuple[object, ...]]]:
    """Make one call of a resource, and return method, target, body and result."""

    async def run(
        kind: type[Resource], act: Callable[[Any], Awaitable[object]], answer: object
    ) -> tuple[object, ...]:
        result = await act(kind(serve(answer)))
        [request] = sent
        body = msgspec.json.decode(request.content) if request.content else None
        if isinstance(result, Page):
            result = tuple(cast("Page[object]", result))
        return request.method, request.target, body, result

    return run
