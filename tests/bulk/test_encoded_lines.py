"""Rows that were encoded together are joined, counted and cut as if each were encoded alone."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.bulk.encoded_lines import EncodedLines
from cleverreach_async.bulk.rows import EncodedRow, join_rows, size_of
from cleverreach_async.transport.wire import encode_json, encode_json_lines

VALUES = st.lists(st.one_of(st.text(max_size=5), st.dictionaries(st.text(max_size=3), st.text())))


def rows_of(slices: list[list[Any]]) -> list[EncodedRow]:
    """Encode each slice at once; rows are numbered from 1."""
    rows: list[EncodedRow] = []
    for values in slices:
        lines = EncodedLines(len(rows) + 1, len(values), encode_json_lines(values))
        rows += [
            EncodedRow(str(number), lines, number, None, repeatable=True)
            for number in range(len(rows) + 1, len(rows) + len(values) + 1)
        ]
    return rows


@given(slices=st.lists(VALUES, max_size=4), data=st.data())
def test_any_rows_are_joined_in_their_order(slices: list[list[Any]], data: st.DataObject) -> None:
    """The body has the rows that are given, once each, wherever slices and batches are cut."""
    values = [value for one in slices for value in one]
    rows = rows_of(slices)
    numbers = [row.number for row in rows]
    if data.draw(st.booleans()):
        numbers = list(data.draw(st.permutations(numbers)))
    start = data.draw(st.integers(0, 9))
    numbers = numbers[start : start + data.draw(st.integers(0, 20))]
    if data.draw(st.booleans()) and rows:
        rows[0].body  # noqa: B018 - cuts its lines
    chosen = [rows[number - 1] for number in numbers]
    expected = [values[number - 1] for number in numbers]

    assert expected == msgspec.json.decode(join_rows(chosen))
    assert sum(len(encode_json(value)) for value in expected) == size_of(chosen)
    assert [encode_json(value) for value in values] == [row.body for row in rows]


def test_a_row_that_was_replaced_is_not_sent_with_its_lines() -> None:
    """A row without its orders has the number of the one with them."""
    rows = rows_of([["a", "b", "c"]])
    rows[1] = EncodedRow("2", b'"x"', 2, None, repeatable=True)

    assert b'["a","x","c"]' == join_rows(rows)
    assert 9 == size_of(rows)
