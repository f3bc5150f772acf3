"""The base of every resource: calls and lists."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, Unpack, cast

import attrs
import msgspec

from cleverreach_async.errors import ConfigurationError, NotFoundError
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.pages import Page, Paginator
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import (
    Request,
    RequestParts,
    as_list,
    build_request,
    decode_json,
    to_unix,
)

__all__ = [
    "UNSET",
    "Created",
    "Resource",
    "Unset",
    "body",
    "decode_list",
    "group_path",
    "receiver_path",
    "unwrap",
]

T = TypeVar("T")

UNSET: Final = msgspec.UNSET
"""Not sent. ``None`` is sent as ``null``."""

Unset = msgspec.UnsetType


@attrs.frozen(kw_only=True)
class Created:
    """The response of calls that return the new id only.

    Attributes:
        id: The new id.
    """

    id: int


class Resource:
    """Base of the resources.

    Args:
        call: Sends a request, with authentication and retries.
    """

    def __init__(self, call: Call) -> None:
        self._send = call

    async def _json(self, request: Request) -> Any:
        return decode_json(await self._send(request), request)

    async def _call(
        self, kind: type[T], method: str, template: str, **parts: Unpack[RequestParts]
    ) -> T:
        """Send a request and return its response as ``kind``."""
        request = build_request(method, template, **parts)
        value = unwrap(await self._json(request), request)
        return structure(value, kind, method=method, path=template)

    async def _do(self, method: str, template: str, **parts: Unpack[RequestParts]) -> None:
        """Send a request whose response has no content of interest."""
        await self._send(build_request(method, template, **parts))

    def _list(
        self,
        kind: type[T],
        template: str,
        *,
        path: Mapping[str, str | int] | None = None,
        query: Mapping[str, Any] | None = None,
        size_param: str | None = None,
        page_size: int = 0,
        max_size: int = 0,
        read: Callable[[Any], Any] = lambda response: response,
    ) -> Paginator[T]:
        """Return a paginator.

        Args:
            kind: Model of one item.
            template: Path template.
            path: Path values.
            query: Query parameters other than those of paging.
            size_param: Name of the page-size parameter; ``None`` where the API does not page.
            page_size: Items per page.
            max_size: Maximum page size of the API.
            read: Turns a decoded response into a list, where it is not one.

        Raises:
            ConfigurationError: The page size is out of range.
        """
        if size_param is not None and not 1 <= page_size <= max_size:
            raise ConfigurationError(f"page_size is {page_size}; it must be from 1 to {max_size}")

        async def fetch(number: int) -> Page[T]:
            paging = {} if size_param is None else {"page": number, size_param: page_size}
            request = build_request(
                "GET", template, path=path, query={**(query or {}), **paging}, accepts_false=True
            )
            raw = read(await self._json(request))
            items = decode_list(raw, kind, method="GET", path=template)
            is_last = size_param is None or len(items) < page_size
            return Page(items, number, is_last)

        return Paginator(fetch)


def decode_list(value: Any, kind: type[T], *, method: str, path: str) -> tuple[T, ...]:
    """Return a list response as models. The API may send ``false`` or ``null`` for no items."""
    if value in (None, False):
        return ()
    items = as_list(value)
    kinds = cast("type[list[T]]", list[kind])  # type: ignore[valid-type]
    return tuple(structure(items, kinds, method=method, path=path))


def unwrap(value: Any, request: Request) -> Any:
    """Return the item of a response, which may be a list of one item or an empty list.

    Raises:
        NotFoundError: The list is empty.
    """
    if not isinstance(value, list):
        return value
    items = as_list(value)
    if not items:
        raise NotFoundError(
            "Not Found: the response is an empty list",
            status_code=404,
            method=request.method,
            path=request.template,
        )
    return items[0] if len(items) == 1 else items


def body(**fields: Any) -> dict[str, Any]:
    """Return a JSON object of the fields that are set. Times become Unix seconds."""
    return {name: to_unix(value) for name, value in fields.items() if value is not UNSET}


def group_path(
    template: str, group_id: int | None, **values: str | int
) -> tuple[str, dict[str, str | int]]:
    """Return template and values of a path: in a group, or in the whole account for ``None``."""
    if group_id is None:
        return template, values
    return f"/groups/{{group_id}}{template}", {"group_id": group_id, **values}


def receiver_path(receiver_id: int | str, group_id: int | None) -> tuple[str, dict[str, str | int]]:
    """Return template and values of a receiver's path: in a group, or in the whole account."""
    return group_path("/receivers/{receiver_id}", group_id, receiver_id=receiver_id)
