"""The converter: the API's loose types become the types of the models."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ResponseDecodeError
from cleverreach_async.resources.converter import Extra, StringMap, structure

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
    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    texts: StringMap = attrs.field(factory=dict[str, str])
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
    "both names": ({"label": "A", "name": "B"}, Thing(id=1, name="B")),
    "older name beside null": ({"name": None, "label": "A"}, Thing(id=1, name="A")),
    "null is absent": (
        {"name": None, "flag": None, "texts": None, "part": None, "parts": None, "since": None},
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
        {"at": "1767225600", "since": "1767225600"},
        Thing(id=1, at=datetime(2026, 1, 1, tzinfo=UTC), since=datetime(2026, 1, 1, tzinfo=UTC)),
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


WRONG: dict[str, tuple[object, str]] = {
    "no id": ({}, "id"),
    "null id": ({"id": None}, "id"),
    "empty id": ({"id": ""}, "id"),
    "id in words": ({"id": "secret@mail.example"}, "$.id"),
    "name is a map": ({"id": 1, "name": {"a": 1}}, "$.name"),
    "color is a list": ({"id": 1, "color": ["red"]}, "$.color"),
    "map is a list": ({"id": 1, "texts": ["a"]}, "$.texts"),
    "any map is text": ({"id": 1, "anything": "a"}, "$.anything"),
    "part is text": ({"id": 1, "part": "a"}, "$.part"),
    "part of a list": ({"id": 1, "parts": [{"number": 1}, {"number": "x"}]}, "$.parts[1].number"),
    "ratio is not finite": ({"id": 1, "ratio": "nan"}, "$.ratio"),
    "time in words": ({"id": 1, "at": "2026-01-01"}, "$.at"),
    "time beyond the calendar": ({"id": 1, "at": 10**30}, "$.at"),
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
    """One error has all of them."""
    with pytest.raises(ResponseDecodeError) as caught:
        read({"name": [], "parts": [{"number": "x"}, {"number": "y"}]})
    assert len(caught.value.problems) == 4


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
