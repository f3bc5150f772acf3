"""Failures one after the other: when rows are suspected, when an import gives up, what is split."""

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
    people,
    transport_to,
    upsert,
)

from cleverreach_async import APIConnectionError, CleverReachError, ImportFailedError
from cleverreach_async.bulk.delivery.body_size import BodySizeLimit
from cleverreach_async.bulk.delivery.failure_streak import FailureStreak
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.errors import status_error
from cleverreach_async.transport.retry import Diagnosis, Fault, diagnose

asynchronous = pytest.mark.anyio

LOST = Diagnosis(fault=Fault.AMBIGUOUS)


def server_error(status: int = 500) -> CleverReachError:
    """Return an error that says nothing about the rows by itself."""
    return status_error(status)("oops", status_code=status)


def lost() -> CleverReachError:
    """Return a broken connection."""
    return APIConnectionError("cut", sent=True)


def streak_of(*failures: tuple[CleverReachError, int]) -> FailureStreak:
    """Return the streak of failures, each with how many other batches were answered before it."""
    streak = FailureStreak(max_outage=600.0)
    for now, (error, answered) in enumerate(failures):
        streak.add(error, diagnose(error, ""), now=float(now), succeeded=answered)
    return streak


@pytest.mark.parametrize(
    ("failures", "answered", "suspected"),
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
        "three times while others succeed",
        "three times while nobody succeeds",
        "only twice",
        "a success in between",
        "interrupted by another failure",
        "successes before the first do not count",
        "lost connections",
        "push-back",
    ],
)
def test_suspicion(failures: list[tuple[int, int]], answered: int, *, suspected: bool) -> None:
    """Rows are suspected by errors of the server in a row, and only while others succeed."""
    streak = streak_of(
        *((server_error(status) if status else lost(), before) for status, before in failures)
    )

    assert suspected is streak.suspects_rows(answered)


def test_an_outage_has_an_end() -> None:
    """Failures that last too long are raised, with a word on why."""
    streak = FailureStreak(max_outage=60.0)
    streak.add(lost(), LOST, now=100.0, succeeded=0)
    streak.add(lost(), LOST, now=159.0, succeeded=0)
    with pytest.raises(APIConnectionError) as caught:
        streak.add(lost(), LOST, now=160.0, succeeded=0)

    assert ["gave up: max_outage allows failures for 60 s"] == caught.value.__notes__


def test_a_wait_that_was_asked_for_counts_before_it_is_over() -> None:
    """Nobody begins a wait that is longer than the outage allowed."""
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
    ids=["429", "503", "500", "502", "a lost answer", "no connection", "422"],
)
def test_what_asks_for_fewer_requests(error: CleverReachError, *, expected: bool) -> None:
    """Push-back and a server out of reach do; a single lost answer does not."""
    assert expected is diagnose(error, "").lowers_limit


def rows_of(count: int, size: int = 10) -> list[EncodedRow]:
    """Return rows of a size in bytes."""
    return [EncodedRow(f"p{n}", b"x" * size, n, None, repeatable=True) for n in range(count)]


def test_the_ceiling_grows_again_but_stays_below_the_refusal() -> None:
    """After fifty good bodies a tenth more is tried; nine tenths of the refused size is the top."""
    ceiling = BodySizeLimit()
    ceiling.refused(rows_of(100))
    sizes = [ceiling.max_bytes]
    for _ in range(50 * 20):
        ceiling.accepted()
        if ceiling.max_bytes != sizes[-1]:
            sizes.append(ceiling.max_bytes)

    assert [500, 550, 605, 665, 731, 804, 884, 900] == sizes


def test_a_known_ceiling_grows_too() -> None:
    """What an earlier run has learned is tried again as carefully as what this one has."""
    ceiling = BodySizeLimit.known(500)
    for _ in range(50 * 20):
        ceiling.accepted()

    assert (900, None) == (ceiling.max_bytes, BodySizeLimit.known(None).max_bytes)


def test_a_refusal_begins_the_count_anew() -> None:
    """Fifty good bodies in a row are asked for."""
    ceiling = BodySizeLimit()
    ceiling.refused(rows_of(100))
    for _ in range(49):
        ceiling.accepted()
    ceiling.refused(rows_of(40))
    ceiling.accepted()

    assert 200 == ceiling.max_bytes


def test_without_a_refusal_there_is_no_ceiling() -> None:
    """Good bodies teach nothing about the largest."""
    ceiling = BodySizeLimit()
    for _ in range(200):
        ceiling.accepted()

    assert ceiling.max_bytes is None


def emails_of(rows: list[Row]) -> set[str]:
    """Return the addresses of a request."""
    return {row["email"] for row in rows}


