"""Tags: labels of receivers, ``name`` or ``origin.name``."""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import attrs

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.arguments import as_texts
from cleverreach_async.resources.base import Resource, body, optional_ids, refuse_none
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.receiver_arguments import split_tags
from cleverreach_async.resources.success import looks_like_trouble
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.numbers import check_number
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.wire import Request, as_list, build_request, is_numbered

__all__ = ["Tag", "Tags"]

MAX_TAGS: Final = 5000

_TAG: Final = re.compile(r"[\w.*-]+")

TagOrder = Literal["tag", "origin", "count"]


@attrs.frozen(kw_only=True)
class Tag:
    """A tag in use.

    Attributes:
        tag: Its name.
        origin: The system that set it, or an empty string.
        count: Number of receivers with it, or ``None`` if the response does not say.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    tag: str
    origin: str = ""
    count: int | None = None
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Tags(Resource):
    """``cr.tags``: list, count, add and remove tags.

    Tags consist of letters, digits, ``_`` and ``-``. The server replaces other characters by ``_``.
    Lists and counts show changes after some time. To tag many receivers, send them with ``tags``
    through ``cr.bulk`` or ``cr.receivers.upsertplus_many``.
    """

    def list(
        self,
        *,
        group_id: int | None = None,
        origin: str | None = None,
        order_by: TagOrder | None = None,
        page_size: int = MAX_TAGS,
        page: int = 0,
        prefetch: int = 0,
    ) -> Paginator[Tag]:
        """List tags.

        It is unclear whether the API pages tags by ``page`` or by ``offset``, so both are sent.

        Args:
            group_id: Only tags of this group.
            origin: Only tags of this origin; ``*`` for any origin, an empty text for none.
            order_by: Sort key.
            page_size: Tags per page (the vendor's ``limit``), 1 to 5000.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: A number of paging is out of range, or the group is not an id.

        ``GET /tags``
        """
        check_number("page_size", page_size, least=1, most=MAX_TAGS)
        query = {**optional_ids(group_id=group_id), "origin": origin, "order_by": order_by}

        def request_of(number: int) -> Request:
            paging = {"limit": page_size, "page": number, "offset": number * page_size}
            return build_request("GET", "/tags", query={**query, **paging}, accepts_false=True)

        return self._paged(Tag, request_of, size=page_size, page=page, prefetch=prefetch)

    async def of_receiver(
        self, receiver_id: int | str, *, group_id: int | None = None
    ) -> tuple[str, ...]:
        """Return the tags of a receiver, ``name`` or ``origin.name``.

        Args:
            receiver_id: Pool id or e-mail address.
            group_id: The group in which the receiver has them; all groups by default.

        Raises:
            NotFoundError: The receiver does not exist there.

        ``GET /receivers/{id}/tags``
        """
        template = "/receivers/{receiver_id}/tags"
        request = build_request(
            "GET",
            template,
            path={"receiver_id": receiver_id},
            query=optional_ids(group_id=group_id),
            accepts_false=True,  # for none
        )
        tags = await self._json(request)
        if tags is None or tags is False:
            return ()
        items: list[Any] = as_list(tags) if isinstance(tags, list) or is_numbered(tags) else [None]
        if not all(isinstance(it, str) for it in items):
            del tags, items  # An error report of this frame shows its variables.
            raise ResponseDecodeError(["expected a list of texts"], method="GET", path=template)
        return tuple(items)

    async def count(
        self, tag: str, *, group_id: int | None = None, active: bool | None = None
    ) -> int:
        """Return the number of receivers with a tag.

        Args:
            tag: ``name`` or ``origin.name``.
            group_id: Only receivers of this group.
            active: Whether to count active receivers only.

        Raises:
            ConfigurationError: The tag is empty or no text, or the group is not an id.

        ``GET /tags/count``
        """
        [name] = as_texts("tag", [tag], "tags")
        query = {"tag": name, **optional_ids(group_id=group_id), "active": active}
        return await self._call(int, "GET", "/tags/count", query=query)

    async def add(
        self, receiver_id: int | str, tags: str | Sequence[str], *, group_id: int | None = None
    ) -> None:
        """Add tags to a receiver. Its other tags stay.

        Args:
            receiver_id: Pool id or e-mail address.
            tags: ``name`` or ``origin.name``, a list or one text with commas.
            group_id: The group in which to add them.

        Raises:
            ConfigurationError: There is no tag, or an empty one.

        ``POST /receivers/{id}/tags``
        """
        names = _names(tags)
        fields = body(
            tags=names,
            group_id=UNSET if group_id is None else check_id("group_id", group_id),
        )
        await self._do(
            "POST",
            "/receivers/{receiver_id}/tags",
            path={"receiver_id": receiver_id},
            json=fields,
            idempotent=True,
            shows_success=lambda response: _are_tags(response, names),
        )

    async def remove(
        self, receiver_id: int | str, tags: str | Sequence[str], *, group_id: int | Unset = UNSET
    ) -> None:
        """Remove tags from a receiver, in a group or in the whole account without ``group_id``.

        Args:
            receiver_id: Pool id or e-mail address.
            tags: ``name``, ``origin.name`` or ``origin.*``, a list or one text with commas.
            group_id: The group in which to remove them.

        Raises:
            ConfigurationError: There is no tag, an empty one, or one with a comma or a slash;
                ``group_id`` is ``None``, or an id is not one.

        ``DELETE /receivers/{id}/tags/{tags}``
        """
        refuse_none(group_id)
        names = _names(tags)
        for name in names:
            # The server splits at commas, so a tag with a comma would remove other tags.
            if "," in name or "/" in name:
                raise ConfigurationError(f"{name!r} has a comma or a slash; tags cannot have them")
        await self._do(
            "DELETE",
            "/receivers/{receiver_id}/tags/{tags}",
            path={"receiver_id": receiver_id, "tags": ",".join(names)},
            query={} if group_id is UNSET else {"group_id": check_id("group_id", group_id)},
            shows_success=lambda response: _are_tags(response, names),
        )


def _names(tags: str | Sequence[str]) -> Sequence[str]:
    return as_texts("tags", split_tags(tags) if isinstance(tags, str) else tags, "tags")


def _are_tags(response: Any, sent: Sequence[str]) -> bool:
    """Whether a response is a list of tags, which may be empty, rather than of errors."""
    if not isinstance(response, list) and not is_numbered(response):
        return False
    texts = [it for it in as_list(response) if isinstance(it, str)]
    if len(texts) < len(as_list(response)):
        return False
    return any(it in sent for it in texts) or all(
        _TAG.fullmatch(it) and not looks_like_trouble(it) for it in texts
    )
