"""The pages of a group, several requested at a time, in their order."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import anyio

from cleverreach_async.bulk.export.seen import SeenIds
from cleverreach_async.errors import ResponseDecodeError
from cleverreach_async.resources.pages import Page
from cleverreach_async.resources.receiver_models import Receiver

__all__ = ["FetchReceivers", "NewReceivers"]

FetchReceivers = Callable[[int], Awaitable[Page[Receiver]]]
"""Returns the page of a number."""

_FIRST: Final = 1
"""Pages that are requested at first: most groups fit into one."""


class NewReceivers(AsyncIterator[list[Receiver]]):
    """The receivers of a group page by page, each receiver once.

    Some pages are requested at the same time, and handed out in their order before the next are
    requested; so nothing runs between two calls, and a loop may be left at any page. A page that
    fails raises its error when its turn comes, and can be requested again.

    Args:
        fetch: Requests a page.
        concurrency: Most requests at a time.
        seen: The ids of receivers that are not to be handed out again.

    Attributes:
        doubles: Receivers that came again, because others wrote to the group meanwhile.
    """

    def __init__(self, fetch: FetchReceivers, *, concurrency: int, seen: SeenIds) -> None:
        self.doubles: int = 0
        self._fetch = fetch
        self._concurrency = concurrency
        self._seen = seen
        self._is_resumed = False
        self._next = 0
        self._width = _FIRST
        self._ready: deque[tuple[int, Page[Receiver] | Exception]] = deque()
        self._is_done = False
        self._pages: dict[int, int] = {}

    async def resume(self, rows: int, page_size: int) -> None:
        """Go to the first page that may have receivers which are not among those seen.

        Receivers may have left the group since, so that the pages have moved: it begins at a page
        whose first receiver has been seen.

        Args:
            rows: Number of receivers that were read.
            page_size: Receivers per page.
        """
        number, step = rows // page_size, 1
        while number > 0:
            page = await self._fetch(number)
            if page and page[0].id in self._seen:
                break
            number, step = max(0, number - step), step * 2
        self._next, self._is_resumed = number, True

    async def __anext__(self) -> list[Receiver]:
        while True:
            if self._ready:
                found = self._new_in(self._take())
                if found:
                    return found
            elif self._is_done:
                raise StopAsyncIteration
            else:
                await self._request()

    async def _request(self) -> None:
        """Request the next pages. The last of them decides whether it is the end."""
        numbers = range(self._next, self._next + self._width)
        found: dict[int, Page[Receiver] | Exception] = {}

        async def fetch(number: int) -> None:
            try:
                found[number] = await self._fetch(number)
            except Exception as error:  # noqa: BLE001 - raised when it is the turn of this page
                found[number] = error

        async with anyio.create_task_group() as group:
            for number in numbers:
                group.start_soon(fetch, number)
        self._ready.extend((number, found[number]) for number in numbers)
        last = found[numbers[-1]]
        self._is_done = isinstance(last, Page) and last.is_last
        self._next = numbers.stop
        self._width = min(self._width * 2, self._concurrency)

    def _take(self) -> Page[Receiver]:
        """Return the next page.

        Raises:
            Exception: That of its request.
        """
        number, page = self._ready.popleft()
        if isinstance(page, Page):
            return page
        self._ready.clear()
        self._next, self._width, self._is_done = number, _FIRST, False
        raise page

    def _new_in(self, page: Page[Receiver]) -> list[Receiver]:
        new: list[Receiver] = []
        for receiver in page:
            if self._seen.add(receiver.id):
                new.append(receiver)
                self._is_resumed = False
            elif not self._is_resumed:  # else one of those before the place to go on
                self.doubles += 1
        if not new and page:
            self._check_repetition(page)
        return new

    def _check_repetition(self, page: Page[Receiver]) -> None:
        """Check that a page without new receivers is not one that a server repeats without end.

        Raises:
            ResponseDecodeError: It is.
        """
        earlier = self._pages.setdefault(hash(frozenset(it.id for it in page)), page.number)
        if earlier != page.number and not page.is_last:
            self._ready.clear()
            self._is_done = True
            problem = f"page {page.number} has the same items as page {earlier}"
            problem = f"{problem}: the server repeats itself"
            raise ResponseDecodeError([problem], method="GET", path=page.path)
