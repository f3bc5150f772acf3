"""Paginators: await one for the first page, or iterate over it for every item."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Hashable,
    Iterator,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar, overload

import attrs

from cleverreach_async.errors import ResponseDecodeError

__all__ = ["Page", "Paginator"]

T = TypeVar("T")

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
    """

    items: tuple[T, ...]
    number: int
    is_last: bool
    path: str = ""

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

    Pages are requested when they are needed, and a loop may be left at any item. While others write
    to the account, pages shift: an item may then come twice or not at all. A page that consists of
    the same items as an earlier one ends the loop with ``ResponseDecodeError``, because a server
    that ignores the page number would be listed without end.

    Args:
        fetch: Returns the page of a number.
        first: Number of the first page.
    """

    def __init__(self, fetch: Callable[[int], Awaitable[Page[T]]], *, first: int = 0) -> None:
        self._fetch = fetch
        self._first = first

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
        return _Pages(self._fetch, self._first)


class _Pages(AsyncIterator[Page[T]]):
    """An iterator instead of a generator, so that leaving a loop early needs no clean-up."""

    def __init__(self, fetch: Callable[[int], Awaitable[Page[T]]], number: int) -> None:
        self._fetch = fetch
        self._number = number
        self._done = False
        self._seen: dict[int, int] = {}

    async def __anext__(self) -> Page[T]:
        if self._done:
            raise StopAsyncIteration
        page = await self._fetch(self._number)
        if page:
            self._check_new(page)
        self._number += 1
        self._done = page.is_last
        return page

    def _check_new(self, page: Page[T]) -> None:
        """Check that the items are not those of an earlier page, in any order.

        Raises:
            ResponseDecodeError: They are.
        """
        # A number per page, because the items of a long list would fill the memory.
        items = hash(frozenset(_identity(item) for item in page))
        earlier = self._seen.setdefault(items, page.number)
        if earlier != page.number:
            self._done = True
            problem = f"page {page.number} has the same items as page {earlier}"
            problem = f"{problem}: the server repeats itself"
            raise ResponseDecodeError([problem], method="GET", path=page.path)


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
