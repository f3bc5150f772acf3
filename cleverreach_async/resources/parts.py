"""Lists of addresses or ids that do not fit into one URL, in parts that do."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote_plus

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.base import decode_in_steps
from cleverreach_async.resources.pages import Page, Paginator
from cleverreach_async.transport.wire import Request, build_request

__all__ = ["fits_into_url", "in_parts", "parts_within"]

T = TypeVar("T")

_LONGEST_TARGET: Final = 3900
"""Characters of path and query. With the server's own address that makes a URL of 4 kB, which works
everywhere."""
_PAGING: Final = {"page": 9_999_999, "pagesize": 5000}
_COMMA: Final = len("%2C")
_LONG: Final = ("email_list", "id_list")


def fits_into_url(template: str, path: Mapping[str, str | int], query: Mapping[str, Any]) -> bool:
    """Whether a list can be requested in one piece."""
    return _room(template, path, query) >= 0


def _room(template: str, path: Mapping[str, str | int], query: Mapping[str, Any]) -> int:
    request = build_request("GET", template, path=path, query={**query, **_PAGING})
    return _LONGEST_TARGET - len(request.target)


def in_parts(
    load: Callable[[Request], Awaitable[Any]],
    kind: type[T],
    template: str,
    path: Mapping[str, str | int],
    query: Mapping[str, Any],
    page_size: int,
    *,
    page: int = 0,
    prefetch: int = 0,
) -> Paginator[T]:
    """Return a paginator over the items of more addresses or ids than fit into a URL.

    A page has the items of ``page_size`` values, and takes several requests.

    Args:
        load: Sends a request, and returns the decoded response.
        kind: Model of one item; there is at most one for each value.
        template: Path template.
        path: Path values.
        query: Query parameters other than those of paging.
        page_size: Values per page.
        page: Zero-based number of the first page.
        prefetch: Pages that are requested together with the one that is needed.

    Raises:
        ConfigurationError: The items are to be sorted, or both addresses and ids are given.
    """
    long = [name for name in _LONG if query[name]]
    if query["order_by"] or len(long) > 1:
        raise ConfigurationError(
            "the addresses or ids do not fit into one URL; leave out order_by, and pass either"
            " emails or ids, so that they can be requested in parts"
        )
    [name] = long
    values = [*{str(value).strip().lower(): str(value) for value in query[name]}.values()]
    room = _room(template, path, {**query, name: ""})

    async def fetch(number: int) -> Page[T]:
        end = (number + 1) * page_size
        items: list[T] = []
        for part in parts_within(values[number * page_size : end], room):
            asked = {**query, name: part, "page": 0, "pagesize": page_size}
            request = build_request("GET", template, path=path, query=asked, accepts_false=True)
            found = await decode_in_steps(await load(request), kind, template)
            if len(found) > len(part):
                problem = f"{len(found)} items for {len(part)} values: others than were asked for"
                raise ResponseDecodeError([problem], method="GET", path=template)
            items += found
        return Page(tuple(items), number, end >= len(values), template)

    return Paginator(fetch, first=page, prefetch=prefetch)


def parts_within(values: Iterable[str], most: int) -> list[list[str]]:
    """Divide values so that each part has a number of characters at most as a query parameter.

    Raises:
        ConfigurationError: A value alone has more.
    """
    parts: list[list[str]] = []
    room = -1
    for value in values:
        length = len(quote_plus(value, errors="replace"))
        if length > most:
            raise ConfigurationError(f"a value of {len(value)} characters does not fit into a URL")
        room -= _COMMA + length
        if room < 0:
            parts.append([])
            room = most - length
        parts[-1].append(value)
    return parts
