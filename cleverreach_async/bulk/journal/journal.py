"""The journal of an import: an SQLite file that tells a later run where to go on.

It holds one row of progress, rewritten in each transaction, so it stays as small at the ten
millionth receiver as at the first. It holds no address, no name and no token.
"""

import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from cleverreach_async.bulk.journal.file import (
    FORMAT,
    check_file,
    check_format,
    check_pages,
    damaged,
    failures_in_words,
    is_blank,
    lock,
    make_durable,
    mark,
)
from cleverreach_async.bulk.journal.identity import differences, encode_identity
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.wire import USER_AGENT

__all__ = ["Journal", "JournalState"]

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
    rejects_bytes INTEGER NOT NULL,
    ceiling INTEGER,
    finished INTEGER NOT NULL,
    updated REAL NOT NULL
)
"""
_SAVE: Final = """
REPLACE INTO progress VALUES (
    1, :next_row, :window_row, :position, :position_row, :done, :sent, :accepted, :rejected,
    :unknown, :superseded, :rejects_bytes, :ceiling, :finished, :updated
)
"""


class Journal:
    """The journal of one import, open and locked. Made by :meth:`create` and :meth:`resume`.

    It blocks, so it belongs in a worker thread; any thread will do, one at a time.

    Attributes:
        path: The file.
        id: Names this journal, wherever it is moved.
        state: The state that was saved last; the very object that was handed to :meth:`save`.
    """

    def __init__(
        self, path: Path, database: sqlite3.Connection, *, journal_id: str, state: JournalState
    ) -> None:
        self.path = path
        self.id = journal_id
        self.state = state
        self._database = database

    @classmethod
    def create(cls, path: str | Path, identity: Mapping[str, Any], *, now: float) -> Self:
        """Begin a journal. When this returns it is on the disk.

        Args:
            path: The file; an empty one counts as none.
            identity: What must be the same for the import to be resumed; JSON values, nested at
                will. E-mail addresses in it are masked.
            now: Unix time, in seconds.

        Raises:
            ConfigurationError: There is a journal at this path already.
            JournalError: There is another file, or the file cannot be written.
        """
        path = Path(path)
        text = encode_identity(identity)
        check_file(path, create=True)
        with failures_in_words(path), ExitStack() as undo:
            database = undo.enter_context(closing(lock(path)))
            if not is_blank(database):
                check_format(database, path)
                raise ConfigurationError(
                    f"{path} exists already: resume it, or remove it to begin anew"
                )
            journal = cls(path, database, journal_id=str(uuid.uuid4()), state=JournalState())
            journal._write_all(text, now=now)
            undo.pop_all()
        return journal

    @classmethod
    def resume(cls, path: str | Path, identity: Mapping[str, Any], *, now: float) -> Self:
        """Open the journal of an import that was stopped, however it was.

        Args:
            path: The file.
            identity: As given to :meth:`create`.
            now: Unix time, in seconds.

        Raises:
            ConfigurationError: There is no journal, or it belongs to another import, or to one
                that is complete.
            JournalError: The file is in use, damaged, no journal, or cannot be written.
        """
        path = Path(path)
        text = encode_identity(identity)
        if not check_file(path):
            raise _nothing(path)
        with failures_in_words(path), ExitStack() as undo:
            database = undo.enter_context(closing(lock(path)))
            if is_blank(database):
                raise _nothing(path)
            check_format(database, path)
            check_pages(database, path)
            journal = cls._read(path, database, identity=text)
            make_durable(database)
            # A disk that cannot be written shall show before a row is sent.
            journal.save(journal.state, now=now)
            undo.pop_all()
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def save(self, state: JournalState, *, now: float) -> None:
        """Replace the saved state, in one transaction. When this returns it is on the disk.

        Args:
            state: The new state, which nobody may change any more: pass a snapshot.
            now: Unix time, in seconds.

        Raises:
            JournalError: It could not be written. What was saved before is still there.
            ConfigurationError: The position of the source holds an e-mail address.
            ValueError: The state contradicts itself, or its position is not JSON.
        """
        values = {**state.as_row(), "updated": now}
        with failures_in_words(self.path):
            self._database.execute(_SAVE, values)
        self.state = state

    def close(self) -> None:
        """Unlock the file and fold SQLite's helper file into it. Closing twice does no harm."""
        self._database.close()

    def discard(self) -> None:
        """Close the journal and remove its file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _write_all(self, identity: str, *, now: float) -> None:
        """Write a new journal in one transaction: afterwards it is whole, or the file is blank."""
        meta = {
            "format": str(FORMAT),
            "id": self.id,
            "library": USER_AGENT,
            "created": datetime.fromtimestamp(now, UTC).isoformat(),
            "identity": identity,
        }
        make_durable(self._database)
        self._database.execute("BEGIN IMMEDIATE")
        mark(self._database)
        self._database.execute(_META)
        self._database.execute(_PROGRESS)
        self._database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self.save(self.state, now=now)
        self._database.execute("COMMIT")

    @classmethod
    def _read(cls, path: Path, database: sqlite3.Connection, *, identity: str) -> Self:
        meta = dict(database.execute("SELECT key, value FROM meta").fetchall())
        with closing(database.execute("SELECT * FROM progress")) as cursor:
            names = [column[0] for column in cursor.description]
            values = dict(zip(names, cursor.fetchone() or (), strict=False))
        try:
            journal_id = str(meta["id"])
            found = differences(meta["identity"], identity)
            state = JournalState.from_row(values)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, error) from None
        if state.finished:
            raise ConfigurationError(
                f"the import of {path} is complete; nothing to resume: remove it to begin anew"
            )
        if found:
            raise ConfigurationError(
                f"the journal belongs to another import: {'; '.join(found)}; "
                f"use the original or remove {path} to begin anew"
            )
        return cls(path, database, journal_id=journal_id, state=state)


def _nothing(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path}: there is nothing to resume; begin without resuming")
