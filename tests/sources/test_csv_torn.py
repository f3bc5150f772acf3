"""Rows of a CSV file that stray quotes or the end of a file tore apart."""

from pathlib import Path

import pytest

from cleverreach_async import BadRow
from cleverreach_async.sources import read_csv


def outcomes(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    """Line and first letter of the address, or code; the same wherever reading begins."""
    path = tmp_path / "customers.csv"
    path.write_bytes(text.encode())
    source = read_csv(path)
    positions = [source.tell()]
    found: list[tuple[int | None, str]] = []
    for item in source:
        outcome = item.code if isinstance(item, BadRow) else item.receiver.email[0]
        found.append((item.line, outcome))
        positions.append(source.tell())
    for place, position in enumerate(positions):
        other = read_csv(path)
        other.seek(position)
        assert len(list(other)) == len(found) - place
        other.seek(position)
        codes = [it.code if isinstance(it, BadRow) else it.receiver.email[0] for it in other]
        assert codes == [outcome for _, outcome in found[place:]]
    return found


TORN = "torn_quote"
HEAD = "E-Mail;Firma;Ort\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            'a@x.example;"Zum Löwen;Kiel\nb@x.example;B;Ulm\nc@x.example;Krone";Kiel\n',
            [TORN, "b", TORN],
        ),
        ('a@x.example;"Zum Löwen;Kiel\nb@x.example;Krone";Kiel\n', [TORN, TORN]),
        ('"a@x.example;Löwe;Kiel\nb@x.example";Krone;Kiel\n', [TORN, TORN]),
        ('a@x.example;A;"Kiel\nb@x.example;B;Ulm"\nc@x.example;C;Bonn\n', [TORN, TORN, "c"]),
        (
            'a@x.example;"Löwe;Kiel\nb@x.example;B;Ulm;\nc@x.example;C";Bonn\n',
            [TORN, "ragged_row", TORN],
        ),
        ('a@x.example;"Löwe;Kiel\nb@x.example;B";Ulm;x;y\n', [TORN, "ragged_row"]),
    ],
)
def test_rows_between_two_stray_quotes_are_reported(
    tmp_path: Path, rows: str, expected: list[str]
) -> None:
    """Each with its line; those that are whole are read."""
    found = outcomes(tmp_path, HEAD + rows + "z@x.example;Z;Jena\n")
    lines = range(2, 2 + len(expected))
    assert found == [*zip(lines, expected, strict=True), (len(expected) + 2, "z")]


def test_stray_quotes_do_not_join_rows_without_empty_cells(tmp_path: Path) -> None:
    """The rows of such a file have fewer cells than columns."""
    rows = 'a@x.example;"Löwe\nb@x.example;B;Ulm\nc@x.example;C";Bonn\nd@x.example\n'
    assert [outcome for _, outcome in outcomes(tmp_path, HEAD + rows)] == [TORN, "b", TORN, "d"]
    rows = '"a@x.example;A\nb@x.example;B\nc@x.example";C\nd@x.example\n'
    found = [outcome for _, outcome in outcomes(tmp_path, HEAD + rows)]
    assert found == [TORN, "ragged_row", "ragged_row", "d"]


@pytest.mark.parametrize(
    "row",
    [
        'a@x.example;"Weg 1\nHinterhaus";Kiel\n',
        'a@x.example;"one; two\nthree; four";Kiel\n',
        'a@x.example;A;"one\ntwo; three; four\nfive"\n',
        'a@x.example;A;"see\nb@x.example; B; Ulm\n"\n',
        'a@x.example;"contact:\nb@x.example";Kiel\n',
        '"a@x.example";"one;two\nthree";"four\r\nfive"\n',
        '"a@x.example\n";A;Kiel\n',
        'a@x.example;"one ""two\nthree"" four";Kiel\n',
    ],
)
def test_a_cell_of_several_lines_is_accepted(tmp_path: Path, row: str) -> None:
    """Addresses and remarks have line ends and delimiters."""
    assert [outcome for _, outcome in outcomes(tmp_path, f"{HEAD}{row}")] == ["a"]


def test_a_remark_may_hold_an_address_and_a_delimiter(tmp_path: Path) -> None:
    """A file of two columns has few delimiters in a row."""
    text = 'E-Mail,Note\na@x.example,"Old address:\nb@x.example, still used\nby her"\n'
    assert [outcome for _, outcome in outcomes(tmp_path, text)] == ["a"]
    text = 'Firma;Ort;E-Mail\n"one;two\nthree";Kiel;a@x.example\n'
    assert [outcome for _, outcome in outcomes(tmp_path, text)] == ["a"]


CUT = "cut_row"


def last(tmp_path: Path, header: str, others: str, row: str) -> str:
    """Outcome of the last row, without a line end, after others."""
    return outcomes(tmp_path, f"{header}\n{others}{row}")[-1][1]


