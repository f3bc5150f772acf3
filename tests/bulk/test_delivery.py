"""What an error means for a batch, and how large a body may be."""

import pytest

from cleverreach_async.bulk.delivery.body_size import BodySizeLimit
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.errors import (
    APIConnectionError,
    APITimeoutError,
    CleverReachError,
    ConfigurationError,
    TokenError,
    status_error,
)
from cleverreach_async.transport.retry import Diagnosis, diagnose


def action_of(diagnosis: Diagnosis) -> str:
    """Return what the importer does with a batch after a failed attempt."""
    actions = {
        "retry": diagnosis.fault is not None,
        "shrink": diagnosis.body_too_large,
        "split": diagnosis.batch_refused,
        "stop": diagnosis.stops_import,
    }
    [action] = [name for name, applies in actions.items() if applies]
    return action


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (200, "split"),
        (400, "split"),
        (401, "stop"),
        (403, "stop"),
        (404, "stop"),
        (405, "stop"),
        (409, "split"),
        (413, "shrink"),
        (422, "split"),
        (429, "retry"),
        (500, "retry"),
        (502, "retry"),
        (503, "retry"),
        (504, "retry"),
    ],
)
def test_statuses(status: int, action: str) -> None:
    """Failures of the server are retried, a refused batch is split, others stop the import."""
    assert action == action_of(diagnose(status_error(status)("no", status_code=status), "/a"))


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (APIConnectionError("lost", sent=True), "retry"),
        (APITimeoutError("late", sent=False), "retry"),
        (TokenError("invalid_client"), "stop"),
        (ConfigurationError("no group"), "stop"),
    ],
)
def test_other_errors(error: CleverReachError, action: str) -> None:
    """Lost connections are retried; wrong credentials and arguments are not."""
    assert action == action_of(diagnose(error, "/a"))


def rows_of(*sizes: int) -> list[EncodedRow]:
    """Return rows of these sizes in bytes."""
    return [
        EncodedRow(f"p{n}@example.org", b"x" * size, n, None, repeatable=True)
        for n, size in enumerate(sizes)
    ]


def test_a_refused_body_lowers_the_limit() -> None:
    """It is half of the refused body, and a larger refusal later does not raise it."""
    limit = BodySizeLimit()
    rows = rows_of(*[10] * 8)

    assert [rows] == list(limit.parts(rows))

    limit.refused(rows)

    assert [4, 4] == [len(part) for part in limit.parts(rows)]

    limit.refused(rows_of(1000))

    assert [4, 4] == [len(part) for part in limit.parts(rows)]


def test_a_row_above_the_limit_is_sent_alone() -> None:
    """No row is lost, and the order does not change."""
    limit = BodySizeLimit(max_bytes=25)
    rows = rows_of(10, 10, 10, 100, 10)

    assert [[0, 1], [2], [3], [4]] == [[row.number for row in p] for p in limit.parts(rows)]
