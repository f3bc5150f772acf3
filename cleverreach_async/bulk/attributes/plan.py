"""The attributes that the account lacks for an import, and creating them.

The server silently drops values of attributes that do not exist, so they must be created before the
first row is sent.
"""

import difflib
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions, Types
from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    ConfigurationError,
    ConflictError,
    ResponseDecodeError,
)
from cleverreach_async.resources.attributes import (
    Attribute,
    Attributes,
    AttributeType,
    cap_in,
    check_free,
    stored_name,
)

__all__ = ["ASSUMED_CAP", "Plan", "Prepared", "missing_attributes", "plan_attributes", "types_of"]

ASSUMED_CAP: Final = 40
"""Most attributes of the account and one group together, if the server does not report a limit."""


@attrs.frozen(kw_only=True)
class Prepared:
    """Attributes of an account and a group after missing ones were created.

    Attributes:
        created: Attributes that were created.
        present: Attributes that existed, or that another program created meanwhile.
    """

    created: Definitions
    present: Definitions


@attrs.frozen(kw_only=True)
class Plan:
    """The attributes that an import needs.

    Attributes:
        present: Attributes that exist.
        missing: Attributes that do not.
    """

    present: Definitions
    missing: Definitions

    async def carry_out(self, attributes: Attributes, *, group_id: int) -> Prepared:
        """Create the missing attributes.

        Args:
            attributes: The attributes of the account, ``cr.attributes``.
            group_id: The group.

        Raises:
            CleverReachError: A call failed; attributes created before it remain.
        """
        account: dict[str, str] = {}
        group: dict[str, str] = {}
        created = 0
        for missing, group_of, found in (
            (self.missing.account, None, account),
            (self.missing.group, group_id, group),
        ):
            for name, kind in missing.items():
                try:
                    other = await _create(attributes, name, kind, group_of)
                except (APIStatusError, APIConnectionError) as error:
                    error.add_note(
                        f"attribute {name!r} was not created; created before it: {created}"
                    )
                    raise
                if other is None:
                    created += 1
                else:
                    found[name] = other
        return Prepared(
            created=self.missing.without(Definitions(account, group)),
            present=self.present.including(Definitions(account, group)),
        )


async def plan_attributes(
    attributes: Attributes, wanted: Definitions, *, group_id: int | None, create: bool
) -> Plan:
    """Determine which attributes are missing, and check before any is created that all can be.

    Args:
        attributes: The attributes of the account, ``cr.attributes``.
        wanted: Attributes that the rows have.
        group_id: The group; ``None`` if it is to be created.
        create: Whether missing attributes are to be created.

    Raises:
        ConfigurationError: A name is invalid, or there are more attributes than the server allows.
        CleverReachError: A call failed.
    """
    present = Definitions(
        types_of(await attributes.list()),
        types_of(await attributes.list(group_id=group_id)) if group_id else {},
    )
    missing = wanted.without(present)
    if missing.labels and create:
        _check_names(missing)
        _check_cap(missing, present, await _cap(attributes))
    return Plan(present=present, missing=missing)


def types_of(attributes: Sequence[Attribute]) -> Types:
    """Return the types of attributes, by name."""
    return {attribute.name: attribute.type for attribute in attributes}


def missing_attributes(missing: Definitions, present: Definitions, remedy: str) -> str:
    """Return a message about attributes that do not exist.

    Args:
        missing: The attributes.
        present: Those that exist, as far as they are known.
        remedy: What to do.
    """
    levels = [
        f"the {level} has no attribute {', '.join(_with_similar(names, known))}"
        for level, names, known in (
            ("account", missing.account, present.account),
            ("group", missing.group, present.group),
        )
        if names
    ]
    elsewhere = [
        f" {name} is an attribute of the {level}: send it in {field}."
        for level, field, names, known in (
            ("account", "global_attributes", missing.group, present.account),
            ("group", "attributes", missing.account, present.group),
        )
        for name in names
        if name in known
    ]
    return (
        f"{', and '.join(levels)}; the server would silently drop the values."
        f"{''.join(elsewhere)} {remedy}"
    )


def _with_similar(names: Collection[str], known: Collection[str]) -> Iterator[str]:
    for name in names:
        similar = difflib.get_close_matches(name, known, 1)
        yield f"{name} (similar: {similar[0]})" if similar else name


def _check_names(missing: Definitions) -> None:
    """Refuse names that no attribute can have."""
    for name in (*missing.account, *missing.group):
        check_free(name)
        if not name.strip("_"):
            raise ConfigurationError(
                f"{name!r} is not a valid attribute name; use letters, digits and _"
            )


def _check_cap(missing: Definitions, present: Definitions, cap: int) -> None:
    used = len(present.labels)
    free = max(0, cap - used)
    too_many = missing.labels[free:]
    if too_many:
        raise ConfigurationError(
            f"{len(missing.labels)} attributes are missing, but only {free} can be created: the"
            f" account and the group have {used} of at most {cap} together. These do not fit:"
            f" {', '.join(too_many)}. Leave some out, or delete attributes that are not needed"
        )


async def _cap(attributes: Attributes) -> int:
    try:
        limits = await attributes.limits()
    except (APIStatusError, ResponseDecodeError):
        return ASSUMED_CAP
    return cap_in(limits) or ASSUMED_CAP


async def _create(
    attributes: Attributes, name: str, kind: AttributeType | str, group_id: int | None
) -> str | None:
    """Create an attribute; returns its type if another program has created it meanwhile.

    Raises:
        APIStatusError: It was refused and does not exist.
        APIConnectionError: No response arrived, and it does not exist.
        ConfigurationError: The server has given it another name.
    """
    known = kind if kind in ("number", "gender", "date") else "text"
    try:
        created = await attributes.create(name=name, type=known, group_id=group_id)
    except (APIStatusError, APIConnectionError) as error:
        # It may exist already, or have been created although the response was lost.
        found = types_of(await attributes.list(group_id=group_id)).get(name)
        if found is None:
            raise
        return found if isinstance(error, ConflictError) else None
    if stored_name(created.name) != name:
        raise ConfigurationError(
            f"the server calls the new attribute {name!r} {created.name!r}, and would drop values"
            " sent under another name; use that name for the column or the field"
        )
    return None
