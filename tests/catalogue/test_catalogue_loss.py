"""Catalogue, family L: rows lost silently."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clocks import FakeClock
from support.model_server import (
    ModelServer,
    Reply,
    Row,
    always,
    at,
    counts,
    receivers,
    transport_to,
    upsert,
)
from support.virtual_time import VirtualClock, switch_after, write_in_the_loop

from cleverreach_async import (
    APIStatusError,
    ImportFailedError,
    ImportReport,
    ImportRun,
    OAuthApp,
    ReceiverInput,
    in_thread,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.journal.journal import Journal
from cleverreach_async.bulk.outcomes.rejects import RejectsFile

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


@pytest.mark.parametrize("kept", [0, 1, 7, 9])
async def test_l1_rows_missing_from_the_response_are_not_accepted(kept: int) -> None:
    """Rows that no response shows are rejected as not returned, each with its number."""
    silent = {f"p{n}@example.org" for n in range(kept, 10)}

    def reshape(items: list[Any]) -> list[Any]:
        # A status does not contain an address, so only whole receivers are tested here.
        return [item for item in items if item.get("email", "p9@example.org") not in silent]

    server = ModelServer(
        lambda n, rows: Reply(reshape=reshape) if n == 0 else Reply(content=b"[]", executed=False)
    )
    report = await upsert(server, receivers(10))

    wanted = {"read": 10, "accepted": kept, "rejected": 10 - kept}
    assert {name: number for name, number in wanted.items() if number} == counts(report)
    assert {"not_returned": 10 - kept} == report.reasons
    assert set(range(kept + 1, 11)) >= {sample.row for sample in report.samples}


async def test_l2_unexpected_and_repeated_items_change_no_result() -> None:
    """With more items than rows each row has one result, and unmatched items are counted."""
    stranger = {"id": "9", "email": "stranger@example.org"}
    server = ModelServer(at(Reply(reshape=lambda items: [stranger, *items, items[0], items[3]]), 0))
    report = await upsert(server, [*receivers(5), ReceiverInput("refuse@example.org")])

    assert {"read": 6, "accepted": 5, "rejected": 1} == counts(report)
    assert 3 == report.unexpected


async def test_l3_a_reordered_response_is_matched_to_the_right_rows() -> None:
    """Rows are matched by address, not by position: the right row is rejected."""
    rows = [*receivers(4), ReceiverInput("refuse@example.org"), ReceiverInput("z@example.org")]
    server = ModelServer(always(Reply(reshape=lambda items: items[::-1])))
    report = await upsert(server, rows)

    assert {"read": 6, "accepted": 5, "rejected": 1} == counts(report)
    assert [5] == [sample.row for sample in report.samples]
    assert "refuse@example.org" not in server.stored


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (b"false", "rejected"),
        (b"null", "rejected"),
        (b"[]", "rejected"),
        (b"{}", "rejected"),
        (b"", "unknown"),
        (b"<html>please wait</html>", "unknown"),
        (b"\xff\xfe", "unknown"),
    ],
)
async def test_l4_a_response_without_receivers_accepts_no_row(content: bytes, outcome: str) -> None:
    """A status of 200 does not prove that rows were stored."""
    report = await upsert(ModelServer(always(Reply(content=content, executed=False))), receivers(3))

    assert {"read": 3, outcome: 3} == counts(report)


async def test_l5_a_batch_is_resent_if_its_response_is_truncated() -> None:
    """Wherever the JSON ends, no row counts as accepted because of half an address."""
    whole = json.dumps([{"id": "7", "email": f"p{n}@example.org"} for n in range(2)]).encode()
    for length in range(1, len(whole)):
        server = ModelServer(at(Reply(content=whole[:length]), 0))
        report = await upsert(server, receivers(2))
        assert {"read": 2, "accepted": 2} == counts(report)
        assert (2, 2) == (report.requests, report.replayed)


async def test_l6_a_response_with_all_kinds_of_items_is_read_row_by_row() -> None:
    """Stored, refused, refused with another text, and missing, all in one response."""
    words = ["invalid address 'b@example.org'", "blacklisted 'c@example.org'"]
    rows = [ReceiverInput(f"{name}@example.org") for name in "abcd"]

    def reshape(items: list[Any]) -> list[Any]:
        return [items[0], *words]

    report = await upsert(ModelServer(at(Reply(reshape=reshape), 0)), rows)

    assert {"read": 4, "accepted": 2, "rejected": 2} == counts(report)
    assert {"invalid_email": 1, "blacklisted": 1} == report.reasons


@pytest.mark.parametrize("where", ["sender", "journal", "rejects"])
async def test_l7_an_error_in_a_worker_ends_the_import(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is raised, all other rows are accounted for, and nothing waits for the worker."""

    def burst(*_args: Any, **_kwargs: Any) -> Any:
        raise ZeroDivisionError("a defect")

    server = ModelServer(lambda n, _: burst() if where == "sender" and n == 2 else None)
    if where == "rejects":
        monkeypatch.setattr(RejectsFile, "write", burst)
    elif where == "journal":
        monkeypatch.setattr(Journal, "save", switch_after(4, Journal.save, burst))
    with pytest.raises(ImportFailedError, match="a defect") as caught:
        await upsert(
            server,
            [*receivers(30), ReceiverInput("refuse@example.org"), *receivers(30)],
            batch_size=10,
            concurrency=2,
            rejects=tmp_path / "rejects",
            journal=tmp_path / "journal" if where == "journal" else None,
        )

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    caught.value.report.assert_balanced()


