"""How large a body may be, learned from refusals that may have another cause."""

import random
from typing import Any

import pytest
from support.model_server import ModelServer, Reply, Row, always, counts, receivers, upsert

from cleverreach_async import ImportFailedError
from cleverreach_async.bulk.delivery.body_size import BodySizeLimit
from cleverreach_async.bulk.rows import EncodedRow

asynchronous = pytest.mark.anyio

TOO_LARGE = Reply(413, executed=False, content=b"<html>Request Entity Too Large</html>")


def rows_of(*sizes: int) -> list[EncodedRow]:
    """Return rows of these sizes in bytes."""
    return [
        EncodedRow(f"p{n}@example.org", b"x" * size, n, None, repeatable=True)
        for n, size in enumerate(sizes)
    ]


ROWS = rows_of(*[10] * 100)


def refused_twice() -> BodySizeLimit:
    """Return a limit that was learned from two refusals of 1000 bytes."""
    limit = BodySizeLimit()
    limit.refused(ROWS)
    limit.refused(ROWS)
    return limit


def sizes_while_accepted(limit: BodySizeLimit, times: int) -> list[int | None]:
    """Return each limit, while bodies of 200 bytes are accepted."""
    sizes = [limit.max_bytes]
    for _ in range(times):
        limit.accepted(20, 200)
        if limit.max_bytes != sizes[-1]:
            sizes.append(limit.max_bytes)
    return sizes


def test_one_refusal_is_not_blamed_on_the_size() -> None:
    """The rows are sent in two halves, and the next body is as large as before."""
    limit = BodySizeLimit()
    limit.refused(ROWS)

    assert [50, 50] == [len(part) for part in limit.smaller_parts(ROWS)]
    assert [ROWS] == list(limit.parts(ROWS))


def test_two_refusals_set_a_limit() -> None:
    """It is half of the refused body, and a larger refusal later does not raise it."""
    limit = refused_twice()
    assert [50, 50] == [len(part) for part in limit.parts(ROWS)]
    limit.refused(rows_of(1000, 1000))

    assert 500 == limit.max_bytes


def test_the_largest_accepted_body_is_the_limit() -> None:
    """If one is known between half of the refused body and all of it."""
    limit = BodySizeLimit()
    limit.accepted(70, 700)
    limit.refused(ROWS)
    limit.refused(ROWS)

    assert 700 == limit.max_bytes


def test_the_limit_grows_slowly_below_the_refused_size_and_beyond_it_at_last() -> None:
    """After 25 accepted bodies by a quarter; at nine tenths of the refused size after 200."""
    sizes = sizes_while_accepted(refused_twice(), 25 * 12)

    assert [500, 625, 781, 900, 1125] == sizes[:5]
    assert [500, 625, 781, 900] == sizes_while_accepted(refused_twice(), 25 * 9)
    assert [500] == sizes_while_accepted(refused_twice(), 24)


def test_a_known_limit_grows_too() -> None:
    """The limit of an earlier run grows in the same way."""
    limit = BodySizeLimit.known(500)

    assert [500, 625, 781, 900] == sizes_while_accepted(limit, 25 * 9)
    assert BodySizeLimit.known(None).max_bytes is None


def test_a_refusal_resets_the_count_of_accepted_bodies() -> None:
    """The limit grows only after as many in a row as it needs."""
    limit = refused_twice()
    assert [500] == sizes_while_accepted(limit, 24)
    limit.refused(ROWS[:40])

    assert [200] == sizes_while_accepted(limit, 49)
    assert [200, 250] == sizes_while_accepted(limit, 1)


def test_growth_that_was_refused_is_tried_later() -> None:
    """After twice as many accepted bodies."""
    limit = refused_twice()
    sizes_while_accepted(limit, 25)
    limit.refused(ROWS[:60])

    assert [300] == sizes_while_accepted(limit, 49)
    assert [300, 375] == sizes_while_accepted(limit, 1)


def test_an_accepted_body_of_the_refused_size_ends_the_limit() -> None:
    """So the refusals had another cause."""
    limit = refused_twice()
    limit.accepted(100, 1000)

    assert limit.max_bytes is None


