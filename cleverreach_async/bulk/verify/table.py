"""The rows of a source by address, in a temporary file that SQLite deletes at its end."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple, Self

import msgspec

from cleverreach_async.bulk.verify.compare import merged
from cleverreach_async.errors import CleverReachError
from cleverreach_async.transport.wire import encode_json

__all__ = ["ExpectedRow", "RowTable"]

_TABLE = (
    "CREATE TABLE rows (key TEXT PRIMARY KEY, number INTEGER NOT NULL, line INTEGER,"
    " fields BLOB NOT NULL, is_excluded INTEGER NOT NULL, is_found INTEGER NOT NULL DEFAULT 0)"
    " WITHOUT ROWID"
)

_CACHE: Final = 32_000
"""Kilobytes in memory."""
_COLUMNS = "rows (key, number, line, fields, is_excluded) VALUES (?, ?, ?, ?, ?)"
_ADD = f"INSERT OR IGNORE INTO {_COLUMNS}"
_REPLACE = f"INSERT OR REPLACE INTO {_COLUMNS}"


class ExpectedRow(NamedTuple):
    """What the source says of one address.

    Attributes:
        key: The address in lower case.
        number: One-based number of its last row.
        line: Line of the file, if the source is a file.
        fields: The fields that an import sends.
        is_excluded: Whether the row says that the person is not subscribed.
    """

    key: str
    number: int
    line: int | None
    fields: Mapping[str, Any]
    is_excluded: bool = False


class RowTable:
    """Rows by address. Use it in a ``with`` block; its file cannot be seen by others."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(f"PRAGMA cache_size = {-_CACHE}")
        self._database.execute(_TABLE)
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, row: ExpectedRow) -> bool:
        """Add a row, and return whether there was one of its address.

        The two make what both leave behind; a row that an import excludes decides alone.
        """
        is_new = self._write(_ADD, row)
        if not is_new:
            earlier = self.find(row.key)
            if earlier is not None and not row.is_excluded:
                row = row._replace(fields=merged(earlier.fields, row.fields))
            self._write(_REPLACE, row)
        return not is_new

    def _write(self, sql: str, row: ExpectedRow) -> bool:
        fields = encode_json(row.fields)
        values = (row.key, row.number, row.line, fields, row.is_excluded)
        return self._execute(sql, values).rowcount > 0

    def find(self, key: str) -> ExpectedRow | None:
        """Return the row of an address."""
        sql = "SELECT key, number, line, fields, is_excluded FROM rows WHERE key = ?"
        found = self._execute(sql, (key,)).fetchone()
        return None if found is None else _row(found)

    def mark(self, key: str) -> None:
        """Remember that the group has the receiver."""
        self._execute("UPDATE rows SET is_found = 1 WHERE key = ?", (key,))

    def missing(self) -> Iterator[ExpectedRow]:
        """Iterate over the rows that the group should have and does not, in their order."""
        sql = (
            "SELECT key, number, line, fields, is_excluded FROM rows"
            " WHERE NOT is_found AND NOT is_excluded ORDER BY number"
        )
        with closing(self._execute(sql)) as cursor:
            yield from map(_row, cursor)

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute a statement.

        Raises:
            CleverReachError: The temporary file cannot be used.
        """
        try:
            return self._database.execute(sql, values)
        except sqlite3.Error as error:
            raise CleverReachError(
                f"the rows cannot be kept in a temporary file: {error}; free some space, or name"
                " another folder for temporary files with the environment variable SQLITE_TMPDIR"
            ) from None


def _row(columns: tuple[Any, ...]) -> ExpectedRow:
    key, number, line, fields, is_excluded = columns
    return ExpectedRow(key, number, line, msgspec.json.decode(fields), bool(is_excluded))
