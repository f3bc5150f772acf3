"""What an error means for a batch."""

import pytest

from cleverreach_async.bulk.delivery import Verdict, judge
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
        (413, Verdict.SPLIT),
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
