"""The state of a synchronisation: an SQLite file that says which rows the server has accepted.

It contains fingerprints, no addresses and no other data of persons.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final, NamedTuple, Self

from cleverreach_async.bulk.sqlite_file import SqliteFormat, is_blank
from cleverreach_async.bulk.sync.fingerprints import Fingerprints
from cleverreach_async.errors import ConfigurationError, SyncStateError
from cleverreach_async.files import create_empty

__all__ = ["Entry", "SyncState"]

_ENTRY: Final = """
CREATE TABLE entry (
    address BLOB PRIMARY KEY,
    id INTEGER NOT NULL,
    content BLOB,
    first BLOB
) WITHOUT ROWID
"""
_FORMAT: Final = SqliteFormat(
    name="the state of a synchronisation",
    application_id=0x4352_7379,  # the letters CRsy
    version=1,
    tables=(
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL)",
        _ENTRY,
    ),
    error=SyncStateError,
)
_KEY_BYTES: Final = 32
_MOST_PARAMETERS: Final = 500
_ROWS_AT_ONCE: Final = 1000
_CACHE_KB: Final = 16_000


class Entry(NamedTuple):
    """What is known of one row of an address. A tuple, because one is made for each row.

    Attributes:
        id: Number of the entry in this file.
        content: Fingerprint of the row that was accepted last; ``None`` if none was.
        first: Fingerprint of the address, if this is a later row of it.
    """

    id: int
    content: bytes | None
    first: bytes | None = None


class SyncState:
    """The state, open and locked. Created by :meth:`open`.

    Its methods block, so call them in a worker thread, and not in two at the same time.

    Attributes:
        path: The file.
        fingerprints: Those of this file.
        next_id: Number of the next entry that is added.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database
        self.fingerprints: Fingerprints = Fingerprints(bytes(self._meta("key")))
        self.next_id: int = int(self._meta("next_id"))

    @classmethod
    def open(cls, path: str | Path, identity: Mapping[str, str | int]) -> Self:
        """Open a state, or create it if there is none.

        Args:
            path: The file.
            identity: What it belongs to: server and group.

        Raises:
            ConfigurationError: It belongs to something else.
            SyncStateError: It is in use, is damaged, is another file, or cannot be written.
        """
        path = Path(path)
        with _FORMAT.errors(path):
            create_empty(path)
            with _FORMAT.opening(path) as database:
                # A power loss may undo the last transactions: their rows are sent again.
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
                if is_blank(database):
                    _create(database, identity)
                _FORMAT.check(database, path)
                state = cls(path, database)
                state._check(identity)
        return state

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unlock the file. May be called twice."""
        self._database.close()

    def find(self, addresses: Sequence[bytes]) -> dict[bytes, Entry]:
        """Return the entries of addresses, as far as there are some."""
        found: dict[bytes, Entry] = {}
        with _FORMAT.errors(self.path):
            for start in range(0, len(addresses), _MOST_PARAMETERS):
                part = addresses[start : start + _MOST_PARAMETERS]
                marks = ",".join("?" * len(part))
                query = f"SELECT address, id, content, first FROM entry WHERE address IN ({marks})"  # noqa: S608 - question marks only
                for address, number, content, first in self._database.execute(query, part):
                    found[address] = Entry(number, content, first)
        return found

    def add(self, addresses: Mapping[bytes, bytes | None]) -> dict[bytes, Entry]:
        """Add entries of rows that are not accepted yet.

        Args:
            addresses: The fingerprints; each with that of the address, if it is a later row of it.
        """
        first_id = self.next_id
        added = {
            address: Entry(number, None, first)
            for number, (address, first) in enumerate(addresses.items(), first_id)
        }
        with _FORMAT.errors(self.path), self._database:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO entry VALUES (?, ?, NULL, ?)",
                [(address, it.id, it.first) for address, it in added.items()],
            )
            next_id = first_id + len(added)
            self._database.execute("UPDATE meta SET value = ? WHERE name = 'next_id'", [next_id])
        self.next_id = next_id
        return added

    def accept(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Record rows that were accepted, by the fingerprints of address and content."""
        self._change("UPDATE entry SET content = ? WHERE address = ?", [(c, a) for a, c in rows])

    def remove(self, addresses: Iterable[bytes]) -> None:
        """Remove entries, and those of later rows of the same address."""
        rows = [(address, address) for address in addresses]
        self._change("DELETE FROM entry WHERE address = ? OR first = ?", rows)

    def send_again(self, addresses: Iterable[bytes]) -> None:
        """Let the rows of addresses count as changed. That the server has them is not forgotten."""
        update = "UPDATE entry SET content = x'' WHERE address = ? AND content IS NOT NULL"
        self._change(update, [(address,) for address in addresses])

    def count(self) -> int:
        """Return the number of addresses that were accepted."""
        query = "SELECT count(*) FROM entry WHERE first IS NULL AND content IS NOT NULL"
        with _FORMAT.errors(self.path):
            return int(self._database.execute(query).fetchone()[0])

    def entries(self) -> Iterator[list[tuple[bytes, Entry]]]:
        """Iterate over all entries, in parts. Entries may be changed between two of them."""
        last = b""
        query = "SELECT address, id, content, first FROM entry WHERE address > ?"
        while True:
            with _FORMAT.errors(self.path):
                rows = self._database.execute(
                    f"{query} ORDER BY address LIMIT {_ROWS_AT_ONCE}", [last]
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [(address, Entry(*fields)) for address, *fields in rows]

    def _change(self, statement: str, rows: Sequence[tuple[bytes, ...]]) -> None:
        with _FORMAT.errors(self.path), self._database:
            self._database.execute("BEGIN")
            self._database.executemany(statement, rows)

    def _meta(self, name: str) -> Any:
        found = self._database.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
        if found is None:
            raise _FORMAT.damaged(self.path, f"it has no {name}")
        return found[0]

    def _check(self, identity: Mapping[str, str | int]) -> None:
        for name, value in identity.items():
            if (stored := self._meta(name)) != value:
                raise ConfigurationError(
                    f"{self.path} is the state of another synchronisation: its {name} is {stored},"
                    f" not {value}; use a state file for each group"
                )


def _create(database: sqlite3.Connection, identity: Mapping[str, str | int]) -> None:
    database.execute("BEGIN IMMEDIATE")
    _FORMAT.create(database)
    meta = {**identity, "key": token_bytes(_KEY_BYTES), "next_id": 0}
    database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    database.execute("COMMIT")
