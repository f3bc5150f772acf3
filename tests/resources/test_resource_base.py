"""Functions that all resources share."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cleverreach_async.errors import ConfigurationError, NotFoundError
from cleverreach_async.resources.base import (
    body,
    decode_list,
    receiver_path,
    unwrap,
)
from cleverreach_async.resources.groups import Group
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.transport.wire import build_request, to_unix

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def test_body_leaves_out_unset_fields() -> None:
    """``UNSET`` is not sent. ``None`` and other falsy values are."""
    expected = {"none": None, "empty": "", "zero": 0, "false": False, "at": 1767225600}
    assert expected == body(none=None, empty="", zero=0, false=False, at=NEW_YEAR, left_out=UNSET)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(NEW_YEAR, 1767225600, id="UTC"),
        pytest.param(NEW_YEAR.astimezone(timezone(timedelta(hours=-5))), 1767225600, id="other"),
        pytest.param(NEW_YEAR + timedelta(milliseconds=999), 1767225600, id="fraction"),
        pytest.param(5, 5, id="seconds"),
        pytest.param("now", "now", id="text"),
        pytest.param(None, None, id="none"),
    ],
)
def test_to_unix(value: object, expected: object) -> None:
    """Aware times become whole seconds, other values stay."""
    assert expected == to_unix(value)


def test_naive_time_is_refused() -> None:
    """A guessed time zone could shift it by hours."""
    with pytest.raises(ConfigurationError, match="no time zone"):
        to_unix(datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"id": 1}, {"id": 1}, id="object"),
        pytest.param([{"id": 1}], {"id": 1}, id="list of one"),
        pytest.param([1, 2], [1, 2], id="list of two"),
        pytest.param(None, None, id="nothing"),
        pytest.param("text", "text", id="text"),
    ],
)
def test_unwrap(value: object, expected: object) -> None:
    """A list of one is its item."""
    assert expected == unwrap(value, build_request("GET", "/groups"))


@pytest.mark.parametrize(
    "value", [{"2025": {"sent": 5}}, {"0": 5}, {"a": {"id": "a"}}, {"1": 1, "2": 2}]
)
def test_unwrap_keeps_numbers_as_keys(value: object) -> None:
    """Of an object whose fields are not documented they may be days or ids."""
    request = build_request("GET", "/groups")
    assert value == unwrap(value, request, keys_may_be_numbers=True)


def test_unwrap_of_an_empty_list() -> None:
    """An empty list means not found."""
    with pytest.raises(NotFoundError, match="GET /groups: 404 Not Found"):
        unwrap([], build_request("GET", "/groups"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param([{"id": 1}], (Group(id=1),), id="list"),
        pytest.param({"id": 1}, (Group(id=1),), id="lone"),
        pytest.param([], (), id="empty"),
        pytest.param(False, (), id="false"),
        pytest.param(None, (), id="null"),
    ],
)
def test_decode_list(value: object, expected: tuple[Group, ...]) -> None:
    """Every form of a list is read."""
    assert expected == decode_list(value, Group, method="GET", path="/groups")


@pytest.mark.parametrize(
    ("group_id", "expected"),
    [
        (None, ("/receivers/{receiver_id}", {"receiver_id": 1})),
        (
            7,
            (
                "/groups/{group_id}/receivers/{receiver_id}",
                {"group_id": 7, "receiver_id": 1},
            ),
        ),
    ],
)
def test_receiver_path(group_id: int | None, expected: tuple[str, dict[str, int]]) -> None:
    """The same receiver in a group or in the whole account."""
    assert expected == receiver_path(1, group_id)
