"""Stores that answer, but do not do what they are asked: an error at once, that says what to do."""

import secrets
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from support.journal_stores import MemoryJournal
from support.model_server import ModelServer, Reply, receivers
from support.repeated_imports import load
from support.virtual_time import VirtualClock

from cleverreach_async import (
    ConfigurationError,
    ImportFailedError,
    JournalEntry,
    JournalError,
    RedisJournal,
    SqlJournal,
)
from cleverreach_async.bulk.journal.refusals import StoreRefusedError
from cleverreach_async.bulk.journal.sql_remedies import sql_remedy

pytestmark = pytest.mark.anyio

PG: Final = "postgresql+psycopg://"
ENTRY: Final = JournalEntry("1", "{}")
NARROW: Final = "CREATE TABLE cleverreach_journals (key TEXT PRIMARY KEY, value TEXT)"
WIDE: Final = (
    "CREATE TABLE cleverreach_journals"
    " (key TEXT PRIMARY KEY, version TEXT, text TEXT, job TEXT NOT NULL)"
)


async def refuse(store: Any, said: str) -> None:
    """Expect an error without any wait, before anything is sent."""
    clock, server = VirtualClock(), ModelServer()
    async with clock.flowing():
        with pytest.raises(JournalError, match=said) as caught:
            await load(server, receivers(5), store, clock=clock)
    assert "nothing is lost" not in f"{caught.value}".lower()
    assert 0 == clock.elapsed
    assert [] == server.requests


@pytest.fixture
def redis(redis_port: int) -> Generator[Any]:
    """A client of Redis."""
    from redis import Redis  # noqa: PLC0415 - an extra

    with Redis(host="127.0.0.1", port=redis_port) as client:
        yield client


@pytest.fixture
def login(redis: Any) -> Generator[Callable[..., dict[str, str]]]:
    """Return a function that creates a user of Redis with some rights."""
    name = f"user-{secrets.token_hex(4)}"

    def create(*rights: str) -> dict[str, str]:
        redis.execute_command("ACL", "SETUSER", name, "on", ">right", *rights)
        return {"username": name, "password": "right"}

    yield create
    redis.acl_deluser(name)


@pytest.mark.parametrize(
    ("rights", "changed", "said"),
    [
        (("~*", "+@all"), {"password": "wrong"}, "right user name and password"),
        (("~*", "+@all", "-hmget"), {}, "allow its user the commands and the keys"),
        (("~other", "+@all"), {}, "allow its user the commands and the keys"),
        (("~*", "+@all", "-eval"), {}, "allow its user the commands and the keys"),
        (("~*", "+@all", "-hset"), {}, "allow its user the commands and the keys"),
        (("~*", "+@all"), {"db": 99}, "a client of a database that it has"),
    ],
)
async def test_what_redis_refuses_is_no_outage(
    redis_port: int,
    login: Callable[..., dict[str, str]],
    rights: tuple[str, ...],
    changed: dict[str, Any],
    said: str,
) -> None:
    """A wrong password, a right or a database that is missing."""
    from redis import Redis  # noqa: PLC0415 - an extra

    options: dict[str, Any] = {**login(*rights), **changed}
    with Redis(host="127.0.0.1", port=redis_port, **options) as client:
        await refuse(RedisJournal(client, "nightly/1"), f"Redis key nightly/1 .*{said}")


async def test_a_redis_key_of_another_kind_is_named(redis: Any) -> None:
    """Such as that of another program."""
    key = f"nightly/{secrets.token_hex(4)}"
    redis.set(key, "of a shop")
    await refuse(RedisJournal(redis, key), f"{key} .*use a key that nothing else uses")


