"""What an error means for a batch."""

import pytest

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
