"""The outbox: orders are stored in a database of the user, and sent from there."""

from os import PathLike, fsdecode
from pathlib import Path
from typing import Any

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.outbox.database import PostgresDatabase, SqliteDatabase
from cleverreach_async.outbox.order_store import OrderStore
from cleverreach_async.outbox.parcels import is_unwritable
from cleverreach_async.transport.clock import SYSTEM_CLOCK, Clock

__all__ = ["Outbox", "PostgresOutbox"]


class Outbox(OrderStore):
    """An outbox in an SQLite file, for the processes of one computer. It runs on asyncio and trio.

    Nothing is opened before it is used. The file may also be the shop's own SQLite database; its
    journal mode becomes WAL. It must not be on a network drive.

    Args:
        path: The file; it is created if it does not exist, readable by its owner only.
        clock: Source of time, for tests.

    Raises:
        ConfigurationError: The path is none, or the SQLite of this Python is older than 3.35.
    """

    def __init__(self, path: str | PathLike[str], *, clock: Clock = SYSTEM_CLOCK) -> None:
        text = _text_of(path)
        if not text or text == ":memory:" or is_unwritable(text):
            raise ConfigurationError("path is no file; pass the name of a file, such as orders.db")
        if "://" in text:
            raise ConfigurationError("path is a URL; for PostgreSQL use PostgresOutbox(url)")
        self._path = Path(text)
        # The working directory may change before it is opened: daemons change it.
        super().__init__(SqliteDatabase(self._path.absolute()), clock)

    def __repr__(self) -> str:
        return f"<Outbox {self._path}>"


def _text_of(path: Any) -> str:
    try:
        return fsdecode(path)
    except TypeError:
        return ""


class PostgresOutbox(OrderStore):
    """An outbox in PostgreSQL, for any number of computers. It runs on asyncio and trio.

    It needs psycopg (extra ``postgres``) and the tables, which it creates if they do not exist.
    An entry is released before it is sent: no transaction is open meanwhile.

    Args:
        conninfo: URL of the database, such as ``postgresql://user@host/shop``, or any other text
            that libpq understands. It appears in no repr and no error.
        clock: Source of time, for tests; leases use the time of the database.

    Raises:
        ConfigurationError: psycopg is not installed, or ``conninfo`` is no text.
    """

    def __init__(self, conninfo: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        given: Any = conninfo
        if not isinstance(given, str) or not given:
            raise ConfigurationError("conninfo is no text; pass a URL such as postgresql://…")
        super().__init__(PostgresDatabase(given), clock)

    def __repr__(self) -> str:
        return "<PostgresOutbox>"
