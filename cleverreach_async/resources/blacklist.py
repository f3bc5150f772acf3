"""Blacklists: addresses that get no mail, in the whole account or in one group."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

import attrs

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.base import Resource, body, group_path, refuse_none
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.success import failure_in
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.paths import check_receiver_id
from cleverreach_async.transport.wire import (
    Request,
    as_list,
    as_object,
    build_request,
    is_numbered,
)

__all__ = ["Blacklist", "BlacklistEntry"]


@attrs.frozen(kw_only=True)
class BlacklistEntry:
    """An address that gets no mail.

    Attributes:
        email: The address.
        comment: Why it is blacklisted.
        stamp: When it was added, or ``None`` if the response does not say.
        is_locked: Whether the vendor added it, so that it cannot be changed; the API calls it
            ``isLocked``.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    aliases: ClassVar[Mapping[str, str]] = {"isLocked": "is_locked"}

    email: str
    comment: str = attrs.field(default="", repr=False)
    stamp: datetime | None = attrs.field(default=None, repr=False)
    is_locked: bool = attrs.field(default=False, repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Blacklist(Resource):
    """``cr.blacklist``: addresses that get no mail, in the account or, with ``group_id``, a group.

    An ``email`` is an address. Anything else raises ``ConfigurationError``, and no request is sent.
    """

    def list(self, *, group_id: int | None = None) -> Paginator[BlacklistEntry]:
        """List the entries of the account or of a group; the API does not page them.

        Entries of a group may have nothing but their address.

        ``GET /blacklist``, ``GET /groups/{group_id}/blacklist``
        """
        template, path = group_path("/blacklist", group_id)
        return self._list(BlacklistEntry, template, path=path, read=_with_fields)

    async def get(self, email: str) -> BlacklistEntry:
        """Return the entry of an address in the account's blacklist.

        Raises:
            NotFoundError: The address is not blacklisted.

        ``GET /blacklist/{email}``
        """
        path = {"email": _address(email)}
        return await self._call(BlacklistEntry, "GET", "/blacklist/{email}", path=path)

    async def add(
        self, email: str, *, comment: str | Unset = UNSET, group_id: int | None = None
    ) -> BlacklistEntry:
        """Blacklist an address. The call is not repeated after a lost response.

        Args:
            email: The address.
            comment: Why it is blacklisted.
            group_id: Only for this group.

        Returns:
            The entry; as it was sent, if the response only says that it was added.

        Raises:
            ConflictError: The address is blacklisted already.

        ``POST /blacklist``, ``POST /groups/{group_id}/blacklist``
        """
        address = _address(email)
        template, path = group_path("/blacklist", group_id)
        fields = body(email=address, comment=comment)
        return await self._entry(build_request("POST", template, path=path, json=fields), fields)

    async def update(self, email: str, *, comment: str) -> BlacklistEntry:
        """Change the comment of an entry in the account's blacklist.

        Args:
            email: The address.
            comment: Why it is blacklisted.

        Returns:
            The entry; as it was sent, if the response only says that it was changed.

        Raises:
            ConflictError: The vendor locked the entry, or nothing would change.
            NotFoundError: The address is not blacklisted.

        ``PUT /blacklist``
        """
        fields = body(email=_address(email), comment=comment)
        return await self._entry(build_request("PUT", "/blacklist", json=fields), fields)

    async def remove(self, email: str, *, group_id: int | Unset = UNSET) -> None:
        """Remove an address from the blacklist of the account or of a group.

        Args:
            email: The address.
            group_id: The group; left out for the whole account.

        Raises:
            ConfigurationError: ``group_id`` is ``None``, or something is not what its name says.
            NotFoundError: The address is not blacklisted there.

        ``DELETE /blacklist/{email}``, ``DELETE /groups/{id}/blacklist/{email}``
        """
        refuse_none(group_id)
        template, path = group_path("/blacklist/{email}", group_id, email=_address(email))
        await self._do("DELETE", template, path=path)

    async def validate(self, emails: str | Sequence[str]) -> "Sequence[str]":
        """Return those of some addresses that are not on the account's blacklist, in their order.

        Without addresses no request is sent.

        Raises:
            ResponseDecodeError: The response is not a list of some of them.

        ``POST /blacklist/validate``
        """
        addresses = _addresses(emails)
        if not addresses:
            return []
        template = "/blacklist/validate"
        request = build_request("POST", template, json={"emails": addresses}, idempotent=True)
        allowed = _allowed(await self._json(request), addresses)
        if isinstance(allowed, str):
            raise ResponseDecodeError([allowed], method="POST", path=template)
        return allowed

    async def _entry(self, request: Request, sent: Mapping[str, Any]) -> BlacklistEntry:
        """Send a write, and return the entry that it made."""
        response = await self._done(request, lambda it: bool(_entry_in(it, sent["email"])))
        fields = _entry_in(response, sent["email"]) or sent
        try:
            return structure(fields, BlacklistEntry, method=request.method, path=request.template)
        finally:
            del response, fields  # An error report of this frame shows its variables.


def _address(email: object) -> str:
    """Return an address as text.

    Raises:
        ConfigurationError: It is not an address.
    """
    if not isinstance(email, str) or "@" not in email:
        # A text is not shown: it may be a mistyped address.
        shown = "another text" if isinstance(email, str) else kind_of(email)
        raise ConfigurationError(f"email is {shown}; pass an e-mail address")
    return check_receiver_id("email", email)


def _addresses(emails: object) -> list[str]:
    if isinstance(emails, str):
        return [_address(emails)]
    if not isinstance(emails, Sequence | set | frozenset) or isinstance(emails, bytes):
        raise ConfigurationError(f"emails is {kind_of(emails)}; pass a list of addresses")
    return [_address(email) for email in cast("Sequence[object]", emails)]


def _with_fields(response: Any) -> Any:
    """Return a list of entries, of which some may be nothing but the address."""
    if not isinstance(response, list | str) and not is_numbered(response):
        return response
    return [
        {"email": it} if isinstance(it, str) and "@" in it else it
        for it in (as_list(response) if response else [])
    ]


def _entry_in(response: Any, email: str) -> Mapping[str, Any]:
    """Return the entry of an address in the response to a write, which has no id, or nothing."""
    items = as_list(response)
    fields = as_object(items[0]) if len(items) == 1 else {}
    is_same = str(fields.get("email", "")).strip().lower() == email.lower()
    return fields if is_same and failure_in({"id": 1, **fields}) is None else {}


def _allowed(response: Any, sent: Sequence[str]) -> "Sequence[str] | str":
    """Return the sent addresses that a response has, or what is wrong with it."""
    if not isinstance(response, list) and not is_numbered(response):
        return "expected a list of addresses"
    found = {it.strip().lower() if isinstance(it, str) else "" for it in as_list(response)}
    if found - {it.lower() for it in sent}:
        return "the list has something else than the addresses that were sent"
    return [it for it in sent if it.lower() in found]
