"""Failures in a row: when rows are suspected, when an import gives up, and what is split."""

import itertools
from typing import Any

import pytest
from support.clocks import FakeClock
from support.model_server import (
    ModelServer,
    Reply,
    Row,
    always,
    counts,
    receivers,
    transport_to,
    upsert,
)

from cleverreach_async import APIConnectionError, CleverReachError, ImportFailedError
from cleverreach_async.bulk.delivery.failure_streak import FailureStreak
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.errors import status_error
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.retry import Diagnosis, Fault, diagnose

asynchronous = pytest.mark.anyio

LOST = Diagnosis(fault=Fault.AMBIGUOUS)


def server_error(status: int = 500) -> CleverReachError:
    """Return an error that alone does not mean that a row is bad."""
    return status_error(status)("oops", status_code=status)


def lost() -> CleverReachError:
    """Return the error of a lost connection."""
    return APIConnectionError("lost", sent=True)


def streak_of(*failures: tuple[CleverReachError, int]) -> FailureStreak:
    """Return a streak of failures, each with the number of batches that had succeeded before it."""
    streak = FailureStreak(max_outage=600.0)
    for now, (error, succeeded) in enumerate(failures):
        streak.add(error, diagnose(error, ""), now=float(now), succeeded=succeeded)
    return streak


@pytest.mark.parametrize(
    ("failures", "succeeded", "suspected"),
    [
        ([(500, 7), (500, 7), (500, 7)], 8, True),
        ([(500, 7), (500, 7), (500, 7)], 7, False),
        ([(500, 7), (500, 8)], 9, False),
        ([(500, 7), (500, 8), (500, 8)], 8, True),
        ([(500, 7), (0, 8), (500, 8), (500, 8)], 8, False),
        ([(0, 1), (500, 7), (500, 7), (500, 7)], 7, False),
        ([(0, 7)] * 9, 99, False),
        ([(429, 7)] * 9, 99, False),
    ],
    ids=[
        "three failures while others succeed",
        "three failures while none succeed",
        "two failures",
        "a success in between",
        "another failure in between",
        "successes before the first failure do not count",
        "lost connections",
        "push-back",
    ],
)
def test_when_rows_are_suspected(
    failures: list[tuple[int, int]], succeeded: int, *, suspected: bool
) -> None:
    """After several server errors in a row, and only while other batches succeed."""
    streak = streak_of(
        *((server_error(status) if status else lost(), before) for status, before in failures)
    )

    assert suspected is streak.suspects_rows(succeeded)


def test_failures_that_last_too_long_are_raised() -> None:
    """With a note that says why."""
    streak = FailureStreak(max_outage=60.0)
    streak.add(lost(), LOST, now=100.0, succeeded=0)
    streak.add(lost(), LOST, now=159.0, succeeded=0)
    with pytest.raises(APIConnectionError) as caught:
        streak.add(lost(), LOST, now=160.0, succeeded=0)

    assert ["gave up: max_outage allows failures for 60 s"] == caught.value.__notes__


def test_a_retry_after_longer_than_the_outage_is_raised() -> None:
    """The wait does not begin."""
    error = status_error(429)("later", status_code=429, retry_after=61.0)
    with pytest.raises(CleverReachError):
        FailureStreak(max_outage=60.0).add(error, diagnose(error, ""), now=0.0, succeeded=0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (server_error(429), True),
        (server_error(503), True),
        (server_error(500), False),
        (server_error(502), False),
        (lost(), False),
        (APIConnectionError("refused", sent=False), True),
        (server_error(422), False),
    ],
    ids=["429", "503", "500", "502", "a lost response", "no connection", "422"],
)
def test_errors_that_lower_the_concurrency_limit(
    error: CleverReachError, *, expected: bool
) -> None:
    """Push-back and an unreachable server do; a single lost response does not."""
    assert expected is diagnose(error, "").lowers_limit


def emails_of(rows: list[Row]) -> set[str]:
    """Return the addresses of a request."""
    return {row["email"] for row in rows}


