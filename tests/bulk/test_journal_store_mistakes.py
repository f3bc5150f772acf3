"""Stores of the user's own that are written wrongly, and clients that are none."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from support.journal_stores import MemoryJournal
from support.model_server import ModelServer, Reply, receivers
from support.repeated_imports import load
from support.virtual_time import VirtualClock

from cleverreach_async import (
    ConfigurationError,
    ImportFailedError,
    JournalEntry,
    RedisJournal,
    SqlJournal,
)

pytestmark = pytest.mark.anyio

ENTRY = JournalEntry("1", "{}")


def answering(method: str, answer: Any, *, is_async: bool = True) -> MemoryJournal:
    """Return a store with a method that returns something."""
    store = MemoryJournal()

    async def answer_later(*_: object) -> Any:
        return answer

    def answer_now(*_: object) -> Any:
        return answer

    setattr(store, method, answer_later if is_async else answer_now)
    return store


@pytest.mark.parametrize("key", [" nightly/3", "nightly/3 ", "nightly/3\u00a0", " "])
@pytest.mark.parametrize("store", [RedisJournal, SqlJournal])
def test_a_key_with_spaces_around_it_is_refused(store: Any, key: str) -> None:
    """MariaDB does not distinguish it from one without them."""
    with pytest.raises(ConfigurationError, match="remove the spaces around it"):
        store(object(), key)


@pytest.mark.parametrize(
    ("method", "answer", "said"),
    [
        ("load", ("1", "{}"), "returned a tuple; return a JournalEntry of two texts, or None"),
        ("load", JournalEntry(b"1", "{}"), "returned a JournalEntry; return"),  # type: ignore[arg-type]
        ("load", JournalEntry("1", b"{}"), "returned a JournalEntry; return"),  # type: ignore[arg-type]
        ("swap", None, "returned a NoneType; return whether the entry was replaced"),
        ("swap", 1, "returned a int; return whether the entry was replaced"),
    ],
)
async def test_a_wrong_answer_is_an_error_that_says_what_to_return(
    method: str, answer: Any, said: str
) -> None:
    """At once: to ask again would not help. Nothing is sent."""
    server = ModelServer()
    with pytest.raises(ConfigurationError, match=rf"{method}\(\) of memory {said}"):
        await load(server, receivers(5), answering(method, answer))
    assert [] == server.requests


@pytest.mark.parametrize("number", range(2, 9))
@pytest.mark.parametrize("delay", [0.0, 100.0])
async def test_a_later_wrong_answer_stops_the_import(number: int, delay: float) -> None:
    """With its report, also if the journal was only renewed while a request took long."""
    clock = VirtualClock()

    class Forgetful(MemoryJournal):
        """Answers like a function without return, once."""

        async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
            done = await super().swap(expected, entry, rejects)
            return None if len(self.swaps) == number else done  # type: ignore[return-value]

    def script(number: int, rows: Any) -> Reply:
        return Reply(delay=delay)

    server = ModelServer(script, clock=clock)
    async with clock.flowing():
        with pytest.raises(ImportFailedError, match="return whether the entry was replaced") as it:
            await load(server, receivers(100), Forgetful(), clock=clock, timeout=300.0)
    assert isinstance(it.value.__cause__, ConfigurationError)


@pytest.mark.parametrize("answer", [None, [b"x"], [None], "text"])
async def test_rejects_that_are_no_texts_are_refused(answer: Any) -> None:
    """When they are read by the next attempt."""
    store = answering("load_rejects", answer)
    await load(ModelServer(), receivers(5), store)
    with pytest.raises(ConfigurationError, match="return a list of the texts that were added"):
        await load(ModelServer(), receivers(5), store)


@pytest.mark.parametrize("method", ["load", "swap"])
async def test_a_method_that_is_not_asynchronous_is_refused(method: str) -> None:
    """At once, with the remedy."""
    with pytest.raises(ConfigurationError, match=rf"{method}\(\) of memory is not asynchronous"):
        await load(ModelServer(), receivers(5), answering(method, None, is_async=False))


@pytest.mark.parametrize("lease", ["30", 0, -1, None, float("nan"), float("inf"), True])
async def test_a_lease_that_is_no_time_is_refused(lease: Any) -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match=r"lease is .*; it must be a number of seconds"):
        await load(ModelServer(), receivers(5), MemoryJournal(lease))


async def test_a_store_without_a_method_is_refused_and_the_method_is_named() -> None:
    """Such as one that cannot list the rejects."""
    store = SimpleNamespace(name="a", lease=30.0, load=None, swap=None)
    with pytest.raises(ConfigurationError, match="without load_rejects, delete; pass a path"):
        await load(ModelServer(), receivers(5), store)


@pytest.mark.parametrize("client", [None, "redis://localhost", 7])
@pytest.mark.parametrize(
    ("make", "said"),
    [(RedisJournal, "redis is of type .*; pass"), (SqlJournal, "engine is of type .*; pass")],
)
def test_what_is_no_client_is_refused(make: Callable[..., Any], said: str, client: Any) -> None:
    """When the journal is made, not after a time-out that looks like an outage."""
    with pytest.raises(ConfigurationError, match=said):
        make(client, "a")


def test_a_connection_is_no_engine() -> None:
    """It has a transaction already, and one thread only."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - an extra

    engine = create_engine("sqlite://")
    with (
        engine.connect() as connection,
        pytest.raises(ConfigurationError, match=r"create_engine\(…\)"),
    ):
        SqlJournal(connection, "a")
    engine.dispose()


@pytest.mark.parametrize("key", ["a\0b", "a\nb", "\ud800"])
@pytest.mark.parametrize("make", [partial(RedisJournal, None), partial(SqlJournal, None)])
def test_a_key_that_no_store_can_keep_is_refused(make: Callable[..., Any], key: str) -> None:
    """PostgreSQL keeps no NUL, and a message has one line."""
    with pytest.raises(ConfigurationError, match="key contains"):
        make(key)


async def test_tables_whose_creation_was_not_confirmed_are_created_again() -> None:
    """The transaction that created them may have been undone."""
    from sqlalchemy import create_engine, event, inspect  # noqa: PLC0415 - an extra
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415 - as above

    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")  # SQLite undoes the creation of tables only then

    failures = [ConnectionError("the server is gone")]

    @event.listens_for(engine, "commit")
    def commit(connection: Any) -> None:
        if failures:
            connection.exec_driver_sql("ROLLBACK")
            raise failures.pop()

    store = SqlJournal(engine, "a")
    with pytest.raises(ConnectionError):
        await store.load()
    assert [] == inspect(engine).get_table_names()
    assert await store.swap(None, ENTRY, "")
    assert ENTRY == await store.load()
    engine.dispose()
