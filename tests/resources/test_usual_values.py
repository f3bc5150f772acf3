"""The quick way to read usual objects: it is taken, and says the same as the way for odd ones."""

from datetime import UTC, datetime
from typing import Any, Final
from unittest.mock import patch

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cleverreach_async.errors import ResponseDecodeError
from cleverreach_async.resources import converter
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.model_fields import ModelFields
from cleverreach_async.resources.order_models import Order
from cleverreach_async.resources.receiver_models import Receiver
from cleverreach_async.resources.usual_values import UsualReader

USUAL: Final[dict[str, Any]] = {
    "id": "7",
    "email": "ada@example.org",
    "group_id": "3",
    "activated": 1767225600,
    "registered": "1767225600",
    "deactivated": 0,
    "last_changed": 1767225600,
    "points": 12,
    "source": "",
    "active": True,
    "new": [1],
    "attributes": [],
    "global_attributes": {"city": "Köln", "zip": ""},
    "tags": ["shop.buyer", "vip"],
    "events": [{"stamp": 1767225600, "type": "mail_open", "new": 1}],
    "orders": [{"order_id": "A1", "price": 1.5, "quantity": 2}],
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 1767225600, 10**11, 10**12, 10**30])
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "0", "7", "1.5", "true", "a,b", "1767225600"])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["0", "1", "id", "name", "value", "city"]), inner)
    ),
    max_leaves=6,
)


def leave(self: UsualReader, value: object) -> None:
    """Leave an object to the other way."""


def only_odd(kind: type[Any]) -> Any:
    """A converter that reads every object as an odd one."""
    with patch.object(UsualReader, "read", leave):
        made = vars(converter)["_converter"].__wrapped__()
        made.structure({name: [{}] for name in attrs.fields_dict(kind)} | BARE[kind], kind)
    return made


BARE: Final[dict[type[Any], dict[str, Any]]] = {
    Receiver: {"id": 7, "email": "ada@example.org", "orders": [{"order_id": "A"}]},
    Order: {"order_id": "A1"},
}
ODD: Final = {kind: only_odd(kind) for kind in BARE}


def fields_of(kind: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of some fields of a model, older names of fields, and unknown ones."""
    names = [*attrs.fields_dict(kind), *getattr(kind, "aliases", ()), "new"]
    return st.dictionaries(st.sampled_from(names), VALUES).map(lambda fields: BARE[kind] | fields)


def check_same(kind: type[Any], value: dict[str, Any]) -> None:
    """Read an object in both ways."""
    try:
        expected = ODD[kind].structure(value, kind)
    except Exception:  # noqa: BLE001 - whatever it is, both ways refuse it
        with pytest.raises(ResponseDecodeError):
            structure(value, kind, method="GET", path="/things")
        return
    found = structure(value, kind, method="GET", path="/things")
    assert repr(attrs.asdict(expected)) == repr(attrs.asdict(found))


@given(fields_of(Receiver))
@example({"id": 7, "email": "ada@example.org", "attributes": {"0": "a", "1": "b"}})
@example({"id": 7, "email": "ada@example.org", "tags": {"0": "a"}, "registered": -1})
@example({"id": True, "email": "ada@example.org"})
@example({"email": "ada@example.org"})
@example({"id": 7, "email": None})
@example(USUAL)
def test_both_ways_read_the_same_receiver(value: dict[str, Any]) -> None:
    """Whatever the values are; of numbers, the types are compared too."""
    check_same(Receiver, value)


@given(fields_of(Order))
@example({"order_id": "A1", "amount": 2, "quantity": ""})
@example({"order_id": "A1", "vendor": None, "brand": "Wayne"})
def test_both_ways_read_the_same_order(value: dict[str, Any]) -> None:
    """It has fields with older names, which the quick way leaves to the other."""
    check_same(Order, value)


def usual_reader(kind: type[Any]) -> UsualReader:
    """The quick way for a model."""
    made = vars(converter)["_converter"]()
    return UsualReader(kind, ModelFields.of(kind), made.get_structure_hook)


def test_usual_receiver_is_read_in_the_quick_way() -> None:
    """All observed forms of values are usual."""
    found = usual_reader(Receiver).read(USUAL)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    expected = (7, moment, moment, None, {"new": [1]}, ("shop.buyer", "vip"))
    assert expected == (
        found.id,
        found.activated,
        found.registered,
        found.deactivated,
        found.extra,
        found.tags,
    )


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([], id="a list"),
        pytest.param({"id": 7}, id="without an address"),
        pytest.param({**USUAL, "points": "x"}, id="a word for a number"),
        pytest.param({**USUAL, "registered": 10**12}, id="milliseconds"),
        pytest.param({**USUAL, "tags": [["a"]]}, id="a list of lists"),
    ],
)
def test_odd_receiver_is_left_to_the_other_way(value: Any) -> None:
    """Nothing is raised, so that the other way can name the field."""
    assert usual_reader(Receiver).read(value) is None
