"""How many receivers of a file a group has already, counted if that takes few requests."""

from collections.abc import Iterable
from typing import Final

from cleverreach_async.bulk.rows import EncodedRow, email_key
from cleverreach_async.resources.receivers import Receivers

__all__ = ["ReceiversInCommon"]

_PAGE: Final = 1000
_MOST_IN_GROUP: Final = 10 * _PAGE
_MOST_IN_FILE: Final = 1000
"""The server is asked for about 120 addresses at a time."""


class ReceiversInCommon:
    """Counts them, each once.

    Args:
        receivers: The calls.
        group_id: The group.
        total: How many receivers the group has, about.
    """

    def __init__(self, receivers: Receivers, *, group_id: int, total: int) -> None:
        self._receivers = receivers
        self._group_id = group_id
        self._is_small = total <= _MOST_IN_GROUP
        self._in_group: set[str] = set()
        self._in_file: set[str] = set()

    async def begin(self) -> None:
        """Ask for the receivers of the group, if they are few.

        Raises:
            CleverReachError: A call failed.
        """
        if self._is_small:
            listing = self._receivers.list(group_id=self._group_id, page_size=_PAGE)
            self._in_group = {email_key(it.email) async for it in listing}

    def add(self, rows: Iterable[EncodedRow]) -> None:
        """Take rows of the file that can be sent."""
        if self._is_small:
            self._in_file |= self._in_group.intersection(row.key for row in rows)
        elif len(self._in_file) <= _MOST_IN_FILE:
            self._in_file.update(row.key for row in rows)

    async def count(self) -> int | None:
        """Return how many there are; ``None`` if file and group are both large.

        Raises:
            CleverReachError: A call failed.
        """
        if self._is_small or not self._in_file:
            return len(self._in_file)
        if len(self._in_file) > _MOST_IN_FILE:
            return None
        emails = sorted(self._in_file)
        found = {
            email_key(it.email)
            async for it in self._receivers.list(group_id=self._group_id, emails=emails)
        }
        return len(found & self._in_file)
