"""The rules of a receiver filter."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import bad_value
from .values import Json, as_list, as_map, split_csv, to_int

FIELDS = frozenset({"email", "tags", "registered", "activated", "deactivated", "bounced", "source"})
LOGICS = frozenset({"eq", "neq", "contains", "nocontains", "bg", "sm", "notisnull"})
"""The known comparisons; others exist, but their names are unknown."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One comparison of a field with a condition."""

    field: str
    logic: str
    condition: str

    def is_known(self, attributes: Collection[str]) -> bool:
        """Whether the field exists."""
        return self.field in FIELDS or self.field in attributes


def parse_rules(items: Iterable[Json]) -> list[Rule]:
    """Parse the rules of a request.

    Raises:
        ApiError: 400, a rule is invalid.
    """
    return [_parse_rule(item) for item in items]


def _parse_rule(item: Json) -> Rule:
    """Parse one rule; comparisons ignore case (M)."""
    fields = as_map(item) or {}
    logic = str(fields.get("logic", "")).lower()
    if logic not in LOGICS or not isinstance(fields.get("field"), str):
        raise bad_value("rules", f"field, and logic one of {', '.join(sorted(LOGICS))}")
    return Rule(fields["field"], logic, str(fields.get("condition") or ""))


def matches_rules(values: Mapping[str, Json], rules: Iterable[Rule], *, any_rule: bool) -> bool:
    """Whether a receiver matches all rules, or any of them; without rules everyone matches."""
    results = [_holds(values.get(rule.field), rule) for rule in rules]
    return not results or (any(results) if any_rule else all(results))


def _holds(value: Json, rule: Rule) -> bool:
    """Whether one rule holds for a value."""
    tags = as_list(value)
    if tags is not None:
        return _holds_for_tags([str(tag) for tag in tags], rule)
    text, condition = "" if value is None else str(value).lower(), rule.condition.lower()
    results = {
        "eq": text == condition,
        "neq": text != condition,
        "contains": condition in text,
        "nocontains": condition not in text,
        "notisnull": text not in {"", "0"},
    }
    return results[rule.logic] if rule.logic in results else _compare(text, rule)


def _holds_for_tags(tags: list[str], rule: Rule) -> bool:
    """Whether a rule about tags holds; a comma-separated condition means any of them (M)."""
    if rule.logic == "notisnull":
        return bool(tags)
    present = any(tag in tags for tag in split_csv(rule.condition))
    return present is (rule.logic in {"eq", "contains"})


def _compare(text: str, rule: Rule) -> bool:
    """Whether a value is greater (bg) or smaller (sm); dates are compared as strings."""
    number, limit = to_int(text), to_int(rule.condition)
    left: Any = text if number is None or limit is None else number
    right: Any = rule.condition if number is None or limit is None else limit
    return bool(text) and (left > right if rule.logic == "bg" else left < right)
