"""A replacement for the CleverReach API that uses little CPU, to measure clients with.

It stores nothing and checks nothing: it counts rows by their ``"email"`` and responds as the API
does, with one profile or one status per row. Run it with ``python -m benchmarks.mock_api --port
8000``; with port 0 the system chooses one. The port is the first line of its output.
"""

import argparse
import asyncio
import re
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import chain, repeat
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
import uvicorn

__all__ = ["MockAPI", "main", "serve"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_KEEP_ALIVE: Final = 600
"""Seconds for which an unused connection stays open: longer than any case waits for its turn."""

_emails_in: Final = re.compile(rb'"email":\s*"([^"\\]*)"').findall

_TOKEN: Final = (
    b'{"access_token":"mock","expires_in":2592000,"token_type":"bearer","scope":"oa_basic"}'
)
_GROUPS: Final = (
    b'[{"id":"1","name":"Newsletter","locked":false,"backup":true,"receiver_info":"",'
    b'"stamp":1700000000,"last_mailing":0,"last_changed":1700000000}]'
)
_ATTRIBUTES: Final = msgspec.json.encode(
    [
        {"id": number, "name": name, "type": "text"}
        for number, name in enumerate(
            (
                *("firstname", "lastname", "salutation", "company", "street", "zip", "city"),
                *("country", "customer_number", "birthday", "phone", "language"),
            ),
            1,
        )
    ]
)
_FIXED: Final = {
    ("GET", "/v3/groups"): _GROUPS,
    ("GET", "/v3/attributes"): _ATTRIBUTES,
    ("POST", "/oauth/token.php"): _TOKEN,
}
_NOT_FOUND: Final = b'{"error":{"code":404,"message":"Not Found"}}'

_PROFILE_TAIL: Final = (
    b'","imported":1700000000,"bounced":0,"group_id":"1","activated":1700000000,'
    b'"registered":1700000000,"deactivated":0,"last_changed":1700000000,"last_ip":"192.0.2.7",'
    b'"last_location":"","last_client":"","points":0,"stars":0,"source":"shop","attributes":{},'
    b'"global_attributes":{"firstname":"Bruce","lastname":"Wayne","salutation":"Herr",'
    b'"company":"Wayne Enterprises GmbH","street":"Mountain Drive 1007","zip":"60311",'
    b'"city":"Frankfurt am Main","country":"DE","customer_number":"0012345","birthday":"",'
    b'"phone":"","language":"de"},"active":true,"conversion_rate":0,"open_rate":0,'
    b'"click_rate":0,"events":[],"tags":["customer","shop.vip"],"orders":[]}'
)
_STATUS: Final = b'{"id":%d,"status":"update success"}'


class MockAPI:
    """The ASGI application.

    Args:
        latency: Seconds from the last byte of a request to the first byte of its response.
        receivers: Number of receivers of every group that can be listed.
    """

    def __init__(self, latency: float = 0.0, receivers: int = 0) -> None:
        self._receivers = receivers
        self._latency = latency
        self._rows = 0
        self._requests = 0
        self._connections: set[tuple[str, int]] = set()
        self._heads: list[bytes] = []
        self._statuses: list[bytes] = []
        self._pages: dict[tuple[int, int], bytes] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        body = await _read(receive)
        due = asyncio.get_running_loop().time() + self._latency
        path: str = scope["path"]
        if path.startswith("/__"):
            await _answer(send, self._counters())
            return
        self._requests += 1
        # A port that is used again soon would be counted once; the system avoids that.
        self._connections.add(scope["client"])
        answer = self._route(scope, path, body)
        # Creating the response is part of the latency, as it is on any server.
        remaining = due - asyncio.get_running_loop().time()
        if self._latency and remaining > 0:
            await asyncio.sleep(remaining)
        await _answer(send, answer)

    def _counters(self) -> bytes:
        counters = {
            "rows": self._rows,
            "requests": self._requests,
            "connections": len(self._connections),
            "cpu": time.process_time(),
        }
        return msgspec.json.encode(counters)

    def _route(self, scope: Message, path: str, body: bytes) -> bytes:
        match scope["method"], path.removesuffix(".json").split("/")[1:]:
            case "POST", ["v3", "groups", _, "receivers", "upsertplus"]:
                return self._profiles(_emails_in(body))
            case "POST", ["v3", "groups", _, "receivers", "upsert" | "insert"]:
                return self._results(len(_emails_in(body)))
            case "GET", ["v3", "groups", _, "receivers"]:
                return self._page(scope["query_string"].decode())
            case _:
                return _FIXED.get((scope["method"], path.removesuffix(".json")), _NOT_FOUND)

    def _profiles(self, emails: list[bytes]) -> bytes:
        self._rows += len(emails)
        heads = self._heads
        for number in range(len(heads), len(emails)):
            heads.append(b'%s{"id":"%d","email":"' % (b"," if number else b"[", 100_000 + number))
        parts = chain.from_iterable(zip(heads, emails, repeat(_PROFILE_TAIL), strict=False))
        return b"".join(parts) + b"]" if emails else b"[]"

    def _results(self, count: int) -> bytes:
        self._rows += count
        for number in range(len(self._statuses), count):
            self._statuses.append(_STATUS % (100_000 + number))
        return b"[" + b",".join(self._statuses[:count]) + b"]"

    def _page(self, query: str) -> bytes:
        """Return a page of receivers. Each is created once, to be cheap in the measurement."""
        values = parse_qs(query)
        size, page = int(values["pagesize"][0]), int(values["page"][0])
        numbers = range(page * size, min((page + 1) * size, self._receivers))
        self._rows += len(numbers)
        if (page, size) not in self._pages:
            rows = [
                b'{"id":"%d","email":"receiver.%d@shop.example%s' % (number, number, _PROFILE_TAIL)
                for number in numbers
            ]
            self._pages[page, size] = b"[" + b",".join(rows) + b"]"
        return self._pages[page, size]


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _answer(send: Send, body: bytes) -> None:
    status = 404 if body is _NOT_FOUND else 200
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A cheap replacement for the CleverReach API.")
    parser.add_argument("--port", type=int, default=8000, help="0 chooses a free one")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS")
    parser.add_argument("--receivers", type=int, default=0, help="that can be listed")
    parser.add_argument("--certificate", metavar="PEM", help="key and certificates, for https")
    options = parser.parse_args()
    app = MockAPI(options.latency / 1000, options.receivers)
    serve(app, options.port, certificate=options.certificate)


def serve(
    app: Any, port: int, *, certificate: str | None = None, log_level: str = "warning"
) -> None:
    """Serve an application until interrupted, and print its port."""
    # httptools parses requests when it is installed, at a fraction of the cost.
    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_level=log_level,
        timeout_keep_alive=_KEEP_ALIVE,
        ssl_certfile=certificate,
    )
    # The protocol is given explicitly, unlike in create_server(): only then does asyncio disable
    # Nagle's algorithm, which would delay responses by 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
