"""Tables of pyarrow, as engines pass them: of many types, and in many parts."""

from importlib import import_module
from typing import Any

import pytest

from cleverreach_async import SourceError
from cleverreach_async.integrations.tables import as_table, sorted_by

pa: Any = import_module("pyarrow")  # brings no types

TABLE = pa.table({"email": ["a", "b", "c"], "orders": [None, [{"order_id": "A"}], None]})


def test_batches_and_tables_become_one_table() -> None:
    """A column that is empty in one block has another type there."""
    empty = pa.table({"email": ["d"], "orders": pa.array([None], pa.null())})
    assert 7 == as_table([TABLE, *TABLE.to_batches(), empty], "rows").num_rows
    assert 3 == as_table(TABLE.to_batches()[0], "rows").num_rows
    assert as_table([], "rows") is None


@pytest.mark.parametrize("kind", ["string_view", "string", "large_string"])
@pytest.mark.parametrize("list_of", [pa.list_, pa.large_list])
def test_views_of_texts_can_be_sorted(kind: str, list_of: Any) -> None:
    """As polars passes them, also within orders, and beside blocks with other texts."""
    text = getattr(pa, kind)()
    orders = list_of(pa.struct([("order_id", text)]))
    rows: dict[str, Any] = {
        "email": pa.array(["b", "a"], text),
        "orders": pa.array([[{"order_id": "B"}], None], orders),
    }
    plain = pa.table({"email": ["c"]})
    table = sorted_by(as_table([pa.table(rows), plain], "rows"), [1, 0, 2], "rows")
    assert ["a", "b", "c"] == table.column("email").to_pylist()
    assert [None, [{"order_id": "B"}], None] == table.column("orders").to_pylist()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "rows are of type NoneType; pass tables or batches of pyarrow"),
        ([{"email": "a"}], "rows are of type dict; pass tables"),
        ({"email": ["a"]}, "rows are of type str; pass tables"),
        ([TABLE, pa.table({"email": [5]})], "columns do not fit together .*incompatible types"),
        (pa.Table.from_arrays([[1], [2]], names=["a", "a"]), "columns do not fit together .*dupl"),
    ],
)
def test_what_cannot_be_read_is_an_error_of_ours(data: Any, said: str) -> None:
    """It names the partition and says what to pass."""
    with pytest.raises(SourceError, match=f"partition 3: .*{said}"):
        as_table(data, "partition 3")


def test_a_type_that_cannot_be_sorted_is_named() -> None:
    """No error of pyarrow reaches the engine."""
    packed = pa.table({"a": pa.RunEndEncodedArray.from_arrays([2], ["x"])})
    with pytest.raises(SourceError, match=r"cannot be sorted \(.*run_end.*\); cast it"):
        sorted_by(packed, [1, 0], "the partition")
