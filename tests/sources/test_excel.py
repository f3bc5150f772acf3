"""Workbooks: types of cells, choice of the sheet, positions, errors."""

import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.workbooks import write_workbook

from cleverreach_async import BadRow, ConfigurationError, SourceError, SourceRow
from cleverreach_async.sources import ExcelSource, read_csv, read_excel, read_rows

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a workbook."""

    def write(name: str = "customers.xlsx", **sheets: list[list[Any]]) -> Path:
        write_workbook(tmp_path / name, sheets)
        return tmp_path / name

    return write


def values_of(source: ExcelSource) -> list[Any]:
    """The global attributes of each row."""
    rows = [row for row in source if isinstance(row, SourceRow)]
    return [row.receiver.global_attributes for row in rows]


def test_cells_become_values(write: Write) -> None:
    """A postcode typed as a number, a formula with its value, an error, a truth value."""
    header = ["E-Mail", "PLZ", "Anzahl", "Rabatt", "Kunde", "Summe", "Fehler", "Uhr", "Dauer"]
    mapping = {name: name.lower() for name in header[1:]}
    cells = [1067, 17.0, 17.5, True, "=1+1", "#N/A", time(14, 5), timedelta(hours=30)]
    path = write(Kunden=[header, ["ann@example.org", *cells]])
    assert values_of(read_excel(path, mapping=mapping)) == [
        {
            "plz": "1067",
            "anzahl": "17",
            "rabatt": "17.5",
            "kunde": "1",
            "summe": "2",
            "uhr": "14:05:00",
            "dauer": "30:00:00",
        }
    ]


def test_dates_are_dates(write: Write) -> None:
    """In the time zone of the caller, and as days where the attribute is one."""
    path = write(
        A=[
            ["E-Mail", "Registriert am", "Geburtstag", "Vertrag"],
            ["a@example.org", datetime(2024, 1, 2, 14, 30, 5), date(1980, 5, 4), date(2020, 2, 1)],  # noqa: DTZ001 - as Excel stores it
            ["b@example.org", date(2024, 7, 1), None, None],
        ]
    )
    source = read_excel(path, mapping={"Vertrag": "contract"}, date_attributes=["contract"])
    first, second = (row for row in source if isinstance(row, SourceRow))
    moment = datetime(2024, 1, 2, 13, 30, 5, tzinfo=UTC)
    assert first.receiver.registered == moment.timestamp()
    assert first.receiver.global_attributes == {"birthday": "1980-05-04", "contract": "2020-02-01"}
    assert second.receiver.registered == datetime(2024, 6, 30, 22, tzinfo=UTC).timestamp()
    utc = [row for row in read_excel(path, timezone="UTC") if isinstance(row, SourceRow)]
    assert utc[0].receiver.registered == moment.timestamp() + 3600


def test_tags_may_be_numbers(write: Write) -> None:
    """A cell with one tag, such as a year, is a number for Excel."""
    path = write(A=[["E-Mail", "Tags"], ["a@example.org", 2024], ["b@example.org", "x,y"]])
    rows = [row for row in read_excel(path) if isinstance(row, SourceRow)]
    assert [row.receiver.tags for row in rows] == [["2024"], ["x", "y"]]


def test_blank_rows_and_columns_are_skipped(write: Write) -> None:
    """``line`` is the number that Excel shows; the header is the first row with a value."""
    path = write(
        A=[
            [],
            [None, "", "E-Mail", "Vorname"],
            [],
            [None, None, "ann@example.org", "Ann"],
            [None, None, " ", None],
            [None, None, "no address", None],
            [None, None, None, "Ben"],
        ]
    )
    found = [(row.line, isinstance(row, BadRow)) for row in read_excel(path)]
    assert found == [(4, False), (6, False), (7, True)]


def test_the_only_sheet_with_rows_is_read(write: Write) -> None:
    """Excel creates workbooks with empty sheets."""
    rows = [["E-Mail"], ["ann@example.org"]]
    source = read_excel(write(Leer=[], Kunden=rows, Leer2=[]))
    assert (source.sheet, repr(source).endswith("customers.xlsx', 'Kunden')")) == ("Kunden", True)


def test_a_sheet_is_chosen_by_name(write: Write) -> None:
    """If several have rows; the error names them."""
    path = write(A=[["E-Mail"], ["ann@example.org"]], B=[["E-Mail"], ["ben@example.org"]])
    with pytest.raises(SourceError, match=r"'A', 'B'; choose one with sheet= or --sheet"):
        read_excel(path)
    (row,) = read_excel(path, "B")
    assert isinstance(row, SourceRow)
    assert row.receiver.email == "ben@example.org"
    with pytest.raises(ConfigurationError, match="no sheet 'C'; its sheets are 'A', 'B'"):
        read_excel(path, "C")
    assert read_excel(path, "A").identity() != read_excel(path, "B").identity()


def test_reading_goes_on_after_any_row(write: Write) -> None:
    """A position is a row of the sheet; blank rows and several chunks make no difference."""
    rows = [[f"n{i}@example.org"] if i % 7 else [] for i in range(1, 3000)]
    path = write(A=[["E-Mail"], *rows])
    everything = [row.receiver.email for row in read_excel(path) if isinstance(row, SourceRow)]
    assert len(everything) == 2571
    for count in (0, 1, 7, 1000, 1024, 2571):
        source = read_excel(path)
        iterator = iter(source)
        for _ in range(count):
            next(iterator)
        again = read_excel(path)
        assert again.identity() == source.identity()
        again.seek(source.tell())
        found = [row.receiver.email for row in again if isinstance(row, SourceRow)]
        assert found == everything[count:]
    for position in ({"row": 9999}, {"row": -1}, {"rows": 1}, None):
        with pytest.raises(SourceError, match="no row begins at"):
            read_excel(path).seek(position)


def test_progress_is_a_share_of_the_file(write: Write) -> None:
    """For the display of the command."""
    source = read_excel(write(A=[["E-Mail"], ["a@example.org"], ["b@example.org"]]))
    assert 0 == source.bytes_read
    list(source)
    assert source.size == source.bytes_read


async def _async_rows(source: ExcelSource) -> list[str]:
    return [row.receiver.email async for row in source if isinstance(row, SourceRow)]


@pytest.mark.anyio
async def test_rows_are_read_in_a_worker_thread(write: Write) -> None:
    """As the importer reads them."""
    path = write(A=[["E-Mail"], *([f"n{i}@example.org"] for i in range(2000))])
    assert len(await _async_rows(read_excel(path))) == 2000


@pytest.mark.parametrize("name", ["a.xlsx", "a.XLSM", "a.xls", "a.ods"])
@pytest.mark.parametrize("content", [b"PK\x03\x04damaged", b"\xd0\xcf\x11\xe0", b"E-Mail;Ort\n"])
def test_what_is_no_workbook_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """Also if it is cut."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match="not a workbook, or a damaged one"):
        read_rows(tmp_path / name)


