"""Matching the items of a response to rows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.effort import effort

from cleverreach_async.bulk.delivery.matching import Matched, code_of, match_rows
from cleverreach_async.bulk.delivery.response_items import read_items
from cleverreach_async.bulk.rows import EncodedRow, email_key, rejected
from cleverreach_async.transport.wire import Response


def rows_of(*keys: str) -> list[EncodedRow]:
    """Return rows of these addresses."""
    return [
        EncodedRow(key, b"{}", number, None, repeatable=True) for number, key in enumerate(keys, 1)
    ]


def shown(email: str) -> dict[str, Any]:
    """Return a receiver as responses show it."""
    return {"id": "7", "email": email}


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
        ([shown(C.upper()), shown(A), shown(B)], (f"{C} {A} {B}", "", "")),
        ([shown(A), shown(C)], (f"{A} {C}", "", B)),
        ([shown(A)], (A, "", f"{B} {C}")),
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
        ([f"invalid address '{C}'", shown(A)], (A, C, B)),
        (
            [shown(A) | {"error": "invalid address"}, shown(B), shown(C)],
            (f"{B} {C}", A, ""),
        ),
        ([shown(A), shown(A), shown(B)], (f"{A} {B}", "", C)),
        ([shown(A), shown("x@example.org"), shown(C)], (f"{A} {C}", "", B)),
        ([{"id": 5}, shown(B), shown(C)], (f"{B} {C}", "", A)),
        ([None, shown(B), 17], (B, "", f"{A} {C}")),
        ({"0": shown(A), "2": shown(C)}, (f"{A} {C}", "", B)),
        ({"1": shown(B) | {"tags": {"0": "x"}}}, (B, "", f"{A} {C}")),
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
    content = (
        json.dumps([shown(A) | {"source": "M?ller"}, shown(B)]).encode().replace(b"?", b"\xfc")
    )
    items = read_items(Response(200, {}, content))
    assert items is not None
    assert (f"{A} {B}", "", "") == summary(match_rows(rows_of(A, B), items))


def test_unexpected_types_are_ignored() -> None:
    """A field of an unexpected type does not affect the other items."""
    assert (B, "", A) == summary(match((A, B), [{"email": 17, "status": None}, shown(B)]))


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


NO_SUCCESS: dict[str, Any] = {
    "success is false": {"success": False},
    "success is 0": {"success": 0},
    "success is a text": {"success": "false"},
    "success is empty": {"success": ""},
    "success is another text": {"success": "no"},
    "errors": {"errors": ["the city is too long"]},
    "an object of errors": {"errors": {"city": ["too long"]}},
    "an error": {"error": "locked"},
    "an error that is true": {"error": True},
    "a code and a message": {"code": 422, "message": "Unprocessable"},
    "a code": {"code": "E42"},
    "a message": {"message": "not stored"},
    "status is false": {"status": False},
    "status is 0": {"status": 0},
    "status is empty": {"status": ""},
    "status is blank": {"status": "  "},
    "status is 500": {"status": 500},
    "no success": {"status": "no success"},
    "insert: no success": {"status": "insert: no success"},
    "not success": {"status": "not-success"},
    "half a success": {"status": "partial success"},
    "success?": {"status": "success?"},
    "a success and an error": {"status": "insert success", "error": "locked"},
    "a success and errors": {"status": "success", "errors": ["locked"]},
    "a success and a code": {"status": "insert success", "code": 500, "message": "oops"},
    "two answers": {"status": "insert success", "success": False},
    "an error that is an object": {"error": {"code": 7, "message": "locked"}},
    "a list of statuses": {"status": ["failed"]},
    "an id of 0": {"id": 0},
    "an id of text 0": {"id": "0"},
    "no id": {"id": None},
    "an id of words": {"id": "none"},
    "a negative id": {"id": -1},
    "an id that is true": {"id": True},
}


@pytest.mark.parametrize("fields", NO_SUCCESS.values(), ids=NO_SUCCESS)
def test_acceptance_is_proved(fields: dict[str, Any]) -> None:
    """An item that only echoes the address accepts nothing; nor does it change the other items."""
    odd = shown(A) | fields

    assert A not in summary(match((A,), [odd]))[0]
    assert B == summary(match((A, B), [odd, shown(B)]))[0]
    assert B == summary(match((A, B), [odd, {"status": "update success"}]))[0]


GOOD: dict[str, Any] = {
    "an id": {},
    "a number as id": {"id": 7},
    "a word of success": {"status": "Insert Success", "id": 0},
    "success is true": {"success": True},
    "success is 1": {"success": 1, "status": "update success"},
    "no error": {"error": None, "errors": [], "code": 0, "message": ""},
    "false for no error": {"error": False, "errors": {}},
    "the HTTP status": {"status": 200, "code": 200, "message": "OK"},
    "no status": {"status": None},
}


@pytest.mark.parametrize("fields", GOOD.values(), ids=GOOD)
def test_a_success_in_any_usual_form(fields: dict[str, Any]) -> None:
    """An exact word of success, or an id and nothing that looks like an error."""
    assert (f"{A} {B}", "", "") == summary(match((A, B), [shown(A) | fields, shown(B)]))


@pytest.mark.parametrize("length", [100_000, 1_000_000])
@pytest.mark.parametrize("text", ["'@", "a@", "'a", "<", "x", "'a@b"], ids=repr)
def test_a_long_message_takes_little_time_and_is_cut(text: str, length: int) -> None:
    """At most 2 kB of it is kept for a row, however it is made."""
    message = text * (length // len(text))
    with effort() as spent:
        matched = match((A, B), [message, {"error": message, "email": B}])
        results = [rejected(row, code_of(words), words) for row, words in matched.refused]

    assert spent.loops < 4
    assert all(len(result.message.encode()) <= 2048 for result in results)
    assert B in summary(matched)[1]


SPELLINGS: dict[str, tuple[str, str]] = {
    "Punycode": ("ann@b\u00fccher.example", "ann@xn--bcher-kva.example"),
    "no Punycode": ("ann@xn--bcher-kva.example", "ann@b\u00fccher.example"),
    "decomposed": ("j\u00fcrgen@example.org", "ju\u0308rgen@example.org"),
    "compatible letters": ("\uff41nn@example.org", "ann@example.org"),
    "case folded": ("stra\u00dfe@example.org", "strasse@example.org"),
    "upper case": ("ann@example.org", "ANN@EXAMPLE.ORG"),
    "dots": ("an.n@gmail.com", "ann@gmail.com"),
    "plus": ("ann+news@gmail.com", "ann@gmail.com"),
    "the other domain": ("ann@googlemail.com", "ann@gmail.com"),
}


@pytest.mark.parametrize(("sent", "shown_as"), SPELLINGS.values(), ids=SPELLINGS)
def test_addresses_in_the_form_of_the_server(sent: str, shown_as: str) -> None:
    """They are matched by position, and by what the spellings have in common."""
    key = email_key(sent)

    assert (f"{A} {key}", "", "") == summary(match((A, key), [shown(A), shown(shown_as)]))
    matched = match((A, key, C), [shown(shown_as), shown(A)])
    assert ({A, key}, [C]) == (
        {row.key for row in matched.accepted},
        [row.key for row in matched.missing],
    )
    refused = match((A, key), [f"invalid address '{shown_as}'"])
    assert ("", key, A) == summary(refused)


def test_a_spelling_that_two_rows_have_decides_nothing() -> None:
    """Only the item of the same address does."""
    keys = ("ann@gmail.com", "a.nn@gmail.com")

    assert ("ann@gmail.com", "", "a.nn@gmail.com") == summary(match(keys, [shown(keys[0])]))
    swapped = match(keys, [shown(keys[1]) | {"error": "locked"}, shown(keys[0])])
    assert ("ann@gmail.com", "a.nn@gmail.com", "") == summary(swapped)


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
