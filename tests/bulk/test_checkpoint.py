"""Journal and rejects file: the order of writes, and what happens if one fails."""

import errno
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer, Reply, always, counts, receivers, transport_to

from cleverreach_async import ConfigurationError, ImportFailedError, ImportReport, JournalError
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.journal.journal import Journal, JournalState
from cleverreach_async.bulk.outcomes.rejects import RejectsFile

pytestmark = pytest.mark.anyio


async def load(server: ModelServer, rows: Any, path: Path, **options: Any) -> ImportReport:
    """Import rows with a journal and a rejects file beside it."""
    options = {"batch_size": 10, "concurrency": 1, "canary": False, "settle": 0} | options
    return await Bulk(transport_to(server)).upsert(
        rows,
        group_id=7,
        journal=path / "import.journal",
        rejects=path / "rejects.jsonl",
        **options,
    )


def refused(count: int, start: int = 0) -> list[str]:
    """Return addresses that the model server refuses."""
    return [f"refuse{n}@example.org" for n in range(start, start + count)]


def rejected_rows(path: Path) -> list[int]:
    """Return the row numbers in the rejects file, in its order."""
    lines = (path / "rejects.jsonl").read_bytes().splitlines()
    return [json.loads(line)["row"] for line in lines]


def break_method(
    patch: pytest.MonkeyPatch, owner: type[Any], name: str, at: int, error: Exception
) -> None:
    """Let a method fail from its n-th call on."""
    method = getattr(owner, name)
    calls = count(1)

    def fail(*args: Any, **kwargs: Any) -> Any:
        if next(calls) >= at:
            raise error
        return method(*args, **kwargs)

    patch.setattr(owner, name, fail)


async def test_a_batch_is_in_the_journal_before_it_is_sent(tmp_path: Path) -> None:
    """At every request the journal on the disk contains its rows."""
    saved: list[JournalState] = []

    def script(number: int, rows: list[dict[str, Any]]) -> Reply | None:
        sent = saved[-1].sent
        assert all(int(row["email"][1:].partition("@")[0]) + 1 in sent for row in rows)
        return None

    def save(journal: Journal, state: JournalState, *, now: float) -> None:
        saved.append(state)
        real(journal, state, now=now)

    real = Journal.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "save", save)
        report = await load(ModelServer(script), receivers(30), tmp_path)

    assert 30 == report.accepted
    assert saved[-1].finished
    assert (31, 0) == (saved[-1].next_row, len(saved[-1].sent))


