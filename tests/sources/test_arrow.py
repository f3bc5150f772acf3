"""Parquet files and frames of other libraries become receivers."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.model_server import ModelServer, upsert

from cleverreach_async import (
    BadRow,
    ConfigurationError,
    ReceiverInput,
    SourceError,
    SourceRow,
    read_arrow,
    read_parquet,
    read_rows,
)
from cleverreach_async.sources import ArrowSource
from cleverreach_async.sources.resumable import Resumable

# They bring no types.
pa: Any = import_module("pyarrow")
pq: Any = import_module("pyarrow.parquet")
pd: Any = import_module("pandas")

COLUMNS: dict[str, list[Any]] = {
    "E-Mail": ["ann@example.org", "ben@example.org"],
    "Ort": ["Kiel", None],
    "Umsatz": [49.5, None],
    "Registriert am": [datetime(2025, 12, 31, 11, tzinfo=UTC), None],
}
EXPECTED = [
    SourceRow(
        ReceiverInput(
            "ann@example.org",
            registered=1767178800,
            global_attributes={"city": "Kiel", "worth": 49.5},
        ),
        None,
    ),
    SourceRow(ReceiverInput("ben@example.org"), None),
]
MAPPING = {"Umsatz": "worth"}


def table() -> Any:
    """Two customers."""
    return pa.table(COLUMNS)


@pytest.mark.parametrize(
    "make",
    [
        table,
        lambda: table().to_batches()[0],
        lambda: table().to_batches(max_chunksize=1),
        lambda: table().to_reader(),
        lambda: pl.DataFrame(COLUMNS),
        lambda: pd.DataFrame(COLUMNS),
        lambda: pd.DataFrame(COLUMNS).astype({"Ort": "category"}).set_index("Umsatz", drop=False),
    ],
    ids=["table", "batch", "batches", "reader", "polars", "pandas", "categories"],
)
def test_arrow_data_of_any_library_is_read(make: Callable[[], Any]) -> None:
    """By the PyCapsule interface, so other libraries work too."""
    assert EXPECTED == list(read_arrow(make(), mapping=MAPPING))


def test_a_frame_can_be_read_again_but_a_stream_cannot() -> None:
    """A second loop over a stream would silently find no rows."""
    frame, stream = read_arrow(pl.DataFrame(COLUMNS)), read_arrow(table().to_reader())
    assert list(frame) == list(frame)
    assert 2 == len(list(stream))
    with pytest.raises(SourceError, match="can be read only once"):
        list(stream)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Path of a file that does not exist yet."""
    return tmp_path / "customers.parquet"


def people(count: int) -> Any:
    """Customers with a column that is not mapped."""
    emails = [f"p{number}@example.org" for number in range(count)]
    return pa.table({"email": emails, "unused": list(range(count))})


def addresses(source: Any) -> list[str]:
    """Return the addresses of a source without bad rows."""
    return [item.receiver.email for item in source]


def test_a_parquet_file_is_read(file: Path) -> None:
    """By suffix, as the command does; columns of numbers become number attributes."""
    pq.write_table(table(), file)
    source = read_rows(file, mapping=MAPPING)

    assert EXPECTED == list(source)
    assert source.mapping is not None
    assert {"city": "text", "worth": "number"} == source.mapping.global_attributes
    assert (str(file), file.stat().st_size) == (source.path, source.size)
    assert source.size == source.bytes_read


@pytest.mark.anyio
async def test_an_async_loop_reads_the_same(file: Path) -> None:
    """In a worker thread, where the importer reads it."""
    pq.write_table(people(2500), file)
    assert addresses(read_parquet(file)) == [
        row.receiver.email async for row in read_parquet(file) if isinstance(row, SourceRow)
    ]
    report = await upsert(ModelServer(), read_parquet(file))
    assert 2500 == report.accepted


