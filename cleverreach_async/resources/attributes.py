"""Attributes: further fields of receivers, for the whole account or for one group."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import Resource, body, group_path, refuse_none
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.unset import UNSET, Unset

__all__ = [
    "RESERVED_NAMES",
    "Attribute",
    "AttributeType",
    "Attributes",
    "cap_in",
    "check_free",
    "stored_name",
]

AttributeType = Literal["text", "number", "gender", "date"]

RESERVED_NAMES: Final = frozenset(
    {"email", "activated", "registered", "deactivated", "bounced", "source"}
)
"""Names that an attribute cannot have, since receivers have fields of that name."""

_NOT_IN_NAMES: Final = re.compile(r"\W")
_WORDS_FOR_CAP: Final = ("limit", "max", "maximum")


@attrs.frozen(kw_only=True)
class Attribute:
    """The definition of an attribute.

    Attributes:
        id: Attribute id.
        name: Name in lower case; the key in a receiver's ``attributes``.
        type: ``text``, ``number``, ``gender`` or ``date``; the API may add others.
        description: Label shown in the account.
        preview_value: Value shown in previews.
        default_value: Value for receivers without one; some responses call it ``value``.
        tag: Placeholder for mailings, such as ``{FIRSTNAME}``.
        group_id: Its group, or 0 for the whole account; some responses call it ``groups_id``.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    aliases: ClassVar[Mapping[str, str]] = {"groups_id": "group_id", "value": "default_value"}

    id: int
    name: str
    type: AttributeType | str = "text"
    description: str = attrs.field(default="", repr=False)
    preview_value: str = attrs.field(default="", repr=False)
    default_value: str = attrs.field(default="", repr=False)
    tag: str = attrs.field(default="", repr=False)
    group_id: int = 0
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Attributes(Resource):
    """``cr.attributes``: define attributes. They must exist before receivers can have values.

    ``group_id`` is the group of an attribute; ``None`` or 0 means the whole account. The observed
    maximum is 40 attributes, those of the account and of a group together.
    """

    def list(self, *, group_id: int | None = None) -> Paginator[Attribute]:
        """List the attributes of the account or of a group; the API does not page them.

        ``GET /attributes``, ``GET /groups/{group_id}/attributes``
        """
        template, path = group_path("/attributes", _group(group_id))
        return self._list(Attribute, template, path=path)

    async def get(self, attribute_id: int) -> Attribute:
        """Return one attribute.

        Raises:
            NotFoundError: No such attribute.

        ``GET /attributes/{id}``
        """
        return await self._call(
            Attribute,
            "GET",
            "/attributes/{attribute_id}",
            path={"attribute_id": attribute_id},
        )

    async def create(
        self,
        *,
        name: str,
        type: AttributeType,  # noqa: A002 - the vendor's word, keyword-only
        description: str | Unset = UNSET,
        preview_value: str | Unset = UNSET,
        default_value: str | Unset = UNSET,
        group_id: int | None = None,
    ) -> Attribute:
        """Define an attribute.

        Args:
            name: Name; the server stores it in lower case.
            type: Type of its values. A date is ``YYYY-MM-DD``, a gender ``male`` or ``female``.
            description: Label shown in the account.
            preview_value: Value shown in previews.
            default_value: Value for receivers without one.
            group_id: Its group.

        Raises:
            ConfigurationError: The name is that of a field that every receiver has.
            ConflictError: An attribute of that name exists.

        ``POST /attributes``, ``POST /groups/{group_id}/attributes``
        """
        template, path = group_path("/attributes", _group(group_id))
        fields = body(
            name=check_free(name),
            type=type,
            description=description,
            preview_value=preview_value,
            default_value=default_value,
        )
        return await self._call(Attribute, "POST", template, path=path, json=fields)

    async def update(
        self,
        attribute_id: int,
        *,
        name: str | Unset = UNSET,
        type: AttributeType | Unset = UNSET,  # noqa: A002 - the vendor's word, keyword-only
        description: str | Unset = UNSET,
        preview_value: str | Unset = UNSET,
        default_value: str | Unset = UNSET,
        group_id: int | None = None,
    ) -> Attribute:
        """Change the given fields. Whether the type can change is not documented.

        Args:
            attribute_id: Attribute id.
            name: Name; the server stores it in lower case.
            type: Type of its values.
            description: Label shown in the account.
            preview_value: Value shown in previews.
            default_value: Value for receivers without one.
            group_id: Its group.

        Raises:
            ConfigurationError: The name is that of a field that every receiver has.

        ``PUT /attributes/{id}``, ``PUT /groups/{group_id}/attributes/{id}``
        """
        template, path = _attribute_path(attribute_id, group_id)
        fields = body(
            name=name if name is UNSET else check_free(name),
            type=type,
            description=description,
            preview_value=preview_value,
            default_value=default_value,
        )
        return await self._call(Attribute, "PUT", template, path=path, json=fields)

    async def delete(self, attribute_id: int, *, group_id: int | Unset = UNSET) -> None:
        """Delete an attribute and the receivers' values of it.

        Args:
            attribute_id: Attribute id.
            group_id: Its group; left out or 0 for the whole account.

        Raises:
            ConfigurationError: ``group_id`` is ``None``, or an id is not one.

        ``DELETE /attributes/{id}``, ``DELETE /groups/{group_id}/attributes/{id}``
        """
        refuse_none(group_id)
        template, path = _attribute_path(attribute_id, group_id)
        await self._do("DELETE", template, path=path)

    async def limits(self) -> Mapping[str, Any]:
        """Return how many attributes the account may define. The fields are not documented.

        ``GET /attributes/limits``
        """
        return await self._call(dict[str, Any], "GET", "/attributes/limits")


def _attribute_path(
    attribute_id: int, group_id: int | Unset | None
) -> tuple[str, dict[str, str | int]]:
    template = "/attributes/{attribute_id}"
    return group_path(template, _group(group_id), attribute_id=attribute_id)


def _group(group_id: int | Unset | None) -> int | Unset | None:
    """Return the group; 0 means the whole account, as in the API."""
    is_account = type(group_id) is int and group_id == 0
    return None if is_account else group_id


def cap_in(limits: Mapping[str, Any]) -> int | None:
    """Return the maximum number of attributes from a result of :meth:`Attributes.limits`.

    Args:
        limits: The result. Its fields are not documented, so only plain words for a maximum are
            looked up.

    Returns:
        The number, or ``None`` if it is unknown.
    """
    for word in _WORDS_FOR_CAP:
        value = str(limits.get(word, ""))
        if value.isdecimal() and int(value):
            return int(value)
    return None


def check_free(name: str) -> str:
    """Return the name of an attribute, unless it is that of a field that every receiver has.

    Raises:
        ConfigurationError: It is that of a field.
    """
    if name.strip().lower() in RESERVED_NAMES:
        raise ConfigurationError(
            f"{name!r} is a field that every receiver has; choose another name for the attribute"
        )
    return name


def stored_name(name: str) -> str:
    """Return the name that the server gives an attribute: ``First Name`` becomes ``first_name``."""
    return _NOT_IN_NAMES.sub("_", name.strip().lower())
