"""Bounces: mail that could not be delivered."""

from datetime import datetime
from typing import Any, Final

import attrs

from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator

__all__ = ["Bounce", "Bounces"]

MAX_PAGE_SIZE: Final = 500
"""The largest size that was seen in use. A server that returned less would end the list early."""


@attrs.frozen(kw_only=True)
class Bounce:
    """What the account knows about an address whose mail bounced.

    Attributes:
        email: The address.
        category: Kind of bounce, such as ``hardbounce``; the API may add others.
        occurences: How often it bounced, in the vendor's spelling.
        last_update: When it last bounced.
        last_update_gmt: The same as text.
        expires_by: When the bounce will be forgotten.
        expires_by_gmt: The same as text.
        bounce_message: What the receiving server said.
        type: What bounced, such as ``mailing``.
        type_id: Its id, or 0.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    email: str
    category: str = ""
    occurences: int = attrs.field(default=0, repr=False)
    last_update: datetime | None = attrs.field(default=None, repr=False)
    last_update_gmt: str = attrs.field(default="", repr=False)
    expires_by: datetime | None = attrs.field(default=None, repr=False)
    expires_by_gmt: str = attrs.field(default="", repr=False)
    bounce_message: str = attrs.field(default="", repr=False)
    type: str = attrs.field(default="", repr=False)
    type_id: int = attrs.field(default=0, repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Bounces(Resource):
    """``cr.bounces``: addresses whose mail bounced."""

    def list(
        self, *, page_size: int = MAX_PAGE_SIZE, page: int = 0, prefetch: int = 0
    ) -> Paginator[Bounce]:
        """List the bounces of the account.

        Args:
            page_size: Bounces per page, 1 to 500.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: A number of paging is out of range.

        ``GET /bounces``
        """
        return self._list(
            Bounce,
            "/bounces",
            size_param="pagesize",
            page_size=page_size,
            max_size=MAX_PAGE_SIZE,
            page=page,
            prefetch=prefetch,
        )
