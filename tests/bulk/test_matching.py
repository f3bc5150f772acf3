"""Matching the items of a response to rows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.bulk.delivery.matching import Matched, code_of, match_rows, read_items
from cleverreach_async.bulk.rows import EncodedRow, rejected
from cleverreach_async.transport.wire import Response


def rows_of(*keys: str) -> list[EncodedRow]:
    """Return rows of these addresses."""
    return [
        EncodedRow(key, b"{}", number, None, repeatable=True) for number, key in enumerate(keys, 1)
    ]


def match(keys: tuple[str, ...], content: Any) -> Matched:
    """Match the content of a response to rows of these addresses."""
    items = read_items(Response(200, {}, json.dumps(content).encode()))
    assert items is not None
    return match_rows(rows_of(*keys), items)


def summary(matched: Matched) -> tuple[str, str, str]:
    """Return accepted, refused and missing addresses."""
    return (
        " ".join(row.key for row in matched.accepted),
        " ".join(row.key for row, _ in matched.refused),
        " ".join(row.key for row in matched.missing),
    )


A, B, C = "a@example.org", "b@example.org", "c@example.org"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            [{"id": "1", "email": A}, {"id": "2", "email": B}, {"id": "3", "email": C}],
            (f"{A} {B} {C}", "", ""),
        ),
        ([{"email": C.upper()}, {"email": A}, {"email": B}], (f"{C} {A} {B}", "", "")),
        ([{"email": A}, {"email": C}], (f"{A} {C}", "", B)),
        ([{"email": A}], (A, "", f"{B} {C}")),
        ([], ("", "", f"{A} {B} {C}")),
        ([{"status": "insert success", "id": 1}] * 3, (f"{A} {B} {C}", "", "")),
        ([{"status": "update success", "id": "1"}] * 2, ("", "", f"{A} {B} {C}")),
        (
            [
                {"status": "insert success", "id": 1},
                f"invalid address '{B}'",
                {"status": "update success", "id": 2},
            ],
            (f"{A} {C}", B, ""),
        ),
        (
            [
                {"status": "insert success"},
                {"status": "duplicate address"},
                {"status": "update success"},
            ],
            (f"{A} {C}", B, ""),
        ),
        ([f"invalid address '{C}'", {"email": A}], (A, C, B)),
        (
            [{"email": A, "error": "invalid address"}, {"email": B}, {"email": C}],
            (f"{B} {C}", A, ""),
        ),
        ([{"email": A}, {"email": A}, {"email": B}], (f"{A} {B}", "", C)),
        ([{"email": A}, {"email": "x@example.org"}, {"email": C}], (f"{A} {C}", "", B)),
        ([{"id": 5}, {"email": B}, {"email": C}], (f"{B} {C}", "", A)),
        ([None, {"email": B}, 17], (B, "", f"{A} {C}")),
        ({"0": {"email": A}, "2": {"email": C}}, (f"{A} {C}", "", B)),
        ({"1": {"email": B, "tags": {"0": "x"}}}, (B, "", f"{A} {C}")),
        (
            {
                "0": {"status": "insert success"},
                "1": f"invalid address '{B}'",
                "2": {"status": "insert success"},
            },
            (f"{A} {C}", B, ""),
        ),
        ({"0": {"status": "insert success"}}, ("", "", f"{A} {B} {C}")),
        (
            {"0": {"error": {"code": 400, "message": "invalid address"}, "email": A}},
            ("", A, f"{B} {C}"),
        ),
    ],
    ids=[
        "profiles in order",
        "profiles in another order and case",
        "a refused row left out",
        "a short response",
        "an empty response",
        "statuses by position",
        "too few statuses",
        "a bare string for a bad row",
        "a status for a bad row",
        "a string that contains the address",
        "an error beside a profile",
        "an address shown twice",
        "a foreign address",
        "an id proves nothing",
        "items of other types prove nothing",
        "profiles in a list with gaps",
        "one profile in a list with gaps",
        "statuses in an object",
        "too few statuses in an object",
        "an error that is an object",
    ],
)
def test_responses(content: Any, expected: tuple[str, str, str]) -> None:
    """Rows are matched by address, and by position only if no address contradicts it."""
    assert expected == summary(match((A, B, C), content))


def test_items_that_match_no_row_are_counted() -> None:
    """Unexpected items are an error of the server that should be visible."""
    assert 2 == match((A,), [{"email": A}, {"email": B}, {"email": A}]).unexpected


def test_a_single_object_is_the_response_to_one_row() -> None:
    """The API responds with an object instead of a list."""
    assert (A, "", "") == summary(match((A,), {"id": "1", "email": A}))


@pytest.mark.parametrize("content", [b"<html>", b"", b"[{", b"\xff\xfe", b"[" * 100_000])
def test_content_that_is_not_json_has_no_items(content: bytes) -> None:
    """It proves nothing about any row."""
    assert read_items(Response(200, {}, content)) is None


@pytest.mark.parametrize("content", [b"null", b"[]", b"{}", b"0"])
def test_a_response_without_items_accepts_no_row(content: bytes) -> None:
    """Every row is missing."""
    assert [] == read_items(Response(200, {}, content))


def test_text_in_another_encoding() -> None:
    """One odd byte in a profile does not put the other rows in doubt."""
    content = b'[{"email": "a@example.org", "source": "M\xfcller"}, {"email": "b@example.org"}]'
    items = read_items(Response(200, {}, content))
    assert items is not None
    assert (f"{A} {B}", "", "") == summary(match_rows(rows_of(A, B), items))


def test_unexpected_types_are_ignored() -> None:
    """A field of an unexpected type does not affect the other items."""
    assert (B, "", A) == summary(match((A, B), [{"email": 17, "status": None}, {"email": B}]))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("invalid address 'x'", "invalid_email"),
        ("duplicate address", "duplicate"),
        ("contact limit reached", "refused"),
    ],
)
def test_messages_have_stable_codes(message: str, code: str) -> None:
    """The server's message varies; the code does not."""
    assert code == code_of(message)


def test_addresses_in_messages_are_masked() -> None:
    """Messages are shown in samples and terminals; the row itself is in the rejects file."""
    assert A not in rejected(rows_of(A)[0], "refused", f"invalid address '{A}'").message


ITEMS = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.sampled_from([f"invalid address '{key}'" for key in (A, B, C, "x@example.org")]),
    st.fixed_dictionaries(
        {},
        optional={
            "email": st.sampled_from([A, B, C, A.upper(), "x@example.org", "", None]),
            "status": st.sampled_from(["insert success", "duplicate address", "", None]),
            "id": st.one_of(st.integers(), st.text(max_size=3)),
        },
    ),
)


@given(st.lists(ITEMS, max_size=6), st.sets(st.sampled_from([A, B, C]), min_size=1))
def test_every_row_is_in_exactly_one_class(content: list[Any], keys: set[str]) -> None:
    """With any response, no row is lost or invented."""
    matched = match(tuple(sorted(keys)), content)
    seen = [*matched.accepted, *(row for row, _ in matched.refused), *matched.missing]

    assert sorted(keys) == sorted(row.key for row in seen)


@given(st.permutations([A, B, C]), st.sets(st.sampled_from([A, B, C])))
def test_only_shown_receivers_are_accepted(order: list[str], shown: set[str]) -> None:
    """For whole receivers, the accepted rows are exactly those that the response shows."""
    content = [{"id": "1", "email": key} for key in order if key in shown]

    assert shown == {row.key for row in match((A, B, C), content).accepted}
