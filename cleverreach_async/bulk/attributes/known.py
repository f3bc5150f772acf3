"""What is known of the account's attributes, and rows made to fit it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final, cast

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions, Types
from cleverreach_async.resources.attributes import AttributeType, stored_name
from cleverreach_async.resources.base import UNSET, Unset
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.sources.columns import GROUP_PREFIX
from cleverreach_async.sources.converters import Convert, attribute_converters
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.rows import BadValueError, Remark

__all__ = ["AttributesNeededError", "KnownAttributes"]

_GENDERS: Final = frozenset({"male", "female", "", None})
_TYPED: Final = frozenset({"number", "gender", "date"})
_BIRTHDAY: Final = "birthday"
_is_number: Final = re.compile(r"(?:[+-]?\d+(?:\.\d+)?)?", re.ASCII).fullmatch
_looks_like_day: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch
_ZONE: Final = "Europe/Berlin"


Check = Callable[[Iterable[Any]], bool]


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
class AttributeLevel:
    """The attributes of the account, or of the group.

    Attributes:
        prefix: What names begin with as targets of columns.
        names: The account's own names.
        checks: Whether values of an attribute all fit its type, by its own name. Attributes of
            which any value is sent as it is have none.
        converters: Converters of values that do not fit, by the own name.
    """

    prefix: str
    names: frozenset[str]
    checks: Mapping[str, Check]
    converters: Mapping[str, Convert]
    _own_names: dict[str, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with the stored names; other spellings are added as they are met."""
        self._own_names = {stored_name(name): name for name in self.names}

    def own_name(self, name: str) -> str | None:
        """Return the account's own name of an attribute, or ``None`` if it has none."""
        own = self._own_names.get(name)
        if own is None:
            own = self._own_names.get(stored_name(name))
            if own is not None:
                self._own_names[name] = own
        return own

    def are_fitting(self, maps: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether rows have only own names, and values that fit.

        A union with the names is the fastest comparison.
        """
        return len(self.names.union(*maps)) == len(self.names) and all(
            check([it[name] for it in maps if name in it]) for name, check in self.checks.items()
        )


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

    def are_fitting(
        self, of_account: Sequence[Mapping[str, Any]], of_group: Sequence[Mapping[str, Any]]
    ) -> bool:
        """Return whether rows can be sent as they are.

        Args:
            of_account: The values of each row that has attributes of the account.
            of_group: The same of the group.
        """
        return all(
            not maps or (level is not None and level.are_fitting(maps))
            for maps, level in ((of_account, self._of_account), (of_group, self._of_group))
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
        unknown = Definitions(
            _unknown(of_account, self._of_account), _unknown(of_group, self._of_group)
        )
        if unknown.labels:
            raise AttributesNeededError(unknown, of_group=bool(of_group))
        remarks: list[Remark] = []
        fitting = attrs.evolve(
            receiver,
            global_attributes=_fit(of_account, self._of_account, remarks),
            attributes=_fit(of_group, self._of_group, remarks),
        )
        self.remarks += [(row, remark) for remark in remarks]
        return fitting


def attribute_level(prefix: str, types: Types, *, converted: bool) -> AttributeLevel:
    """Return the attributes of the account or of the group.

    Args:
        prefix: What names begin with as targets of columns.
        types: Type by name.
        converted: Whether rows come from columns, so that their values fit the types already.
    """
    typed = {
        name: cast("AttributeType", kind)
        for name, kind in types.items()
        if kind in _TYPED and not converted
    }
    return AttributeLevel(
        prefix,
        frozenset(types),
        {name: _CHECKS[_kind_of_values(name, kind)] for name, kind in typed.items()},
        attribute_converters(typed, find_zone(_ZONE), relative=True),
    )


def _kind_of_values(name: str, kind: AttributeType) -> str:
    return _BIRTHDAY if name == _BIRTHDAY and kind == "date" else kind


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(
        type(it) is int or it is None or (isinstance(it, str) and _is_number(it)) for it in values
    )


def _are_genders(values: Iterable[Any]) -> bool:
    return _GENDERS.issuperset(values)


def _are_days(values: Iterable[Any], before: str = "2100") -> bool:
    return all(it is None or it == "" or _is_day(it, before) for it in values)


def _is_day(value: Any, before: str) -> bool:
    if not (isinstance(value, str) and "1900" <= value < before and _looks_like_day(value)):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


_CHECKS: Final[Mapping[str, Check]] = {
    "number": _are_numbers,
    "gender": _are_genders,
    "date": _are_days,
    # Whether a later one is plausible depends on today.
    _BIRTHDAY: partial(_are_days, before="2020"),
}
Values = Mapping[str, AttributeValue] | Unset


def _unknown(values: Values, level: AttributeLevel | None) -> Types:
    if not values or level is None:
        return {}
    return {name: "text" for name in values if level.own_name(name) is None}


def _fit(values: Values, level: AttributeLevel | None, remarks: list[Remark]) -> Values:
    if not values or level is None:
        return values
    names: dict[str, str] = {}
    found: dict[str, AttributeValue] = {}
    for name, value in values.items():
        own = level.own_name(name) or name
        if own in names:
            raise BadValueError(
                "repeated_attribute", f"{names[own]!r} and {name!r} are the same attribute"
            )
        names[own] = name
        convert = level.converters.get(own)
        fitting = value if convert is None else _convert(convert, value)
        if fitting is not UNSET:
            found[own] = fitting
        if fitting != value:
            remarks.append(_remark(level.prefix + own, is_dropped=fitting is UNSET))
    return found or UNSET


def _convert(convert: Callable[[Any], Any], value: AttributeValue) -> Any:
    """Return a value that fits; ``UNSET`` for one that cannot be used."""
    if value is None or value == "":
        return value  # unsets the stored value
    try:
        return convert(value)
    except BadValueError:
        return UNSET


def _remark(name: str, *, is_dropped: bool) -> Remark:
    if is_dropped:
        return Remark("dropped", f"attribute {name!r}: a value that does not fit its type")
    return Remark("changed", f"attribute {name!r}: converted to its type")