@pytest.mark.parametrize("group_size", [1, 3, 10, 100])
def test_a_parquet_file_is_resumed_at_any_row(
    file: Path, group_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``seek`` a new source yields exactly the remaining rows, and a later loop all rows."""
    monkeypatch.setattr("cleverreach_async.sources.arrow.CHUNK_ROWS", 4)
    pq.write_table(people(23), file, row_group_size=group_size)
    source = read_parquet(file)
    assert isinstance(source, Resumable)
    positions = [source.tell()]
    everything: list[str] = []
    for item in source:
        assert isinstance(item, SourceRow)
        everything.append(item.receiver.email)
        positions.append(json.loads(json.dumps(source.tell())))
    assert 23 == len(everything)

    for passed, position in enumerate(positions):
        again = read_parquet(file)
        again.seek(position)
        assert position == again.tell()
        assert everything[passed:] == addresses(again)
        assert everything == addresses(again)


@pytest.mark.anyio
async def test_an_async_loop_is_resumed_too(file: Path) -> None:
    """Rows that the thread has read ahead are not counted as yielded."""
    pq.write_table(people(30), file, row_group_size=10)
    source = read_parquet(file)
    rows = aiter(source)
    for _ in range(13):
        await anext(rows)
    again = read_parquet(file)
    again.seek(source.tell())
    await rows.aclose()
    assert 17 == len(addresses(again))


@pytest.mark.parametrize(
    "position", [None, {}, {"row_group": 9, "row": 0}, {"row_group": 0, "row": 99}, {"byte": 7}]
)
def test_a_position_of_another_file_is_refused(file: Path, position: Any) -> None:
    """Reading does not begin at a wrong row."""
    pq.write_table(people(3), file)
    with pytest.raises(SourceError, match="no row begins at"):
        read_parquet(file).seek(position)


def test_a_copy_is_the_same_file_and_another_mapping_is_not(file: Path, tmp_path: Path) -> None:
    """The content and the options count, not the path."""
    pq.write_table(people(3), file)
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(file.read_bytes())
    identity = read_parquet(file).identity()
    assert identity == json.loads(json.dumps(identity)) == read_parquet(copy).identity()

    others = [
        read_parquet(file, mapping={"unused": "code"}),
        read_parquet(file, timezone="UTC"),
        read_parquet(file, mapping={"unused": "code"}, date_attributes=["code"]),
    ]
    pq.write_table(people(4), copy)
    others.append(read_parquet(copy))
    seen = [identity, *(other.identity() for other in others)]
    assert len(seen) == len({json.dumps(it, sort_keys=True) for it in seen})


def test_a_file_that_changes_is_an_error(file: Path) -> None:
    """Its rows are not those that were inspected."""
    pq.write_table(people(3), file)
    source = read_parquet(file)
    pq.write_table(people(300), file)
    with pytest.raises(SourceError, match="the file changed"):
        list(source)


def test_a_damaged_page_is_an_error(file: Path) -> None:
    """Rows before it were yielded; pyarrow's own error is chained."""
    pq.write_table(
        people(4000), file, row_group_size=2000, compression="none", write_page_checksum=True
    )
    content = bytearray(file.read_bytes())
    place = content.index(b"p3900@example.org")
    content[place : place + 3] = b"XXX"
    file.write_bytes(content)
    rows: list[Any] = []

    def read() -> None:
        for row in read_parquet(file):
            rows.append(row)  # noqa: PERF402 - those before the error count

    with pytest.raises(SourceError, match="cannot be read as Parquet") as caught:
        read()
    assert 2000 == len(rows)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"email\nann@example.org\n", "cannot be read as Parquet"), (b"", "cannot be read")],
)
def test_a_file_that_is_not_parquet_is_an_error(file: Path, content: bytes, words: str) -> None:
    """With the file's name."""
    file.write_bytes(content)
    with pytest.raises(SourceError, match=words) as caught:
        read_parquet(file)
    assert str(file) == caught.value.path


def test_a_missing_file_is_an_error(file: Path) -> None:
    """As for other files."""
    with pytest.raises(SourceError, match="No such file"):
        read_parquet(file)


def test_types_of_arrow_are_converted() -> None:
    """Nanoseconds, days, decimals, lists, dictionaries, large text."""
    data = pa.table(
        {
            "email": pa.array(["ann@example.org"], pa.large_string()),
            "registered": pa.array([1767178800_000_000_001], pa.timestamp("ns", "UTC")),
            "activated": pa.array([1767182400_000_000], pa.timestamp("us")),
            "birthday": pa.array([date(1985, 3, 12)]),
            "worth": pa.array([Decimal("49.90")]),
            "visits": pa.array([7], pa.int16()),
            "zip": pa.array([24103]),
            "visited": pa.array([date(2025, 1, 2)]),
            "tags": pa.array([["a", "b"]]),
            "city": pa.array(["Kiel"]).dictionary_encode(),
        }
    )
    source = read_arrow(data, mapping={name: name for name in ("worth", "visits", "visited")})
    expected = ReceiverInput(
        "ann@example.org",
        registered=1767178800,
        activated=1767178800,
        tags=["a", "b"],
        global_attributes={
            "birthday": "1985-03-12",
            "worth": "49.90",
            "visits": 7,
            "zip": "24103",
            "visited": "2025-01-02",
            "city": "Kiel",
        },
    )
    assert [SourceRow(expected, None)] == list(source)
    assert {"number", "date", "text"} == set(source.mapping.global_attributes.values())
    assert "text" == source.mapping.global_attributes["zip"]


