"""Row sets, compared with the built-in set."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cleverreach_async.bulk.journal.rowset import RowSet

ROW = st.integers(1, 60)
SOME_ROWS = st.lists(ROW, max_size=30)
RUN = st.builds(range, ROW, ROW)


class RowSetMachine(RuleBasedStateMachine):
    """After the same operations, a row set and a set contain the same rows."""

    def __init__(self) -> None:
        super().__init__()
        self.model = set[int]()
        self.rows = RowSet()

    @rule(row=ROW)
    def add(self, row: int) -> None:
        """Add one row."""
        self.model.add(row)
        self.rows.add(row)

    @rule(rows=SOME_ROWS | RUN)
    def update(self, rows: Iterable[int]) -> None:
        """Add many rows."""
        self.model.update(rows)
        self.rows.update(rows)

    @rule(rows=SOME_ROWS | RUN)
    def difference_update(self, rows: Iterable[int]) -> None:
        """Remove many rows."""
        self.model.difference_update(rows)
        self.rows.difference_update(rows)

    @rule(below=st.integers(-1, 62))
    def trim(self, below: int) -> None:
        """Remove all rows below a row."""
        self.model = {row for row in self.model if row >= below}
        self.rows.trim(below)

    @rule()
    def convert_to_text_and_back(self) -> None:
        """Save and load it."""
        self.rows = RowSet.from_json(self.rows.to_json())

    @rule(row=ROW)
    def change_a_copy(self, row: int) -> None:
        """A copy is independent."""
        twin = self.rows.copy()
        assert twin == self.rows
        twin.add(row)
        twin.trim(row + 1)

    @invariant()
    def the_same_rows(self) -> None:
        """Rows, length and gaps are equal."""
        assert self.model == {row for row in range(-1, 63) if row in self.rows}
        assert len(self.model) == len(self.rows)
        assert bool(self.model) == bool(self.rows)
        assert RowSet(self.model) == self.rows
        for start in range(-1, 63):
            gap = next(row for row in range(start, 65) if row not in self.model)
            assert gap == self.rows.first_gap(start)

    @invariant()
    def ranges_are_as_few_as_possible(self) -> None:
        """They are sorted, and at least one row is missing between two of them."""
        ends = [end for pair in self.rows.ranges for end in pair]
        assert sorted(ends) == ends
        lasts = [last for _, last in self.rows.ranges[:-1]]
        firsts = [first for first, _ in self.rows.ranges[1:]]
        assert all(last + 1 < first for last, first in zip(lasts, firsts, strict=True))


TestRowSet = RowSetMachine.TestCase


def test_rows_in_order_are_one_range() -> None:
    """A million rows, in batches that complete out of order."""
    rows = RowSet()
    for start in range(1, 1_000_001, 2000):
        rows.update(range(start + 1000, start + 2000))
        rows.update(iter(range(start, start + 1000)))

    assert ((1, 1_000_000),) == rows.ranges
    assert 1_000_000 == len(rows)
    assert "1-1000000" == rows.to_json()
    assert 1_000_001 == rows.first_gap(1)


def test_the_text_is_short_and_readable() -> None:
    """A range of one row is written as that row."""
    assert "1-1000,1005" == RowSet([*range(1, 1001), 1005]).to_json()
    assert "<RowSet 3,5-6>" == repr(RowSet([6, 5, 3]))
    assert RowSet() == RowSet.from_json("")


@pytest.mark.parametrize(
    "text",
    [
        ",",
        "0",
        "-3",
        "1-",
        "2-1",
        "1-1",
        "1,2",
        "5,3",
        "1-4,4",
        "1, 3",
        "1_0",
        "٣",
        "1-2-3",
        "x",
        "+1",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    """Text that a row set would not have written is damage."""
    with pytest.raises(ValueError, match="range"):
        RowSet.from_json(text)


@given(st.text(alphabet="0123456789-,", max_size=12))
def test_text_has_one_form(text: str) -> None:
    """Text that can be read is written back unchanged."""
    try:
        rows = RowSet.from_json(text)
    except ValueError:
        return
    assert text == rows.to_json()


@pytest.mark.parametrize("row", [0, -1])
def test_row_numbers_begin_at_one(row: int) -> None:
    """A lower number is an error of the caller."""
    with pytest.raises(ValueError, match="begin at 1"):
        RowSet().add(row)


def test_a_row_set_is_not_hashable() -> None:
    """It is mutable; and it equals only other row sets."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(RowSet())
    other: object = {1}
    assert RowSet([1]) != other
