"""The header of a CSV file: column separator, titles above it, names that occur twice."""

from pathlib import Path

import pytest

from cleverreach_async import BadRow, ConfigurationError, SourceError
from cleverreach_async.sources import CsvSource, read_csv, read_rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Path of a file that does not exist yet."""
    return tmp_path / "customers.csv"


def write(path: Path, text: str) -> Path:
    """Write a file."""
    path.write_bytes(text.encode())
    return path


def values(source: CsvSource) -> list[tuple[str, object]]:
    """Address and attributes of each row of a file without bad rows."""
    items = list(source)
    assert [item for item in items if isinstance(item, BadRow)] == []
    return [
        (item.receiver.email, item.receiver.global_attributes)
        for item in items
        if not isinstance(item, BadRow)
    ]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("E-Mail;Name, Vorname;Ort\na@x.example;Alt, Ann;Kiel\n", ";"),
        ("E-Mail;Name, Vorname, Titel\na@x.example;Alt, Ann, Dr.\n", ";"),
        ("E-Mail;Name, Vorname, Titel\na@x.example;\nb@x.example;Bau\n", ";"),
        ("Umsatz;a|b|c|d;E-Mail\n1,20;;a@x.example\n", ";"),
        ("E-Mail,Ort;PLZ;Land;Region\na@x.example,Kiel\n", ","),
        ("E-Mail\tName; Vorname; Titel\na@x.example\tAlt; Ann; Dr.\n", "\t"),
        ('E-Mail;"Name, Vorname, Titel"\n', ";"),
        ("Kunde, Ort, Land;E-Mail\n;a@x.example\n", ";"),
        ("E-Mail,Ort\nno address,Kiel\n", ","),
    ],
)
def test_the_separator_is_the_one_that_fits_the_rows(file: Path, text: str, delimiter: str) -> None:
    """A header may have other separators inside, and more of them."""
    assert read_csv(write(file, text)).delimiter == delimiter


@pytest.mark.parametrize("line", [r"sep=\t", "sep=\t", r'"sep=\t"'])
def test_a_tab_can_be_named_above_the_header(file: Path, line: str) -> None:
    """As an escape or as it is."""
    write(file, f"{line}\r\nE-Mail\ta;b;c;d\r\na@x.example\t1\r\n")
    assert read_csv(file).delimiter == "\t"


def test_lines_before_the_header_are_skipped(file: Path) -> None:
    """Reports have a title; lines are still counted from the start of the file."""
    write(file, "Customers, 1.1.2025\n\nsep=;\nE-Mail;Ort\na@x.example;Kiel\nb@x.example;Ulm\n")
    source = read_rows(file, skip_lines=2)
    positions = [source.tell()]
    lines: list[int | None] = []
    for item in source:
        lines.append(item.line)
        positions.append(source.tell())
    assert lines == [5, 6]
    source.seek(positions[1])
    assert [item.line for item in source] == [6]


@pytest.mark.parametrize(
    ("title", "skipped"),
    [("Kundenexport\n", 1), ("Export;Kunden;2024\n\n", 1), ("Stand, 1.1.\nGruppe, A, B\n", 2)],
)
def test_a_title_is_pointed_out(file: Path, title: str, skipped: int) -> None:
    """The error says how to skip it, and that works."""
    write(file, f"{title}E-Mail;Ort\na@x.example;Kiel\n")
    line = title.count("\n") + 1
    message = rf"column names seem to be in line {line}, .* --skip-lines {skipped} or"
    with pytest.raises(SourceError, match=message):
        read_csv(file)
    assert values(read_csv(file, skip_lines=skipped)) == [("a@x.example", {"city": "Kiel"})]


def test_a_title_is_pointed_out_if_columns_are_mapped(file: Path) -> None:
    """The first line does not have them."""
    write(file, "Kundenexport\nKontakt;Ort\na@x.example;Kiel\n")
    with pytest.raises(SourceError, match="--skip-lines 1 "):
        read_csv(file, mapping={"Kontakt": "email"})
    with pytest.raises(ConfigurationError, match="no column 'Contact'"):
        read_csv(file, mapping={"Contact": "email"})


def test_lines_to_skip_are_checked(file: Path) -> None:
    """A negative number is a mistake, and so is more than there are."""
    write(file, "E-Mail\n")
    with pytest.raises(ConfigurationError, match="skip_lines is -1"):
        read_csv(file, skip_lines=-1)
    with pytest.raises(SourceError, match="no column names"):
        read_csv(file, skip_lines=7)
    with pytest.raises(ConfigurationError, match="and so is skip_lines"):
        read_rows(write(file.with_suffix(".jsonl"), "{}"), skip_lines=1)


def test_unused_columns_may_have_one_name(file: Path) -> None:
    """The second is given a number, by which it can be mapped."""
    write(file, "Notiz;E-Mail;Notiz;Notiz (2);;Notiz\n1;a@x.example;2;3;4;5\n")
    source = read_csv(file)
    assert source.mapping is not None
    assert source.mapping.left_out == ("Notiz", "Notiz (3)", "Notiz (2)", "column 5", "Notiz (4)")
    mapping = {"Notiz (3)": "note", "notiz (4)": "other", "Notiz": "-"}
    assert values(read_csv(file, mapping=mapping)) == [("a@x.example", {"note": "2", "other": "5"})]


@pytest.mark.parametrize(
    ("mapping", "used"),
    [
        ({"Ort (2)": "-"}, "Kiel"),
        ({"Ort": "-", "Ort (2)": "city"}, "Ulm"),
        ({"Ort (2)": "city"}, "Ulm"),
        ({"ORT": "city", "ort (2)": ""}, "Kiel"),
    ],
)
def test_a_column_with_a_target_must_be_named_once(
    file: Path, mapping: dict[str, str], used: str
) -> None:
    """Nobody else knows which of two is right."""
    write(file, "E-Mail;Ort;Ort\na@x.example;Kiel;Ulm\n")
    with pytest.raises(SourceError, match=r"two columns are named 'Ort'.* --map 'Ort \(2\)'=- or"):
        read_csv(file)
    with pytest.raises(SourceError, match="two columns are named 'Ort'"):
        read_csv(file, mapping={"Ort": "city"})
    assert values(read_csv(file, mapping=mapping)) == [("a@x.example", {"city": used})]


@pytest.mark.parametrize(
    "line",
    [
        "E-Mail;Name; Notiz;Notiz;",
        "E-MAIL;name;notiz;NOTIZ",
        '\ufeff"E-Mail";"Name";"Notiz";"Notiz";""',
        "sep=;\nE-Mail;Name;Notiz;Notiz;",
    ],
)
def test_a_repeated_header_is_skipped(file: Path, line: str) -> None:
    """Files were joined. It is no row, but the next one says so."""
    write(file, f"E-Mail;Name;Notiz;Notiz;\na@x.example;Alt;;;\n{line}\n;;;;\nb@x.example;Bau;;;\n")
    source = read_csv(file)
    first, second = source
    assert not isinstance(first, BadRow)
    assert not isinstance(second, BadRow)
    assert (first.remarks, second.receiver.email) == ((), "b@x.example")
    (remark,) = second.remarks
    assert (remark.kind, remark.text) == ("dropped", "a line that repeats the column names")


@pytest.mark.parametrize(
    "line",
    [
        "Ort;E-Mail;Name",
        "E-Mail;Ort;Name",
        "E-Mail;Nachname;Ort",
        "E-Mail;Name;Ort;Land",
        "Name;E-Mail",
    ],
)
def test_another_header_stops_the_import(file: Path, line: str) -> None:
    """Values after it would go to wrong columns."""
    write(file, f"E-Mail;Name;Ort\na@x.example;Alt;Kiel\n{line}\nb@x.example;Ulm;Bau\n")
    rows = iter(read_csv(file))
    assert next(rows).line == 2
    with pytest.raises(SourceError, match=r"line 3: the line names columns, but others"):
        next(rows)


def test_a_row_with_the_word_of_a_header_is_a_row(file: Path) -> None:
    """The preferred way of contact of somebody without an address."""
    write(file, "E-Mail;Name;Kontakt\n;Alt;E-Mail\nE-Mail;Bau;Post\nunbekannt;E-Mail;E-Mail\n")
    codes = [item.code for item in read_csv(file) if isinstance(item, BadRow)]
    assert codes == ["missing_email"]
