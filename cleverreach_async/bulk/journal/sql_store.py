"""The journal of an import in a table of an SQL database, by SQLAlchemy."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from cleverreach_async.bulk.journal.places import check_lease, check_name, run_abandoning
from cleverreach_async.bulk.journal.refusals import StoreRefusedError
from cleverreach_async.bulk.journal.sql_connections import has_transactions, without_preparing
from cleverreach_async.bulk.journal.sql_remedies import sql_remedy
from cleverreach_async.bulk.journal.sql_tables import Tables
from cleverreach_async.bulk.journal.store import JournalEntry
from cleverreach_async.errors import ConfigurationError

__all__ = ["SqlJournal"]

T = TypeVar("T")


class SqlJournal:
    """Keeps the journal of an import in a database, so that another machine can go on with it.

    Pass it as ``journal=``. It contains row numbers, counts and reasons, and no addresses. The
    tables ``cleverreach_journals`` and ``cleverreach_journal_rejects`` are created if they are
    missing. Tested on PostgreSQL, MariaDB and SQLite.

    Args:
        engine: Your ``Engine`` or ``AsyncEngine`` of SQLAlchemy (extra ``sql``), which must not
            commit each statement by itself (AUTOCOMMIT). It is not disposed of. An ``AsyncEngine``
            runs on asyncio, an ``Engine`` in worker threads.
        key: The key, one per import and partition, such as ``nightly-2026-11-28/3``.
        lease: Seconds without a sign of life after which another attempt takes the import over.

    Raises:
        ConfigurationError: The key is empty, no text, or has spaces around it, ``lease`` is not
            above 0, or ``engine`` is no engine.
    """

    def __init__(self, engine: Any, key: str, *, lease: float = 30.0) -> None:
        self._engine = engine
        self._key = check_name(key)
        self.lease: float = check_lease(lease)
        self.name: str = f"SQL journal {key}"
        # A connection and a session can begin too, but only an engine disposes of its pool.
        if not (hasattr(engine, "begin") and hasattr(engine, "dispose")):
            raise ConfigurationError(
                f"engine is of type {type(engine).__name__}; pass an engine, such as"
                " sqlalchemy.create_engine(…)"
            )
        self._tables = Tables()

    async def load(self) -> JournalEntry | None:
        """See :class:`JournalStore`."""
        return await self._run(partial(self._tables.load, self._key))

    async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
        """See :class:`JournalStore`."""
        tables = self._tables
        try:
            return await self._run(partial(tables.swap, self._key, expected, entry, rejects))
        except tables.sql.exc.IntegrityError:
            found = await self.load()
            if (None if found is None else found.version) == expected:
                raise
            return False  # another attempt has inserted the first entry

    async def load_rejects(self) -> Sequence[str]:
        """See :class:`JournalStore`."""
        return await self._run(partial(self._tables.load_rejects, self._key))

    async def delete(self) -> None:
        """Delete the journal, so that the import can begin anew. No attempt may be running."""
        await self._run(partial(self._tables.delete, self._key))

    async def _run(self, work: Callable[[Any], T]) -> T:
        """Do work with a connection, in one transaction.

        Raises:
            JournalError: The database refuses it, and waiting does not help.
            ConfigurationError: The engine has no transactions.
        """
        try:
            if hasattr(self._engine, "sync_engine"):
                async with self._engine.connect() as connection:
                    result: T = await connection.run_sync(self._transact, work)
            else:
                result = await run_abandoning(partial(self._connect, work))
        except Exception as error:
            remedy = sql_remedy(error, has_worked=self._tables.exist)
            if remedy is None:
                raise
            raise StoreRefusedError(self.name, error, remedy) from None
        self._tables.exist = True  # not before the transaction that created them is complete
        return result

    def _connect(self, work: Callable[[Any], T]) -> T:
        with self._engine.connect() as connection:
            return self._transact(connection, work)

    def _transact(self, connection: Any, work: Callable[[Any], T]) -> T:
        with without_preparing(connection), connection.begin():
            if not self._tables.exist and not has_transactions(connection):
                raise ConfigurationError(
                    f"{self.name}: the engine commits each statement by itself, so that a crash"
                    " would lose rejects; pass another one: create_engine(…,"
                    f" isolation_level={connection.default_isolation_level!r})"
                )
            return self._tables.create_before(connection, work)
