"""Fixtures of the webhook tests: an endpoint that collects its events, and a sender."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.redis_server import open_redis, redis_port

from cleverreach_async import MemoryRepeatStore, WebhookEndpoint, WebhookEvent, WebhookResponse

CALLTOKEN = "calltoken-" + "4711" * 13 + "xy"
SECRET = "secret-" + "0815" * 6 + "z"
VERIFY = "shop-webhook-verify"

__all__ = ["open_redis", "redis_port"]


class Deliveries:
    """An endpoint, its events, and a clock.

    Attributes:
        endpoint: The endpoint.
        events: What its function was called with.
        fails: What the function raises, if anything.
        seconds: The time of the store of repeats.
    """

    def __init__(self, **options: Any) -> None:
        self.events: list[WebhookEvent] = []
        self.fails: BaseException | None = None
        self.seconds = 0.0
        self.repeats = MemoryRepeatStore(lambda: self.seconds)
        usual: dict[str, Any] = {"calltoken": CALLTOKEN, "secret": SECRET, "verify": VERIFY}
        usual["repeats"] = self.repeats
        self.endpoint = WebhookEndpoint(self.handle, **(usual | options))

    async def handle(self, event: WebhookEvent) -> None:
        """Store an event, or fail."""
        if self.fails is not None:
            raise self.fails
        self.events.append(event)

    async def send(
        self, body: Any, *, calltoken: str | None = CALLTOKEN, **headers: str
    ) -> WebhookResponse:
        """Send a delivery; anything but bytes becomes JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Content-Type": "application/json", "X-CR-Calltoken": calltoken}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in named.items() if value is not None}
        return await self.endpoint.respond("POST", "", given, raw)


@pytest.fixture
def open_endpoint() -> Callable[..., Deliveries]:
    """A function that returns an endpoint with some options."""
    return Deliveries


@pytest.fixture
def deliveries() -> Deliveries:
    """An endpoint of one registration."""
    return Deliveries()


def receiver_event(action: str = "updated", pool_id: int = 7, group_id: int = 5) -> dict[str, Any]:
    """A delivery about a receiver, as the vendor sends it."""
    payload = {"pool_id": str(pool_id), "group_id": str(group_id)}
    return {"event": f"receiver.{action}", "condition": str(group_id), "payload": payload}


@pytest.fixture
def receiver() -> Callable[..., dict[str, Any]]:
    """A function that returns a delivery about a receiver."""
    return receiver_event
