"""Imports that are stopped and resumed end like one that was never interrupted."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.held_server import HeldServer
from support.model_server import ModelServer, Reply, counts, receivers, transport_to

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
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

pytestmark = pytest.mark.anyio

CLASSES = ("accepted", "rejected", "unknown", "superseded", "excluded")


class StoppingServer(ModelServer):
    """Stops the import when a certain request arrives, and responds or loses the response.

    Args:
        at: Zero-based number of the request.
        aborts: Whether the request is aborted too.
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
        """Handle one request."""
        if method != "GET" and len(self.requests) == self.at:
            assert self.run is not None
            (self.run.abort if self.aborts else self.run.stop)()
        return await super().send(
            method, url, headers=headers, content=content, timeout=timeout, stop=stop
        )


@attrs.frozen
class ImportJob:
    """An import that may take several runs.

    Attributes:
        folder: Folder of the journal and the rejects file.
        server: The server, whose store is used by all runs.
    """

    folder: Path
    server: ModelServer

    async def run(self, source: Any, *, at: int | None = None, **options: Any) -> ImportReport:
        """Run the import to its end, or until the n-th request of this run."""
        server = (
            ModelServer() if at is None else StoppingServer(at, aborts=options.pop("aborts", False))
        )
        server.stored, server.orders = self.server.stored, self.server.orders
        server.created = self.server.created

        def started(run: ImportRun) -> None:
            if isinstance(server, StoppingServer):
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


def new_import(folder: Path) -> ImportJob:
    """Return an import that has not started."""
    return ImportJob(folder, ModelServer())


def totals(report: ImportReport) -> dict[str, int]:
    """Return the counters of all runs together."""
    return {name: report.earlier.get(name, 0) + getattr(report, name) for name in CLASSES}


def rows_of(keys: list[int]) -> list[Any]:
    """Return rows with repeated addresses, some of them invalid or refused."""
    names = {0: "broken", 1: "refuse@example.org"}
    return [
        ReceiverInput(names.get(key, f"p{key}@example.org"), source=str(number))
        for number, key in enumerate(keys)
    ]


@given(
    keys=st.lists(st.integers(0, 40), max_size=150),
    stops=st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 30), min_size=5, max_size=5),
    concurrency=st.integers(1, 4),
)
async def test_any_stops_lead_to_the_same_result(
    keys: list[int],
    stops: list[tuple[int, bool]],
    sizes: list[int],
    concurrency: int,
) -> None:
    """At any requests, with another batch size each time: no row is lost or reported twice."""
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
        all_runs = totals(report)
        assert len(rows) == sum(all_runs.values()) == sum(totals(expected).values())
        assert len(rows) == report.read
        assert sum(report.earlier.values()) == report.skipped
        assert {row for row, _ in parts.rejected if parts.rejected[row, _] > 1} == set()
        assert all_runs["rejected"] == parts.rejected.total()


@given(
    keys=st.lists(st.integers(0, 40), max_size=120),
    at=st.integers(0, 8),
    concurrency=st.integers(1, 4),
)
async def test_with_the_same_batch_size_all_counters_are_the_same(
    keys: list[int], at: int, concurrency: int
) -> None:
    """Then the same rows are superseded."""
    rows = rows_of(keys)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        whole, parts = new_import(Path(one)), new_import(Path(other))
        expected = await whole.run(rows)
        report = await parts.run(rows, at=at, concurrency=concurrency)
        if report.stopped:
            report = await parts.run(rows, resume=True, concurrency=concurrency)

        assert totals(expected) == totals(report)
        assert whole.rejected == parts.rejected


def iterate(rows: list[Any]) -> Iterator[Any]:
    """Yield rows."""
    yield from rows


async def stream(rows: list[Any]) -> AsyncIterator[Any]:
    """Yield rows asynchronously."""
    for row in rows:
        yield row


@pytest.mark.parametrize("kind", [list, iterate, stream], ids=["list", "generator", "async gen"])
@pytest.mark.parametrize("at", [0, 1, 7, 15])
async def test_any_iterable_can_be_resumed(
    kind: Callable[[list[Any]], Any], at: int, tmp_path: Path
) -> None:
    """It is read again from its beginning, and rows that are done are skipped."""
    rows = list(receivers(200))
    job = new_import(tmp_path)
    first = await job.run(kind(rows), at=at)
    second = await job.run(kind(rows), resume=True)

    assert first.pending
    assert {"accepted": 200} == {k: v for k, v in totals(second).items() if v}
    assert (200, first.accepted) == (second.read, second.skipped)
    assert {1} == set(job.server.created.values())


async def test_a_file_is_resumed_where_it_ended(tmp_path: Path) -> None:
    """Rows that are done are not read again."""
    path = tmp_path / "customers.csv"
    path.write_text("email\n" + "".join(f"p{n}@example.org\n" for n in range(500)))
    job = new_import(tmp_path)
    first = await job.run(read_csv(path), at=20)
    second = await job.run(read_csv(path), resume=True)

    assert first.pending
    assert 500 == second.read == second.skipped + second.accepted
    assert 500 == totals(second)["accepted"] == len(job.server.stored)


