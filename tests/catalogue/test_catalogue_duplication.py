"""Catalogue, family D: rows stored twice, or an older row over a newer one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal

import pytest
from support.model_server import ModelServer, Reply, at, counts, receivers, transport_to, upsert
from support.virtual_time import VirtualClock, write_in_the_loop

from cleverreach_async import (
    APIConnectionError,
    ConfigurationError,
    ImportReport,
    ImportRun,
    OrderInput,
    ReceiverInput,
    read_csv,
)
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio

WITH_ORDER = ReceiverInput("a@example.org", orders=[OrderInput("A-1", "Lamp")])
COMMITTED = {
    "time-out": Reply(None, delay=30.0),
    "cut": Reply(None),
    "502": Reply(502),
    "504": Reply(504),
    "500": Reply(500),
    "html": Reply(content=b"<html>"),
}

StopPoint = Literal["before the journal", "before the request"]
STOP_POINTS = pytest.mark.parametrize("stop", ["before the journal", "before the request"])
"""Before the journal says that the batch is sent, or after that and before the request leaves."""


@pytest.fixture(autouse=True)
def _files_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    write_in_the_loop(monkeypatch)


@pytest.fixture
def clock() -> VirtualClock:
    """A clock whose time passes automatically."""
    return VirtualClock()


@pytest.mark.parametrize("reply", COMMITTED.values(), ids=COMMITTED)
@pytest.mark.parametrize("listed", [True, False])
async def test_d1_d4_an_insert_is_not_resent_after_a_lost_response(
    reply: Reply, *, listed: bool, clock: VirtualClock
) -> None:
    """The server's own list shows what was stored; if it is refused, the rows are unknown."""
    server = ModelServer(at(reply, 0), clock=clock)
    server.refuses_look_ups = not listed
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).insert(receivers(20), group_id=7)

    assert {"read": 20, "accepted" if listed else "unknown": 20} == counts(report)
    assert (20, 1) == (len(server.stored), len(server.requests))


@pytest.mark.parametrize("status", [None, 500, 502, 504])
async def test_d1_an_insert_that_was_not_executed_is_resent(
    status: int | None, clock: VirtualClock
) -> None:
    """A row that is not in the server's list was not stored: it is resent, and added once."""
    server = ModelServer(at(Reply(status, executed=False, store_delay=1.0), 0), clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).insert(receivers(20), group_id=7)

    assert {"read": 20, "accepted": 20} == counts(report)
    assert (20, {1}) == (report.replayed, set(server.created.values()))


@pytest.mark.parametrize("reply", COMMITTED.values(), ids=COMMITTED)
async def test_d2_d4_an_upsert_is_resent_after_a_lost_response_and_counted(
    reply: Reply, clock: VirtualClock
) -> None:
    """The group ends as if the rows were sent once; ``replayed`` counts those sent twice."""
    server = ModelServer(at(reply, 1), clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            receivers(30), group_id=7, batch_size=10, canary=False, concurrency=1
        )

    assert {"read": 30, "accepted": 30} == counts(report)
    assert (10, 1) == (report.replayed, report.retries)
    assert server.bodies[1] == server.bodies[-1]


@pytest.mark.parametrize("distance", [1, 2, 9, 10, 11, 64, 140])
async def test_d11_the_last_row_of_an_address_wins_at_any_distance(
    distance: int, clock: VirtualClock
) -> None:
    """Although the requests of the first row fail and all other rows are sent before it."""
    rows = [ReceiverInput(f"p{n}@example.org", source="other") for n in range(300)]
    for at_row, source in ((0, "first"), (distance, "second"), (2 * distance, "third")):
        rows[at_row] = ReceiverInput("same@example.org", source=source)

    def script(number: int, sent: list[Any]) -> Reply | None:
        del number
        attempts = sum(row.get("source") == "first" for _, it in server.requests for row in it)
        is_first = any(row.get("source") == "first" for row in sent)
        return Reply(None, delay=20.0, store_delay=22.0) if is_first and attempts <= 2 else None

    server = ModelServer(script, clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            rows, group_id=7, batch_size=10, canary=False, concurrency=4
        )

    assert (300, 0) == (report.accepted + report.superseded, report.rejected + report.unknown)
    server.store_delayed(everything=True)
    assert "third" == server.stored["same@example.org"]["source"]


async def test_d12_one_address_in_several_spellings_is_sent_once() -> None:
    """Case and surrounding blanks do not count: all rows are reported, and the last is sent."""
    spellings = ["Ann@Example.org", " ann@example.org", "ANN@EXAMPLE.ORG "]
    server = ModelServer()
    report = await upsert(server, [ReceiverInput(email) for email in spellings])

    assert {"read": 3, "accepted": 1, "superseded": 2} == counts(report)
    assert [{"email": "ANN@EXAMPLE.ORG"}] == server.requests[0][1]


