"""Where an import goes: the group, and the attributes that must exist before the first row."""

import difflib
from collections.abc import Sequence
from typing import Final

import attrs

from cleverreach_async.bulk.attributes import Definitions, plan_attributes
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.groups import Group

__all__ = ["Target", "find_group", "prepare"]

_NAMES_SHOWN: Final = 10


@attrs.frozen(kw_only=True)
class Target:
    """Where the rows go.

    Attributes:
        group: The group.
        is_new: Whether it was created just now.
        created: Attributes that were created just now.
        present: Attributes that had been there.
    """

    group: Group
    is_new: bool
    created: Definitions
    present: Definitions


async def prepare(
    client: CleverReach,
    group: str,
    wanted: Definitions,
    *,
    create: bool,
    create_attributes: bool = False,
) -> Target:
    """Find the group and see that the attributes exist, since values of others get lost silently.

    Nothing is created before it is sure that all of it can be.

    Args:
        client: The account.
        group: Id or exact name.
        wanted: The attributes that the rows have.
        create: Whether to create the group and the attributes, where they are missing.
        create_attributes: Whether to create missing attributes, but no group.

    Raises:
        ConfigurationError: No such group, several, or attributes are missing or do not fit.
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
        raise ConfigurationError(
            f"the account has no attributes {', '.join(plan.missing.labels)}, and the server would"
            " drop their values without a word: --create-attributes defines them, --map COLUMN=-"
            " leaves a column out"
        )
    target = found or await client.groups.create(name=group)
    done = await plan.carry_out(client.attributes, group_id=target.id)
    return Target(group=target, is_new=found is None, created=done.created, present=done.present)


def find_group(groups: Sequence[Group], wanted: str, *, create: bool) -> Group | None:
    """Return the group that an id or an exact name means, or ``None`` to create it.

    Args:
        groups: All groups of the account.
        wanted: Id or name.
        create: Whether a missing group is to be created.

    Raises:
        ConfigurationError: No such group, or several.
    """
    found = [group for group in groups if wanted in (str(group.id), group.name)]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{group.id} ({group.name})" for group in found)
        raise ConfigurationError(f"{wanted!r} may be any of the groups {choices}; give the id")
    if wanted.isdecimal():
        raise ConfigurationError(f"there is no group with the id {wanted}{_known(groups, wanted)}")
    if create:
        return None
    raise ConfigurationError(
        f"there is no group {wanted!r}{_known(groups, wanted)}; --create creates it"
    )


def _known(groups: Sequence[Group], wanted: str) -> str:
    """Name similar groups, or all of them where they are few."""
    if not groups:
        return "; the account has none"
    names = {group.name: group.id for group in groups}
    folded = {name.casefold(): name for name in names}
    close = [folded[name] for name in difflib.get_close_matches(wanted.casefold(), folded)]
    shown = close or list(names)[:_NAMES_SHOWN]
    words = (
        "did you mean" if close else "there is" if len(names) <= _NAMES_SHOWN else "among others"
    )
    return f"; {words} " + ", ".join(f"{name!r} ({names[name]})" for name in shown)
