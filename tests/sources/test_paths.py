"""Paths of files that are none."""

import io
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from cleverreach_async import (
    ConfigurationError,
    SourceError,
    read_csv,
    read_excel,
    read_json_lines,
    read_json_list,
    read_parquet,
    read_rows,
)
from cleverreach_async.sources.rejects_file import read_rejects

pytestmark = pytest.mark.anyio

readers = pytest.mark.parametrize(
    "read",
    [
        read_csv,
        read_rows,
        read_json_lines,
        read_json_list,
        read_excel,
        read_parquet,
        read_rejects,
    ],
)


@readers
@pytest.mark.parametrize(
    "path",
    [
        None,
        5,
        b"customers.csv",
        ["ann@example.org"],
        [{"email": "ann@example.org"}],
        io.StringIO("email\nann@example.org\n"),
        io.BytesIO(b"email\nann@example.org\n"),
        sqlite3.connect(":memory:").cursor(),
    ],
    ids=lambda path: type(path).__name__,
)
async def test_what_is_no_path_is_an_error(read: Callable[[Any], Any], path: Any) -> None:
    """At once; it names what reads rows in memory and cursors."""
    with pytest.raises(ConfigurationError, match=r"pass the path of a file.*read_records.*cursor"):
        read(path)


@readers
async def test_a_path_with_a_null_character_is_an_error(read: Callable[[Any], Any]) -> None:
    """No file has such a name."""
    with pytest.raises(SourceError, match="no null characters"):
        read("customers\0.csv")


@readers
def test_the_same_outside_of_an_event_loop(read: Callable[[Any], Any]) -> None:
    """Where the file is read at once."""
    with pytest.raises(ConfigurationError, match="pass the path of a file"):
        read(None)
    with pytest.raises(SourceError, match="no null characters"):
        read("customers\0.csv")