@pytest.mark.parametrize("broken_at", [0, 1, 63, 64, 65, 130])
async def test_l8_an_import_resumes_after_its_source_failed(broken_at: int, tmp_path: Path) -> None:
    """Earlier rows are stored, the error is raised, and a later run continues after them."""
    is_broken = True

    def source() -> Iterator[ReceiverInput]:
        for number, receiver in enumerate(receivers(150)):
            if is_broken and number == broken_at:
                raise LookupError("the cursor is gone")
            yield receiver

    server, options = ModelServer(), {"journal": tmp_path / "journal", "batch_size": 20}
    with pytest.raises(ImportFailedError, match="the cursor is gone") as caught:
        await upsert(server, source(), **options)
    assert isinstance(caught.value.__cause__, LookupError)
    assert broken_at == caught.value.report.accepted == len(server.stored)
    is_broken = False
    report = await upsert(server, source(), resume=True, **options)

    assert (broken_at, 150 - broken_at) == (report.skipped, report.accepted)
    assert (150, {1}) == (len(server.stored), set(server.created.values()))


async def test_l8_a_source_that_cannot_return_its_position_loses_no_row(tmp_path: Path) -> None:
    """The rows that were read before it failed are accounted for."""

    class Lost(list[ReceiverInput]):
        """A source that cannot return its position."""

        def identity(self) -> dict[str, str]:
            """Return a name."""
            return {"kind": "lost"}

        def tell(self) -> int:
            """Fail."""
            raise LookupError("no place")

        def seek(self, position: int) -> None:
            """Do nothing."""

    report = await failed(ModelServer(), Lost(receivers(10)), journal=tmp_path / "journal")

    assert {"read": 10, "pending": 10} == counts(report)


async def test_l10_rows_that_wait_for_a_retry_at_a_stop_stay_pending(tmp_path: Path) -> None:
    """Rows that wait after a 429 are pending, and the next run sends them."""
    clock = VirtualClock()
    server = ModelServer(lambda n, _: Reply(429, executed=False) if n < 6 else None)
    options: dict[str, Any] = {
        "group_id": 7,
        "batch_size": 10,
        "canary": False,
        "concurrency": 3,
        "journal": tmp_path / "journal",
    }
    bulk = Bulk(transport_to(server, clock=clock))
    async with clock.flowing() as tasks:

        async def stop_later(run: ImportRun) -> None:
            await clock.sleep(0.1)
            run.stop()

        def begin(run: ImportRun) -> None:
            tasks.start_soon(stop_later, run)

        report = await bulk.upsert(receivers(50), on_start=begin, **options)
        assert (0, {}) == (report.accepted, server.stored)
        assert report.read == report.pending > 0
        report = await bulk.upsert(receivers(50), resume=True, **options)

    assert {"read": 50, "accepted": 50} == counts(report)


