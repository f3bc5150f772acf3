"""Endpoints of webhooks that a sandbox delivers to."""

from collections.abc import Awaitable, Callable

from cleverreach_async.sandbox import WebhookAnswer, WebhookCall

__all__ = ["verifying"]


def verifying(word: str) -> Callable[[WebhookCall], Awaitable[WebhookAnswer]]:
    """Return an endpoint that answers the verification with a word and the secret of the call."""

    async def verify(call: WebhookCall) -> WebhookAnswer:
        value = call.url.partition("?secret=")[2]
        return WebhookAnswer(200, {"content-type": "text/plain"}, f"{word} {value}".encode())

    return verify
