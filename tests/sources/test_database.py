"""Rows of real databases, by a cursor and by a query that can begin after a key."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import psycopg
import psycopg.rows
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from support.model_server import ModelServer, upsert
from support.postgres import run_postgres

from cleverreach_async import (
    BadRow,
    CleverReachError,
    ConfigurationError,
    ReceiverInput,
    SourceError,
    SourceRow,
    read_cursor,
)
from cleverreach_async.sources.resumable import Resumable

pytestmark = pytest.mark.anyio

COUNT = 23
SELECT = "SELECT id, email, city, registered FROM customers"
ALL = f"{SELECT} ORDER BY id"
EXPECTED = [
    SourceRow(
        ReceiverInput(
            f"p{number}@example.org",
            registered=1767182400 + number,
            global_attributes={"city": "Kiel"},
        ),
        None,
    )
    for number in range(1, COUNT + 1)
]


def fill(execute: Callable[[str], object]) -> None:
    """Create the table of a shop."""
    execute("CREATE TABLE customers (id int PRIMARY KEY, email text, city text, registered int)")
    rows = (f"({n}, 'p{n}@example.org', 'Kiel', {1767182400 + n})" for n in range(1, COUNT + 1))
    execute(f"INSERT INTO customers VALUES {', '.join(rows)}")  # noqa: S608


async def listed(source: Any) -> list[SourceRow | BadRow]:
    """Read a source to its end."""
    return [row async for row in source]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite file with the table."""
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    fill(connection.execute)
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def sqlite(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection to it that threads may use."""
    connection = sqlite3.connect(file, check_same_thread=False)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def postgres() -> Generator[str]:
    """The address of a PostgreSQL with the table."""
    with run_postgres() as address:
        with psycopg.connect(f"postgresql://postgres@{address}/postgres") as connection:
            fill(lambda sql: connection.execute(sql.encode()))
        yield address


# SQLAlchemy's asynchronous side, and psycopg's, run on asyncio alone.
only_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg"])
async def connection(request: pytest.FixtureRequest, file: Path) -> AsyncGenerator[AsyncConnection]:
    """A connection of SQLAlchemy by each of its drivers."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{file}"
    else:
        address = request.getfixturevalue("postgres")
        url = f"postgresql+{request.param}://postgres@{address}/postgres"
    engine = create_async_engine(url, poolclass=sqlalchemy.NullPool)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest.mark.parametrize("chunk_size", [1, 5, 500])
async def test_a_cursor_is_read(sqlite: sqlite3.Connection, chunk_size: int) -> None:
    """With any chunk size; the cursor and its connection stay open."""
    cursor = sqlite.execute(ALL)
    source = read_cursor(cursor, chunk_size=chunk_size)

    assert EXPECTED == await listed(source)
    assert source.mapping is not None
    assert ("id",) == source.mapping.left_out
    assert [] == cursor.fetchall()
    assert not isinstance(source, Resumable)


async def test_a_cursor_of_postgres_is_read(postgres: str) -> None:
    """Rows are tuples or dictionaries, also of a server-side cursor."""
    url = f"postgresql://postgres@{postgres}/postgres"
    with psycopg.connect(url) as connection:
        assert EXPECTED == await listed(read_cursor(connection.execute(ALL)))
        by_name = connection.cursor(row_factory=psycopg.rows.dict_row)
        assert EXPECTED == await listed(read_cursor(by_name.execute(ALL)))
        with connection.cursor("on_server") as cursor:
            cursor.execute(ALL)
            assert EXPECTED == await listed(read_cursor(cursor, chunk_size=4))


@only_asyncio
async def test_an_async_cursor_is_read(postgres: str) -> None:
    """A cursor of psycopg, without a thread."""
    url = f"postgresql://postgres@{postgres}/postgres"
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(ALL)
        assert EXPECTED == await listed(read_cursor(cursor, chunk_size=4))


async def test_values_of_postgres_are_converted(postgres: str) -> None:
    """Times with and without a zone, days, decimals, lists and NULL."""
    query = """SELECT 'ann@example.org' AS email, timestamptz '2025-12-31 12:00+01' AS registered,
        date '1985-03-12' AS birthday, 49.90::numeric AS worth, array['a', 'b'] AS tags,
        timestamp '2025-12-31 12:00' AS activated, NULL AS city, true AS vip"""
    with psycopg.connect(f"postgresql://postgres@{postgres}/postgres") as connection:
        source = read_cursor(connection.execute(query), mapping={"worth": "worth", "vip": "vip"})
        expected = ReceiverInput(
            "ann@example.org",
            registered=1767178800,
            activated=1767178800,
            global_attributes={"birthday": "1985-03-12", "worth": "49.90", "vip": "1"},
            tags=["a", "b"],
        )
        assert [SourceRow(expected, None)] == await listed(source)


@only_asyncio
async def test_a_stream_of_sqlalchemy_is_read(connection: AsyncConnection) -> None:
    """Awaited or not, and an ordinary result as well."""
    statement = sqlalchemy.text(ALL)
    assert EXPECTED == await listed(read_cursor(await connection.stream(statement), chunk_size=4))
    assert EXPECTED == await listed(read_cursor(connection.stream(statement), chunk_size=4))
    assert EXPECTED == await listed(read_cursor(await connection.execute(statement)))


@only_asyncio
async def test_a_query_of_sqlalchemy_is_resumed(connection: AsyncConnection) -> None:
    """From any row on, in pages."""
    statement = sqlalchemy.text(f"{SELECT} WHERE id > :after ORDER BY id LIMIT 5")

    async def page(after: int | None) -> Any:
        return await connection.stream(statement, {"after": after or 0})

    assert EXPECTED == await listed(read_cursor(page, key="id"))
    source = read_cursor(page, key="id")
    source.seek(17)
    assert EXPECTED[17:] == await listed(source)


async def test_a_result_of_sqlalchemy_is_read_in_a_thread(file: Path) -> None:
    """The synchronous side needs no greenlets, so it runs on both loops."""
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert EXPECTED == await listed(read_cursor(connection.execute(sqlalchemy.text(ALL))))
    engine.dispose()


Query = Callable[[Any], sqlite3.Cursor]


def query_of(
    connection: sqlite3.Connection, limit: int = -1, made: list[Any] | None = None
) -> Query:
    """Return a function from a key to a cursor."""

    def query(after: int | None) -> sqlite3.Cursor:
        sql = f"{SELECT} WHERE id > ? ORDER BY id LIMIT ?"
        cursor = connection.execute(sql, (after or 0, limit))
        if made is not None:
            made.append((after, cursor))
        return cursor

    return query


@pytest.mark.parametrize("limit", [-1, 1, 5, COUNT])
async def test_a_query_begins_anywhere(sqlite: sqlite3.Connection, limit: int) -> None:
    """After ``seek`` a loop yields exactly the remaining rows, and a later loop all rows."""
    source = read_cursor(query_of(sqlite, limit), key="id", chunk_size=4)
    assert isinstance(source, Resumable)
    positions = [source.tell()]
    rows: list[Any] = []
    async for row in source:
        rows.append(row)
        positions.append(source.tell())
    assert EXPECTED == rows
    assert [None, *range(1, COUNT + 1)] == positions

    for passed in (0, 1, 4, 5, COUNT - 1, COUNT):
        again = read_cursor(query_of(sqlite, limit), key="id", chunk_size=4)
        again.seek(positions[passed])
        assert positions[passed] == again.tell()
        assert EXPECTED[passed:] == await listed(again)
        assert EXPECTED == await listed(again)


async def test_cursors_of_the_function_are_closed(sqlite: sqlite3.Connection) -> None:
    """At their end, and when the loop ends early; each call gets the last key."""
    made: list[tuple[Any, sqlite3.Cursor]] = []
    await listed(read_cursor(query_of(sqlite, 10, made), key="id"))
    rows = aiter(read_cursor(query_of(sqlite, 10, made), key="id", chunk_size=2))
    await anext(rows)
    await rows.aclose()

    assert [None, 10, 20, 23, None] == [after for after, _ in made]
    for _, cursor in made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed cursor"):
            cursor.fetchone()


async def test_the_caller_may_be_cancelled_while_it_closes(sqlite: sqlite3.Connection) -> None:
    """The cursor is closed all the same."""
    made: list[tuple[Any, sqlite3.Cursor]] = []
    rows = aiter(read_cursor(query_of(sqlite, -1, made), key="id", chunk_size=2))
    await anext(rows)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await rows.aclose()
    with pytest.raises(sqlite3.ProgrammingError, match="closed cursor"):
        made[0][1].fetchone()


class Fake:
    """A DB-API cursor with given chunks of rows; an exception among them is raised.

    Attributes:
        closed: How often it was closed.
    """

    description: Sequence[Any] | None = (("id", None), ("email", None))

    def __init__(self, *chunks: list[tuple[Any, ...]] | Exception) -> None:
        self.closed = 0
        self._chunks = list(chunks)

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Return the next chunk."""
        chunk = self._chunks.pop(0) if self._chunks else []
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def close(self) -> None:
        """Count the calls."""
        self.closed += 1


def keyed(*keys: Any) -> list[tuple[Any, ...]]:
    """Return rows with keys."""
    return [(key, "p@example.org") for key in keys]


@pytest.mark.parametrize("key", [None, "id"])
async def test_a_cursor_that_dies_says_how_far_it_came(key: str | None) -> None:
    """The rows before were yielded; the driver's error is chained but not quoted."""
    cursor = Fake(keyed(1, 2), ConnectionError("ann@example.org: terminated by administrator"))
    source: Any = read_cursor(lambda after: cursor, key=key) if key else read_cursor(cursor)
    rows: list[Any] = []

    async def read() -> None:
        async for row in source:
            rows.append(row)  # noqa: PERF401 - those before the error count

    with pytest.raises(SourceError, match=r"reading failed after row 2") as caught:
        await read()

    assert 2 == len(rows)
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert "ann@" not in str(caught.value)
    assert (key is not None) == ("id 2; seek there" in str(caught.value))
    assert (1 if key else 0) == cursor.closed
    if key:
        assert 2 == source.tell()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ((1, 3, 2), "row 3: the key 'id' does not ascend.*ORDER BY id"),
        ((1, 1), "row 2: the key 'id' does not ascend"),
        (("a", "a"), "row 2: the key 'id' does not ascend"),
        ((1, date(2025, 1, 1)), "row 2: the key 'id' does not ascend"),
        ((1, None), "row 2: the key 'id' is NULL"),
        ((1.5,), "row 1: the key 'id' is of type float"),
    ],
)
async def test_keys_that_do_not_ascend_are_an_error(keys: Sequence[Any], words: str) -> None:
    """An import resumed after such a key would lose rows."""
    cursor = Fake(keyed(*keys))
    with pytest.raises(SourceError, match=words):
        await listed(read_cursor(lambda after: cursor, key="id"))
    assert 1 == cursor.closed


