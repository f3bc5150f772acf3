"""Pages: the end of a list, and leaving a list early."""

from collections.abc import Callable

import anyio
import anyio.lowlevel
import msgspec
import pytest
from support.effort import effort
from support.event_loops import anyio_backend

from cleverreach_async.errors import ConfigurationError, InternalServerError, ResponseDecodeError
from cleverreach_async.resources.receiver_lists import MAX_PAGE_SIZE
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request, Response

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio


def rows(*ids: int) -> list[dict[str, object]]:
    """Receivers as the API sends them."""
    return [{"id": str(number), "email": f"r{number}@mail.example"} for number in ids]


ENDS: dict[str, tuple[list[object], list[int]]] = {
    "a short page": ([rows(1, 2), rows(3)], [1, 2, 3]),
    "an empty page after a full one": ([rows(1, 2), []], [1, 2]),
    "false after a full one": ([rows(1, 2), False], [1, 2]),
    "false at once": ([False], []),
    "null at once": ([None], []),
    "nothing at once": ([b""], []),
    "a page with more items than requested": ([rows(1, 2, 3), rows(4)], [1, 2, 3, 4]),
}


@pytest.mark.parametrize(("answers", "expected"), ENDS.values(), ids=ENDS.keys())
async def test_list_ends(
    answers: list[object], expected: list[int], serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A page with fewer items than requested is the last. Each is requested once, in order."""
    listing = Receivers(serve(*answers)).list(group_id=7, page_size=2)
    assert expected == [receiver.id async for receiver in listing]
    targets = [
        f"/v3/groups/7/receivers?type=all&page={page}&pagesize=2" for page in range(len(answers))
    ]
    assert targets == [request.target for request in sent]


async def test_awaiting_requests_the_first_page_only(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A page is a sequence with its number."""
    page = await Receivers(serve(rows(1, 2))).list(group_id=7, page_size=2)
    expected = (2, 0, False, 1, [2], [1, 2])
    assert expected == (
        len(page),
        page.number,
        page.is_last,
        page[0].id,
        [receiver.id for receiver in page[1:]],
        [receiver.id for receiver in page],
    )
    assert len(sent) == 1


async def test_creating_a_paginator_sends_nothing(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """It may be discarded."""
    Receivers(serve()).list(group_id=7)
    assert not sent


async def test_leaving_early_requests_no_further_page(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A loop that is left on the first page does not request the second."""
    seen: list[int] = []
    async for receiver in Receivers(serve(rows(1, 2))).list(group_id=7, page_size=2):
        seen.append(receiver.id)
        if receiver.id == 2:
            break
    expected = [1, 2]
    assert expected == seen
    assert len(sent) == 1


async def test_pages_one_by_one(serve: Callable[..., Call]) -> None:
    """The last page is marked."""
    listing = Receivers(serve(rows(1, 2), rows(3))).list(group_id=7, page_size=2)
    expected = [(0, 2, False), (1, 1, True)]
    assert expected == [(page.number, len(page), page.is_last) async for page in listing.pages()]


async def test_every_loop_starts_with_the_first_page(serve: Callable[..., Call]) -> None:
    """Two loops over one paginator are independent."""
    listing = Receivers(serve(rows(1), rows(1))).list(group_id=7, page_size=2)
    first = [receiver.id async for receiver in listing]
    assert first == [receiver.id async for receiver in listing]


async def test_exhausted_pages_stay_exhausted(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """After the end no request is sent."""
    pages = Receivers(serve(rows(1))).list(group_id=7, page_size=2).pages()
    await anext(pages)
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(pages)
    assert len(sent) == 1


async def test_failed_page_can_be_requested_again(sent: list[Request]) -> None:
    """An error does not skip a page."""
    trouble = [InternalServerError("Bad Gateway", status_code=502)]

    async def call(request: Request) -> Response:
        sent.append(request)
        if trouble:
            raise trouble.pop()
        return Response(200, {}, b"[]")

    pages = Receivers(call).list(group_id=7).pages()
    with pytest.raises(InternalServerError):
        await anext(pages)
    await anext(pages)
    assert sent[0].target == sent[1].target


@pytest.mark.parametrize("page_size", [-1, 0, MAX_PAGE_SIZE + 1])
def test_page_size_out_of_bounds(page_size: int, serve: Callable[..., Call]) -> None:
    """The API would reduce it, and a full page would look like the last one."""
    with pytest.raises(ConfigurationError, match="from 1 to 5000"):
        Receivers(serve()).list(group_id=7, page_size=page_size)


@pytest.mark.parametrize("page_size", [1, MAX_PAGE_SIZE])
async def test_page_size_at_its_bounds(
    page_size: int, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """The bounds are allowed."""
    await Receivers(serve([])).list(group_id=7, page_size=page_size)
    assert sent[0].target.endswith(f"pagesize={page_size}")


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([(1, 2)], id="the same page"),
        pytest.param([(1, 2), (3, 4)], id="two pages in turn"),
        pytest.param([(1, 2), (2, 1)], id="in another order"),
        pytest.param([(1, 2), (3, 4), (3, 4)], id="later"),
        pytest.param([(1, 2, 3)], id="more items than requested"),
    ],
)
async def test_pages_without_end(pages: list[tuple[int, ...]], sent: list[Request]) -> None:
    """A server that repeats itself ends the loop with an error that says so."""

    async def call(request: Request) -> Response:
        sent.append(request)
        page = pages[(len(sent) - 1) % len(pages)]
        return Response(200, {}, msgspec.json.encode(rows(*page)))

    listing = Receivers(call).list(group_id=7, page_size=2).pages()
    for _ in {frozenset(page) for page in pages}:
        await anext(listing)
    before = len(sent)
    with pytest.raises(ResponseDecodeError, match=r"same items as page \d: the server repeats"):
        await anext(listing)
    assert before + 1 == len(sent)
    with pytest.raises(StopAsyncIteration):
        await anext(listing)


async def test_an_item_that_comes_twice_is_no_repeated_page(serve: Callable[..., Call]) -> None:
    """Pages shift while others write."""
    listing = Receivers(serve(rows(1, 2), rows(2, 3), rows(3, 4), rows(5))).list(
        group_id=7, page_size=2
    )
    assert [1, 2, 2, 3, 3, 4, 5] == [receiver.id async for receiver in listing]


async def test_a_long_page_lets_other_tasks_run(serve: Callable[..., Call]) -> None:
    """Reading 5000 receivers takes a while."""
    turns = 0
    pages: list[int] = []

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        listing = Receivers(serve(rows(*range(1, 5001)))).list(group_id=7, page_size=5000)
        pages.append(len(await listing))
        tasks.cancel_scope.cancel()
    assert ([5000], True) == (pages, turns >= 20)


async def test_a_page_of_odd_items_is_refused_at_once(serve: Callable[..., Call]) -> None:
    """The error names the first few, whatever their number."""
    listing = Receivers(serve([{}] * 100_000)).list(group_id=7)
    with effort() as spent, pytest.raises(ResponseDecodeError, match=r"\$\[0\]\.id") as caught:
        await listing
    assert spent.loops < 4
    assert (10, True) == (len(caught.value.problems), len(str(caught.value)) < 1000)
