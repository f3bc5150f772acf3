"""The destination of an import: the group, and the attributes that have to exist."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.attributes.plan import (
    Plan,
    Prepared,
    missing_attributes,
    plan_attributes,
)
from cleverreach_async.cli.output import Output
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.groups import Group

__all__ = [
    "Destination",
    "DestinationPlan",
    "check_missing",
    "converted_to",
    "create_attributes",
    "existing_group",
    "find_group",
    "plan_destination",
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


@attrs.frozen(kw_only=True)
class DestinationPlan:
    """Where the rows are to go, and what has to be created for that. Nothing has been created yet.

    Attributes:
        name: Name of the group.
        group: The group; ``None`` if it is to be created.
        attributes: The attributes that exist, and those that are to be created.
    """

    name: str
    group: Group | None
    attributes: Plan

    async def carry_out(self, client: CleverReach, output: Output) -> Destination:
        """Create what is missing, and say so.

        Args:
            client: The account.
            output: Where to print.

        Raises:
            CleverReachError: A call failed.
        """
        target = self.group or await client.groups.ensure(name=self.name)
        output.info(f"{'' if self.group else 'new '}group {target.name} ({target.id})")
        created = await create_attributes(client, self.attributes, output, group_id=target.id)
        return Destination(
            group=target,
            is_new=self.group is None,
            created=created.created,
            present=created.present,
        )


async def plan_destination(
    client: CleverReach,
    group: str,
    wanted: Definitions,
    *,
    create: bool,
    create_attributes: bool = False,
) -> DestinationPlan:
    """Find the group and the attributes; the server silently drops values of others.

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
    found = find_group(await client.groups.list(), group, create=create)
    plan = await plan_attributes(
        client.attributes, wanted, group_id=found.id if found else None, create=False
    )
    await check_missing(client, plan, create=create or create_attributes)
    return DestinationPlan(name=group, group=found, attributes=plan)


async def check_missing(client: CleverReach, plan: Plan, *, create: bool) -> None:
    """Check that no attribute is missing, or that those that are can be created.

    Args:
        client: The account.
        plan: The attributes.
        create: Whether missing ones are to be created.

    Raises:
        ConfigurationError: They cannot, or are not to be created.
        CleverReachError: A call failed.
    """
    if plan.missing.labels and not create:
        raise ConfigurationError(missing_attributes(plan.missing, plan.present, _REMEDY))
    try:
        await plan.check_creation(client.attributes)
    except ConfigurationError as error:
        error.add_note("--map COLUMN=- leaves a column out")
        raise


async def create_attributes(
    client: CleverReach, plan: Plan, output: Output, *, group_id: int
) -> Prepared:
    """Create missing attributes, and say so, since each may take the server seconds.

    Args:
        client: The account.
        plan: The attributes.
        output: Where to print.
        group_id: The group.

    Raises:
        CleverReachError: A call failed; attributes created before it remain.
    """
    count = len(plan.missing.labels)
    if not count:
        return await plan.carry_out(client.attributes, group_id=group_id)
    with output.steps() as show:
        done = await plan.carry_out(
            client.attributes,
            group_id=group_id,
            on_create=lambda name, number: show(f"creating attribute {name} ({number} of {count})"),
        )
    if done.created.labels:
        output.info(f"new attributes: {', '.join(done.created.labels)}")
    return done


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
