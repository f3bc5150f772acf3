"""The SQLite database of the sandbox; no other module uses :mod:`sqlite3`."""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, TypeVar, cast

from .schema import ADDED_COLUMNS, FIRST_IDS, OLDEST_TABLE, SCHEMA, VERSION
from .values import load_list, load_map

Row = dict[str, Any]
T = TypeVar("T")

ACTIVE = "(m.activated > 0 AND m.deactivated = 0 AND m.bounced = 0)"
"""SQL for a member that gets mailings (H: the rule that clients use)."""

_ROWS_OF_AN_INSERT = 50
"""Old versions of SQLite allow 999 values in a statement."""


class Store:
    """One SQLite database, in memory or in a file that keeps the data.

    The lock allows a test to read the store while a server thread uses it.

    Args:
        path: ``:memory:``, or a file.
        first_ids_after: Is added to the first ids of a new database.

    Raises:
        ValueError: The file cannot be used; the message names it.
    """

    def __init__(self, path: str = ":memory:", *, first_ids_after: int = 0) -> None:
        self._lock = RLock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._open(first_ids_after)
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, ValueError) as error:
            raise ValueError(f"{path}: cannot be used as store: {error}") from error

    def _open(self, first_ids_after: int) -> None:
        """Check the file before anything is written to it; then create what it lacks."""
        tables = {name for (name,) in self.tuples("SELECT name FROM sqlite_master")}
        version = self.value("PRAGMA user_version")
        if tables and OLDEST_TABLE not in tables:
            raise ValueError("it is a database of another program")
        if version > VERSION:
            raise ValueError(f"it is of a later version, {version}; this one is {VERSION}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        if version != VERSION:
            self._create(first_ids_after, is_new=not tables)

    def _create(self, first_ids_after: int, *, is_new: bool) -> None:
        """Create the tables, or bring those of an earlier version up to date."""
        self._db.executescript(SCHEMA)
        if not is_new:
            self._add_columns()
        self._set_first_ids(first_ids_after)
        self.run(f"PRAGMA user_version = {VERSION}")

    def _add_columns(self) -> None:
        """Add the columns that a file of an earlier version lacks."""
        for table, columns in ADDED_COLUMNS.items():
            there = {row["name"] for row in self.rows(f"PRAGMA table_info({table})")}
            for name, definition in columns:
                if name not in there:
                    self.run(f"ALTER TABLE {table} ADD COLUMN {name} {definition}")

    def _set_first_ids(self, first_ids_after: int) -> None:
        """Set the first ids of a new database, which differ per kind and account."""
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
        with self.transaction():
            tables = [name for (name,) in self.tuples(sql)] if first_ids_after else FIRST_IDS
            for table in tables:
                if self.value("SELECT seq FROM sqlite_sequence WHERE name = ?", table) is None:
                    first = first_ids_after + FIRST_IDS.get(table, 0)
                    self.insert("sqlite_sequence", name=table, seq=first)

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Commit the block, or roll back on an error; blocks may be nested."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def run(self, sql: str, *values: object) -> int:
        """Execute one statement and return the number of changed rows."""
        with self._lock:
            return self._db.execute(sql, values).rowcount

    def insert(self, table: str, **values: object) -> int:
        """Insert one row, given by column names, and return its id."""
        sql = (
            f"INSERT INTO {table} ({', '.join(values)})"  # noqa: S608 - names come from the code
            f" VALUES ({', '.join('?' * len(values))})"
        )
        with self._lock:
            return cast("int", self._db.execute(sql, tuple(values.values())).lastrowid)

    def insert_all(
        self, table: str, columns: str, values: Sequence[object], on_conflict: str = ""
    ) -> None:
        """Insert rows, many with one statement: that takes a third less time than one by one.

        Args:
            table: The table.
            columns: The names of its columns, separated by commas.
            values: The values of the first row, of the second, and so on.
            on_conflict: The rest of the statement.
        """
        width = columns.count(",") + 1
        head = f"INSERT INTO {table} ({columns}) VALUES"
        row, step = f"({','.join('?' * width)})", width * _ROWS_OF_AN_INSERT
        with self._lock:
            for start in range(0, len(values), step):
                part = values[start : start + step]
                rows = ",".join([row] * (len(part) // width))
                self._db.execute(f"{head} {rows} {on_conflict}", part)

    def many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for many rows."""
        with self._lock:
            self._db.executemany(sql, rows)

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Return every result row as a dict."""
        with self._lock:
            cursor = self._db.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def tuples(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return every result row as a tuple, which is faster."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def each(self, make: Callable[[tuple[Any, ...]], T], sql: str, *values: object) -> list[T]:
        """Return what a function makes of every result row; at no time do all rows exist."""
        with self._lock:
            return [make(row) for row in self._db.execute(sql, values)]

    def one(self, sql: str, *values: object) -> Row | None:
        """Return the first result row, or None."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def value(self, sql: str, *values: object) -> Any:
        """Return the first column of the first result row, or None."""
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    # Questions of tests.

    def group_id(self, name: str) -> int | None:
        """Return the id of the group with a name."""
        return cast(
            "int | None", self.value("SELECT id FROM recipient_groups WHERE name = ?", name)
        )

    def emails(self, group_id: int) -> list[str]:
        """Return the addresses of a group, in the order in which the account got them."""
        sql = (
            "SELECT r.email FROM members m JOIN receivers r ON r.id = m.receiver_id"
            " WHERE m.group_id = ? ORDER BY m.receiver_id"
        )
        return [email for (email,) in self.tuples(sql, group_id)]

    def count(self, group_id: int) -> int:
        """Return the number of receivers of a group."""
        return cast("int", self.value("SELECT count(*) FROM members WHERE group_id = ?", group_id))

    def receiver(self, group_id: int, email: str) -> Row | None:
        """Return a receiver of a group as it is stored, independent of the behaviour."""
        sql = (
            f"SELECT r.id, r.email, r.global_attributes, m.*, {ACTIVE} AS active"  # noqa: S608
            " FROM members m JOIN receivers r ON r.id = m.receiver_id"
            " WHERE m.group_id = ? AND r.email_key = ?"
        )
        row = self.one(sql, group_id, email.lower())
        if row is None:
            return None
        del row["receiver_id"]
        return row | {
            "active": bool(row["active"]),
            "attributes": load_map(row["attributes"]),
            "global_attributes": load_map(row["global_attributes"]),
            "tags": load_list(row["tags"]),
            "orders": self.orders(email),
        }

    def orders(self, email: str) -> list[Row]:
        """Return the order lines of a receiver, oldest first."""
        sql = (
            "SELECT o.data FROM orders o JOIN receivers r ON r.id = o.receiver_id"
            " WHERE r.email_key = ? ORDER BY o.line"
        )
        return [load_map(data) for (data,) in self.tuples(sql, email.lower())]