@pytest.mark.parametrize("row", ["b@x.example", "b@x.example;Ben", "b@x.exa"])
def test_a_short_last_row_is_cut(tmp_path: Path, row: str) -> None:
    """Even if other rows leave out empty cells."""
    for other in ("a@x.example;Ann;Kiel\n", "a@x.example\n"):
        assert last(tmp_path, "E-Mail;Vorname;Ort", other, row) == CUT
        assert last(tmp_path, "E-Mail;Vorname;Ort", other, f"{row}\n") == "b"


def test_a_last_row_without_its_last_delimiter_is_cut(tmp_path: Path) -> None:
    """Where the other rows end with one."""
    head, other = "E-Mail;Ort", "a@x.example;Kiel;\n" * 3
    assert last(tmp_path, head, other, "b@x.example;Ki") == CUT
    assert last(tmp_path, head, other, "b@x.example;Kiel;") == "b"


@pytest.mark.parametrize(
    ("head", "others", "cut", "whole"),
    [
        ("Abgemeldet am", [""], "01.02.20", "01.02.2024"),
        ("Abgemeldet am", [""], "2024-02-1", "2024-02-10"),
        ("Abgemeldet am", ["01.02.2024"], "1.2.20", "1.2.2024"),
        ("Abgemeldet am", ["01.02.24"], "01.02.2", "01.12.23"),
        ("Registriert am", ["2024-02-01 10:00:00"], "2024-02-01 10:0", "2023-02-01 11:00:00"),
        ("Registriert am", ["1704067200"], "170406720", "1704067201"),
        ("Geburtstag", ["12.3.1985"], "1.12.19", "01.12.1990"),
        ("PLZ", ["01067"], "24", "24103"),
        ("Kundennummer", ["10001", "10002", "20001"], "2000", "20002"),
        ("Anrede", ["Frau", "Herr"] * 3, "Her", "Herr"),
        ("Ort", ["Kiel", "Ulm", "Bonn", "Jena"] * 25, "", "Rom"),
    ],
)
def test_a_last_value_that_differs_from_the_others_is_cut(
    tmp_path: Path, head: str, others: list[str], cut: str, whole: str
) -> None:
    """A file that was cut says less than was exported."""
    rows = "".join(f"a@x.example;{value}\n" for value in others)
    assert last(tmp_path, f"E-Mail;{head}", rows, f"b@x.example;{cut}") == CUT
    assert last(tmp_path, f"E-Mail;{head}", rows, f"b@x.example;{whole}") == "b"


@pytest.mark.parametrize("cut", ["b@", "b@x", "b@x.", "b@x.e", "b@x.exa", "b@web.example"])
def test_an_address_at_the_end_is_cut(tmp_path: Path, cut: str) -> None:
    """Its domain is incomplete, or the beginning of another."""
    rows = "1;a@x.example\n2;a@web.example.org\n"
    assert last(tmp_path, "Nr;E-Mail", rows, f"3;{cut}") == CUT
    assert last(tmp_path, "Nr;E-Mail", rows, "3;b@y.test") == "b"


@pytest.mark.parametrize(
    ("head", "others", "value"),
    [
        ("Ort", ["Kiel", "Ulm"], "Ki"),
        ("Ort", ["Kiel", "Ulm"], ""),
        ("Abgemeldet am", ["01.02.2024"], ""),
        ("Abgemeldet am", ["", "01.02.2024"], ""),
        ("Bestätigt am", ["1704067200"], "0"),
        ("Umsatz", ["100", "200"], "9"),
        ("Telefon", ["0351 123"], "0351 1"),
        ("Notiz", ["01.02.2024"], "01.02.20"),
    ],
)
def test_a_last_line_without_a_line_end_is_a_row(
    tmp_path: Path, head: str, others: list[str], value: str
) -> None:
    """Many editors do not write one."""
    rows = "".join(f"a@x.example;{other}\n" for other in others)
    for end in ("", "\n", "\r"):
        assert last(tmp_path, f"E-Mail;{head}", rows, f"b@x.example;{value}{end}") == "b"


def test_quotes_show_whether_the_last_cell_is_whole(tmp_path: Path) -> None:
    """A cell that ends with a quote was not cut, and one without is, where all others have them."""
    rows = '"a@x.example";"01.02.2024"\n'
    assert last(tmp_path, "E-Mail;Abgemeldet am", rows, '"b@x.example";"01.02.20"') == "b"
    assert last(tmp_path, "E-Mail;Abgemeldet am", rows, '"b@x.example";') == CUT
    assert last(tmp_path, "E-Mail;Abgemeldet am", rows, '"b@x.example";"01') == "unclosed_quote"
