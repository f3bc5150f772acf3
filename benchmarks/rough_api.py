"""The mock API with faults: a share of the batches fails, each in one of five ways.

``python -m benchmarks.rough_api --port 0 --faults 0.05``. It records which receivers it has stored,
so that the report of an import can be compared with it.
"""

import argparse
import random
import re
from typing import Final

import msgspec

from benchmarks.mock_api import Message, MockAPI, Receive, Send, serve

__all__ = ["RoughAPI"]

_numbers_in: Final = re.compile(rb'"email":\s*"receiver\.(\d+)@').findall

_TOO_MANY: Final = (429, [(b"retry-after", b"1")], b'{"error":{"code":429,"message":"Slow down"}}')
_GATEWAY: Final = (502, [(b"content-type", b"text/html")], b"<html>Bad Gateway</html>")
_KINDS: Final = ("refused", "gateway", "gateway_after", "cut", "short")


class RoughAPI:
    """The ASGI application.

    Args:
        faults: Share of the batches that fail, 0 to 1.
        seed: Seed of the random choice of batches.
    """

    def __init__(self, faults: float, seed: int = 1) -> None:
        self._app = MockAPI()
        self._faults = faults
        self._random = random.Random(seed)
        self._stored = bytearray()
        self._injected = dict.fromkeys(_KINDS, 0)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Respond to one request, correctly or with a fault."""
        path: str = scope["path"]
        if path == "/__stored":
            counts = {"stored": sum(self._stored), "faults": self._injected}
            await _reply(send, 200, [], msgspec.json.encode(counts))
            return
        kind = ""
        if path.endswith("/upsertplus") and self._random.random() < self._faults:
            kind = self._random.choice(_KINDS)
            self._injected[kind] += 1
        if kind in {"refused", "gateway"}:
            await _drain(receive)
            await _reply(send, *(_TOO_MANY if kind == "refused" else _GATEWAY))
            return

        rest = b""

        async def remember() -> Message:
            nonlocal rest
            message = await receive()
            # A body arrives in parts, and a part may end within an address.
            text = rest + message.get("body", b"")
            self._remember(text)
            rest = text[-64:]
            return message

        await self._app(scope, remember, _FaultySend(send, kind))

    def _remember(self, text: bytes) -> None:
        for number in map(int, _numbers_in(text)):
            if number >= len(self._stored):
                self._stored.extend(bytes(number + 100_000 - len(self._stored)))
            self._stored[number] = 1


class _FaultySend:
    """Sends a response with one kind of fault."""

    def __init__(self, send: Send, kind: str) -> None:
        self._send = send
        self._kind = kind
        self._start: Message = {}

    async def __call__(self, message: Message) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start" and self._kind:
            self._start = message
            return
        if not self._kind:
            await self._send(message)
            return
        body: bytes = message["body"]
        if self._kind == "gateway_after":
            await _reply(self._send, *_GATEWAY)
        elif self._kind == "short":
            await _reply(self._send, 200, [], body[: body.rindex(b',{"id"')] + b"]")
        else:
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": body[:-1], "more_body": True})
            raise ConnectionAbortedError("the response is truncated")


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="The mock API with faults.")
    parser.add_argument("--port", type=int, default=8000, help="0 chooses a free one")
    parser.add_argument("--faults", type=float, default=0.05, help="share of batches, 0 to 1")
    options = parser.parse_args()
    # Responses are aborted on purpose; do not log the tracebacks.
    serve(RoughAPI(options.faults), options.port, log_level="critical")


if __name__ == "__main__":
    main()
