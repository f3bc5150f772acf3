"""The converter: the API's loose types become the types of the models."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ResponseDecodeError
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.field_types import AttributeValues, Extra

Color = Literal["red", "green"]


@attrs.frozen(kw_only=True)
class Part:
    """A nested model without ``extra``."""

    number: int = 0


@attrs.frozen(kw_only=True)
class Thing:
    """A model with a field of every kind."""

    aliases: ClassVar[Mapping[str, str]] = {"label": "name"}

    id: int
    name: str = "?"
    color: Color | str = "red"
    ratio: float = 0.5
    flag: bool = True
    maybe: bool | None = None
    count: int | None = None
    at: datetime | None = None
    texts: AttributeValues = attrs.field(factory=dict[str, Any])
    anything: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    part: Part = attrs.field(factory=Part)
    parts: tuple[Part, ...] = ()
    extra: Extra = attrs.field(factory=dict[str, Any])


def read(value: object) -> Thing:
    """Structure a thing."""
    return structure(value, Thing, method="GET", path="/things/{thing_id}")


LOOSE: dict[str, tuple[dict[str, Any], Thing]] = {
    "id as a number": ({}, Thing(id=1)),
    "id as text": ({"id": "1"}, Thing(id=1)),
    "unknown field": ({"new": [1], "extra": 2}, Thing(id=1, extra={"new": [1], "extra": 2})),
    "unknown word": ({"color": "mauve"}, Thing(id=1, color="mauve")),
    "known word": ({"color": "green"}, Thing(id=1, color="green")),
    "older name": ({"label": "A"}, Thing(id=1, name="A")),
    "both names": ({"label": "A", "name": "B"}, Thing(id=1, name="B", extra={"label": "A"})),
    "older name beside an empty text": ({"label": "A", "name": ""}, Thing(id=1, name="A")),
    "older name without a value": ({"label": None, "name": "B"}, Thing(id=1, name="B")),
    "older name beside null": ({"name": None, "label": "A"}, Thing(id=1, name="A")),
    "null is absent": (
        {"name": None, "flag": None, "texts": None, "part": None, "parts": None},
        Thing(id=1),
    ),
    "empty text for a number": ({"ratio": "", "count": ""}, Thing(id=1)),
    "number as text": ({"ratio": "1.5", "count": "0"}, Thing(id=1, ratio=1.5, count=0)),
    "text as a number": ({"name": 42}, Thing(id=1, name="42")),
    "flag 0": ({"flag": 0, "maybe": "0"}, Thing(id=1, flag=False, maybe=False)),
    "flag in words": ({"flag": "False", "maybe": "yes"}, Thing(id=1, flag=False, maybe=True)),
    "flag as PHP prints false": ({"flag": ""}, Thing(id=1, flag=False)),
    "flag 1": ({"flag": 1, "maybe": "1"}, Thing(id=1, flag=True, maybe=True)),
    "time 0": ({"at": 0}, Thing(id=1)),
    "time 0 as text": ({"at": "0"}, Thing(id=1)),
    "time empty": ({"at": ""}, Thing(id=1)),
    "time false": ({"at": False}, Thing(id=1)),
    "time": ({"at": 1767225600}, Thing(id=1, at=datetime(2026, 1, 1, tzinfo=UTC))),
    "time as text": (
        {"at": "1767225600"},
        Thing(id=1, at=datetime(2026, 1, 1, tzinfo=UTC)),
    ),
    "empty maps as lists": ({"texts": [], "anything": [], "part": []}, Thing(id=1)),
    "maps": (
        {"texts": {"a": 1, "b": None}, "anything": {"a": [1]}, "part": {"number": "3", "x": 1}},
        Thing(id=1, texts={"a": "1", "b": ""}, anything={"a": [1]}, part=Part(number=3)),
    ),
    "nested": ({"parts": [{"number": 1}, []]}, Thing(id=1, parts=(Part(number=1), Part()))),
}


@pytest.mark.parametrize(("fields", "expected"), LOOSE.values(), ids=LOOSE.keys())
def test_loose_types(fields: dict[str, Any], expected: Thing) -> None:
    """Every observed form of a value becomes the one of the model."""
    assert expected == read({"id": 1, **fields})


ODD: dict[str, tuple[dict[str, Any], Thing]] = {
    "name is a map": ({"name": {"a": 1}}, Thing(id=1, extra={"name": {"a": 1}})),
    "name is false": ({"name": False}, Thing(id=1, extra={"name": False})),
    "color is a list": ({"color": ["red"]}, Thing(id=1, extra={"color": ["red"]})),
    "map is a list": ({"texts": ["a"]}, Thing(id=1, extra={"texts": ["a"]})),
    "any map is text": ({"anything": "a"}, Thing(id=1, extra={"anything": "a"})),
    "part is text": ({"part": "a"}, Thing(id=1, extra={"part": "a"})),
    "ratio is not finite": ({"ratio": "nan"}, Thing(id=1, extra={"ratio": "nan"})),
    "count has a fraction": ({"count": 1.5}, Thing(id=1, extra={"count": 1.5})),
    "flag in other words": ({"flag": "perhaps"}, Thing(id=1, extra={"flag": "perhaps"})),
    "time in words": ({"at": "2026-01-01"}, Thing(id=1, extra={"at": "2026-01-01"})),
    "time beyond the calendar": ({"at": 10**30}, Thing(id=1, extra={"at": 10**30})),
    "older name": ({"label": [1]}, Thing(id=1, extra={"label": [1]})),
    "beside an unknown field": (
        {"new": 1, "count": "x"},
        Thing(id=1, extra={"new": 1, "count": "x"}),
    ),
    "several": (
        {"count": "x", "name": "A", "at": True},
        Thing(id=1, name="A", extra={"count": "x", "at": True}),
    ),
    "an item of a list": (
        {"parts": [{"number": 1}, 5, {"number": 2}]},
        Thing(id=1, parts=(Part(number=1), Part(number=2)), extra={"parts": [5]}),
    ),
    "an item of an object": (
        {"parts": {"0": {"number": 1}, "3": 5}},
        Thing(id=1, parts=(Part(number=1),), extra={"parts": {"3": 5}}),
    ),
    "every item of a list": ({"parts": [5]}, Thing(id=1, extra={"parts": [5]})),
    "no list at all": ({"parts": 5}, Thing(id=1, extra={"parts": 5})),
}


@pytest.mark.parametrize(("fields", "expected"), ODD.values(), ids=ODD.keys())
def test_value_that_cannot_be_read_stays_in_extra(fields: dict[str, Any], expected: Thing) -> None:
    """Its field has the default, and the other fields are read."""
    assert expected == read({"id": 1, **fields})


WRONG: dict[str, tuple[object, str]] = {
    "no id": ({}, "id"),
    "null id": ({"id": None}, "id"),
    "empty id": ({"id": ""}, "id"),
    "id in words": ({"id": "secret@mail.example"}, "$.id"),
    "id with a fraction": ({"id": 1.5}, "$.id"),
    "id is false": ({"id": False}, "$.id"),
    "only what identifies is named": ({"count": "x"}, "id"),
    "text": ("thing", ""),
    "true": (True, ""),
    "nothing": (None, ""),
    "a list": ([{"id": 1}], ""),
}


@pytest.mark.parametrize(("value", "place"), WRONG.values(), ids=WRONG.keys())
def test_response_that_does_not_fit(value: object, place: str) -> None:
    """The error names the field and the call, and does not show the value."""
    with pytest.raises(ResponseDecodeError) as caught:
        read(value)
    expected = ("GET", "/things/{thing_id}", 1)
    assert expected == (caught.value.method, caught.value.path, len(caught.value.problems))
    assert place in caught.value.problems[0]
    assert "secret" not in str(caught.value)


def test_every_problem_is_reported() -> None:
    """One error names item and field of each."""
    with pytest.raises(ResponseDecodeError) as caught:
        structure([{"id": 1}, {"id": "x"}, {}], list[Thing], method="GET", path="/things")
    assert ["$[1].id", "$[2].id"] == [it.partition(" @ ")[2] for it in caught.value.problems]


def test_model_without_extra_loses_nothing() -> None:
    """A value that it cannot read is an error, because it could not be kept."""
    with pytest.raises(ResponseDecodeError, match=r"\$\.number"):
        structure({"number": "x"}, Part, method="GET", path="/parts")


@pytest.mark.parametrize("value", [5, "text", [1], None])
def test_map_of_anything_is_an_object(value: object) -> None:
    """A response without documented fields is an object."""
    with pytest.raises(ResponseDecodeError):
        structure(value, dict[str, Any], method="GET", path="/things")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*(field.name for field in attrs.fields(Thing)), "other"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    """The result is a model or the library's own error."""
    try:
        thing = read(value)
    except ResponseDecodeError as error:
        assert error.problems  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(thing, Thing)
