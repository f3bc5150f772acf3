"""Catalogue, family M: wrong reports."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer, Reply, Row, counts, receivers, transport_to, upsert
from support.virtual_time import VirtualClock, write_in_the_loop

from cleverreach_async import ImportFailedError, ImportProgress, ImportRun, ReceiverInput
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio


async def test_m2_progress_never_decreases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through retries, splits and resuming, rows done never decrease and never exceed rows read."""
    write_in_the_loop(monkeypatch)
    events: list[ImportProgress] = []
    runs: list[ImportRun] = []

    def script(number: int, rows: list[Row]) -> Reply | None:
        if number == 9:
            runs[0].stop()
        if any(row["email"] == "p17@example.org" for row in rows):
            return Reply(422, executed=False, content=b"{}")
        return Reply(429, executed=False) if number % 3 == 1 else None

    def show(progress: ImportProgress) -> None:
        events.append(progress)
        assert progress.done + progress.skipped <= progress.read

    server = ModelServer(script)
    options: dict[str, Any] = {
        "journal": tmp_path / "journal",
        "batch_size": 10,
        "concurrency": 2,
        "on_progress": show,
        "on_start": runs.append,
    }
    first = await upsert(server, receivers(200), **options)
    assert first.stopped
    split = len(events)
    report = await upsert(server, receivers(200), resume=True, **options)

    for run in (events[:split], events[split:]):
        assert sorted(event.done for event in run) == [event.done for event in run]
        assert [True] == [event.finished for event in run if event.finished]
    assert 200 == report.skipped + events[-1].done


async def test_m3_a_callback_that_fails_changes_no_outcome() -> None:
    """Every row is accepted and reported; the error is raised at the end, with the report."""

    def show(progress: ImportProgress) -> None:
        raise ZeroDivisionError(progress.done)

    with pytest.raises(ImportFailedError, match="the import went on") as caught:
        await upsert(ModelServer(), receivers(30), on_progress=show, batch_size=10)

    assert {"read": 30, "accepted": 30} == counts(caught.value.report)


async def test_m4_an_import_with_pending_rows_is_not_a_success() -> None:
    """Stopped by its rejects while the last rows are in flight, the import fails."""
    clock = VirtualClock()

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        is_stuck = rows[0]["email"].startswith("p")
        return Reply(500, executed=False) if is_stuck else Reply(delay=2.0)

    server = ModelServer(script, clock=clock)
    rows = [*receivers(10), *[ReceiverInput(f"refuse{n}@example.org") for n in range(20)]]
    async with clock.flowing():
        with pytest.raises(ImportFailedError, match="too many rows are rejected") as caught:
            await Bulk(transport_to(server, clock=clock)).upsert(
                rows, group_id=7, batch_size=10, max_rejects=3, canary=False, concurrency=4
            )

    assert 10 <= caught.value.report.pending


@pytest.mark.parametrize("poison", [0, 5, 36, 63, 99])
async def test_m5_after_splitting_the_reason_belongs_to_the_right_row(
    poison: int, tmp_path: Path
) -> None:
    """The items are in random order, and the refused row is the one that is reported."""
    rejects = tmp_path / "rejects"

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        if any(row["email"] == f"p{poison}@example.org" for row in rows):
            content = b'{"error": {"code": 422, "message": "cannot store it"}}'
            return Reply(422, executed=False, content=content)
        return Reply(reshape=lambda items: items[::-1])

    server = ModelServer(script)
    report = await upsert(server, receivers(100), rejects=rejects)

    assert {"read": 100, "accepted": 99, "rejected": 1} == counts(report)
    [line] = map(json.loads, rejects.read_bytes().splitlines())
    assert (poison + 1, f"p{poison}@example.org") == (line["row"], line["receiver"]["email"])
    assert "cannot store it" in line["message"]


async def test_m1_a_report_adds_up_at_any_time() -> None:
    """Not only at the end: the counters never exceed the rows read."""
    runs: list[ImportRun] = []

    def script(number: int, rows: list[Row]) -> Reply | None:
        del rows
        report = runs[0].report
        assert report.settled <= report.read
        return Reply(429, executed=False) if number % 2 else None

    server = ModelServer(script)
    report = await upsert(server, receivers(300), batch_size=10, on_start=runs.append)

    assert {"read": 300, "accepted": 300} == counts(report)
