"""Stopped and resumed, however often: the same as an import that was never interrupted."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.held_server import HeldServer
from support.model_server import ModelServer, Reply, counts, people, transport_to

from cleverreach_async import (
    ConfigurationError,
    ImportFailedError,
    ImportReport,
    ImportRun,
    OrderInput,
    ReceiverInput,
    SourceError,
    read_csv,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.transport.http import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

pytestmark = pytest.mark.anyio

CLASSES = ("accepted", "rejected", "unknown", "superseded")


class Stopping(ModelServer):
    """Stops the import when a request arrives, and answers it, or loses the answer.

    Args:
        at: Number of the request, counted from 0.
        aborts: Whether the request is broken off too.
    """

    def __init__(self, at: int, *, aborts: bool = False) -> None:
        super().__init__()
        self.at = at
        self.aborts = aborts
        self.run: ImportRun | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Response:
        """Take one request."""
        if method != "GET" and len(self.requests) == self.at:
            assert self.run is not None
            (self.run.abort if self.aborts else self.run.stop)()
        return await super().send(
            method, url, headers=headers, content=content, timeout=timeout, stop=stop
        )


@attrs.frozen
class Import:
    """An import that may take several runs.

    Attributes:
        folder: Where journal and rejects are.
        server: What it has been sent to; its store survives the runs.
    """

    folder: Path
    server: ModelServer

    async def run(self, source: Any, *, at: int | None = None, **options: Any) -> ImportReport:
        """Run it until it ends, or until the n-th request of this run."""
        server = ModelServer() if at is None else Stopping(at, aborts=options.pop("aborts", False))
        server.stored, server.orders = self.server.stored, self.server.orders
        server.created = self.server.created

        def started(run: ImportRun) -> None:
            if isinstance(server, Stopping):
                server.run = run

        options = {"batch_size": 10, "concurrency": 2, "settle": 0, "max_reject_share": 1} | options
        report = await Bulk(transport_to(server)).upsert(
            source,
            group_id=7,
            journal=self.folder / "import.journal",
            rejects=self.folder / "rejects.jsonl",
            on_start=started,
            **options,
        )
        report.assert_balanced()
        return report

    @property
    def rejected(self) -> Counter[tuple[int, str]]:
        """Row and code of every line of the rejects file."""
        lines = map(json.loads, (self.folder / "rejects.jsonl").read_bytes().splitlines())
        return Counter((line["row"], line["code"]) for line in lines)


def new_import(folder: Path) -> Import:
    """Return an import with nothing done."""
    return Import(folder, ModelServer())


def of_all_runs(report: ImportReport) -> dict[str, int]:
    """Return the classes of all runs together."""
    return {name: report.earlier.get(name, 0) + getattr(report, name) for name in CLASSES}


def rows_of(keys: list[int]) -> list[Any]:
    """Return rows with repeated addresses, broken and refused ones among them."""
    names = {0: "broken", 1: "refuse@example.org"}
    return [
        ReceiverInput(names.get(key, f"p{key}@example.org"), source=str(number))
        for number, key in enumerate(keys)
    ]


@settings(max_examples=60)
@given(
    keys=st.lists(st.integers(0, 40), max_size=150),
    stops=st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 30), min_size=5, max_size=5),
    concurrency=st.integers(1, 4),
)
async def test_any_stops_lead_to_the_same_end(
    keys: list[int],
    stops: list[tuple[int, bool]],
    sizes: list[int],
    concurrency: int,
) -> None:
    """At any requests, with other batch sizes each time: no row is lost, none is told twice."""
    rows = rows_of(keys)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        whole, parts = new_import(Path(one)), new_import(Path(other))
        expected = await whole.run(rows, batch_size=sizes[0], concurrency=concurrency)
        resume = False
        for (at, aborts), size in zip(stops, sizes, strict=False):
            report = await parts.run(
                rows, at=at, aborts=aborts, batch_size=size, concurrency=concurrency, resume=resume
            )
            resume = True
            if not report.stopped:
                break
        else:
            report = await parts.run(rows, batch_size=sizes[-1], resume=True)

        assert whole.server.stored == parts.server.stored
        told = of_all_runs(report)
        assert len(rows) == sum(told.values()) == sum(of_all_runs(expected).values())
        assert len(rows) == report.read
        assert sum(report.earlier.values()) == report.skipped
        assert {row for row, _ in parts.rejected if parts.rejected[row, _] > 1} == set()
        assert told["rejected"] == parts.rejected.total()


@settings(max_examples=40)
@given(
    keys=st.lists(st.integers(0, 40), max_size=120),
    at=st.integers(0, 8),
    concurrency=st.integers(1, 4),
)
async def test_with_the_same_batch_size_the_union_is_the_same(
    keys: list[int], at: int, concurrency: int
) -> None:
    """Then even what is superseded is the same, row by row."""
    rows = rows_of(keys)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        whole, parts = new_import(Path(one)), new_import(Path(other))
        expected = await whole.run(rows)
        report = await parts.run(rows, at=at, concurrency=concurrency)
        if report.stopped:
            report = await parts.run(rows, resume=True, concurrency=concurrency)

        assert of_all_runs(expected) == of_all_runs(report)
        assert whole.rejected == parts.rejected


def generator(rows: list[Any]) -> Iterator[Any]:
    """Yield rows."""
    yield from rows


async def stream(rows: list[Any]) -> AsyncIterator[Any]:
    """Yield rows as they come in."""
    for row in rows:
        yield row


@pytest.mark.parametrize("kind", [list, generator, stream], ids=["list", "generator", "async gen"])
@pytest.mark.parametrize("at", [0, 1, 7, 15])
async def test_any_iterable_can_be_resumed(
    kind: Callable[[list[Any]], Any], at: int, tmp_path: Path
) -> None:
    """It is read again from its beginning, and what is done is passed over."""
    rows = list(people(200))
    held = new_import(tmp_path)
    first = await held.run(kind(rows), at=at)
    second = await held.run(kind(rows), resume=True)

    assert first.pending
    assert {"accepted": 200} == {k: v for k, v in of_all_runs(second).items() if v}
    assert (200, first.accepted) == (second.read, second.skipped)
    assert {1} == set(held.server.created.values())


async def test_a_file_is_resumed_where_it_ended(tmp_path: Path) -> None:
    """Without reading what is done again."""
    path = tmp_path / "customers.csv"
    path.write_text("email\n" + "".join(f"p{n}@example.org\n" for n in range(500)))
    held = new_import(tmp_path)
    first = await held.run(read_csv(path), at=20)
    second = await held.run(read_csv(path), resume=True)

    assert first.pending
    assert 500 == second.read == second.skipped + second.accepted
    assert 500 == of_all_runs(second)["accepted"] == len(held.server.stored)


async def test_pushed_rows_are_put_again(tmp_path: Path) -> None:
    """A producer need not know how far it came: rows that are done are passed over."""
    server = HeldServer(holds=lambda number: number >= 3)
    options: dict[str, Any] = {"journal": tmp_path / "j", "batch_size": 10, "concurrency": 1}
    async with Bulk(transport_to(server)).open(group_id=7, canary=False, **options) as run:
        for receiver in people(64):
            await run.put(receiver)
        while not server.held:
            await run.flush()
        run.stop()
        server.release()

    again = ModelServer()
    async with Bulk(transport_to(again)).open(group_id=7, resume=True, **options) as resumed:
        for receiver in people(64):
            await resumed.put(receiver)

    assert run.report.accepted == resumed.report.skipped > 0
    assert 64 == resumed.report.skipped + resumed.report.accepted
    assert 64 == len({*server.stored, *again.stored})


@pytest.mark.parametrize("kind", [list, generator, stream], ids=["list", "generator", "async gen"])
async def test_changed_rows_are_refused(kind: Callable[[list[Any]], Any], tmp_path: Path) -> None:
    """Row numbers would mean other rows; nothing is sent on that ground."""
    held = new_import(tmp_path)
    await held.run(kind(list(people(200))), at=12)
    before = dict(held.server.stored)
    changed = [ReceiverInput("new@example.org"), *people(200)]
    with pytest.raises(ImportFailedError, match="not those of the import") as caught:
        await held.run(kind(changed), resume=True)

    assert isinstance(caught.value.__cause__, SourceError)
    assert before == held.server.stored

    report = await held.run(kind(list(people(200))), resume=True)
    assert 200 == of_all_runs(report)["accepted"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strategy": "upsert"}, "strategy"),
        ({"group_id": 8}, "group"),
        ({"source": "file"}, "source"),
    ],
    ids=["another call", "another group", "another kind of source"],
)
async def test_another_import_is_refused(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """What is done in one group by one call is not done elsewhere."""
    held = new_import(tmp_path)
    await held.run(list(people(100)), at=2)
    source: Any = list(people(100))
    options = {"group_id": 7} | options
    if options.pop("source", ""):
        path = tmp_path / "customers.csv"
        path.write_text("email\np0@example.org\n")
        source = read_csv(path)
    server = ModelServer()
    with pytest.raises(ConfigurationError, match=words):
        await Bulk(transport_to(server)).upsert(
            source,
            **options,
            journal=tmp_path / "import.journal",
            rejects=tmp_path / "rejects.jsonl",
            resume=True,
        )

    assert [] == server.requests


async def test_another_pace_is_welcome(tmp_path: Path) -> None:
    """Batch size, concurrency and limits are no part of an import's identity."""
    held = new_import(tmp_path)
    await held.run(list(people(300)), at=4, batch_size=25)
    report = await held.run(
        list(people(300)), resume=True, batch_size=7, concurrency=4, max_rejects=3, canary=False
    )

    assert 300 == of_all_runs(report)["accepted"]
    assert {1} == set(held.server.created.values())


