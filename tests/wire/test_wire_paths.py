"""Paths: every value is exactly one segment, or is refused."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.paths import (
    check_id,
    check_ids,
    check_receiver_ids,
    fill_path,
)

RECEIVER = "/groups/{group_id}/receivers/{receiver_id}"
ORDER = "/receivers/{receiver_id}/orders/{order_id}"

RECEIVERS: dict[str, tuple[int | str, str]] = {
    "number": (7, "7"),
    "digits": ("7", "7"),
    "digits with zeros": ("007", "7"),
    "address": ("ann@mail.example", "ann%40mail.example"),
    "plus": ("a+b@mail.example", "a%2Bb%40mail.example"),
    "slash": ("a/b@mail.example", "a%2Fb%40mail.example"),
    "percent": ("a%2e@mail.example", "a%252e%40mail.example"),
    "umlaut": ("ü@mail.example", "%C3%BC%40mail.example"),
    "question mark and hash": ("a?b#c@mail.example", "a%3Fb%23c%40mail.example"),
    "surrounding blanks": (" ann@mail.example\n", "ann%40mail.example"),
}
ORDERS: dict[str, tuple[int | str, str]] = {
    "number": (7, "7"),
    "letters": ("A-17", "A-17"),
    "hash": ("#1001", "%231001"),
    "question mark": ("17?", "17%3F"),
    "slash": ("2026/17", "2026%2F17"),
    "backslash": ("2026\\17", "2026%5C17"),
    "percent": ("50%", "50%25"),
    "zero": ("0", "0"),
    "dots with more": ("..a", "..a"),
    "three dots": ("...", "..."),
    "inner blank": ("a b", "a%20b"),
    "comma": ("a,b", "a%2Cb"),
    "braces": ("{group_id}", "%7Bgroup_id%7D"),
}


@pytest.mark.parametrize(("value", "segment"), RECEIVERS.values(), ids=RECEIVERS.keys())
def test_receiver_fills_one_segment(value: int | str, segment: str) -> None:
    """Nothing in an address can end its segment."""
    expected = f"/groups/7/receivers/{segment}"
    assert expected == fill_path(RECEIVER, {"group_id": 7, "receiver_id": value})


@pytest.mark.parametrize(("value", "segment"), ORDERS.values(), ids=ORDERS.keys())
def test_text_fills_one_segment(value: int | str, segment: str) -> None:
    """The numbers of orders are any text."""
    expected = f"/receivers/7/orders/{segment}"
    assert expected == fill_path(ORDER, {"receiver_id": 7, "order_id": value})


@pytest.mark.parametrize("value", ["", " ", "\t\n", ".", "..", " .. ", "\u00a0"])
@pytest.mark.parametrize("name", ["receiver_id", "order_id"])
def test_empty_and_dotted_values_are_refused(name: str, value: str) -> None:
    """They would address the collection or its parent, and the message says so."""
    values = {"receiver_id": "7", "order_id": "A", name: value}
    with pytest.raises(ConfigurationError, match=rf"{name} is .* would address something else"):
        fill_path(ORDER, values)


class Thing:
    """An object that was passed instead of its id."""

    id = 7

    def __repr__(self) -> str:
        return "Thing"


NO_IDS: dict[str, Any] = {
    "None": None,
    "zero": 0,
    "negative": -1,
    "true": True,
    "false": False,
    "fraction": 1.5,
    "whole float": 7.0,
    "NaN": float("nan"),
    "decimal": Decimal(7),
    "object": Thing(),
    "list": [7],
    "mapping": {"id": 7},
    "bytes": b"7",
    "zero as text": "0",
    "negative as text": "-7",
    "fraction as text": "7.0",
    "None as text": "None",
    "name": "Newsletter",
    "Arabic digits": "\u0667",
    "superscript": "²",
    "path": "7/clear",
    "query": "7?x=1",
    "too many digits": "7" * 5000,
    "too large": 10**5000,
    "too small": -(10**5000),
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("value", NO_IDS.values(), ids=NO_IDS.keys())
@pytest.mark.parametrize("name", ["group_id", "filter_id", "receiver_id", "pool_id"])
def test_what_is_not_an_id_is_refused(name: str, value: Any) -> None:
    """The message says what to pass."""
    with pytest.raises(ConfigurationError, match=rf"^{name} is .*; pass .*a number of 1 or more"):
        fill_path(f"/things/{{{name}}}/clear", {name: value})


@pytest.mark.parametrize("value", [None, 0, -1, True, 1.5, Thing(), [7], b"a"], ids=repr)
@pytest.mark.parametrize("name", ["order_id", "id", "tags"])
def test_what_is_not_text_is_refused(name: str, value: Any) -> None:
    """A number is allowed, since it may be the number of an order."""
    with pytest.raises(ConfigurationError, match=rf"^{name} is .*; pass text"):
        fill_path(f"/things/{{{name}}}", {name: value})


def test_object_instead_of_its_id() -> None:
    """The message names the kind and the remedy."""
    with pytest.raises(ConfigurationError, match=r"group_id is a Thing \(pass its \.id\)"):
        check_id("group_id", Thing())


@pytest.mark.parametrize(
    "value",
    ["a\r\nb", "\ud800", "a\x00b", "a\x7fb", "%2e%2e", "%252e%252E", "../a", "a/../b", "..\\a"],
)
def test_text_that_would_leave_its_place_is_refused(value: str) -> None:
    """Even if the server decodes it twice."""
    with pytest.raises(ConfigurationError, match=r"order_id is .*would address something else"):
        fill_path(ORDER, {"receiver_id": 7, "order_id": value})


def test_errors_hide_addresses() -> None:
    """An address may have been passed for another id, or be mistyped."""
    for name, value in (
        ("group_id", "ann@mail.example"),
        ("receiver_id", "ann(at)mail.example"),
        ("receiver_id", "ann@mail.example\x00"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            fill_path(f"/things/{{{name}}}", {name: value})
        assert "mail" not in str(caught.value).replace("e-mail", "")


class Index:
    """An integer of another library, such as NumPy."""

    def __index__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "Index"


@pytest.mark.parametrize("value", [7, "7", " 7 ", "007", Index()], ids=repr)
def test_ids_are_numbers(value: Any) -> None:
    """However they are given."""
    assert 7 == check_id("group_id", value)


@pytest.mark.parametrize("check", [check_ids, check_receiver_ids])
@pytest.mark.parametrize("values", ["57", 57, None, b"57", [7, None], ["7", "x"]], ids=repr)
def test_lists_of_ids(check: Callable[[str, Any], list[Any]], values: Any) -> None:
    """A text is not a list of its characters."""
    with pytest.raises(ConfigurationError, match=r"^ids is "):
        check("ids", values)


def test_missing_value_is_refused() -> None:
    """The error names the placeholder."""
    with pytest.raises(ConfigurationError, match=r"no value for \{receiver_id\}"):
        fill_path(RECEIVER, {"group_id": 7})


def test_value_without_a_placeholder_is_refused() -> None:
    """The path would address the collection."""
    with pytest.raises(ConfigurationError, match=r"/groups: the path has no \{group_id\}"):
        fill_path("/groups", {"group_id": 7})


@pytest.mark.parametrize(
    "template", ["", "groups", "//groups", "/groups//7", "/groups/", "/", "https://mail.example/x"]
)
def test_paths_with_empty_segments_are_refused(template: str) -> None:
    """Paths that a caller writes out too."""
    with pytest.raises(ConfigurationError, match="no empty segment"):
        fill_path(template, {})


ESCAPES: dict[str, tuple[str, str]] = {
    "query": ("/groups?x=1", r"query=\{"),
    "query after an id": ("/groups/7?x=1", r"query=\{"),
    "fragment": ("/groups/7#/clear", "path_params"),
    "backslash": ("/groups\\7", "path_params"),
    "line break": ("/groups/7\r\nX: y", "path_params"),
    "null": ("/groups/7\x00", "path_params"),
    "blank": ("/groups/7 ", "path_params"),
    "no-break space": ("/groups/7\u00a0", "path_params"),
    "line separator": ("/groups/7\u2028", "path_params"),
    "surrogate": ("/groups/\udc80", "path_params"),
    "braces": ("/groups/{}", "path_params"),
    "a name with a blank": ("/groups/{group id}", "path_params"),
    "parent": ("/groups/7/../8", "dotted"),
    "same": ("/groups/./clear", "dotted"),
    "parent at the end": ("/groups/..", "dotted"),
    "encoded parent": ("/groups/%2e%2E/clear", "dotted"),
    "half-encoded parent": ("/groups/.%2e/clear", "dotted"),
    "parent encoded twice": ("/groups/%252e%252e", "dotted"),
    "encoded slash": ("/groups/7%2Fclear", "encoded slashes"),
    "encoded backslash": ("/groups/7%5cclear", "encoded slashes"),
    "encoded line break": ("/groups/7%0d%0a", "control"),
    "encoded null": ("/groups/7%00", "control"),
    "no id": ("/groups/None/clear", "a variable was not set"),
}


@pytest.mark.parametrize(("template", "remedy"), ESCAPES.values(), ids=ESCAPES.keys())
def test_paths_that_leave_their_place_are_refused(template: str, remedy: str) -> None:
    """The message says what to do instead."""
    with pytest.raises(ConfigurationError, match=remedy):
        fill_path(template, {})


@pytest.mark.parametrize(
    "template",
    [
        "/debug/ttl",
        "/receivers/ann%40mail.example",
        "/blacklist/a+b@mail.example",
        "/groups.json/7",
    ],
)
def test_paths_that_are_written_out(template: str) -> None:
    """They are sent as they are."""
    assert template == fill_path(template, {})


def test_refused_path_hides_the_address() -> None:
    """A caller's own path may contain an address, which is not in the error."""
    with pytest.raises(ConfigurationError) as caught:
        fill_path("/receivers/ann@mail.example/", {})
    assert "mail.example" not in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_segment_round_trip(value: str) -> None:
    """A text that is accepted is decoded to itself, except for blanks at its ends."""
    try:
        path = fill_path(ORDER, {"receiver_id": 7, "order_id": value})
    except ConfigurationError:
        assert not value.strip() or not value.isprintable() or {*value} & {".", "%"}
        return
    assert path.isascii()
    assert ["", "receivers", "7", "orders", value.strip()] == [*map(unquote, path.split("/"))]


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.datetimes()
    | st.lists(st.integers(), max_size=2)
    | st.builds(Thing),
    st.sampled_from(["group_id", "receiver_id", "order_id", "tags"]),
)
def test_any_value_is_one_segment_or_refused(value: Any, name: str) -> None:
    """Never another error, and never a path of another shape."""
    try:
        path = fill_path(f"/things/{{{name}}}/clear", {name: value})
    except ConfigurationError:
        return
    empty, things, segment, clear = path.split("/")
    assert ("", "things", "clear") == (empty, things, clear)
    assert segment
    assert isinstance(value, int | str)
    if name == "group_id":
        assert str(int(value)) == segment


@given(st.text("/.%2eEfF5cC\\#? {}ab0\n", max_size=12).map("/groups/{}".format))
def test_any_path_stays_in_its_place(template: str) -> None:
    """A path that is accepted has the segments that it shows, however often it is decoded."""
    try:
        path = fill_path(template, {})
    except ConfigurationError:
        return
    seen = path
    for _ in range(4):
        seen = unquote(seen)
        assert len(path.split("/")) == len(seen.split("/"))
        assert not {"", ".", ".."} & {*seen.split("/")[1:]}
        assert not {*"\\?#\n"} & {*path}
