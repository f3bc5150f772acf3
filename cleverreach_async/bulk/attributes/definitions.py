"""Attributes by name, those of the account and those of a group."""

from collections.abc import Mapping

import attrs

from cleverreach_async.resources.attributes import AttributeType, stored_name
from cleverreach_async.sources.columns import GROUP_PREFIX

__all__ = ["Definitions", "Types"]

Types = Mapping[str, AttributeType | str]


@attrs.frozen
class Definitions:
    """Attributes of the account and of a group, type by name.

    Attributes:
        account: Attributes of the account, which all groups share.
        group: Attributes of one group.
    """

    account: Types = attrs.field(factory=dict[str, AttributeType | str])
    group: Types = attrs.field(factory=dict[str, AttributeType | str])

    def without(self, others: "Definitions") -> "Definitions":
        """Return the attributes that others lack, by the names that the server gives them."""
        return Definitions(
            _without(self.account, others.account), _without(self.group, others.group)
        )

    def including(self, others: "Definitions") -> "Definitions":
        """Return these attributes and others."""
        return Definitions({**self.account, **others.account}, {**self.group, **others.group})

    @property
    def labels(self) -> list[str]:
        """The names as targets of columns: those of the group begin with ``attributes.``."""
        return [*self.account, *(GROUP_PREFIX + name for name in self.group)]

    @property
    def by_target(self) -> dict[str, str]:
        """Type by the name as a target of a column."""
        of_group = {GROUP_PREFIX + name: kind for name, kind in self.group.items()}
        return {**self.account, **of_group}


def _without(types: Types, others: Types) -> Types:
    known = _by_stored_name(others)
    return {name: kind for name, kind in _by_stored_name(types).items() if name not in known}


def _by_stored_name(types: Types) -> dict[str, AttributeType | str]:
    """Return the types by stored name; spellings of one name with different types are text."""
    result: dict[str, AttributeType | str] = {}
    for name, kind in types.items():
        key = stored_name(name)
        result[key] = kind if result.get(key, kind) == kind else "text"
    return result