async def test_a_function_that_ignores_the_key_is_detected() -> None:
    """Otherwise it would be called indefinitely."""
    with pytest.raises(SourceError, match="does not ascend"):
        await listed(read_cursor(lambda after: Fake(keyed(1, 2)), key="id"))


@pytest.mark.parametrize(
    "key",
    [
        7,
        "a7",
        Decimal("7.50"),
        UUID(int=7),
        date(2025, 12, 31),
        datetime(2025, 12, 31, 12, 30, 5, 7, tzinfo=UTC),
    ],
)
async def test_a_key_is_restored(key: Any) -> None:
    """With its type, after a round trip through JSON."""
    asked: list[Any] = []

    def query(after: Any) -> Fake:
        asked.append(after)
        return Fake(keyed(key)) if after is None else Fake()

    source = read_cursor(query, key="id")
    await listed(source)
    source.seek(json.loads(json.dumps(source.tell())))
    assert [] == await listed(source)
    assert [None, key, key] == asked
    assert type(key) is type(asked[2])


@pytest.mark.parametrize("token", [1.5, True, {"byte": 7}, {"uuid": "x"}, {"decimal": "x"}, [], {}])
async def test_a_position_of_another_source_is_refused(token: Any) -> None:
    """Reading does not begin at a wrong row."""
    with pytest.raises(SourceError, match="not a key 'id'"):
        read_cursor(lambda after: Fake(), key="id").seek(token)


