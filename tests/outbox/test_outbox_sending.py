"""Send from an outbox: states, failures that pass, accounts, the end of the block."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from support.outbox_server import ANN, GROUP, LAMP, OutboxServer, receiver
from support.virtual_time import VirtualClock

from cleverreach_async import CleverReach, ConfigurationError, Outbox, OutboxEntry, OutboxError
from cleverreach_async.outbox.database import OutboxDatabase

pytestmark = pytest.mark.anyio

REFUSED = (400, {"error": {"code": 400, "message": "invalid address ann@example.org"}})
BUSY = (429, {"error": {"code": 429, "message": "Too many"}}, {"retry-after": "20"})


async def states(outbox: Outbox) -> list[str]:
    """Return the states of all entries."""
    return [it.state for it in await outbox.entries()]


async def test_an_entry_is_committed_as_sent_before_its_request(
    outbox: Outbox, server: OutboxServer, tmp_path: Path
) -> None:
    """So that a process that dies meanwhile leaves it in doubt."""
    seen: list[Any] = []

    def look(number: int) -> str:
        with closing(sqlite3.connect(tmp_path / "orders.db")) as other:
            seen.extend(other.execute("SELECT state FROM cleverreach_outbox"))
        return "stored"

    server.script = look
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    assert ([("sent",)], ["done"]) == (seen, await states(outbox))


@pytest.mark.parametrize("answer", ["unreachable", BUSY, (401, {"error": {"message": "no"}})])
async def test_a_failure_that_passes_is_tried_again(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, answer: Any
) -> None:
    """Without a look-up, because the order was certainly not stored."""
    server.script = lambda number: answer if number < 2 else "stored"
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    assert ["waiting"] == await states(outbox)
    for _ in range(5):
        clock.elapsed += 60
        await server.send_due(outbox)
    assert (["done"], 1, []) == (await states(outbox), len(server.orders()), server.reads)


async def test_the_server_says_how_long_to_wait(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """All entries of the account wait, with one request in all."""
    server.script = lambda number: BUSY
    for number in range(5):
        await outbox.put(receiver(LAMP | {"order_id": number}), group_id=GROUP)
    async with (
        clock.flowing(),
        server.client() as cr,
        outbox.sending(lambda account: cr, concurrency=1),
    ):
        await clock.sleep(19)
    assert (1, ["waiting"] * 5) == (len(server.writes), await states(outbox))


async def test_an_outage_costs_few_requests_and_writes(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """A sender does not try every entry of an account whose server fails."""
    server.script = lambda number: "unreachable"
    for number in range(60):
        await outbox.put(receiver(LAMP | {"order_id": number}), group_id=GROUP)
    async with clock.flowing(), server.client() as cr, outbox.sending(lambda account: cr):
        await clock.sleep(600)
        tries = sum(it.attempts for it in await outbox.entries())
        server.script = lambda number: "stored"
        await clock.sleep(120)
    assert ["done"] * 60 == await states(outbox)
    assert 60 == len(server.orders())
    assert 60 > tries


async def test_a_refused_entry_is_dead_with_its_reason(
    outbox: Outbox, server: OutboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged and reported without the address, once, and sent again when the user says so."""
    reported: list[OutboxEntry] = []
    server.script = lambda number: REFUSED if number == 0 else "stored"
    await outbox.put(receiver(), group_id=GROUP)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await server.send_due(outbox, on_dead=reported.append)
    [entry] = await outbox.entries(state="dead")
    assert [entry] == reported
    assert (False, ("17",), 1, GROUP) == (
        entry.doubtful,
        entry.order_ids,
        entry.attempts,
        entry.group_id,
    )
    assert "400" in entry.reason
    assert "entry 1 of the outbox is dead" in caplog.text
    assert ANN not in entry.reason + caplog.text

    assert 1 == await outbox.retry()
    await server.send_due(outbox)
    assert (["done"], []) == (await states(outbox), server.reads)


async def test_a_refused_row_is_dead_with_the_words_of_the_server(
    outbox: Outbox, server: OutboxServer
) -> None:
    """A batch call refuses a receiver in the row of the response."""
    server.script = lambda number: (200, ["invalid address 'ann@example.org'"])
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    [entry] = await outbox.entries()
    assert ("dead", False) == (entry.state, entry.doubtful)
    assert entry.reason.startswith("the server refused it: invalid address")
    assert ANN not in entry.reason


