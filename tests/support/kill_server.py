"""A server in its own process, which outlives its clients: ``python -m support.kill_server``.

It implements only a part of HTTP, to be fast, stores a group for each number in the path, and can
kill the client at a given phase of a given request. The first line of its output is the port.
Control commands of tests have paths that begin with two underscores.
"""

import asyncio
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from support.kill_groups import Group
from support.kill_tokens import Tokens

__all__ = ["main"]

_END: Final = b"\r\n\r\n"
_ATTRIBUTES: Final = msgspec.json.encode(
    [
        {"id": number, "name": name, "type": "text"}
        for number, name in enumerate(("number", "firstname", "city"), 1)
    ]
)


class Server:
    """State that all connections share.

    Attributes:
        groups: Stored groups by number.
        tokens: The valid tokens.
        clients: Open connections on which clients have sent requests.
        posts: Number of batches received completely, in all groups.
    """

    def __init__(self) -> None:
        self.groups: defaultdict[int, Group] = defaultdict(Group)
        self.tokens = Tokens()
        self.clients: set[Connection] = set()
        self.posts = 0
        self._plan: dict[str, Any] = {}
        self._holds = False
        self._held: list[tuple[Connection, bytes]] = []
        self._waiting: list[tuple[Callable[[], bool], Connection]] = []

    def control(self, name: str, fields: dict[str, Any], connection: "Connection") -> None:
        """Execute a control command of a test, and respond, immediately or later."""
        group = self.groups[fields.get("group", 0)]
        response: Any = True
        match name:
            case "state":
                response = group.state()
            case "refuse_look_ups":
                group.refuses_look_ups = fields["refuse"]
            case "plan":
                self._plan = {**fields, "at": self.posts + fields["posts"]}
            case "hold":
                self.hold(holds=fields["hold"])
            case "wait_for_posts":
                at = self.posts + fields["posts"]
                self.respond_when(lambda: self.posts >= at, connection)
                return
            case "wait_for_kill":
                self.respond_when(lambda: not self._plan, connection)
                return
            case "wait_for_idle":
                self.respond_when(lambda: not self.clients, connection)
                return
            case "tokens":
                self.tokens = Tokens(**fields)
            case _:
                response = self.tokens.issued
        connection.respond(200, msgspec.json.encode(response))

    def hold(self, *, holds: bool) -> None:
        """Keep all responses to batches, or send those that were kept."""
        self._holds = holds
        held, self._held = self._held, []
        for connection, response in held:
            connection.respond(200, response)

    def keeps(self, connection: "Connection", response: bytes) -> bool:
        """Keep a response if all are kept."""
        if self._holds:
            self._held.append((connection, response))
        return self._holds

    def respond_when(self, is_true: Callable[[], bool], connection: "Connection") -> None:
        """Respond to a test as soon as a condition is true."""
        self._waiting.append((is_true, connection))
        self.respond_to_waiting()

    def respond_to_waiting(self) -> None:
        """Respond to the tests whose condition has become true."""
        for waiting in [each for each in self._waiting if each[0]()]:
            self._waiting.remove(waiting)
            waiting[1].respond(200, b"true")

    def planned(self, phase: str) -> bool:
        """Whether to kill the client, or stop responding, in this phase of the request."""
        plan = self._plan
        return plan.get("phase") == phase and self.posts >= plan["at"]

    def kill(self) -> bool:
        """Kill the client if the plan names a process.

        Returns:
            ``True``: the server sends no more on the connection.
        """
        plan, self._plan = self._plan, {}
        if plan.get("pid"):
            os.kill(plan["pid"], signal.SIGKILL)
        self.respond_to_waiting()
        return True


class Connection(asyncio.Protocol):
    """One connection, which sends one request after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._is_silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the client."""
        self._server.clients.discard(self)
        self._server.respond_to_waiting()

    def data_received(self, data: bytes) -> None:
        """Respond to every request that has arrived completely."""
        self._buffer += data
        while not self._is_silent and self._take_request():
            pass

    def _take_request(self) -> bool:
        head_end = self._buffer.find(_END)
        if head_end < 0:
            return False
        head = bytes(self._buffer[:head_end])
        length = _content_length(head)
        end = head_end + len(_END) + length
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        is_batch = method == "POST" and target.startswith("/v3/")
        if not target.startswith("/__"):
            self._server.clients.add(self)
        if len(self._buffer) < end:
            arrived = 2 * (len(self._buffer) - head_end) >= length
            if is_batch and arrived and self._server.planned("half of the body"):
                self._is_silent = self._server.kill()
            return False
        body = bytes(self._buffer[head_end + len(_END) : end])
        del self._buffer[:end]
        self._route(method, urlsplit(target), body, head)
        return True

    def _route(self, method: str, target: Any, body: bytes, head: bytes) -> None:
        server = self._server
        match [method, *target.path.split("/")[1:]]:
            case ["POST", name] if name.startswith("__"):
                server.control(name[2:], msgspec.json.decode(body), self)
            case ["POST", "oauth", "token.php"]:
                status, response = server.tokens.issue(parse_qs(body.decode()))
                self.respond(status, msgspec.json.encode(response))
            case _ if not server.tokens.allow(head):
                self.respond(401, b'{"error":{"code":401,"message":"Unauthorized"}}')
            case ["POST", "v3", "groups", number, "receivers", mode]:
                self._batch(server.groups[int(number)], mode, body)
            case ["GET", "v3", "attributes"]:
                self.respond(200, _ATTRIBUTES)
            case ["GET", "v3", "groups", number, "receivers"]:
                group = server.groups[int(number)]
                emails = parse_qs(target.query)["email_list"][0].split(",")
                if group.refuses_look_ups:
                    self.respond(403, b'{"error":{"code":403,"message":"Forbidden"}}')
                else:
                    self.respond(200, group.look_up(emails))
            case _:
                self.respond(404, b'{"error":{"code":404,"message":"Not Found"}}')

    def _batch(self, group: Group, mode: str, body: bytes) -> None:
        server = self._server
        server.posts += 1
        # A body may arrive in one piece, so that there was no half of it to kill at.
        if server.planned("arrived") or server.planned("half of the body"):
            self._is_silent = server.kill()
            return
        response = group.store(mode, body)
        if server.planned("stored"):
            self._is_silent = server.kill()
        for part in ("headers received", "half of the response"):
            if not self._is_silent and server.planned(part):
                self._respond_in_part(
                    response, 0 if part == "headers received" else len(response) // 2
                )
        if not self._is_silent and not server.keeps(self, response):
            self.respond(200, response)
            if server.planned("responded"):
                server.kill()
        server.respond_to_waiting()

    def _respond_in_part(self, response: bytes, count: int) -> None:
        """Send a part of the response; a header names the byte at which the client kills itself."""
        head = b"HTTP/1.1 200 OK\r\nx-kill-after: %d\r\ncontent-length: %d" % (count, len(response))
        self._transport.write(head + _END + response[:count])
        self._is_silent = self._server.kill()

    def respond(self, status: int, body: bytes) -> None:
        """Respond to a request."""
        head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d" % (
            status,
            len(body),
        )
        self._transport.write(head + _END + body)


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve() -> None:
    """Serve until the input ends, as it does when the parent process ends."""
    loop = asyncio.get_running_loop()
    server = Server()
    listener = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0)
    os.write(1, b"%d\n" % listener.sockets[0].getsockname()[1])
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


def main() -> None:
    """Run the server."""
    asyncio.run(serve())


if __name__ == "__main__":
    main()
