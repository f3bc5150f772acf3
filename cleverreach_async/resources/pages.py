"""Paginators: await one for the first page, or iterate over it for every item."""

from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Hashable,
    Iterator,
    Sequence,
)
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar, overload

import anyio
import attrs

from cleverreach_async.errors import ResponseDecodeError
from cleverreach_async.transport.numbers import check_number

__all__ = ["MAX_PREFETCH", "Page", "Paginator"]

T = TypeVar("T")

MAX_PREFETCH: Final = 50

_NOT_AWAITED: Final = (
    "this list is not loaded: use `async for item in …` for all items, or `page = await …` for the"
    " first page"
)


@attrs.frozen(eq=False)
class Page(Sequence[T], Generic[T]):
    """One page of a list, which is a sequence of its items.

    Attributes:
        items: The items.
        number: Zero-based page number.
        is_last: Whether it is the last page. The API sends no totals, so it is the first page that
            has fewer items than requested.
        path: Path template of the list.
        method: HTTP method of the list.
    """

    items: tuple[T, ...]
    number: int
    is_last: bool
    path: str = ""
    method: str = "GET"

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    if not TYPE_CHECKING:  # a type checker says so itself

        def __aiter__(self) -> NoReturn:
            raise TypeError(
                "this is the first page only: leave out `await` to iterate over all items with"
                " `async for`, or use `for` for this page"
            )


class Paginator(Generic[T]):
    """A list in pages. ``await`` it for the first page, or use ``async for`` for every item.

    Pages are requested when they are needed, and a loop may be left at any item: then no request is
    in flight. While others write to the account, pages shift: an item may then come twice or not at
    all. A page that consists of the same items as an earlier one ends the loop with
    ``ResponseDecodeError``, because a server that ignores the page number would be listed without
    end.

    Args:
        fetch: Returns the page of a number.
        first: Zero-based number of the page to start with.
        prefetch: Pages that are requested together with the one that is needed, 0 to 50; the first
            page is requested alone. Up to this many requests are sent beyond the end of the list.
        repeats_at_end: Whether a page that repeats the one before it is the end of the list, where
            it is unknown whether the API pages it.

    Raises:
        ConfigurationError: ``first`` or ``prefetch`` is out of range.
    """

    def __init__(
        self,
        fetch: Callable[[int], Awaitable[Page[T]]],
        *,
        first: int = 0,
        prefetch: int = 0,
        repeats_at_end: bool = False,
    ) -> None:
        check_number("page", first)
        check_number("prefetch", prefetch, most=MAX_PREFETCH)
        self._fetch = fetch
        self._first = first
        self._prefetch = prefetch
        self._repeats_at_end = repeats_at_end

    def __repr__(self) -> str:
        return "<Paginator, not loaded: use `async for item in …`, or `page = await …`>"

    if not TYPE_CHECKING:  # a type checker says so itself

        def _refuse(self, *_args: object) -> NoReturn:
            raise TypeError(_NOT_AWAITED)

        __iter__ = __len__ = __bool__ = __getitem__ = __contains__ = _refuse

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(f"no attribute {name!r}: {_NOT_AWAITED}")

    def __await__(self) -> Generator[Any, Any, Page[T]]:
        return self._fetch(self._first).__await__()

    def __aiter__(self) -> AsyncIterator[T]:
        return _Items(self.pages())

    def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over the pages from the first to the last."""
        return _Pages(self._fetch, self._first, self._prefetch, repeats_at_end=self._repeats_at_end)

    async def collect(self, *, limit: int | None = None) -> list[T]:
        """Return the items of all pages.

        Args:
            limit: Return the first items up to this number, and request no page behind them.

        Raises:
            ConfigurationError: ``limit`` is not a number of 1 or more.
        """
        if limit is not None:
            check_number("limit", limit, least=1)
        items: list[T] = []
        async for page in self.pages():
            items += page
            if limit is not None and len(items) >= limit:
                return items[:limit]
        return items


class _Pages(AsyncIterator[Page[T]]):
    """An iterator instead of a generator, so that leaving a loop early needs no clean-up."""

    def __init__(
        self,
        fetch: Callable[[int], Awaitable[Page[T]]],
        number: int,
        prefetch: int,
        *,
        repeats_at_end: bool,
    ) -> None:
        self._fetch = fetch
        self._number: int = number
        self._prefetch = prefetch
        self._repeats_at_end = repeats_at_end
        self._ready: deque[Page[T]] = deque()
        self._ahead = 0  # a list of one page takes one request
        self._done = False
        self._seen: dict[int, int] = {}

    async def __anext__(self) -> Page[T]:
        if self._done:
            raise StopAsyncIteration
        if not self._ready:
            numbers = range(self._number, self._number + 1 + self._ahead)
            self._ready += await _fetch_together(self._fetch, numbers)
            self._ahead = self._prefetch
        page = self._ready.popleft()
        if page and self._is_repeated(page):
            self._done = True
            raise StopAsyncIteration
        self._number += 1
        self._done = page.is_last
        return page

    def _is_repeated(self, page: Page[T]) -> bool:
        """Whether the items are those of an earlier page, in any order, where that is the end.

        Raises:
            ResponseDecodeError: They are, and it is not.
        """
        # A number per page, because the items of a long list would fill the memory.
        items = hash(frozenset(_identity(item) for item in page))
        earlier = self._seen.setdefault(items, page.number)
        if earlier == page.number:
            return False
        if self._repeats_at_end and earlier == page.number - 1:
            return True
        self._done = True
        problem = f"page {page.number} has the same items as page {earlier}"
        problem = f"{problem}: the server repeats itself"
        raise ResponseDecodeError([problem], method=page.method, path=page.path)


async def _fetch_together(
    fetch: Callable[[int], Awaitable[Page[T]]], numbers: range
) -> list[Page[T]]:
    """Request pages at once, and return them in order. No request is in flight afterwards.

    Pages behind the last one, or behind one that failed, are not waited for. One that failed is
    left out unless it is the first; it is requested again when it is needed.
    """
    if len(numbers) == 1:
        return [await fetch(numbers[0])]
    found: dict[int, Page[T]] = {}
    failed: dict[int, Exception] = {}
    scopes = {number: anyio.CancelScope() for number in numbers}

    async def request(number: int) -> None:
        with scopes[number]:
            try:
                page = await fetch(number)
            except Exception as error:  # noqa: BLE001 - that of a page behind the last is no error
                failed[number] = error
            else:
                found[number] = page
                if not page.is_last:
                    return
            for later in range(number + 1, numbers.stop):
                scopes[later].cancel()

    async with anyio.create_task_group() as tasks:
        for number in numbers:
            tasks.start_soon(request, number)
    if failed and numbers[0] in failed:
        try:
            raise failed[numbers[0]]
        finally:
            failed.clear()  # otherwise the error and this frame would be a reference cycle
    return [found[number] for number in takewhile(found.__contains__, numbers)]


def _identity(item: Any) -> Hashable:
    """Return the id of an item, or what it looks like."""
    number = getattr(item, "id", None)
    return repr(item) if number is None else number


class _Items(AsyncIterator[T]):
    def __init__(self, pages: AsyncIterator[Page[T]]) -> None:
        self._pages = pages
        self._page: Iterator[T] = iter(())

    async def __anext__(self) -> T:
        while True:
            for item in self._page:
                return item
            self._page = iter(await anext(self._pages))
