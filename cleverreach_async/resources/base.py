"""What every resource is built from: one call, one listing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar, cast

import attrs
import msgspec

from cleverreach_async.errors import ConfigurationError, NotFoundError
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.pages import Page, Paginator
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request, as_list, build_request, decode_json

__all__ = [
    "UNSET",
    "Created",
    "Resource",
    "Unset",
    "body",
    "decode_list",
    "receiver_path",
    "to_unix",
    "unwrap",
]

T = TypeVar("T")

UNSET: Final = msgspec.UNSET
"""Not sent, as opposed to ``None``, which is sent as ``null``."""

Unset = msgspec.UnsetType


@attrs.frozen(kw_only=True)
class Created:
    """What the API answers where it does not return the thing it made.

    Attributes:
        id: Id of the new thing.
    """

    id: int


class Resource:
    """Base of the resources. It gets the function that calls, not the client."""

    def __init__(self, call: Call) -> None:
        self._send = call

    async def _json(self, request: Request) -> Any:
        return decode_json(await self._send(request), request)

    async def _call(
        self,
        kind: type[T],
        method: str,
        template: str,
        *,
        path: Mapping[str, str | int] | None = None,
        query: Mapping[str, Any] | None = None,
        json: Any = UNSET,
        idempotent: bool | None = None,
    ) -> T:
        """Send a request and structure its answer as ``kind``."""
        request = build_request(
            method, template, path=path, query=query, json=json, idempotent=idempotent
        )
        value = unwrap(await self._json(request), request)
        return structure(value, kind, method=method, path=template)

    async def _do(
        self,
        method: str,
        template: str,
        *,
        path: Mapping[str, str | int] | None = None,
        query: Mapping[str, Any] | None = None,
        json: Any = UNSET,
        idempotent: bool | None = None,
    ) -> None:
        """Send a request whose answer says no more than that it worked."""
        request = build_request(
            method, template, path=path, query=query, json=json, idempotent=idempotent
        )
        await self._send(request)

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
    ) -> Paginator[T]:
        """Return a listing.

        Args:
            kind: Model of one item.
            template: Path template.
            path: Path values.
            query: Query parameters but paging.
            size_param: Name of the page-size parameter; ``None`` where the API does not page.
            page_size: Items per page.
            max_size: Largest page size the API takes.
        """
        if size_param is not None and not 1 <= page_size <= max_size:
            raise ConfigurationError(f"page_size is {page_size}; it goes from 1 to {max_size}")

        async def fetch(number: int) -> Page[T]:
            paging = {} if size_param is None else {"page": number, size_param: page_size}
            request = build_request(
                "GET", template, path=path, query={**(query or {}), **paging}, accepts_false=True
            )
            raw = await self._json(request)
            items = decode_list(raw, kind, method="GET", path=template)
            is_last = size_param is None or len(items) < page_size
            return Page(items, number, is_last)

        return Paginator(fetch)


def decode_list(value: Any, kind: type[T], *, method: str, path: str) -> tuple[T, ...]:
    """Structure a list answer; ``false`` and ``null`` are the API's older words for none."""
    if value in (None, False):
        return ()
    items = as_list(value)
    kinds = cast("type[list[T]]", list[kind])  # type: ignore[valid-type]
    return tuple(structure(items, kinds, method=method, path=path))


def unwrap(value: Any, request: Request) -> Any:
    """Return the thing of a single read, which may arrive as a list of one or of none."""
    if not isinstance(value, list):
        return value
    items = as_list(value)
    if not items:
        raise NotFoundError(
            "Not Found: the answer is an empty list",
            status_code=404,
            method=request.method,
            path=request.template,
        )
    return items[0] if len(items) == 1 else items


def body(**fields: Any) -> dict[str, Any]:
    """Build a JSON object of the fields that are set; times become unix seconds."""
    return {name: to_unix(value) for name, value in fields.items() if value is not UNSET}


def to_unix(value: Any) -> Any:
    """Return an aware ``datetime`` as unix seconds, anything else as it is.

    Raises:
        ConfigurationError: The ``datetime`` has no time zone, so its instant is unknown.
    """
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ConfigurationError(
            f"{value!r} has no time zone; pass an aware datetime, such as datetime.now(UTC)"
        )
    return int(value.timestamp())


def receiver_path(receiver_id: int | str, group_id: int | None) -> tuple[str, dict[str, int | str]]:
    """Return template and values of a receiver's path, in a group or across the account."""
    if group_id is None:
        return "/receivers/{receiver_id}", {"receiver_id": receiver_id}
    return (
        "/groups/{group_id}/receivers/{receiver_id}",
        {"group_id": group_id, "receiver_id": receiver_id},
    )