def test_a_value_that_python_cannot_hold_affects_its_row_only() -> None:
    """A date of the year 200 000 is one bad row."""
    moments = pa.array([1767178800, 10**13 // 2], pa.timestamp("s", "UTC"))
    data = pa.table({"email": COLUMNS["E-Mail"], "registered": moments})
    first, second = read_arrow(data)
    assert isinstance(first, SourceRow)
    assert 1767178800 == first.receiver.registered
    assert isinstance(second, BadRow)
    assert ("invalid_date", True) == (second.code, "'registered'" in second.message)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ([{"email": "ann@example.org"}], ConfigurationError, "does not hold batches only"),
        ("ann@example.org", ConfigurationError, "not Arrow data but str"),
        ([], SourceError, "at least one batch"),
        (pa.table({"city": ["Kiel"]}), SourceError, "no column is recognised"),
        (pa.table([["a"], ["b"]], names=["email", "email"]), SourceError, "named 'email'"),
    ],
)
def test_unusable_data_are_an_error(data: Any, error: type[Exception], words: str) -> None:
    """Immediately, with the types that are accepted."""
    with pytest.raises(error, match=words):
        read_arrow(data)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([["ann@example.org", "a"]], columns=["email", "email"]),
        pd.DataFrame({"email": ["ann@example.org", "ben@example.org"], "zip": [1067, "D-1"]}),
        pd.DataFrame({"email": ["ann@example.org"], "n": pd.arrays.SparseArray([1])}),
        pl.Series("email", ["ann@example.org"]),
    ],
    ids=["names", "mixed", "sparse", "series"],
)
def test_a_frame_that_is_no_arrow_data_is_an_error(frame: Any) -> None:
    """It says what to do, and shows no value."""
    with pytest.raises(SourceError, match="values of one type, convert others with") as caught:
        read_arrow(frame)
    assert "D-1" not in str(caught.value)


def test_batches_with_different_columns_are_refused() -> None:
    """Before the first row is sent; their order does not matter."""
    first = pa.record_batch({"email": ["ann@example.org"], "city": ["Kiel"]})
    turned = pa.record_batch({"city": ["Bonn"], "email": ["ben@example.org"]})
    other = pa.record_batch({"mail": ["cem@example.org"], "city": ["Ulm"]})
    assert 2 == sum(1 for _ in read_arrow([first, turned]))
    with pytest.raises(SourceError, match="the batches have different columns"):
        read_arrow([first, turned, other])


def test_options_of_csv_are_refused(file: Path) -> None:
    """They would be ignored silently."""
    pq.write_table(people(1), file)
    with pytest.raises(ConfigurationError, match="is Parquet: delimiter and encoding"):
        read_rows(file, delimiter=";")


def test_few_rows_are_python_objects_at_a_time() -> None:
    """Memory does not depend on the size of the batches."""
    source = read_arrow(people(5000))
    assert isinstance(source, ArrowSource)
    sizes = [len(chunk.rows) for chunk in source.chunks()]
    assert [1024, 1024, 1024, 1024, 904] == sizes


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for read in (lambda: read_parquet(file), lambda: read_arrow([])):
        with pytest.raises(ConfigurationError, match=r"pip install 'cleverreach-async\[arrow\]'"):
            read()


def test_arrow_is_loaded_when_it_is_used() -> None:
    """Neither the package nor the import of a CSV file loads it."""
    code = "import sys, cleverreach_async as c; c.read_csv; c.read_parquet; c.CleverReach;"
    code += "print([it for it in ('pyarrow', 'sqlalchemy') if it in sys.modules])"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert "[]\n" == done.stdout
