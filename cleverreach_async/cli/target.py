"""Where an import goes: the group, and the attributes that must exist before the first row."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from cleverreach_async.bulk.sources.columns import AttributeType
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.attributes import Attribute
from cleverreach_async.resources.groups import Group

__all__ = ["Definitions", "Target", "find_group", "prepare"]

_NAMES_SHOWN: Final = 10


@attrs.frozen
class Definitions:
    """Attributes of the account and of a group, type by name.

    Attributes:
        account: Those that every group has.
        group: Those of the one group.
    """

    account: Mapping[str, AttributeType | str]
    group: Mapping[str, AttributeType | str]

    def without(self, others: "Definitions") -> "Definitions":
        """Return those that are not among others; the server compares names in lower case."""
        return Definitions(
            _without(self.account, others.account), _without(self.group, others.group)
        )

    @property
    def labels(self) -> list[str]:
        """The names as ``--map`` takes them."""
        return [*self.account, *(f"attributes.{name}" for name in self.group)]


def _without(
    these: Mapping[str, AttributeType | str], others: Mapping[str, AttributeType | str]
) -> dict[str, AttributeType | str]:
    return {name: kind for name, kind in these.items() if name.lower() not in others}


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


async def prepare(client: CleverReach, group: str, wanted: Definitions, *, create: bool) -> Target:
    """Find the group and see that the attributes exist, since values of others get lost silently.

    Args:
        client: The account.
        group: Id or exact name.
        wanted: The attributes that the rows have.
        create: Whether to create what is missing.

    Raises:
        ConfigurationError: No such group, several, or attributes are missing.
        CleverReachError: A call failed.
    """
    groups = await client.groups.list()
    found = find_group(groups, group, create=create)
    of_account = await client.attributes.list()
    of_group = await client.attributes.list(group_id=found.id) if found else ()
    present = Definitions(_types(of_account), _types(of_group))
    missing = wanted.without(present)
    if missing.labels and not create:
        raise ConfigurationError(
            f"the account has no attributes {', '.join(missing.labels)}, and the server would drop"
            " their values without a word: --create defines them, --map COLUMN=- leaves a column"
            " out"
        )
    target = found or await client.groups.create(name=group)
    for name, kind in missing.account.items():
        await client.attributes.create(name=name, type=_type(kind))
    for name, kind in missing.group.items():
        await client.attributes.create(name=name, type=_type(kind), group_id=target.id)
    return Target(group=target, is_new=found is None, created=missing, present=present)


def _types(attributes: Sequence[Attribute]) -> dict[str, AttributeType | str]:
    return {attribute.name.lower(): attribute.type for attribute in attributes}


def _type(kind: AttributeType | str) -> AttributeType:
    return kind if kind in ("number", "gender", "date") else "text"


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
