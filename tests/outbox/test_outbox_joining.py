"""Put orders in the shop's own transaction: on every driver, committed and rolled back."""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiosqlite
import anyio
import anyio.to_thread
import psycopg
import pytest
import sqlalchemy
import sqlalchemy.orm
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from support.django_project import configured_settings
from support.outbox_server import GROUP, LAMP, receiver
from support.postgres import run_postgres

from cleverreach_async import ConfigurationError, Outbox, PostgresOutbox

pytestmark = pytest.mark.socket

# They have no types.
asyncpg: Any = import_module("asyncpg")
django_db: Any = import_module("django.db")

Order = dict[str, Any]
Shop = Callable[[str, Any, Order, bool], Any]
"""Puts an order in a transaction of its own, and commits it or rolls it back."""


class OwnConnection(sqlite3.Connection):
    """A shop may have a class of its own."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of an empty database."""
    with run_postgres() as address:
        yield f"{address}/postgres"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the databases of SQLite."""
    return tmp_path_factory.mktemp("shops")


def end(connection: Any, *, commit: bool) -> None:
    """End a transaction."""
    connection.commit() if commit else connection.rollback()


def with_sqlite3(place: str, outbox: Outbox, order: Order, commit: bool) -> int:
    """Use the module of Python."""
    with closing(sqlite3.connect(place, factory=OwnConnection)) as connection:
        connection.row_factory = sqlite3.Row
        found = outbox.put_in(connection, receiver(order), group_id=GROUP)
        end(connection, commit=commit)
    return found


def with_psycopg(place: str, outbox: Any, order: Order, commit: bool) -> int:
    """Use psycopg, with rows that are dictionaries."""
    with psycopg.connect(f"postgresql://postgres@{place}") as connection:
        connection.row_factory = cast("Any", dict_row)
        found: int = outbox.put_in(connection, receiver(order), group_id=GROUP)
        end(connection, commit=commit)
    return found


def with_sqlalchemy(place: str, outbox: Any, order: Order, commit: bool) -> int:
    """Use a connection of SQLAlchemy."""
    is_file = place.startswith("/")
    url = f"sqlite:///{place}" if is_file else f"postgresql+psycopg://postgres@{place}"
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        found: int = outbox.put_in(connection, receiver(order), group_id=GROUP)
        end(connection, commit=commit)
    engine.dispose()
    return found


def with_session(place: str, outbox: Any, order: Order, commit: bool) -> int:
    """Use a session of SQLAlchemy."""
    engine = sqlalchemy.create_engine(f"sqlite:///{place}")
    with sqlalchemy.orm.Session(engine) as session:
        found: int = outbox.put_in(session, receiver(order), group_id=GROUP)
        end(session, commit=commit)
    engine.dispose()
    return found


def with_django(place: str, outbox: Any, order: Order, commit: bool) -> int:
    """Use Django."""
    configured_settings()
    host, _, rest = place.partition(":")
    port, _, name = rest.partition("/")
    server = {"USER": "postgres", "HOST": host, "PORT": port, "NAME": name}
    database = (
        {"ENGINE": "django.db.backends.sqlite3", "NAME": place}
        if place.startswith("/")
        else {"ENGINE": "django.db.backends.postgresql", **server}
    )
    connections, transaction = django_db.connections, django_db.transaction
    connections.settings = connections.configure_settings({"default": database})
    connection = connections["default"]
    found: int = 0
    try:
        with transaction.atomic():
            found = outbox.put_in(connection, receiver(order), group_id=GROUP)
            transaction.set_rollback(not commit)
        with pytest.raises(ConfigurationError, match=r"transaction\.atomic"):
            outbox.put_in(connection, receiver(order | {"product": "x"}), group_id=GROUP)
    finally:
        connection.close()
        del connections["default"]
    return found


@asynccontextmanager
async def _rolled_back(connection: Any, commit: bool) -> AsyncGenerator[None]:
    yield
    await (connection.commit() if commit else connection.rollback())


async def with_asyncpg(place: str, outbox: Any, order: Order, commit: bool) -> int:
    """Use asyncpg."""
    connection = await asyncpg.connect(f"postgresql://postgres@{place}")
    try:
        ending = connection.transaction()
        await ending.start()
        found: int = await outbox.aput_in(connection, receiver(order), group_id=GROUP)
        await (ending.commit() if commit else ending.rollback())
        with pytest.raises(ConfigurationError, match="in no transaction"):
            await outbox.aput_in(connection, receiver(order | {"product": "x"}), group_id=GROUP)
    finally:
        await connection.close()
    return found


async def with_aiosqlite(place: str, outbox: Any, order: Order, commit: bool) -> int:
    """Use aiosqlite."""
    async with aiosqlite.connect(place) as connection, _rolled_back(connection, commit):
        found: int = await outbox.aput_in(connection, receiver(order), group_id=GROUP)
    return found


async def with_async_psycopg(place: str, outbox: Any, order: Order, commit: bool) -> int:
    """Use psycopg in the event loop."""
    url = f"postgresql://postgres@{place}"
    async with (
        await psycopg.AsyncConnection.connect(url) as connection,
        _rolled_back(connection, commit),
    ):
        found: int = await outbox.aput_in(connection, receiver(order), group_id=GROUP)
    return found


async def with_async_session(place: str, outbox: Any, order: Order, commit: bool) -> int:
    """Use an asynchronous session of SQLAlchemy, over aiosqlite or asyncpg."""
    is_file = place.startswith("/")
    url = f"sqlite+aiosqlite:///{place}" if is_file else f"postgresql+asyncpg://postgres@{place}"
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session, _rolled_back(session, commit):
        found: int = await outbox.aput_in(session, receiver(order), group_id=GROUP)
    await engine.dispose()
    return found


ON_SQLITE: list[Shop] = [with_sqlite3, with_sqlalchemy, with_session, with_django]
ON_POSTGRES: list[Shop] = [with_psycopg, with_sqlalchemy, with_django]
ASYNC_ON_SQLITE: list[Shop] = [with_aiosqlite, with_async_session]
ASYNC_ON_POSTGRES: list[Shop] = [with_asyncpg, with_async_psycopg, with_async_session]


async def check(outbox: Any, place: str, shop: Shop) -> None:
    """Put an order that is rolled back, and one that is committed, which is known then."""
    await outbox.prepare()
    before = (await outbox.counts())["waiting"]
    order = LAMP | {"order_id": f"{shop.__name__} {place}"}
    found: list[int] = []
    for commit in (False, True, True):
        result = await anyio.to_thread.run_sync(shop, place, outbox, order, commit)
        found.append(result if isinstance(result, int) else await result)
    waiting = (await outbox.counts())["waiting"]
    outbox.close()
    assert ([1, 1, 0], before + 1) == (found, waiting)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("shop", [*ON_SQLITE, *ASYNC_ON_SQLITE], ids=lambda it: it.__name__)
async def test_a_rolled_back_transaction_in_sqlite_sends_nothing(files: Path, shop: Shop) -> None:
    """The order is there if the transaction of the shop is committed, and only then."""
    place = str(files / f"{shop.__name__}.db")
    await check(Outbox(place), place, shop)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("shop", [*ON_POSTGRES, *ASYNC_ON_POSTGRES], ids=lambda it: it.__name__)
async def test_a_rolled_back_transaction_in_postgres_sends_nothing(
    postgres: str, shop: Shop
) -> None:
    """The order is there if the transaction of the shop is committed, and only then."""
    await check(PostgresOutbox(f"postgresql://postgres@{postgres}"), postgres, shop)


def autocommitting(place: str) -> Any:
    """Return a connection of sqlite3 without transactions."""
    return sqlite3.connect(place, isolation_level=None)


def test_a_connection_without_a_transaction_is_refused(files: Path, postgres: str) -> None:
    """Every statement would be committed on its own; the error says what to do."""
    outbox = Outbox(files / "none.db")
    with (
        closing(autocommitting(str(files / "none.db"))) as first,
        pytest.raises(ConfigurationError, match=r"in no transaction.*BEGIN"),
    ):
        outbox.put_in(first, receiver(), group_id=GROUP)
    with (
        psycopg.connect(f"postgresql://postgres@{postgres}", autocommit=True) as second,
        pytest.raises(ConfigurationError, match=r"with connection\.transaction"),
    ):
        outbox.put_in(second, receiver(), group_id=GROUP)
    engine = sqlalchemy.create_engine(f"sqlite:///{files / 'none.db'}")
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as third,
        pytest.raises(ConfigurationError, match="without AUTOCOMMIT"),
    ):
        outbox.put_in(third, receiver(), group_id=GROUP)
    engine.dispose()


class Autocommitting(sqlite3.Connection):
    """A connection with ``autocommit=True``, which there is since Python 3.12."""

    autocommit = True


def test_a_connection_that_commits_each_statement_is_refused(files: Path) -> None:
    """Also if its isolation level says otherwise; with a transaction of its own it is taken."""
    place = files / "commits.db"
    outbox = Outbox(place)
    anyio.run(outbox.prepare)
    with closing(sqlite3.connect(place, factory=Autocommitting)) as connection:
        with pytest.raises(ConfigurationError, match="in no transaction"):
            outbox.put_in(connection, receiver(), group_id=GROUP)
        connection.execute("BEGIN")
        assert 1 == outbox.put_in(connection, receiver(), group_id=GROUP)
        connection.rollback()
    engine = sqlalchemy.create_engine(f"sqlite:///{place}", isolation_level="AUTOCOMMIT")
    with (
        engine.connect() as second,
        pytest.raises(ConfigurationError, match="without AUTOCOMMIT"),
    ):
        outbox.put_in(second, receiver(), group_id=GROUP)
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as third:
        assert 1 == outbox.put_in(third, receiver(), group_id=GROUP)
        third.rollback()
    engine.dispose()
    assert 0 == anyio.run(outbox.counts)["waiting"]
    outbox.close()


class Unknown:
    """A connection of a driver that is not known, such as one to MySQL."""

    autocommit = True
    info = SimpleNamespace(transaction_status=0)

    def cursor(self) -> None:
        """Return nothing."""


@pytest.mark.parametrize(
    ("driver", "words"),
    [("pymysql.connections", "of pymysql, which is not known"), ("psycopg2", "no transaction")],
)
def test_a_connection_of_a_driver_that_is_not_known(
    driver: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it is in a transaction."""
    monkeypatch.setattr(Unknown, "__module__", driver)
    with pytest.raises(ConfigurationError, match=words):
        Outbox("orders.db").put_in(Unknown(), receiver(), group_id=GROUP)