@pytest.mark.parametrize("status", [None, 200, 504])
async def test_d13_a_late_first_attempt_does_not_overwrite_a_newer_row(
    status: int | None, clock: VirtualClock
) -> None:
    """It is executed 90 s after the connection was lost; the address waits for ``settle``."""
    rows = [
        ReceiverInput("a@example.org", source="old"),
        *receivers(30),
        ReceiverInput("a@example.org", source="new"),
    ]
    late = Reply(status, content=b"<html>", store_delay=90.0)
    server = ModelServer(at(late, 0), clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            rows, group_id=7, batch_size=10, canary=False, concurrency=4, settle=91.0
        )
    server.store_delayed(everything=True)

    assert {"read": 32, "accepted": 32} == counts(report)
    assert "new" == server.stored["a@example.org"]["source"]
    assert 10 == report.replayed


async def test_d13_unknown_rows_do_not_overwrite_a_newer_row(clock: VirtualClock) -> None:
    """The last of three unreadable responses may be for rows that are executed later."""
    old, new = (ReceiverInput("a@example.org", source=source) for source in ("old", "new"))
    late = Reply(content=b"<html>", store_delay=3.0)
    server = ModelServer(lambda _, rows: late if "old" in str(rows) else None, clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            [old, *receivers(3), new], group_id=7, batch_size=1, canary=False
        )
    server.store_delayed(everything=True)

    assert {"read": 5, "accepted": 4, "unknown": 1} == counts(report)
    assert "new" == server.stored["a@example.org"]["source"]


async def test_d14_inputs_are_not_changed() -> None:
    """Rows that share a mapping or a list change neither each other nor the caller's objects."""
    tags, attributes = ["customer"], {"firstname": "Bruce"}
    rows: list[Any] = [
        ReceiverInput("a@example.org", tags=tags, attributes=attributes),
        {"email": "b@example.org", "tags": tags, "attributes": attributes},
        ReceiverInput("a@example.org ", tags=tags),
    ]
    before = repr(rows)
    server = ModelServer(at(Reply(None), 0))
    await upsert(server, rows)

    assert before == repr(rows)
    assert (["customer"], {"firstname": "Bruce"}) == (tags, attributes)
    assert "attributes" not in server.stored["a@example.org"]


class Stepwise:
    """An import over a journal that is stopped and resumed by the test."""

    def __init__(
        self, server: ModelServer, clock: VirtualClock, folder: Path, patch: pytest.MonkeyPatch
    ) -> None:
        self._bulk = Bulk(transport_to(server, clock=clock))
        self._path = folder / "journal"
        self._clock = clock
        self._runs = 0
        self._on_write: Callable[[], None] = lambda: None
        write_in_the_loop(patch, on_write=lambda: self._on_write())  # noqa: PLW0108 - it changes

    def _open(self, strategy: Any, **options: Any) -> AbstractAsyncContextManager[ImportRun]:
        self._runs += 1
        return self._bulk.open(
            group_id=7,
            strategy=strategy,
            journal=self._path,
            resume=self._runs > 1,
            canary=False,
            **options,
        )

    async def run(
        self,
        row: ReceiverInput,
        *,
        strategy: Any = "upsertplus",
        stop_after: float | None = None,
        **options: Any,
    ) -> ImportReport:
        """Send the row; abort after that many seconds, or wait until the import ends."""
        async with self._open(strategy, **options) as run:
            await run.put(row)
            await run.flush()
            if stop_after is not None:
                await self._clock.sleep(stop_after)
                run.abort()
        return run.report

    async def run_without_sending(
        self, row: ReceiverInput, *, stop: StopPoint, strategy: Any = "upsertplus"
    ) -> None:
        """Pass the row to a worker, and abort before the worker sends a request."""
        async with self._open(strategy) as run:
            await run.put(row)
            # Virtual time passes only when all tasks wait: now every worker waits for a batch.
            await self._clock.sleep(1.0)
            if stop == "before the journal":
                await run.flush()
                run.abort()  # flush() has not yielded since it passed the batch to the worker
            else:
                self._on_write = run.abort
                await run.end()
                self._on_write = lambda: None


