"""The base of every resource: calls and lists."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, Unpack, get_origin

import anyio.lowlevel
import attrs

from cleverreach_async.errors import ConfigurationError, NotFoundError, ResponseDecodeError
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.pages import Page, Paginator
from cleverreach_async.resources.success import failure_in
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.clock import SYSTEM_CLOCK, Clock
from cleverreach_async.transport.error_bodies import refusal
from cleverreach_async.transport.numbers import check_number
from cleverreach_async.transport.paths import check_id, fill_path
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import (
    Request,
    RequestParts,
    as_list,
    build_request,
    decode_json,
    is_numbered,
    to_unix,
)

__all__ = [
    "Created",
    "Resource",
    "body",
    "decode_in_steps",
    "decode_list",
    "group_path",
    "optional_ids",
    "receiver_path",
    "refuse_none",
    "unwrap",
]

T = TypeVar("T")

_ITEMS_AT_ONCE: Final = 200
_MOST_PROBLEMS: Final = 10


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
        clock: Source of time.
    """

    def __init__(self, call: Call, clock: Clock = SYSTEM_CLOCK) -> None:
        self._send = call
        self._clock = clock

    async def _json(self, request: Request) -> Any:
        return decode_json(await self._send(request), request)

    async def _call(
        self, kind: type[T], method: str, template: str, **parts: Unpack[RequestParts]
    ) -> T:
        """Send a request and return its response as ``kind``.

        Raises:
            APIStatusError: The response to a write does not show success.
        """
        request = build_request(method, template, **parts)
        decoded = self._json(request) if method == "GET" else self._done(request)
        is_mapping = get_origin(kind) is dict
        # No variable holds what the server sent, since error reports show variables.
        return structure(
            unwrap(await decoded, request, keys_may_be_numbers=is_mapping),
            kind,
            method=method,
            path=template,
        )

    async def _do(
        self,
        method: str,
        template: str,
        *,
        shows_success: Callable[[Any], bool] = lambda _: False,
        **parts: Unpack[RequestParts],
    ) -> None:
        """Send a write whose response has no content of interest.

        Args:
            method: HTTP method.
            template: Path template.
            shows_success: Whether a response of another form than usual shows success.
            **parts: See :func:`build_request`.

        Raises:
            APIStatusError: The response does not show success.
        """
        await self._done(build_request(method, template, **parts), shows_success)

    async def _done(
        self, request: Request, shows_success: Callable[[Any], bool] = lambda _: False
    ) -> Any:
        """Send a write and return its decoded response, which shows success.

        Raises:
            APIStatusError: It does not.
            ResponseDecodeError: It is not JSON, such as the page of a proxy.
        """
        response = await self._send(request)
        value = decode_json(response, request)
        failure = None if shows_success(value) else failure_in(value)
        if failure is None:
            return value
        try:
            raise refusal(response, request, value, failure)
        finally:
            del value, failure  # An error report of this frame shows its variables.

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
        page: int = 0,
        prefetch: int = 0,
        read: Callable[[Any], Any] = lambda response: response,
    ) -> Paginator[T]:
        """Return a paginator over a list that is read with GET.

        Args:
            kind: Model of one item.
            template: Path template.
            path: Path values.
            query: Query parameters other than those of paging.
            size_param: Name of the page-size parameter; ``None`` where the API does not page.
            page_size: Items per page.
            max_size: Maximum page size of the API.
            page: Zero-based number of the first page.
            prefetch: Pages that are requested together with the one that is needed.
            read: Turns a decoded response into a list, where it is not one.

        Raises:
            ConfigurationError: A number of paging is out of range, or an id is not one.
        """
        if size_param is not None:
            check_number("page_size", page_size, least=1, most=max_size)

        def request_of(number: int) -> Request:
            paging = {} if size_param is None else {"page": number, size_param: page_size}
            return build_request(
                "GET", template, path=path, query={**(query or {}), **paging}, accepts_false=True
            )

        fill_path(template, path or {})  # an error here names the line of the call
        size = None if size_param is None else page_size
        return self._paged(kind, request_of, size=size, page=page, prefetch=prefetch, read=read)

    def _list_by_post(
        self,
        kind: type[T],
        template: str,
        *,
        path: Mapping[str, str | int] | None = None,
        json: Mapping[str, Any],
        page_size: int,
        max_size: int,
        page: int = 0,
        prefetch: int = 0,
        read: Callable[[Any], Any] = lambda response: response,
    ) -> Paginator[T]:
        """Return a paginator over a list that is read with POST, with the paging in the body.

        Args:
            kind: Model of one item.
            template: Path template.
            path: Path values.
            json: Body without the paging; fields that are ``None`` or ``UNSET`` are left out.
            page_size: Items per page.
            max_size: Maximum page size of the API.
            page: Zero-based number of the first page.
            prefetch: Pages that are requested together with the one that is needed.
            read: Turns a decoded response into a list, where it is not one.

        Raises:
            ConfigurationError: A number of paging is out of range, or an id is not one.
        """
        check_number("page_size", page_size, least=1, most=max_size)
        fields = {name: it for name, it in json.items() if it is not None and it is not UNSET}

        def request_of(number: int) -> Request:
            return build_request(
                "POST",
                template,
                path=path,
                json={**fields, "page": number, "pagesize": page_size},
                idempotent=True,  # it only reads
                accepts_false=True,
            )

        fill_path(template, path or {})  # an error here names the line of the call
        return self._paged(
            kind, request_of, size=page_size, page=page, prefetch=prefetch, read=read
        )

    def _paged(
        self,
        kind: type[T],
        request_of: Callable[[int], Request],
        *,
        size: int | None,
        page: int = 0,
        prefetch: int = 0,
        read: Callable[[Any], Any] = lambda response: response,
        repeats_at_end: bool = False,
    ) -> Paginator[T]:
        """Return a paginator.

        Args:
            kind: Model of one item.
            request_of: Returns the request for the page of a number.
            size: Items per page, of which the last page has fewer; ``None`` where the API does not
                page, and 1 where the size is unknown, so that an empty page is the last.
            page: Zero-based number of the first page.
            prefetch: Pages that are requested together with the one that is needed.
            read: Turns a decoded response into a list, where it is not one.
            repeats_at_end: Whether a page that repeats the one before it is the end of the list.

        Raises:
            ConfigurationError: A number of paging is out of range.
        """

        async def fetch(number: int) -> Page[T]:
            request = request_of(number)
            method, path = request.method, request.template
            # No variable holds what the server sent, since error reports show variables.
            items = await decode_in_steps(
                read(await self._json(request)), kind, path, method=method
            )
            return Page(items, number, size is None or len(items) < size, path, method)

        return Paginator(fetch, first=page, prefetch=prefetch, repeats_at_end=repeats_at_end)


