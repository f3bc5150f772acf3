"""Rules that select receivers, for segments and for searches: plain values, no event loop."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, NoReturn, cast

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.arguments import as_model
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.wire import to_unix

__all__ = [
    "FieldOf",
    "FilterRule",
    "Operand",
    "Rules",
    "rules_of_search",
    "rules_of_segment",
    "where",
]

Operand = str | int | float | Decimal | date | datetime
"""What a field is compared with. A ``datetime`` is sent as Unix seconds, a ``date`` as
``YYYY-MM-DD``."""

Joint = Literal["AND", "OR"]

_OPEN: Final = "("
_CLOSE: Final = ")"
_TEXTS: Final = ("field", "logic", "condition", "operator")


@attrs.frozen(kw_only=True)
class FilterRule:
    """One rule of a segment as the API stores it.

    Attributes:
        field: The field, ``(`` or ``)``. The API returns an attribute as ``a<id>.value``.
        logic: The comparison: ``eq``, ``neq``, ``contains``, ``nocontains``, ``bg`` (greater),
            ``sm`` (smaller), ``notisnull`` or another one. The API returns it in upper case.
        condition: What the field is compared with.
        operator: ``AND`` or ``OR``: how it is combined with the rule before it; empty for the
            first.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    field: str = ""
    logic: str = ""
    condition: str = attrs.field(default="", repr=False)
    operator: str = ""
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(repr=False)
class Rules:
    """Comparisons, made by :func:`where` and combined with ``&`` and ``|``.

    Brackets are sent where both are combined, so the order of evaluation is that of Python.

    Attributes:
        parts: What is combined: comparisons and groups of them.
        operator: ``AND`` or ``OR``; it is of no importance for one part.
    """

    parts: "tuple[FilterRule | Rules, ...]"
    operator: Joint = "AND"

    def __and__(self, other: "Rules") -> "Rules":
        return _combined(self, other, "AND")

    def __or__(self, other: "Rules") -> "Rules":
        return _combined(self, other, "OR")

    def __repr__(self) -> str:
        return f"<Rules: {len(self.parts)} combined with {self.operator}>"

    def __bool__(self) -> NoReturn:
        raise TypeError("combine rules with & and |; `and`, `or` and `not` would lose some of them")


def _combined(first: Rules, second: object, operator: Joint) -> Rules:
    if not isinstance(second, Rules):
        raise TypeError(
            f"rules cannot be combined with this, which is {kind_of(second)}; pass where(…)"
        )
    return Rules((*_parts_in(first, operator), *_parts_in(second, operator)), operator)


def _parts_in(rules: Rules, operator: Joint) -> "tuple[FilterRule | Rules, ...]":
    """Return the parts that need no brackets within others of an operator."""
    is_flat = len(rules.parts) == 1 or rules.operator == operator
    return rules.parts if is_flat else (rules,)


def where(field: str) -> "FieldOf":
    """Name the field of a rule, and choose the comparison with the methods of the result.

    Combine rules with ``&`` and ``|``::

        where("city").eq("Kiel") & (where("tags").contains("shop.vip") | where("zip").is_set())

    Args:
        field: ``email``, ``tags``, ``registered``, ``activated``, ``deactivated``, ``bounced``, or
            the name of an attribute in lower case.

    Raises:
        ConfigurationError: It is not a name.
    """
    if not isinstance(cast("object", field), str) or not field.strip(" ()"):
        shown = repr(field) if isinstance(cast("object", field), str) else kind_of(field)
        raise ConfigurationError(f"field is {shown}; pass the name of a field or of an attribute")
    return FieldOf(field.strip())


