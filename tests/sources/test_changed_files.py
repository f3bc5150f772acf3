"""Files that are changed while they are read: no row of another content is yielded."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from cleverreach_async import SourceError, read_csv, read_json_lines, read_json_list, read_parquet
from cleverreach_async.sources.rows import SourceRow

ROWS = 20_000

Write = Callable[[Path, str], None]


def write_csv(path: Path, letter: str) -> None:
    """A CSV file."""
    path.write_text("email,city\n" + "".join(f"{n:06}@a.example,{letter}\n" for n in range(ROWS)))


def objects(letter: str) -> Iterator[str]:
    """Receivers as JSON."""
    return (
        json.dumps({"email": f"{n:06}@a.example", "attributes": {"city": letter}})
        for n in range(ROWS)
    )


def write_json_lines(path: Path, letter: str) -> None:
    """A file of JSON lines."""
    path.write_text("".join(f"{line}\n" for line in objects(letter)))


def write_json_list(path: Path, letter: str) -> None:
    """A file with a JSON list."""
    path.write_text(f"[{','.join(objects(letter))}]")


def write_parquet(path: Path, letter: str) -> None:
    """A Parquet file with many row groups."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    data = {"email": [f"{n:06}@a.example" for n in range(ROWS)], "city": [letter] * ROWS}
    parquet.write_table(pyarrow.table(data), path, row_group_size=2000)


FORMATS = pytest.mark.parametrize(
    ("read", "write"),
    [
        pytest.param(read_csv, write_csv, id="csv"),
        pytest.param(read_json_lines, write_json_lines, id="json-lines"),
        pytest.param(read_json_list, write_json_list, id="json-list"),
        pytest.param(read_parquet, write_parquet, id="parquet"),
    ],
)


def in_place(path: Path, content: bytes) -> None:
    """Write other content into the file."""
    with path.open("r+b") as file:
        file.write(content)


def by_another(path: Path, content: bytes) -> None:
    """Put another file in its place."""
    other = path.with_name("other")
    other.write_bytes(content)
    other.replace(path)


def later(path: Path) -> None:
    """Set the time of a file, since tests are faster than the clock of a disk."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def cities(rows: Iterator[Any]) -> list[str]:
    """The attribute of each row."""
    found: list[str] = []
    for row in rows:
        assert isinstance(row, SourceRow)
        maps = (row.receiver.global_attributes, row.receiver.attributes)
        found += [str(values["city"]) for values in maps if values]
    return found


@FORMATS
@pytest.mark.parametrize("after", [0, 1, 10_000, ROWS])
def test_a_file_rewritten_in_place_is_noticed(
    tmp_path: Path, read: Callable[[Path], Any], write: Write, after: int
) -> None:
    """Its size is the same; the rows yielded before and after are all of the first content."""
    path, new = tmp_path / "a", tmp_path / "b"
    write(path, "x")
    write(new, "y")
    rows = iter(read(path))
    found = cities(islice(rows, after))
    in_place(path, new.read_bytes())
    later(path)

    def read_on() -> None:
        for row in rows:
            found.extend(cities(iter([row])))

    with pytest.raises(SourceError, match="changed while it was read"):
        read_on()

    assert {"x"} >= {*found}
    assert after <= len(found)


@FORMATS
def test_another_file_of_the_same_size_is_noticed(
    tmp_path: Path, read: Callable[[Path], Any], write: Write
) -> None:
    """It was put in its place between the inspection and the first row."""
    path, new = tmp_path / "a", tmp_path / "b"
    write(path, "x")
    write(new, "y")
    source = read(path)
    by_another(path, new.read_bytes())

    with pytest.raises(SourceError, match="changed while it was read"):
        next(iter(source))


@FORMATS
def test_a_file_that_was_only_touched_is_read(
    tmp_path: Path, read: Callable[[Path], Any], write: Write
) -> None:
    """So is a copy that was put in its place."""
    path = tmp_path / "a"
    write(path, "x")
    source = read(path)
    by_another(path, path.read_bytes())
    rows = iter(source)
    found = cities(islice(rows, 5_000))
    later(path)
    found += cities(islice(rows, 5_000))
    in_place(path, path.read_bytes())
    later(path)

    assert ["x"] * ROWS == found + cities(rows)


def test_a_file_replaced_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    """The file that was opened remains as it was."""
    path = tmp_path / "a"
    write_csv(path, "x")
    rows = iter(read_csv(path))
    found = cities(islice(rows, 5_000))
    shutil.copy(path, tmp_path / "old")
    write_csv(tmp_path / "b", "y")
    (tmp_path / "b").replace(path)

    assert ["x"] * ROWS == found + cities(rows)


@FORMATS
def test_a_file_that_was_deleted_before_it_is_read_is_an_error(
    tmp_path: Path, read: Callable[[Path], Any], write: Write
) -> None:
    """An error of the library, which an import can report."""
    path = tmp_path / "file"
    write(path, "A")
    source = read(path)
    path.unlink()
    with pytest.raises(SourceError, match="No such file"):
        next(iter(source))
