"""The journal of an import: an SQLite file from which a later run can resume it.

It contains one row of progress, which each transaction replaces, so its size does not grow with the
import. It contains no addresses, names or tokens.
"""

import json
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from cleverreach_async.bulk.journal.identity import differences, encode_identity
from cleverreach_async.bulk.journal.refusals import (
    exists_already,
    is_another,
    is_complete,
    no_journal,
)
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.sqlite_file import SqliteFormat, is_blank, make_durable
from cleverreach_async.errors import JournalError
from cleverreach_async.files import create_empty
from cleverreach_async.transport.wire import USER_AGENT

__all__ = ["Journal", "JournalState", "is_journal"]

_META: Final = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
_PROGRESS: Final = """
CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    next_row INTEGER NOT NULL,
    window_row INTEGER NOT NULL,
    position TEXT NOT NULL,
    position_row INTEGER NOT NULL,
    done TEXT NOT NULL,
    sent TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    superseded INTEGER NOT NULL,
    excluded INTEGER NOT NULL,
    rejects_bytes INTEGER NOT NULL,
    ceiling INTEGER,
    finished INTEGER NOT NULL,
    updated REAL NOT NULL,
    checksum TEXT NOT NULL
)
"""
_FORMAT: Final = SqliteFormat(
    name="the journal of an import",
    application_id=0x4352_696A,  # the letters CRij
    version=2,
    tables=(_META, _PROGRESS),
    error=JournalError,
)
_SAVE: Final = """
REPLACE INTO progress VALUES (
    1, :next_row, :window_row, :position, :position_row, :done, :sent, :accepted, :rejected,
    :unknown, :superseded, :excluded, :rejects_bytes, :ceiling, :finished, :updated, :checksum
)
"""


def is_journal(path: Path) -> bool:
    """Whether a file that no import uses may be a journal, by its first bytes.

    Raises:
        OSError: It cannot be read.
    """
    return _FORMAT.may_be_of(path)


