"""Bad rows of a CSV file, and the good rows around them."""

from pathlib import Path

import pytest

from cleverreach_async import BadRow, SourceRow
from cleverreach_async.sources import read_csv


def read(tmp_path: Path, text: str) -> list[SourceRow | BadRow]:
    """Read a file of three columns."""
    path = tmp_path / "customers.csv"
    path.write_bytes(b"Vorname;E-Mail;Firma\n" + text.encode())
    return list(read_csv(path))


def briefly(items: list[SourceRow | BadRow]) -> list[tuple[int | None, str]]:
    """Line and address, or line and code."""
    return [
        (item.line, item.code if isinstance(item, BadRow) else item.receiver.email)
        for item in items
    ]


def test_a_row_without_address_is_rejected(tmp_path: Path) -> None:
    """Its cells are kept by column, for the rejects file; reading continues with the next row."""
    bad, good = read(tmp_path, "Ann; ;ACME\nBea;bea@example.org;\n")
    message = "column 'E-Mail': the e-mail address is missing"
    record = {"Vorname": "Ann", "E-Mail": " ", "Firma": "ACME"}
    assert bad == BadRow(2, "missing_email", message, record)
    assert briefly([good]) == [(3, "bea@example.org")]


def test_too_many_cells_are_rejected(tmp_path: Path) -> None:
    """A delimiter in a cell without quotes shifts the cells; no guess is made."""
    (bad,) = read(tmp_path, "Ann;ann@example.org;Holz; Söhne\n")
    message = "the row has 4 cells, and there are 3 columns"
    assert isinstance(bad, BadRow)
    assert (bad.code, bad.message) == ("ragged_row", message)
    assert bad.record["column 4"] == " Söhne"


def test_surplus_empty_cells_are_ignored(tmp_path: Path) -> None:
    """Some shops end each line with a delimiter."""
    assert briefly(read(tmp_path, "Ann;ann@example.org;;; \n")) == [(2, "ann@example.org")]


def test_empty_cells_at_the_end_may_be_missing(tmp_path: Path) -> None:
    """Some shops drop them."""
    assert briefly(read(tmp_path, "Ann;ann@example.org\n")) == [(2, "ann@example.org")]


def test_a_row_that_ends_before_its_address_is_rejected(tmp_path: Path) -> None:
    """Without an address the receiver is unknown."""
    (bad,) = read(tmp_path, "Ann\n")
    assert isinstance(bad, BadRow)
    message = "the row ends after 1 of 3 cells, without an address"
    assert (bad.code, bad.message, bad.record) == ("ragged_row", message, {"Vorname": "Ann"})


def test_a_short_row_may_have_other_errors(tmp_path: Path) -> None:
    """Filling it up does not hide a bad date."""
    path = tmp_path / "customers.csv"
    path.write_text("email;Registriert am;Ort\nann@example.org;30.02.2024\n")
    assert briefly(list(read_csv(path))) == [(2, "invalid_date")]


def test_quotes_inside_a_quoted_cell_are_rejected(tmp_path: Path) -> None:
    """The intended text is unknown, and no name is stored garbled."""
    bad, good = read(tmp_path, 'Ann;ann@example.org;"Firma "Müller" GmbH"\nB;b@x.example;19" X\n')
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.code) == (2, "unclosed_quote")
    assert "a quote is written twice" in bad.message
    assert isinstance(good, SourceRow)
    assert good.receiver.global_attributes == {"firstname": "B", "company": '19" X'}


def test_an_open_quote_affects_its_own_row_only(tmp_path: Path) -> None:
    """The csv module would read the rest of the file as one cell."""
    text = 'Ann;ann@example.org;"ACME\n' + "".join(f"P{n};p{n}@example.org;X\n" for n in range(3))
    items = read(tmp_path, text)
    expected = [(2, "unclosed_quote"), *((n + 3, f"p{n}@example.org") for n in range(3))]
    assert expected == briefly(items)
    assert isinstance(items[0], BadRow)
    assert items[0].record["E-Mail"] == "ann@example.org"


def test_an_open_quote_does_not_reach_the_next_quote(tmp_path: Path) -> None:
    """The rows between two quoted cells would be lost, and no error raised."""
    text = (
        'Ann;ann@example.org;"ACME\nBea;bea@example.org;\n'
        'Cem;cem@example.org;"Holz; Söhne"\nDora;dora@example.org;"a\nb"\n'
    )
    expected = [
        (2, "unclosed_quote"),
        (3, "bea@example.org"),
        (4, "cem@example.org"),
        (5, "dora@example.org"),
    ]
    assert expected == briefly(read(tmp_path, text))


@pytest.mark.parametrize("end", ["", "\n"])
def test_an_open_quote_on_the_last_line_is_detected(tmp_path: Path, end: str) -> None:
    """An incomplete download ends inside a cell."""
    text = f'Ann;ann@example.org;\nBea;bea@example.org;"AC{end}'
    assert briefly(read(tmp_path, text)) == [(2, "ann@example.org"), (3, "unclosed_quote")]


def test_the_rest_of_a_broken_record_is_not_a_row(tmp_path: Path) -> None:
    """A line from inside a remark is not accepted as a row with missing cells."""
    text = 'Ann;ann@example.org;"said\nyou;are\nso "nice" here\nbye"\nCem;cem@example.org\n'
    ragged = [(line, "ragged_row") for line in (3, 4, 5)]
    expected = [(2, "unclosed_quote"), *ragged, (6, "cem@example.org")]
    assert expected == briefly(read(tmp_path, text))


def test_many_open_quotes_are_read_without_recursion(tmp_path: Path) -> None:
    """A file with nothing else loses no rows and needs no recursion."""
    items = read(tmp_path, 'Ann;ann@example.org;"ACME\n' * 3000)
    assert {"unclosed_quote"} == {code for _, code in briefly(items)}
    assert list(range(2, 3002)) == [line for line, _ in briefly(items)]


def test_an_open_quote_before_a_megabyte_of_rows(tmp_path: Path) -> None:
    """Reading ahead ends at the longest cell, and continues after the bad line."""
    row = f"P;p@example.org;{'x' * 1000}\n"
    items = read(tmp_path, 'Ann;ann@example.org;"ACME\n' + row * 1200)
    assert briefly(items)[0] == (2, "unclosed_quote")
    assert len(items) == 1201
    assert {type(item) for item in items[1:]} == {SourceRow}
