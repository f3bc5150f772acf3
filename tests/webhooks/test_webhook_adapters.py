"""The endpoint as an ASGI application: in Starlette, in FastAPI, and on its own."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Route

from cleverreach_async import ConfigurationError, WebhookApp, WebhookEndpoint, django_webhook

pytestmark = pytest.mark.anyio

Open = Callable[..., Any]
BODY = {"event": "receiver.updated", "condition": "5", "payload": {"pool_id": "7"}}


def in_starlette(app: WebhookApp) -> Any:
    """A Starlette application with the endpoint."""
    return Starlette(routes=[Route("/hook", app)])


def in_fastapi(app: WebhookApp) -> Any:
    """A FastAPI application with the endpoint."""
    api = FastAPI()
    api.router.routes.append(Route("/hook", app))
    return api


def alone(app: WebhookApp) -> Any:
    """The endpoint itself."""
    return app


@pytest.mark.parametrize("around", [in_starlette, in_fastapi, alone])
async def test_an_asgi_application(deliveries: Any, around: Callable[[WebhookApp], Any]) -> None:
    """Verification, a delivery, and refusals, with the headers of the endpoint."""
    app = around(WebhookApp(deliveries.endpoint))
    token = deliveries.endpoint._keys[0].calltoken.reveal()  # pyright: ignore[reportPrivateUsage]
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as vendor:
        answer = await vendor.get("/hook", params={"secret": "s-4711"})
        assert (200, "shop-webhook-verify s-4711") == (answer.status_code, answer.text)
        assert "text/plain" == answer.headers["content-type"]
        headers = {"X-CR-Calltoken": token}
        assert 200 == (await vendor.post("/hook", json=BODY, headers=headers)).status_code
        repeat = await vendor.post("/hook", json=BODY, headers=headers)
        assert (429, "10") == (repeat.status_code, repeat.headers["retry-after"])
        assert 401 == (await vendor.post("/hook", json=BODY)).status_code
        assert 405 == (await vendor.put("/hook", json=BODY)).status_code
        long = await vendor.post("/hook", content=b"x" * 65_537, headers=headers)
        assert 413 == long.status_code
    assert 1 == len(deliveries.events)


async def test_a_sender_that_leaves_is_refused(deliveries: Any) -> None:
    """What it sent before is not handled."""
    token = deliveries.endpoint._keys[0].calltoken.reveal()  # pyright: ignore[reportPrivateUsage]
    waiting: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"event": "x.y"}', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-cr-calltoken", token.encode())]
    scope = {"type": "http", "method": "POST", "query_string": b"", "headers": headers}
    await WebhookApp(deliveries.endpoint)(scope, receive, send)
    assert (400, []) == (sent[0]["status"], deliveries.events)


async def test_a_socket_is_no_webhook(deliveries: Any) -> None:
    """A route for WebSockets has the endpoint by mistake."""
    unused: Any = None
    with pytest.raises(ConfigurationError, match="a webhook is no websocket"):
        await WebhookApp(deliveries.endpoint)({"type": "websocket"}, unused, unused)


@pytest.mark.parametrize("adapter", [WebhookApp, django_webhook])
@pytest.mark.parametrize("value", [None, "endpoint", WebhookEndpoint, print])
async def test_an_adapter_needs_an_endpoint(adapter: Any, value: Any) -> None:
    """Anything else is found when the application is made."""
    with pytest.raises(ConfigurationError, match="endpoint must be a WebhookEndpoint"):
        adapter(value)