def with_orders(count: int) -> list[ReceiverInput]:
    """Return rows that must not be sent twice."""
    return [
        ReceiverInput(f"p{n}@example.org", orders=[OrderInput(f"A-{n}", "Lamp")])
        for n in range(count)
    ]


@pytest.mark.parametrize("at", range(0, 8, 2))
async def test_orders_in_doubt_are_looked_up_by_the_next_run(at: int, tmp_path: Path) -> None:
    """Whatever was on the wire when the import was broken off: each order is stored once."""
    held = new_import(tmp_path)
    first = await held.run(with_orders(80), at=at, aborts=True)
    assert first.pending
    report = await held.run(with_orders(80), resume=True)

    assert {"accepted": 80} == {k: v for k, v in of_all_runs(report).items() if v}
    ids = [order["order_id"] for orders in held.server.orders.values() for order in orders]
    assert sorted(f"A-{n}" for n in range(80)) == sorted(ids)


async def test_a_resumed_import_tells_of_this_run_and_of_all(tmp_path: Path) -> None:
    """The counters are those of this run; ``earlier`` has the rest."""
    rows = [*people(40), "broken", *people(100)]
    held = new_import(tmp_path)
    first = await held.run(rows, at=6)
    second = await held.run(rows, resume=True)

    assert {name: getattr(first, name) for name in CLASSES} == second.earlier
    assert {"accepted": 0} != counts(second)
    assert 141 == sum(of_all_runs(second).values())
    assert "" == second.stopped


async def test_a_failing_run_can_be_resumed_too(tmp_path: Path) -> None:
    """It need not be a stop that was asked for."""
    server = ModelServer(
        lambda number, _: Reply(403, executed=False, content=b"{}") if number > 4 else None
    )
    held = Import(tmp_path, server)
    with pytest.raises(ImportFailedError):
        await Bulk(transport_to(server)).upsert(
            list(people(200)),
            group_id=7,
            batch_size=10,
            journal=tmp_path / "import.journal",
            rejects=tmp_path / "rejects.jsonl",
        )
    report = await held.run(list(people(200)), resume=True)

    assert 200 == of_all_runs(report)["accepted"] == len(held.server.stored)
