"""A response that ends at any byte never counts as complete."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from chaos.chaos_proxy import ChaosProxy, CountingServer, Ending, Exchange, json_response, settled

from cleverreach_async import APIConnectionError

if TYPE_CHECKING:
    from chaos.conftest import Connect

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when a response ends early.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

BODY = b'{"id":"7","n":1}'
VALUE = {"id": "7", "n": 1}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PACKED = gzip.compress(BODY, mtime=0)
RESPONSES = {
    "length": json_response(BODY),
    "chunked": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n4\r\n%s\r\nc\r\n%s\r\n0\r\n\r\n" % (BODY[:4], BODY[4:]),
    "gzip": HEAD
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED),
}

each_response = pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
each_ending = pytest.mark.parametrize("ending", [Ending.FIN, Ending.RST])


@each_response
@each_ending
async def test_a_truncated_response_to_a_post_is_never_a_success(
    connect: Connect, proxy: ChaosProxy, server: CountingServer, response: bytes, ending: Ending
) -> None:
    """At every byte: the error says that it may have been executed, and it is sent once."""
    server.response = response
    cr = connect(proxy.url)
    for size in range(len(response)):
        proxy.script.append(Exchange(response_bytes=size, ending=ending))
        with pytest.raises(APIConnectionError) as caught:
            await cr.request("POST", "/groups", json={})
        assert (APIConnectionError, True) == (type(caught.value), caught.value.sent), size
        assert size + 1 == len(server.requests)


@each_response
@each_ending
async def test_a_get_is_retried(
    connect: Connect, proxy: ChaosProxy, server: CountingServer, response: bytes, ending: Ending
) -> None:
    """At every third byte: the caller gets the second response."""
    server.response = response
    cr = connect(proxy.url)
    for size in range(0, len(response), 3):
        account = cr._transport.own_account()  # pyright: ignore[reportPrivateUsage]
        account.budget.level = account.budget.capacity
        proxy.script.append(Exchange(response_bytes=size, ending=ending))
        assert VALUE == await cr.request("GET", "/groups/7"), size
    assert 2 * len(range(0, len(response), 3)) == len(server.requests)


@each_ending
async def test_an_injected_client_raises_the_same_error(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer, ending: Ending
) -> None:
    """With either library, at every byte of the response."""
    server.response = RESPONSES["length"]
    cr = connect(proxy.url, http_client=http_client)
    for size in range(len(server.response)):
        proxy.script.append(Exchange(response_bytes=size, ending=ending))
        with pytest.raises(APIConnectionError) as caught:
            await cr.request("POST", "/groups", json={})
        assert (APIConnectionError, True) == (type(caught.value), caught.value.sent), size


@each_ending
async def test_a_request_interrupted_at_any_byte_was_perhaps_sent(
    connect: Connect, proxy: ChaosProxy, server: CountingServer, ending: Ending
) -> None:
    """The server does not have it before the last byte; still, a POST is not resent."""
    cr = connect(proxy.url)
    await cr.request("POST", "/groups", json={})
    [whole] = server.requests
    for size in range(0, len(whole), 3):
        proxy.script.append(Exchange(request_bytes=size, ending=ending))
        with pytest.raises(APIConnectionError) as caught:
            await cr.request("POST", "/groups", json={})
        assert (APIConnectionError, True) == (type(caught.value), caught.value.sent), size
    assert [whole] == server.requests
    await settled(proxy, server)
    assert len(range(3, len(whole), 3)) == server.incomplete


@each_response
@each_ending
async def test_a_connection_closed_after_the_last_byte_is_not_an_error(
    connect: Connect,
    http_client: Any,
    proxy: ChaosProxy,
    server: CountingServer,
    response: bytes,
    ending: Ending,
) -> None:
    """The response is complete and counts; the next call opens a new connection."""
    server.response = response
    cr = connect(proxy.url, http_client=http_client)
    for _ in range(3):
        proxy.script.append(Exchange(response_bytes=len(response), ending=ending))
        assert VALUE == await cr.request("POST", "/groups", json={})
        await settled(proxy, server)
    assert (3, 3) == (proxy.accepted, len(server.requests))


async def test_a_response_may_arrive_byte_by_byte(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer
) -> None:
    """The number of segments does not matter."""
    server.response = RESPONSES["chunked"]
    cr = connect(proxy.url, http_client=http_client)
    proxy.script.append(Exchange(interval=0.0001))
    with anyio.fail_after(10):
        assert VALUE == await cr.request("GET", "/groups/7")
    assert 1 == len(server.requests)


BREAKS: dict[str, Callable[[int], Exchange]] = {
    "fin": lambda size: Exchange(response_bytes=size),
    "rst": lambda size: Exchange(response_bytes=size, ending=Ending.RST),
}


@pytest.mark.parametrize("cut", BREAKS.values(), ids=BREAKS)
async def test_a_truncated_list_is_not_a_shorter_list(
    connect: Connect, proxy: ChaosProxy, server: CountingServer, cut: Callable[[int], Exchange]
) -> None:
    """A page that ends between two items does not end the listing early."""
    groups = b",".join(b'{"id":"%d","name":"g"}' % number for number in range(3))
    server.response = json_response(b"[" + groups + b"]")
    cr = connect(proxy.url)
    between = server.response.index(b",{") + 1
    proxy.script += [cut(between), cut(between - 1)]
    assert ["0", "1", "2"] == [str(group.id) for group in await cr.groups.list()]
    assert 3 == len(server.requests)
