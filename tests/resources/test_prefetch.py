"""Pages that are requested together: in order, in bounds, and none in flight afterwards."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.lowlevel
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.event_loops import anyio_backend
from support.virtual_time import VirtualClock

from cleverreach_async.errors import (
    APIStatusError,
    CleverReachError,
    ConfigurationError,
    InternalServerError,
    ResponseDecodeError,
)
from cleverreach_async.resources.pages import MAX_PREFETCH, Page, Paginator
from cleverreach_async.resources.receiver_models import Receiver
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.transport.wire import Request, Response

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio


class Server:
    """Pages of two numbers each, a last one of one, and what becomes of every request.

    Args:
        pages: Number of pages.
        turns: How often a request of a page waits for the event loop; once by default.
    """

    def __init__(self, pages: int, turns: dict[int, int] | None = None) -> None:
        self.pages = pages
        self.turns = turns or {}
        self.sent: list[int] = []
        self.ended: list[int] = []
        self.in_flight = 0
        self.most = 0
        self.failing: dict[int, Exception] = {}
        self.hangs: set[int] = set()

    async def fetch(self, number: int) -> Page[int]:
        """Return a page."""
        self.sent.append(number)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            for _ in range(self.turns.get(number, 1)):
                await anyio.lowlevel.checkpoint()
            if number in self.hangs:
                await anyio.sleep_forever()
            if number in self.failing:
                raise self.failing.pop(number)
        finally:
            self.in_flight -= 1
            self.ended.append(number)
        is_last = number >= self.pages - 1
        items = (2 * number, 2 * number + 1)[: 1 if is_last else 2]
        return Page(items if number < self.pages else (), number, is_last)

    def list(self, *, prefetch: int = 0, first: int = 0) -> Paginator[int]:
        """Return a paginator over the pages."""
        return Paginator(self.fetch, first=first, prefetch=prefetch)


@given(
    pages=st.integers(1, 12),
    prefetch=st.integers(0, 6),
    first=st.integers(0, 3),
    turns=st.dictionaries(st.integers(0, 20), st.integers(0, 6)),
)
async def test_order_and_bounds(
    pages: int, prefetch: int, first: int, turns: dict[int, int]
) -> None:
    """Whichever response comes first, and wherever the list begins and ends."""
    server = Server(pages, turns)
    found = [item async for item in server.list(prefetch=prefetch, first=first)]
    assert [*range(2 * first, 2 * pages - 1)] == found
    assert server.most <= prefetch + 1
    assert 0 == server.in_flight
    assert len(server.sent) == len({*server.sent}) <= max(1, pages - first) + prefetch


async def test_a_list_of_one_page_takes_one_request() -> None:
    """The first page is requested alone."""
    server = Server(1)
    assert [0] == await server.list(prefetch=10).collect()
    assert [0] == server.sent


async def test_pages_are_in_flight_together() -> None:
    """Ten pages take three rounds instead of ten."""
    server = Server(10)
    pages = server.list(prefetch=4).pages()
    seen = [(page.number, len(server.sent)) async for page in pages]
    expected = [(0, 1), *((number, 6) for number in range(1, 6))]
    assert [*expected, *((number, 11) for number in range(6, 10))] == seen
    assert 5 == server.most


async def test_awaiting_and_leaving_early_leave_no_request() -> None:
    """A loop may be left at any item; there is no task that goes on."""
    server = Server(100, turns={5: 3})
    assert [0, 1] == [*await server.list(prefetch=4)]
    assert [0] == server.sent
    async for item in server.list(prefetch=4):
        if item == 3:
            break
    sent = len(server.sent)
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    assert (0, sent, sent) == (server.in_flight, len(server.sent), len(server.ended))


async def test_cancelling_ends_every_request() -> None:
    """The requests belong to the task that iterates."""
    server = Server(100)
    server.hangs = {1, 2, 3}
    with anyio.CancelScope() as scope:
        async for item in server.list(prefetch=2):
            if item == 1:
                scope.cancel()
    assert scope.cancelled_caught
    assert (0, [0, 1, 2, 3]) == (server.in_flight, sorted(server.ended))


async def test_pages_behind_the_last_do_not_matter() -> None:
    """Neither their errors nor how long they take."""
    server = Server(3, turns={2: 5})
    server.failing = {3: InternalServerError("no such page", status_code=500)}
    server.hangs = {4}
    assert [0, 1, 2, 3, 4] == await server.list(prefetch=4).collect()
    assert (0, {0, 1, 2, 3, 4, 5}) == (server.in_flight, {*server.sent})


async def test_an_error_comes_where_its_page_is_and_does_not_skip_it() -> None:
    """Pages before it are returned, and it can be requested again."""
    server = Server(6)
    pages = server.list(prefetch=3).pages()
    failures = [InternalServerError("Bad Gateway", status_code=502) for _ in range(2)]
    assert 0 == (await anext(pages)).number
    server.failing = {3: failures[0]}
    assert [1, 2] == [(await anext(pages)).number for _ in range(2)]
    server.failing = {3: failures[1]}
    with pytest.raises(InternalServerError) as caught:
        await anext(pages)
    assert caught.value is failures[1]
    assert [3, 4, 5] == [page.number async for page in pages]
    assert 3 == server.sent.count(3)


async def test_an_error_that_is_not_ours_is_no_group() -> None:
    """``except`` finds it as if one page was requested at a time."""
    server = Server(6)
    server.failing = {1: KeyError("a mistake"), 2: KeyError("another")}
    with pytest.raises(KeyError, match="a mistake"):
        await server.list(prefetch=3).collect()


@pytest.mark.parametrize("prefetch", [0, 3])
async def test_a_server_that_repeats_itself_is_noticed(prefetch: int) -> None:
    """With pages in flight together too."""

    async def call(request: Request) -> Response:
        del request
        return Response(200, {}, b'[{"id": 1, "email": "a@mail.example"}]')

    listing = Receivers(call).list(group_id=7, page_size=1, prefetch=prefetch)
    with pytest.raises(ResponseDecodeError, match="page 1 has the same items as page 0"):
        await listing.collect()


async def test_collecting_up_to_a_limit() -> None:
    """No page behind the limit is requested."""
    server = Server(50)
    assert [0, 1, 2] == await server.list().collect(limit=3)
    assert [0, 1] == server.sent
    assert [*range(99)] == await server.list().collect(limit=1000)
    assert [4] == await server.list(first=2).collect(limit=1)


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "3"])
async def test_wrong_limits(limit: int) -> None:
    """Nothing is requested."""
    server = Server(1)
    with pytest.raises(ConfigurationError, match=r"^limit is .*a whole number of 1 or more"):
        await server.list().collect(limit=limit)
    assert [] == server.sent


@pytest.mark.parametrize("number", [-1, True, 1.5, "3", None])
def test_wrong_pages_and_numbers_of_pages(number: int) -> None:
    """The error is that of the line with the list."""
    server = Server(1)
    with pytest.raises(ConfigurationError, match=r"^page is .*a whole number of 0 or more"):
        server.list(first=number)
    with pytest.raises(ConfigurationError, match=r"^prefetch is .*from 0 to 50"):
        server.list(prefetch=number)
    with pytest.raises(ConfigurationError, match="prefetch is 51"):
        server.list(prefetch=MAX_PREFETCH + 1)


async def test_the_error_of_a_group_is_no_reference_cycle() -> None:
    """Neither it nor what it holds waits for the garbage collector."""
    server = Server(6)
    pages = server.list(prefetch=3).pages()
    await anext(pages)
    server.failing = {1: InternalServerError("Bad Gateway", status_code=502)}
    try:
        await anext(pages)
    except CleverReachError as error:
        values: list[Any] = []
        link = error.__traceback__
        while link is not None:
            values += link.tb_frame.f_locals.values()
            link = link.tb_next
        assert not any(error in it.values() for it in values if isinstance(it, dict))  # noqa: PT017


LISTS: dict[str, Callable[[Receivers, int, int], Paginator[Receiver]]] = {
    "list": lambda it, page, ahead: it.list(group_id=7, page_size=2, page=page, prefetch=ahead),
    "list_by_post": lambda it, page, ahead: it.list_by_post(
        group_id=7, page_size=2, page=page, prefetch=ahead
    ),
    "filter": lambda it, page, ahead: it.filter(
        [{"field": "email", "logic": "notisnull"}], page_size=2, page=page, prefetch=ahead
    ),
    "list in parts": lambda it, page, ahead: it.list(
        group_id=7,
        ids=[10**9 + number for number in range(999)],
        page_size=2,
        page=page,
        prefetch=ahead,
    ),
}


@pytest.mark.parametrize("name", LISTS)
async def test_lists_that_page_take_both(name: str) -> None:
    """Start page and pages ahead reach the requests."""
    sent: list[Request] = []
    most = in_flight = 0

    async def call(request: Request) -> Response:
        nonlocal most, in_flight
        sent.append(request)
        place = len(sent)
        in_flight += 1
        most = max(most, in_flight)
        await anyio.lowlevel.checkpoint()
        in_flight -= 1
        first = 2 * place
        rows = [{"id": it, "email": f"r{it}@mail.example"} for it in (first, first + 1)]
        return Response(200, {}, msgspec.json.encode(rows))

    found = await LISTS[name](Receivers(call), 3, 2).collect(limit=6)
    assert (6, 3) == (len(found), most)
    shown = sent[0].target + sent[0].content.decode()
    in_parts = "1000000006%2C1000000007&page=0"
    page = in_parts if name == "list in parts" else "page"
    assert page in shown
    assert name == "list in parts" or "page=3" in shown or '"page":3' in shown


async def test_an_error_status_of_one_page_is_raised() -> None:
    """Through the whole resource, with its class and path."""

    async def call(request: Request) -> Response:
        if "page=0" in request.target:
            rows = [{"id": it, "email": f"r{it}@mail.example"} for it in (1, 2)]
            return Response(200, {}, msgspec.json.encode(rows))
        raise InternalServerError("Bad Gateway", status_code=502, path=request.template)

    listing = Receivers(call).list(group_id=7, page_size=2, prefetch=5)
    with pytest.raises(APIStatusError) as caught:
        await listing.collect()
    assert "/groups/{group_id}/receivers" == caught.value.path


@pytest.mark.parametrize(("prefetch", "seconds"), [(0, 16.5), (4, 4.5), (10, 3.0), (50, 3.0)])
async def test_pages_ahead_save_latency(prefetch: int, seconds: float) -> None:
    """Ten full pages and an empty one, at one and a half seconds for each response."""
    clock = VirtualClock()

    async def call(request: Request) -> Response:
        await clock.sleep(1.5)
        number = int(parse_qs(urlsplit(request.target).query)["page"][0])
        ids = range(5 * number + 1, 5 * number + 6) if number < 10 else ()
        rows = [{"id": it, "email": f"r{it}@mail.example"} for it in ids]
        return Response(200, {}, msgspec.json.encode(rows))

    found: list[Receiver] = []
    async with clock.flowing():
        listing = Receivers(call).list(group_id=7, page_size=5, prefetch=prefetch)
        found += await listing.collect()
    assert [*range(1, 51)] == [receiver.id for receiver in found]
    assert seconds == clock.elapsed
