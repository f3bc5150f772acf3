"""The endpoint as an ASGI application, for Starlette, FastAPI and others."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.webhooks.endpoint import WebhookEndpoint
from cleverreach_async.webhooks.requests import WebhookResponse

__all__ = ["WebhookApp"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class WebhookApp:
    """The endpoint as an ASGI application. It needs no library, and ignores the path.

    In Starlette it is the endpoint of a route, ``Route("/cleverreach", WebhookApp(endpoint))``. In
    FastAPI such a route is appended to ``app.router.routes``.

    Args:
        endpoint: The endpoint.

    Raises:
        ConfigurationError: It is none.
    """

    def __init__(self, endpoint: WebhookEndpoint) -> None:
        value: Any = endpoint
        if not isinstance(value, WebhookEndpoint):
            raise ConfigurationError("endpoint must be a WebhookEndpoint")
        self._endpoint = endpoint

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            raise ConfigurationError(f"a webhook is no {scope['type']}")
        response = await self._endpoint.respond(
            scope["method"], scope["query_string"], scope["headers"], _parts(receive)
        )
        for message in _messages(response):
            await send(message)


async def _parts(receive: _Receive) -> AsyncIterator[bytes]:
    """Return the parts of the body.

    Raises:
        ConnectionError: The sender is gone.
    """
    is_last = False
    while not is_last:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError
        yield message.get("body", b"")
        is_last = not message.get("more_body", False)


def _messages(response: WebhookResponse) -> list[_Message]:
    headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in response.headers.items()]
    headers.append((b"content-length", str(len(response.body)).encode()))
    return [
        {"type": "http.response.start", "status": response.status, "headers": headers},
        {"type": "http.response.body", "body": response.body},
    ]