@pytest.mark.parametrize("at", [2, 3, 4, 5])
async def test_a_journal_that_cannot_be_written_stops_the_import(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are written to the journal before they are sent; others are imported later."""
    server = ModelServer()
    with monkeypatch.context() as patch:
        break_method(patch, Journal, "save", at, JournalError("import.journal: the disk is full"))
        with pytest.raises(ImportFailedError, match="the disk is full") as caught:
            await load(server, receivers(100), tmp_path)

    report = caught.value.report
    report.assert_balanced()
    # The first write creates the journal; before each request there is another.
    assert len(server.requests) <= at - 2
    assert isinstance(caught.value.__cause__, JournalError)

    again = await load(server, receivers(100), tmp_path, resume=True)
    done = again.earlier["accepted"]
    assert (100, 0) == (again.accepted + done, again.pending)
    assert 100 == len(server.stored)


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_rejects_that_cannot_be_written_stop_the_import(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows are not done in the journal, and the next run writes their rejects."""
    rows = [*receivers(5), *refused(5), *receivers(10), *refused(10, 5), *receivers(20)]
    full = OSError(errno.ENOSPC, "No space left on device")
    server = ModelServer()
    with monkeypatch.context() as patch:
        break_method(patch, RejectsFile, "write", at, full)
        with pytest.raises(ImportFailedError, match="No space left") as caught:
            await load(server, rows, tmp_path, max_reject_share=1)
    caught.value.report.assert_balanced()

    await load(server, rows, tmp_path, resume=True, max_reject_share=1, batch_size=7)
    whole = tmp_path / "whole"
    whole.mkdir()
    await load(ModelServer(), rows, whole, max_reject_share=1)

    assert sorted(rejected_rows(whole)) == sorted(rejected_rows(tmp_path))
    assert len(set(rejected_rows(tmp_path))) == len(rejected_rows(tmp_path))


async def test_without_a_journal_rejects_that_cannot_be_written_stop_the_import_too(
    tmp_path: Path,
) -> None:
    """A reject that is not written is a lost row."""
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.MonkeyPatch.context() as patch:
        break_method(patch, RejectsFile, "write", 1, full)
        with pytest.raises(ImportFailedError, match="No space left") as caught:
            await Bulk(transport_to(ModelServer())).upsert(
                refused(300),
                group_id=7,
                rejects=tmp_path / "r.jsonl",
                batch_size=10,
                max_reject_share=1,
            )

    caught.value.report.assert_balanced()
    assert caught.value.report.pending > 0


async def import_until_refused(path: Path, server: ModelServer, rows: Any) -> None:
    """Run an import until the server refuses it."""
    with pytest.raises(ImportFailedError):
        await load(server, rows, path, max_reject_share=1)


ROWS = [*refused(4), *receivers(20), *refused(4, 4), *receivers(60)]


def refusing_after(batches: int) -> ModelServer:
    """Return a server that refuses all requests after the first ones."""
    return ModelServer(
        lambda number, _: Reply(403, executed=False, content=b"{}") if number >= batches else None
    )


async def test_rejects_after_the_last_commit_are_removed(tmp_path: Path) -> None:
    """They may be incomplete, and belong to rows that are sent again."""
    await import_until_refused(tmp_path, refusing_after(4), ROWS)
    file = tmp_path / "rejects.jsonl"
    kept = file.read_bytes()
    assert kept
    file.write_bytes(kept + kept[: len(kept) // 2] + b'{"row": 17, "li')
    await load(ModelServer(), ROWS, tmp_path, resume=True, max_reject_share=1)

    assert file.read_bytes().startswith(kept)
    assert len(set(rejected_rows(tmp_path))) == len(rejected_rows(tmp_path))


@pytest.mark.parametrize("damage", ["missing", "short", "not passed"])
async def test_an_incomplete_rejects_file_is_refused(damage: str, tmp_path: Path) -> None:
    """Otherwise the file of a resumed import would lack rejects."""
    await import_until_refused(tmp_path, refusing_after(4), ROWS)
    file = tmp_path / "rejects.jsonl"
    rows: list[Any] = ROWS
    options: dict[str, Any] = {}
    if damage == "missing":
        file.unlink()
    elif damage == "short":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        options["rejects"] = None
    server = ModelServer()
    bulk = Bulk(transport_to(server))
    options = {"rejects": file} | options
    with pytest.raises(ConfigurationError, match="rejects"):
        await bulk.upsert(
            rows, group_id=7, journal=tmp_path / "import.journal", resume=True, **options
        )

    assert [] == server.requests


async def test_without_rejects_so_far_no_file_is_needed(tmp_path: Path) -> None:
    """If nothing was rejected yet, the file may be missing."""
    await import_until_refused(tmp_path, refusing_after(2), receivers(60))
    (tmp_path / "rejects.jsonl").unlink()
    report = await load(ModelServer(), receivers(60), tmp_path, resume=True)

    assert 60 == report.accepted + report.earlier["accepted"]


async def test_a_complete_import_is_not_resumed(tmp_path: Path) -> None:
    """Nor is it started again with the same journal."""
    await load(ModelServer(), receivers(5), tmp_path)
    for options in ({"resume": True}, {}):
        server = ModelServer()
        with pytest.raises(ConfigurationError):
            await load(server, receivers(5), tmp_path, **options)
        assert [] == server.requests


async def test_a_second_import_with_one_journal_is_refused(tmp_path: Path) -> None:
    """While the first one runs, it cannot be resumed."""

    class SecondImport(ModelServer):
        """Starts a second import during the first."""

        async def send(self, *args: Any, **kwargs: Any) -> Any:
            """Handle one request."""
            with pytest.raises(JournalError, match="in use"):
                await load(ModelServer(), receivers(5), tmp_path, resume=True)
            return await super().send(*args, **kwargs)

    assert 5 == (await load(SecondImport(), receivers(5), tmp_path)).accepted


async def test_the_largest_body_is_in_the_journal(tmp_path: Path) -> None:
    """A resumed import knows the largest body that the server accepts."""

    def script(number: int, rows: list[Any]) -> Reply | None:
        if number > 40:
            return Reply(403, executed=False, content=b"{}")
        return Reply(413, executed=False, content=b"{}") if len(rows) > 10 else None

    with pytest.raises(ImportFailedError):
        await load(ModelServer(script), receivers(2000), tmp_path, batch_size=100)
    server = ModelServer()
    await load(server, receivers(2000), tmp_path, batch_size=100, resume=True)

    assert all(len(rows) <= 15 for _, rows in server.requests)


async def test_an_import_that_never_succeeds_can_be_resumed(tmp_path: Path) -> None:
    """A state without any result is valid."""
    server = ModelServer(always(Reply(403, executed=False, content=b"{}")))
    with pytest.raises(ImportFailedError) as caught:
        await load(server, receivers(25), tmp_path)
    report = await load(ModelServer(), receivers(25), tmp_path, resume=True)

    assert 25 == caught.value.report.pending + caught.value.report.accepted
    assert {"read": 25, "accepted": 25} == counts(report)
