"""A server in its own process, which outlives its clients: ``python -m support.kill_server``.

It speaks just enough HTTP to be fast, keeps a group per number in the path, and can kill the
client at a given byte of a given exchange. The first line of its output is the port. What tests
tell it goes to paths that begin with two underscores.
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


class Server:
    """What all connections share.

    Attributes:
        groups: What is stored, by number of the group.
        tokens: The tokens in force.
        clients: Connections on which calls of clients came, and are open.
        posts: Batches that arrived whole, in all groups.
    """

    def __init__(self) -> None:
        self.groups: defaultdict[int, Group] = defaultdict(Group)
        self.tokens = Tokens()
        self.clients: set[Connection] = set()
        self.posts = 0
        self._plan: dict[str, Any] = {}
        self._waiting: list[tuple[Callable[[], bool], Connection]] = []

    def control(self, name: str, fields: dict[str, Any], connection: "Connection") -> None:
        """Do what a test says, and response it, perhaps later."""
        group = self.groups[fields.get("group", 0)]
        response: Any = True
        match name:
            case "state":
                response = group.state()
            case "refuse_look_ups":
                group.refuses_look_ups = fields["refuse"]
            case "plan":
                self._plan = {**fields, "at": self.posts + fields["posts"]}
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

    def respond_when(self, is_true: Callable[[], bool], connection: "Connection") -> None:
        """Answer a test as soon as something is true."""
        self._waiting.append((is_true, connection))
        self.respond_to_waiting()

    def respond_to_waiting(self) -> None:
        """Answer tests that wait for what has become true."""
        for waiting in [each for each in self._waiting if each[0]()]:
            self._waiting.remove(waiting)
            waiting[1].respond(200, b"true")

    def planned(self, phase: str) -> bool:
        """Whether this is the moment of an exchange at which to kill the client or fall silent."""
        plan = self._plan
        return plan.get("phase") == phase and self.posts >= plan["at"]

    def kill(self) -> bool:
        """Kill the client if that was the plan; whether the exchange goes no further."""
        plan, self._plan = self._plan, {}
        if plan.get("pid"):
            os.kill(plan["pid"], signal.SIGKILL)
        self.respond_to_waiting()
        return True


class Connection(asyncio.Protocol):
    """One connection; requests on it come one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._is_silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """A client has gone, be it by force."""
        self._server.clients.discard(self)
        self._server.respond_to_waiting()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
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
        # A body may arrive in one piece, with no half of it to strike at.
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
        if not self._is_silent:
            self.respond(200, response)
            if server.planned("responded"):
                server.kill()
        server.respond_to_waiting()

    def _respond_in_part(self, response: bytes, count: int) -> None:
        """Fall silent in the middle; the client is told where it has to die by its own hand."""
        head = b"HTTP/1.1 200 OK\r\nx-kill-after: %d\r\ncontent-length: %d" % (count, len(response))
        self._transport.write(head + _END + response[:count])
        self._is_silent = self._server.kill()

    def respond(self, status: int, body: bytes) -> None:
        """Answer a request."""
        head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d" % (
            status,
            len(body),
        )
        self._transport.write(head + _END + body)


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve() -> None:
    """Serve until the input ends, as it does when the process that began this one dies."""
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
