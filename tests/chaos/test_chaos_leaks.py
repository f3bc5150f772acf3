"""Hundreds of faults in a row leak no socket, no connection and no place in a pool."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from chaos.chaos_proxy import (
    BLACK_HOLE,
    CLOSED_AS_WRITTEN,
    NO_RESPONSE,
    PASS,
    RESET_BEFORE,
    ChaosProxy,
    CountingServer,
    Ending,
    Exchange,
    Gathering,
    settled,
)

from cleverreach_async import APIConnectionError
from cleverreach_async.transport.http.choice import make_sender
from cleverreach_async.transport.http.sender import Sender

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when an exchange ends early.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

ROUND = [
    PASS,
    RESET_BEFORE,
    CLOSED_AS_WRITTEN,
    Exchange(request_bytes=20, ending=Ending.RST),
    PASS,
    Exchange(response_bytes=0),
    Exchange(response_bytes=30, ending=Ending.RST),
    Exchange(response_bytes=71),
    Exchange(response_bytes=0, ending=Ending.RST),
    Exchange(response_bytes=30),
]
ROUNDS = 20
FDS = Path("/proc/self/fd")

needs_proc = pytest.mark.skipif(
    sys.platform != "linux", reason="open files are counted in /proc/self/fd"
)


def open_files() -> int:
    """The number of open file descriptors of this process."""
    gc.collect()
    return len(os.listdir(FDS))  # noqa: PTH208 - a count of names, not of paths


@pytest.fixture
async def sender(http_client: Any, closed_proxy: ChaosProxy) -> AsyncGenerator[Sender]:
    """A sender without gate and retries, so that each request is one exchange."""
    sender = make_sender(http_client, base_url=closed_proxy.url, max_connections=100)
    yield sender
    await sender.aclose()


async def outcome(sender: Sender, url: str, timeout: float = 20.0) -> str:
    """Send a POST and return its status or the name of the error."""
    try:
        response = await sender.send("POST", url, headers=[], content=b"{}", timeout=timeout)
    except APIConnectionError as error:
        return type(error).__name__
    return str(response.status_code)


async def play(sender: Sender, proxy: ChaosProxy, exchanges: list[Exchange]) -> Counter[str]:
    """Send one request per exchange, one after the other."""
    outcomes: Counter[str] = Counter()
    for exchange in exchanges:
        proxy.script.append(exchange)
        outcomes[await outcome(sender, proxy.url)] += 1
    return outcomes


async def together(sender: Sender, url: str, number: int, timeout: float = 20.0) -> Counter[str]:
    """Send that many requests at once."""
    outcomes: Counter[str] = Counter()

    async def ask() -> None:
        outcomes[await outcome(sender, url, timeout)] += 1

    async with anyio.create_task_group() as callers:
        for _ in range(number):
            callers.start_soon(ask)
    return outcomes


@needs_proc
async def test_faults_leave_no_open_file(
    sender: Sender, proxy: ChaosProxy, server: CountingServer
) -> None:
    """After two hundred requests with faults as many files are open as after the first ten."""
    await play(sender, proxy, ROUND)
    await settled(proxy, server)
    before = open_files()
    outcomes = await play(sender, proxy, ROUND * ROUNDS)
    await settled(proxy, server)
    assert {"APIConnectionError": 8 * ROUNDS, "200": 2 * ROUNDS} == outcomes
    assert before == open_files()
    assert "200" == await outcome(sender, proxy.url)


@needs_proc
async def test_deadlines_leave_no_open_file(
    sender: Sender, proxy: ChaosProxy, server: CountingServer
) -> None:
    """Neither do requests without a response, ten at a time."""
    proxy.decide = lambda: NO_RESPONSE
    counts: list[int] = []
    for _ in range(3):
        assert {"APITimeoutError": 10} == await together(sender, proxy.url, 10, timeout=0.05)
        await settled(proxy, server)
        counts.append(open_files())
    assert [counts[0]] * 3 == counts
    proxy.decide = lambda: PASS
    assert "200" == await outcome(sender, proxy.url)


@needs_proc
async def test_refused_connections_leave_no_open_file(
    sender: Sender, closed_proxy: ChaosProxy, tasks: anyio.abc.TaskGroup
) -> None:
    """Two hundred refused connections, and then one that is accepted."""
    await outcome(sender, closed_proxy.url)
    before = open_files()
    outcomes = Counter([await outcome(sender, closed_proxy.url) for _ in range(200)])
    assert {"APIConnectionError": 200} == outcomes
    assert before == open_files()
    closed_proxy.listen(tasks)
    assert "200" == await outcome(sender, closed_proxy.url)


async def test_faults_leave_all_connections_of_the_pool_usable(
    sender: Sender, proxy: ChaosProxy, server: CountingServer
) -> None:
    """After concurrent faults, as many requests as before can be in flight at once."""
    turns = iter(ROUND * 4)
    proxy.decide = lambda: next(turns)
    assert {"APIConnectionError": 32, "200": 8} == await together(sender, proxy.url, 40)

    send_together = Gathering(40)
    server.before_response = send_together.wait
    proxy.decide = lambda: PASS
    assert {"200": 40} == await together(sender, proxy.url, 40)


async def test_connections_are_closed_after_a_timeout(sender: Sender, proxy: ChaosProxy) -> None:
    """A connection is not reused after a timeout."""
    proxy.decide = lambda: BLACK_HOLE
    outcomes = [await outcome(sender, proxy.url, 0.05) for _ in range(3)]
    assert ["APITimeoutError"] * 3 == outcomes
    await settled(proxy)
    assert (3, 0) == (proxy.accepted, proxy.open)
