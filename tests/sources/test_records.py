"""Rows by name become receivers, with all types of rows and values."""

import copy
import enum
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import attrs
import pytest
from support.model_server import ModelServer, upsert

from cleverreach_async import (
    UNSET,
    BadRow,
    ConfigurationError,
    ReceiverInput,
    SourceError,
    SourceRow,
    read_csv,
    read_records,
)
from cleverreach_async.sources.receiver_fields import read_fields
from cleverreach_async.sources.records import as_receiver_fields
from cleverreach_async.sources.rows import Remark

ANN = "ann@example.org"


@dataclass
class Plain:
    """A dataclass of a shop."""

    email: str
    vorname: str | None = None


@attrs.frozen
class Framed:
    """An attrs class of a shop."""

    email: str
    vorname: str | None = None


@dataclass(slots=True)
class Shaped:
    """An object with fields of ``ReceiverInput``."""

    email: str
    source: str | None = None
    tags: tuple[str, ...] = ()


class Named(NamedTuple):
    """A named tuple of a shop."""

    email: str
    vorname: str | None = None


class Level(enum.Enum):
    """A kind of customer."""

    GOLD = "gold"


def one(row: Any, **options: Any) -> SourceRow | BadRow:
    """Read one row."""
    [item] = list(read_records([row], **options))
    return item


def attribute(value: Any, **options: Any) -> Any:
    """Return what is sent for a value of the attribute ``x``, or the bad row."""
    item = one({"email": ANN, "x": value}, mapping={"x": "x"}, strict=True, **options)
    if isinstance(item, BadRow):
        return item
    values = item.receiver.global_attributes
    return values["x"] if values else UNSET


