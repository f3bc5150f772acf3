"""An outbox in PostgreSQL: several senders, lost connections, rights."""

import logging
from collections.abc import Iterator

import psycopg
import pytest
from support.clocks import FakeClock
from support.outbox_server import GROUP, LAMP, OutboxServer, receiver
from support.postgres import run_postgres

from cleverreach_async import OutboxError, PostgresOutbox
from cleverreach_async.outbox import database as outbox_database

pytestmark = [pytest.mark.anyio, pytest.mark.socket]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The URL of an empty database."""
    with run_postgres() as address:
        yield f"postgresql://postgres@{address}/postgres"


@pytest.fixture
def url(address: str) -> str:
    """The URL of a database without the tables."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS cleverreach_outbox, cleverreach_outbox_lines")
    return address


async def test_a_row_that_another_sender_is_claiming_is_skipped(url: str) -> None:
    """Senders neither wait for each other nor claim the same entry."""
    server, outbox = OutboxServer(FakeClock()), PostgresOutbox(url)
    for email in ("ann@example.org", "bob@example.org"):
        await outbox.put(receiver(email=email), group_id=GROUP)
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM cleverreach_outbox WHERE id = 1 FOR UPDATE")
        await server.send_due(outbox)
        assert [[], [("17", "Lamp")]] == [server.orders(), server.orders("bob@example.org")]
    await server.send_due(outbox)
    assert [("17", "Lamp")] == server.orders()
    outbox.close()


async def test_no_transaction_is_open_while_an_entry_is_sent(url: str) -> None:
    """A slow server must hold no lock in the database of the shop."""
    server, outbox, seen = OutboxServer(FakeClock()), PostgresOutbox(url), list[str]()

    def look(number: int) -> str:
        with psycopg.connect(url) as other:
            query = "SELECT state FROM cleverreach_outbox FOR UPDATE NOWAIT"
            seen.extend(row[0] for row in other.execute(query).fetchall())
        return "stored"

    server.script = look
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    outbox.close()
    assert ["sent"] == seen


async def test_a_lost_connection_is_opened_again(url: str) -> None:
    """As after a restart of the database: a checkout must not fail."""
    outbox = PostgresOutbox(url)
    await outbox.put(receiver(), group_id=GROUP)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
    assert 1 == await outbox.put(receiver(LAMP | {"order_id": "18"}), group_id=GROUP)
    assert 2 == (await outbox.counts())["waiting"]
    outbox.close()


async def test_entries_are_listed_retried_and_dropped(url: str) -> None:
    """As in SQLite."""
    server, outbox = OutboxServer(FakeClock()), PostgresOutbox(url)
    server.script = lambda number: "omitted"
    for number in (1, 2):
        await outbox.put_order("ann@example.org", LAMP | {"order_id": number})
        await outbox.put(receiver(LAMP | {"order_id": -number}), group_id=GROUP)
    await server.send_due(outbox, accounts=["default"])
    dead = await outbox.entries(state="dead", account="default")
    assert [True, True] == [it.doubtful for it in dead if it.group_id]
    assert 1 == await outbox.retry([dead[0].id])
    assert 1 == await outbox.drop([dead[-1].id])
    await outbox.send_due(lambda account: None, keep=0)  # type: ignore[arg-type, return-value]
    outbox.close()


async def test_existing_tables_need_no_right_to_create_them(url: str) -> None:
    """A migration may have created them; the statements are at hand."""
    statements = PostgresOutbox(url).tables
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute("DROP ROLE IF EXISTS shop")
        connection.execute("CREATE ROLE shop LOGIN")
        connection.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON cleverreach_outbox, cleverreach_outbox_lines"
            " TO shop"
        )
    outbox = PostgresOutbox(url.replace("postgres@", "shop@"))
    assert 1 == await outbox.put(receiver(), group_id=GROUP)
    outbox.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("REVOKE ALL ON cleverreach_outbox_lines FROM shop")
    outbox = PostgresOutbox(url.replace("postgres@", "shop@"))
    with pytest.raises(OutboxError, match=r"cannot be used \(InsufficientPrivilege 42501\)") as e:
        await outbox.put(receiver(LAMP | {"order_id": "18"}), group_id=GROUP)
    assert "ann@" not in str(e.value)
    outbox.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP OWNED BY shop")
        connection.execute("DROP ROLE shop")


async def test_errors_say_what_to_do(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that another transaction is putting, and tables of another version."""
    monkeypatch.setattr(outbox_database, "_WAIT", 0.05)
    outbox = PostgresOutbox(url)
    await outbox.prepare()
    with psycopg.connect(url) as other:
        assert 1 == outbox.put_in(other, receiver(), group_id=GROUP)
        with pytest.raises(OutboxError, match=r"QueryCanceled 57014\): others held .*; try again"):
            await outbox.put(receiver(), group_id=GROUP)
        other.rollback()
    assert [1, 0] == [await outbox.put(receiver(), group_id=GROUP) for _ in range(2)]
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("ALTER TABLE cleverreach_outbox RENAME since TO first")
    with pytest.raises(OutboxError, match="other tables than this version") as caught:
        await outbox.put(receiver(LAMP | {"order_id": "18"}), group_id=GROUP)
    assert "ann@" not in str(caught.value)
    outbox.close()


async def test_times_and_sent_entries_in_postgres(url: str) -> None:
    """A clock that was set back, and an entry in doubt that is dropped by its number."""
    server, outbox = OutboxServer(FakeClock()), PostgresOutbox(url)
    server.script = lambda number: "lost"
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE cleverreach_outbox SET due = due + 1e8, changed = changed + 1e8")
        await server.send_due(outbox)
        query = "SELECT due - extract(epoch FROM clock_timestamp()) FROM cleverreach_outbox"
        [[wait]] = other.execute(query).fetchall()
    assert 50 < wait < 61
    assert [0, 1] == [await outbox.drop(), await outbox.drop([1])]
    outbox.close()


async def test_a_database_that_cannot_be_reached(caplog: pytest.LogCaptureFixture) -> None:
    """The error names it, without the password."""
    outbox = PostgresOutbox("postgresql://shop:geheim@127.0.0.1:1/shop")
    with caplog.at_level(logging.DEBUG), pytest.raises(OutboxError, match="cannot be reached") as e:
        await outbox.counts()
    assert "geheim" not in str(e.value) + caplog.text
