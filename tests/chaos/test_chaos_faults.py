"""Every fault of a connection leads to a correct retry or the right error, and to no duplicate."""

from __future__ import annotations

import itertools
import socket
import sys
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import pytest
from chaos.chaos_proxy import (
    BLACK_HOLE,
    CLOSED_AS_WRITTEN,
    NO_RESPONSE,
    RESET_BEFORE,
    ChaosProxy,
    CountingServer,
    Ending,
    Exchange,
    settled,
)
from support.clocks import FakeClock

from cleverreach_async import APIConnectionError, APITimeoutError, CleverReach, RequestEvent

if TYPE_CHECKING:
    from chaos.conftest import Connect

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when an exchange ends early.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

FAULTS = {
    "reset before the request": RESET_BEFORE,
    "closed as the request is written": CLOSED_AS_WRITTEN,
    "reset within the request": Exchange(request_bytes=30, ending=Ending.RST),
    "closed within the request": Exchange(request_bytes=30),
    "reset before the response": Exchange(response_bytes=0, ending=Ending.RST),
    "closed before the response": Exchange(response_bytes=0),
    "reset within the response": Exchange(response_bytes=40, ending=Ending.RST),
    "closed within the response": Exchange(response_bytes=40),
}
each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
SILENT = {"black hole": BLACK_HOLE, "no response": NO_RESPONSE}


def reaches_the_server(fault: Exchange) -> int:
    """The number of requests that the server receives in an exchange with this fault."""
    return int(fault.request_bytes is None)


async def call(cr: CleverReach, method: str) -> Any:
    """Call an endpoint, with a body if the method has one."""
    if method == "GET":
        return await cr.request("GET", "/groups")
    return await cr.request(method, "/groups/7", json={"name": "x" * 50})


@each_fault
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_an_idempotent_call_is_retried(
    connect: Connect,
    http_client: Any,
    proxy: ChaosProxy,
    server: CountingServer,
    method: str,
    fault: Exchange,
) -> None:
    """One fault causes one more attempt on a new connection; the caller gets the response."""
    cr = connect(proxy.url, http_client=http_client)
    proxy.script.append(fault)
    assert [] == await call(cr, method)
    assert (2, 2) == (proxy.accepted, proxy.begun)
    assert reaches_the_server(fault) + 1 == proxy.forwarded == len(server.requests)


@each_fault
async def test_a_post_is_not_retried_once_it_may_have_been_sent(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer, fault: Exchange
) -> None:
    """Once a byte may have been sent, the error says so; the next call works."""
    cr = connect(proxy.url, http_client=http_client)
    proxy.script.append(fault)
    with pytest.raises(APIConnectionError) as caught:
        await call(cr, "POST")
    assert (APIConnectionError, True) == (type(caught.value), caught.value.sent)
    assert (1, reaches_the_server(fault)) == (proxy.begun, len(server.requests))

    server.requests.clear()
    assert [] == await call(cr, "POST")
    assert 1 == len(server.requests)


@each_fault
async def test_a_reused_connection_may_be_closed_already(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer, fault: Exchange
) -> None:
    """It is closed while the next request is written: a GET is retried, a POST raises."""
    cr = connect(proxy.url, http_client=http_client)
    for method in ("GET", "POST"):
        await call(cr, "GET")
        before = (proxy.accepted, len(server.requests))
        proxy.script.append(fault)
        if method == "GET":
            assert [] == await call(cr, "GET")
            repeats = 1
        else:
            with pytest.raises(APIConnectionError) as caught:
                await call(cr, "POST")
            assert caught.value.sent
            repeats = 0
        expected = (before[0] + repeats, before[1] + reaches_the_server(fault) + repeats)
        assert expected == (proxy.accepted, len(server.requests))


