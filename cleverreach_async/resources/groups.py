"""Groups: recipient lists."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import attrs

from cleverreach_async.resources.base import Resource, body
from cleverreach_async.resources.field_types import Extra, Number
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.unset import UNSET, Unset

__all__ = ["Group", "GroupStats", "Groups"]

GroupOrder = Literal["created ASC", "created DESC", "changed ASC", "changed DESC"]


@attrs.frozen(kw_only=True)
class Group:
    """A recipient list.

    Attributes:
        id: Group id.
        name: Name as shown in the account.
        locked: Lock flag.
        backup: Backup flag.
        receiver_info: Text that explains to receivers why they get mail.
        stamp: When it was created.
        last_mailing: When the last mailing was sent to it.
        last_changed: When it last changed.
        is_mailing: The vendor's flag of this name; like the following, only some responses have it.
        is_campaign: The vendor's flag of this name.
        is_dynamic: The vendor's flag of this name.
        is_fixed: The vendor's flag of this name.
        position: Its place in the account's list.
        unsubscribe_link: Where its receivers unsubscribe.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int
    name: str = ""
    locked: bool = attrs.field(default=False, repr=False)
    backup: bool = attrs.field(default=False, repr=False)
    receiver_info: str = attrs.field(default="", repr=False)
    stamp: datetime | None = attrs.field(default=None, repr=False)
    last_mailing: datetime | None = attrs.field(default=None, repr=False)
    last_changed: datetime | None = attrs.field(default=None, repr=False)
    is_mailing: bool | None = attrs.field(default=None, repr=False)
    is_campaign: bool | None = attrs.field(default=None, repr=False)
    is_dynamic: bool | None = attrs.field(default=None, repr=False)
    is_fixed: bool | None = attrs.field(default=None, repr=False)
    position: int = attrs.field(default=0, repr=False)
    unsubscribe_link: str = attrs.field(default="", repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class GroupStats:
    """Counters of a group, cached by the server.

    Attributes:
        total_count: Number of receivers.
        active_count: Number of receivers who get mail.
        inactive_count: Number of unconfirmed and unsubscribed receivers.
        bounce_count: Number of receivers whose mail bounced.
        order_count: Number of the receivers' orders.
        avg_points: Mean of the receivers' points.
        quality: The vendor's rating of the list.
        time: When the counters were computed.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    total_count: int = 0
    active_count: int = 0
    inactive_count: int = 0
    bounce_count: int = 0
    order_count: int = 0
    avg_points: float = 0.0
    quality: Number = 0
    time: datetime | None = None
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Groups(Resource):
    """``cr.groups``: list, create, change and empty groups."""

    def list(self, *, order: GroupOrder | None = None) -> Paginator[Group]:
        """List all groups; the API does not page them.

        Args:
            order: Sort key and direction.

        ``GET /groups``
        """
        return self._list(Group, "/groups", query={"order": order})

    async def get(self, group_id: int) -> Group:
        """Return one group.

        Raises:
            NotFoundError: The group does not exist.

        ``GET /groups/{id}``
        """
        return await self._call(Group, "GET", "/groups/{group_id}", path={"group_id": group_id})

    async def create(
        self,
        *,
        name: str,
        receiver_info: str | Unset = UNSET,
        locked: bool | Unset = UNSET,
        backup: bool | Unset = UNSET,
    ) -> Group:
        """Create a group. The call is not repeated after a lost response, to not create two.

        Args:
            name: Name as shown in the account.
            receiver_info: Text that explains to receivers why they get mail.
            locked: Lock flag.
            backup: Backup flag.

        ``POST /groups``
        """
        fields = body(name=name, receiver_info=receiver_info, locked=locked, backup=backup)
        return await self._call(Group, "POST", "/groups", json=fields)

    async def update(
        self,
        group_id: int,
        *,
        name: str | Unset = UNSET,
        receiver_info: str | Unset = UNSET,
        locked: bool | Unset = UNSET,
        backup: bool | Unset = UNSET,
    ) -> Group:
        """Change the given fields.

        Args:
            group_id: Group id.
            name: Name as shown in the account.
            receiver_info: Text that explains to receivers why they get mail.
            locked: Lock flag.
            backup: Backup flag.

        ``PUT /groups/{id}``
        """
        fields = body(name=name, receiver_info=receiver_info, locked=locked, backup=backup)
        return await self._call(
            Group, "PUT", "/groups/{group_id}", path={"group_id": group_id}, json=fields
        )

    async def delete(self, group_id: int) -> None:
        """Delete a group with its receivers.

        ``DELETE /groups/{id}``
        """
        await self._do("DELETE", "/groups/{group_id}", path={"group_id": group_id})

    async def clear(self, group_id: int) -> None:
        """Remove all receivers from a group, and keep the group.

        ``DELETE /groups/{id}/clear``
        """
        await self._do("DELETE", "/groups/{group_id}/clear", path={"group_id": group_id})

    async def stats(self, group_id: int) -> GroupStats:
        """Return the counters of a group. The server caches them.

        ``GET /groups/{id}/stats``
        """
        return await self._call(
            GroupStats, "GET", "/groups/{group_id}/stats", path={"group_id": group_id}
        )

    async def advanced_stats(self, group_id: int) -> Mapping[str, Any]:
        """Return the extended counters of a group. Their fields are not documented.

        ``GET /groups/{id}/advancedstats``
        """
        return await self._call(
            dict[str, Any], "GET", "/groups/{group_id}/advancedstats", path={"group_id": group_id}
        )