@STOP_POINTS
async def test_d15_a_run_that_sends_nothing_keeps_rows_in_doubt(
    stop: StopPoint, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aborted with an order in flight, aborted before the look-up, resumed: one order."""
    server = ModelServer(at(Reply(delay=100.0), 0), clock=clock)
    steps = Stepwise(server, clock, tmp_path, monkeypatch)
    async with clock.flowing():
        await steps.run(WITH_ORDER, stop_after=1.0)
        await steps.run_without_sending(WITH_ORDER, stop=stop)
        assert (1, []) == (len(server.requests), server.looked_up)
        report = await steps.run(WITH_ORDER)

    assert {"read": 1, "accepted": 1} == counts(report)
    assert ["A-1"] == server.order_ids


@STOP_POINTS
async def test_d15_a_deletion_that_may_have_happened_is_not_reported_as_not_found(
    stop: StopPoint, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row that removed the receiver is accepted, however often the import is stopped."""
    server = ModelServer(at(Reply(delay=100.0), 0), clock=clock)
    server.stored["a@example.org"] = {"email": "a@example.org"}
    steps, row = Stepwise(server, clock, tmp_path, monkeypatch), ReceiverInput("a@example.org")
    async with clock.flowing():
        await steps.run(row, strategy="delete", stop_after=1.0)
        await steps.run_without_sending(row, strategy="delete", stop=stop)
        assert 1 == len(server.requests)
        report = await steps.run(row, strategy="delete")

    assert {"read": 1, "accepted": 1} == counts(report)


async def test_d15_a_deletion_that_waits_to_be_resent_is_in_doubt(
    clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while it waits to be resent, it may have happened in the first attempt."""
    server = ModelServer(at(Reply(None), 0), clock=clock)
    server.stored["a@example.org"] = {"email": "a@example.org"}
    steps, row = Stepwise(server, clock, tmp_path, monkeypatch), ReceiverInput("a@example.org")
    async with clock.flowing():
        await steps.run(row, strategy="delete", stop_after=20.0, max_rows_per_second=0.01)
        report = await steps.run(row, strategy="delete")

    assert {"read": 1, "accepted": 1} == counts(report)


async def test_d15_an_order_missing_from_a_response_survives_a_stop(
    clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped during the look-up, the row is looked up by the next run, not resent."""
    replies = {0: Reply(content=b"[]"), 1: Reply(503, executed=False)}
    server = ModelServer(lambda n, _: replies.get(n), clock=clock)
    steps = Stepwise(server, clock, tmp_path, monkeypatch)
    async with clock.flowing():
        await steps.run(WITH_ORDER, stop_after=1.0)
        report = await steps.run(WITH_ORDER)

    assert {"read": 1, "accepted": 1} == counts(report)
    assert ["A-1"] == server.order_ids


async def test_d15_an_outage_does_not_make_orders_unknown(clock: VirtualClock) -> None:
    """Look-ups wait until the outage ends, like the rows themselves."""

    class Down(ModelServer):
        """A server that cannot be reached for ten minutes after the first request."""

        async def send(self, method: str, url: str, **rest: Any) -> Any:
            """Execute the request, and lose the response."""
            response = await super().send(method, url, **rest)
            return await self._refuse() if clock.elapsed < 600 else response

        async def _refuse(self) -> Any:
            raise APIConnectionError("the line is cut", sent=True)

    server = Down(clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert([WITH_ORDER], group_id=7)

    assert {"read": 1, "accepted": 1} == counts(report)
    assert ["A-1"] == server.order_ids


@pytest.mark.parametrize("stop_at", range(1, 8))
async def test_d8_resumed_with_another_batch_size_the_result_is_the_same(
    stop_at: int, tmp_path: Path
) -> None:
    """Stopped at any request and resumed with other sizes: every row once, the last one wins."""

    def rows() -> Iterator[ReceiverInput]:
        return (ReceiverInput(f"p{n % 37}@example.org", source=f"{n}") for n in range(120))

    def stop(number: int, sent: list[Any]) -> Reply | None:
        del sent
        if number == stop_at:
            runs[-1].stop()
        return Reply(429, executed=False) if number % 3 == 1 else None

    server, runs = ModelServer(stop), list[ImportRun]()
    options: dict[str, Any] = {"journal": tmp_path / "journal", "on_start": runs.append}
    report = await upsert(server, rows(), batch_size=17, concurrency=3, **options)
    if report.stopped:
        report = await upsert(server, rows(), resume=True, batch_size=23, concurrency=1, **options)

    stored = report.accepted + report.superseded
    assert 120 == stored + sum(report.earlier.values())
    expected = {f"p{n % 37}@example.org": f"{n}" for n in range(120)}
    assert expected == {key: row["source"] for key, row in server.stored.items()}


@pytest.mark.parametrize("change", ["append", "edit", "replace"])
async def test_d9_a_changed_file_is_refused(change: str, tmp_path: Path) -> None:
    """Before anything is sent, and whatever was changed; the journal is not changed."""
    path, journal = tmp_path / "customers.csv", tmp_path / "journal"
    text = "email\n" + "".join(f"p{n}@example.org\n" for n in range(40))
    path.write_text(text)
    server, runs = ModelServer(), list[ImportRun]()

    def show(_progress: object) -> None:
        runs[0].stop()

    options: dict[str, Any] = {"journal": journal, "batch_size": 10, "concurrency": 1}
    await upsert(server, read_csv(path), on_start=runs.append, on_progress=show, **options)
    changed = {"append": text + "x@example.org\n", "edit": text.replace("p1@", "q1@")}
    path.write_text(changed.get(change, "email\nsomeone@example.org\n"))
    sent = len(server.requests)
    with pytest.raises(ConfigurationError, match="belongs to another import"):
        await upsert(server, read_csv(path), resume=True, **options)
    assert sent == len(server.requests)
    path.write_text(text)
    await upsert(server, read_csv(path), resume=True, **options)

    assert (40, {1}) == (len(server.stored), set(server.created.values()))