class Journal:
    """The journal of one import, open and locked. Created by :meth:`create` and :meth:`resume`.

    Its methods block, so call them in a worker thread: in any, but not in two at the same time.

    Attributes:
        path: The file.
        meta: Texts by name: the unique id of this journal, the identity of its import, and more.
        state: The state that was saved last: the same object that was passed to :meth:`save`.
        is_new: Whether it was created, not resumed.
    """

    def __init__(
        self,
        path: Path,
        database: sqlite3.Connection,
        *,
        meta: Mapping[str, str],
        state: JournalState,
    ) -> None:
        self.path = path
        self.meta: Mapping[str, str] = meta
        self.state: JournalState = state
        self.is_new: bool = False
        self._database = database
        self._report = ""

    @property
    def id(self) -> str:
        """Unique id of this journal."""
        return self.meta["id"]

    @classmethod
    def create(cls, path: str | Path, identity: Mapping[str, Any], *, now: float) -> Self:
        """Create a journal; it is on the disk when this returns.

        Args:
            path: The file; an empty one is used as if there were none.
            identity: What must be the same when the import is resumed: JSON values, nested to any
                depth. E-mail addresses in it are masked.
            now: Unix time in seconds.

        Raises:
            ConfigurationError: The path already contains a journal.
            JournalError: The path contains another file, or cannot be written.
        """
        path = Path(path)
        text = encode_identity(identity)
        with _FORMAT.errors(path):
            create_empty(path)
            with _FORMAT.opening(path) as database:
                if not is_blank(database):
                    _FORMAT.check(database, path)
                    raise exists_already(path)
                return cls._begin(path, database, identity=text, now=now)

    @classmethod
    def resume(cls, path: str | Path, identity: Mapping[str, Any], *, now: float) -> Self:
        """Open the journal of an import that was stopped or killed.

        Args:
            path: The file.
            identity: As passed to :meth:`create`.
            now: Unix time in seconds.

        Raises:
            ConfigurationError: There is no journal, it belongs to another import, or its import is
                complete.
            JournalError: The file is in use, is damaged, is not a journal, or cannot be written.
        """
        path = Path(path)
        text = encode_identity(identity)
        with _FORMAT.errors(path):
            if not _exists(path):
                raise no_journal(path)
            with _FORMAT.opening(path) as database:
                if is_blank(database):
                    raise no_journal(path)
                journal = cls._continue(path, database, identity=text, now=now)
                if journal.state.finished:
                    raise is_complete(path)
        return journal

    @classmethod
    def create_or_resume(cls, path: str | Path, identity: Mapping[str, Any], *, now: float) -> Self:
        """Create a journal, or open the one that exists, also if its import is complete.

        Args:
            path: The file.
            identity: As passed to :meth:`create`.
            now: Unix time in seconds.

        Raises:
            ConfigurationError: It belongs to another import.
            JournalError: As for :meth:`create` and :meth:`resume`.
        """
        path = Path(path)
        text = encode_identity(identity)
        with _FORMAT.errors(path):
            create_empty(path)
            with _FORMAT.opening(path) as database:
                if is_blank(database):
                    return cls._begin(path, database, identity=text, now=now)
                return cls._continue(path, database, identity=text, now=now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, state: JournalState, *, now: float) -> None:
        """Replace the saved state in one transaction; it is on the disk when this returns.

        Args:
            state: The new state. It must not be changed afterwards: pass a snapshot.
            now: Unix time in seconds.

        Raises:
            JournalError: It could not be written. The previous state is still saved.
            ConfigurationError: The position of the source contains an e-mail address.
            ValueError: The state contradicts itself, or its position is not JSON.
        """
        meta = self.meta if not self._report else {**self.meta, "report": self._report}
        values: dict[str, Any] = {**state.as_row(), "updated": float(now)}
        values["checksum"] = _checksum(meta, values)
        with _FORMAT.errors(self.path):
            if self._report:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.execute("REPLACE INTO meta VALUES ('report', ?)", (self._report,))
                self._database.execute(_SAVE, values)
                self._database.execute("COMMIT")
            else:
                self._database.execute(_SAVE, values)
        self.meta, self.state, self._report = meta, state, ""

    def add_report(self, report: str) -> None:
        """Keep the report of the import, as text, from the next save on."""
        self._report = report

    def close(self) -> None:
        """Unlock the file and remove SQLite's helper files. May be called twice."""
        self._database.close()

    def discard(self) -> None:
        """Close the journal and delete its file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _write_all(self, *, now: float) -> None:
        """Write a new journal in one transaction: a crash leaves all of it, or a blank file."""
        make_durable(self._database)
        self._database.execute("BEGIN IMMEDIATE")
        _FORMAT.create(self._database)
        self._database.executemany("INSERT INTO meta VALUES (?, ?)", self.meta.items())
        self.save(self.state, now=now)
        self._database.execute("COMMIT")

    @classmethod
    def _begin(cls, path: Path, database: sqlite3.Connection, *, identity: str, now: float) -> Self:
        journal = cls(path, database, meta=_new_meta(identity, now), state=JournalState())
        journal._write_all(now=now)
        journal.is_new = True
        return journal

    @classmethod
    def _continue(
        cls, path: Path, database: sqlite3.Connection, *, identity: str, now: float
    ) -> Self:
        _FORMAT.check(database, path)
        journal = cls._read(path, database, identity=identity)
        if not journal.state.finished:
            make_durable(database)
            # If the disk cannot be written, fail before a row is sent.
            journal.save(journal.state, now=now)
        return journal

    @classmethod
    def _read(cls, path: Path, database: sqlite3.Connection, *, identity: str) -> Self:
        [verdict] = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _FORMAT.damaged(path, verdict)
        meta = dict(database.execute("SELECT key, value FROM meta").fetchall())
        with closing(database.execute("SELECT * FROM progress")) as cursor:
            names = [column[0] for column in cursor.description]
            row = dict(zip(names, cursor.fetchone() or (), strict=False))
        try:
            del row["one"]
            # First of all: a single bit can make an unfinished import a complete one.
            if row.pop("checksum") != _checksum(meta, row):
                raise ValueError("its checksum is wrong")  # noqa: TRY301 - as for other damage
            found = differences(meta["identity"], identity)
            state = JournalState.from_row(row)
        except (KeyError, TypeError, ValueError) as error:
            raise _FORMAT.damaged(path, error) from None
        if found:
            raise is_another(path, found)
        return cls(path, database, meta=meta, state=state)


def _new_meta(identity: str, now: float) -> dict[str, str]:
    return {
        "format": str(_FORMAT.version),
        "id": str(uuid.uuid4()),
        "library": USER_AGENT,
        "created": datetime.fromtimestamp(now, UTC).isoformat(),
        "identity": identity,
    }


def _checksum(meta: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return a digest of everything in a journal; SQLite does not notice a value that changed."""
    return sha256(json.dumps([meta, values], sort_keys=True).encode()).hexdigest()


def _exists(path: Path) -> bool:
    """Whether there is a file; unlike ``Path.exists``, raises ``OSError`` if that is unknown."""
    with suppress(FileNotFoundError, NotADirectoryError):
        path.stat()
        return True
    return False
