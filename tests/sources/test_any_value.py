"""Whatever a cell holds, reading continues: a receiver, or a bad row, never an exception."""

import json
import sqlite3
from datetime import UTC, date, datetime, time, timedelta
from datetime import timezone as fixed
from decimal import Decimal
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cleverreach_async import (
    BadRow,
    ReceiverInput,
    SourceRow,
    read_arrow,
    read_csv,
    read_cursor,
    read_json_lines,
    read_records,
)
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.preparation import Preparation

pa: Any = import_module("pyarrow")

COLUMNS = {
    "email": "email",
    "registered": "registered",
    "activated": "activated",
    "deactivated": "deactivated",
    "flag": "subscribed",
    "left": "unsubscribed",
    "source": "source",
    "tags": "tags",
    "text": "text",
    "day": "day",
    "birthday": "birthday",
    "number": "attributes.number",
    "gender": "gender",
}
TYPES = {"attributes.number": "number", "text": "text"}


class Broken:
    """An object that nothing can be done with."""

    def __str__(self) -> str:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError


class Colour(Enum):
    """Members of any type."""

    RED = "red"
    LIST = ("a", "b")


MOMENTS: tuple[Any, ...] = (
    *(datetime.max.replace(tzinfo=UTC), date.max, date.min, time(12), timedelta(days=1)),
    *(datetime.max.replace(tzinfo=None), datetime.min.replace(tzinfo=None)),  # noqa: DTZ901
    datetime.min.replace(tzinfo=fixed(timedelta(hours=14))),
    datetime(1, 1, 1, tzinfo=fixed(-timedelta(hours=23))),
    datetime(2026, 3, 29, 2, 30, tzinfo=UTC).replace(tzinfo=None),
)
NUMBERS = (0, 1, -1, 20251231, 45291, 1_767_225_600_000, 10**30, -(10**30), 2**63, True, False)
FRACTIONS = (0.0, 1e300, float("nan"), float("inf"), -0.5, *map(Decimal, ("sNaN", "NaN", "1E+9")))
OBJECTS: tuple[Any, ...] = (
    *(None, b"", b"\xff", [], [1], {}, {"a": 1}, Colour.RED, Colour.LIST, object()),
)
TEXTS = (
    *("", " ", "0", "1", "ja", "nein", "x", "NULL", "-5", "+1", "1.234,56", "1.234", "0000-00-00"),
    *("31.12.9999", "0.0.00", "\ud800", "\x00", "\u200b", '="01067"', "Frau", "divers", "9" * 400),
    *("31.12.9999 23:59:59", "9999-12-31T23:59:59-23:59", "0001-01-01", "29.02.2023", "٣١.١٢.2025"),
)
texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=12), st.dates().map(str))
values = st.one_of(
    texts,
    st.sampled_from([*MOMENTS, *NUMBERS, *FRACTIONS, *OBJECTS, UUID(int=0)]),
    st.none().map(lambda _: Broken()),
    st.datetimes(),
    st.integers(),
    st.decimals(),
    st.floats(),
    st.binary(max_size=4),
    st.lists(st.integers() | st.text(max_size=2), max_size=3),
)


def check(row: object) -> None:
    """The row has a result; what is sent is JSON that a server can read."""
    assert isinstance(row, SourceRow | BadRow)
    rows, results = Encoder(Preparation(now=1_767_225_600)).encode([row], [1])
    assert 1 == len(rows) + len(results)
    for encoded in rows:
        sent = json.loads(encoded.body)
        for name in ("registered", "activated", "deactivated"):
            seconds = sent.get(name, 1_700_000_000)
            assert type(seconds) is int
            # 0 means never, and true is 1.
            is_time = 86_400 <= seconds <= 4_102_444_800
            assert seconds in {0, 1} or is_time or name == "registered"
        assert {"registered", "activated", "deactivated"} & sent.keys() or "activated" not in sent


def typed(source: Any) -> Any:
    """The source with types that an account may have."""
    source.take_types(TYPES, relative=False)
    return source


