"""Run statements on a connection of the shop, in its transaction, whatever its driver is.

The kind of a connection is recognised by what it has; no driver is imported.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final, TypeVar

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.outbox.statements import Rows, Statement, next_statement, run_steps

__all__ = ["join", "join_async"]

T = TypeVar("T")
_KINDS: Final = (
    "pass a connection of sqlite3, psycopg or SQLAlchemy, a Session, or django.db.connection; for"
    " asyncpg, aiosqlite and async connections of psycopg and SQLAlchemy use aput_in()"
)
_LIBPQ: Final = frozenset({"psycopg", "psycopg2"})
_LIBRARIES: Final = _LIBPQ | {"aiosqlite", "asyncpg", "sqlalchemy", "sqlite3"}
_DATABASES: Final = frozenset({"sqlite", "postgresql"})
_IDLE: Final = 0
"""The transaction status of libpq outside of a transaction."""


def join(connection: Any, steps: Generator[Statement, Rows, T]) -> T:
    """Run statements in the transaction of a connection.

    Args:
        connection: The connection, or a session of SQLAlchemy.
        steps: Yields statements; closed if nothing is run.

    Raises:
        ConfigurationError: It is of no known kind, or in no transaction.
        Exception: What the connection raises.
    """
    if _is_async(connection):
        raise ConfigurationError("this connection is asynchronous: use await outbox.aput_in(…)")
    if hasattr(connection, "exec_driver_sql"):
        return run_steps(steps, _sqlalchemy(connection))
    if hasattr(connection, "get_bind") and callable(getattr(connection, "connection", None)):
        return run_steps(steps, _sqlalchemy(connection.connection()))
    if not callable(getattr(connection, "cursor", None)):
        raise ConfigurationError(f"no connection to a database: {_KINDS}")
    library = _library_of(connection)
    _check_database(getattr(connection, "vendor", None))
    if library not in {"sqlite3", *_LIBPQ} and not hasattr(connection, "in_atomic_block"):
        raise ConfigurationError(f"a connection of {library}, which is not known: {_KINDS}")
    _check_transaction(connection)
    mark = _MARKS["qmark" if library == "sqlite3" else "format"]

    def execute(sql: str, values: Sequence[Any]) -> Rows:
        cursor = connection.cursor()
        try:
            cursor.execute(mark(sql), tuple(values))
            return _plain(cursor.fetchall()) if cursor.description else ()
        finally:
            cursor.close()

    return run_steps(steps, execute)


async def join_async(connection: Any, steps: Generator[Statement, Rows, T]) -> T:
    """Run statements in the transaction of an asynchronous connection; see :func:`join`.

    Raises:
        ConfigurationError: It is of no known kind, or in no transaction.
        Exception: What the connection raises.
    """
    library = _library_of(connection)
    if library == "sqlalchemy" and hasattr(connection, "run_sync"):

        def run(inner: Any) -> T:
            return join(inner, steps)

        joined: T = await connection.run_sync(run)
        return joined
    if library not in {"asyncpg", "aiosqlite", "psycopg"} or not _is_async(connection):
        if hasattr(connection, "cursor") or hasattr(connection, "exec_driver_sql"):
            raise ConfigurationError("this connection is not asynchronous: use outbox.put_in(…)")
        raise ConfigurationError(f"no connection to a database: {_KINDS}")
    _check_transaction(connection)
    mark = _MARKS[{"asyncpg": "numeric_dollar", "aiosqlite": "qmark"}.get(library, "format")]

    async def execute(sql: str, values: Sequence[Any]) -> Rows:
        if library == "asyncpg":
            return _plain(await connection.fetch(mark(sql), *values))
        cursor = await connection.execute(mark(sql), tuple(values))
        try:
            return _plain(await cursor.fetchall()) if cursor.description else ()
        finally:
            await cursor.close()

    found: Rows | Exception | None = None
    while True:
        try:
            statement = next_statement(steps, found)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            found = await execute(*statement)
        except Exception as error:  # noqa: BLE001 - the generator raises it again
            found = error


def _sqlalchemy(connection: Any) -> Callable[[str, Sequence[Any]], Rows]:
    """Return what runs a statement on a connection of SQLAlchemy."""
    dialect = connection.dialect
    _check_database(dialect.name)
    isolation = connection.get_execution_options().get("isolation_level")
    # The engine's own is in no public place.
    if (isolation or getattr(dialect, "_on_connect_isolation_level", None)) == "AUTOCOMMIT":
        raise _no_transaction("without AUTOCOMMIT")
    mark = _MARKS[dialect.paramstyle]

    def execute(sql: str, values: Sequence[Any]) -> Rows:
        result = connection.exec_driver_sql(mark(sql), tuple(values))
        return _plain(result.fetchall()) if result.returns_rows else ()

    return execute


def _check_database(name: str | None) -> None:
    if name is not None and name not in _DATABASES:
        raise ConfigurationError(
            f"the outbox is in SQLite or PostgreSQL, and this connection is to {name}"
        )


def _check_transaction(connection: Any) -> None:
    """Check that what is written ends with the transaction of the shop.

    Raises:
        ConfigurationError: Each statement would be a transaction of its own.
    """
    library = _library_of(connection)
    if hasattr(connection, "in_atomic_block"):
        if connection.get_autocommit() and not connection.in_atomic_block:
            raise _no_transaction("with transaction.atomic():")
    elif library == "asyncpg":
        if not connection.is_in_transaction():
            raise _no_transaction("async with connection.transaction():")
    elif library in {"sqlite3", "aiosqlite"}:
        # Since Python 3.12 a connection may commit each statement whatever its isolation level is.
        inner = getattr(connection, "_conn", connection)
        commits = connection.isolation_level is None or getattr(inner, "autocommit", None) is True
        if commits and not connection.in_transaction:
            raise _no_transaction("BEGIN")
    elif library in _LIBPQ:
        is_idle = connection.info.transaction_status == _IDLE
        if connection.autocommit and is_idle:
            raise _no_transaction("with connection.transaction():")


def _no_transaction(remedy: str) -> ConfigurationError:
    return ConfigurationError(
        "the connection is in no transaction, so the order would be sent even if the shop rolls"
        f" back: begin one first ({remedy})"
    )


def _is_async(connection: Any) -> bool:
    """Whether the methods of a connection are to be awaited."""
    library = _library_of(connection)
    if library == "sqlalchemy":
        return hasattr(connection, "run_sync")
    return library in {"asyncpg", "aiosqlite"} or hasattr(connection, "__aenter__")


def _library_of(connection: Any) -> str:
    """Return the driver of a connection, also of a class of the shop, or of a proxy that traces."""
    kinds: tuple[type, ...] = connection.__class__.__mro__
    homes = [kind.__module__.partition(".")[0] for kind in kinds]
    return next((home for home in homes if home in _LIBRARIES), homes[0])


def _numbered(sql: str) -> str:
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, start=1))


def _plain(rows: Any) -> Rows:
    """Return rows as tuples, whatever factory the connection has for them."""
    return [tuple(row.values() if hasattr(row, "values") else row) for row in rows]


_MARKS: Final[Mapping[str, Callable[[str], str]]] = {
    "qmark": lambda sql: sql,
    "format": lambda sql: sql.replace("?", "%s"),
    "pyformat": lambda sql: sql.replace("?", "%s"),
    "numeric_dollar": _numbered,
}
"""The notation of values by the ``paramstyle`` of a driver."""
