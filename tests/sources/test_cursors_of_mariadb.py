"""Cursors of MariaDB, whose asynchronous driver returns futures instead of coroutines."""

from collections.abc import Generator
from importlib import import_module
from inspect import CORO_CLOSED, getcoroutinestate
from typing import Any

import pytest
from support.mariadb import run_mariadb

from cleverreach_async import ConfigurationError, ReceiverInput, SourceRow, read_cursor

pytestmark = pytest.mark.anyio

pymysql: Any = import_module("pymysql")  # neither has types
aiomysql: Any = import_module("aiomysql")

ROWS = 12
ALL = "SELECT email, city FROM customers ORDER BY email"
EXPECTED = [
    SourceRow(ReceiverInput(f"c{n:02}@example.org", global_attributes={"city": f"Köln {n}"}), None)
    for n in range(ROWS)
]


@pytest.fixture(scope="module")
def mariadb() -> Generator[dict[str, Any]]:
    """How to connect to a MariaDB with a table."""
    with run_mariadb() as address:
        host, _, port = address.partition(":")
        place = {"host": host, "port": int(port), "user": "root"}
        with pymysql.connect(**place, database="test", autocommit=True) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE customers (email VARCHAR(99), city VARCHAR(99))")
            cursor.executemany(
                "INSERT INTO customers VALUES (%s, %s)",
                [(f"c{n:02}@example.org", f"Köln {n}") for n in range(ROWS)],
            )
        yield place


async def listed(source: Any) -> list[Any]:
    """Return all rows."""
    return [row async for row in source]


@pytest.mark.parametrize("kind", ["Cursor", "SSCursor", "DictCursor", "SSDictCursor"])
async def test_cursors_of_pymysql(mariadb: dict[str, Any], kind: str) -> None:
    """Tuples and dictionaries, stored on the client or the server."""
    with pymysql.connect(**mariadb, database="test") as connection:
        cursor = connection.cursor(getattr(pymysql.cursors, kind))
        cursor.execute(ALL)
        assert EXPECTED == await listed(read_cursor(cursor, chunk_size=5))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", ["Cursor", "SSCursor", "DictCursor", "SSDictCursor"])
async def test_cursors_of_aiomysql(mariadb: dict[str, Any], kind: str) -> None:
    """Of some, fetchmany() is a plain function that returns a future."""
    async with aiomysql.connect(**mariadb, db="test") as connection:
        cursor = await connection.cursor(getattr(aiomysql, kind))
        await cursor.execute(ALL)
        assert EXPECTED == await listed(read_cursor(cursor, chunk_size=5))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_function_that_returns_cursors_of_aiomysql(mariadb: dict[str, Any]) -> None:
    """They are closed in the end."""
    cursors: list[Any] = []
    async with aiomysql.connect(**mariadb, db="test") as connection:

        async def customers(after: str | None) -> Any:
            cursor = await connection.cursor()
            cursors.append(cursor)
            await cursor.execute(
                "SELECT email, city FROM customers WHERE email > %s ORDER BY email LIMIT 5",
                (after or "",),
            )
            return cursor

        assert EXPECTED == await listed(read_cursor(customers, key="email", chunk_size=2))
    assert [True] * 4 == [cursor.closed for cursor in cursors]


async def test_values_of_mariadb_are_converted(mariadb: dict[str, Any]) -> None:
    """A TIME is a span of time, which cannot be sent and is remarked on."""
    query = """SELECT 'ann@example.org' AS email,
        CAST('2025-12-31 12:00' AS DATETIME) AS registered,
        DATE '1985-03-12' AS birthday, 49.90 AS worth, 1 = 1 AS vip, NULL AS city,
        TIME '01:02:03' AS call_at"""
    with pymysql.connect(**mariadb, database="test") as connection:
        cursor = connection.cursor()
        cursor.execute(query)
        mapping = {"worth": "worth", "vip": "vip", "call_at": "call_at"}
        [row] = await listed(read_cursor(cursor, mapping=mapping))
    assert 1767178800 == row.receiver.registered
    expected = {"birthday": "1985-03-12", "worth": "49.90", "vip": "1"}
    assert expected == row.receiver.global_attributes
    assert ["column 'call_at': a value that cannot be sent"] == [it.text for it in row.remarks]


class Undeclared:
    """A cursor whose fetchmany() does not show that it is asynchronous."""

    description = (("email", None),)

    def __init__(self) -> None:
        self.answers: list[Any] = []

    def fetchmany(self, _: int) -> Any:
        """Return rows, later."""

        async def answer() -> list[Any]:
            return [("ann@example.org",)]

        self.answers.append(answer())
        return self.answers[-1]


async def test_an_asynchronous_cursor_that_does_not_show_it_is_an_error() -> None:
    """It would have rows without end."""
    cursor = Undeclared()
    with pytest.raises(ConfigurationError, match=r"it needs an async def fetchmany\(\)"):
        await listed(read_cursor(cursor))
    assert [CORO_CLOSED] == [getcoroutinestate(it) for it in cursor.answers]