def test_a_cut_workbook_is_refused(write: Write) -> None:
    """At any place."""
    path = write(A=[["E-Mail"], ["ann@example.org"]])
    content = path.read_bytes()
    for end in range(1, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(SourceError):
            read_excel(path)
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="the file is empty"):
        read_excel(path)


def test_a_workbook_without_rows_is_refused(write: Write, tmp_path: Path) -> None:
    """And a file that does not exist."""
    with pytest.raises(SourceError, match="there are no rows"):
        read_excel(write(A=[], B=[["", " "]]))
    with pytest.raises(SourceError, match="No such file"):
        read_excel(tmp_path / "nowhere.xlsx")


def test_a_password_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the remedy."""
    import python_calamine  # noqa: PLC0415 - the extra is tested

    def refuse(_: object) -> None:
        raise python_calamine.PasswordError

    monkeypatch.setattr(python_calamine, "load_workbook", refuse)
    with pytest.raises(SourceError, match="protected by a password; save it without one"):
        read_excel(write(A=[["E-Mail"]]))


def test_an_encrypted_workbook_is_recognised(tmp_path: Path) -> None:
    """Excel wraps it in a container, in which only the name of a part tells."""
    path = tmp_path / "a.xlsx"
    part = "EncryptedPackage".encode("utf-16-le")
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000) + part + bytes(50))
    with pytest.raises(SourceError, match="protected by a password"):
        read_excel(path)


def test_a_huge_content_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is decompressed."""
    path = write(A=[["E-Mail"]])
    monkeypatch.setattr("cleverreach_async.sources.excel._MAX_SIZE", 100)
    with pytest.raises(SourceError, match="save the sheet as CSV"):
        read_excel(path)


def test_the_extra_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it is not installed."""
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'cleverreach-async\[excel\]'"):
        read_excel(write(A=[["E-Mail"]]))


def test_options_of_other_formats_are_refused(write: Write, tmp_path: Path) -> None:
    """They would have no effect."""
    path = write(A=[["E-Mail"], ["ann@example.org"]])
    with pytest.raises(ConfigurationError, match="is Excel: delimiter and encoding"):
        read_rows(path, encoding="utf-8")
    (tmp_path / "a.csv").write_text("email\n", "utf-8")
    with pytest.raises(ConfigurationError, match="is CSV: sheet is for Excel"):
        read_rows(tmp_path / "a.csv", sheet="A")


def test_a_workbook_is_recognised_by_its_content(write: Write, tmp_path: Path) -> None:
    """If the name does not tell; under the name of a CSV file it is refused with the reason."""
    path = write("customers", A=[["E-Mail"], ["ann@example.org"]])
    assert read_rows(path).kind == "excel"
    (tmp_path / "a.csv").write_bytes(path.read_bytes())
    with pytest.raises(SourceError, match="an Excel workbook or a ZIP archive; name it"):
        read_csv(tmp_path / "a.csv")
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("customers.csv", "email\n")
    with pytest.raises(SourceError, match="not a workbook"):
        read_rows(tmp_path / "a")
