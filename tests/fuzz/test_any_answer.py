"""Any answer to any method: only errors of the library, in bounded time and memory.

``nox -s fuzz`` runs it for two minutes. A failure names its seed; repeat it with
``FUZZ_SEED=… pytest tests/fuzz``.
"""

from __future__ import annotations

import os
import random
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fuzz.hostile_answers import HostileAnswers
from support.clocks import FakeClock
from support.effort import seconds_of_a_loop
from support.resource_calls import CALLS, arguments, noun_of

from cleverreach_async import CleverReach, OAuthApp, ReceiverInput, RetryPolicy
from cleverreach_async.errors import CleverReachError
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.oauth import OAuth
from cleverreach_async.resources.pages import Paginator

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when a response is discarded.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""Seconds for both event loops together; 0 for a number of examples instead."""
FIRST_SEED = int(os.environ.get("FUZZ_SEED", "1"))
EXAMPLES = 1 if "FUZZ_SEED" in os.environ else 20
TIMEOUT = 0.3
LONGEST_BLOCK = 10
"""Loops of a million steps, each of which takes about 25 ms."""
MOST_MEMORY = 500 * 1024
MOST_ITEMS = 2000
EVERY_CALL: list[tuple[type[Resource], str]] = [
    *CALLS,
    *((OAuth, method) for method in ("exchange", "revoke")),
    (Resource, "request"),
    *[(Resource, "import")] * 4,
]
TOKEN = b'{"access_token": "tok", "expires_in": 3600}'


class HostileServer:
    """Answers each request on the loopback with what ``answer`` returns, in a thread."""

    def __init__(self) -> None:
        self.answer: Callable[[bytes], bytes] = lambda _: b""
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop accepting connections."""
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._respond, args=(connection,), daemon=True).start()

    def _respond(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            connection.settimeout(5)
            while head := self._read_request(connection):
                answer = self.answer(head)
                connection.sendall(answer)
                if not answer or b"Connection: close" in answer:
                    return

    def _read_request(self, connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                return b""
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [it for it in head.lower().split(b"\r\n") if it.startswith(b"content-length:")]
        missing = int(lengths[0].partition(b":")[2]) - len(body) if lengths else 0
        while missing > 0:
            missing -= len(connection.recv(min(missing, 65536))) or missing
        return head


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """A server that a test makes hostile."""
    server = HostileServer()
    yield server
    server.close()


class Watch:
    """Measures for how long the event loop's thread works without letting other tasks run.

    It counts the time of the processor, so other processes do not disturb it.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        before = time.thread_time()
        while True:
            await anyio.lowlevel.checkpoint()
            now = time.thread_time()
            self.longest, before = max(self.longest, now - before), now

    def take(self) -> float:
        """Return the longest time since the last call."""
        longest, self.longest = self.longest, 0.0
        return longest


async def use(result: Any) -> None:
    """Await the result of a call, or list its items."""
    kind: type[Any] = result.__class__
    if not issubclass(kind, Paginator):
        await result
        return
    items = 0
    async for _ in result:
        items += 1
        if items >= MOST_ITEMS:
            return


async def import_rows(cr: CleverReach) -> None:
    """Import a few rows, and account for each."""
    rows = [ReceiverInput(f"p{number}@mail.example") for number in range(3)]
    report = await cr.bulk.upsert(rows, group_id=7, canary=False, timeout=TIMEOUT)
    report.assert_balanced()


async def play(server: HostileServer, seed: int) -> str:
    """Make the call of a seed, and return its name."""
    rng = random.Random(seed)
    answers = HostileAnswers(rng)
    spares_token = rng.random() < 0.8

    def answer(head: bytes) -> bytes:
        if spares_token and b"/oauth/token.php" in head:
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(TOKEN), TOKEN)
        return answers.answer()

    server.answer = answer
    kind, method = rng.choice(EVERY_CALL)
    options: dict[str, Any] = {
        "retry": RetryPolicy(attempts=rng.choice((1, 3))),
        "timeout": TIMEOUT,
    }
    auth = rng.choice(("tok", OAuthApp("id", "secret").client_credentials()))
    clock = FakeClock()
    async with CleverReach(auth, base_url=server.url, clock=clock, **options) as cr:
        with suppress(CleverReachError):
            if method == "request":
                await cr.request(rng.choice(("GET", "POST", "DELETE")), "/groups")
            elif method == "import":
                await import_rows(cr)
            else:
                noun = getattr(cr, noun_of(kind))
                given = {} if kind is OAuth else arguments(kind, method)
                await use(getattr(noun, method)(**given))
    return f"{kind.__name__}.{method}"


def seeds() -> Iterator[int]:
    """The seeds of one session: a number of examples, or as many as the time allows."""
    started = time.monotonic()
    first = FIRST_SEED + (random.SystemRandom().randrange(10**9) if SECONDS else 0)
    for seed in count(first):
        is_over = time.monotonic() - started > SECONDS / 2 if SECONDS else seed - first >= EXAMPLES
        if is_over:
            return
        yield seed


async def test_any_answer_to_any_method(server: HostileServer) -> None:
    """A call returns or raises an error of the library; other tasks go on; memory is bounded."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import_module("cleverreach_async.bulk.importer")  # the first use of cr.bulk would load it
    watch, loop = Watch(), seconds_of_a_loop()
    played = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run)
        for seed in seeds():
            try:
                name = await play(server, seed)
            except Exception as error:  # noqa: BLE001 - that is what is tested
                pytest.fail(f"seed {seed}: {type(error).__name__}: {error!s:.300}")
            blocked = watch.take()
            if blocked > loop * LONGEST_BLOCK:  # this machine may be slower now
                loop = max(loop, seconds_of_a_loop())
            assert blocked < loop * LONGEST_BLOCK, (
                f"seed {seed}: {name} blocked for {blocked:.2f} s"
            )
            played += 1
        tasks.cancel_scope.cancel()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert played >= 1
    if sys.platform == "linux":  # where it is in KiB
        assert grown < MOST_MEMORY, f"memory grew by {grown // 1024} MiB"
