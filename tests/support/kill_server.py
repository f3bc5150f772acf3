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

    def control(self, name: str, said: dict[str, Any], connection: "Connection") -> None:
        """Do what a test says, and answer it, perhaps later."""
        group = self.groups[said.get("group", 0)]
        answer: Any = True
        match name:
            case "state":
                answer = group.state()
            case "people":
                answer = group.people
            case "deny":
                group.denies_lookups = said["deny"]
            case "plan":
                self._plan = {**said, "at": self.posts + said["posts"]}
            case "posts":
                at = self.posts + said["posts"]
                self.answer_when(lambda: self.posts >= at, connection)
                return
            case "struck":
                self.answer_when(lambda: not self._plan, connection)
                return
            case "idle":
                self.answer_when(lambda: not self.clients, connection)
                return
            case "tokens":
                self.tokens = Tokens(**said)
            case _:
                answer = self.tokens.issued
        connection.answer(200, msgspec.json.encode(answer))

    def answer_when(self, is_true: Callable[[], bool], connection: "Connection") -> None:
        """Answer a test as soon as something is true."""
        self._waiting.append((is_true, connection))
        self.look()

    def look(self) -> None:
        """Answer tests that wait for what has become true."""
        for waiting in [each for each in self._waiting if each[0]()]:
            self._waiting.remove(waiting)
            waiting[1].answer(200, b"true")

    def planned(self, phase: str) -> bool:
        """Whether this is the moment of an exchange at which to kill the client or fall silent."""
        plan = self._plan
        return plan.get("phase") == phase and self.posts >= plan["at"]

    def kill(self) -> bool:
        """Kill the client if that was the plan; whether the exchange goes no further."""
        plan, self._plan = self._plan, {}
        if plan.get("pid"):
            os.kill(plan["pid"], signal.SIGKILL)
        self.look()
        return True


class Connection(asyncio.Protocol):
    """One connection; requests on it come one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._is_dead = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """A client has gone, be it by force."""
        self._server.clients.discard(self)
        self._server.look()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while not self._is_dead and self._take_request():
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
                self._is_dead = self._server.kill()
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
                status, answer = server.tokens.issue(parse_qs(body.decode()))
                self.answer(status, msgspec.json.encode(answer))
            case _ if not server.tokens.allow(head):
                self.answer(401, b'{"error":{"code":401,"message":"Unauthorized"}}')
            case ["POST", "v3", "groups", number, "receivers", mode]:
                self._batch(server.groups[int(number)], mode, body)
            case ["GET", "v3", "groups", number, "receivers"]:
                group = server.groups[int(number)]
                emails = parse_qs(target.query)["email_list"][0].split(",")
                if group.denies_lookups:
                    self.answer(403, b'{"error":{"code":403,"message":"Forbidden"}}')
                else:
                    self.answer(200, group.look_up(emails))
            case _:
                self.answer(404, b'{"error":{"code":404,"message":"Not Found"}}')

    def _batch(self, group: Group, mode: str, body: bytes) -> None:
        server = self._server
        server.posts += 1
        # A body may arrive in one piece, with no half of it to strike at.
        if server.planned("arrived") or server.planned("half of the body"):
            self._is_dead = server.kill()
            return
        answer = group.store(mode, body)
        if server.planned("stored"):
            self._is_dead = server.kill()
        for part in ("headers received", "half of the answer"):
            if not self._is_dead and server.planned(part):
                self._answer_in_part(answer, 0 if part == "headers received" else len(answer) // 2)
        if not self._is_dead:
            self.answer(200, answer)
            if server.planned("answered"):
                server.kill()
        server.look()

    def _answer_in_part(self, answer: bytes, count: int) -> None:
        """Fall silent in the middle; the client is told where it has to die by its own hand."""
        head = b"HTTP/1.1 200 OK\r\nx-die-after: %d\r\ncontent-length: %d" % (count, len(answer))
        self._transport.write(head + _END + answer[:count])
        self._is_dead = self._server.kill()

    def answer(self, status: int, body: bytes) -> None:
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
