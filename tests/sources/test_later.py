"""Files are inspected in a worker thread where the source is created in a coroutine."""

import json
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from support.model_server import ModelServer, upsert
from support.workbooks import write_workbook

from cleverreach_async import ConfigurationError, SourceError, in_thread
from cleverreach_async.sources import (
    RowFile,
    arrow,
    excel,
    file_source,
    read_csv,
    read_excel,
    read_json_lines,
    read_json_list,
    read_parquet,
    read_rows,
    text_file,
)
from cleverreach_async.sources.csv_table import CsvTable
from cleverreach_async.sources.later import inspect_source
from cleverreach_async.sources.rejects_file import read_rejects

pytestmark = pytest.mark.anyio

Read = Callable[[], RowFile]

NAMES = [f"p{number}@example.org" for number in range(150)]
KINDS = ["csv", "json lines", "json list", "rejects", "excel", "parquet", "rows"]


def reader_of(kind: str, folder: Path) -> Read:
    """Write a file of some format, and return the function that reads it."""
    path = folder / f"customers.{kind.partition(' ')[0]}"
    objects = [json.dumps({"email": name}) for name in NAMES]
    if kind in {"csv", "rows"}:
        path.write_text("\n".join(["email", *NAMES, ""]))
        return partial(read_csv if kind == "csv" else read_rows, path)
    if kind == "json lines":
        path.write_text("\n".join([*objects, ""]))
        return partial(read_json_lines, path)
    if kind == "json list":
        path.write_text(f"[{','.join(objects)}]")
        return partial(read_json_list, path)
    if kind == "rejects":
        path.write_text("".join(f'{{"line": 1, "receiver": {it}}}\n' for it in objects))
        return partial(read_rejects, path)
    if kind == "excel":
        write_workbook(path.with_suffix(".xlsx"), {"a": [["email"], *([name] for name in NAMES)]})
        return partial(read_excel, path.with_suffix(".xlsx"))
    table: Any = import_module("pyarrow").table({"email": NAMES})
    import_module("pyarrow.parquet").write_table(table, path)
    return partial(read_parquet, path)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The thread of each inspection of a file: it ends with the digest of the content."""
    found: list[int] = []
    for module in (text_file, excel, arrow):
        of_content: Callable[[Any], str] = module.fingerprint

        def recorded(file: Any, of_content: Callable[[Any], str] = of_content) -> str:
            found.append(threading.get_ident())
            return of_content(file)

        monkeypatch.setattr(module, "fingerprint", recorded)
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_an_import_inspects_in_a_thread(
    kind: str, tmp_path: Path, threads: list[int]
) -> None:
    """Once, however often the source is used, and not before it is used."""
    source = reader_of(kind, tmp_path)()
    assert ([], False) == (threads, source.is_inspected)
    assert source.path in repr(source)
    report = await upsert(ModelServer(), source)
    assert len(NAMES) == report.accepted
    assert threading.get_ident() not in threads
    assert 1 == len(threads)
    assert len(NAMES) == len([*source])
    assert (1, True) == (len(threads), source.is_inspected)


@pytest.mark.parametrize("kind", KINDS)
async def test_it_can_be_awaited(kind: str, tmp_path: Path, threads: list[int]) -> None:
    """Then everything is known, and equal to that of a source created without an event loop."""
    read = reader_of(kind, tmp_path)
    source = read()
    await source.inspect()
    assert threading.get_ident() not in threads
    other = await anyio.to_thread.run_sync(read)
    assert other.is_inspected
    assert other.identity() == source.identity()
    assert other.mapping == source.mapping
    assert repr(other) == repr(source)
    assert [*other] == [*source]


@pytest.mark.parametrize("kind", KINDS)
async def test_synchronous_use_inspects_in_place(
    kind: str, tmp_path: Path, threads: list[int]
) -> None:
    """An attribute, and a loop."""
    read = reader_of(kind, tmp_path)
    assert read().size == (await anyio.to_thread.run_sync(read)).size
    assert len(NAMES) == len([*read()])
    assert 2 == threads.count(threading.get_ident())


@pytest.mark.parametrize("kind", ["excel", "parquet"])
async def test_async_for_inspects_in_a_thread(
    kind: str, tmp_path: Path, threads: list[int]
) -> None:
    """Where a source is read in a thread anyway."""
    source: Any = reader_of(kind, tmp_path)()
    assert len(NAMES) == len([row async for row in source])
    assert 1 == len(threads)
    assert threading.get_ident() not in threads


async def test_a_source_in_a_thread(tmp_path: Path, threads: list[int]) -> None:
    """The source that is read in a thread is inspected in one too."""
    source = reader_of("csv", tmp_path)()
    await inspect_source(in_thread(source))
    assert source.is_inspected
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("read", [read_csv, read_json_lines, read_excel, read_parquet, read_rows])
async def test_a_missing_file_is_an_error_at_once(read: Any, tmp_path: Path) -> None:
    """As if there were no event loop."""
    with pytest.raises(SourceError, match="No such file"):
        read(tmp_path / "customers.csv")


async def test_a_wrong_argument_is_an_error_at_once(tmp_path: Path, threads: list[int]) -> None:
    """As far as the content does not matter."""
    path = tmp_path / "customers.csv"
    path.write_text("email\n")
    with pytest.raises(ConfigurationError, match="delimiter"):
        read_csv(path, delimiter=";;")
    with pytest.raises(ConfigurationError, match="no encoding of that name"):
        read_csv(path, encoding="utf-9")
    with pytest.raises(ConfigurationError, match="timezone"):
        read_csv(path, timezone="Berlin")
    assert not threads


async def test_a_wrong_content_ends_the_import_before_a_request(tmp_path: Path) -> None:
    """With the error that the reader raises without an event loop, each time."""
    path = tmp_path / "customers.csv"
    path.write_text("name\nann\n")
    source = read_csv(path)
    server = ModelServer()
    for _ in range(2):
        with pytest.raises(SourceError, match="no column is recognised"):
            await upsert(server, source)
    with pytest.raises(SourceError, match="no column is recognised"):
        _ = source.mapping
    assert not server.requests


async def test_what_the_first_row_needs_is_found_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file whose rows end with empty cells all rows are read before the first is sent."""
    path = tmp_path / "customers.csv"
    path.write_text("email;city\n" + "".join(f"{name};Kiel;\n" for name in NAMES))
    found: list[int] = []
    records: Callable[[CsvTable], Any] = vars(CsvTable)["_records"]

    def recorded(table: CsvTable) -> Any:
        found.append(threading.get_ident())
        return records(table)

    monkeypatch.setattr(CsvTable, "_records", recorded)
    report = await upsert(ModelServer(), read_csv(path))
    assert len(NAMES) == report.accepted
    assert found
    assert threading.get_ident() not in found


async def test_rows_that_are_done_are_skipped_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a position is a number of rows."""
    read = reader_of("json list", tmp_path)
    found: list[int] = []
    skip: Callable[..., Any] = vars(file_source.FileSource)["_skip"]

    def recorded(*arguments: Any) -> Any:
        found.append(threading.get_ident())
        return skip(*arguments)

    monkeypatch.setattr(file_source.FileSource, "_skip", recorded)
    source = read()
    await source.inspect()
    source.seek({"rows": 100})
    await source.inspect()
    source.seek({"rows": 140})
    await source.inspect()
    assert 10 == len([*source])
    assert {"rows": 150} == source.tell()
    assert 2 == len(found)
    assert threading.get_ident() not in found
    source.seek({"rows": 120})
    assert 30 == len([*source])
    assert threading.get_ident() in found