class Proxy:
    """A connection that is traced: it looks like the one that it has."""

    __class__: Any = property(lambda _: sqlite3.Connection)

    def __init__(self, connection: Any) -> None:
        self._traced = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._traced, name)


def test_a_connection_that_is_traced(files: Path) -> None:
    """It is used like the one that it stands for."""
    outbox = Outbox(files / "traced.db")
    anyio.run(outbox.prepare)
    with closing(sqlite3.connect(files / "traced.db")) as connection:
        assert 1 == outbox.put_in(Proxy(connection), receiver(), group_id=GROUP)
        connection.rollback()
    outbox.close()


REFUSED = """
    CREATE TRIGGER refuse BEFORE INSERT ON cleverreach_outbox_lines
    BEGIN SELECT RAISE(ABORT, 'the disk is full'); END
"""


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_failure_halfway_leaves_nothing_in_the_transaction(tmp_path: Path) -> None:
    """The shop may go on after the error and commit: an entry without lines would be sent."""
    outbox = Outbox(tmp_path / "halfway.db")
    await outbox.prepare()
    with closing(sqlite3.connect(tmp_path / "halfway.db")) as connection:
        connection.execute(REFUSED)
        with pytest.raises(sqlite3.IntegrityError, match="the disk is full"):
            outbox.put_in(connection, receiver(), group_id=GROUP)
        connection.execute("CREATE TABLE shop_orders (id)")
        connection.commit()
    async with aiosqlite.connect(tmp_path / "halfway.db") as other:
        await other.execute("INSERT INTO shop_orders VALUES (1)")
        with pytest.raises(sqlite3.IntegrityError, match="the disk is full"):
            await outbox.aput_in(other, receiver(), group_id=GROUP)
        await other.commit()
    assert [] == await outbox.entries()
    outbox.close()


class MySQL:
    """A connection of Django to another database."""

    vendor = "mysql"

    def cursor(self) -> None:
        """Return nothing."""


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_other_connections_are_refused(files: Path) -> None:
    """The error says what to use."""
    outbox = Outbox(files / "none.db")
    with pytest.raises(ConfigurationError, match="this connection is to mysql"):
        outbox.put_in(MySQL(), receiver(), group_id=GROUP)
    with pytest.raises(ConfigurationError, match="no connection to a database"):
        outbox.put_in("orders.db", receiver(), group_id=GROUP)
    with pytest.raises(ConfigurationError, match="no connection to a database"):
        await outbox.aput_in(object(), receiver(), group_id=GROUP)
    async with aiosqlite.connect(files / "none.db") as connection:
        with pytest.raises(ConfigurationError, match=r"await outbox\.aput_in"):
            outbox.put_in(connection, receiver(), group_id=GROUP)
    with (
        closing(sqlite3.connect(files / "none.db")) as plain,
        pytest.raises(ConfigurationError, match=r"use outbox\.put_in"),
    ):
        await outbox.aput_in(plain, receiver(), group_id=GROUP)
