"""A journal in MariaDB: what it does otherwise than PostgreSQL by default."""

import secrets
from collections.abc import Callable, Generator
from typing import Any, Final

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from cleverreach_async import ConfigurationError, JournalEntry, SqlJournal
from cleverreach_async.bulk.journal.refusals import StoreRefusedError
from cleverreach_async.bulk.journal.sql_remedies import sql_remedy

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["pymysql", "async aiomysql"])
def connect(
    request: pytest.FixtureRequest, anyio_backend_name: str, mariadb_address: str
) -> Callable[..., Any]:
    """Return a function that makes an engine."""
    is_async, driver = "async" in request.param, request.param.rsplit(maxsplit=1)[-1]
    if is_async and anyio_backend_name == "trio":
        pytest.skip("the engine runs on asyncio")

    def make(database: str, user: str = "root", **options: Any) -> Any:
        address = f"mysql+{driver}://{user}@{mariadb_address}/{database}"
        function = create_async_engine if is_async else create_engine
        return function(address, poolclass=NullPool, **options)

    return make


@pytest.fixture
def execute(mariadb_address: str) -> Generator[Callable[..., None]]:
    """Return a function that executes statements as the administrator."""
    engine = create_engine(
        f"mysql+pymysql://root@{mariadb_address}/test",
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
    )

    def run(*statements: str) -> None:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    yield run
    run("SET GLOBAL read_only = 0")


@pytest.fixture(params=["utf8mb4", "latin1"])
def database(execute: Callable[..., None], request: pytest.FixtureRequest) -> Generator[str]:
    """The name of a new database, with a character set."""
    name = f"d{secrets.token_hex(4)}"
    execute(f"CREATE DATABASE {name} CHARACTER SET {request.param}", f"CREATE USER {name}")
    yield name
    execute(f"DROP DATABASE {name}", f"DROP USER {name}")


async def test_texts_of_any_length_and_letters(connect: Callable[..., Any], database: str) -> None:
    """A TEXT of MariaDB ends after 64 KiB, and has the letters of the database only."""
    text = "Zoë 😀" * 20_000
    store = SqlJournal(connect(database), "a")
    assert await store.swap(None, JournalEntry("1", text), text)
    assert JournalEntry("1", text) == await store.load()
    assert [text] == await store.load_rejects()


async def test_keys_that_differ_in_capitals_are_two(
    connect: Callable[..., Any], database: str
) -> None:
    """And in accents."""
    keys = ("nightly", "Nightly", "nightlý")
    stores = [SqlJournal(connect(database), key) for key in keys]
    for store, key in zip(stores, keys, strict=True):
        assert await store.swap(None, JournalEntry("1", key), key)
    assert [*keys] == [entry.text for store in stores if (entry := await store.load())]
    assert [[key] for key in keys] == [await store.load_rejects() for store in stores]


async def test_an_engine_that_commits_each_statement_is_refused(
    connect: Callable[..., Any], database: str
) -> None:
    """As on other databases."""
    store = SqlJournal(connect(database, isolation_level="AUTOCOMMIT"), "a")
    with pytest.raises(ConfigurationError, match="commits each statement by itself"):
        await store.load()


OTHER: Final = "have other columns than"
TABLE: Final = "CREATE TABLE {}.cleverreach_journals"


@pytest.mark.parametrize(
    ("statement", "user", "name", "said"),
    [
        ("", "nobody", "test", "right user name and password"),
        ("", "{}", "{}", "right user name and password"),
        ("GRANT SELECT, CREATE ON {0}.* TO {0}", "{}", "{}", "grant its user SELECT, INSERT"),
        ("", "root", "no-{}", "create that database, or pass an engine of another"),
        (f"{TABLE} (`key` INT PRIMARY KEY, value TEXT)", "root", "{}", OTHER),
        (f"{TABLE} (`key` INT, version TEXT, text TEXT, job INT NOT NULL)", "root", "{}", OTHER),
        (f"{TABLE} (`key` VARCHAR(9), version TEXT, text VARCHAR(9))", "root", "{}", OTHER),
        ("SET GLOBAL read_only = 1", "{}", "{}", "whose user may write"),
    ],
)
async def test_what_mariadb_refuses_is_no_outage(
    connect: Callable[..., Any],
    execute: Callable[..., None],
    database: str,
    statement: str,
    user: str,
    name: str,
    said: str,
) -> None:
    """Waiting does not help."""
    if "read_only" in statement:
        execute(f"GRANT ALL ON {database}.* TO {database}")
    if statement:
        execute(statement.format(database))
    store = SqlJournal(connect(name.format(database), user.format(database)), "a")
    with pytest.raises(StoreRefusedError, match=said):
        await store.swap(None, JournalEntry("1", "0123456789"), "x")


@pytest.mark.parametrize("has_worked", [False, True])
def test_a_server_that_becomes_read_only_is_waited_for(has_worked: bool) -> None:
    """It may be a replica that becomes the primary server."""
    error = Exception(1290, "The MariaDB server is running with the --read-only option")
    assert has_worked == (sql_remedy(error, has_worked=has_worked) is None)


@pytest.mark.parametrize("number", [1205, 1213, 1040, 2003, 2006, 2013])
def test_what_passes_by_itself_is_waited_for(number: int) -> None:
    """Locks, too many connections, and connections that break."""
    assert sql_remedy(Exception(number, "a"), has_worked=False) is None
