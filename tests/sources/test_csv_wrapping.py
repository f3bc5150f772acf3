"""Values that were wrapped for a spreadsheet."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from cleverreach_async import BadRow
from cleverreach_async.sources import read_csv
from cleverreach_async.sources.csv_records import CsvRecord, Layout, records
from cleverreach_async.sources.line_offsets import Lines

MANY = 1500
"""More rows than are looked at before the first is read."""


def cities(tmp_path: Path, values: list[str], head: str = "Ort") -> tuple[list[object], list[str]]:
    """Values of a column as they are sent, and what is remarked about them."""
    path = tmp_path / "customers.csv"
    rows = "".join(f"p{n}@x.example;{value}\n" for n, value in enumerate(values))
    path.write_text(f"E-Mail;{head}\n{rows}", "utf-8")
    found: list[object] = []
    remarks: list[str] = []
    for item in read_csv(path):
        assert not isinstance(item, BadRow)
        assert isinstance(item.receiver.global_attributes, dict)
        found += item.receiver.global_attributes.values()
        remarks += [f"{it.kind} {it.text}" for it in item.remarks]
    return found, remarks


@pytest.mark.parametrize(
    ("values", "expected", "form"),
    [
        (['="01067"', '="24103"'], ["01067", "24103"], '="…"'),
        (['"=""01067"""'], ["01067"], '="…"'),
        (['="say ""x"""'], ['say "x"'], '="…"'),
        (["'01067"], ["01067"], "'…"),
        (["'+49 351", "'Kiel"], ["+49 351", "Kiel"], "'…"),
        (["'Kiel", "'Bonn", "'Ulm"], ["Kiel", "Bonn", "Ulm"], "'…"),
        (["'Kiel'", "'Ulm'"], ["Kiel", "Ulm"], "'…'"),
        (['"""VIP"""', '"""a ""x"" b"""'], ["VIP", 'a "x" b'], None),
        (['"""VIP"""', '"""Blog"""'], ["VIP", "Blog"], '"…"'),
    ],
)
def test_a_column_of_wrapped_values_is_unwrapped(
    tmp_path: Path, values: list[str], expected: list[str], form: str | None
) -> None:
    """And each row says so, without the value."""
    found, remarks = cities(tmp_path, values)
    if form is None:
        assert found == ['"VIP"', '"a "x" b"']
        return
    assert (found, remarks) == (
        expected,
        [f"changed column 'Ort': unwrapped from {form}"] * len(values),
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (['="01067"', "24103"], ['="01067"', "24103"]),
        (["'t Veld"], ["'t Veld"]),
        (["'t Veld", "'n Ort", "'s-Hertogenbosch"], ["'t Veld", "'n Ort", "'s-Hertogenbosch"]),
        (["'01067", "24103"], ["'01067", "24103"]),
        (["'Amr"], ["'Amr"]),
        (['"""Zum Löwen"""'], ['"Zum Löwen"']),
        (['"""VIP"",""Blog"""'] * 2, ['"VIP","Blog"'] * 2),
        (["=SUM(1)"], ["=SUM(1)"]),
    ],
)
def test_other_values_stay(tmp_path: Path, values: list[str], expected: list[str]) -> None:
    """Some names begin with an apostrophe, some companies have quotes."""
    assert cities(tmp_path, values) == (expected, [])


def test_the_whole_column_is_looked_at(tmp_path: Path) -> None:
    """A later value that is not wrapped shows that there is no habit."""
    values = ["'1"] * MANY
    assert cities(tmp_path, values)[0] == ["1"] * MANY
    assert cities(tmp_path, [*values, "2"])[0] == [*values, "2"]


@pytest.mark.parametrize("later", ['"=""1"""', "'1"])
def test_a_column_may_begin_with_empty_cells(tmp_path: Path, later: str) -> None:
    """The first value may come late."""
    path = tmp_path / "customers.csv"
    rows = "p@x.example;\n" * MANY
    path.write_text(f"E-Mail;PLZ\n{rows}q@x.example;{later}\n")
    *_, last = read_csv(path)
    assert not isinstance(last, BadRow)
    assert last.receiver.global_attributes == {"zip": "1"}


def test_ordinary_files_are_not_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first rows are, and the bytes if a column begins with empty cells."""
    path = tmp_path / "customers.csv"
    opened: list[int] = []

    def count(file: TextIO, lines: Lines, layout: Layout) -> Iterator[CsvRecord]:
        opened.append(1)
        return records(file, lines, layout)

    monkeypatch.setattr("cleverreach_async.sources.csv_table.records", count)
    path.write_text("E-Mail;Ort;PLZ\n" + "p@x.example;Kiel;\n" * MANY)
    assert sum(1 for _ in read_csv(path)) == MANY
    assert len(opened) == 1


def test_an_address_is_unwrapped(tmp_path: Path) -> None:
    """All columns are looked at; a bad row shows what the file has."""
    path = tmp_path / "customers.csv"
    path.write_text("E-Mail;Registriert am\n'a@x.example';=\"30.02.2024\"\n'b@x.example';\n")
    bad, good = read_csv(path)
    assert isinstance(bad, BadRow)
    assert bad.record == {"E-Mail": "'a@x.example'", "Registriert am": '="30.02.2024"'}
    assert not isinstance(good, BadRow)
    assert good.receiver.email == "b@x.example"
