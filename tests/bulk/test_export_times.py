"""Times of receivers that cannot be read: a state is never lost in a table."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cleverreach_async import BadRow, Detail, Receiver, SourceRow, read_csv
from cleverreach_async.bulk.export.columns import Columns, Remarks
from cleverreach_async.bulk.export.formats import CsvLines, TableLines
from cleverreach_async.resources.converter import structure

COLUMNS = Columns.of([], [], Detail(0))


def unsubscribed(value: object) -> Receiver:
    """A receiver as the API may send it."""
    sent = {"id": 7, "email": "ann@example.org", "registered": 1700000000, "deactivated": value}
    return structure(sent, Receiver, method="GET", path="/groups/1/receivers")


def read_again(path: Path, receiver: Receiver, remarks: Remarks) -> Any:
    """Write a receiver to a CSV file, and read it."""
    lines = CsvLines(COLUMNS, ";")
    path.write_bytes(lines.header + lines.lines([receiver], remarks))
    [row] = read_csv(path)
    return row


@pytest.mark.parametrize(
    "value",
    ["2024-01-01", "12.12.2024", "2024-01-01T00:00:00Z", True, "yes", 1700000000000, [1], {"a": 1}],
)
def test_a_time_that_cannot_be_read_stays(tmp_path: Path, value: object) -> None:
    """Whoever has unsubscribed is not active after an import: refused at most."""
    remarks = Remarks()
    row = read_again(tmp_path / "group.csv", unsubscribed(value), remarks)
    assert isinstance(row, BadRow) or row.receiver.deactivated
    assert {"deactivated": 1} == remarks.read_otherwise


@pytest.mark.parametrize("value", ["2024-01-01", True, "yes", 1700000000000, [1]])
def test_a_parquet_file_has_an_early_time_instead(value: object) -> None:
    """Its column has times only."""
    remarks = Remarks()
    [_, _, _, _, moment, *_] = msgspec.json.decode(
        TableLines(COLUMNS).lines([unsubscribed(value)], remarks)
    )
    assert 100_000_000 == moment
    assert {"deactivated": 1} == remarks.read_otherwise


@pytest.mark.parametrize("value", ["0000-00-00", "0000-00-00 00:00:00", False, [], {}, "", 0, None])
def test_what_stands_for_no_time_is_none(tmp_path: Path, value: object) -> None:
    """It is not counted."""
    remarks = Remarks()
    receiver = unsubscribed(value)
    row = read_again(tmp_path / "group.csv", receiver, remarks)
    assert isinstance(row, SourceRow)
    assert not row.receiver.deactivated
    [_, _, _, _, moment, *_] = msgspec.json.decode(TableLines(COLUMNS).lines([receiver], remarks))
    assert moment is None
    assert {} == remarks.read_otherwise
