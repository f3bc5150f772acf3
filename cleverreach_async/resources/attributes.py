"""Attributes: further fields of receivers, for the whole account or for one group."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    ConfigurationError,
    ConflictError,
    ResponseDecodeError,
)
from cleverreach_async.resources.attribute_names import (
    ASSUMED_CAP,
    RESERVED_NAMES,
    AttributeType,
    cap_in,
    check_cap,
    check_free,
    stored_name,
    type_conflicts,
    wanted_types,
)
from cleverreach_async.resources.base import Resource, body, group_path, refuse_none
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.unset import UNSET, Unset

__all__ = [
    "RESERVED_NAMES",
    "Attribute",
    "AttributeType",
    "Attributes",
    "attribute_cap",
    "cap_in",
    "check_free",
    "create_missing",
    "stored_name",
]


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

    async def ensure(
        self, types: Mapping[str, AttributeType], *, group_id: int | None = None
    ) -> Mapping[str, Attribute]:
        """Define the attributes that are missing, and leave the others as they are.

        It is safe on every deploy, and in several processes at once: if another one defines an
        attribute first, that is a success. One request is sent if none is missing. Nothing is
        defined unless all can be.

        Args:
            types: Type by name.
            group_id: Their group.

        Returns:
            The definitions by the names of ``types``; ``.name`` is the server's name.

        Raises:
            ConfigurationError: An attribute has another type, a name or a type is invalid, or the
                server does not allow that many.
            CleverReachError: A call failed; attributes defined before it remain.

        ``GET`` and ``POST /attributes``, ``GET`` and ``POST /groups/{group_id}/attributes``,
        ``GET /attributes/limits``
        """
        wanted = wanted_types(types)
        present = await self._by_name(group_id)
        type_conflicts(wanted, {name: it.type for name, it in present.items()})
        missing = [name for name in wanted if name not in present]
        if missing:
            used = len(present)
            if _group(group_id) is not None:
                used += len(await self.list())
            check_cap(missing, used, await attribute_cap(self))
            created = await self._create_all(missing, wanted, group_id)
            present = created | await self._by_name(group_id)
            type_conflicts(wanted, {name: it.type for name, it in present.items()})
        return {given: present[stored_name(given)] for given in types}

    async def _by_name(self, group_id: int | None) -> dict[str, Attribute]:
        return {stored_name(it.name): it for it in await self.list(group_id=group_id)}

    async def _create_all(
        self, missing: Sequence[str], types: Mapping[str, AttributeType], group_id: int | None
    ) -> dict[str, Attribute]:
        created: dict[str, Attribute] = {}
        for name in missing:
            try:
                created[name], _ = await create_missing(self, name, types[name], group_id)
            except (APIStatusError, APIConnectionError, ResponseDecodeError) as error:
                error.add_note(
                    f"attribute {name!r} was not created; created before it: {len(created)}"
                )
                raise
        return created

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


async def attribute_cap(attributes: Attributes) -> int:
    """Return the most attributes that the account and one group may have together.

    It is the observed maximum of 40 if the server does not report another one.
    """
    try:
        limits = await attributes.limits()
    except (APIStatusError, ResponseDecodeError):
        return ASSUMED_CAP
    return cap_in(limits) or ASSUMED_CAP


async def create_missing(
    attributes: Attributes, name: str, kind: AttributeType, group_id: int | None
) -> tuple[Attribute, bool]:
    """Define an attribute that is missing; if another program does so meanwhile, return that one.

    Args:
        attributes: The calls.
        name: The name as the server stores it.
        kind: Its type.
        group_id: Its group.

    Returns:
        The definition, and whether this call has created it.

    Raises:
        APIStatusError: It was refused and does not exist.
        APIConnectionError: No response arrived, and it does not exist.
        ResponseDecodeError: The response cannot be read, and it does not exist.
        ConfigurationError: The server has given it another name.
    """
    try:
        created = await attributes.create(name=name, type=kind, group_id=group_id)
    except (APIStatusError, APIConnectionError, ResponseDecodeError) as error:
        # It may exist already, or have been created although the response was lost.
        present = await attributes.list(group_id=group_id)
        found = next((it for it in present if stored_name(it.name) == name), None)
        if found is None:
            raise
        return found, not isinstance(error, ConflictError)
    if stored_name(created.name) != name:
        raise ConfigurationError(
            f"the server calls the new attribute {name!r} {created.name!r}, and would drop values"
            " sent under another name; use that name for the column or the field"
        )
    return created, True
