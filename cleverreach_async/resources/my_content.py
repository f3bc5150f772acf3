"""My content: sources from which the editor of mailings takes products and texts."""

from datetime import datetime
from typing import Any

import attrs

from cleverreach_async.resources.base import Resource, body
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.unset import UNSET, Unset

__all__ = ["MyContent", "MyContents"]


@attrs.frozen(kw_only=True)
class MyContent:
    """A content source: an endpoint of yours that the vendor's editor calls.

    Attributes:
        id: Content id.
        name: Name as shown in the editor.
        url: Its address.
        login: User name with which it is called.
        password: Word that the vendor sends to it. No ``repr`` shows it.
        interface: Kind of interface.
        client_id: The account, or 0.
        group_id: The group, or 0.
        active: Whether it is in use.
        stamp: When it was created.
        last_import: When it was last read.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int
    name: str = ""
    url: str = attrs.field(default="", repr=False)
    login: str = attrs.field(default="", repr=False)
    password: str = attrs.field(default="", repr=False)
    interface: str = attrs.field(default="", repr=False)
    client_id: int = attrs.field(default=0, repr=False)
    group_id: int = attrs.field(default=0, repr=False)
    active: bool = attrs.field(default=False, repr=False)
    stamp: datetime | None = attrs.field(default=None, repr=False)
    last_import: datetime | None = attrs.field(default=None, repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class MyContents(Resource):
    """``cr.my_content``: content sources for the editor of mailings."""

    def list(self) -> Paginator[MyContent]:
        """List the content sources; the API does not page them.

        ``GET /mycontent``
        """
        return self._list(MyContent, "/mycontent")

    async def get(self, content_id: int) -> MyContent:
        """Return one content source.

        Raises:
            NotFoundError: The content source does not exist.

        ``GET /mycontent/{id}``
        """
        return await self._call(MyContent, "GET", "/mycontent/{content_id}", path=_path(content_id))

    async def create(
        self,
        *,
        name: str,
        url: str,
        password: str | Unset = UNSET,
        type: str | Unset = UNSET,  # noqa: A002 - the vendor's word, keyword-only
        cors: bool | Unset = UNSET,
        icon: str | Unset = UNSET,
    ) -> MyContent:
        """Register a content source. The call is not repeated after a lost response.

        Args:
            name: Name as shown in the editor, unique in the account.
            url: Its address, unique in the account.
            password: Word that the vendor sends to it.
            type: Kind of content, such as ``product``.
            cors: Whether the browser calls it.
            icon: URL of an icon.

        Raises:
            ConflictError: A content source has the name or the address.

        ``POST /mycontent``
        """
        fields = body(name=name, url=url, password=password, type=type, cors=cors, icon=icon)
        return await self._call(MyContent, "POST", "/mycontent", json=fields)

    async def update(
        self,
        content_id: int,
        *,
        name: str | Unset = UNSET,
        url: str | Unset = UNSET,
        password: str | Unset = UNSET,
        type: str | Unset = UNSET,  # noqa: A002 - the vendor's word, keyword-only
        cors: bool | Unset = UNSET,
        icon: str | Unset = UNSET,
    ) -> MyContent:
        """Change the given fields.

        Args:
            content_id: Content id.
            name: Name as shown in the editor, unique in the account.
            url: Its address, unique in the account.
            password: Word that the vendor sends to it.
            type: Kind of content, such as ``product``.
            cors: Whether the browser calls it.
            icon: URL of an icon.

        Raises:
            ConflictError: Another content source has the name or the address.
            NotFoundError: The content source does not exist.

        ``PUT /mycontent/{id}``
        """
        fields = body(name=name, url=url, password=password, type=type, cors=cors, icon=icon)
        path = _path(content_id)
        return await self._call(MyContent, "PUT", "/mycontent/{content_id}", path=path, json=fields)

    async def delete(self, content_id: int) -> None:
        """Delete a content source.

        ``DELETE /mycontent/{id}``
        """
        await self._do("DELETE", "/mycontent/{content_id}", path=_path(content_id))


def _path(content_id: int) -> dict[str, str | int]:
    return {"content_id": content_id}
