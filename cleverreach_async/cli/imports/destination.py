"""The destination of an import: the group, and the attributes that have to exist."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.attributes.plan import missing_attributes, plan_attributes
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.groups import Group

__all__ = [
    "Destination",
    "converted_to",
    "existing_group",
    "find_group",
    "prepare_destination",
]

_NAMES_SHOWN: Final = 10
_REMEDY: Final = "Create them with --create-attributes, or leave a column out with --map COLUMN=-"


@attrs.frozen(kw_only=True)
class Destination:
    """Where the rows go.

    Attributes:
        group: The group.
        is_new: Whether the group was created for this import.
        created: Attributes that were created for this import.
        present: Attributes that existed already.
    """

    group: Group
    is_new: bool
    created: Definitions
    present: Definitions


async def prepare_destination(
    client: CleverReach,
    group: str,
    wanted: Definitions,
    *,
    create: bool,
    create_attributes: bool = False,
) -> Destination:
    """Find or create the group and the attributes; the server silently drops values of others.

    Nothing is created until it is certain that everything can be created.

    Args:
        client: The account.
        group: Id or exact name.
        wanted: The attributes of the rows.
        create: Whether to create the group and the attributes if they are missing.
        create_attributes: Whether to create missing attributes, but not the group.

    Raises:
        ConfigurationError: The group is unknown or ambiguous, or attributes are missing.
        CleverReachError: A call failed.
    """
    groups = await client.groups.list()
    found = find_group(groups, group, create=create)
    may_create = create or create_attributes
    try:
        plan = await plan_attributes(
            client.attributes, wanted, group_id=found.id if found else None, create=may_create
        )
    except ConfigurationError as error:
        error.add_note("--map COLUMN=- leaves a column out")
        raise
    if plan.missing.labels and not may_create:
        raise ConfigurationError(missing_attributes(plan.missing, plan.present, _REMEDY))
    target = found or await client.groups.ensure(name=group)
    done = await plan.carry_out(client.attributes, group_id=target.id)
    return Destination(
        group=target, is_new=found is None, created=done.created, present=done.present
    )


def existing_group(groups: Sequence[Group], wanted: str) -> Group:
    """Return the group with an id or an exact name.

    Raises:
        ConfigurationError: It is unknown or ambiguous.
    """
    found = find_group(groups, wanted, create=True)
    if found is None:
        raise ConfigurationError(f"Unknown group {wanted!r}{_known(groups, wanted)}")
    return found


def find_group(groups: Sequence[Group], wanted: str, *, create: bool) -> Group | None:
    """Return the group with an id or an exact name, or ``None`` if it is to be created.

    Args:
        groups: All groups of the account.
        wanted: Id or name.
        create: Whether to create a missing group.

    Raises:
        ConfigurationError: The group is unknown or ambiguous.
    """
    found = [group for group in groups if wanted in (str(group.id), group.name)]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{group.id} ({group.name})" for group in found)
        raise ConfigurationError(f"{wanted!r} is ambiguous: {choices}; use the id")
    if wanted.isdecimal():
        raise ConfigurationError(f"No group with the id {wanted}{_known(groups, wanted)}")
    if create:
        return None
    raise ConfigurationError(
        f"Unknown group {wanted!r}{_known(groups, wanted)}; create it with --create"
    )


def _known(groups: Sequence[Group], wanted: str) -> str:
    """List similar groups; without any, all or the first groups."""
    if not groups:
        return "; the account has no groups"
    names = {group.name: group.id for group in groups}
    folded = {name.casefold(): name for name in names}
    similar = [folded[name] for name in difflib.get_close_matches(wanted.casefold(), folded)]
    shown = similar or list(names)[:_NAMES_SHOWN]
    intro = (
        "did you mean"
        if similar
        else "the account has"
        if len(names) <= _NAMES_SHOWN
        else "the account has, among others,"
    )
    return f"; {intro} " + ", ".join(f"{name!r} ({names[name]})" for name in shown)


def converted_to(wanted: Definitions, present: Definitions) -> Iterator[str]:
    """Return the attributes whose values the account's types change, each with its type.

    Args:
        wanted: Attributes with the types that the columns of a file have by themselves.
        present: Attributes of the account.
    """
    types = present.by_target
    for target, kind in wanted.by_target.items():
        defined = types.get(target, kind)
        if defined not in (kind, "text"):
            yield f"{target} ({defined})"
