"""Journals in files and in stores of every kind: another process goes on where one has ended."""

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.clocks import FakeClock
from support.held_server import HeldServer
from support.journal_stores import KINDS, MemoryJournal, OpenStore
from support.model_server import ModelServer, Reply, at, receivers, transport_to
from support.repeated_imports import load, next_server, refusing_from, totals, with_orders
from support.virtual_time import VirtualClock

from cleverreach_async import (
    ConfigurationError,
    ImportFailedError,
    ImportReport,
    ImportRun,
    JournalEntry,
    JournalError,
    JournalStore,
    ReceiverInput,
    RedisJournal,
    SourceError,
    SqlJournal,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.transport.clock import SYSTEM_CLOCK

pytestmark = pytest.mark.anyio


def set_at(arrived: anyio.Event, number: int) -> Callable[[int, Any], None]:
    """Set an event when the request of a number arrives."""
    return lambda n, _: arrived.set() if n == number else None


@pytest.fixture(params=["file", *KINDS])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of journal."""
    return str(request.param)


@pytest.fixture
def open_journal(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Return a function that opens the same journal again."""
    if kind == "file":
        return lambda: tmp_path / "import.journal"
    opener: OpenStore = request.getfixturevalue("open_store")
    return opener


async def test_another_process_goes_on(open_journal: Callable[[], Any], tmp_path: Path) -> None:
    """Then every row is stored once, each reject is written once, and the counts are complete."""
    rows = [*with_orders(35), ReceiverInput("refuse1@example.org"), *with_orders(60)[35:]]
    server = ModelServer(refusing_from(4))
    rejects = tmp_path / "rejects.jsonl"
    with pytest.raises(ImportFailedError):
        await load(server, rows, open_journal(), rejects=rejects)
    second = next_server(server)
    report = await load(second, rows, open_journal(), rejects=rejects)

    assert {"accepted": 60, "rejected": 1} == totals(report)
    assert 61 == report.read
    assert report.skipped == sum(report.earlier.values()) >= 39
    assert sorted(f"A-{n}" for n in range(60)) == sorted(second.order_ids)
    assert [36] == [json.loads(line)["row"] for line in rejects.read_bytes().splitlines()]


async def test_a_complete_import_answers_with_its_report(
    open_journal: Callable[[], Any], tmp_path: Path
) -> None:
    """A new attempt compares the rows, sends nothing, and returns what the first one returned."""
    rows = [*with_orders(30), ReceiverInput("refuse1@example.org")]
    rejects = tmp_path / "rejects.jsonl"
    first = await load(ModelServer(), rows, open_journal(), rejects=rejects)
    written = rejects.read_bytes()
    server = ModelServer()
    again = await load(server, rows, open_journal(), rejects=rejects)

    assert [] == server.requests
    assert [] == server.looked_up
    assert (30, 1) == (again.accepted, again.rejected)
    assert (first.requests, first.elapsed, first.reasons) == (
        again.requests,
        again.elapsed,
        again.reasons,
    )
    assert [31] == [sample.row for sample in again.samples]
    assert written == rejects.read_bytes()
    with pytest.raises(ImportFailedError, match="1 rows rejected"):
        again.raise_for_failures()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (with_orders(29), "not those of the import"),
        ([*with_orders(29), ReceiverInput("other@example.org")], "not those of the import"),
        (with_orders(31), "is complete with 30 rows, and there are more rows now"),
    ],
    ids=["fewer", "others", "more"],
)
@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_other_rows_are_refused_when_an_import_is_complete(
    open_journal: Callable[[], Any], rows: list[Any], reason: str
) -> None:
    """Else the rows of tomorrow would be lost in silence; the journal does not change."""
    await load(ModelServer(), with_orders(30), open_journal())
    server = ModelServer()
    with pytest.raises(ImportFailedError, match=reason) as caught:
        await load(server, rows, open_journal())

    assert isinstance(caught.value.__cause__, SourceError)
    assert [] == server.requests
    assert 30 == (await load(server, with_orders(30), open_journal())).accepted


@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_rows_can_be_put_again_when_an_import_is_complete(
    open_journal: Callable[[], Any],
) -> None:
    """They are skipped; one that comes after the last is refused."""
    server = ModelServer()
    bulk = Bulk(transport_to(server, clock=SYSTEM_CLOCK))
    options: dict[str, Any] = {"group_id": 7, "resume": "auto"}
    for _ in range(2):
        async with bulk.open(**options, journal=open_journal()) as run:
            for row in receivers(5):
                await run.put(row)
        assert 5 == run.report.accepted
    assert 1 == len(server.requests)

    async def put_more() -> None:
        async with bulk.open(**options, journal=open_journal()) as run:
            for row in receivers(6):
                await run.put(row)

    with pytest.raises(ImportFailedError, match="more rows now"):
        await put_more()
    assert 1 == len(server.requests)


