"""The tables of journals in an SQL database, and what is asked of them."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeVar

from cleverreach_async.bulk.journal.store import JournalEntry

__all__ = ["Tables"]

T = TypeVar("T")

_LENGTH: int = 200


class Tables:
    """The two tables, and what is asked of them; each call is a part of one transaction."""

    def __init__(self) -> None:
        # Whoever has an engine has the library.
        self.sql: Any = import_module("sqlalchemy")
        column, name, text = self.sql.Column, *self._types()
        self._metadata = self.sql.MetaData()
        self._entries = self.sql.Table(
            "cleverreach_journals",
            self._metadata,
            column("key", name, primary_key=True),
            column("version", name, nullable=False),
            column("text", text, nullable=False),
            mysql_engine="InnoDB",
            mariadb_engine="InnoDB",
        )
        self._rejects = self.sql.Table(
            "cleverreach_journal_rejects",
            self._metadata,
            column("key", name, primary_key=True),
            column("version", name, primary_key=True),
            column("text", text, nullable=False),
            mysql_engine="InnoDB",
            mariadb_engine="InnoDB",
        )
        self.exist = False

    def _types(self) -> tuple[Any, Any]:
        """Return the types of names and of long texts.

        By default, MySQL does not distinguish capitals, and its texts end after 64 KiB.
        """
        mysql = import_module("sqlalchemy.dialects.mysql")
        exact = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
        name, text = mysql.VARCHAR(_LENGTH, **exact), mysql.LONGTEXT(**exact)
        dialects = ("mysql", "mariadb")
        return (
            self.sql.String(_LENGTH).with_variant(name, *dialects),
            self.sql.Text().with_variant(text, *dialects),
        )

    def create_before(self, connection: Any, work: Callable[[Any], T]) -> T:
        """Create missing tables, then do work; if another process is faster, this is repeated."""
        if not self.exist:
            self._metadata.create_all(connection)
        return work(connection)

    def load(self, key: str, connection: Any) -> JournalEntry | None:
        """Return the entry of a key."""
        entries = self._entries
        wanted = self.sql.select(entries.c.version, entries.c.text).where(entries.c.key == key)
        row = connection.execute(wanted).one_or_none()
        return None if row is None else JournalEntry(*row)

    def swap(
        self, key: str, expected: str | None, entry: JournalEntry, rejects: str, connection: Any
    ) -> bool:
        """Replace the entry of a key if it has the expected version."""
        values = {"version": entry.version, "text": entry.text}
        entries = self._entries
        if expected is None:
            connection.execute(entries.insert().values(key=key, **values))
        else:
            is_same = (entries.c.key == key) & (entries.c.version == expected)
            found = connection.execute(entries.update().where(is_same).values(**values))
            if found.rowcount != 1:  # some drivers return -1 if they do not know
                return False
        if rejects:
            connection.execute(
                self._rejects.insert().values(key=key, version=entry.version, text=rejects)
            )
        return True

    def load_rejects(self, key: str, connection: Any) -> Sequence[str]:
        """Return the rejects of a key."""
        rejects = self._rejects
        found = connection.execute(self.sql.select(rejects.c.text).where(rejects.c.key == key))
        return [text for (text,) in found]

    def delete(self, key: str, connection: Any) -> None:
        """Delete the entry and the rejects of a key."""
        for table in (self._entries, self._rejects):
            connection.execute(table.delete().where(table.c.key == key))
