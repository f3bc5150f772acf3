"""Filters: segments of a group, saved rules that select receivers."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import attrs

from cleverreach_async.resources.base import Created, Resource, body
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.groups import GroupStats
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.receiver_models import Receiver, ReceiverState
from cleverreach_async.resources.rules import FilterRule, Rules, rules_of_segment
from cleverreach_async.resources.unset import UNSET, Unset

__all__ = ["Filter", "Filters"]

MAX_PAGE_SIZE: Final = 5000

_ALL: Final = "/groups/{group_id}/filters"
_ONE: Final = "/groups/{group_id}/filters/{filter_id}"


@attrs.frozen(kw_only=True)
class Filter:
    """A segment of a group.

    Attributes:
        id: Filter id, for mailings and for reading its receivers.
        name: Name as shown in the account.
        rules: Its rules in the API's own words, which differ from those that were sent.
        operator: ``AND`` or ``OR`` for rules that have none, if the response says so.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int
    name: str = ""
    rules: tuple[FilterRule, ...] = attrs.field(default=(), repr=False)
    operator: str = attrs.field(default="", repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Filters(Resource):
    """``cr.filters``: segments of a group.

    Rules are made by ``where``: ``where("city").eq("Kiel") & where("tags").contains("shop")``.
    """

    def list(self, *, group_id: int) -> Paginator[Filter]:
        """List the segments of a group; the API does not page them.

        ``GET /groups/{group_id}/filters``
        """
        return self._list(Filter, _ALL, path={"group_id": group_id})

    async def get(self, filter_id: int, *, group_id: int) -> Filter:
        """Return one segment with its rules.

        Raises:
            NotFoundError: The group has no such segment.

        ``GET /groups/{group_id}/filters/{filter_id}``
        """
        return await self._call(Filter, "GET", _ONE, path=_path(filter_id, group_id))

    async def create(
        self,
        *,
        group_id: int,
        name: str,
        rules: Rules | Sequence[FilterRule],
        operator: Literal["AND", "OR"] | Unset = UNSET,
    ) -> int:
        """Create a segment and return its id. The call is not repeated after a lost response.

        Args:
            group_id: The group whose receivers it selects.
            name: Name as shown in the account.
            rules: Made by ``where``, or those of another segment.
            operator: How rules are combined that do not say so. Rules of ``where`` do.

        Raises:
            ConfigurationError: There is no rule, or something else.
            BadRequestError: The server does not know a field or a comparison.

        ``POST /groups/{group_id}/filters``
        """
        fields = body(name=name, operator=operator, rules=rules_of_segment(rules))
        path = {"group_id": group_id}
        return (await self._call(Created, "POST", _ALL, path=path, json=fields)).id

    async def update(
        self,
        filter_id: int,
        *,
        group_id: int,
        rules: Rules | Sequence[FilterRule],
        name: str | Unset = UNSET,
        operator: Literal["AND", "OR"] | Unset = UNSET,
    ) -> None:
        """Replace the rules of a segment; the API needs all of them. The name may change too.

        Args:
            filter_id: Filter id.
            group_id: Its group.
            rules: Made by ``where``, or those of a segment.
            name: Name as shown in the account.
            operator: How rules are combined that do not say so.

        Raises:
            ConfigurationError: There is no rule, or something else.
            NotFoundError: The group has no such segment.

        ``PUT /groups/{group_id}/filters/{filter_id}``
        """
        fields = body(name=name, operator=operator, rules=rules_of_segment(rules))
        await self._do("PUT", _ONE, path=_path(filter_id, group_id), json=fields)

    async def delete(self, filter_id: int, *, group_id: int) -> None:
        """Delete a segment. Its receivers stay.

        ``DELETE /groups/{group_id}/filters/{filter_id}``
        """
        await self._do("DELETE", _ONE, path=_path(filter_id, group_id))

    async def count(self, filter_id: int, *, group_id: int) -> int:
        """Return the number of receivers that a segment selects. It is not cached.

        ``GET /groups/{group_id}/filters/{filter_id}/count``
        """
        return await self._call(int, "GET", f"{_ONE}/count", path=_path(filter_id, group_id))

    def receivers(
        self,
        filter_id: int,
        *,
        group_id: int,
        state: ReceiverState = "all",
        page_size: int = 500,
        page: int = 0,
        prefetch: int = 0,
    ) -> Paginator[Receiver]:
        """List the receivers that a segment selects.

        Args:
            filter_id: Filter id.
            group_id: Its group.
            state: Only receivers in this state (the vendor's ``type``).
            page_size: Receivers per page, 1 to 5000.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: A number of paging is out of range.

        ``GET /groups/{group_id}/filters/{filter_id}/receivers``
        """
        return self._list(
            Receiver,
            f"{_ONE}/receivers",
            path=_path(filter_id, group_id),
            query={"type": state},
            size_param="pagesize",
            page_size=page_size,
            max_size=MAX_PAGE_SIZE,
            page=page,
            prefetch=prefetch,
        )

    async def stats(self, filter_id: int, *, group_id: int) -> GroupStats:
        """Return the counters of a segment.

        ``GET /groups/{group_id}/filters/{filter_id}/stats``
        """
        return await self._call(GroupStats, "GET", f"{_ONE}/stats", path=_path(filter_id, group_id))


def _path(filter_id: int, group_id: int) -> dict[str, str | int]:
    return {"group_id": group_id, "filter_id": filter_id}
