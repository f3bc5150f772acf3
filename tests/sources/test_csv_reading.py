"""Rows of a CSV file become receivers."""

import csv
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from cleverreach_async import BadRow, ConfigurationError, ReceiverInput, SourceError, SourceRow
from cleverreach_async.sources import CsvSource, JsonLinesSource, read_csv, read_rows


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """Write a file with its line ends as they are."""
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Path of a file that does not exist yet."""
    return tmp_path / "customers.csv"


def receivers(source: CsvSource) -> list[ReceiverInput]:
    """Read a file that has no bad rows."""
    items = list(source)
    assert [item for item in items if isinstance(item, BadRow)] == []
    return [item.receiver for item in items if isinstance(item, SourceRow)]


def test_a_row_becomes_a_receiver(file: Path) -> None:
    """Every field and attribute gets the text of its cell, without blanks around it."""
    write(
        file,
        "E-Mail;Vorname;PLZ;Geburtstag;Geschlecht;Registriert am;Bestätigt am;Quelle;Tags;Filiale\n"
        " ann@example.org ; Ann ;01067;12.3.1985;Frau;2025-12-31T12:00:00Z;0;Shop;a, b|c,;Kiel\n",
    )
    expected = ReceiverInput(
        "ann@example.org",
        registered=1767182400,
        activated=None,
        source="Shop",
        attributes={"branch": "Kiel"},
        global_attributes={
            "firstname": "Ann",
            "zip": "01067",
            "birthday": "1985-03-12",
            "gender": "female",
        },
        tags=["a", "b", "c"],
    )
    source = read_csv(file, mapping={"Filiale": "attributes.branch"})
    assert list(source) == [SourceRow(expected, 2)]


def test_empty_cells_are_not_sent(file: Path) -> None:
    """The server keeps its value; a map without values is not sent either."""
    write(file, "email;Vorname;Registriert am;Quelle;Tags;x\nann@example.org;; ;;,;\n")
    source = read_csv(file, mapping={"x": "attributes.x"})
    assert receivers(source) == [ReceiverInput("ann@example.org")]


def test_a_source_can_be_read_again(file: Path) -> None:
    """Each loop begins at the start, even while another is running."""
    write(file, "email\n" + "".join(f"p{n}@example.org\n" for n in range(5)))
    source = read_csv(file)
    first = iter(source)
    assert [item.line for item in islice(first, 2)] == [2, 3]
    assert [item.line for item in source] == [2, 3, 4, 5, 6]
    assert [item.line for item in first] == [4, 5, 6]


def test_the_source_describes_the_file(file: Path) -> None:
    """A progress bar and the mapping can be displayed."""
    write(file, "E-Mail;Umsatz\n" + "ann@example.org;12\n" * 20_000)
    source = read_csv(file)
    size = file.stat().st_size
    assert (str(file), size, 0) == (source.path, source.size, source.bytes_read)
    assert (source.encoding, source.delimiter) == ("utf-8", ";")
    assert source.mapping is not None
    assert source.mapping.left_out == ("Umsatz",)
    assert repr(source) == f"CsvSource({str(file)!r}, encoding='utf-8')"
    rows = iter(source)
    next(rows)
    assert 0 < source.bytes_read < size
    assert len(list(rows)) == 19_999
    assert source.bytes_read == size


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(file: Path, delimiter: str, end: str) -> None:
    """Column separator and line ends are detected."""
    lines = ['"E-Mail"', "Vorname"], ["ann@example.org", '"Ann; Bea, Cem|\tDora"'], ["b@x.example"]
    write(file, "".join(delimiter.join(cells) + end for cells in lines))
    source = read_csv(file)
    assert delimiter == source.delimiter
    assert receivers(source) == [
        ReceiverInput("ann@example.org", global_attributes={"firstname": "Ann; Bea, Cem|\tDora"}),
        ReceiverInput("b@x.example"),
    ]


@pytest.mark.parametrize("line", ["sep=|", '"sep=|"', "SEP=|"])
def test_the_line_of_excel_is_honoured(file: Path, line: str) -> None:
    """``sep=`` names the delimiter and is not a header."""
    write(file, f"{line}\r\nemail|a;b;c;d\r\nann@example.org|1\r\n")
    source = read_csv(file, mapping={"a;b;c;d": "letters"})
    assert source.delimiter == "|"
    assert [item.line for item in source] == [3]
    assert read_csv(file, delimiter="|").delimiter == "|"


def test_the_callers_delimiter_is_used(file: Path) -> None:
    """An explicit delimiter disables the detection."""
    write(file, "email,a;b;c;d\nann@example.org,1\n")
    assert read_csv(file, delimiter=",").delimiter == ","


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", " "])
def test_an_impossible_delimiter_is_refused(file: Path, delimiter: str) -> None:
    """It cannot separate columns."""
    with pytest.raises(ConfigurationError, match="one character"):
        read_csv(file, delimiter=delimiter)


def test_the_header_may_be_anywhere_at_the_top(file: Path) -> None:
    """Blank lines before it, a line break inside it, and columns without a name."""
    write(file, '\n\n"E-Mail\nAdresse";Vorname;;\nann@example.org;Ann;x;y\n')
    source = read_csv(file)
    assert source.mapping is not None
    assert source.mapping.pairs == (("E-Mail Adresse", "email"), ("Vorname", "firstname"))
    assert source.mapping.left_out == ("column 3", "column 4")
    assert [item.line for item in source] == [5]


def test_blank_lines_and_blank_rows_are_skipped(file: Path) -> None:
    """Spreadsheets leave them. They count as lines."""
    write(file, "email;Vorname\n\nann@example.org;Ann\n;\n;;;;\n \n\nbea@example.org;Bea\n\n")
    assert [item.line for item in read_csv(file)] == [3, 8]


def test_line_numbers_count_the_lines_of_the_file(file: Path) -> None:
    """A record of several lines counts as several, with any line ends."""
    write(file, 'email;Firma\r\na@x.example;"One\r\nTwo\rThree"\r\nb@x.example;B\rc@x.example;C')
    items = list(read_csv(file))
    assert [item.line for item in items] == [2, 5, 6]
    company = {"company": "One\r\nTwo\rThree"}
    assert receivers(read_csv(file))[0].global_attributes == company


def test_a_file_with_a_header_only_has_no_rows(file: Path) -> None:
    """An import without rows is not an error."""
    assert list(read_csv(write(file, "email;Vorname\n"))) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("\n \n", "has no column names"),
        ("email;Ort;Ort\n", "two columns are named 'Ort'"),
        ('email;"Ort\na;b\n', "line 1: the quotes around column names do"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(file: Path, text: str, words: str) -> None:
    """No row could be read."""
    with pytest.raises(SourceError, match=words):
        read_csv(write(file, text))


def test_long_cells_are_read(file: Path) -> None:
    """Longer than the default limit of the csv module, up to a megabyte."""
    long = "x" * 500_000
    huge = "y" * ((1 << 20) + 1)
    rows = f"a@x.example;{long}\nb@x.example;{huge}\nc@x.example;C\n"
    first, second, third = read_csv(write(file, f"email;Firma\n{rows}"))
    assert isinstance(first, SourceRow)
    assert first.receiver.global_attributes == {"company": long}
    assert isinstance(second, BadRow)
    assert (second.code, second.line) == ("cell_too_long", 3)
    assert third.line == 4


def test_a_higher_cell_limit_of_the_process_stays(file: Path) -> None:
    """The csv module has one limit per process; it is never lowered."""
    before = csv.field_size_limit(1 << 24)
    try:
        list(read_csv(write(file, "email\na@x.example\n")))
        assert csv.field_size_limit() == 1 << 24
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.csv", "email\n", CsvSource),
        ("a.TXT", "email\n", CsvSource),
        ("a.tsv", "email\tOrt\n", CsvSource),
        ("a.jsonl", "", JsonLinesSource),
        ("a.ndjson", "{}", JsonLinesSource),
        ("a.json", "{}", JsonLinesSource),
        ("export", '\n {"email": "a@x.example"}', JsonLinesSource),
        ("export.dat", "email\n", CsvSource),
    ],
)
def test_the_format_is_detected_by_name_or_content(
    tmp_path: Path, name: str, text: str, kind: type[Any]
) -> None:
    """By a known suffix, else by the first character."""
    path = write(tmp_path / name, text or " ")
    assert kind is type(read_rows(path))


def test_options_reach_the_reader(tmp_path: Path) -> None:
    """All options for CSV files are passed on."""
    path = write(tmp_path / "a.txt", "Kontakt,Tag\nann@example.org,1.2.2024\n", "utf-16-le")
    source = read_rows(
        path,
        mapping={"Kontakt": "email", "Tag": "visit"},
        delimiter=",",
        encoding="utf-16-le",
        timezone="Asia/Tokyo",
        date_attributes={"visit"},
    )
    expected = ReceiverInput("ann@example.org", global_attributes={"visit": "2024-02-01"})
    assert list(source) == [SourceRow(expected, 2)]


@pytest.mark.parametrize(
    "options", [{"mapping": {"a": "b"}}, {"delimiter": ";"}, {"encoding": "cp1252"}]
)
def test_json_lines_refuse_csv_options(tmp_path: Path, options: Mapping[str, Any]) -> None:
    """An option without effect is an error."""
    path = write(tmp_path / "a.jsonl", "{}")
    with pytest.raises(ConfigurationError, match=r"is JSON Lines: .* are for"):
        read_rows(path, **options)
