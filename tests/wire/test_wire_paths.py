"""Paths: every value is exactly one segment, or is refused."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.wire import fill_path

RECEIVER = "/groups/{group_id}/receivers/{receiver_id}"

FILLED: dict[str, tuple[int | str, str]] = {
    "number": (7, "7"),
    "digits": ("7", "7"),
    "address": ("ann@mail.example", "ann%40mail.example"),
    "plus": ("a+b@mail.example", "a%2Bb%40mail.example"),
    "slash": ("a/b@mail.example", "a%2Fb%40mail.example"),
    "percent": ("a%2e@mail.example", "a%252e%40mail.example"),
    "umlaut": ("ü@mail.example", "%C3%BC%40mail.example"),
    "question mark and hash": ("a?b#c", "a%3Fb%23c"),
    "encoded dots": ("%2e%2e", "%252e%252e"),
    "dots with more": ("..a", "..a"),
    "three dots": ("...", "..."),
    "backslash": ("..\\x", "..%5Cx"),
    "surrounding blanks": (" ann@mail.example\n", "ann%40mail.example"),
    "inner blank": ("a b", "a%20b"),
    "comma": ("a,b", "a%2Cb"),
    "line break": ("a\r\nb", "a%0D%0Ab"),
    "braces": ("{group_id}", "%7Bgroup_id%7D"),
}


@pytest.mark.parametrize(("value", "segment"), FILLED.values(), ids=FILLED.keys())
def test_value_fills_one_segment(value: int | str, segment: str) -> None:
    """Nothing in a value can end its segment."""
    expected = f"/groups/7/receivers/{segment}"
    assert expected == fill_path(RECEIVER, {"group_id": 7, "receiver_id": value})


@pytest.mark.parametrize("value", ["", " ", "\t\n", ".", "..", " .. ", "\u00a0"])
def test_empty_and_dotted_values_are_refused(value: str) -> None:
    """They would address the collection or its parent, and the message says so."""
    with pytest.raises(ConfigurationError, match=r"receiver_id is .* would address something else"):
        fill_path(RECEIVER, {"group_id": 7, "receiver_id": value})


def test_missing_value_is_refused() -> None:
    """The error names the placeholder."""
    with pytest.raises(ConfigurationError, match=r"no value for \{receiver_id\}"):
        fill_path(RECEIVER, {"group_id": 7})


@pytest.mark.parametrize("template", ["", "groups", "//groups", "/groups//7", "/groups/", "/"])
def test_paths_with_empty_segments_are_refused(template: str) -> None:
    """Paths that a caller writes out too."""
    with pytest.raises(ConfigurationError, match="no empty segment"):
        fill_path(template, {})


def test_refused_path_hides_the_address() -> None:
    """A caller's own path may contain an address, which is not in the error."""
    with pytest.raises(ConfigurationError) as caught:
        fill_path("/receivers/ann@mail.example/", {})
    assert "mail.example" not in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_segment_round_trip(value: str) -> None:
    """A value that is accepted is decoded to itself, except for blanks at its ends."""
    text = value.strip()
    if text in {"", ".", ".."}:
        with pytest.raises(ConfigurationError):
            fill_path("/receivers/{receiver_id}/orders", {"receiver_id": value})
        return
    path = fill_path("/receivers/{receiver_id}/orders", {"receiver_id": value})
    empty, receivers, segment, orders = path.split("/")
    assert ("", "receivers", text, "orders") == (empty, receivers, unquote(segment), orders)
    assert path.isascii()
