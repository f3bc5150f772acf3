"""Any content of a CSV file: no row is lost or invented, and only ``SourceError`` is raised."""

import contextlib
import csv
import io
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import BadRow, SourceError, SourceRow
from cleverreach_async.sources import read_csv, read_rows
from cleverreach_async.sources.csv_records import Layout, records
from cleverreach_async.sources.csv_wrapping import looks_wrapped
from cleverreach_async.sources.line_offsets import Lines, LineStart
from cleverreach_async.sources.null_words import NULL_WORDS

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
CELLS = st.text(LETTERS | st.sampled_from('\r\n\t";,|'))
NAMES = CELLS.filter(lambda cell: cell not in NULL_WORDS and not looks_wrapped(cell.strip()))
"""Cells that are read as they stand. Columns like ``="01067"`` are unwrapped, with a remark."""


def items_of(content: bytes, **options: str) -> list[SourceRow | BadRow]:
    """Read a file of the given bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "customers.csv")
        path.write_bytes(content)
        return list(read_csv(path, **options))  # type: ignore[arg-type]


@given(
    rows=st.lists(st.tuples(NAMES, NAMES), max_size=8),
    delimiter=st.sampled_from(";,\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_written_rows_are_read(
    rows: list[tuple[str, str]], delimiter: str, end: str, encoding: str
) -> None:
    """Every cell is returned without the blanks around it, with the line where its row begins.

    With the encoding named, since random letters may look like text that was encoded twice.
    """
    out = io.StringIO()
    # Without quotes around all cells the csv module cannot distinguish a lone CR from a line end.
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["E-Mail", "Vorname", "Nachname"])
    expected: list[tuple[int, dict[str, str]]] = []
    for first, last in rows:
        lines = io.StringIO(out.getvalue(), newline=None).read().count("\n")
        cells = {"firstname": first.strip(), "lastname": last.strip()}
        expected.append((lines + 1, {name: cell for name, cell in cells.items() if cell}))
        writer.writerow(["ann@example.org", first, last])
    items = items_of(out.getvalue().encode(encoding), encoding=encoding)
    found = [
        (item.line, item.receiver.global_attributes or {})
        for item in items
        if isinstance(item, SourceRow)
    ]
    assert expected == found


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=8),
    quoted=st.lists(st.booleans(), min_size=16, max_size=16),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_lines_with_and_without_quotes(rows: list[list[str]], quoted: list[bool], end: str) -> None:
    """Lines that are split and lines that are parsed give the cells that the csv module reads."""
    marks = iter(quoted)
    lines = [
        ";".join(
            '"' + cell.replace('"', '""') + '"'
            if next(marks) or any(sign in cell for sign in '";\r\n')
            else cell
            for cell in row
        )
        for row in rows
    ]
    body = "".join(f"ann@example.org;{line}{end}" for line in lines)
    oracle = list(csv.reader(io.StringIO(body, newline=""), delimiter=";", strict=True))
    start = Lines(LineStart(0, 1), len)
    found = [*records(io.StringIO(body, newline=""), start, Layout(";", 3, 3, 0))]
    # A record of several lines that may be rows of their own is not believed.
    if not any(state == "torn_quote" for _, _, state in found):
        assert oracle == [cells for _, cells, _ in found]


@given(st.text('a@;"\n\r, ', max_size=60))
def test_rows_are_as_many_as_the_csv_module_counts(body: str) -> None:
    """If the quotes are valid; if not, that is reported, and reading continues in order."""
    items = items_of(f"x;email;y\n{body}".encode(), delimiter=";")
    lines = io.StringIO(body, newline="")
    try:
        oracle = list(csv.reader(lines, delimiter=";", strict=True))
    except csv.Error:
        codes = {item.code for item in items if isinstance(item, BadRow)}
        assert "unclosed_quote" in codes
    else:
        # A record of several lines that may be rows of their own is not believed.
        if not any(isinstance(item, BadRow) and item.code == "torn_quote" for item in items):
            assert len(items) == sum(any(cell.strip() for cell in row) for row in oracle)
    numbers = [item.line or 0 for item in items]
    assert sorted(set(numbers)) == numbers


@given(st.binary(max_size=80), st.sampled_from([b"", b"email;b\n", b"\xff\xfe", b"{"]))
def test_any_bytes_are_rows_or_a_source_error(content: bytes, head: bytes) -> None:
    """No reader raises any other exception for a file."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("customers.csv", "customers.jsonl", "customers"):
            path = Path(folder, name)
            path.write_bytes(head + content)
            with contextlib.suppress(SourceError):
                list(read_rows(path))
