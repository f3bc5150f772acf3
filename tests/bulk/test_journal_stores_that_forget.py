"""Stores that lose entries they have confirmed: evicted, restarted, or failed over."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.clocks import FakeClock
from support.journal_stores import MemoryJournal
from support.model_server import ModelServer
from support.repeated_imports import load, next_server, refusing_from, totals, with_orders
from support.virtual_time import VirtualClock

from cleverreach_async import (
    ConfigurationError,
    ImportFailedError,
    JournalEntry,
    JournalError,
    ReceiverInput,
)
from cleverreach_async.bulk.journal.opening import open_journal
from cleverreach_async.bulk.journal.record import JournalRecord
from cleverreach_async.bulk.journal.shared import Holder
from cleverreach_async.bulk.journal.state import JournalState

pytestmark = pytest.mark.anyio

ROWS = [*with_orders(25), ReceiverInput("refuse1@example.org"), *with_orders(60)[25:]]
STORED = {"accepted": 60, "rejected": 1}

Loss = Callable[[MemoryJournal], None]


def lose_all(store: MemoryJournal) -> None:
    """FLUSHALL, an eviction, or a restart without persistence."""
    store.entry, store.rejects = None, []


def lose_to_first(store: MemoryJournal) -> None:
    """Go back to the first entry, as a restart from a snapshot, or a replica that was behind."""
    store.entry, store.rejects = store.swaps[0], []


@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("lose", [lose_all, lose_to_first])
@pytest.mark.parametrize("stops", [3, 100])
async def test_an_import_writes_its_journal_again(
    lose: Loss, at: int, stops: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """So whoever repeats it stores no order twice, and finds every reject."""
    store, clock = MemoryJournal(), VirtualClock()

    def script(number: int, rows: Any) -> Any:
        if number == at:
            lose(store)
        return refusing_from(stops)(number, rows)

    first = ModelServer(script)
    async with clock.flowing():
        if stops < 100:
            with pytest.raises(ImportFailedError, match="403"):
                await load(first, ROWS, store, clock=clock)
        else:
            await load(first, ROWS, store, clock=clock)
        second = next_server(first)
        report = await load(second, ROWS, store, clock=clock, rejects=tmp_path / "rejects.jsonl")

    assert STORED == totals(report)
    assert sorted(f"A-{n}" for n in range(60)) == sorted(second.order_ids)
    lines = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert [26] == [json.loads(line)["row"] for line in lines]
    if at <= stops:
        said = "memory has lost what this import has written to it; it is written again"
        assert said in caplog.messages


@pytest.mark.parametrize("at", range(5))
async def test_so_does_an_attempt_that_has_continued_one(at: int, tmp_path: Path) -> None:
    """Also if the store goes back to an entry of the attempt before, with its rejects lost."""
    store, clock = MemoryJournal(), VirtualClock()
    first = ModelServer(refusing_from(3))
    async with clock.flowing():
        with pytest.raises(ImportFailedError):
            await load(first, ROWS, store, clock=clock)
        last = store.entry

        def script(number: int, rows: Any) -> None:
            if number == at:
                store.entry, store.rejects = last, []

        second = next_server(first, script)
        await load(second, ROWS, store, clock=clock)
        third = next_server(second)
        report = await load(third, ROWS, store, clock=clock, rejects=tmp_path / "rejects.jsonl")

    assert [] == third.requests
    assert STORED == totals(report)
    assert 60 == len(third.order_ids)
    assert 1 == len((tmp_path / "rejects.jsonl").read_text().splitlines())


@pytest.mark.parametrize("lose", [lose_all, lose_to_first])
async def test_an_attempt_that_others_may_have_replaced_does_not_write_again(lose: Loss) -> None:
    """Its lease is over: another one may have completed the import, and its journal was deleted."""
    store, clock = MemoryJournal(), FakeClock()
    await Holder(store, clock).take(None, "of another attempt")
    first = store.entry
    assert first is not None
    holder = Holder(store, clock)
    assert await holder.take(first.version, "mine")
    lose(store)
    clock.elapsed += store.lease
    with pytest.raises(JournalError, match=r"was deleted, or its store has lost it|taken it over"):
        await holder.write("mine, later")
    assert store.entry in {None, first}


async def test_a_state_that_could_not_be_written_is_written_at_the_end() -> None:
    """With its rejects, so that both fit: what is counted as rejected is in the list."""
    store, clock = MemoryJournal(), VirtualClock()

    class Refusing(MemoryJournal):
        """Fails while a reject is added, until the import has given up and lets go."""

        async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
            if rejects and '"held": true' in entry.text:
                raise ConnectionError("the store is down")
            return await store.swap(expected, entry, rejects)

        async def load(self) -> JournalEntry | None:
            return store.entry

    async with clock.flowing():
        with pytest.raises(ImportFailedError, match="cannot be used"):
            await load(ModelServer(), ROWS, Refusing(), clock=clock)
    assert store.entry is not None
    state = json.loads(store.entry.text)["state"]
    assert (1, 1) == (state["rejected"], len(store.rejects))


async def test_a_store_that_contradicts_itself_stops_the_import() -> None:
    """It shows a version that it does not replace; it is asked with pauses, not for ever."""
    clock = VirtualClock()

    class Stubborn(MemoryJournal):
        """Keeps what it has after the second entry."""

        async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
            return len(self.swaps) < 2 and await super().swap(expected, entry, rejects)

    async with clock.flowing():
        with pytest.raises(ImportFailedError, match="does not replace the version that it shows"):
            await load(ModelServer(), ROWS, Stubborn(), clock=clock)
    assert 60 <= clock.elapsed <= 180


async def test_a_state_that_may_not_be_written_is_not_kept() -> None:
    """The journal is closed with the last one that may."""
    store = MemoryJournal()
    journal = await open_journal(store, lambda: {"a": 1}, resume=False, clock=FakeClock())
    with pytest.raises(ConfigurationError, match="contains an e-mail address"):
        await journal.save(JournalState(position="ann@example.org"), [], now=0.0)
    await journal.close()
    assert store.entry is not None
    assert not JournalRecord.from_text(store.entry.text).held
    assert "ann" not in store.entry.text