@pytest.mark.parametrize("kind", ["file", "memory", "sqlite"])
@pytest.mark.parametrize(
    ("before", "options", "reason"),
    [
        (False, {"resume": True}, "No journal to resume at .*; start without resume"),
        (True, {"resume": False}, "already contains a journal: resume it, or delete it"),
        (True, {"resume": True}, "is complete; nothing to resume"),
        (True, {"strategy": "upsert"}, "another import: strategy was 'upsertplus', is 'upsert'"),
        (False, {"resume": "yes"}, "resume is 'yes'; use True, False or 'auto'"),
    ],
)
async def test_a_journal_that_does_not_fit_is_refused(
    open_journal: Callable[[], Any], before: bool, options: dict[str, Any], reason: str
) -> None:
    """In the same words for each kind."""
    if before:
        await load(ModelServer(), receivers(5), open_journal())
    server = ModelServer()
    with pytest.raises(ConfigurationError, match=reason):
        await load(server, receivers(5), open_journal(), **options)
    assert [] == server.requests


@pytest.mark.parametrize("kind", KINDS)
async def test_a_store_replaces_only_what_is_expected(open_store: OpenStore) -> None:
    """And keeps the rejects of every entry."""
    store = open_store()
    one, two, three = (JournalEntry(f"{n}", f"text {n}") for n in range(3))
    assert await store.load() is None
    assert await store.swap(None, one, "")
    assert not await store.swap(None, two, "lost\n")
    assert not await store.swap("other", two, "lost\n")
    assert one == await open_store().load()
    assert await open_store().swap("0", two, "first\n")
    assert await store.swap("1", three, "second\n")
    assert three == await store.load()
    assert ["first\n", "second\n"] == sorted(await open_store().load_rejects())
    await store.delete()
    assert (None, []) == (await store.load(), list(await store.load_rejects()))


@pytest.mark.parametrize("kind", KINDS)
async def test_of_two_attempts_one_stops_within_one_save(open_store: OpenStore) -> None:
    """The one that was stalled for longer than the lease, and was thought dead."""
    rows = with_orders(60)
    arrived = anyio.Event()
    server = HeldServer(set_at(arrived, 1), holds=lambda number: number == 1)
    clock = FakeClock()
    clock.hold()  # the whole process is stalled: its time stands still
    failures: list[ImportFailedError] = []
    sent: list[int] = []
    reports: list[ImportReport] = []

    async def stalled() -> None:
        with pytest.raises(ImportFailedError) as caught:
            await load(server, rows, open_store(), clock=clock)
        failures.append(caught.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stalled)
        await arrived.wait()
        store = open_store()
        store.lease = 0.1  # how long it waits; on a busy machine it needs more when it runs

        def begin(_run: ImportRun) -> None:
            store.lease = 30.0

        reports.append(await load(server, rows, store, on_start=begin))
        sent.append(len(server.requests))
        server.release()

    [failure] = failures
    assert "another attempt of this import has taken it over" in str(failure)
    assert isinstance(failure.__cause__, JournalError)
    assert [len(server.requests)] == sent, "the loser has sent rows"
    assert {"accepted": 60} == totals(*reports)
    assert sorted(f"A-{n}" for n in range(60)) == sorted(server.order_ids)


async def test_a_new_attempt_waits_for_one_that_is_alive() -> None:
    """It shows life while its requests take long; then the new one gets its report."""
    clock, store = VirtualClock(), MemoryJournal(lease=30.0)
    server = ModelServer(lambda _n, _rows: Reply(delay=100.0), clock=clock)
    reports: list[ImportReport] = []

    async def attempt() -> None:
        reports.append(await load(server, with_orders(20), store, clock=clock, timeout=200.0))

    async with clock.flowing(), anyio.create_task_group() as tasks:
        tasks.start_soon(attempt)
        tasks.start_soon(attempt)

    assert 2 == len(server.requests)
    assert [20, 20] == [report.accepted for report in reports]
    assert reports[0].elapsed == reports[1].elapsed


async def test_a_new_attempt_waits_for_the_lease_and_for_requests_of_the_old_one() -> None:
    """A killed attempt shows no life; what it sent may still be executing."""
    store, left, server, clock = MemoryJournal(), MemoryJournal(), ModelServer(), FakeClock()
    arrived = anyio.Event()
    killed = HeldServer(set_at(arrived, 0))
    clock.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(load, killed, with_orders(20), store, clock=clock))
        await arrived.wait()
        await anyio.wait_all_tasks_blocked()
        left.entry = store.entry  # what a process leaves that is killed here
        server.stored, server.orders = dict(killed.stored), dict(killed.orders)
        killed.stop_holding()
    later = VirtualClock()
    async with later.flowing():
        report = await load(server, with_orders(20), left, clock=later, settle=5.0)

    assert {"accepted": 20} == totals(report)
    assert 35.0 <= later.elapsed < 40.0
    assert 5.0 in later.sleeps
    assert {f"p{n}@example.org" for n in range(10)} <= set(server.looked_up)
    assert 20 == len(server.order_ids)