def sqlite_row() -> sqlite3.Row:
    """A row of a database, by name."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    row: sqlite3.Row = connection.execute(f"SELECT '{ANN}' AS email, 'Ann' AS vorname").fetchone()
    connection.close()
    return row


@pytest.mark.parametrize(
    "row",
    [
        {"email": ANN, "vorname": "Ann"},
        Plain(ANN, "Ann"),
        Framed(ANN, "Ann"),
        Named(ANN, "Ann"),
        sqlite_row(),
    ],
    ids=lambda row: type(row).__name__,
)
def test_a_row_of_any_kind_is_read_by_name(row: Any) -> None:
    """Columns are recognised as in a file; there is no line number."""
    expected = ReceiverInput(ANN, global_attributes={"firstname": "Ann"})
    assert SourceRow(expected, None) == one(row)


def test_the_mapping_is_that_of_files() -> None:
    """Fields, attributes of the account and of the group, and columns that are left out."""
    source = read_records(
        [{"Kontakt": ANN, "Filiale": "Kiel", "Wert": 3, "Ort": "Kiel", "Etiketten": ["a", " b "]}],
        mapping={
            "Kontakt": "email",
            "Filiale": "attributes.branch",
            "Wert": "worth",
            "Ort": "-",
            "Etiketten": "tags",
        },
    )
    expected = ReceiverInput(
        ANN, attributes={"branch": "Kiel"}, global_attributes={"worth": "3"}, tags=["a", "b"]
    )
    assert [SourceRow(expected, None)] == list(source)
    assert source.mapping is not None
    assert ("Ort",) == source.mapping.left_out


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" Kiel ", "Kiel"),
        ("", UNSET),
        (None, UNSET),
        (UNSET, UNSET),
        (float("nan"), UNSET),
        (Decimal("NaN"), UNSET),
        (True, "1"),
        (False, "0"),
        (0, "0"),
        (7, "7"),
        (49.0, "49"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (Decimal("49.90"), "49.90"),
        (Decimal("1E+3"), "1000"),
        (date(2025, 12, 31), "2025-12-31"),
        (datetime(2025, 12, 31, 14, 30, tzinfo=UTC), "2025-12-31T14:30:00+00:00"),
        (time(14, 30), "14:30:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Level.GOLD, "gold"),
    ],
)
def test_a_value_becomes_the_text_of_an_attribute(value: object, expected: object) -> None:
    """Without loss; nothing is sent for a missing value."""
    assert expected == attribute(value)


@pytest.mark.parametrize("value", [b"Kiel", ["Kiel"], {"a": 1}, object(), float("inf"), 1j])
def test_a_value_without_a_text_is_a_bad_row(value: object) -> None:
    """The column is named, the value is not shown, and reading continues."""
    item = attribute(value)
    assert isinstance(item, BadRow)
    assert ("invalid_value", None) == (item.code, item.line)
    assert "column 'x'" in item.message
    assert "Kiel" not in item.message


@pytest.mark.parametrize("value", [b"Kiel", ["Kiel"], {"a": 1}, object(), float("inf"), 1j])
def test_a_value_without_a_text_is_left_out(value: object) -> None:
    """With a remark that names the column, not the value; the others are sent."""
    row = one({"email": ANN, "x": value, "city": "Kiel"}, mapping={"x": "x"})
    assert isinstance(row, SourceRow)
    assert {"city": "Kiel"} == row.receiver.global_attributes
    assert (Remark("dropped", "column 'x': a value that cannot be sent"),) == row.remarks


BERLIN_NOON = 1767178800


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("31.12.2025 12:00", BERLIN_NOON),
        (datetime(2025, 12, 31, 12), BERLIN_NOON),  # noqa: DTZ001 - the zone's clocks
        (datetime(2025, 12, 31, 11, tzinfo=UTC), BERLIN_NOON),
        (date(2025, 12, 31), BERLIN_NOON - 12 * 3600),
        (BERLIN_NOON, BERLIN_NOON),
        (float(BERLIN_NOON), BERLIN_NOON),
        (Decimal(BERLIN_NOON), BERLIN_NOON),
        (0, 0),
        (None, UNSET),
        ("", UNSET),
        (float("nan"), UNSET),
    ],
)
def test_a_time_becomes_unix_seconds(value: object, expected: object) -> None:
    """Naive times are local times of the time zone."""
    item = one({"email": ANN, "registered": value})
    assert SourceRow(ReceiverInput(ANN, registered=expected), None) == item  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        20251231,
        1767178800000,
        True,
        -5,
        float("inf"),
        "yesterday",
        datetime(1960, 1, 1, tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        b"2025",
    ],
)
def test_an_impossible_time_is_a_bad_row(value: object) -> None:
    """Digits of a date, milliseconds and truth values are not unix seconds."""
    item = one({"email": ANN, "registered": value})
    assert isinstance(item, BadRow)
    assert "invalid_date" == item.code
    assert "column 'registered'" in item.message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12.3.1985", "1985-03-12"),
        (date(1985, 3, 12), "1985-03-12"),
        (datetime(1985, 3, 12), "1985-03-12"),  # noqa: DTZ001 - the zone's clocks
        (datetime(1985, 3, 11, 23, tzinfo=UTC), "1985-03-12"),
        (None, UNSET),
    ],
)
def test_a_day_is_the_local_day_of_the_zone(value: object, expected: object) -> None:
    """A birthday stored as midnight in Berlin keeps its day."""
    assert expected == attribute(value, date_attributes=["x"])


@pytest.mark.parametrize("value", [19850312, "once", b"1985"])
def test_an_impossible_day_is_a_bad_row(value: object) -> None:
    """It is not sent."""
    item = attribute(value, date_attributes=["x"])
    assert isinstance(item, BadRow)
    assert "invalid_date" == item.code


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a, b|c", ["a", "b", "c"]), (("a", ""), ["a"]), ({"b", "a"}, ["a", "b"]), ([], UNSET)],
)
def test_tags_are_lists_or_text(value: object, expected: object) -> None:
    """A set has no order, so it is sorted."""
    item = one({"email": ANN, "tags": value})
    assert SourceRow(ReceiverInput(ANN, tags=expected), None) == item  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("email", "code"),
    [(None, "missing_email"), ("  ", "missing_email"), (7, "invalid_value")],
)
def test_a_row_without_address_is_a_bad_row(email: object, code: str) -> None:
    """It is rejected, with the row as it was read."""
    item = one({"email": email, "city": "Kiel"})
    assert isinstance(item, BadRow)
    assert code == item.code
    assert {"email": email, "city": "Kiel"} == item.record


@pytest.mark.parametrize("column", ["registered", "deactivated", "city", "tags", "birthday"])
def test_the_missing_value_of_pandas_is_no_value(column: str) -> None:
    """``frame.convert_dtypes()`` stores it instead of NaN."""
    pandas: Any = import_module("pandas")
    assert SourceRow(ReceiverInput(ANN), None) == one({"email": ANN, column: pandas.NA})
    fields = {"email": ANN, "attributes": {"a": pandas.NA}, "registered": pandas.NA}
    assert ReceiverInput(ANN) == read_fields(fields)


def test_the_missing_value_of_pandas_is_no_consent() -> None:
    """Like an empty cell."""
    pandas: Any = import_module("pandas")
    assert one({"email": ANN, "subscribed": None}) == one({"email": ANN, "subscribed": pandas.NA})


def test_later_rows_may_omit_columns_but_not_add_new_ones() -> None:
    """A value without a mapped column would be lost silently."""
    rows = [{"email": ANN, "city": "Kiel"}, {"email": "b@example.org"}, {"email": ANN, "zip": "1"}]
    first, second, third = read_records(rows)
    assert isinstance(first, SourceRow)
    assert SourceRow(ReceiverInput("b@example.org"), None) == second
    assert isinstance(third, BadRow)
    assert ("unknown_field", True) == (third.code, "'zip'" in third.message)


def test_an_object_without_columns_is_a_bad_row() -> None:
    """Text, numbers and plain tuples have no columns."""
    items = list(read_records([ANN, 7, (ANN,), None, {"email": ANN}]))
    assert ["BadRow"] * 4 + ["SourceRow"] == [type(item).__name__ for item in items]
    assert all(isinstance(item, SourceRow) or ANN not in item.message for item in items)


def test_receivers_are_passed_on() -> None:
    """A generator may create some receivers itself."""
    receiver = ReceiverInput(ANN, tags=["a"])
    assert [SourceRow(receiver, None)] == list(read_records([receiver]))


@pytest.mark.parametrize(
    ("rows", "options", "error", "words"),
    [
        ([{"city": "Kiel"}], {}, SourceError, "no column is recognised"),
        ([{"email": ANN}], {"mapping": {"Ort": "city"}}, ConfigurationError, "no column 'Ort'"),
        ([{"email": ANN}], {"timezone": "Nowhere"}, ConfigurationError, "timezone"),
        ([{"email": ANN, 7: 1}], {}, SourceError, "a column name is of type int"),
    ],
)
def test_unusable_columns_are_an_error(
    rows: list[Any], options: Mapping[str, Any], error: type[Exception], words: str
) -> None:
    """No row could be read, so nothing is sent."""
    with pytest.raises(error, match=words):
        list(read_records(rows, **options))


def test_inputs_are_left_as_they_are() -> None:
    """Changing the result changes neither rows, lists in them nor the mapping."""
    rows = [{"email": " a@example.org ", "tags": [" x "], "city": None} for _ in range(2)]
    mapping = {"city": "attributes.city"}
    before = copy.deepcopy((rows, mapping))
    for item in read_records(rows, mapping=mapping):
        assert isinstance(item, SourceRow)
        assert isinstance(item.receiver.tags, list)
        item.receiver.tags.append("y")
    assert before == (rows, mapping)


def test_a_list_can_be_read_again() -> None:
    """Each loop reads the columns from its own first row."""
    source = read_records([{"email": ANN}])
    assert list(source) == list(source)


@pytest.mark.anyio
async def test_an_async_iterable_is_read_and_closed() -> None:
    """Leaving early closes the generator of the caller."""
    closed: list[bool] = []

    async def rows() -> AsyncIterator[dict[str, str]]:
        try:
            for number in range(9):
                yield {"email": f"p{number}@example.org"}
        finally:
            closed.append(True)

    loop = aiter(read_records(rows()))
    assert SourceRow(ReceiverInput("p0@example.org"), None) == await anext(loop)
    await loop.aclose()
    assert [True] == closed


@pytest.mark.anyio
async def test_the_importer_takes_records() -> None:
    """Good rows are stored and bad ones reported, from any iterable."""

    async def rows() -> AsyncIterator[dict[str, Any]]:
        yield {"email": ANN, "city": "Kiel"}
        yield {"email": None, "city": "Kiel"}

    report = await upsert(ModelServer(), read_records(rows()))
    assert (2, 1, 1) == (report.read, report.accepted, report.rejected)


def test_objects_with_fields_of_a_receiver() -> None:
    """In an object ``None`` means no value; a mapping is used as it is."""
    assert {"email": ANN, "tags": ("a",)} == as_receiver_fields(Shaped(ANN, tags=("a",)))
    assert {"email": ANN} == as_receiver_fields(Framed(ANN))
    row = {"email": ANN, "source": None}
    assert row is as_receiver_fields(row)
    assert [None] * 3 == [as_receiver_fields(it) for it in (ANN, (ANN,), Shaped)]


def make_files(folder: Path) -> None:
    """The files that the documentation reads."""
    connection = sqlite3.connect(folder / "shop.db")
    with connection:
        connection.execute("CREATE TABLE customers (id, email, city)")
        connection.execute("INSERT INTO customers VALUES (1, 'ann@example.org', 'Kiel')")
    connection.close()
    text = "Kontakt;Filiale;Notiz\nann@example.org;Kiel;x\n"
    (folder / "customers.csv").write_text(text, "utf-8")


@pytest.mark.anyio
async def test_the_examples_of_the_documentation_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block of Python runs in order, in one namespace; its source yields rows."""
    text = Path(__file__).parents[2].joinpath("docs", "sources.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path)
    space: dict[str, Any] = {"read_csv": read_csv}
    counts: list[int] = []
    for block in blocks:
        space.pop("source", None)
        exec(block, space)  # noqa: S102 - our own documentation
        if source := space.get("source"):
            counts.append((await upsert(ModelServer(), source)).accepted)
    space["connection"].close()
    assert [2, 1, 1, 1, 1] == counts
