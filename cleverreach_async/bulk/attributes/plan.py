"""The attributes that the account lacks for an import, and creating them.

The server silently drops values of attributes that do not exist, so they must be created before the
first row is sent.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions, Types
from cleverreach_async.errors import APIConnectionError, APIStatusError
from cleverreach_async.resources.attribute_names import check_cap, check_name
from cleverreach_async.resources.attributes import (
    Attribute,
    Attributes,
    AttributeType,
    attribute_cap,
    create_missing,
)

__all__ = ["Plan", "Prepared", "missing_attributes", "plan_attributes", "types_of"]


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

    async def check_creation(self, attributes: Attributes) -> None:
        """Check that all missing attributes can be created.

        Args:
            attributes: The attributes of the account, ``cr.attributes``.

        Raises:
            ConfigurationError: A name is invalid, or there are more than the server allows.
            CleverReachError: A call failed.
        """
        if self.missing.labels:
            for name in (*self.missing.account, *self.missing.group):
                check_name(name)
            cap = await attribute_cap(attributes)
            check_cap(self.missing.labels, len(self.present.labels), cap)

    async def carry_out(
        self,
        attributes: Attributes,
        *,
        group_id: int,
        on_create: Callable[[str, int], None] | None = None,
    ) -> Prepared:
        """Create the missing attributes.

        Args:
            attributes: The attributes of the account, ``cr.attributes``.
            group_id: The group.
            on_create: Called before each is created, with its name as the target of a column, and
                its number, from 1.

        Raises:
            CleverReachError: A call failed; attributes created before it remain.
        """
        others: dict[int | None, dict[str, str]] = {None: {}, group_id: {}}
        missing = [
            *((name, kind, None) for name, kind in self.missing.account.items()),
            *((name, kind, group_id) for name, kind in self.missing.group.items()),
        ]
        created = 0
        for number, (name, kind, group_of) in enumerate(missing, 1):
            if on_create is not None:
                on_create(self.missing.labels[number - 1], number)
            try:
                other = await _create(attributes, name, kind, group_of)
            except (APIStatusError, APIConnectionError) as error:
                error.add_note(f"attribute {name!r} was not created; created before it: {created}")
                raise
            if other is None:
                created += 1
            else:
                others[group_of][name] = other
        found = Definitions(others[None], others[group_id])
        return Prepared(
            created=self.missing.without(found),
            present=self.present.including(found),
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
    plan = Plan(present=present, missing=wanted.without(present))
    if create:
        await plan.check_creation(attributes)
    return plan


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


async def _create(
    attributes: Attributes, name: str, kind: AttributeType | str, group_id: int | None
) -> str | None:
    """Create an attribute; returns its type if another program has created it meanwhile."""
    known: AttributeType = kind if kind in ("number", "gender", "date") else "text"
    found, is_new = await create_missing(attributes, name, known, group_id)
    return None if is_new else found.type
