"""Options of sources that are none, and rows that are none: refused at once, with what to pass."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, cast

import attrs
import polars as pl
import pytest

from cleverreach_async import (
    BadRow,
    ConfigurationError,
    ReceiverInput,
    SourceRow,
    in_thread,
    read_csv,
    read_json_lines,
    read_records,
    read_rows,
)

ROWS = [{"email": "ann@example.org", "city": "Kiel"}]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A CSV file."""
    path = tmp_path / "a.csv"
    path.write_text("email,city\nann@example.org,Kiel\n")
    return path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mapping": [("city", "town")]}, "mapping is of type list; it takes a target by column"),
        ({"mapping": "city=town"}, "mapping is of type str"),
        ({"mapping": {"city": None}}, 'mapping has .city.: None; .* "-" to leave a column out'),
        ({"mapping": {1: "email"}}, "mapping has 1: .email."),
        ({"date_attributes": "visit"}, r"date_attributes is .visit.; .* such as \[.joined.\]"),
        ({"date_attributes": None}, "date_attributes is None; it takes a list"),
        ({"date_attributes": [7]}, "date_attributes is"),
        ({"timezone": None}, "timezone is None; it takes an IANA name"),
        ({"timezone": 1}, "timezone is 1; it takes an IANA name"),
    ],
)
def test_options_of_another_type_are_refused_for_every_source(
    file: Path, options: dict[str, Any], words: str
) -> None:
    """Of a text instead of a list each letter would be an attribute, and the days stay text."""
    for read, rows in ((read_records, ROWS), (read_csv, file), (read_rows, file)):
        reads: Any = read
        with pytest.raises(ConfigurationError, match=words):
            reads(rows, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoding": 1}, "encoding is 1"),
        ({"encoding": "idna"}, "encoding is .idna."),
        ({"encoding": "undefined"}, "encoding is .undefined."),
        ({"delimiter": 1}, "delimiter is 1; it takes one character"),
        ({"delimiter": b";"}, "delimiter is b.;.; it takes one character"),
        ({"skip_lines": "1"}, "skip_lines is .1.; it takes the number"),
        ({"skip_lines": 1.5}, "skip_lines is 1.5; it takes the number"),
        ({"skip_lines": None}, "skip_lines is None; it takes the number"),
        ({"skip_lines": 10**30}, "skip_lines is 1000"),
    ],
)
def test_options_of_csv_files_of_another_type_are_refused(
    file: Path, options: dict[str, Any], words: str
) -> None:
    """With an error of the library, not of Python."""
    with pytest.raises(ConfigurationError, match=words):
        read_csv(file, **options)


def test_a_time_zone_of_another_type_is_refused_for_json(file: Path) -> None:
    """The same as for columns."""
    zone: Any = None
    with pytest.raises(ConfigurationError, match="timezone is None"):
        read_json_lines(file, timezone=zone)


async def _asynchronous() -> AsyncIterator[dict[str, str]]:
    yield ROWS[0]


NO_ROWS: dict[str, tuple[Any, str]] = {
    "path": ("a.csv", "rows is of type str; read a file with read_rows"),
    "address": ("ann@example.org", r"pass a list of addresses or receivers: \[rows\]"),
    "mapping": (ROWS[0], r"rows is of type dict; pass a list, even for one receiver: \[rows\]"),
    "receiver": (ReceiverInput("ann@example.org"), "rows is of type ReceiverInput; pass a list"),
    "nothing": (None, "rows is None; pass a list"),
    "function": (_asynchronous, "rows is of type function; pass what it returns"),
    "frame": (pl.DataFrame(ROWS), r"rows is of type DataFrame; pass read_arrow\(rows\)"),
}


@pytest.mark.parametrize(("rows", "words"), NO_ROWS.values(), ids=NO_ROWS.keys())
@pytest.mark.parametrize("read", [read_records, in_thread])
def test_rows_that_are_none_are_refused(read: Any, rows: Any, words: str) -> None:
    """Each letter of a path, and each column of a frame, would be a rejected row."""
    with pytest.raises(ConfigurationError, match=words):
        read(rows)


def test_asynchronous_rows_need_no_thread() -> None:
    """They cannot be read in one."""
    rows: Any = _asynchronous()
    with pytest.raises(ConfigurationError, match="rows are asynchronous; pass them without"):
        in_thread(rows)


def test_rows_by_index_are_rows() -> None:
    """Python iterates over an object that only has items by index."""

    class Items:
        def __getitem__(self, index: int) -> dict[str, str]:
            return ROWS[index]

    (row,) = read_records(cast("Iterable[object]", Items()))
    assert isinstance(row, SourceRow)


def test_an_object_whose_values_cannot_be_read_is_a_bad_row() -> None:
    """Such as one of a database whose session is closed; the rows after it are read."""

    @attrs.define
    class Customer:
        email: str = attrs.field(init=False)
        city: str = "Kiel"

    good = Customer()
    good.email = "ann@example.org"
    first, second, third = read_records([good, Customer(), good])

    assert isinstance(first, SourceRow)
    assert BadRow(None, "invalid_value", "the row cannot be read (AttributeError)", {}) == second
    assert first == third
