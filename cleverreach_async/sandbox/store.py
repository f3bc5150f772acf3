"""The SQLite database of the sandbox: the only place that touches :mod:`sqlite3`."""

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, cast

from .schema import FIRST_IDS, SCHEMA
from .values import load_list, load_map

Row = dict[str, Any]

ACTIVE = "(m.activated > 0 AND m.deactivated = 0 AND m.bounced = 0)"
"""SQL for a membership that receives mail (H: the rule clients use)."""


class Store:
    """One SQLite database, in memory or in a file that survives restarts.

    The lock lets a test look into the store while a server thread uses it.
    """

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(SCHEMA)
            self._set_first_ids()
        except BaseException:
            self._db.close()
            raise

    def _set_first_ids(self) -> None:
        """Let ids of a new database begin at different numbers per kind."""
        with self.transaction():
            for table, first in FIRST_IDS.items():
                if self.value("SELECT seq FROM sqlite_sequence WHERE name = ?", table) is None:
                    self.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table, first)

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Do everything in the block or nothing; blocks may be nested."""
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
        """Execute one statement and return the number of rows it changed."""
        with self._lock:
            return self._db.execute(sql, values).rowcount

    def insert(self, table: str, **values: object) -> int:
        """Insert one row, by the names of its columns, and return its id."""
        sql = (
            f"INSERT INTO {table} ({', '.join(values)})"  # noqa: S608 - names come from the code
            f" VALUES ({', '.join('?' * len(values))})"
        )
        with self._lock:
            return cast("int", self._db.execute(sql, tuple(values.values())).lastrowid)

    def many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for many rows."""
        with self._lock:
            self._db.executemany(sql, rows)

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Every result row as a dict."""
        with self._lock:
            cursor = self._db.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def tuples(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Every result row as a tuple: for the hot paths."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Row | None:
        """The first result row, or None."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def value(self, sql: str, *values: object) -> Any:
        """The first column of the first result row, or None."""
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    # What tests ask.

    def group_id(self, name: str) -> int | None:
        """The id of the group with a name."""
        return cast(
            "int | None", self.value("SELECT id FROM recipient_groups WHERE name = ?", name)
        )

    def emails(self, group_id: int) -> list[str]:
        """The addresses of a group in the order in which the account met them."""
        sql = (
            "SELECT r.email FROM members m JOIN receivers r ON r.id = m.receiver_id"
            " WHERE m.group_id = ? ORDER BY m.receiver_id"
        )
        return [email for (email,) in self.tuples(sql, group_id)]

    def count(self, group_id: int) -> int:
        """How many receivers a group has."""
        return cast("int", self.value("SELECT count(*) FROM members WHERE group_id = ?", group_id))

    def receiver(self, group_id: int, email: str) -> Row | None:
        """A receiver of a group as it is stored, whatever the switches make of it on the wire."""
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
        """The order lines of a receiver, oldest first."""
        sql = (
            "SELECT o.data FROM orders o JOIN receivers r ON r.id = o.receiver_id"
            " WHERE r.email_key = ? ORDER BY o.line"
        )
        return [load_map(data) for (data,) in self.tuples(sql, email.lower())]
