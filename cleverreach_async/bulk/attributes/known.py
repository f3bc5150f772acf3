"""What is known of the account's attributes, and rows made to fit it."""

from typing import Final

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions, Types
from cleverreach_async.bulk.attributes.level import AttributeLevel, attribute_level
from cleverreach_async.bulk.attributes.slice_values import SliceValues
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.sources.columns import GROUP_PREFIX
from cleverreach_async.sources.rows import Remark

__all__ = ["AttributesNeededError", "KnownAttributes"]

_NONE: Final = attribute_level("", {}, converted=True)


class AttributesNeededError(Exception):
    """A row cannot be encoded before more is known of its attributes.

    Attributes:
        unknown: Attributes that do not exist; empty if the definitions are not known yet.
        of_group: Whether the definitions of the group are needed.
        row: Number of the row.
    """

    def __init__(self, unknown: Definitions, *, of_group: bool = False) -> None:
        super().__init__("more must be known of the account's attributes")
        self.unknown = unknown
        self.of_group = of_group
        self.row = 0


@attrs.define(eq=False)
class KnownAttributes:
    """The attributes of the account and the group, as far as an import has asked for them.

    Attributes:
        definitions: Type by name, of what is known.
        numbers: Names of all number attributes, whose values may be relative.
        remarks: Values that were left out or converted, each with the number of its row.
    """

    definitions: Definitions = attrs.field(factory=Definitions)
    numbers: set[str] = attrs.field(factory=set[str])
    remarks: list[tuple[int, Remark]] = attrs.field(factory=list[tuple[int, Remark]])
    _of_account: AttributeLevel | None = attrs.field(default=None, init=False)
    _of_group: AttributeLevel | None = attrs.field(default=None, init=False)

    @property
    def has_account(self) -> bool:
        """Whether the attributes of the account are known."""
        return self._of_account is not None

    @property
    def has_group(self) -> bool:
        """Whether the attributes of the group are known."""
        return self._of_group is not None

    def learn(
        self, *, account: Types | None = None, group: Types | None = None, converted: bool
    ) -> None:
        """Take the definitions of the account, of the group, or of both.

        Args:
            account: Type by name.
            group: The same.
            converted: Whether rows come from columns, so that their values fit the types already.
        """
        if account is not None:
            self._of_account = attribute_level("", account, converted=converted)
            self.definitions = attrs.evolve(self.definitions, account=account)
        if group is not None:
            self._of_group = attribute_level(GROUP_PREFIX, group, converted=converted)
            self.definitions = attrs.evolve(self.definitions, group=group)
        for types in (self.definitions.account, self.definitions.group):
            self.numbers |= {name for name, kind in types.items() if kind == "number"}

    def are_fitting(self, of_account: SliceValues, of_group: SliceValues) -> bool:
        """Return whether rows with these attributes can be sent as they are."""
        return all(
            not found.rows or (level is not None and level.are_fitting(found))
            for found, level in ((of_account, self._of_account), (of_group, self._of_group))
        )

    def fit(self, receiver: ReceiverInput, row: int) -> ReceiverInput:
        """Return the receiver with the account's own names, and values that fit the types.

        Args:
            receiver: The receiver; it is not changed.
            row: Number of the row.

        Raises:
            AttributesNeededError: An attribute does not exist, or is not known yet.
            BadValueError: Two names of the row are the same attribute.
        """
        of_account, of_group = receiver.global_attributes, receiver.attributes
        if (of_account and self._of_account is None) or (of_group and self._of_group is None):
            raise AttributesNeededError(Definitions(), of_group=bool(of_group))
        account, group = self._of_account or _NONE, self._of_group or _NONE
        unknown = Definitions(account.unknown(of_account), group.unknown(of_group))
        if unknown.labels:
            raise AttributesNeededError(unknown, of_group=bool(of_group))
        remarks: list[Remark] = []
        fitting = attrs.evolve(
            receiver,
            global_attributes=account.fit(of_account, remarks),
            attributes=group.fit(of_group, remarks),
        )
        self.remarks += [(row, remark) for remark in remarks]
        return fitting