async def test_values_that_the_server_drops_are_logged(
    outbox: Outbox, server: OutboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    """By the name of the attribute, which probably does not exist."""
    profile = {"id": 1, "email": ANN, "global_attributes": {"firstname": "Ann"}}
    server.script = lambda number: (200, [profile])
    ann = receiver() | {"global_attributes": {"firstname": "Ann", "city": "Kiel"}}
    await outbox.put(ann, group_id=GROUP)
    await server.send_due(outbox)
    assert ["done"] == await states(outbox)
    assert "entry 1 of the outbox: attribute 'city': not stored by the server" in caplog.text
    assert "firstname" not in caplog.text


async def test_an_entry_that_always_fails_is_given_up(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """After some days, with the last reason; tried again by hand, it gets as many days again."""
    server.script = lambda number: "unreachable"
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox, give_up=3600)
    clock.elapsed += 3600
    await server.send_due(outbox, give_up=3600)
    [entry] = await outbox.entries()
    assert ("dead", False) == (entry.state, entry.doubtful)
    assert entry.reason.startswith("given up: ")

    await outbox.retry([entry.id])
    await server.send_due(outbox, give_up=3600)
    assert ["waiting"] == await states(outbox)


async def test_dropped_entries_can_be_put_again(outbox: Outbox, server: OutboxServer) -> None:
    """Dead ones, and by number those that wait; never those in flight or done."""
    server.script = lambda number: REFUSED if number == 0 else "stored"
    for number in range(3):
        await outbox.put(receiver(LAMP | {"order_id": number}), group_id=GROUP)
        if number < 2:
            await server.send_due(outbox)
    assert ["dead", "done", "waiting"] == await states(outbox)
    assert [1, 1] == [await outbox.drop(), await outbox.drop([2, 3])]
    assert ["done"] == await states(outbox)
    counts = [
        await outbox.put(receiver(LAMP | {"order_id": number}), group_id=GROUP)
        for number in range(3)
    ]
    assert [1, 0, 1] == counts


async def test_each_account_has_its_client(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """An account without one waits, is logged, and does not stop the others."""
    for account in ("gone", "north", "south"):
        await outbox.put(receiver(), group_id=GROUP, account=account)
    south = OutboxServer(clock)
    async with server.client() as one, south.client() as two:
        clients = {"north": one, "south": two}
        await outbox.send_due(clients.__getitem__, accounts=["north"])
        assert ["waiting", "done", "waiting"] == await states(outbox)
        await outbox.send_due(clients.__getitem__)
    assert ["waiting", "done", "done"] == await states(outbox)
    assert (1, 1) == (len(server.orders()), len(south.orders()))
    [entry] = await outbox.entries(state="waiting")
    assert "there is no client of account 'gone' (KeyError)" == entry.reason
    assert entry.reason in caplog.text


async def test_orders_are_sent_as_soon_as_they_are_put(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """In the background, at most some at a time; put never waits for the server."""
    async with (
        clock.flowing(),
        server.client() as cr,
        outbox.sending(lambda account: cr, poll=3600),
    ):
        for number in range(20):
            await outbox.put(receiver(LAMP | {"order_id": number}), group_id=GROUP)
        await clock.sleep(1)
        assert ["done"] * 20 == await states(outbox)
    assert 1 == clock.elapsed


async def test_the_end_of_the_block_waits_for_requests_in_flight(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """Also when it is cancelled or raises, and its own error is raised as it is."""
    await outbox.put(receiver(), group_id=GROUP)
    async with server.client() as cr:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
            async with outbox.sending(lambda account: cr):
                while not server.writes:
                    await anyio.lowlevel.checkpoint()
                raise ZeroDivisionError
        assert ["done"] == await states(outbox)

        await outbox.put(receiver(LAMP | {"order_id": "18"}), group_id=GROUP)
        with anyio.CancelScope() as scope:
            async with outbox.sending(lambda account: cr):
                while len(server.writes) < 2:
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
                await anyio.sleep_forever()
    assert ["done", "done"] == await states(outbox)


async def test_requests_that_hang_are_cut_off_after_the_block(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """After some seconds; the entry is looked up later, and not sent again."""
    server.script = lambda number: "hang"
    await outbox.put(receiver(), group_id=GROUP)
    async with clock.flowing(), server.client() as cr:
        async with outbox.sending(lambda account: cr, drain=5, poll=3600):
            while not server.writes:
                await anyio.lowlevel.checkpoint()
        assert (5, ["sent"]) == (clock.elapsed, await states(outbox))
        clock.elapsed += 61
        await outbox.send_due(lambda account: cr)
    assert (["done"], 1) == (await states(outbox), len(server.writes))


async def test_a_database_that_fails_stops_nobody(
    outbox: Outbox,
    server: OutboxServer,
    clock: VirtualClock,
    database: OutboxDatabase,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sender says so once, and goes on when it works again."""
    await outbox.put(receiver(), group_id=GROUP)
    work = database.transact
    broken = [True]

    def transact(step: Any) -> Any:
        if broken:
            raise OutboxError("the disk is full")
        return work(step)

    monkeypatch.setattr(database, "transact", transact)
    async with clock.flowing(), server.client() as cr, outbox.sending(lambda account: cr):
        await clock.sleep(60)
        broken.clear()
        await clock.sleep(60)
    assert (["done"], 1) == (await states(outbox), len(server.orders()))
    assert 1 == caplog.text.count("the disk is full")


async def test_a_database_that_fails_after_an_attempt_is_no_success(
    outbox: Outbox, server: OutboxServer, database: OutboxDatabase, clock: VirtualClock
) -> None:
    """A timer must see it. The entry is looked up later, and not sent again."""
    await outbox.put(receiver(), group_id=GROUP)

    def break_it(number: int) -> str:
        database.transact(
            lambda execute: execute("ALTER TABLE cleverreach_outbox RENAME reason TO words", ())
        )
        return "stored"

    server.script = break_it
    with pytest.raises(OutboxError):
        await server.send_due(outbox)
    database.transact(
        lambda execute: execute("ALTER TABLE cleverreach_outbox RENAME words TO reason", ())
    )
    clock.elapsed += 181
    await server.send_due(outbox)
    assert (["done"], 1) == (await states(outbox), len(server.writes))


async def test_a_row_that_somebody_has_changed_does_not_stop_the_others(
    outbox: Outbox, server: OutboxServer, database: OutboxDatabase
) -> None:
    """It is dead, with a reason."""
    await outbox.put_order(ANN, LAMP)
    database.transact(lambda execute: execute("UPDATE cleverreach_outbox SET receiver = '/'", ()))
    await outbox.put_order("bob@example.org", LAMP)
    await server.send_due(outbox)
    assert ["dead", "done"] == await states(outbox)
    [entry] = await outbox.entries(state="dead")
    assert "receiver" in entry.reason


async def test_entries_of_one_receiver_are_sent_one_after_the_other(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """The first may create the receiver, so the next waits, also for a look-up. Others do not."""
    server.script = lambda number: "lost" if number == 0 else "stored"
    await outbox.put(receiver(), group_id=GROUP)
    await outbox.put_order("ANN@example.org", LAMP | {"order_id": "18"})
    await outbox.put(receiver(email="bob@example.org"), group_id=GROUP)
    await server.send_due(outbox)
    assert ["sent", "waiting", "done"] == await states(outbox)
    clock.elapsed += 61
    await server.send_due(outbox)
    assert ["done"] * 3 == await states(outbox)


async def test_the_end_of_the_block_puts_no_wait_on_an_entry(
    outbox: Outbox, server: OutboxServer
) -> None:
    """An entry that was claimed but not sent is due again at once."""
    await outbox.put(receiver(), group_id=GROUP)
    asked = anyio.Event()

    def end_the_block(account: str) -> CleverReach:
        for sender in outbox._senders:  # pyright: ignore[reportPrivateUsage]
            sender.stop.request()
        asked.set()
        return cr

    async with server.client() as cr:
        async with outbox.sending(end_the_block):
            await asked.wait()
        assert (["waiting"], []) == (await states(outbox), server.writes)
        await outbox.send_due(lambda account: cr)
    assert ["done"] == await states(outbox)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lease": 30}, "lease .* must be longer than timeout"),
        ({"timeout": 0}, "timeout"),
        ({"concurrency": 0}, "concurrency"),
        ({"settle": -1}, "settle is -1"),
        ({"keep": "7 days"}, "keep"),
        ({"accounts": "shop"}, "pass a list"),
        ({"speed": 7}, "unknown option 'speed'"),
    ],
    ids=str,
)
async def test_wrong_options(outbox: Outbox, options: Any, words: str) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=words):
        await outbox.send_due(lambda account: None, **options)  # type: ignore[arg-type, return-value]


async def test_a_client_is_no_function(outbox: Outbox, server: OutboxServer) -> None:
    """The error says what to pass."""
    async with server.client() as cr:
        with pytest.raises(ConfigurationError, match="lambda account: cr"):
            await outbox.send_due(cr)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="use one of waiting"):
        await outbox.entries(state="new")  # type: ignore[arg-type]
