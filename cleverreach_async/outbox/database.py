"""The databases of the outbox: one connection for each process, used by one thread at a time.

Work runs in worker threads, on any event loop. A transaction is on the disk when it ends.
"""

import logging
import os
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakSet

import anyio.to_thread

from cleverreach_async.auth.locks import LoopLock
from cleverreach_async.bulk.sqlite_file import make_durable
from cleverreach_async.errors import ConfigurationError, OutboxError
from cleverreach_async.files import create_empty
from cleverreach_async.outbox.queries import Execute
from cleverreach_async.outbox.statements import POSTGRES, SQLITE, Dialect, Rows
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.redaction import Masked, mask_emails

__all__ = ["OutboxDatabase", "PostgresDatabase", "SqliteDatabase"]

T = TypeVar("T")
_log: Final = logging.getLogger("cleverreach_async")

_OLDEST_SQLITE: Final = (3, 35, 0)
"""The first with RETURNING."""
_WAIT: Final = 10.0
"""Seconds to wait for others who write, or for a connection."""
_OTHER_TABLES: Final = (
    "compare them with outbox.tables, or use the version of the library that created them"
)
_ANY_NUMBER: Final = 0x4352_6F62  # the letters CRob

run_in_thread: Final = anyio.to_thread.run_sync
"""Where transactions run. Tests in virtual time run them in the event loop instead."""


class OutboxDatabase(ABC):
    """A database with the tables of the outbox.

    A process that was forked opens a connection of its own.

    Args:
        dialect: What differs between the databases.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._turn = LoopLock()
        self._lock = threading.Lock()
        self._connection: Any = None
        _databases.add(self)

    async def run(self, work: Callable[[Execute], T]) -> T:
        """Run work in one transaction, in a worker thread.

        Args:
            work: Gets a function that runs a statement and returns its rows.

        Raises:
            OutboxError: The database cannot be used.
        """
        async with self._turn.get():  # so that one thread is used, not all of them
            return await run_in_thread(self.transact, work)

    def transact(self, work: Callable[[Execute], T]) -> T:
        """Run work in one transaction, in this thread; see :meth:`run`."""
        with self._lock:
            return self._in_transaction(work)

    def close(self) -> None:
        """Close the connection. It is opened again when it is needed."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def leave_to_parent(self) -> None:
        """Forget the connection in a process that was forked. Closing it would harm the parent."""
        if self._connection is not None:
            _connections_of_parents.append(self._connection)
        self._lock, self._connection = threading.Lock(), None

    @abstractmethod
    def now(self, execute: Execute, clock: Clock) -> float:
        """Return Unix time as all who use this database see it."""

    @abstractmethod
    def _in_transaction(self, work: Callable[[Execute], T]) -> T: ...


_databases: Final[WeakSet[OutboxDatabase]] = WeakSet()
_connections_of_parents: Final[list[Any]] = []


