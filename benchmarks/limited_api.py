"""The mock API with limits of the account: requests in flight, requests per second, an outage.

``python -m benchmarks.limited_api --port 0 --max-in-flight 4 --latency 100``. ``/__limits`` has
what it has counted, and ``/__outage`` begins an outage.
"""

import argparse
import asyncio
from typing import Final

import attrs
import msgspec

from benchmarks.mock_api import Message, MockAPI, Receive, Send, serve

__all__ = ["LimitedAPI", "Limits"]

_BURST: Final = 4.0
"""Requests that may come at once under a rate; one that counts per second allows more."""


@attrs.define(kw_only=True)
class Limits:
    """Limits of the server, and what it has counted.

    Attributes:
        max_in_flight: Requests at a time above which it answers 429; 0 for no limit.
        rate: Requests per second above which it answers 429 with ``Retry-After: 1``; 0 for none.
        outage: Seconds for which it answers 503 after ``/__outage``.
        started: Requests that were let in.
        accepted: Requests that succeeded.
        refused: Requests answered 429.
        failed: Requests answered 503.
        first: Clock reading of the first request.
        last: Clock reading of the last answer that was a success.
    """

    max_in_flight: int = 0
    rate: float = 0.0
    outage: float = 0.0
    started: int = 0
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    first: float = 0.0
    last: float = 0.0


class LimitedAPI:
    """The ASGI application.

    Args:
        latency: Seconds of each answer.
        limits: Limits and counters.
    """

    def __init__(self, latency: float, limits: Limits) -> None:
        self._app = MockAPI(latency)
        self._limits = limits
        self._in_flight = 0
        self._tokens = _BURST
        self._tokens_at = 0.0
        self._down_until = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        now, limits = asyncio.get_running_loop().time(), self._limits
        if scope["path"] == "/__limits":
            await _reply(send, 200, msgspec.json.encode(attrs.asdict(limits)))
            return
        if scope["path"] == "/__outage":
            self._down_until = now + limits.outage
            await _reply(send, 200, b"true")
            return
        if scope["path"].startswith("/__"):
            await self._app(scope, receive, send)
            return
        limits.first = limits.first or now
        if now < self._down_until:
            limits.failed += 1
            await _refuse(receive, send, 503)
        elif not self._has_turn(now):
            limits.refused += 1
            await _refuse(receive, send, 429, (b"retry-after", b"1"))
        elif limits.max_in_flight and self._in_flight >= limits.max_in_flight:
            limits.refused += 1
            await _refuse(receive, send, 429)
        else:
            self._in_flight += 1
            limits.started += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._in_flight -= 1
            limits.accepted += 1
            limits.last = asyncio.get_running_loop().time()

    def _has_turn(self, now: float) -> bool:
        rate = self._limits.rate
        if not rate:
            return True
        self._tokens = min(_BURST, self._tokens + rate * (now - self._tokens_at))
        self._tokens_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def _refuse(receive: Receive, send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    while (await receive()).get("more_body"):
        pass
    await _reply(send, status, b'{"error":{"code":%d,"message":"no"}}' % status, *headers)


async def _reply(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="The mock API with limits of the account.")
    parser.add_argument("--port", type=int, default=8000, help="0 chooses a free one")
    parser.add_argument("--latency", type=float, default=100.0, help="milliseconds")
    parser.add_argument("--max-in-flight", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds")
    options = parser.parse_args()
    limits = Limits(max_in_flight=options.max_in_flight, rate=options.rate, outage=options.outage)
    serve(LimitedAPI(options.latency / 1000, limits), options.port)


if __name__ == "__main__":
    main()