def fails_on(*emails: str, status: int = 500) -> Any:
    """Return a script by which requests with these addresses fail, and others are answered."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        return Reply(status, executed=False) if emails_of(rows) & set(emails) else None

    return script


@asynchronous
async def test_a_row_on_which_the_server_fails_is_isolated() -> None:
    """It ends unknown, since a failing server may have stored it; its batch is fine."""
    server = ModelServer(fails_on("p37@example.org"))
    report = await upsert(server, people(1000), batch_size=100, concurrency=2)

    assert {"read": 1000, "accepted": 999, "unknown": 1} == counts(report)
    assert [(38, "server_error")] == [(it.row, it.code) for it in report.samples]


@asynchronous
async def test_two_such_rows_are_isolated_in_one_batch() -> None:
    """Splitting goes on until each stands alone."""
    server = ModelServer(fails_on("p3@example.org", "p77@example.org", status=504))
    report = await upsert(server, people(2000), batch_size=100, concurrency=2)

    assert {"read": 2000, "accepted": 1998, "unknown": 2} == counts(report)
    assert [4, 78] == sorted(it.row for it in report.samples)


@asynchronous
async def test_nothing_is_split_while_nobody_succeeds() -> None:
    """An outage is no poison: the batches are repeated whole, and stay pending at the end."""
    clock = FakeClock()
    server = ModelServer(always(Reply(500, executed=False)))
    with pytest.raises(ImportFailedError) as caught:
        await Bulk(transport_to(server, clock=clock)).upsert(
            people(400), group_id=7, batch_size=100, concurrency=4, canary=False, max_outage=300
        )

    assert {100} == {len(rows) for _, rows in server.requests}
    assert 400 == caught.value.report.pending
    assert 0 == caught.value.report.unknown


@asynchronous
async def test_nothing_is_split_behind_a_closed_gate() -> None:
    """While the account is paused the server is in streak, whatever came in late."""
    sizes: list[int] = []
    turns = itertools.count()
    server: ModelServer

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        if "p0@example.org" not in emails_of(rows):
            return None
        sizes.append(len(rows))
        gate = transport.own_account().gate
        if next(turns) < 6:
            gate.push_back(30.0, probe=False)  # as another caller of the account would
            return Reply(500, executed=False)
        return None

    server = ModelServer(script)
    clock = FakeClock()
    transport = transport_to(server, clock=clock)
    report = await Bulk(transport).upsert(
        people(2000), group_id=7, batch_size=100, concurrency=1, canary=False
    )

    assert 2000 == report.accepted
    assert {100} == set(sizes)


@asynchronous
async def test_splitting_a_batch_has_a_budget() -> None:
    """A batch in which every other row is poison does not cost hundreds of requests."""
    poison = [f"p{n}@example.org" for n in range(0, 1000, 2)]
    server = ModelServer(fails_on(*poison, status=422))
    report = await upsert(server, people(1000), max_reject_share=1)

    assert 1000 == report.rejected + report.accepted
    assert set(report.reasons) <= {"refused", "refused_with_batch"}
    assert report.reasons["refused_with_batch"] > 0
    assert len(server.requests) <= 1 + 64 + 4


@asynchronous
async def test_splitting_an_import_has_a_budget() -> None:
    """When every batch is refused whole, splitting ends; when few are, it goes on for ever."""
    server = ModelServer(always(Reply(422, executed=False, content=b"{}")))
    report = await upsert(server, people(10_000), batch_size=100, max_reject_share=1, concurrency=1)

    assert {"read": 10_000, "rejected": 10_000} == counts(report)
    assert len(server.requests) < 100 + 256 + 64 + 0.1 * 500

    rare = [f"p{n}@example.org" for n in range(0, 10_000, 1000)]
    report = await upsert(
        ModelServer(fails_on(*rare, status=422)), people(10_000), max_reject_share=1
    )

    assert {"read": 10_000, "accepted": 9990, "rejected": 10} == counts(report)
    assert {"refused": 10} == report.reasons


@asynchronous
async def test_a_row_too_large_by_itself_is_rejected_and_its_neighbours_are_not() -> None:
    """A server that refuses a single row will never take it."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        too_large = sum(len(row.get("source", "")) for row in rows) > 5000
        return Reply(413, executed=False, content=b"{}") if too_large else None

    rows: list[Any] = list(people(50))
    rows[20].source = "x" * 9000
    server = ModelServer(script)
    report = await upsert(server, rows)

    assert {"read": 50, "accepted": 49, "rejected": 1} == counts(report)
    assert [(21, "refused")] == [(it.row, it.code) for it in report.samples]
