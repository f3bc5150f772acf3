"""Rules that select receivers: what is sent for them."""

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.rules import (
    FilterRule,
    Rules,
    rules_of_search,
    rules_of_segment,
    where,
)

KIEL = where("city").eq("Kiel")
SHOP = where("tags").contains("shop")
SET = where("zip").is_set()


def wire(field: str, logic: str, condition: str, operator: str = "") -> dict[str, str]:
    """Return one rule as it is sent."""
    return {"field": field, "logic": logic, "condition": condition, "operator": operator}


COMPARISONS: dict[str, tuple[Rules, dict[str, str]]] = {
    "eq": (KIEL, wire("city", "eq", "Kiel")),
    "eq nothing": (where("city").eq(""), wire("city", "eq", "")),
    "neq": (where("city").neq("Kiel"), wire("city", "neq", "Kiel")),
    "contains": (SHOP, wire("tags", "contains", "shop")),
    "any of several tags": (
        where("tags").contains(["shop.a", " blog "]),
        wire("tags", "contains", "shop.a,blog"),
    ),
    "not contains": (where("tags").not_contains("x"), wire("tags", "nocontains", "x")),
    "not contains a comma": (
        where("city").not_contains("a,b"),
        wire("city", "nocontains", "a,b"),
    ),
    "greater than a number": (where("age").gt(17), wire("age", "bg", "17")),
    "greater than a fraction": (where("age").gt(1.5), wire("age", "bg", "1.5")),
    "smaller than a decimal": (
        where("spent").lt(Decimal("1E+2")),
        wire("spent", "sm", "100"),
    ),
    "smaller than a date": (
        where("birthday").lt(date(2000, 2, 1)),
        wire("birthday", "sm", "2000-02-01"),
    ),
    "greater than a time": (
        where("registered").gt(datetime(2026, 1, 1, tzinfo=UTC)),
        wire("registered", "bg", "1767225600"),
    ),
    "is set": (where(" zip ").is_set(), wire("zip", "notisnull", "")),
}


@pytest.mark.parametrize(("rules", "expected"), COMPARISONS.values(), ids=COMPARISONS.keys())
def test_a_comparison_is_one_rule(rules: Rules, expected: dict[str, str]) -> None:
    """In a segment and in a search, which has no operator for each rule."""
    assert [expected] == rules_of_segment(rules)
    operator = expected.pop("operator")
    assert ("", ("AND", [expected])) == (operator, rules_of_search(rules))


A, B, C, D = (wire(name, "notisnull", "") for name in "abcd")
a, b, c, d = (where(name).is_set() for name in "abcd")
AND, OR = {"operator": "AND"}, {"operator": "OR"}
OPEN, CLOSE = wire("(", "", ""), wire(")", "", "")

COMBINED: dict[str, tuple[Rules, list[dict[str, str]]]] = {
    "all": (a & b & c, [A, B | AND, C | AND]),
    "all, from the right": (a & (b & c), [A, B | AND, C | AND]),
    "any": (a | b | c, [A, B | OR, C | OR]),
    "brackets at the end": (a & (b | c), [A, OPEN | AND, B, C | OR, CLOSE]),
    "brackets at the beginning": ((a | b) & c, [OPEN, A, B | OR, CLOSE, C | AND]),
    "and binds more than or": (a | b & c, [A, OPEN | OR, B, C | AND, CLOSE]),
    "two brackets": (
        (a | b) & (c | d),
        [OPEN, A, B | OR, CLOSE, OPEN | AND, C, D | OR, CLOSE],
    ),
    "brackets in brackets": (
        a & (b | (c & d)),
        [A, OPEN | AND, B, OPEN | OR, C, D | AND, CLOSE, CLOSE],
    ),
}


@pytest.mark.parametrize(("rules", "expected"), COMBINED.values(), ids=COMBINED.keys())
def test_rules_are_combined_as_python_does(rules: Rules, expected: list[dict[str, str]]) -> None:
    """Where both operators occur, brackets leave no doubt."""
    assert expected == rules_of_segment(rules)


def test_a_search_has_one_operator() -> None:
    """It cannot have brackets, so both operators are refused."""
    without = [{k: v for k, v in it.items() if k != "operator"} for it in (A, B, C)]
    assert ("OR", without) == rules_of_search(a | b | c)
    assert ("AND", without) == rules_of_search(a & b & c)
    with pytest.raises(ConfigurationError, match="save a segment"):
        rules_of_search(a & (b | c))


def test_words_of_python_do_not_lose_rules() -> None:
    """``a and b`` would be ``b``."""
    first: Any = a
    uses: list[Callable[[], object]] = [
        lambda: first and b,
        lambda: first or b,
        lambda: not first,
    ]
    for use in uses:
        with pytest.raises(TypeError, match=r"combine rules with & and \|"):
            use()
    other: Any = "city"
    uses = [lambda: a & other, lambda: a | other]
    for use in uses:
        with pytest.raises(TypeError, match="is of type str"):
            use()


STORED = FilterRule(field="a88.value", logic="CONTAINS", condition="x", operator="AND")