FIELDS = sorted(attrs.fields_dict(ReceiverInput))
OPTIONS: dict[str, Any] = {"mapping": COLUMNS, "date_attributes": ["day"]}
DRAWN = st.dictionaries(st.sampled_from(sorted(COLUMNS)), values, max_size=6)
patient = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(drawn=DRAWN)
def test_records(drawn: dict[str, Any]) -> None:
    """Values of any type in any column."""
    row = {**dict.fromkeys(COLUMNS), "email": "ann@example.org", **drawn}
    (item,) = typed(read_records([row], **OPTIONS))
    check(item)


@given(drawn=DRAWN)
@example(drawn={"activated": "NULL"})
def test_records_strictly(drawn: dict[str, Any]) -> None:
    """A bad value is a bad row; a word for no value is none."""
    row = {**dict.fromkeys(COLUMNS), "email": "ann@example.org", **drawn}
    (item,) = typed(read_records([row], strict=True, **OPTIONS))
    check(item)
    assert not (isinstance(item, SourceRow) and [it for it in item.remarks if it.kind == "dropped"])


@patient
@given(drawn=st.dictionaries(st.sampled_from(sorted(COLUMNS)), texts, max_size=6))
def test_csv_files(drawn: dict[str, str], tmp_path: Path) -> None:
    """Text in any column; a file of other characters is refused as a whole."""
    cells = {**dict.fromkeys(COLUMNS, ""), "email": "ann@example.org", **drawn}
    clean = [
        "".join(letter for letter in cell if letter.isprintable()).replace('"', '""')
        for cell in cells.values()
    ]
    path = tmp_path / "a.csv"
    row = ";".join(f'"{cell}"' for cell in clean)
    path.write_text(f"{';'.join(cells)}\n{row}\n", "utf-8")
    for item in typed(read_csv(path, encoding="utf-8", **OPTIONS)):
        check(item)


@patient
@given(
    fields=st.dictionaries(
        st.sampled_from(FIELDS),
        st.one_of(
            texts.filter(lambda text: "\ud800" not in text),
            st.sampled_from([None, True, 0, 1.5, -1, 10**12, [], ["a"], [1], {}, {"a": [1]}]),
            st.lists(st.fixed_dictionaries({}, optional={"order_id": texts, "stamp": texts})),
        ),
    )
)
def test_json_lines(fields: dict[str, Any], tmp_path: Path) -> None:
    """Any JSON in any field."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps({"email": "ann@example.org", **fields}).encode())
    (item,) = read_json_lines(path)
    check(item)


@given(fields=st.dictionaries(st.sampled_from(FIELDS), values))
def test_mappings_and_receivers(fields: dict[str, Any]) -> None:
    """What a caller passes without a source."""
    item: dict[str, Any] = {"email": "ann@example.org", **fields}
    for row in (item, ReceiverInput(**item)):
        rows, results = Encoder().encode([row], [1])
        assert 1 == len(rows) + len(results)


@given(
    moments=st.lists(st.datetimes() | st.none(), min_size=1, max_size=3),
    numbers=st.lists(st.floats() | st.none(), min_size=3, max_size=3),
)
def test_arrow(moments: list[datetime | None], numbers: list[float | None]) -> None:
    """Columns with types."""
    count = len(moments)
    table = pa.table(
        {
            "email": ["ann@example.org"] * count,
            "registered": pa.array(moments, pa.timestamp("us")),
            "birthday": pa.array([it and it.date() for it in moments], pa.date32()),
            "left": pa.array(moments, pa.timestamp("us")),
            "number": pa.array(numbers[:count], pa.float64()),
        }
    )
    mapping = {name: COLUMNS[name] for name in table.column_names}
    for item in typed(read_arrow(table, mapping=mapping)):
        check(item)


@pytest.mark.anyio
async def test_cursors() -> None:
    """Values of a database."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    names = sorted(COLUMNS)
    connection.execute(f"CREATE TABLE t ({', '.join(names)})")
    values = [*TEXTS[:-3], *(it for it in NUMBERS if abs(it) < 2**63), None, b"\xff", 1e300]
    for value in values:
        if isinstance(value, str) and "\ud800" in value:
            continue
        for name in names:
            row = {**dict.fromkeys(names), "email": "ann@example.org", name: value}
            marks = ", ".join("?" * len(names))
            connection.execute(f"INSERT INTO t VALUES ({marks})", [row[it] for it in names])  # noqa: S608
    cursor = connection.execute("SELECT * FROM t")
    async for item in typed(read_cursor(cursor, **OPTIONS)):
        check(item)
