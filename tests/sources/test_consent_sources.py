"""Every source refuses columns and file names that look like consent, unless told otherwise."""

import json
import sqlite3
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cleverreach_async import (
    ConfigurationError,
    SourceRow,
    read_arrow,
    read_csv,
    read_cursor,
    read_json_lines,
    read_parquet,
    read_records,
    read_rows,
)
from cleverreach_async.sources.rejects_file import read_rejects

# It brings no types.
pa: Any = import_module("pyarrow")
pq: Any = import_module("pyarrow.parquet")

pytestmark = pytest.mark.anyio

COLUMNS = {"E-Mail": ["ann@example.org"], "Mailing erlaubt": ["ja"]}
STOPS = "column 'Mailing erlaubt' may say who wants mail"


def write_csv(folder: Path, name: str = "customers.csv") -> Path:
    """Write a file with a column of consent that is not recognised."""
    path = folder / name
    path.write_text("E-Mail;Mailing erlaubt\nann@example.org;ja\n", "utf-8")
    return path


def write_parquet(folder: Path) -> Path:
    """Write the same as Parquet."""
    path = folder / "customers.parquet"
    pq.write_table(pa.table(COLUMNS), path)
    return path


def records(**options: Any) -> Any:
    """Read the same from mappings."""
    return read_records([{"E-Mail": "ann@example.org", "Mailing erlaubt": "ja"}], **options)


def read(kind: str, folder: Path, **options: Any) -> Any:
    """Read the same from any source."""
    match kind:
        case "csv":
            return read_csv(write_csv(folder), **options)
        case "csv by suffix":
            return read_rows(write_csv(folder), **options)
        case "parquet":
            return read_parquet(write_parquet(folder), **options)
        case "parquet by suffix":
            return read_rows(write_parquet(folder), **options)
        case "arrow":
            return read_arrow(pa.table(COLUMNS), **options)
        case _:
            return records(**options)


@pytest.mark.parametrize(
    "kind", ["csv", "csv by suffix", "parquet", "parquet by suffix", "arrow", "records"]
)
def test_a_column_stops_before_the_first_row(kind: str, tmp_path: Path) -> None:
    """Until it is mapped, left out by name, or the check is switched off."""
    with pytest.raises(ConfigurationError, match=STOPS):
        list(read(kind, tmp_path))
    choices: list[dict[str, Any]] = [
        {"mapping": {"Mailing erlaubt": "subscribed"}},
        {"mapping": {"Mailing erlaubt": "-"}},
        {"check_consent": False},
    ]
    for options in choices:
        assert [type(row) for row in read(kind, tmp_path, **options)] == [SourceRow]


async def test_a_column_of_a_database_stops_before_the_first_row() -> None:
    """By a cursor and by a query with a key."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    select = "SELECT 1 AS id, 'ann@example.org' AS email, 1 AS \"Mailing erlaubt\""
    with pytest.raises(ConfigurationError, match=STOPS):
        _ = [row async for row in read_cursor(connection.execute(select))]

    def query(_: object) -> sqlite3.Cursor:
        return connection.execute(select)

    with pytest.raises(ConfigurationError, match=STOPS):
        _ = [row async for row in read_cursor(query, key="id")]
    rows = [row async for row in read_cursor(connection.execute(select), check_consent=False)]
    assert [type(row) for row in rows] == [SourceRow]


def test_the_name_of_a_file_stops(tmp_path: Path) -> None:
    """Also of JSON Lines, whose columns are not known; a folder's name does not."""
    folder = tmp_path / "unsubscribed"
    folder.mkdir()
    csv = folder / "abgemeldet.csv"
    csv.write_text("email\nann@example.org\n", "utf-8")
    lines = folder / "blacklist.jsonl"
    lines.write_text(json.dumps({"email": "ann@example.org"}), "utf-8")
    for path in (csv, lines):
        with pytest.raises(ConfigurationError, match="says that the people in the file"):
            read_rows(path)
        assert len(list(read_rows(path, check_consent=False))) == 1
    with pytest.raises(ConfigurationError, match="are blocked"):
        read_json_lines(lines)
    assert len(list(read_json_lines(lines, check_consent=False))) == 1
    assert len(list(read_csv(csv.rename(folder / "customers.csv")))) == 1


def test_a_rejects_file_may_have_any_name(tmp_path: Path) -> None:
    """Its rows were accepted by the check when the import began."""
    path = tmp_path / "unsubscribed.rejects.jsonl"
    path.write_text(json.dumps({"receiver": {"email": "ann@example.org"}}), "utf-8")
    assert len(list(read_rejects(path))) == 1


def test_the_message_shows_no_cell(tmp_path: Path) -> None:
    """Only names of columns."""
    with pytest.raises(ConfigurationError) as caught:
        read_csv(write_csv(tmp_path))
    assert "ann@" not in str(caught.value)