@attrs.frozen
class FieldOf:
    """A field of receivers, to be compared.

    Every method raises ``ConfigurationError`` for a value that cannot be compared.

    Attributes:
        name: Its name.
    """

    name: str

    def eq(self, value: Operand) -> Rules:
        """Equal to a value."""
        return self._compare("eq", _text(value))

    def neq(self, value: Operand) -> Rules:
        """Not equal to a value. One client uses it; it is less certain than the others."""
        return self._compare("neq", _text(value))

    def contains(self, value: Operand | Sequence[str]) -> Rules:
        """Contains a text. For ``tags``: has the tag, or any of several."""
        return self._compare("contains", self._one_or_more(value))

    def not_contains(self, value: Operand) -> Rules:
        """Does not contain a text. For ``tags``: does not have the one tag."""
        text = _some(_text(value))
        if self.name == "tags" and "," in text:
            raise ConfigurationError(
                "not_contains takes one tag, since the effect of several is unknown; combine a rule"
                " for each with &"
            )
        return self._compare("nocontains", text)

    def gt(self, value: Operand) -> Rules:
        """Greater than a number or a date (the vendor's ``bg``)."""
        return self._compare("bg", _some(_text(value)))

    def lt(self, value: Operand) -> Rules:
        """Smaller than a number or a date (the vendor's ``sm``)."""
        return self._compare("sm", _some(_text(value)))

    def is_set(self) -> Rules:
        """Has a value (the vendor's ``notisnull``)."""
        return self._compare("notisnull", "")

    def _compare(self, logic: str, condition: str) -> Rules:
        return Rules((FilterRule(field=self.name, logic=logic, condition=condition),))

    def _one_or_more(self, value: Operand | Sequence[str]) -> str:
        if not isinstance(value, list | tuple | set | frozenset):
            return _some(_text(cast("Operand", value)))
        if self.name != "tags":
            raise ConfigurationError(f"{self.name} is compared with a list; only tags can be")
        items = [_some(_text(item)).strip() for item in cast("Sequence[str]", value)]
        for item in items:
            if "," in item:
                raise ConfigurationError(f"{item!r} has a comma, which separates tags")
        return _some(",".join(items))


def _text(value: Operand) -> str:
    """Return the operand of a comparison as the API expects it.

    Raises:
        ConfigurationError: It is not text, a number or a time, or has no time zone.
    """
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise ConfigurationError(f"the value of a rule is {value}; pass a finite number")
    if isinstance(value, bool) or not isinstance(
        cast("object", value), str | int | float | Decimal | date
    ):
        raise ConfigurationError(
            f"the value of a rule is {kind_of(value)}; pass text, a number, a date or a time"
        )
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(to_unix(value))


def _some(text: str) -> str:
    """Refuse an empty operand, which might select everybody.

    Raises:
        ConfigurationError: It is empty.
    """
    if not text.strip():
        raise ConfigurationError("the value of a rule is empty, which might select everybody")
    return text


# On the wire.

WireRule = dict[str, str]


def rules_of_segment(rules: "Rules | Sequence[FilterRule]") -> list[WireRule]:
    """Return rules as segments store them: each with the operator before it, brackets as rules.

    Args:
        rules: Made by :func:`where`, or those of a segment that was read, which stay as they are.

    Raises:
        ConfigurationError: They are neither, or there is none.
    """
    if isinstance(cast("object", rules), Rules):
        return _joined(cast("Rules", rules))
    return [_on_wire(rule) | {"operator": rule.operator} for rule in _stored(cast("object", rules))]


def rules_of_search(rules: Rules) -> tuple[Joint, list[WireRule]]:
    """Return rules as ``POST /receivers/filter`` takes them: one operator, and rules without.

    Raises:
        ConfigurationError: They are not made by :func:`where`, or combine ``&`` with ``|``, which
            a search cannot do.
    """
    if not isinstance(cast("object", rules), Rules):
        raise ConfigurationError(f'rules is {kind_of(rules)}; pass where("city").eq("Kiel")')
    found: list[WireRule] = []
    for part in rules.parts:
        if isinstance(part, Rules):
            raise ConfigurationError(
                "a search combines all rules with & or all with |; save a segment for both"
            )
        found.append(_on_wire(part))
    return rules.operator, found


def _joined(rules: Rules, before: str = "") -> list[WireRule]:
    """Return a group with the operator before it, without brackets around it."""
    found: list[WireRule] = []
    for part in rules.parts:
        operator = rules.operator if found else before
        if isinstance(part, Rules):
            found += [_bracket(_OPEN, operator), *_joined(part), _bracket(_CLOSE, "")]
        else:
            found.append(_on_wire(part) | {"operator": operator})
    return found


def _bracket(field: str, operator: str) -> WireRule:
    return {"field": field, "logic": "", "condition": "", "operator": operator}


def _on_wire(rule: FilterRule) -> WireRule:
    return {"field": rule.field, "logic": rule.logic, "condition": rule.condition}


def _stored(rules: Any) -> list[FilterRule]:
    kind = kind_of(rules)
    if isinstance(rules, str | bytes | Mapping) or not isinstance(rules, Iterable):
        raise ConfigurationError(
            f'rules is {kind}; pass where("city").eq("Kiel"), or those of a segment'
        )
    found = [as_model(it, FilterRule, "a rule", "field") for it in cast("Iterable[object]", rules)]
    if not found or not all(rule.field for rule in found):
        raise ConfigurationError("rules is empty, or a rule has no field")
    for name, value in ((name, getattr(rule, name)) for rule in found for name in _TEXTS):
        if not isinstance(value, str):
            raise ConfigurationError(f"{name} of a rule is {kind_of(value)}; pass text")
    return found
