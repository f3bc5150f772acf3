"""The attributes of one level, the account or the group: their names, and values that fit them."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any, Final, cast

import attrs

from cleverreach_async.bulk.attributes.definitions import Types
from cleverreach_async.bulk.attributes.slice_values import SliceValues
from cleverreach_async.resources.attributes import AttributeType, stored_name
from cleverreach_async.resources.receiver_models import AttributeValue
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.sources.converters import Convert, attribute_converters
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.rows import BadValueError, Remark

__all__ = ["AttributeLevel", "attribute_level"]

Check = Callable[[Iterable[Any]], bool]
Values = Mapping[str, AttributeValue] | Unset

_GENDERS: Final = frozenset({"male", "female", "", None})
_TYPED: Final = frozenset({"number", "gender", "date"})
_BIRTHDAY: Final = "birthday"
_ZONE: Final = "Europe/Berlin"
_is_number: Final = re.compile(r"(?:[+-]?\d+(?:\.\d+)?)?", re.ASCII).fullmatch
_looks_like_day: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch


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

    def are_fitting(self, found: SliceValues) -> bool:
        """Return whether rows have only own names, and values that fit."""
        return self.names.issuperset(found.names) and all(
            check([it[name] for it in found.rows if name in it])
            for name, check in self.checks.items()
        )

    def unknown(self, values: Values) -> Types:
        """Return the names of a row that are no attributes."""
        return {name: "text" for name in values or () if self.own_name(name) is None}

    def fit(self, values: Values, remarks: list[Remark]) -> Values:
        """Return the values of a row by the account's own names, converted if they do not fit.

        Args:
            values: The values; all names are attributes.
            remarks: Gets what was done to values.

        Raises:
            BadValueError: Two names are the same attribute.
        """
        names: dict[str, str] = {}
        found: dict[str, AttributeValue] = {}
        for name, value in values.items() if values else ():
            own = self.own_name(name) or name
            if own in names:
                raise BadValueError(
                    "repeated_attribute", f"{names[own]!r} and {name!r} are the same attribute"
                )
            names[own] = name
            convert = self.converters.get(own)
            fitting = value if convert is None else _convert(convert, value)
            if fitting is not UNSET:
                found[own] = fitting
            if fitting != value:
                remarks.append(_remark(self.prefix + own, is_dropped=fitting is UNSET))
        return found or UNSET


def attribute_level(prefix: str, types: Types, *, converted: bool) -> AttributeLevel:
    """Return the attributes of the account or of the group.

    Args:
        prefix: What names begin with as targets of columns.
        types: Type by name.
        converted: Whether rows come from columns, so that their values fit the types already.
    """
    typed: dict[str, AttributeType] = {
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
        type(it) is int
        or it is None
        or (_is_number(it) if isinstance(it, str) else math.isfinite(it))
        for it in values
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