@pytest.mark.parametrize("delay", [0.0, 100.0])
async def test_a_refusal_during_the_import_stops_it_at_once(delay: float) -> None:
    """Also if the journal is only renewed while a request takes long. The report is complete."""

    class Closed(MemoryJournal):
        """Is closed to its user after some entries."""

        async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
            if len(self.swaps) == 3:
                raise StoreRefusedError(self.name, ValueError("closed"), "open it")
            return await super().swap(expected, entry, rejects)

    clock = VirtualClock()
    server = ModelServer(lambda _number, _request: Reply(delay=delay), clock=clock)
    async with clock.flowing():
        with pytest.raises(ImportFailedError, match="ValueError: closed: open it") as caught:
            await load(server, receivers(100), Closed(), clock=clock, timeout=300.0)
    assert isinstance(caught.value.__cause__, JournalError)
    assert clock.elapsed <= 10 + 2 * delay


@pytest.mark.parametrize(
    "said",
    [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "ERR unexpected 'WRONGTYPE' in what was sent",
    ],
)
async def test_what_redis_gets_over_is_waited_for(said: str) -> None:
    """While it starts, fails over, moves keys or makes space."""
    from redis.exceptions import ResponseError  # noqa: PLC0415 - an extra

    class Late:
        """A Redis that answers so for a while."""

        failures = 3

        async def execute_command(self) -> None:
            """Be a client of asyncio."""

        async def hmget(self, *_: Any) -> Any:
            self.failures -= 1
            if self.failures >= 0:
                raise ResponseError(said)
            return [None, None]

        async def eval(self, *_: Any) -> int:
            return 1

        async def hgetall(self, _: str) -> dict[str, str]:
            return {}

    server, clock = ModelServer(), VirtualClock()
    async with clock.flowing():
        report = await load(server, receivers(5), RedisJournal(Late(), "a"), clock=clock)
    assert 5 == report.accepted


@pytest.fixture
def database(postgres_address: str) -> Generator[Callable[..., str]]:
    """Return a function that creates a database by some statements; it returns its address."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - an extra
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    def run(name: str, *statements: str) -> None:
        engine = create_engine(
            f"{PG}postgres@{postgres_address}/{name}",
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
        )
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    name = f"d{secrets.token_hex(4)}"
    run("postgres", f"CREATE DATABASE {name}", f"CREATE ROLE {name} LOGIN")

    def create(*statements: str) -> str:
        run(name, *statements)
        return name

    yield create
    run("postgres", f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}")


def engine_of(driver: str, address: str, **options: Any) -> Any:
    """Return an engine that keeps no connection."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - an extra
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - as above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    make = create_async_engine if driver.startswith("async") else create_engine
    address = f"{driver.removeprefix('async ')}://{address}"
    return make(address, poolclass=NullPool, **options)


def skip_on_trio(driver: str, backend: str) -> None:
    """Skip what asyncio alone can run."""
    if driver.startswith("async") and backend == "trio":
        pytest.skip("the engine runs on asyncio")


DRIVERS: Final = ("postgresql+psycopg", "async postgresql+asyncpg", "async postgresql+psycopg")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("statements", "user", "name", "said"),
    [
        ((), "{}", "{}", "grant its user SELECT, INSERT, UPDATE and DELETE"),
        ((), "nobody", "{}", "right user name and password"),
        ((), "postgres", "no-{}", "create that database, or pass an engine of another"),
        ((NARROW,), "postgres", "{}", "have other columns than"),
        ((WIDE,), "postgres", "{}", "have other columns than"),
        (
            ("ALTER ROLE postgres IN DATABASE {} SET default_transaction_read_only = on",),
            "postgres",
            "{}",
            "whose user may write",
        ),
    ],
)
async def test_what_postgresql_refuses_is_no_outage(
    postgres_address: str,
    anyio_backend_name: str,
    database: Callable[..., str],
    driver: str,
    statements: tuple[str, ...],
    user: str,
    name: str,
    said: str,
) -> None:
    """Neither a login that is wrong, nor a missing right, nor tables of another shape."""
    skip_on_trio(driver, anyio_backend_name)
    found = database()
    database(*(it.format(found) for it in statements))
    address = f"{user.format(found)}@{postgres_address}/{name.format(found)}"
    await refuse(SqlJournal(engine_of(driver, address), "a"), f"SQL journal a .*{said}")


