"""SQLite files that one process uses at a time, and whose transactions survive a power loss.

The lock is SQLite's own and belongs to the process: the operating system releases it however the
process ends. Such a file must not be opened in any other way, because a process that closes a file
releases every lock it has on it.
"""

import os
import sqlite3
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import randbelow
from threading import Event
from typing import Final

import attrs

from cleverreach_async.bulk.sqlite_log import has_damaged_log
from cleverreach_async.errors import CleverReachError

__all__ = ["SqliteFormat", "is_blank", "make_durable"]

_MAGIC: Final = b"SQLite format 3\0"
_ID_PLACE: Final = slice(68, 72)
"""Where the file format of SQLite has the application id."""

# Two processes that start at the same time can block each other. Both retry after random waits; a
# process that finds a lasting lock is refused after about 20 ms.
_ATTEMPTS: Final = 8
_LONGEST_WAIT: Final = 5
"""Milliseconds."""
# 1 MB: about five hundred transactions of a journal.
_CHECKPOINT_PAGES: Final = 250


@attrs.frozen(kw_only=True)
class SqliteFormat:
    """The format of a file.

    Attributes:
        name: What such a file is, as in ``is not the journal of an import``.
        application_id: Marks a file as one of this format.
        version: Version of the tables.
        tables: Statements that create the tables.
        error: Raised if a file cannot be used.
    """

    name: str
    application_id: int
    version: int
    tables: Sequence[str]
    error: type[CleverReachError]

    @contextmanager
    def opening(self, path: Path) -> Generator[sqlite3.Connection]:
        """Open an existing file for this connection alone; it is closed if the block raises.

        Args:
            path: The file; an empty one is a blank database.

        Raises:
            OSError: The file does not exist, or cannot be accessed.
            sqlite3.Error: It is in use, is not a database, or cannot be written.
            CleverReachError: ``error``: it is not a file, or cannot be written.
        """
        if not stat.S_ISREG(path.stat().st_mode):
            raise self.error(f"{path} is not a file; choose a file for {self.name}")
        # SQLite would open it read-only, and fail later without saying why.
        if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
            raise self.error(
                f"{path} cannot be written; check the permissions of the file and its folder"
            )
        if has_damaged_log(path):
            raise self.damaged(path, "its log")
        database = _open(path)
        try:
            yield database
        except BaseException:
            database.close()
            raise

    def may_be_of(self, path: Path) -> bool:
        """Whether a file may have this format, by its first bytes; nobody may use it meanwhile.

        Raises:
            OSError: It cannot be read.
        """
        with path.open("rb") as file:
            head = file.read(_ID_PLACE.stop)
        # After a crash the id may be in SQLite's helper file, from which it is not read here.
        ids = {bytes(4), self.application_id.to_bytes(4)}
        return head.startswith(_MAGIC) and head[_ID_PLACE] in ids

    def create(self, database: sqlite3.Connection) -> None:
        """Create the tables in a blank file; call it in a transaction."""
        database.execute(f"PRAGMA application_id = {self.application_id}")
        database.execute(f"PRAGMA user_version = {self.version}")
        for statement in self.tables:
            database.execute(statement)

    def check(self, database: sqlite3.Connection, path: Path) -> None:
        """Check that a file has this format.

        Raises:
            CleverReachError: ``error``: it does not.
        """
        if _pragma(database, "application_id") != self.application_id:
            raise self._not_of_this_format(path)
        if (found := _pragma(database, "user_version")) != self.version:
            raise self.error(
                f"{path} has format {found}, and this version of the library reads {self.version}: "
                "resume with the version that started the import"
            )

    @contextmanager
    def errors(self, path: Path) -> Generator[None]:
        """Translate errors of SQLite and the operating system to ``error``."""
        try:
            yield
        except OSError as error:
            raise self.error(f"{path} cannot be used: {error.strerror}") from None
        except sqlite3.Error as error:
            raise self._translated(error, path) from None
        except UnicodeDecodeError:
            # The module of Python raises it for names and messages that contain damaged bytes.
            raise self.damaged(path, "it contains text that is none") from None

    def _translated(self, error: sqlite3.Error, path: Path) -> CleverReachError:
        match _result_code(error):
            case sqlite3.SQLITE_NOTADB:
                return self._not_of_this_format(path)
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_ERROR:
                return self.damaged(path, error)
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                reason = "is in use by another import; wait for it to end"
            case sqlite3.SQLITE_FULL:
                reason = "cannot be written: the disk is full; free some space, then resume"
            case _:
                reason = f"cannot be used: {error}"
        return self.error(f"{path} {reason}")

    def damaged(self, path: Path, reason: object) -> CleverReachError:
        """Return the error for a file with unexpected content."""
        return self.error(f"{path} is damaged ({reason}); restore it, or delete it to start again")

    def _not_of_this_format(self, path: Path) -> CleverReachError:
        return self.error(f"{path} is not {self.name}; choose another file")


def _open(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=rw"
    attempts_left = _ATTEMPTS
    while True:
        database = sqlite3.connect(
            address, uri=True, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            # In this mode the lock remains after the transaction that took it.
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
        except BaseException as error:
            database.close()
            attempts_left -= 1
            if not attempts_left or _result_code(error) != sqlite3.SQLITE_BUSY:
                raise
        else:
            return database
        Event().wait(randbelow(_LONGEST_WAIT * 1000) / 1e6)


def make_durable(database: sqlite3.Connection) -> None:
    """Make every later transaction survive a power loss once it is committed."""
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")


def is_blank(database: sqlite3.Connection) -> bool:
    """Whether the file contains nothing: it is new, or its creation was interrupted."""
    [tables] = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not (tables or _pragma(database, "application_id") or _pragma(database, "user_version"))


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _result_code(error: BaseException) -> int:
    """Return SQLite's primary result code, without the details in its upper bytes."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
