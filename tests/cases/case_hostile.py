"""Servers that are broken or hostile: bounded time and memory, and an error that helps."""

import gzip
import json
import random
import time
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
from cases.registry import case
from support.accounts import Account
from support.clocks import FakeClock
from support.virtual_time import VirtualClock

from cleverreach_async import (
    CleverReach,
    CleverReachError,
    ImportFailedError,
    ReceiverInput,
    RetryPolicy,
)
from cleverreach_async.transport.redaction import mask_emails

Answer = Callable[[httpx.Request], httpx.Response]

ONCE = RetryPolicy(attempts=1)
HOUR = 3600.0


@asynccontextmanager
async def client_of(answer: Answer, **options: Any) -> AsyncGenerator[CleverReach]:
    """Open a client of a server that answers so."""
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client,
        CleverReach("token", http_client=http_client, **options) as cr,
    ):
        yield cr


async def outcome(cr: CleverReach) -> Any:
    """Make a call, and return its result or the name of its error."""
    try:
        return await cr.request("GET", "/debug/ttl")
    except CleverReachError as error:
        return type(error).__name__


# a03: one Retry-After closes the account.

ABSURD = ["999999999", "1735689600", "Fri, 31 Dec 9999 23:59:59 GMT", "1e300", "3600"]
NONSENSE = ["-1", "0", "nan", "inf", "1_0"]
PAUSED = ["RateLimitError", "RateLimitError", "sent 1", True, True, "sent 3"]
NOT_PAUSED = ["RateLimitError", True, "sent 2", True, True, "sent 4"]


@case(
    "a03_retry_after_bricks",
    "an hour at most, then one probe; nonsense pauses nothing",
    {**dict.fromkeys(ABSURD, PAUSED), **dict.fromkeys(NONSENSE, NOT_PAUSED)},
)
async def _(account: Account) -> Any:
    del account
    return {value: await after_one_push_back(value) for value in [*ABSURD, *NONSENSE]}


async def after_one_push_back(retry_after: str) -> list[Any]:
    """Make calls at once and after an hour, to a server that refuses the first one."""
    sent = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        if sent == 1:
            return httpx.Response(429, headers={"Retry-After": retry_after})
        return httpx.Response(200, json=True)

    clock = FakeClock()
    async with client_of(answer, retry=ONCE, clock=clock) as cr:
        found = [await outcome(cr), await outcome(cr), f"sent {sent}"]
        clock.elapsed += HOUR
        return [*found, await outcome(cr), await outcome(cr), f"sent {sent}"]


# b02: a few bytes that are a gigabyte.


def squeezed(megabytes: int, *, layers: int) -> bytes:
    """Compress blanks several times. The checksum is wrong, which nobody gets to see."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = stream.compress(b" " * 2**20) + stream.flush(zlib.Z_FULL_FLUSH)
    head = gzip.compress(b"")[:10]
    body = head + block * megabytes + stream.flush() + bytes(8)
    for _ in range(layers - 1):
        body = gzip.compress(body, 9)
    return body


for _layers in (1, 2, 3):

    @case(
        f"b02_decompression_bomb, {_layers}",
        "bounded by the cap at every layer, an APIConnectionError",
        ("APIConnectionError", "below 200 MiB"),
    )
    async def _(account: Account, layers: int = _layers) -> Any:
        del account
        body = squeezed(1000, layers=layers)
        headers = {"Content-Encoding": ", ".join(["gzip"] * layers)}

        def answer(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))

        tracemalloc.start()
        try:
            async with client_of(answer, retry=ONCE, timeout=None) as cr:
                found = await outcome(cr)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        return found, "below 200 MiB" if peak < 200 * 2**20 else f"{peak / 2**20:.0f} MiB"


# c04: 200 and a web page to everything.


@case(
    "c04_unreadable_never_stops",
    "stops after a few batches, rows pending or unknown, the reason named",
    ("stopped, base_url named", "at most 20 requests", "no row accepted or rejected"),
)
async def _(account: Account) -> Any:
    del account
    sent = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        return httpx.Response(200, html="<html>Welcome to HotelWiFi</html>")

    message, report = "imported", None
    clock = VirtualClock()
    async with client_of(answer, clock=clock) as cr, clock.flowing():
        try:
            report = await cr.bulk.upsert(many(30_000), group_id=7, settle=0.0)
        except ImportFailedError as error:
            message, report = str(error), error.report
    is_open = report.accepted == report.rejected == 0 and report.unknown + report.pending > 0
    return (
        "stopped, base_url named" if "check base_url" in message else message,
        "at most 20 requests" if sent <= 20 else sent,
        "no row accepted or rejected" if is_open else report,
    )


def many(rows: int) -> list[ReceiverInput]:
    """Return receivers."""
    return [ReceiverInput(f"u{number}@example.org") for number in range(rows)]


# c06: 413 that has nothing to do with size.


@case(
    "c06_spurious_413",
    "near the ideal number of requests, none refused",
    (20_000, 0, "at most 60 requests"),
)
async def _(account: Account) -> Any:
    del account
    chance, sent = random.Random(1), 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        if chance.random() < 0.05:
            return httpx.Response(413, html="<html>Request Entity Too Large</html>")
        return httpx.Response(200, json=stored(request.content))

    clock = VirtualClock()
    async with client_of(answer, clock=clock) as cr, clock.flowing():
        report = await cr.bulk.upsert(many(20_000), group_id=7)
    found = "at most 60 requests" if sent <= 60 else f"{sent} requests"
    return report.accepted, report.rejected, found


def stored(body: bytes) -> list[dict[str, Any]]:
    """Return what the server says about rows that it has stored."""
    return [
        {"id": number, "email": row["email"], "status": "insert success"}
        for number, row in enumerate(json.loads(body), 1)
    ]


# c08: a long message.


@case(
    "c08_redos_mask_emails",
    "linear; milliseconds",
    ("masked in time", "BadRequestError", "the event loop was free"),
)
async def _(account: Account) -> Any:
    del account
    started = time.thread_time()
    for length in (5_000, 10_000, 20_000, 40_000):
        mask_emails("x" * length)
    masking = time.thread_time() - started
    message = {"error": {"code": 400, "message": "x" * 60_000}}
    async with client_of(lambda _: httpx.Response(400, json=message), retry=ONCE) as cr:
        await anyio.lowlevel.checkpoint()
        started = time.thread_time()
        found = await outcome(cr)
        blocked = time.thread_time() - started
    return (
        "masked in time" if masking < 0.25 else f"masked in {masking} s",
        found,
        "the event loop was free" if blocked < 0.25 else f"blocked for {blocked} s",
    )


# p01: the same page for ever.


@case(
    "p01_endless_pages",
    "ends with an error that says the server repeats itself",
    (500, 2, "the server repeats itself"),
)
async def _(account: Account) -> Any:
    del account
    page = [{"id": number, "email": f"u{number}@example.org"} for number in range(500)]
    sent = listed = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        return httpx.Response(200 if sent < 20 else 500, json=page)

    async with client_of(answer, retry=ONCE) as cr:
        try:
            async for _ in cr.receivers.list(group_id=7, page_size=500):
                listed += 1
        except CleverReachError as error:
            words = "the server repeats itself"
            return listed, sent, words if words in str(error) else str(error)
    return listed, sent, "ended"
