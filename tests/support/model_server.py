"""A model of the receiver batch calls, used as the sender of a transport.

It is simple enough to verify by reading, so that the importer can be tested against it.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio.lowlevel
import attrs

from cleverreach_async import APIConnectionError, ImportReport, ReceiverInput, RetryPolicy
from cleverreach_async.auth.app import as_auth
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.transport.clock import Clock, Random
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.transport import Transport
from cleverreach_async.transport.wire import Response

from .clocks import FakeClock, FixedRandom

Row = dict[str, Any]


@attrs.define
class Reply:
    """How the server handles one request instead of the usual success.

    Attributes:
        status: Status of the response; ``None`` for a lost connection.
        executed: Whether the rows are stored.
        headers: Response headers.
        content: Response body.
        reshape: Changes the items of a successful response.
        delay: Seconds until the response.
        store_delay: Seconds from the arrival until the rows are stored; by default they are stored
            with the response. The connection may be lost and later requests handled before that.
        expires: Whether the token expires with this request, which gets a 401.
    """

    status: int | None = 200
    executed: bool = True
    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    content: bytes | None = None
    reshape: Callable[[list[Any]], list[Any]] | None = None
    delay: float = 0.0
    store_delay: float | None = None
    expires: bool = False


Script = Callable[[int, list[Row]], Reply | None]
_UNAUTHORIZED = Response(401, {}, b'{"error": {"code": 401, "message": "token expired"}}')


class ModelServer:
    """Stores receivers by address and responds as the vendor does.

    Args:
        script: Returns the reply to a request, by its number and rows.
        steps: Checkpoints of a request.
        clock: Clock for arrivals and delays; without it there are no delays.

    Attributes:
        requests: Verb and rows of every request, in order of arrival.
        stored: The last row stored per address.
        bodies: Body of every request.
        orders: Order lines stored per address, repeated ones included.
        created: How often each address was added.
        in_flight: Requests in flight.
        peak: Maximum requests in flight.
        attributes: Type of each attribute of the account, by name.
        looked_up: Addresses of all look-ups.
        refuses_look_ups: Whether look-ups are refused.
        arrivals: Monotonic time of every request.
        tokens: Number of tokens issued.
        too_early: Requests that arrived before the end of ``Retry-After``.
    """

    def __init__(
        self, script: Script | None = None, *, steps: int = 1, clock: Clock | None = None
    ) -> None:
        self._script = script
        self._steps = steps
        self._clock = clock
        self._delayed: list[tuple[float, str, list[Row]]] = []
        self._not_before = 0.0
        self._expired_tokens = 0
        self.requests: list[tuple[str, list[Row]]] = []
        self.bodies: list[bytes] = []
        self.stored: dict[str, Row] = {}
        self.orders: dict[str, list[Row]] = {}
        self.created: Counter[str] = Counter()
        self.in_flight = 0
        self.peak = 0
        self.attributes = {"city": "text", "firstname": "text", "ordercount": "number"}
        self.looked_up: list[str] = []
        self.refuses_look_ups = False
        self.arrivals: list[float] = []
        self.tokens = 0
        self.too_early = 0

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Response:
        """Handle one request; a GET is a look-up, and is not in ``requests``."""
        del timeout
        self.store_delayed()
        if url.endswith("/oauth/token.php"):
            return await self._issue_token()
        self.too_early += self._now() < self._not_before
        if method == "GET":
            with anyio.CancelScope() as scope, (stop or Stop()).cutting(scope):
                await anyio.lowlevel.checkpoint()
            if scope.cancelled_caught:
                raise APIConnectionError("the connection is lost", sent=True)
            if not self._accepts_token(headers):
                return _UNAUTHORIZED
            return self._list_attributes() if url.endswith("/attributes") else self._look_up(url)
        rows: list[Row] = json.loads(content)
        number = len(self.requests)
        verb = url.rsplit("/", 1)[1]
        self.requests.append((verb, rows))
        self.bodies.append(content)
        self.arrivals.append(self._now())
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            reply = (self._script and self._script(number, rows)) or Reply()
            if reply.expires:
                self._expired_tokens = self.tokens
            if not self._accepts_token(headers):
                await anyio.lowlevel.checkpoint()
                return _UNAUTHORIZED
            return await self._serve(verb, rows, reply, stop or Stop())
        finally:
            self.in_flight -= 1

    async def _serve(self, verb: str, rows: list[Row], reply: Reply, stop: Stop) -> Response:
        """Respond after the delay; rows are stored even if the caller aborts."""
        stored_at = None if reply.store_delay is None else self._now() + reply.store_delay
        with anyio.CancelScope() as scope, stop.cutting(scope):
            for _ in range(self._steps):
                await anyio.lowlevel.checkpoint()
            if reply.delay and self._clock is not None:
                await self._clock.sleep(reply.delay)
        if scope.cancelled_caught or stored_at is not None:
            if reply.executed:
                self._delayed.append((stored_at or self._now(), verb, rows))
            reply = attrs.evolve(reply, executed=False)
            if scope.cancelled_caught or reply.status is None:
                raise APIConnectionError("the connection is lost", sent=True)
        return self._respond(verb, rows, reply)

    def store_delayed(self, *, everything: bool = False) -> None:
        """Store delayed rows that are due, or all of them."""
        due = [it for it in self._delayed if everything or it[0] <= self._now()]
        self._delayed = [it for it in self._delayed if it not in due]
        for _, verb, rows in sorted(due, key=lambda it: it[0]):
            self._execute(verb, rows)

    def reset_retry_after(self) -> None:
        """Allow requests before the end of ``Retry-After``, as from a new process."""
        self._not_before = 0.0

    def _now(self) -> float:
        return 0.0 if self._clock is None else self._clock.monotonic()

    def _accepts_token(self, headers: Headers) -> bool:
        """Return whether the token is valid; one that the server has not issued always is."""
        token = dict(headers)["authorization"].removeprefix("Bearer t")
        return not token.isdecimal() or int(token) > self._expired_tokens

    async def _issue_token(self) -> Response:
        await anyio.lowlevel.checkpoint()
        self.tokens += 1
        return Response(200, {}, json.dumps({"access_token": f"t{self.tokens}"}).encode())

    def _list_attributes(self) -> Response:
        items = [
            {"id": number, "name": name, "type": kind}
            for number, (name, kind) in enumerate(self.attributes.items(), 1)
        ]
        return Response(200, {}, json.dumps(items).encode())

    def _look_up(self, url: str) -> Response:
        """List receivers by address, with their orders, unless look-ups are refused."""
        wanted = parse_qs(urlsplit(url).query)["email_list"][0].split(",")
        self.looked_up += wanted
        if self.refuses_look_ups:
            return Response(403, {}, b'{"error": {"code": 403, "message": "Forbidden"}}')
        found = [
            {**self.stored[key], "orders": self.orders.get(key, [])}
            for key in wanted
            if key in self.stored
        ]
        return Response(200, {}, json.dumps(found).encode())

    def _respond(self, verb: str, rows: list[Row], reply: Reply) -> Response:
        items = self._execute(verb, rows) if reply.executed else []
        if reply.status is None:
            raise APIConnectionError("the connection is lost", sent=reply.executed)
        if "retry-after" in reply.headers and self._clock is not None:
            seconds = float(reply.headers["retry-after"])
            self._not_before = max(self._not_before, self._now() + seconds)
        if reply.reshape is not None:
            items = reply.reshape(items)
        content = json.dumps(items).encode() if reply.content is None else reply.content
        return Response(reply.status, reply.headers, content)

    def _execute(self, verb: str, rows: list[Any]) -> list[Any]:
        items: list[Any] = []
        for row in rows:
            status = self._write(verb, row)
            if verb != "upsertplus":
                is_good = status.endswith("success")
                items.append({"id": "7", "status": status} if is_good else status)
            elif status.endswith("success"):
                items.append({"id": "7", "email": row["email"], "active": True})
        return items

    def _write(self, verb: str, item: Any) -> str:
        """Apply one row, or an address to delete, and return the vendor's status."""
        row: Row = {"email": item} if isinstance(item, str) else item
        email: str = row["email"]
        key = email.lower()
        if "refuse" in email:
            return f"invalid address '{email}'"
        if verb == "insert" and key in self.stored:
            return f"duplicate address '{email}'"
        if verb in {"update", "delete"} and key not in self.stored:
            return f"invalid receiver '{email}'"
        if verb == "delete":
            del self.stored[key]
            return "success"
        is_new = key not in self.stored
        self.created[key] += is_new
        self.stored[key] = row
        self.orders.setdefault(key, []).extend(row.get("orders", ()))
        return "insert success" if is_new else "update success"

    @property
    def order_ids(self) -> list[str]:
        """Every order line stored, repeated ones included."""
        return [order["order_id"] for orders in self.orders.values() for order in orders]

    async def aclose(self) -> None:
        """Do nothing."""


