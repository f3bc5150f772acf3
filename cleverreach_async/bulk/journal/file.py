"""The file of a journal: how it is locked, told from other files, and what its failures mean.

The lock is SQLite's own and belongs to the process: the operating system drops it however the
process ends. Nothing here opens an existing file in another way, because a process that closes a
file drops every lock it has on it.
"""

import os
import sqlite3
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from secrets import randbelow
from threading import Event
from typing import Final

from cleverreach_async.errors import JournalError
from cleverreach_async.files import create_empty

__all__ = [
    "FORMAT",
    "check_file",
    "check_format",
    "check_pages",
    "damaged",
    "failures_in_words",
    "is_blank",
    "lock",
    "make_durable",
    "mark",
]

FORMAT: Final = 1
"""The layout of the tables."""

APPLICATION_ID: Final = 0x4352_696A
"""Marks an SQLite file as ours: the letters CRij."""

# Two processes that begin in the same instant can block each other. Both try again then, after
# waits left to chance; one that meets a lasting lock is refused after some 20 ms.
_ATTEMPTS: Final = 8
_LONGEST_WAIT: Final = 5
"""Milliseconds."""
# 1 MB: about five hundred transactions.
_CHECKPOINT_PAGES: Final = 250


def check_file(path: Path, *, create: bool = False) -> bool:
    """Tell whether there is a file that is not empty.

    Args:
        path: The file.
        create: Whether to make an empty one, for its owner's eyes only, where there is none.

    Raises:
        JournalError: It is a folder or the like, or cannot be looked at, made or written.
    """
    try:
        if create:
            # An existing file is not even opened: closing it would drop the locks on it.
            create_empty(path)
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if create:
            raise JournalError(f"{path} cannot be created: {error.strerror}") from None
        return False
    except OSError as error:
        action = "created" if create else "opened"
        raise JournalError(f"{path} cannot be {action}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise JournalError(f"{path} is not a file; name a file for the journal")
    # SQLite would fall back to reading, and then fail without telling why.
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
        raise JournalError(
            f"{path} cannot be written; look at the rights of the file and its folder"
        )
    return status.st_size > 0


def lock(path: Path) -> sqlite3.Connection:
    """Open a file that exists, for this connection alone.

    Raises:
        JournalError: It is in use, no SQLite database, or cannot be written.
    """
    with failures_in_words(path):
        for _ in range(_ATTEMPTS - 1):
            try:
                return _lock_once(path)
            except sqlite3.Error as error:
                if _code(error) != sqlite3.SQLITE_BUSY:
                    raise
            Event().wait(randbelow(_LONGEST_WAIT * 1000) / 1e6)
        return _lock_once(path)


def _lock_once(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        # In this mode the lock outlives the transaction that took it.
        database.execute("BEGIN EXCLUSIVE")
        database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def make_durable(database: sqlite3.Connection) -> None:
    """Let a transaction that has returned survive the loss of power."""
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")


def mark(database: sqlite3.Connection) -> None:
    """Mark the file as a journal of this format."""
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {FORMAT}")


def is_blank(database: sqlite3.Connection) -> bool:
    """Tell whether a creation got no further than the empty file."""
    return not (
        _number(database, "PRAGMA application_id")
        or _number(database, "PRAGMA user_version")
        or _number(database, "SELECT count(*) FROM sqlite_master")
    )


def check_format(database: sqlite3.Connection, path: Path) -> None:
    """Check that it is a journal, and one that we can read.

    Raises:
        JournalError: It is not.
    """
    if _number(database, "PRAGMA application_id") != APPLICATION_ID:
        raise _foreign(path)
    if (found := _number(database, "PRAGMA user_version")) != FORMAT:
        raise JournalError(
            f"{path} has format {found}, and this version of the library knows {FORMAT}: "
            "resume with the version that began the import"
        )


def check_pages(database: sqlite3.Connection, path: Path) -> None:
    """Check the file's structure; it is small.

    Raises:
        JournalError: It is damaged.
    """
    [verdict] = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise damaged(path, verdict)


def _number(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])


@contextmanager
def failures_in_words(path: Path) -> Generator[None]:
    """Turn the errors of SQLite into ones that say what to do.

    Raises:
        JournalError: SQLite raised an error.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _in_words(error, path) from None


def _in_words(error: sqlite3.Error, path: Path) -> JournalError:
    match _code(error):
        case sqlite3.SQLITE_NOTADB:
            return _foreign(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_ERROR:
            return damaged(path, error)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            reason = "is in use by another import; wait for it to end"
        case sqlite3.SQLITE_FULL:
            reason = "cannot be written: the disk is full; make room, then go on"
        case _:
            reason = f"cannot be used: {error}"
    return JournalError(f"{path} {reason}")


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's result code, without the details in its upper bytes."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def damaged(path: Path, reason: object) -> JournalError:
    """Return the error for a journal that does not hold what it should."""
    return JournalError(f"{path} is damaged ({reason}); restore it, or remove it to begin anew")


def _foreign(path: Path) -> JournalError:
    return JournalError(f"{path} is not the journal of an import; name another file")
