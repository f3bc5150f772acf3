"""An answer that ends at whatever byte is never taken for a whole one."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from chaos.chaos_proxy import ChaosProxy, CountingServer, Ending, Exchange, json_answer, settled

from cleverreach_async import APIConnectionError

if TYPE_CHECKING:
    from chaos.conftest import Connect

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when an answer breaks off.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

BODY = b'{"id":"7","n":1}'
VALUE = {"id": "7", "n": 1}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PACKED = gzip.compress(BODY, mtime=0)
ANSWERS = {
    "length": json_answer(BODY),
    "chunked": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n4\r\n%s\r\nc\r\n%s\r\n0\r\n\r\n" % (BODY[:4], BODY[4:]),
    "gzip": HEAD
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED),
}

each_answer = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
each_ending = pytest.mark.parametrize("ending", [Ending.FIN, Ending.RST])


@each_answer
@each_ending
async def test_a_truncated_response_to_a_post_is_never_a_success(
    connect: Connect, proxy: ChaosProxy, server: CountingServer, answer: bytes, ending: Ending
) -> None:
    """For every byte: the error says that it may have been executed, and it was sent once."""
    server.answer = answer
    cr = connect(proxy.url)
    for size in range(len(answer)):
        proxy.script.append(Exchange(answer_bytes=size, ending=ending))
        with pytest.raises(APIConnectionError) as caught:
            await cr.request("POST", "/groups", json={})
        assert (APIConnectionError, True) == (type(caught.value), caught.value.sent), size
        assert size + 1 == len(server.requests)


@each_answer
@each_ending
async def test_a_get_is_retried(
    connect: Connect, proxy: ChaosProxy, server: CountingServer, answer: bytes, ending: Ending
) -> None:
    """For every third byte: the second answer is the one that the caller sees."""
    server.answer = answer
    cr = connect(proxy.url)
    for size in range(0, len(answer), 3):
        account = cr._transport.own_account()  # pyright: ignore[reportPrivateUsage]
        account.budget.level = account.budget.capacity
        proxy.script.append(Exchange(answer_bytes=size, ending=ending))
        assert VALUE == await cr.request("GET", "/groups/7"), size
    assert 2 * len(range(0, len(answer), 3)) == len(server.requests)


@each_ending
async def test_an_injected_client_raises_the_same_error(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer, ending: Ending
) -> None:
    """Through either library, for every byte of the answer."""
    server.answer = ANSWERS["length"]
    cr = connect(proxy.url, http_client=http_client)
    for size in range(len(server.answer)):
        proxy.script.append(Exchange(answer_bytes=size, ending=ending))
        with pytest.raises(APIConnectionError) as caught:
            await cr.request("POST", "/groups", json={})
        assert (APIConnectionError, True) == (type(caught.value), caught.value.sent), size


@each_ending
async def test_a_request_interrupted_at_any_byte_was_perhaps_sent(
    connect: Connect, proxy: ChaosProxy, server: CountingServer, ending: Ending
) -> None:
    """Until its last byte the server does not have it; a POST is not sent again all the same."""
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
    assert len(range(3, len(whole), 3)) == server.broken_off


@each_answer
@each_ending
async def test_a_connection_closed_after_the_last_byte_is_not_an_error(
    connect: Connect,
    http_client: Any,
    proxy: ChaosProxy,
    server: CountingServer,
    answer: bytes,
    ending: Ending,
) -> None:
    """The answer is whole: it counts, and the next call has a connection of its own."""
    server.answer = answer
    cr = connect(proxy.url, http_client=http_client)
    for _ in range(3):
        proxy.script.append(Exchange(answer_bytes=len(answer), ending=ending))
        assert VALUE == await cr.request("POST", "/groups", json={})
        await settled(proxy, server)
    assert (3, 3) == (proxy.accepted, len(server.requests))


async def test_a_response_may_arrive_byte_by_byte(
    connect: Connect, http_client: Any, proxy: ChaosProxy, server: CountingServer
) -> None:
    """Into however many segments the answer is cut."""
    server.answer = ANSWERS["chunked"]
    cr = connect(proxy.url, http_client=http_client)
    proxy.script.append(Exchange(interval=0.0001))
    with anyio.fail_after(10):
        assert VALUE == await cr.request("GET", "/groups/7")
    assert 1 == len(server.requests)


BREAKS: dict[str, Callable[[int], Exchange]] = {
    "fin": lambda size: Exchange(answer_bytes=size),
    "rst": lambda size: Exchange(answer_bytes=size, ending=Ending.RST),
}


@pytest.mark.parametrize("cut", BREAKS.values(), ids=BREAKS)
async def test_a_truncated_list_is_not_a_shorter_list(
    connect: Connect, proxy: ChaosProxy, server: CountingServer, cut: Callable[[int], Exchange]
) -> None:
    """A page that breaks off between two items does not end the listing early."""
    groups = b",".join(b'{"id":"%d","name":"g"}' % number for number in range(3))
    server.answer = json_answer(b"[" + groups + b"]")
    cr = connect(proxy.url)
    between = server.answer.index(b",{") + 1
    proxy.script += [cut(between), cut(between - 1)]
    assert ["0", "1", "2"] == [str(group.id) for group in await cr.groups.list()]
    assert 3 == len(server.requests)
