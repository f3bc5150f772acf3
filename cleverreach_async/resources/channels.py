"""Channels: the categories of mailings."""

from typing import Any

import attrs

from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator

__all__ = ["Channel", "Channels"]


@attrs.frozen(kw_only=True)
class Channel:
    """A category of mailings. Its fields are not documented; there may be more in ``extra``.

    Attributes:
        id: Channel id, the ``category_id`` of mailings.
        name: Name as shown in the account.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int
    name: str = ""
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Channels(Resource):
    """``cr.channels``: list, read and delete the categories of mailings."""

    def list(self) -> Paginator[Channel]:
        """List all channels; the API does not page them.

        ``GET /mailings/channel``
        """
        return self._list(Channel, "/mailings/channel")

    async def get(self, channel_id: int) -> Channel:
        """Return one channel.

        Raises:
            NotFoundError: The channel does not exist.

        ``GET /mailings/channel/{id}``
        """
        path = {"channel_id": channel_id}
        return await self._call(Channel, "GET", "/mailings/channel/{channel_id}", path=path)

    async def delete(self, channel_id: int) -> None:
        """Delete a channel.

        ``DELETE /mailings/channel/{id}``
        """
        path = {"channel_id": channel_id}
        await self._do("DELETE", "/mailings/channel/{channel_id}", path=path)