async def test_rows_can_be_put_again(tmp_path: Path) -> None:
    """The producer puts the same rows again, and those that are done are skipped."""
    server = HeldServer(holds=lambda number: number >= 3)
    options: dict[str, Any] = {"journal": tmp_path / "j", "batch_size": 10, "concurrency": 1}
    async with Bulk(transport_to(server)).open(group_id=7, canary=False, **options) as run:
        for receiver in receivers(64):
            await run.put(receiver)
        while not server.held:
            await run.flush()
        run.stop()
        server.release()

    again = ModelServer()
    async with Bulk(transport_to(again)).open(group_id=7, resume=True, **options) as resumed:
        for receiver in receivers(64):
            await resumed.put(receiver)

    assert run.report.accepted == resumed.report.skipped > 0
    assert 64 == resumed.report.skipped + resumed.report.accepted
    assert 64 == len({*server.stored, *again.stored})


@pytest.mark.parametrize("kind", [list, iterate, stream], ids=["list", "generator", "async gen"])
async def test_changed_rows_are_refused(kind: Callable[[list[Any]], Any], tmp_path: Path) -> None:
    """Row numbers would mean other rows, so nothing is sent."""
    job = new_import(tmp_path)
    await job.run(kind(list(receivers(200))), at=12)
    before = dict(job.server.stored)
    changed = [ReceiverInput("new@example.org"), *receivers(200)]
    with pytest.raises(ImportFailedError, match="not those of the import") as caught:
        await job.run(kind(changed), resume=True)

    assert isinstance(caught.value.__cause__, SourceError)
    assert before == job.server.stored

    report = await job.run(kind(list(receivers(200))), resume=True)
    assert 200 == totals(report)["accepted"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "upsert"}, "strategy"),
        ({"group_id": 8}, "group"),
        ({"source": "file"}, "source"),
    ],
    ids=["another call", "another group", "another kind of source"],
)
async def test_another_import_is_refused(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Rows that are done in one group by one call are not done elsewhere."""
    job = new_import(tmp_path)
    await job.run(list(receivers(100)), at=2)
    source: Any = list(receivers(100))
    options = {"group_id": 7} | options
    if options.pop("source", ""):
        path = tmp_path / "customers.csv"
        path.write_text("email\np0@example.org\n")
        source = read_csv(path)
    server = ModelServer()
    with pytest.raises(ConfigurationError, match=message):
        await Bulk(transport_to(server)).upsert(
            source,
            **options,
            journal=tmp_path / "import.journal",
            rejects=tmp_path / "rejects.jsonl",
            resume=True,
        )

    assert [] == server.requests


async def test_options_may_change_when_an_import_is_resumed(tmp_path: Path) -> None:
    """Batch size, concurrency and limits are not part of the identity of an import."""
    job = new_import(tmp_path)
    await job.run(list(receivers(300)), at=4, batch_size=25)
    report = await job.run(
        list(receivers(300)), resume=True, batch_size=7, concurrency=4, max_rejects=3, canary=False
    )

    assert 300 == totals(report)["accepted"]
    assert {1} == set(job.server.created.values())


def with_orders(count: int) -> list[ReceiverInput]:
    """Return rows that must not be sent twice."""
    return [
        ReceiverInput(f"p{n}@example.org", orders=[OrderInput(f"A-{n}", "Lamp")])
        for n in range(count)
    ]


@pytest.mark.parametrize("at", range(0, 8, 2))
async def test_orders_in_doubt_are_looked_up_by_the_next_run(at: int, tmp_path: Path) -> None:
    """Each order is stored once, whichever requests were in flight at the abort."""
    job = new_import(tmp_path)
    first = await job.run(with_orders(80), at=at, aborts=True)
    assert first.pending
    report = await job.run(with_orders(80), resume=True)

    assert {"accepted": 80} == {k: v for k, v in totals(report).items() if v}
    ids = [order["order_id"] for orders in job.server.orders.values() for order in orders]
    assert sorted(f"A-{n}" for n in range(80)) == sorted(ids)


async def test_the_report_of_a_resumed_import_has_this_run_and_earlier_ones(tmp_path: Path) -> None:
    """The counters are those of this run; ``earlier`` has those of earlier runs."""
    rows = [*receivers(40), "broken", *receivers(100)]
    job = new_import(tmp_path)
    first = await job.run(rows, at=6)
    second = await job.run(rows, resume=True)

    assert {name: getattr(first, name) for name in CLASSES} == second.earlier
    assert {"accepted": 0} != counts(second)
    assert 141 == sum(totals(second).values())
    assert "" == second.stopped


async def test_a_failed_import_can_be_resumed_too(tmp_path: Path) -> None:
    """Not only one that was stopped."""
    server = ModelServer(
        lambda number, _: Reply(403, executed=False, content=b"{}") if number > 4 else None
    )
    job = ImportJob(tmp_path, server)
    with pytest.raises(ImportFailedError):
        await Bulk(transport_to(server)).upsert(
            list(receivers(200)),
            group_id=7,
            batch_size=10,
            journal=tmp_path / "import.journal",
            rejects=tmp_path / "rejects.jsonl",
        )
    report = await job.run(list(receivers(200)), resume=True)

    assert 200 == totals(report)["accepted"] == len(job.server.stored)