def test_without_a_refusal_there_is_no_limit() -> None:
    """Accepted bodies set no limit."""
    assert [None] == sizes_while_accepted(BodySizeLimit(), 200)


@pytest.mark.parametrize(
    ("sizes", "accepted", "attempts"),
    [
        ([10] * 100, [], 1),
        ([10] * 100, [10] * 99, 1),
        ([10] * 100, [10] * 100, 3),
        ([11] * 100, [10] * 100, 3),
        ([20] * 100, [10] * 100, 1),
        ([10] * 100, [10_000] * 10, 1),
        ([100], [], 10),
        ([8191], [], 10),
        ([8192], [], 2),
        ([8192], [9000], 10),
    ],
    ids=[
        "nothing accepted",
        "fewer rows accepted",
        "the same accepted",
        "about as large",
        "larger",
        "more rows than were accepted",
        "a small row",
        "a row just below the least size",
        "a large row",
        "a large row, and a larger one accepted",
    ],
)
def test_when_the_size_is_blamed(sizes: list[int], accepted: list[int], attempts: int) -> None:
    """After one refusal, unless such a body was accepted before, or it is a single row."""
    limit = BodySizeLimit()
    if accepted:
        limit.accepted(len(accepted), sum(accepted))
    rows = rows_of(*sizes)

    assert [False, True] == [limit.is_blamed(rows, attempts - 1), limit.is_blamed(rows, attempts)]


def test_a_body_that_was_accepted_before_may_become_too_large() -> None:
    """What was accepted before counts no more."""
    limit = BodySizeLimit()
    limit.accepted(100, 1000)
    limit.refused(ROWS)

    assert limit.is_blamed(ROWS, 1)


def test_parts_have_about_the_same_size() -> None:
    """No small rest costs a request."""
    limit = BodySizeLimit(max_bytes=900)

    assert [50, 50] == [len(part) for part in limit.parts(ROWS)]


def test_a_row_above_the_limit_is_sent_alone() -> None:
    """No row is lost, and the order does not change."""
    limit = BodySizeLimit(max_bytes=25)
    rows = rows_of(10, 10, 10, 100, 10)

    assert [[0, 1], [2], [3], [4]] == [[row.number for row in p] for p in limit.parts(rows)]


def at_random(share: float, seed: int) -> Any:
    """Return a script that refuses a share of the requests, whatever their size."""
    rng = random.Random(seed)

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number, rows
        return TOO_LARGE if rng.random() < share else None

    return script


@asynchronous
@pytest.mark.parametrize("seed", range(4))
async def test_refusals_that_have_nothing_to_do_with_the_size(seed: int) -> None:
    """They cost few requests, and no row is refused."""
    server = ModelServer(at_random(0.05, seed))
    options = {"batch_size": 100, "canary": True, "max_reject_share": 1}
    report = await upsert(server, receivers(4000), **options)

    assert {"read": 4000, "accepted": 4000} == counts(report)
    assert len(server.requests) <= 1.5 * 41


@asynchronous
async def test_a_server_that_refuses_everything_stops_the_import() -> None:
    """No row is rejected, because no size explains it."""
    with pytest.raises(ImportFailedError, match="413") as caught:
        await upsert(ModelServer(always(TOO_LARGE)), receivers(1000), canary=True)

    assert {"read", "pending"} == counts(caught.value.report).keys()


@asynchronous
async def test_a_row_that_is_always_refused_is_rejected_in_the_end() -> None:
    """While other rows are accepted."""

    def script(number: int, rows: list[Row]) -> Reply | None:
        del number
        return TOO_LARGE if any(row["email"] == "p7@example.org" for row in rows) else None

    server = ModelServer(script)
    report = await upsert(server, receivers(40))

    assert {"read": 40, "accepted": 39, "rejected": 1} == counts(report)
    alone = [
        rows for _, rows in server.requests if [it["email"] for it in rows] == ["p7@example.org"]
    ]
    assert 10 == len(alone)