def decode_list(
    value: Any, kind: type[T], *, method: str, path: str, first: int = 0
) -> tuple[T, ...]:
    """Return a list response as models. The API may send ``false`` or ``null`` for no items.

    Args:
        value: The decoded response, or a part of it.
        kind: Model of one item.
        method: HTTP method, for the error.
        path: Path template, for the error.
        first: Number of the first item, for the error.

    Raises:
        ResponseDecodeError: An item lacks what identifies it; the error names item and field. Read
            such a list with ``cr.request()``, which returns it as it is.
    """
    items = as_list(value) if value else []
    found, problems = _decode_items(items, kind, method=method, path=path, first=first)
    if problems:
        del value, items, found  # An error report of this frame shows its variables.
        raise ResponseDecodeError(problems, method=method, path=path)
    return tuple(found)


def _decode_items(
    items: Sequence[Any], kind: type[T], *, method: str, path: str, first: int
) -> tuple[list[T], list[str]]:
    """Return items as models, and the problems of those that are none."""
    found: list[T] = []
    problems: list[str] = []
    for number, item in enumerate(items, start=first):
        try:
            found.append(structure(item, kind, method=method, path=path))
        except ResponseDecodeError as error:
            problems += [it.replace("@ $", f"@ $[{number}]") for it in error.problems]
            if len(problems) >= _MOST_PROBLEMS:
                break
    return found, problems


async def decode_in_steps(
    value: Any, kind: type[T], path: str, *, method: str = "GET"
) -> tuple[T, ...]:
    """Return a list response as models. Other tasks run meanwhile, since a long list takes time."""
    items = as_list(value) if value else []
    found: list[T] = []
    for start in range(0, len(items), _ITEMS_AT_ONCE):
        part = items[start : start + _ITEMS_AT_ONCE]
        try:
            found += decode_list(part, kind, method=method, path=path, first=start)
        except ResponseDecodeError:
            del value, items, part, found  # An error report of this frame shows its variables.
            raise
        if len(items) > _ITEMS_AT_ONCE:
            await anyio.lowlevel.checkpoint()
    return tuple(found)


def unwrap(value: Any, request: Request, *, keys_may_be_numbers: bool = False) -> Any:
    """Return the item of a response, which may be a list of one item or an empty list.

    Args:
        value: The decoded response.
        request: The request, for the error.
        keys_may_be_numbers: Whether an object is the item whatever its keys are.

    Raises:
        NotFoundError: The list is empty.
    """
    is_item = keys_may_be_numbers or not is_numbered(value)
    if is_item and not isinstance(value, list):
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


def optional_ids(**values: int | None) -> dict[str, int | None]:
    """Return optional arguments by their names; ``None`` stays.

    Raises:
        ConfigurationError: One of them is not an id.
    """
    return {
        name: None if value is None else check_id(name, value) for name, value in values.items()
    }


def group_path(
    template: str, group_id: int | Unset | None, **values: str | int
) -> tuple[str, dict[str, str | int]]:
    """Return template and values of a path: in a group, or in the whole account without one."""
    if group_id is None or group_id is UNSET:
        return template, values
    return f"/groups/{{group_id}}{template}", {"group_id": group_id, **values}


def refuse_none(group_id: int | Unset | None) -> None:
    """Refuse ``None`` as the group of a call that deletes.

    Without a group such a call affects the whole account, and ``None`` is more likely a variable
    that was not set.

    Raises:
        ConfigurationError: It is ``None``.
    """
    if group_id is None:
        raise ConfigurationError(
            "group_id is None, which would address something else, the whole account: pass the id"
            " of the group, or leave group_id out to delete from the account"
        )


def receiver_path(
    receiver_id: int | str, group_id: int | Unset | None
) -> tuple[str, dict[str, str | int]]:
    """Return template and values of a receiver's path: in a group, or in the whole account."""
    return group_path("/receivers/{receiver_id}", group_id, receiver_id=receiver_id)
