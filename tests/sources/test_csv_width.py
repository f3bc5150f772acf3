"""Rows of a CSV file with more or fewer cells than columns."""

from pathlib import Path

import pytest

from cleverreach_async import BadRow
from cleverreach_async.sources import read_csv


def outcomes(tmp_path: Path, text: str) -> list[str]:
    """First letter of the address of each row, or the code; the same wherever reading begins."""
    path = tmp_path / "customers.csv"
    path.write_bytes(text.encode())
    source = read_csv(path)
    positions = [source.tell()]
    found: list[str] = []
    for item in source:
        found.append(item.code if isinstance(item, BadRow) else item.receiver.email[0])
        positions.append(source.tell())
    for place, position in [*enumerate(positions)][:: 1 + len(positions) // 20]:
        other = read_csv(path)
        other.seek(position)
        rest = [it.code if isinstance(it, BadRow) else it.receiver.email[0] for it in other]
        assert rest == found[place:]
    return found


BAD = "ragged_row"
FULL = "a@x.example;Ann;Alt;24103;Kiel\n"
HEAD = "E-Mail;Vorname;Nachname;PLZ;Ort\n"


def test_a_delimiter_in_a_cell_moves_the_others(tmp_path: Path) -> None:
    """Where the last cell is empty, the row ends with an empty surplus cell."""
    rows = "a@x.example,Müller, Söhne GmbH,Berlin,\n", "b@x.example,Ben GmbH,Kiel,040\n"
    head = "Email,Company,City,Phone\n"
    assert outcomes(tmp_path, head + rows[0] + rows[1]) == [BAD, "b"]
    assert outcomes(tmp_path, head + rows[1] + rows[0]) == ["b", BAD]
    empty = "c@x.example,C GmbH,Kiel,\n"
    assert outcomes(tmp_path, head + rows[0] + rows[1] + empty) == [BAD, "b", "c"]


@pytest.mark.parametrize(
    "head", ["E-Mail;Vorname;Ort", "E-Mail;Vorname;Ort;", "E-Mail;Vorname;Ort;;"]
)
@pytest.mark.parametrize("count", [1, 2, 9, 60])
def test_a_delimiter_at_the_end_of_each_line_is_a_habit(
    tmp_path: Path, head: str, count: int
) -> None:
    """Some shops write it, in the header or not."""
    rows = "a@x.example;Ann;;\n;;;;;\n" + "b@x.example;Ben;Kiel;\n" * (count - 1)
    assert outcomes(tmp_path, f"{head[:-1] if head.endswith(';;') else head}\n{rows}") == [
        "a",
        *"b" * (count - 1),
    ]


@pytest.mark.parametrize(
    "bad", ["c@x.example;Kiel;", "c@x.example;Cy;Bau;Kiel;", "c@x.example;Cy;Bau;Kiel"]
)
def test_one_bad_row_does_not_end_a_habit(tmp_path: Path, bad: str) -> None:
    """Only that row is rejected."""
    good = "b@x.example;Ben;Kiel;\n" * 9
    text = f"E-Mail;Vorname;Ort\n{good}{bad}\n{good}"
    assert outcomes(tmp_path, text) == [*"b" * 9, BAD, *"b" * 9]


def test_rows_without_a_common_habit_are_rejected(tmp_path: Path) -> None:
    """Neither the row with a surplus cell nor the one without is known to be right."""
    rows = "a@x.example;Ann;Kiel;\nb@x.example;Kiel;\n"
    assert outcomes(tmp_path, f"E-Mail;Vorname;Ort\n{rows}") == [BAD, BAD]
    rows = "a@x.example;Ann;Kiel;\nb@x.example;Ben;Kiel\n"
    assert outcomes(tmp_path, f"E-Mail;Vorname;Ort\n{rows}") == [BAD, "b"]


@pytest.mark.parametrize(
    "row",
    [
        "b@x.example;Ben;50667;Köln\n",
        "b@x.example;Bau;50667;Köln\n",
        "b@x.example;Ben;Bau;Köln\n",
        "b@x.example;Ben;Kiel\n",
        "b@x.example;24103;Kiel\n",
    ],
)
def test_a_missing_cell_moves_the_others(tmp_path: Path, row: str) -> None:
    """The values fit other columns better, by their kind or because other rows have them there."""
    assert outcomes(tmp_path, f"{HEAD}{FULL}{row}") == ["a", BAD]
    assert outcomes(tmp_path, f"{HEAD}{row}{FULL}") == [BAD, "a"]
    assert outcomes(tmp_path, f"{HEAD}{FULL}{FULL}b@x.example;;;;Ulm\n{row}") == [*"aab", BAD]


def test_a_missing_cell_is_seen_without_other_rows(tmp_path: Path) -> None:
    """A postcode has digits, a name hardly any."""
    assert outcomes(tmp_path, f"{HEAD}b@x.example;Ben;50667;Köln\n") == [BAD]


@pytest.mark.parametrize(
    "row",
    [
        "b@x.example\n",
        "b@x.example;Ben\n",
        "b@x.example;Ben;Bau\n",
        "b@x.example;Ben;;50667\n",
        "b@x.example;4you GmbH\n",
        'b@x.example;Ben;"Bau\nKöln"\n',
    ],
)
def test_empty_cells_at_the_end_may_be_dropped(tmp_path: Path, row: str) -> None:
    """Some shops drop them, and then no row has any."""
    assert outcomes(tmp_path, f"{HEAD}{FULL}{row}") == ["a", "b"]
    assert outcomes(tmp_path, f"{HEAD}{FULL}{row}c@x.example;;;;\n") == ["a", BAD, "c"]


def test_a_rare_short_row_is_rejected(tmp_path: Path) -> None:
    """Whoever drops empty cells does so more than once in hundred rows."""
    assert outcomes(tmp_path, f"{HEAD}{FULL * 150}b@x.example;Ben\n") == [*"a" * 150, BAD]
    assert outcomes(tmp_path, f"{HEAD}{FULL * 99}b@x.example;Ben\n") == [*"a" * 99, "b"]


def test_messages_count_cells_and_columns(tmp_path: Path) -> None:
    """They do not show values."""
    path = tmp_path / "customers.csv"
    path.write_text(f"{HEAD}{FULL}b@x.example;Ben;50667;Köln\n", "utf-8")
    *_, bad = read_csv(path)
    assert isinstance(bad, BadRow)
    assert bad.message == (
        "the row has 4 cells, and there are 5 columns; if only empty cells at the end are missing,"
        " add them"
    )
    path.write_text("E-Mail;Ort\n" + "a@x.example;Kiel;\n" * 9 + "b@x.example;\n", "utf-8")
    *_, bad = read_csv(path)
    assert isinstance(bad, BadRow)
    assert bad.message.endswith("2 columns; other rows have 3 cells, the last of them empty")


def test_a_blank_line_where_rows_have_different_numbers_of_empty_cells(tmp_path: Path) -> None:
    """It is skipped, although no number of cells is the usual one."""
    rows = "a@x.example;Ann;\nb@x.example;Ben;;\n", "c@x.example;Cem;\nd@x.example;Dora;;\n"
    found = outcomes(tmp_path, "E-Mail;Vorname\n" + rows[0] + "\n" + rows[1])
    assert len(found) == 4