@each_fault
async def test_retries_do_not_multiply(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer, fault: Exchange
) -> None:
    """A permanent fault causes as many requests as there are attempts, and no more."""
    cr = connect(proxy.url, http_client=http_client, attempts=4)
    proxy.decide = lambda: fault
    with pytest.raises(APIConnectionError) as caught:
        await call(cr, "GET")
    assert (APIConnectionError, True) == (type(caught.value), caught.value.sent)
    assert (4, 4 * reaches_the_server(fault)) == (proxy.begun, len(server.requests))


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_refused_connection_is_retried_for_every_method(
    connect: Connect,
    http_client: Any,
    closed_proxy: ChaosProxy,
    server: CountingServer,
    clock: FakeClock,
    tasks: anyio.abc.TaskGroup,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    """Nothing was sent, so even a POST is safe; the server is up at the second attempt."""

    async def come_back(seconds: float) -> None:
        clock.elapsed += seconds
        closed_proxy.listen(tasks)

    monkeypatch.setattr(clock, "sleep", come_back)
    cr = connect(closed_proxy.url, http_client=http_client)
    assert [] == await call(cr, method)
    assert (1, 1) == (closed_proxy.accepted, len(server.requests))


async def test_an_unreachable_server_was_sent_nothing(
    connect: Connect, http_client: Any, closed_proxy: ChaosProxy, events: list[RequestEvent]
) -> None:
    """The error says so, after all attempts."""
    cr = connect(closed_proxy.url, http_client=http_client, attempts=3)
    with pytest.raises(APIConnectionError, match="cannot reach") as caught:
        await call(cr, "POST")
    assert (APIConnectionError, False) == (type(caught.value), caught.value.sent)
    assert [1, 2, 3] == [event.attempt for event in events]


@pytest.mark.parametrize("fault", SILENT.values(), ids=SILENT)
async def test_a_silent_server_causes_a_timeout(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer, fault: Exchange
) -> None:
    """A POST may have been executed; a GET is retried; the next call works."""
    cr = connect(proxy.url, http_client=http_client, timeout=0.05)
    proxy.script.append(fault)
    with pytest.raises(APITimeoutError) as caught:
        await call(cr, "POST")
    assert (True, reaches_the_server(fault)) == (caught.value.sent, len(server.requests))

    patient = cr.with_options(timeout=20.0)
    assert [] == await call(patient, "POST")
    proxy.script.append(fault)
    server.requests.clear()
    impatient = cr.with_options(timeout=0.25)
    assert [] == await call(impatient, "GET")
    assert reaches_the_server(fault) + 1 == len(server.requests)


async def test_a_response_in_single_bytes_ends_at_the_total_timeout(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer
) -> None:
    """Single bytes prevent every read timeout; the total timeout still applies."""
    cr = connect(proxy.url, http_client=http_client, timeout=0.2, attempts=2)
    proxy.decide = lambda: Exchange(interval=0.05)
    with anyio.fail_after(len(server.response) * 0.05), pytest.raises(APITimeoutError) as caught:
        await call(cr, "GET")
    assert (True, 2) == (caught.value.sent, len(server.requests))
    await settled(proxy, server)


async def test_a_slow_response_within_the_timeout_is_accepted(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer
) -> None:
    """There is one request, also if its response arrives byte by byte."""
    cr = connect(proxy.url, http_client=http_client)
    proxy.script += [Exchange(delay=0.05), Exchange(interval=0.0005)]
    assert ([], []) == (await call(cr, "POST"), await call(cr, "POST"))
    assert (1, 2) == (proxy.accepted, len(server.requests))


@pytest.mark.parametrize("ending", [Ending.FIN, Ending.RST])
async def test_the_server_may_close_while_a_body_is_written(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer, ending: Ending
) -> None:
    """Closed within four megabytes: a POST raises an error with ``sent``, a PUT is retried."""
    cr = connect(proxy.url, http_client=http_client)
    body = {"name": "x" * 4_000_000}
    cut = Exchange(request_bytes=100_000, ending=ending)
    proxy.script += [cut, cut]
    with pytest.raises(APIConnectionError) as caught:
        await cr.request("POST", "/groups", json=body)
    assert (True, []) == (caught.value.sent, server.requests)

    assert [] == await cr.request("PUT", "/groups/7", json=body)
    assert [True] == [len(request) > 4_000_000 for request in server.requests]
    await settled(proxy, server, connections=1)
    assert 2 == server.incomplete


async def test_faults_of_one_call_do_not_affect_the_others(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer
) -> None:
    """Thirty calls at once and nine faults: all calls succeed, within the retry budget."""
    turns = itertools.cycle([*itertools.repeat(Exchange(delay=0.002), 2), RESET_BEFORE])
    broken = itertools.islice(turns, 27)
    proxy.decide = lambda: next(broken, Exchange())
    cr = connect(proxy.url, http_client=http_client, attempts=10)
    responses: list[Any] = []

    async def ask() -> None:
        responses.append(await call(cr, "GET"))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as callers:
            for _ in range(30):
                callers.start_soon(ask)
    assert [[]] * 30 == responses
    assert 30 == len(server.requests)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a full backlog be silent")
async def test_a_request_without_a_connection_was_not_sent(
    connect: Connect, http_client: Any
) -> None:
    """The connection is neither accepted nor refused: connecting times out before the total."""
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filler.connect(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        cr = connect(url, http_client=http_client, timeout=1.0, attempts=1)
        with pytest.raises(APITimeoutError, match="no connection to") as caught:
            await call(cr, "POST")
        assert not caught.value.sent