async def test_an_attempt_that_woke_up_sends_nothing() -> None:
    """Its lease is over by its own clock, so it asks the store before it sends a batch."""
    store, clock = MemoryJournal(lease=30.0), VirtualClock()
    server = ModelServer(clock=clock)

    class SleepyStore(MemoryJournal):
        """The process sleeps right after a batch was written down as sent."""

        async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
            is_done = await store.swap(expected, entry, rejects)
            if len(store.swaps) == 2:
                store.entry = JournalEntry("thief:1", entry.text)
                clock.elapsed += 100.0
            return is_done

        async def load(self) -> JournalEntry | None:
            return await store.load()

    async with clock.flowing():
        with pytest.raises(ImportFailedError, match="has taken it over"):
            await load(server, with_orders(20), SleepyStore(), clock=clock)
    assert [] == server.requests
    assert store.entry is not None
    assert "thief:1" == store.entry.version


@pytest.mark.parametrize("executed", [False, True])
async def test_a_store_that_is_down_for_a_while_loses_nothing(executed: bool) -> None:
    """Calls are repeated, also those that were executed although the answer was lost."""
    store, clock = MemoryJournal(), VirtualClock()
    store.executes_failing = executed

    def script(number: int, rows: Any) -> Reply | None:
        store.failing = 6 if number in {0, 2} else 0
        return Reply(executed=True)

    server = ModelServer(script)
    rows = [*with_orders(30), ReceiverInput("refuse1@example.org")]
    async with clock.flowing():
        report = await load(server, rows, store, clock=clock)
        again = await load(server, rows, store, clock=clock)

    assert {"accepted": 30, "rejected": 1} == totals(report) == totals(again)
    undisturbed = ModelServer()
    await load(undisturbed, rows, MemoryJournal())
    assert len(undisturbed.requests) == len(server.requests)
    assert 30 == len(server.order_ids)


async def test_a_store_that_stays_down_stops_the_import_which_can_be_resumed() -> None:
    """The error names the store and the remedy, and is one of this library."""
    store, clock = MemoryJournal(), VirtualClock()

    def script(number: int, rows: Any) -> Reply | None:
        store.failing = 10**6 if number == 1 else 0
        return None

    server = ModelServer(script)
    async with clock.flowing():
        with pytest.raises(ImportFailedError, match="memory cannot be used") as caught:
            await load(server, with_orders(40), store, clock=clock)
        assert isinstance(caught.value.__cause__, JournalError)
        assert "resume the import when the store works again" in str(caught.value)
        assert 20 == caught.value.report.accepted
        assert 60 <= clock.elapsed < 150
        store.failing = 0
        second = next_server(server)
        report = await load(second, with_orders(40), store, clock=clock)

    assert {"accepted": 40} == totals(report)
    assert 40 == len(second.order_ids)
    assert {f"p{n}@example.org" for n in range(10, 20)} <= set(second.looked_up)


async def test_a_store_that_cannot_be_reached_at_the_start_is_an_error() -> None:
    """After some seconds, and nothing was sent."""
    server, clock = ModelServer(), VirtualClock()
    store = RedisJournal(_NoRedis(), "nightly/1")
    async with clock.flowing():
        with pytest.raises(
            JournalError, match="Redis key nightly/1 cannot be used: ConnectionRefused"
        ):
            await load(server, receivers(5), store, clock=clock)
    assert clock.elapsed <= 10
    assert [] == server.requests


class _NoRedis:
    async def execute_command(self) -> None:
        """Be a client of asyncio."""

    async def hmget(self, *words: Any) -> Any:
        """Fail."""
        raise OSError(111, "Connection refused")


