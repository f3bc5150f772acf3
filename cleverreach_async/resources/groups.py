"""Groups: recipient lists."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    ConfigurationError,
    ResponseDecodeError,
)
from cleverreach_async.resources.base import Resource, body
from cleverreach_async.resources.field_types import Extra, Number
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.wire import build_request

__all__ = [
    "Group",
    "GroupStats",
    "Groups",
    "check_group_name",
    "groups_named",
    "only_group",
    "several_groups",
]

_WAITS: Final = (0.5, 1.0, 2.0)
"""Seconds between looks while several groups have a name."""

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

    async def ensure(
        self,
        *,
        name: str,
        receiver_info: str | Unset = UNSET,
        locked: bool | Unset = UNSET,
        backup: bool | Unset = UNSET,
    ) -> Group:
        """Return the group with a name; create it if there is none.

        It is safe on every deploy. Where two processes create a group at the same moment, each
        looks again: all keep that with the lowest id, and each removes the one that it has just
        created itself, if it is still empty.

        Args:
            name: Name as shown in the account. Blanks around it do not count.
            receiver_info: Text of a new group that explains to receivers why they get mail.
            locked: Lock flag of a new group.
            backup: Backup flag of a new group.

        Raises:
            ConfigurationError: The name is empty, several groups have it (the message lists their
                ids), or the server gives the new group another one.
            CleverReachError: A call failed.

        ``GET /groups``, ``POST /groups``
        """
        wanted = check_group_name(name)
        found = await self._settled(wanted)
        if found is not None:
            return found
        try:
            created = await self.create(
                name=wanted, receiver_info=receiver_info, locked=locked, backup=backup
            )
        except (APIStatusError, APIConnectionError, ResponseDecodeError):
            # Another process was faster, or the response was lost.
            found = await self._settled(wanted)
            if found is None:
                raise
            return found
        return await self._keep_first(created, wanted)

    async def _settled(self, name: str) -> Group | None:
        """Return the only group with a name; wait a little while there are several.

        Another process may have created one of them just now, and be about to remove it.
        """
        for wait in _WAITS:
            found = groups_named(await self.list(), name)
            if len(found) <= 1:
                break
            await self._clock.sleep(wait)
        else:
            found = groups_named(await self.list(), name)
        return only_group(found, name)

    async def _keep_first(self, created: Group, name: str) -> Group:
        """Return the first group with the name, and remove that just created if it is another."""
        if created.name.strip() not in {"", name}:
            await self.delete(created.id)
            raise ConfigurationError(
                f"the server calls a new group {created.name!r} instead of {name!r}, so that every"
                " call would create another one; pass that name. The new group was removed again"
            )
        found = groups_named(await self.list(), name)
        first = min([created, *found], key=lambda it: it.id)
        if first.id == created.id:
            return created
        if await self._has_receivers(created.id):
            raise several_groups(found, name)
        await self.delete(created.id)
        return first

    async def _has_receivers(self, group_id: int) -> bool:
        request = build_request(
            "GET",
            "/groups/{group_id}/receivers",
            path={"group_id": group_id},
            query={"page": 0, "pagesize": 1},
            accepts_false=True,
        )
        return bool(await self._json(request))

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


def check_group_name(name: object) -> str:
    """Return the name of a group without blanks around it.

    Raises:
        ConfigurationError: It is empty, or no text.
    """
    if not isinstance(name, str):
        raise ConfigurationError(f"name is {kind_of(name)}; pass the name of a group as text")
    if not name.strip():
        raise ConfigurationError("name is empty; a group needs a name")
    return name.strip()


def groups_named(groups: Iterable[Group], name: str) -> Sequence[Group]:
    """Return the groups with a name, oldest first."""
    return sorted((it for it in groups if it.name.strip() == name), key=lambda it: it.id)


def only_group(groups: Sequence[Group], name: str) -> Group | None:
    """Return the only one of the groups with a name, or ``None`` if there are none.

    Raises:
        ConfigurationError: There are several.
    """
    if len(groups) > 1:
        raise several_groups(groups, name)
    return groups[0] if groups else None


def several_groups(groups: Iterable[Group], name: str) -> ConfigurationError:
    """Return the error for several groups with one name."""
    ids = ", ".join(str(group.id) for group in groups)
    return ConfigurationError(
        f"several groups are called {name!r}: {ids}; pass the id of one, or rename or delete others"
    )
