"""Put orders into an outbox: what is taken, refused, recognised and kept."""

import os
import sqlite3
import stat
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.clocks import START
from support.outbox_server import ANN, GROUP, LAMP, OutboxServer, receiver
from support.virtual_time import VirtualClock

from cleverreach_async import (
    ConfigurationError,
    OrderInput,
    Outbox,
    OutboxError,
    PostgresOutbox,
    ReceiverInput,
)
from cleverreach_async.outbox.database import OutboxDatabase, PostgresDatabase

pytestmark = pytest.mark.anyio

MUG = LAMP | {"product": "Mug"}


async def test_what_is_put_is_sent_as_it_was(outbox: Outbox, server: OutboxServer) -> None:
    """Values, a time for orders without one, and what happens to the object later."""
    ann = ReceiverInput(
        " Ann@Example.org ",
        tags=["customer"],
        global_attributes={"firstname": "Ann"},
        orders=[
            OrderInput("A-1", "Lamp", price=Decimal("49.90"), currency="EUR"),
            OrderInput("A-1", "Mug", stamp=datetime(2025, 12, 31, tzinfo=UTC)),
        ],
    )
    assert 2 == await outbox.put(ann, group_id=GROUP)
    ann.tags = ["changed"]
    await server.send_due(outbox)

    lines = [
        {"order_id": "A-1", "product": "Lamp", "price": 49.9, "currency": "EUR", "stamp": START},
        {"order_id": "A-1", "product": "Mug", "stamp": 1_767_139_200},
    ]
    fields = {"email": "Ann@Example.org", "tags": ["customer"], "orders": lines}
    assert [[fields | {"global_attributes": {"firstname": "Ann"}}]] == server.writes


async def test_a_line_is_stored_once(outbox: Outbox, server: OutboxServer) -> None:
    """Of one account, receiver, number and product: a checkout may be repeated, also later."""
    assert 1 == await outbox.put(receiver(), group_id=GROUP)
    assert 0 == await outbox.put(receiver(email="ANN@example.org"), group_id=GROUP)
    await server.send_due(outbox)
    assert 0 == await outbox.put_order(ANN, LAMP)
    assert 1 == await outbox.put(receiver(LAMP, MUG), group_id=GROUP)
    assert 1 == await outbox.put(receiver(), group_id=GROUP, account="another")
    assert 1 == await outbox.put(receiver(email="bob@example.org"), group_id=GROUP)
    await server.send_due(outbox)

    # Two of the lamps of Ann are of different accounts, which are one on this server.
    assert [("17", "Lamp"), ("17", "Mug"), ("17", "Lamp")] == server.orders()
    assert {"waiting": 0, "sent": 0, "done": 4, "dead": 0} == await outbox.counts()


async def test_equal_lines_of_one_order_are_all_sent(outbox: Outbox, server: OutboxServer) -> None:
    """Two sizes of a product may have the same name; a repeated checkout has both again."""
    twice = receiver(LAMP | {"product_id": "S"}, LAMP | {"product_id": "L"})
    assert [2, 0] == [await outbox.put(twice, group_id=GROUP) for _ in range(2)]
    await server.send_due(outbox)
    assert 2 == len(server.orders())


