"""A model of the calls that an outbox makes, with switches for what nobody knows of the API.

It is an HTTP library's mock transport, so that a whole client talks to it in the event loop.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx

from cleverreach_async import CleverReach, Outbox, PostgresOutbox
from cleverreach_async.transport.clock import Clock

from .clocks import FixedRandom

__all__ = ["ANN", "GROUP", "LAMP", "OutboxServer", "receiver"]

ANN = "ann@example.org"
GROUP = 7
LAMP = {"order_id": "17", "product": "Lamp", "price": 49.9}

Answer = str | tuple[int, Any] | tuple[int, Any, dict[str, str]]


def receiver(*orders: dict[str, Any], email: str = ANN) -> dict[str, Any]:
    """Return a receiver with orders; with one of a lamp by default."""
    return {"email": email, "orders": [*orders] or [LAMP]}


class OutboxServer:
    """Stores the orders of receivers, and answers writes as a script says.

    Args:
        clock: Its clock.

    Attributes:
        script: Returns the answer to a write by its number, from 0: ``stored``, ``lost`` (stored,
            no response), ``hang`` (stored, no response until it is cut off), ``cut`` (not stored,
            no response), ``unreachable``, ``omitted`` (200 without the receiver), or a status with
            a JSON body and headers.
        look_up: The answer to a look-up instead of the orders.
        lines: The stored order lines by address, each with the time from which it can be read.
        shown: Changes an order line before it is shown.
        on_read: Called when a look-up arrives.
        during: Awaited while a write is in flight.
        delay: Seconds until a stored order can be read.
        writes: The body of each write.
        reads: The path and query of each look-up.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.script: Callable[[int], Answer] = lambda number: "stored"
        self.look_up: Answer | None = None
        self.lines: dict[str, list[tuple[float, dict[str, Any]]]] = {}
        self.shown: Callable[[dict[str, Any]], dict[str, Any]] = lambda line: line
        self.on_read: Callable[[], object] = lambda: None
        self.during: Callable[[], Awaitable[object]] = anyio.lowlevel.checkpoint
        self.delay = 0.0
        self.writes: list[Any] = []
        self.reads: list[str] = []

    def client(self) -> CleverReach:
        """Return a client of it."""
        return CleverReach(
            "token",
            http_client=httpx.AsyncClient(transport=httpx.MockTransport(self._handle)),
            clock=self.clock,
            rng=FixedRandom(),
        )

    def orders(self, email: str = ANN) -> list[tuple[str, str]]:
        """Return number and product of the stored order lines."""
        return [(line["order_id"], line["product"]) for _, line in self.lines.get(email, [])]

    async def send_due(self, outbox: Outbox | PostgresOutbox, **options: Any) -> None:
        """Send what is due now, with a client of its own."""
        async with self.client() as cr:
            await outbox.send_due(lambda account: cr, **options)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        if request.method == "GET":
            return self._read(request)
        self.writes.append(json.loads(request.content))
        await self.during()
        answer = self.script(len(self.writes) - 1)
        if answer == "unreachable":
            raise httpx.ConnectError("refused")
        if answer in ("stored", "lost", "hang"):
            self._store(request)
        if answer == "hang":
            await anyio.sleep_forever()
        if answer in ("lost", "cut"):
            raise httpx.ReadError("the connection is lost")
        if answer == "omitted":
            return httpx.Response(200, json=[])
        return self._response(answer, request)

    def _response(self, answer: Answer, request: httpx.Request) -> httpx.Response:
        if isinstance(answer, str):
            body: Any = json.loads(request.content)
            is_batch = request.url.path.endswith("/upsertplus")
            stored = [{"id": 1, "email": it["email"]} for it in body] if is_batch else body
            return httpx.Response(200, json=stored)
        status, content, *rest = answer
        shown = content if isinstance(content, bytes) else json.dumps(content).encode()
        return httpx.Response(status, content=shown, headers=rest[0] if rest else {})

    def _store(self, request: httpx.Request) -> None:
        body: Any = json.loads(request.content)
        if not request.url.path.endswith("/upsertplus"):
            body = [{"email": _address_in(request), "orders": [body]}]
        readable = self.clock.monotonic() + self.delay
        for it in body:
            lines = self.lines.setdefault(str(it["email"]).lower(), [])
            lines += [(readable, line) for line in it["orders"]]

    def _read(self, request: httpx.Request) -> httpx.Response:
        self.reads.append(request.url.path)
        self.on_read()
        if isinstance(self.look_up, tuple):
            return self._response(self.look_up, request)
        now = self.clock.monotonic()
        found = {
            email: [self.shown(line) for at, line in lines if at <= now]
            for email, lines in self.lines.items()
        }
        if request.url.path.endswith("/orders"):
            return httpx.Response(200, json=found.get(_address_in(request), []))
        wanted = request.url.params["email_list"].split(",")
        profiles = [
            {"id": 1, "email": email, "orders": orders}
            for email, orders in found.items()
            if email in wanted
        ]
        return httpx.Response(200, json=profiles)


def _address_in(request: httpx.Request) -> str:
    return request.url.path.split("/receivers/")[1].partition("/")[0].lower()
