"""Receivers across groups: copies, addresses, groups, and single values of attributes."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar, Unpack

import attrs

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.arguments import as_texts
from cleverreach_async.resources.base import Resource, body, optional_ids, receiver_path
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.groups import Group
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.receiver_models import AttributeValue, Receiver
from cleverreach_async.resources.relative import has_relative_values
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.wire import (
    RequestParts,
    as_list,
    as_object,
    build_request,
    is_numbered,
)

__all__ = ["AccountReceivers", "ReceiverAttribute"]

T = TypeVar("T", bound=attrs.AttrsInstance)

MAX_ADDRESSES: Final = 1000


@attrs.frozen(kw_only=True)
class ReceiverAttribute:
    """The value of one attribute of a receiver.

    Attributes:
        id: Id of the attribute.
        name: Its lower-case name.
        value: Its value as text, or an empty text if it is not set.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int
    name: str = ""
    value: str = attrs.field(default="", repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class AccountReceivers(Resource):
    """The calls of ``cr.receivers`` that are not about one group."""

    def groups(self, receiver_id: int | str) -> Paginator[Group]:
        """List the groups that a receiver is in; the API does not page them.

        Args:
            receiver_id: Pool id or e-mail address.

        ``GET /receivers/{id}/groups``
        """
        return self._list(
            Group, "/receivers/{receiver_id}/groups", path={"receiver_id": receiver_id}
        )

    async def clone(
        self, receiver_id: int | str, email: str, *, group_id: int | None = None
    ) -> Receiver | None:
        """Copy a receiver to another address.

        The call is not repeated after a lost response, to not create two. The names of the fields
        in its body are not documented.

        Args:
            receiver_id: Pool id or e-mail address of the original.
            email: Address of the copy.
            group_id: The group of the copy; without it, the groups of the original.

        Returns:
            The copy, or ``None`` if the response does not show it.

        Raises:
            ConfigurationError: ``email`` is not an e-mail address, or an id is not one.
            NotFoundError: The receiver does not exist.

        ``POST /receivers/{id}/clone``
        """
        fields = body(email=_address(email), **_given(group_id))
        path = {"receiver_id": receiver_id}
        return await self._shown(
            Receiver, "POST", "/receivers/{receiver_id}/clone", path=path, json=fields
        )

    async def change_email(self, receiver_id: int | str, email: str) -> None:
        """Change the address of a receiver in all groups.

        With an address as ``receiver_id`` the call is not repeated after a lost response, because
        nobody might have that address any more.

        Args:
            receiver_id: Pool id or present e-mail address.
            email: New address.

        Raises:
            ConfigurationError: ``email`` is not an e-mail address.
            NotFoundError: The receiver does not exist.
            APIStatusError: The new address is taken or invalid.

        ``PUT /receivers/{id}/email``
        """
        await self._do(
            "PUT",
            "/receivers/{receiver_id}/email",
            path={"receiver_id": receiver_id},
            json={"email": _address(email)},
            idempotent="@" not in str(receiver_id),
        )

    async def valid_addresses(
        self, emails: Sequence[str], *, group_id: int | None = None, invert: bool = False
    ) -> tuple[str, ...]:
        """Return those addresses that the API rates as valid; its rule is not documented.

        It was seen to leave out addresses that are malformed or blacklisted and, with a group,
        those that are not active in it. More than 1000 addresses take several requests.

        Args:
            emails: Addresses, which may be malformed.
            group_id: Check them in this group.
            invert: Whether to return the other addresses instead.

        Raises:
            ConfigurationError: ``emails`` is empty or has something that is no text.
            ResponseDecodeError: The response is not a list of some of these addresses.

        ``POST /receivers/isvalid``
        """
        addresses = as_texts("emails", emails, "addresses")
        options = body(**_given(group_id), invert=invert)
        found: list[str] = []
        for start in range(0, len(addresses), MAX_ADDRESSES):
            part = addresses[start : start + MAX_ADDRESSES]
            request = build_request(
                "POST",
                "/receivers/isvalid",
                json={"emails": part, **options},
                idempotent=True,  # it only reads
            )
            found += _some_of(part, await self._json(request))
        return tuple(found)

    def attributes(
        self, receiver_id: int | str, *, group_id: int | None = None
    ) -> Paginator[ReceiverAttribute]:
        """List the values of a receiver's attributes; the API does not page them.

        Args:
            receiver_id: Pool id or e-mail address.
            group_id: The group whose own attributes are listed; without it, those of the account.

        ``GET /receivers/{id}/attributes``
        """
        return self._list(
            ReceiverAttribute,
            "/receivers/{receiver_id}/attributes",
            path={"receiver_id": receiver_id},
            query=optional_ids(group_id=group_id),
        )

    async def set_attribute(
        self,
        receiver_id: int | str,
        attribute_id: int,
        value: AttributeValue,
        *,
        group_id: int | None = None,
    ) -> ReceiverAttribute | None:
        """Set the value of one attribute of a receiver.

        With a relative value such as ``"+1"`` the call is not repeated after a lost response,
        because the server might count it twice.

        Args:
            receiver_id: Pool id or e-mail address.
            attribute_id: Id of the attribute.
            value: Its value; ``None`` unsets it.
            group_id: The group that the attribute belongs to; without it, the account.

        Returns:
            What is stored, or ``None`` if the response does not show it.

        Raises:
            ConfigurationError: The value is neither text nor a number, or an id is not one.
            NotFoundError: There is no such receiver or attribute.

        ``PUT /receivers/{pool_id}/attributes/{id}``,
        ``PUT /groups/{group_id}/receivers/{pool_id}/attributes/{id}``
        """
        _check_value(value)
        template, path = receiver_path(receiver_id, group_id)
        return await self._shown(
            ReceiverAttribute,
            "PUT",
            f"{template}/attributes/{{attribute_id}}",
            path={**path, "attribute_id": attribute_id},
            json={"value": value},
            idempotent=not has_relative_values(value),
        )

    async def _shown(
        self, kind: type[T], method: str, template: str, **parts: Unpack[RequestParts]
    ) -> T | None:
        """Send a write, and return what its response shows of the object that was written."""
        stored = await self._done(build_request(method, template, **parts))
        items = as_list(stored)
        fields = as_object(items[0] if len(items) == 1 else stored)
        required = [it.name for it in attrs.fields(kind) if it.default is attrs.NOTHING]
        try:
            if not all(fields.get(name) for name in required):
                return None
            return structure(fields, kind, method=method, path=template)
        finally:
            del stored, items, fields  # An error report of this frame shows its variables.


def _given(group_id: int | None) -> dict[str, Any]:
    return {"group_id": UNSET if group_id is None else check_id("group_id", group_id)}


def _address(email: object) -> str:
    """Return an address that is written, without blanks around it.

    Raises:
        ConfigurationError: It is not one.
    """
    if not isinstance(email, str):
        raise ConfigurationError(f"email is {kind_of(email)}; pass an e-mail address")
    address = email.strip()
    before, _, after = address.rpartition("@")
    if not before or not after or any(map(str.isspace, address)):
        raise ConfigurationError("email is a text that is no e-mail address")
    return address


def _check_value(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise ConfigurationError(f"value is {kind_of(value)}; pass text, a number or None")


def _some_of(sent: Sequence[str], response: Any) -> Sequence[str]:
    """Return the addresses of a response, which are some of those that were sent.

    Raises:
        ResponseDecodeError: It has anything else.
    """
    is_list = isinstance(response, list) or is_numbered(response)
    items: list[Any] = as_list(response) if is_list else [None]
    known = {text.strip().lower() for text in sent}
    # The server may write a domain with umlauts in another way.
    comparable = all(map(str.isascii, known))
    is_wrong = any(
        not isinstance(it, str) or (comparable and it.strip().lower() not in known) for it in items
    )
    if is_wrong:
        del sent, response, items, known  # An error report of this frame shows its variables.
        problem = "expected a list of some of the addresses that were sent"
        raise ResponseDecodeError([problem], method="POST", path="/receivers/isvalid")
    return items
