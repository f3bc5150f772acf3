"""A journal in PostgreSQL behind PgBouncer, with each driver."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import anyio
import pytest
from sqlalchemy import create_engine
from sqlalchemy.event import listens_for
from sqlalchemy.ext.asyncio import create_async_engine
from support.pgbouncer import run_pgbouncer

from cleverreach_async import JournalEntry, JournalError, SqlJournal
from cleverreach_async.bulk.journal.sql_remedies import sql_remedy

pytestmark = pytest.mark.anyio

UNPREPARED: Final[Mapping[str, Mapping[str, Any]]] = {
    "psycopg": {},
    "asyncpg": {"statement_cache_size": 0, "prepared_statement_cache_size": 0},
}
"""As in the documentation."""


@pytest.fixture(params=["psycopg", "async psycopg", "async asyncpg"])
def driver(request: pytest.FixtureRequest, anyio_backend_name: str) -> str:
    """The name of a driver."""
    if "async " in request.param and anyio_backend_name == "trio":
        pytest.skip("the engine runs on asyncio")
    return str(request.param)


async def swap_often(driver: str, address: str, **args: Any) -> None:
    """Write several journals at the same time; there are fewer connections of the server."""
    make: Any = create_async_engine if driver.startswith("async ") else create_engine
    driver = driver.removeprefix("async ")
    engine = make(
        f"postgresql+{driver}://postgres@{address}/postgres", pool_size=8, connect_args=args
    )

    errors: list[JournalError] = []

    async def swap() -> None:
        store, version = SqlJournal(engine, secrets.token_hex(8)), None
        try:
            for number in range(12):
                assert await store.swap(version, JournalEntry(f"{number}", "{}"), f"{number}")
                version = f"{number}"
            assert sorted(map(str, range(12))) == sorted(await store.load_rejects())
        except JournalError as error:
            errors.append(error)  # the others must not be cut off: they use connections

    try:
        await SqlJournal(engine, "first").load()  # creates the tables
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(swap)
    finally:
        disposed = engine.dispose()
        if disposed is not None:
            await disposed
    for error in errors:
        raise error


async def test_an_engine_that_prepares_no_statements_works(
    postgres_address: str, driver: str
) -> None:
    """As the documentation tells."""
    with run_pgbouncer(postgres_address, "transaction") as address:
        await swap_often(driver, address, **UNPREPARED[driver.rsplit(maxsplit=1)[-1]])


async def test_statements_that_are_prepared_are_named(
    postgres_address: str, anyio_backend_name: str
) -> None:
    """At once, since the same happens again."""
    if anyio_backend_name == "trio":
        pytest.skip("the engine runs on asyncio")
    with (
        run_pgbouncer(postgres_address, "transaction") as address,
        pytest.raises(JournalError, match="an engine that prepares no statements"),
    ):
        await swap_often("async asyncpg", address)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("26000", 'prepared statement "__asyncpg_stmt_8__" does not exist'),
        ("42P05", 'prepared statement "__asyncpg_stmt_8__" already exists'),
        ("08P01", 'bind message supplies 4 parameters, but prepared statement "_pg3_0" requires 0'),
        ("22P03", "incorrect binary data format in bind parameter 1"),
        (None, "the number of columns in result row (3) is different from what was described (2)"),
    ],
)
def test_a_name_may_stand_for_a_statement_of_somebody_else(state: str | None, text: str) -> None:
    """Which of them happens is a matter of chance."""
    error: Any = Exception(text)
    error.sqlstate = state
    assert "prepares no statements" in str(sql_remedy(error, has_worked=True))


@pytest.mark.parametrize("make", [create_engine, create_async_engine])
async def test_the_settings_of_an_engine_stay(
    postgres_address: str, anyio_backend_name: str, make: Any
) -> None:
    """The application may prepare its own statements, and has them after an import."""
    if make is create_async_engine and anyio_backend_name == "trio":
        pytest.skip("the engine runs on asyncio")
    engine = make(f"postgresql+psycopg://postgres@{postgres_address}/postgres", pool_size=1)
    seen: list[object] = []

    @listens_for(getattr(engine, "sync_engine", engine), "before_cursor_execute")
    def see(connection: Any, *_: object) -> None:
        seen.append(connection.connection.driver_connection.prepare_threshold)

    store = SqlJournal(engine, secrets.token_hex(8))
    await store.load()
    assert seen
    assert set(seen) == {None}
    if make is create_engine:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        engine.dispose()
    else:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")
        await engine.dispose()
    assert seen[-1] == 5


async def test_pooling_by_statement_is_refused(postgres_address: str, driver: str) -> None:
    """It has no transactions."""
    with (
        run_pgbouncer(postgres_address, "statement") as address,
        pytest.raises(JournalError, match="pool_mode = transaction, or session"),
    ):
        await swap_often(driver, address, **UNPREPARED[driver.rsplit(maxsplit=1)[-1]])