def test_rules_of_a_segment_stay_as_they_are() -> None:
    """A segment can be copied, with fields and comparisons that this library does not know."""
    expected = wire("a88.value", "CONTAINS", "x", "AND")
    assert [expected] == rules_of_segment([STORED])
    mapping: Any = {"field": "a88.value", "logic": "CONTAINS", "condition": "x", "operator": "AND"}
    assert [expected] == rules_of_segment([mapping])


ANY: Any = None
NUMBER: Any = 7
BYTES: Any = b"Kiel"
TEXT: Any = "city eq Kiel"
MAPPING: Any = {"field": "city"}
TEXTS: Any = ["city"]
UNFINISHED: Any = [where("city")]
LIST: Any = [STORED]
REFUSED: dict[str, Callable[[], object]] = {
    "a stored condition that is a number": lambda: rules_of_segment(
        [FilterRule(field="city", logic="eq", condition=NUMBER)]
    ),
    "a stored condition that is None": lambda: rules_of_segment(
        [FilterRule(field="city", logic="contains", condition=ANY)]
    ),
    "no field": lambda: where(""),
    "blanks": lambda: where("  "),
    "a bracket": lambda: where("("),
    "a field that is None": lambda: where(ANY),
    "a field that is a number": lambda: where(NUMBER),
    "None": lambda: where("city").eq(ANY),
    "true": lambda: where("city").eq(True),
    "bytes": lambda: where("city").eq(BYTES),
    "infinite": lambda: where("age").gt(float("inf")),
    "not a number": lambda: where("age").lt(Decimal("nan")),
    "no time zone": lambda: where("registered").gt(datetime(2026, 1, 1)),  # noqa: DTZ001
    "contains nothing": lambda: where("city").contains(""),
    "contains no tags": lambda: where("tags").contains([]),
    "contains an empty tag": lambda: where("tags").contains(["a", " "]),
    "contains a tag with a comma": lambda: where("tags").contains(["a,b"]),
    "contains a list": lambda: where("city").contains(["Kiel", "Bonn"]),
    "does not contain several tags": lambda: where("tags").not_contains("a,b"),
    "does not contain a list": lambda: where("tags").not_contains(TEXTS),
    "greater than nothing": lambda: where("age").gt(""),
    "no rules": lambda: rules_of_segment([]),
    "rules that are None": lambda: rules_of_segment(ANY),
    "rules that are text": lambda: rules_of_segment(TEXT),
    "rules that are one mapping": lambda: rules_of_segment(MAPPING),
    "a rule that is text": lambda: rules_of_segment(TEXTS),
    "a rule without a field": lambda: rules_of_segment([FilterRule(logic="eq")]),
    "an unfinished rule": lambda: rules_of_segment(UNFINISHED),
    "a search for a list": lambda: rules_of_search(LIST),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_sent_is_refused(make: Callable[[], object]) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigurationError):
        make()


def test_rules_are_values() -> None:
    """They can be compared, copied and sent to a worker; no condition is shown."""
    rules = KIEL & (SHOP | SET)
    assert rules == copy.deepcopy(rules) == pickle.loads(pickle.dumps(rules))  # noqa: S301
    assert "<Rules: 2 combined with AND>" == repr(rules)
    assert "Kiel" not in repr(rules.parts)


def combine(first: Rules, second: Rules, *, both: bool) -> Rules:
    """Combine rules in one of two ways."""
    return first & second if both else first | second


TREES: st.SearchStrategy[Rules] = st.recursive(
    st.sampled_from([a, b, c, d]),
    lambda inner: st.builds(combine, inner, inner, both=st.booleans()),
    max_leaves=8,
)


def value_of(rules: Rules, facts: dict[str, bool]) -> bool:
    """Evaluate rules as Python does."""
    values = [
        value_of(it, facts) if isinstance(it, Rules) else facts[it.field] for it in rules.parts
    ]
    return all(values) if rules.operator == "AND" else any(values)


def value_on_wire(rules: list[dict[str, str]], facts: dict[str, bool], *, or_first: bool) -> bool:
    """Evaluate what is sent, with one of the two precedences of operators."""
    words: list[str] = []
    for rule in rules:
        words += [rule["operator"].lower()] if rule["operator"] else []
        words.append(str(facts.get(rule["field"], rule["field"])))
    text = " ".join(words)
    if or_first:  # | binds more than "and"
        text = text.replace(" or ", " | ")
    return bool(eval(text))  # noqa: S307 - names and operators only


@given(
    rules=TREES,
    facts=st.fixed_dictionaries({name: st.booleans() for name in "abcd"}),
    or_first=st.booleans(),
)
def test_any_combination_selects_the_same(
    rules: Rules, facts: dict[str, bool], *, or_first: bool
) -> None:
    """Whichever operator the server evaluates first."""
    expected = value_of(rules, facts)
    assert expected is value_on_wire(rules_of_segment(rules), facts, or_first=or_first)


@given(st.text())
def test_any_text_is_compared_as_it_is(text: str) -> None:
    """Nothing is escaped or changed."""
    [rule] = rules_of_segment(where("city").eq(text))
    assert text == rule["condition"]