def fails_on(*emails: str, status: int = 500) -> Any:
    """Return a script that fails requests with these addresses."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        return Reply(status, executed=False) if emails_of(rows) & set(emails) else None

    return script


@asynchronous
async def test_a_row_on_which_the_server_fails_is_isolated() -> None:
    """It is unknown, because the server may have stored it; the rest of its batch is accepted."""
    server = ModelServer(fails_on("p37@example.org"))
    report = await upsert(server, receivers(1000), batch_size=100, concurrency=2)

    assert {"read": 1000, "accepted": 999, "unknown": 1} == counts(report)
    assert [(38, "server_error")] == [(it.row, it.code) for it in report.samples]


@asynchronous
async def test_two_such_rows_in_one_batch_are_isolated() -> None:
    """The batch is split until each is alone."""
    server = ModelServer(fails_on("p3@example.org", "p77@example.org", status=504))
    report = await upsert(server, receivers(2000), batch_size=100, concurrency=2)

    assert {"read": 2000, "accepted": 1998, "unknown": 2} == counts(report)
    assert [4, 78] == sorted(it.row for it in report.samples)


@asynchronous
async def test_nothing_is_split_while_no_batch_succeeds() -> None:
    """In an outage no row is suspected: whole batches are resent, and stay pending at the end."""
    clock = FakeClock()
    server = ModelServer(always(Reply(500, executed=False)))
    with pytest.raises(ImportFailedError) as caught:
        await Bulk(transport_to(server, clock=clock)).upsert(
            receivers(400), group_id=7, batch_size=100, concurrency=4, canary=False, max_outage=300
        )

    assert {100} == {len(rows) for _, rows in server.requests}
    assert 400 == caught.value.report.pending
    assert 0 == caught.value.report.unknown


@asynchronous
async def test_nothing_is_split_while_the_gate_is_closed() -> None:
    """Then the server is in trouble, even if late responses are successes."""
    sizes: list[int] = []
    turns = itertools.count()
    server: ModelServer

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        if "p0@example.org" not in emails_of(rows):
            return None
        sizes.append(len(rows))
        gate = transport.own_account().gate
        assert isinstance(gate, AccountGate)
        if next(turns) < 6:
            gate.push_back(30.0, probe=False)  # as another call of the account would
            return Reply(500, executed=False)
        return None

    server = ModelServer(script)
    clock = FakeClock()
    transport = transport_to(server, clock=clock)
    report = await Bulk(transport).upsert(
        receivers(2000), group_id=7, batch_size=100, concurrency=1, canary=False
    )

    assert 2000 == report.accepted
    assert {100} == set(sizes)


@asynchronous
async def test_splitting_a_batch_has_a_budget() -> None:
    """A batch in which every second row is bad does not cause hundreds of requests."""
    bad = [f"p{n}@example.org" for n in range(0, 1000, 2)]
    server = ModelServer(fails_on(*bad, status=422))
    report = await upsert(server, receivers(1000), max_reject_share=1)

    assert 1000 == report.rejected + report.accepted
    assert set(report.reasons) <= {"refused", "refused_with_batch"}
    assert report.reasons["refused_with_batch"] > 0
    assert len(server.requests) <= 1 + 64 + 4


@asynchronous
async def test_splitting_an_import_has_a_budget() -> None:
    """If every batch is refused, splitting ends; if few are refused, it continues."""
    server = ModelServer(always(Reply(422, executed=False, content=b"{}")))
    report = await upsert(
        server, receivers(10_000), batch_size=100, max_reject_share=1, concurrency=1
    )

    assert {"read": 10_000, "rejected": 10_000} == counts(report)
    assert len(server.requests) < 100 + 256 + 64 + 0.1 * 500

    rare = [f"p{n}@example.org" for n in range(0, 10_000, 1000)]
    report = await upsert(
        ModelServer(fails_on(*rare, status=422)), receivers(10_000), max_reject_share=1
    )

    assert {"read": 10_000, "accepted": 9990, "rejected": 10} == counts(report)
    assert {"refused": 10} == report.reasons


@asynchronous
async def test_a_row_that_is_too_large_is_rejected_and_other_rows_are_not() -> None:
    """A row that the server refuses alone is never accepted."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        too_large = sum(len(row.get("source", "")) for row in rows) > 5000
        return Reply(413, executed=False, content=b"{}") if too_large else None

    rows: list[Any] = list(receivers(50))
    rows[20].source = "x" * 9000
    server = ModelServer(script)
    report = await upsert(server, rows)

    assert {"read": 50, "accepted": 49, "rejected": 1} == counts(report)
    assert [(21, "refused")] == [(it.row, it.code) for it in report.samples]