@pytest.mark.parametrize("kind", ["memory", "async redis", "postgresql"])
async def test_rejects_stay_with_the_partition(
    open_journal: Callable[[], Any], tmp_path: Path
) -> None:
    """On another machine the rejects file is written anew, without the data of earlier rows."""
    rows = [ReceiverInput(f"refuse{n}@example.org") for n in range(30)]
    names = ("here", "there", "elsewhere")
    here, there, elsewhere = (tmp_path / f"{name}.jsonl" for name in names)
    refuses = partial(load, rows=rows, strategy="upsert")
    server = ModelServer(refusing_from(2))
    with pytest.raises(ImportFailedError):
        await refuses(server, journal=open_journal(), rejects=here)
    report = await refuses(next_server(server), journal=open_journal(), rejects=there)
    await refuses(ModelServer(), journal=open_journal(), rejects=elsewhere)

    lines = list(map(json.loads, there.read_bytes().splitlines()))
    assert {"rejected": 30} == totals(report)
    assert list(range(1, 31)) == [line["row"] for line in lines]
    assert [False] * 20 + [True] * 10 == ["receiver" in line for line in lines]
    assert {"invalid address <hidden>"} == {line["message"] for line in lines[:20]}
    again = list(map(json.loads, elsewhere.read_bytes().splitlines()))
    assert list(range(1, 31)) == [line["row"] for line in again]


async def test_the_store_gets_no_addresses() -> None:
    """Neither in the state, nor in the reasons of rejects, nor in the report."""
    store = MemoryJournal()
    rows = [*receivers(5), "broken address", ReceiverInput("refuse@wayne.example")]
    await load(ModelServer(), rows, store, strategy="upsert")
    content = json.dumps([*(entry.text for entry in store.swaps), *store.rejects])
    assert "expected something like name@example.org" in content
    content = content.replace("name@example.org", "")
    for secret in ("example.org", "wayne", "a-token", "broken address"):
        assert secret not in content


async def test_a_damaged_entry_is_refused() -> None:
    """One changed digit could make rows done that were never sent."""
    store = MemoryJournal()
    with pytest.raises(ImportFailedError):
        await load(ModelServer(refusing_from(1)), receivers(30), store)
    assert store.entry is not None
    for text in (store.entry.text.replace('"next_row": 11', '"next_row": 21'), "{}", "[]", "x"):
        store.entry = JournalEntry("1", text)
        with pytest.raises(JournalError, match=r"memory is damaged .*; delete it to start again"):
            await load(ModelServer(), receivers(30), store)


async def test_a_journal_of_an_import_that_did_not_begin_is_deleted(tmp_path: Path) -> None:
    """Such as one whose rejects file may not be replaced."""
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text("{}\n")
    store = MemoryJournal()
    with pytest.raises(ConfigurationError, match="is not empty"):
        await load(ModelServer(), receivers(5), store, rejects=rejects)
    assert store.entry is None


async def test_an_attempt_that_ends_in_order_lets_the_next_one_begin_at_once() -> None:
    """Without a wait for the lease; also after a cancellation."""
    store = MemoryJournal(lease=1e6)
    server = HeldServer()
    with anyio.CancelScope() as scope:

        def cancel(run: ImportRun) -> None:
            run.abort()
            scope.cancel()

        await load(server, receivers(5), store, on_start=cancel)
    report = await load(ModelServer(), receivers(5), store)
    assert {"accepted": 5} == totals(report)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: RedisJournal(None, ""), "key is ''; use a text of 1 to 200 characters"),
        (lambda: SqlJournal(None, "x" * 201), "key is 'xxx"),
        (
            lambda: SqlJournal(None, "a", lease=0),
            "lease is 0; it must be a number of seconds above 0",
        ),
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], JournalStore], reason: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match=reason):
        make()


async def test_something_else_as_journal_is_refused() -> None:
    """Such as the client of Redis itself."""
    with pytest.raises(ConfigurationError, match=r"journal is a int; pass a path, RedisJournal"):
        await load(ModelServer(at(Reply(), 0)), receivers(5), 7)


@pytest.mark.parametrize("kind", ["file", "memory"])
@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_reordered_partition_is_refused(
    open_journal: Callable[[], Any], at: int, is_async: bool
) -> None:
    """Also if only the rows in flight, or after them, have changed places: nothing is sent."""
    rows = with_orders(100)
    swapped = [*rows[:38], rows[39], rows[38], *rows[40:]]

    def source(rows: list[Any]) -> Any:
        return stream(rows) if is_async else rows

    server = ModelServer(refusing_from(at))
    with pytest.raises(ImportFailedError):
        await load(server, source(rows), open_journal())
    second = next_server(server)
    with pytest.raises(ImportFailedError, match="are not those of the import"):
        await load(second, source(swapped), open_journal())
    assert [] == second.requests
    with pytest.raises(ImportFailedError, match="are not those of the import"):
        await load(second, source(rows[:38]), open_journal())
    assert [] == second.requests
    report = await load(second, source(rows), open_journal())
    assert {"accepted": 100} == totals(report)
    assert 100 == len(second.order_ids)


async def stream(rows: list[Any]) -> AsyncIterator[Any]:
    """Yield rows asynchronously."""
    for row in rows:
        yield row
