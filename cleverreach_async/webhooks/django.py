"""The endpoint as an asynchronous view of Django."""

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from typing import Any, Final

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.webhooks.endpoint import WebhookEndpoint

__all__ = ["django_webhook"]

_CHUNK: Final = 8192


def django_webhook(endpoint: WebhookEndpoint) -> Callable[[Any], Awaitable[Any]]:
    """Return the endpoint as a view, for ``path()`` of Django.

    The view is exempt from the check of CSRF tokens, which the vendor does not send.

    Args:
        endpoint: The endpoint.

    Raises:
        ConfigurationError: It is none, or Django is not installed.
    """
    value: Any = endpoint
    if not isinstance(value, WebhookEndpoint):
        raise ConfigurationError("endpoint must be a WebhookEndpoint")
    try:
        http: Any = import_module("django.http")
    except ImportError:
        raise ConfigurationError("the view needs Django: pip install django") from None

    async def cleverreach_webhook(request: Any) -> Any:
        """Handle one request."""
        response = await endpoint.respond(
            request.method,
            request.META.get("QUERY_STRING", ""),
            request.headers.items(),
            _parts(request),
        )
        return http.HttpResponse(
            response.body, status=response.status, headers=dict(response.headers)
        )

    view: Any = cleverreach_webhook
    view.csrf_exempt = True
    return cleverreach_webhook


async def _parts(request: Any) -> AsyncIterator[bytes]:
    """Return the parts of the body. Django has received all of it, in a file if it is long."""
    while part := request.read(_CHUNK):
        yield part
