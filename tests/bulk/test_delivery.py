"""What an error means for a batch."""

import pytest

from cleverreach_async.bulk.delivery.body_size import Ceiling
from cleverreach_async.bulk.delivery.failure_streak import Verdict, judge
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.errors import (
    APIConnectionError,
    APITimeoutError,
    CleverReachError,
    ConfigurationError,
    TokenError,
    status_error,
)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.SPLIT),
        (400, Verdict.SPLIT),
        (401, Verdict.STOP),
        (403, Verdict.STOP),
        (404, Verdict.STOP),
        (405, Verdict.STOP),
        (409, Verdict.SPLIT),
        (413, Verdict.SHRINK),
        (422, Verdict.SPLIT),
        (429, Verdict.REPEAT),
        (500, Verdict.REPEAT),
        (502, Verdict.REPEAT),
        (503, Verdict.REPEAT),
        (504, Verdict.REPEAT),
    ],
)
def test_statuses(status: int, verdict: Verdict) -> None:
    """The server's trouble is waited out, a refused batch is split, a hopeless one stops."""
    assert verdict is judge(status_error(status)("no", status_code=status))


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (APIConnectionError("cut", sent=True), Verdict.REPEAT),
        (APITimeoutError("late", sent=False), Verdict.REPEAT),
        (TokenError("invalid_client"), Verdict.STOP),
        (ConfigurationError("no group"), Verdict.STOP),
    ],
)
def test_other_errors(error: CleverReachError, verdict: Verdict) -> None:
    """Lost connections are waited out; wrong credentials and arguments are not."""
    assert verdict is judge(error)


def rows_of(*sizes: int) -> list[EncodedRow]:
    """Return rows of these sizes in bytes."""
    return [
        EncodedRow(f"p{n}@example.org", b"x" * size, n, None, repeatable=True)
        for n, size in enumerate(sizes)
    ]


def test_the_ceiling_is_learned_and_kept() -> None:
    """A refused body halves the ceiling; a larger refusal later does not raise it."""
    ceiling = Ceiling()
    rows = rows_of(*[10] * 8)

    assert [rows] == list(ceiling.parts(rows))

    ceiling.refused(rows)

    assert [4, 4] == [len(part) for part in ceiling.parts(rows)]

    ceiling.refused(rows_of(1000))

    assert [4, 4] == [len(part) for part in ceiling.parts(rows)]


def test_a_row_above_the_ceiling_travels_alone() -> None:
    """No row is left out, and none changes its place."""
    ceiling = Ceiling(max_bytes=25)
    rows = rows_of(10, 10, 10, 100, 10)

    assert [[0, 1], [2], [3], [4]] == [[row.number for row in p] for p in ceiling.parts(rows)]