def test_a_host_that_is_down_is_waited_for_also_if_another_refuses() -> None:
    """It may be the one where the login is right."""
    wrong = 'connection failed: FATAL:  password authentication failed for user "a"'
    down = "connection failed: Connection refused"
    several = "Multiple connection attempts failed. All failures were:"
    texts = [wrong, f"{several}\n- {wrong}\n- {wrong}", f"{several}\n- {wrong}\n- {down}", down]
    remedies = [sql_remedy(OSError(text), has_worked=False) for text in texts]
    assert [True, True, False, False] == [it is not None for it in remedies]


@pytest.mark.parametrize("has_worked", [False, True])
def test_a_replica_may_become_the_primary_server(has_worked: bool) -> None:
    """So it is waited for: at the start if it says so, later always."""

    class ReadOnlyError(Exception):
        """As psycopg's."""

        sqlstate = "25006"

    error = ReadOnlyError("cannot execute INSERT in a read-only transaction")
    replica = ReadOnlyError("cannot execute txid_current() during recovery")
    assert has_worked == (sql_remedy(error, has_worked=has_worked) is None)
    assert sql_remedy(replica, has_worked=has_worked) is None


def _execute(sql: str) -> Callable[[Path], object]:
    """Return what executes a statement in a file."""

    def execute(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(sql)

    return execute


def _remove_folder(path: Path) -> None:
    path.parent.rmdir()


def _write_something_else(path: Path) -> None:
    path.write_bytes(b"x" * 5000)


@pytest.mark.parametrize(
    ("prepare", "suffix", "said"),
    [
        (_remove_folder, "", "check the permissions of the file"),
        (_write_something_else, "", "use another file"),
        (_execute(NARROW), "", "have other columns than"),
        (_execute(WIDE), "", "have other columns than"),
        (
            _execute("CREATE TABLE a (b)"),
            "?mode=ro&uri=true",
            "check the permissions of the file",
        ),
    ],
)
async def test_what_sqlite_refuses_is_no_outage(
    tmp_path: Path,
    prepare: Callable[[Path], object],
    suffix: str,
    said: str,
) -> None:
    """Neither a folder that is missing, nor a file that is another or cannot be written."""
    path = tmp_path / "folder" / "journals.db"
    path.parent.mkdir()
    prepare(path)
    address = f"/{'file:' if suffix else ''}{path}{suffix}"
    await refuse(SqlJournal(engine_of("sqlite", address), "a"), f"SQL journal a .*{said}")


@pytest.mark.parametrize("how", ["engine", "option", "driver"])
@pytest.mark.parametrize("driver", [*DRIVERS, "sqlite"])
async def test_an_engine_without_transactions_is_refused(
    anyio_backend_name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    driver: str,
    how: str,
) -> None:
    """A crash between its statements would lose rejects. What the error tells works."""
    skip_on_trio(driver, anyio_backend_name)
    args: dict[str, Any]
    address, args = f"/{tmp_path / 'a.db'}", {"isolation_level": None}
    if "postgresql" in driver:
        address, args = f"postgres@{request.getfixturevalue('postgres_address')}/", {}
        args = {} if "asyncpg" in driver else {"autocommit": True}
    engine = engine_of(driver, address, **_autocommit(how, args))
    if how == "option":
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    key = secrets.token_hex(4)
    if args or how != "driver":
        with pytest.raises(ConfigurationError, match="commits each statement by itself") as caught:
            await SqlJournal(engine, key).load()
        level = f"{caught.value}".split("'")[1]
        options = {"connect_args": args} if how == "driver" else {}
        engine = engine_of(driver, address, isolation_level=level, **options)
    assert await SqlJournal(engine, key).swap(None, ENTRY, "a")
    assert not await SqlJournal(engine, key).swap(None, ENTRY, "b")
    assert ["a"] == await SqlJournal(engine, key).load_rejects()


def _autocommit(how: str, args: dict[str, Any]) -> dict[str, Any]:
    by: dict[str, dict[str, Any]] = {
        "engine": {"isolation_level": "AUTOCOMMIT"},
        "driver": {"connect_args": args},
    }
    return by.get(how, {})