@pytest.mark.parametrize(
    ("given", "group_id", "words"),
    [
        ({"email": ANN}, GROUP, "has no orders"),
        ({"email": "ann", "orders": [LAMP]}, GROUP, "is no e-mail address"),
        ({"email": None, "orders": [LAMP]}, GROUP, "email"),
        ({"email": ANN, "orders": LAMP}, GROUP, "pass a list"),
        (receiver({"order_id": "", "product": "Lamp"}), GROUP, "order_id of an order is empty"),
        (receiver({"order_id": "1", "product": " "}), GROUP, "product of an order is empty"),
        (receiver({"order_id": 1.5, "product": "x"}), GROUP, "order_id of an order is of type"),
        (receiver({"order_id": "1" * 501, "product": "x"}), GROUP, "longer than 500"),
        (receiver({"order_id": "1\0", "product": "x"}), GROUP, "zero byte"),
        (receiver(LAMP | {"price": float("nan")}), GROUP, "infinite or not a number"),
        (receiver(LAMP | {"stamp": "today"}), GROUP, "stamp"),
        (receiver(LAMP | {"colour": "red"}), GROUP, "no field 'colour'"),
        (receiver(), None, "group_id is None"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
async def test_what_cannot_be_sent_is_refused_at_once(
    outbox: Outbox, given: Any, group_id: Any, words: str
) -> None:
    """With a sentence, without the address, and nothing is stored."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        await outbox.put(given, group_id=group_id)
    assert ANN not in str(caught.value)
    assert 0 == sum((await outbox.counts()).values())


@pytest.mark.parametrize("account", ["", None, 7, "a\0"])
async def test_an_account_is_a_name(outbox: Outbox, account: Any) -> None:
    """By which the sender finds it again."""
    with pytest.raises(ConfigurationError, match="account is no name"):
        await outbox.put(receiver(), group_id=GROUP, account=account)


async def test_addresses_are_removed(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, tmp_path: Path
) -> None:
    """Of entries that were done for some time, from the file too; known lines stay known."""
    server.script = lambda number: "stored" if number else (400, {"error": {"message": "bad"}})
    await outbox.put(receiver(email="dead@example.org"), group_id=GROUP)
    await server.send_due(outbox)
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)

    def files() -> bytes:
        outbox.close()
        return b"".join(path.read_bytes() for path in tmp_path.glob("orders.db*"))

    clock.elapsed += 7 * 86_400 - 1
    await server.send_due(outbox)
    assert b"ann@example.org" in files()
    clock.elapsed += 2
    await server.send_due(outbox)
    assert (False, True) == (b"ann@example.org" in files(), b"dead@example.org" in files())
    assert 0 == await outbox.put(receiver(), group_id=GROUP)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
async def test_only_the_owner_can_read_the_file(outbox: Outbox, tmp_path: Path) -> None:
    """It has addresses; so have the helper files of SQLite."""
    await outbox.put(receiver(), group_id=GROUP)
    modes = [stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)]
    assert [0o600] * 3 == modes


async def test_what_is_put_is_durable(
    outbox: Outbox, database: OutboxDatabase, tmp_path: Path
) -> None:
    """Another connection sees it, and SQLite writes it to the disk."""
    await outbox.put(receiver(), group_id=GROUP)
    [[level]] = database.transact(lambda execute: execute("PRAGMA synchronous", ()))
    with sqlite3.connect(tmp_path / "orders.db") as other:
        states = other.execute("SELECT state FROM cleverreach_outbox").fetchall()
    other.close()
    assert (2, [("waiting",)]) == (level, states)


async def test_a_file_that_is_none(tmp_path: Path) -> None:
    """An error of the library says what to do."""
    (tmp_path / "orders.db").write_text("These are not the orders that you are looking for. " * 99)
    outbox = Outbox(tmp_path / "orders.db")
    with pytest.raises(OutboxError, match="is not an SQLite file; choose another file"):
        await outbox.put(receiver(), group_id=GROUP)
    with pytest.raises(OutboxError, match="does not exist; create it"):
        await Outbox(tmp_path / "no" / "orders.db").counts()


@pytest.mark.parametrize("path", ["", ":memory:", None, "postgresql://localhost"])
def test_an_outbox_is_a_file(path: Any) -> None:
    """Orders in memory would be lost."""
    with pytest.raises(ConfigurationError):
        Outbox(path)


def test_an_outbox_shows_no_password() -> None:
    """Neither in its repr, nor in the variables of a frame."""
    outbox = PostgresOutbox("postgresql://shop:geheim@localhost/shop")
    assert "<PostgresOutbox>" == repr(outbox)
    database = PostgresDatabase("postgresql://shop:geheim@localhost/shop")
    assert "geheim" not in repr(vars(database)) + repr(vars(outbox))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="it shows no open files")
def test_a_forked_process_opens_a_connection_of_its_own(tmp_path: Path) -> None:
    """Web servers load the application once and fork; a shared connection would be damaged."""
    outbox = Outbox(tmp_path / "orders.db")

    async def put(number: int) -> None:
        await outbox.put(receiver(LAMP | {"order_id": number}), group_id=GROUP)

    anyio.run(put, 0)
    child = os.fork()
    if not child:
        status = 1
        try:
            before = times_open(tmp_path / "orders.db")
            anyio.run(put, 1)
            status = int(times_open(tmp_path / "orders.db") == before)
        finally:
            os._exit(status)
    assert 0 == os.waitpid(child, 0)[1]
    anyio.run(put, 2)
    assert 3 == anyio.run(outbox.counts)["waiting"]
    outbox.close()


def times_open(path: Path) -> int:
    """Return how often this process has a file open."""
    return [it.resolve() for it in Path("/proc/self/fd").iterdir()].count(path)
