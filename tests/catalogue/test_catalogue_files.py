"""Catalogue, family L: a rejects file or a journal that cannot be written."""

import errno
import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.model_server import ModelServer, counts, receivers, upsert
from support.virtual_time import write_in_the_loop

from cleverreach_async import ImportFailedError, ImportReport, JournalError, ReceiverInput
from cleverreach_async.bulk.journal.journal import Journal
from cleverreach_async.bulk.journal.state import JournalState

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _files_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    write_in_the_loop(monkeypatch)


async def failed(server: ModelServer, source: Any, **options: Any) -> ImportReport:
    """Return the report of an import that has to fail."""
    with pytest.raises(ImportFailedError) as caught:
        await upsert(server, source, **options)
    report: ImportReport = caught.value.report
    report.assert_balanced()
    return report


async def test_l16_a_row_is_not_done_if_its_reject_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk stops the import; the next run writes the missing line."""
    rejects = tmp_path / "rejects"
    options: dict[str, Any] = {"rejects": rejects, "journal": tmp_path / "journal"}
    rows = [*receivers(3), ReceiverInput("refuse@example.org"), ReceiverInput("no address")]

    def full(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        await failed(ModelServer(), rows, **options)
    server = ModelServer()
    report = await upsert(server, rows, resume=True, **options)

    assert (3, 2) == (len(server.stored), report.rejected)
    lines = [json.loads(line)["row"] for line in rejects.read_bytes().splitlines()]
    assert [4, 5] == sorted(lines)


async def test_l16_cancellation_while_rejects_are_written_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either the lines are written, or their rows are not done and a later run writes them."""
    rows = [ReceiverInput(f"no address {n}") for n in range(1500)]
    rejects, writes = tmp_path / "rejects", 0
    options: dict[str, Any] = {"rejects": rejects, "journal": tmp_path / "journal"}
    options |= {"max_reject_share": 1}
    with anyio.CancelScope() as scope:

        def count() -> None:
            nonlocal writes
            writes += 1
            # The first write creates the journal; the next ones are the rejects of the rows.
            if writes == 3:
                scope.cancel()

        with monkeypatch.context() as patch:
            write_in_the_loop(patch, on_write=count)
            await upsert(ModelServer(), rows, **options)
    assert scope.cancelled_caught
    report = await upsert(ModelServer(), rows, resume=True, **options)

    assert 1500 == report.rejected + report.earlier["rejected"]
    lines = [json.loads(line)["row"] for line in rejects.read_bytes().splitlines()]
    assert list(range(1, 1501)) == sorted(lines)


@pytest.mark.parametrize("saves", [1, 2, 3], ids="saved {}".format)
async def test_l17_a_batch_is_not_sent_if_the_journal_cannot_be_written(
    saves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only batches are sent that the journal shows as sent; the first save creates it."""
    server, save = ModelServer(), Journal.save
    saved = set[int]()
    left = iter(range(saves))

    def save_or_fail(journal: Journal, state: JournalState, **options: Any) -> None:
        if next(left, None) is None:
            raise JournalError("database or disk is full")
        saved.update(row for row in range(1, 31) if row in state.sent)
        save(journal, state, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "save", save_or_fail)
        report = await failed(
            server, receivers(30), journal=tmp_path / "journal", batch_size=10, concurrency=1
        )
    numbers = {row.email: number for number, row in enumerate(receivers(30), 1)}
    sent = {numbers[row["email"]] for _, rows in server.requests for row in rows}
    assert len(server.requests) == report.requests
    assert set() == sent - saved
    assert (saves > 1) is bool(saved)
    assert {} == {name: n for name, n in counts(report).items() if name in {"rejected", "unknown"}}