class SqliteDatabase(OutboxDatabase):
    """An SQLite file. Any number of processes of one computer may use it.

    Args:
        path: The file; it is created if it does not exist, readable by its owner only.

    Raises:
        ConfigurationError: The SQLite of this Python is too old.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(SQLITE)
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise ConfigurationError(
                f"the outbox needs SQLite 3.35, and this Python has {sqlite3.sqlite_version}"
            )
        self.path = path
        self._file: tuple[int, int] | None = None

    def now(self, execute: Execute, clock: Clock) -> float:
        """Return the time of this computer."""
        del execute
        return clock.now()

    def _in_transaction(self, work: Callable[[Execute], T]) -> T:
        try:
            if self._connection is not None and _file_at(self.path) != self._file:
                _log.warning(
                    "%s was deleted, moved or replaced while it was open: what was put into the old"
                    " file is not sent from now on; stop all senders before a file is replaced",
                    self.path,
                )
                self._forget()
            if self._connection is None:
                self._connection = self._open()
                self._file = _file_at(self.path)
            database: sqlite3.Connection = self._connection
            database.execute("BEGIN IMMEDIATE")
            try:
                result = work(lambda sql, values: database.execute(sql, values).fetchall())
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR:
                self._forget()  # if tables are missing, they are created when it is opened again
            raise OutboxError(f"{self.path} {_problem(error)}") from error
        return result

    def _open(self) -> sqlite3.Connection:
        create_empty(self.path)
        database = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_WAIT,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            make_durable(database)
            # What is removed is overwritten, addresses among it.
            database.execute("PRAGMA secure_delete = ON")
            database.execute("BEGIN IMMEDIATE")
            for statement in self.dialect.tables:
                database.execute(statement)
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return what identifies the file at a path; ``None`` if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _is_about_tables(text: str) -> bool:
    return "no such" in text or "no column" in text


_LOCKED: Final = f"was locked by another process for {_WAIT:g} s; try again"
_UNWRITABLE: Final = "cannot be written; check the permissions of the file and its folder"
_PROBLEMS: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full; free some space",
    sqlite3.SQLITE_NOTADB: "is not an SQLite file; choose another file for the outbox",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: _UNWRITABLE,
}


def _problem(error: Exception) -> str:
    code = int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
    if code == sqlite3.SQLITE_ERROR and _is_about_tables(str(error)):
        return f"has other tables than this version of the library ({error}); {_OTHER_TABLES}"
    cause = getattr(error, "strerror", None) or error
    return _PROBLEMS.get(code, f"cannot be used: {cause}")


class PostgresDatabase(OutboxDatabase):
    """A PostgreSQL database, over psycopg. A lost connection is opened again.

    Args:
        conninfo: Its URL, or what libpq understands; it may have a password.

    Raises:
        ConfigurationError: psycopg is not installed.
    """

    def __init__(self, conninfo: str) -> None:
        super().__init__(POSTGRES)
        self._conninfo = Masked(conninfo)
        try:
            self._psycopg: Any = import_module("psycopg")
        except ModuleNotFoundError:
            raise ConfigurationError(
                "PostgreSQL needs psycopg: pip install 'cleverreach-async[postgres]'"
            ) from None

    def now(self, execute: Execute, clock: Clock) -> float:
        """Return the time of the database, because computers differ."""
        del clock
        return float(execute("SELECT extract(epoch FROM clock_timestamp())", ())[0][0])

    def _in_transaction(self, work: Callable[[Execute], T]) -> T:
        psycopg = self._psycopg
        is_new = self._connection is None
        try:
            try:
                return self._once(work)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                # An old connection is lost when the server restarts. What was committed
                # nevertheless does no harm: lines are known by their keys, and a claim ends.
                if is_new or not self._connection.closed:
                    raise
                self._connection = None
                return self._once(work)
        except psycopg.Error as error:
            if self._connection is not None and self._connection.closed:
                self._connection = None
            state = getattr(error, "sqlstate", None) or ""
            kind = f"{type(error).__name__} {state}".strip()
            # The text of the error may have values, such as an address.
            raise OutboxError(
                f"the PostgreSQL of the outbox cannot be used ({kind}): {_remedy(error, state)}"
            ) from None

    def _once(self, work: Callable[[Execute], T]) -> T:
        if self._connection is None:
            self._connection = self._open()
        connection = self._connection

        def execute(sql: str, values: Sequence[Any]) -> Rows:
            cursor = connection.execute(sql.replace("?", "%s"), values)
            rows: Rows = cursor.fetchall() if cursor.description else ()
            return rows

        with _transaction(connection):
            return work(execute)

    def _open(self) -> Any:
        psycopg = self._psycopg
        try:
            connection = psycopg.connect(
                self._conninfo,
                autocommit=True,
                connect_timeout=int(_WAIT),
                prepare_threshold=None,  # a pooler such as PgBouncer changes the server in between
            )
        except psycopg.Error as error:
            # It names host, port and user, not the password.
            reason = mask_emails(str(error).partition("\n")[0])
            raise OutboxError(f"the PostgreSQL of the outbox cannot be reached: {reason}") from None
        try:
            if not _has_tables(connection):
                with _transaction(connection):
                    # Two processes that create a table at the same time would fail.
                    connection.execute(f"SELECT pg_advisory_xact_lock({_ANY_NUMBER})")
                    for statement in self.dialect.tables:
                        connection.execute(statement)
        except BaseException:
            with suppress(Exception):
                connection.close()
            raise
        return connection


@contextmanager
def _transaction(connection: Any) -> Generator[None, None, None]:
    """Run the block in a transaction, whose statements wait for no longer than a short time."""
    with connection.transaction():
        # A setting of the session would stay behind in a pooler such as PgBouncer.
        connection.execute(f"SET LOCAL statement_timeout = {int(_WAIT * 1000)}")
        yield


def _remedy(error: Exception, state: str) -> str:
    """Return what to do about an error, by its SQLSTATE; PgBouncer has one for everything."""
    if "not allowed in statement pooling" in str(error):
        return "PgBouncer needs pool_mode = transaction, or session"
    return next(text for start, text in _REMEDIES.items() if state.startswith(start))


_REMEDIES: Final[Mapping[str, str]] = {
    "57014": f"others held what it needs for {_WAIT:g} s; try again",
    "40": "another transaction was in its way; try again",
    "55P03": "another transaction was in its way; try again",
    "53100": "its disk is full; free some space",
    "42501": "grant SELECT, INSERT, UPDATE and DELETE on both tables of the outbox",
    "42": f"it has other tables than this version of the library; {_OTHER_TABLES}",
    "25006": "it takes no writes; pass the URL of the primary server",
    "57P": "it is stopping or starting; try again",
    "08": "the connection was lost; try again",
    "": "look into its log, and try again",
}


def _has_tables(connection: Any) -> bool:
    """Whether they exist; then the right to create tables is not needed."""
    found = connection.execute("SELECT to_regclass('cleverreach_outbox_lines')").fetchone()
    return found[0] is not None


def _leave_to_parent() -> None:
    for database in _databases:
        database.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
