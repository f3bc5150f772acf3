"""Random tables in the dialects of shops and spreadsheets, whole and damaged."""

import random
import tempfile
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st
from support.csv_dialects import Row, make_dialect

from cleverreach_async import BadRow, SourceRow
from cleverreach_async.sources import read_csv

VALUES = {
    "Vorname": ("Ann", "Ben", "Jörg", "Anna", "Eva"),
    "Nachname": ("Alt", "Müller", "'t Veld", "O'Neil", "von Berg"),
    "Firma": ("B GmbH", "Holz; Söhne", 'Zur "Mühle"', "A, B und C", "one;two\nthree; four"),
    "PLZ": ("01067", "24103", "50667"),
    "Ort": ("Kiel", "Köln", "Bad Ems", "Jena"),
    "Kundennummer": ("10001", "10002", "20003"),
    "Umsatz": ("1,20", "100", "3.50"),
}
DOMAINS = ("x.example", "web.example", "mail.example")


def make_table(chance: random.Random) -> tuple[Row, list[Row]]:
    """Invent a header and rows with one address each."""
    header = chance.sample(sorted(VALUES), chance.randint(2, 6))
    fill = [chance.choice((0.4, 0.9, 1)) for _ in header]
    rows = [
        [
            chance.choice(VALUES[name]) if chance.random() < share else ""
            for name, share in zip(header, fill, strict=True)
        ]
        for _ in range(chance.choice((1, 2, 5, 12, 40)))
    ]
    place = chance.randint(0, len(header))
    header.insert(place, "E-Mail")
    for number, row in enumerate(rows):
        row.insert(place, f"p{number}@{chance.choice(DOMAINS)}")
    return header, rows


def values_of(row: SourceRow) -> dict[str, object]:
    """The values of a row by the names of its columns."""
    names = {
        "firstname": "Vorname",
        "lastname": "Nachname",
        "company": "Firma",
        "zip": "PLZ",
        "city": "Ort",
        "customer_number": "Kundennummer",
    }
    found = row.receiver.global_attributes
    return {names[name]: value for name, value in (found or {}).items()}


def expected_of(header: Row, row: Row) -> dict[str, object]:
    """The same, by the table."""
    cells = zip(header, row, strict=True)
    return {name: cell for name, cell in cells if cell and name not in {"E-Mail", "Umsatz"}}


def read(content: bytes, title: int = 0) -> list[SourceRow | BadRow]:
    """Read a file, and check that it is read in the same way from its middle on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "customers.csv")
        path.write_bytes(content)
        source = read_csv(path, skip_lines=title)
        items: list[SourceRow | BadRow] = []
        positions = [source.tell()]
        for item in source:
            items.append(item)
            positions.append(source.tell())
        middle = len(items) // 2
        again = read_csv(path, skip_lines=title)
        again.seek(positions[middle])
        assert items[middle:] == list(again)
        return items


@given(st.randoms(use_true_random=False))
def test_a_well_formed_file_is_read_in_full(chance: random.Random) -> None:
    """Whatever the dialect: every row with its values, and no other."""
    header, rows = make_table(chance)
    dialect = make_dialect(chance)
    items = read(dialect.content(header, dialect.lines(header, rows)), dialect.title)
    found = [
        (item.receiver.email, values_of(item)) if isinstance(item, SourceRow) else item
        for item in items
    ]
    address = header.index("E-Mail")
    assert found == [(row[address], expected_of(header, row)) for row in rows]


def damaged(chance: random.Random) -> tuple[Row, list[Row], set[int], bytes]:
    """Write a file of full rows and damage some: header, rows, damaged ones, content."""
    header, rows = make_table(chance)
    dialect = attrs.evolve(
        make_dialect(chance), drops=False, title=0, joined=0, ctrl_z=False, is_ended=True
    )
    rows += [[cell or "x" for cell in row] for row in rows]
    address = header.index("E-Mail")
    if address < len(header) - 1:
        # One row shows that empty cells are written; without any, a short row may be whole.
        rows.append(["x"] * (len(header) - 1) + [""])
    for number, row in enumerate(rows):
        row[address] = f"p{number}@{chance.choice(DOMAINS)}"
    lines = dialect.lines(header, rows)
    hurt = set(chance.sample(range(len(rows) - 1), 1 + (len(rows) > 20)))
    for number in hurt:
        # A quote inside a quoted cell of several lines may leave a row that looks whole.
        if chance.random() < 0.5 or any("\n" in cell for cell in rows[number]):
            cells = [*rows[number]]
            gap = chance.choice([it for it in range(len(cells) - 1) if it != address])
            del cells[gap]
            lines[number] = dialect.line(cells, is_ended=dialect.rows_end)
        else:
            line = lines[number]
            starts = [0, *(it + 1 for it, sign in enumerate(line) if sign == dialect.delimiter)]
            place = chance.choice(starts)
            lines[number] = f'{line[:place]}"{line[place:]}'
    return header, rows, hurt, dialect.content(header, lines)


@given(st.randoms(use_true_random=False))
def test_a_damaged_row_is_never_read_with_other_values(chance: random.Random) -> None:
    """A cell is missing, or a quote too many: the row is rejected, and each row has a result."""
    header, rows, hurt, content = damaged(chance)
    address = header.index("E-Mail")
    expected = {row[address]: expected_of(header, row) for row in rows}
    items = read(content)
    for item in items:
        if isinstance(item, SourceRow) and item.receiver.email in expected:
            values = values_of(item)
            # A quote in a cell without quotes is text.
            assert expected[item.receiver.email] == values or any(
                '"' in str(it) for it in values.values()
            )
    assert len(items) >= len(rows) - len(hurt)


@given(st.randoms(use_true_random=False), st.floats(0, 1))
def test_a_cut_file_loses_no_row_silently(chance: random.Random, share: float) -> None:
    """All rows before the cut are read; the one in it lacks no cell."""
    header, rows = make_table(chance)
    dialect = attrs.evolve(
        make_dialect(chance), drops=False, title=0, joined=0, ctrl_z=False, encoding="cp1252"
    )
    address = header.index("E-Mail")
    lines = dialect.lines(header, rows)
    content = dialect.content(header, lines)
    body = "".join(lines).encode("cp1252")
    cut = content[: len(content) - int(len(body) * share)]
    items = read(cut)
    whole = [item for item in items if isinstance(item, SourceRow)]
    for item, row in zip(whole, rows, strict=False):
        found, expected = values_of(item), expected_of(header, row)
        is_last = item is items[-1]
        assert item.receiver.email == row[address] or (is_last and header[-1] == "E-Mail")
        if is_last:
            found.pop(header[-1], None)
            expected.pop(header[-1], None)
        assert expected == found