async def test_a_query_has_an_identity() -> None:
    """The options, as JSON values."""
    source = read_cursor(lambda after: Fake(), key="id", mapping={"city": "-"})
    expected: dict[str, Any] = {
        "kind": "query",
        "key": "id",
        "columns": {"city": "-"},
        "timezone": "Europe/Berlin",
        "date_attributes": [],
        "types": {},
        "relative": False,
        "strict": False,
    }
    assert expected == source.identity()


def nothing(after: Any) -> Any:
    """A function without a return statement."""


def no_rows(after: Any) -> Fake:
    """A function whose query finds nothing."""
    return Fake()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": nothing}, "needs key="),
        ({"source": Fake(), "key": "id"}, "needs a function"),
        ({"source": Fake(), "chunk_size": 0}, "chunk_size is 0"),
    ],
)
async def test_arguments_must_fit_each_other(arguments: Any, words: str) -> None:
    """The error is raised immediately."""
    with pytest.raises(ConfigurationError, match=words):
        read_cursor(**arguments)


class NoResult(Fake):
    """A cursor of an INSERT."""

    description = None


class Twice(Fake):
    """A cursor of a join."""

    description = (("id", None), ("id", None))


@pytest.mark.parametrize(
    ("source", "options", "error", "words"),
    [
        (NoResult(), {}, SourceError, "takes a SELECT"),
        (Twice(), {}, SourceError, "two columns are named 'id'"),
        (object(), {}, ConfigurationError, "not a cursor but object"),
        (no_rows, {"key": "nr"}, ConfigurationError, "no such column.*'id', 'email'"),
        (nothing, {"key": "id"}, ConfigurationError, "not a cursor but NoneType"),
        (Fake(), {"mapping": {"x": "city"}}, ConfigurationError, "no column 'x'"),
    ],
)
async def test_unusable_data_are_an_error(
    source: Any, options: Any, error: type[CleverReachError], words: str
) -> None:
    """At the first row at the latest, with a remedy."""
    with pytest.raises(error, match=words):
        await listed(read_cursor(source, **options))


async def test_a_connection_bound_to_its_thread_gets_a_hint(file: Path) -> None:
    """It names the argument that sqlite3 needs."""
    connection = sqlite3.connect(file)
    with pytest.raises(ConfigurationError, match="check_same_thread=False"):
        await listed(read_cursor(connection.execute(ALL)))
    connection.close()


async def test_an_end_in_the_function_is_an_error() -> None:
    """It does not look like an empty table."""

    async def query(after: Any) -> Awaitable[Any]:
        raise StopAsyncIteration

    with pytest.raises(SourceError, match="StopAsyncIteration"):
        await listed(read_cursor(query, key="id"))


async def test_the_importer_takes_a_query(sqlite: sqlite3.Connection) -> None:
    """Every row is imported, and the bad one reported."""
    sqlite.execute("INSERT INTO customers VALUES (99, NULL, 'Kiel', 0)")
    report = await upsert(ModelServer(), read_cursor(query_of(sqlite, 5), key="id"))
    assert (COUNT + 1, COUNT, 1) == (report.read, report.accepted, report.rejected)