async def test_l11_a_slow_server_makes_the_source_wait() -> None:
    """No row is dropped, and the source is read only a little ahead of the server."""
    clock = VirtualClock()
    server = ModelServer(always(Reply(delay=10.0)), clock=clock)
    ahead: list[int] = []

    def source() -> Iterator[ReceiverInput]:
        for number, receiver in enumerate(receivers(600)):
            ahead.append(number - len(server.stored))
            yield receiver

    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            source(), group_id=7, batch_size=10, concurrency=2, canary=False
        )

    assert {"read": 600, "accepted": 600} == counts(report)
    assert max(ahead) <= (2 + 4 + 1) * 10 + 64


@pytest.mark.parametrize("ceiling", [1_000_000, 5_000])
async def test_l12_only_the_row_that_is_too_large_is_rejected(ceiling: int) -> None:
    """A row of 10 MB is rejected with a reason, and the rows around it are stored."""
    rows = list(receivers(61))
    rows[30].source = "x" * 10_000_000

    def script(number: int, sent: list[Row]) -> Reply | None:
        del number
        is_large = len(json.dumps(sent)) > ceiling
        return Reply(413, executed=False, content=b"{}") if is_large else None

    server = ModelServer(script)
    report = await upsert(server, rows)

    assert {"read": 61, "accepted": 60, "rejected": 1} == counts(report)
    assert [(31, "refused")] == [(sample.row, sample.code) for sample in report.samples]
    assert 60 == len(server.stored)


async def test_l13_an_outage_of_an_hour_rejects_no_row(tmp_path: Path) -> None:
    """The import stops after ``max_outage``; after the outage a later run sends the rest."""
    clock = FakeClock()
    server = ModelServer(
        lambda _n, _rows: Reply(503, executed=False) if clock.elapsed < 3600 else None, clock=clock
    )
    bulk = Bulk(transport_to(server, clock=clock))
    options: dict[str, Any] = {"group_id": 7, "journal": tmp_path / "journal", "max_outage": 1800}
    with pytest.raises(ImportFailedError) as caught:
        await bulk.upsert(receivers(50), **options)
    assert {"read": 50, "pending": 50} == counts(caught.value.report)
    clock.elapsed = 3600
    report = await bulk.upsert(receivers(50), resume=True, **options)

    assert {"read": 50, "accepted": 50} == counts(report)
    assert 50 == len(server.stored)


async def test_l13_a_frequently_overloaded_server_rejects_no_row() -> None:
    """A 503 is not caused by rows; however often a batch gets it, its rows are accepted."""
    server = ModelServer(lambda n, _: Reply(503, executed=False) if n % 4 else None)
    report = await upsert(server, receivers(300), batch_size=10)

    assert {"read": 300, "accepted": 300} == counts(report)


@pytest.mark.parametrize("status", [401, 403])
async def test_l14_a_lost_permission_rejects_no_row(status: int, tmp_path: Path) -> None:
    """Unsent rows stay pending, the error is raised, and resuming with the permission works."""
    is_refused = True
    server = ModelServer(
        lambda n, _: Reply(status, executed=False, content=b"{}") if is_refused and n >= 3 else None
    )
    bulk = Bulk(transport_to(server).with_auth(OAuthApp("id", "secret").client_credentials()))
    options: dict[str, Any] = {"group_id": 7, "journal": tmp_path / "journal", "batch_size": 10}
    with pytest.raises(ImportFailedError) as caught:
        await bulk.upsert(receivers(100), **options)
    report = caught.value.report
    assert isinstance(caught.value.__cause__, APIStatusError)
    assert (0, 0, len(server.stored)) == (report.rejected, report.unknown, report.accepted)
    is_refused = False
    report = await bulk.upsert(receivers(100), resume=True, **options)

    assert (100, 0) == (len(server.stored), report.rejected + report.unknown + report.pending)


async def test_l20_stop_iteration_inside_a_source_is_an_error() -> None:
    """``StopIteration`` raised inside a source is an error, not the end of the source."""

    def source() -> Iterator[ReceiverInput]:
        yield from receivers(70)
        next(iter([]))

    server = ModelServer()
    report = await failed(server, source())
    assert 70 == report.accepted == len(server.stored)
    server = ModelServer()
    report = await failed(server, in_thread(source()))
    assert 70 == report.accepted == len(server.stored)