def transport_to(
    server: ModelServer, *, clock: Clock | None = None, rng: Random | None = None
) -> Transport:
    """Return a transport that sends to the model server."""
    transport = Transport(
        sender=server,
        base_url="https://api.example",
        timeout=30.0,
        retry=RetryPolicy(),
        user_agent="test",
        clock=clock or FakeClock(),
        rng=rng or FixedRandom(0.5),
    )
    return transport.with_auth(as_auth("a-token"))


def always(reply: Reply) -> Script:
    """Reply the same to every request."""
    return lambda _number, _rows: reply


def at(reply: Reply, *numbers: int) -> Script:
    """Use the reply for the requests of these numbers, from 0; the others succeed."""
    return lambda number, _rows: reply if number in numbers else None


def receivers(count: int) -> Iterator[ReceiverInput]:
    """Yield receivers with different addresses."""
    return (ReceiverInput(f"p{n}@example.org") for n in range(count))


async def upsert(server: ModelServer, source: Any, **options: Any) -> ImportReport:
    """Import a source into group 7 of the model server.

    ``canary`` is off by default, so that requests are easy to count.
    """
    options.setdefault("canary", False)
    return await Bulk(transport_to(server)).upsert(source, group_id=7, **options)


def counts(report: ImportReport) -> dict[str, int]:
    """Return the numbers of a report that are not zero."""
    names = ("read", "accepted", "rejected", "unknown", "pending", "superseded")
    return {name: getattr(report, name) for name in names if getattr(report, name)}
