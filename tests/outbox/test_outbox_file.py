"""The file of an outbox: deleted, replaced, full, locked, of another version."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.outbox_server import GROUP, LAMP, OutboxServer, receiver
from support.virtual_time import VirtualClock

from cleverreach_async import Outbox, OutboxError
from cleverreach_async.outbox import database as outbox_database
from cleverreach_async.outbox.database import OutboxDatabase

pytestmark = pytest.mark.anyio


async def put(outbox: Outbox, number: int) -> None:
    """Put an order."""
    await outbox.put(receiver(LAMP | {"order_id": number}), group_id=GROUP)


async def put_many(outbox: Outbox) -> None:
    """Put orders until there is no space."""
    for number in range(2, 99):
        await put(outbox, number)


async def use(outbox: Outbox) -> None:
    """Use all columns."""
    await put(outbox, 2)
    await outbox.entries()


def order_ids(path: Path) -> list[str]:
    """Return the numbers of the orders in a file."""
    with closing(sqlite3.connect(path)) as other:
        rows = other.execute("SELECT order_id FROM cleverreach_outbox_lines ORDER BY 1").fetchall()
    return [row[0] for row in rows]


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be deleted")
async def test_a_file_that_is_deleted_is_made_again(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An order must not go into a file that nobody can open any more. The log says so, once."""
    await put(outbox, 1)
    (tmp_path / "orders.db").unlink()
    for number in (2, 3):
        await put(outbox, number)
    assert ["2", "3"] == order_ids(tmp_path / "orders.db")
    assert 1 == caplog.text.count("was deleted, moved or replaced")


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced")
async def test_a_file_that_is_replaced_is_opened(
    outbox: Outbox, server: OutboxServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a backup: a sender goes on with what is in the new file."""
    await put(outbox, 1)
    outbox.close()
    shutil.copy(tmp_path / "orders.db", tmp_path / "backup.db")
    await put(outbox, 2)
    outbox.close()
    await outbox.counts()
    (tmp_path / "backup.db").replace(tmp_path / "orders.db")
    await put(outbox, 3)
    assert ["1", "3"] == order_ids(tmp_path / "orders.db")
    await server.send_due(outbox)
    assert {"1", "3"} == {order_id for order_id, _ in server.orders()}
    assert "was deleted, moved or replaced" in caplog.text


async def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon changes its working directory, and opens the file after that."""
    monkeypatch.chdir(tmp_path)
    outbox = Outbox("orders.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    await put(outbox, 1)
    outbox.close()
    assert ["1"] == order_ids(tmp_path / "orders.db")


async def test_a_full_disk_loses_only_what_it_refuses(
    outbox: Outbox, database: OutboxDatabase, tmp_path: Path
) -> None:
    """The error says so; what was put before stays, and it works again with more space."""
    await put(outbox, 1)

    def limit(pages: int) -> None:
        database.transact(lambda execute: execute(f"PRAGMA max_page_count = {pages}", ()))

    limit(1)  # as many as there are
    with pytest.raises(OutboxError, match="the disk is full; free some space"):
        await put_many(outbox)
    kept = order_ids(tmp_path / "orders.db")
    limit(9999)
    await put(outbox, 99)
    assert sorted([*kept, "99"]) == order_ids(tmp_path / "orders.db")


async def test_a_file_that_is_locked(
    outbox: Outbox, tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says to try again, and that works."""
    monkeypatch.setattr(outbox_database, "_WAIT", 0.01)
    await put(outbox, 1)
    outbox.close()
    with closing(sqlite3.connect(tmp_path / "orders.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutboxError, match=r"was locked by another process .*; try again"):
            await put(outbox, 2)
    await put(outbox, 2)
    assert ["1", "2"] == order_ids(tmp_path / "orders.db")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE cleverreach_outbox DROP COLUMN reason",
        "ALTER TABLE cleverreach_outbox RENAME since TO first",
        "ALTER TABLE cleverreach_outbox_lines RENAME nth TO number",
    ],
)
async def test_tables_of_another_version(outbox: Outbox, tmp_path: Path, change: str) -> None:
    """The error says so, and nothing is changed."""
    await put(outbox, 1)
    with closing(sqlite3.connect(tmp_path / "orders.db")) as other:
        other.execute(change)
        other.commit()
    with pytest.raises(OutboxError, match=r"other tables than this version.*outbox\.tables"):
        await use(outbox)
    with closing(sqlite3.connect(tmp_path / "orders.db")) as other:
        assert [(1,)] == other.execute("SELECT id FROM cleverreach_outbox").fetchall()[:1]


async def test_tables_that_were_dropped_are_made_again(outbox: Outbox, tmp_path: Path) -> None:
    """As by a test suite of the shop: after one error it works."""
    await put(outbox, 1)
    with closing(sqlite3.connect(tmp_path / "orders.db")) as other:
        other.execute("DROP TABLE cleverreach_outbox")
        other.execute("DROP TABLE cleverreach_outbox_lines")
        other.commit()
    with pytest.raises(OutboxError, match="no such table"):
        await put(outbox, 2)
    await put(outbox, 2)
    assert ["2"] == order_ids(tmp_path / "orders.db")
