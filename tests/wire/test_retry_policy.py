"""Retries: which failures may be repeated, and how long to wait before."""

import os
import subprocess
import sys
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    CleverReachError,
    ConfigurationError,
    InternalServerError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
    TokenError,
)
from cleverreach_async.transport.retry import (
    Diagnosis,
    Fault,
    RetryPolicy,
    diagnose,
    wait_before,
)


@attrs.frozen
class Die:
    """Chance that always falls the same way."""

    value: float

    def random(self) -> float:
        """The number it was made with."""
        return self.value


FAULTS: dict[str, tuple[CleverReachError, Fault | None, bool]] = {
    "not connected": (APIConnectionError("refused", sent=False), Fault.NOT_SENT, True),
    "lost": (APIConnectionError("reset", sent=True), Fault.AMBIGUOUS, True),
    "timed out connecting": (APITimeoutError("deadline", sent=False), Fault.NOT_SENT, True),
    "timed out": (APITimeoutError("deadline", sent=True), Fault.AMBIGUOUS, True),
    "429": (RateLimitError("slow", status_code=429), Fault.THROTTLED, True),
    "429 told": (RateLimitError("slow", status_code=429, retry_after=3), Fault.THROTTLED, True),
    "500": (InternalServerError("no", status_code=500), Fault.AMBIGUOUS, False),
    "502": (InternalServerError("no", status_code=502), Fault.AMBIGUOUS, False),
    "502 told": (
        InternalServerError("no", status_code=502, retry_after=3),
        Fault.AMBIGUOUS,
        False,
    ),
    "503": (InternalServerError("no", status_code=503), Fault.AMBIGUOUS, True),
    "503 told": (InternalServerError("no", status_code=503, retry_after=0), Fault.THROTTLED, True),
    "401": (AuthenticationError("no", status_code=401), None, False),
    "403": (PermissionDeniedError("no", status_code=403), None, False),
    "413": (PayloadTooLargeError("no", status_code=413), None, False),
    "418": (APIStatusError("no", status_code=418), None, False),
    "token": (TokenError("invalid_grant"), None, False),
    "decode": (ResponseDecodeError(["x"], method="GET", path="/a"), None, False),
    "configuration": (ConfigurationError("x"), None, False),
}


@pytest.mark.parametrize(("error", "fault", "pushed"), FAULTS.values(), ids=FAULTS.keys())
def test_diagnosis(error: CleverReachError, fault: Fault | None, pushed: bool) -> None:
    """Only temporary failures have a kind; only trouble of the server closes the gate."""
    diagnosis = diagnose(error, "/a")
    assert (fault, pushed) == (diagnosis.fault, diagnosis.closes_gate)


@pytest.mark.parametrize(
    ("path", "executed", "in_token_call"),
    [("", True, False), ("/groups", True, False), ("/oauth/token.php", False, True)],
)
def test_an_error_of_the_token_call_shows_that_the_call_was_not_sent(
    path: str, executed: bool, in_token_call: bool
) -> None:
    """The call for a token runs inside other calls, and its errors name its path."""
    diagnosis = diagnose(APIConnectionError("reset", sent=True, path=path), "/groups")
    assert (executed, in_token_call) == (diagnosis.perhaps_executed, diagnosis.in_token_call)


def test_a_diagnosis_carries_the_requested_wait() -> None:
    """The server's Retry-After is part of it, also where the error is final."""
    waits = [
        diagnose(error, "/a").retry_after
        for error in (FAULTS["429 told"][0], FAULTS["502 told"][0], FAULTS["lost"][0])
    ]
    assert [3, 3, None] == waits


@pytest.mark.parametrize(
    ("fault", "idempotent", "expected"),
    [
        (Fault.NOT_SENT, True, True),
        (Fault.NOT_SENT, False, True),
        (Fault.THROTTLED, True, True),
        (Fault.THROTTLED, False, True),
        (Fault.AMBIGUOUS, True, True),
        (Fault.AMBIGUOUS, False, False),
    ],
)
def test_what_may_be_repeated(fault: Fault, idempotent: bool, expected: bool) -> None:
    """What may have been executed is repeated only where that is harmless."""
    assert expected is Diagnosis(fault=fault).may_repeat(idempotent=idempotent)


WAITS: dict[str, tuple[Fault, int, float | None, float, float]] = {
    "first, least": (Fault.AMBIGUOUS, 1, None, 0.0, 0.0),
    "first, half": (Fault.AMBIGUOUS, 1, None, 0.5, 0.1),
    "third": (Fault.NOT_SENT, 3, None, 0.5, 0.4),
    "capped": (Fault.AMBIGUOUS, 99, None, 0.5, 15.0),
    "throttled, least": (Fault.THROTTLED, 1, None, 0.0, 0.5),
    "throttled, second": (Fault.THROTTLED, 2, None, 0.5, 1.5),
    "throttled, capped": (Fault.THROTTLED, 99, None, 0.0, 15.0),
    "told": (Fault.THROTTLED, 1, 7.0, 0.0, 7.0),
    "told, jitter": (Fault.THROTTLED, 1, 60.0, 0.5, 63.0),
    "told 0, jitter": (Fault.AMBIGUOUS, 5, 0.0, 0.5, 0.125),
}


@pytest.mark.parametrize(
    ("fault", "attempt", "told", "chance", "expected"), WAITS.values(), ids=WAITS.keys()
)
def test_waits(
    fault: Fault, attempt: int, told: float | None, chance: float, expected: float
) -> None:
    """Waits double up to the cap; the server's word is honoured with a little more."""
    wait = wait_before(RetryPolicy(), fault, attempt=attempt, retry_after=told, rng=Die(chance))
    assert expected == pytest.approx(wait)


POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 100),
    wait=st.floats(0, 100),
    throttled_wait=st.floats(0, 100),
    cap=st.floats(0.001, 3600),
    max_retry_after=st.floats(0, 3600),
)


@given(
    POLICIES,
    st.sampled_from(Fault),
    st.integers(1, 100_000),
    st.floats(0, 1, exclude_max=True),
)
def test_backoff_stays_within_bounds(
    policy: RetryPolicy, fault: Fault, attempt: int, chance: float
) -> None:
    """No wait is negative or beyond the cap, however long an outage lasts."""
    wait = wait_before(policy, fault, attempt=attempt, retry_after=None, rng=Die(chance))
    assert 0 <= wait <= policy.cap
    if fault is Fault.THROTTLED:
        assert wait >= min(policy.cap, policy.throttled_wait) / 2


@given(
    POLICIES,
    st.sampled_from(Fault),
    st.integers(1, 100),
    st.floats(0, 1e6),
    st.floats(0, 1, exclude_max=True),
)
def test_server_is_never_asked_too_early(
    policy: RetryPolicy, fault: Fault, attempt: int, told: float, chance: float
) -> None:
    """The wait is at least what the server asked for, and little more; an hour at most."""
    wait = wait_before(policy, fault, attempt=attempt, retry_after=told, rng=Die(chance))
    assert min(told, 3600.0) <= wait <= min(told + max(0.25, told / 10), 3600.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"attempts": 0},
        {"wait": -1},
        {"throttled_wait": -0.1},
        {"cap": 0},
        {"max_retry_after": -1},
        {"retry_on": None},
        {"retry_on": Fault.THROTTLED},
        {"retry_on": "throttled"},
        {"retry_on": ["throttled"]},
    ],
    ids=str,
)
def test_senseless_policy_is_refused(fields: dict[str, Any]) -> None:
    """A policy that cannot be meant fails where it is made."""
    with pytest.raises(ValueError, match=next(iter(fields))):
        RetryPolicy(**fields)


@pytest.mark.parametrize(
    ("fault", "jitter", "expected"),
    [
        (Fault.NOT_SENT, 1.0, (0.0, 0.4)),
        (Fault.NOT_SENT, 0.5, (0.2, 0.4)),
        (Fault.NOT_SENT, 0.0, (0.4, 0.4)),
        (Fault.THROTTLED, 1.0, (1.0, 2.0)),
        (Fault.THROTTLED, 0.0, (2.0, 2.0)),
    ],
)
def test_jitter_is_the_share_left_to_chance(
    fault: Fault, jitter: float, expected: tuple[float, float]
) -> None:
    """From none of the wait to all of it, and to half of it after push-back."""
    policy = RetryPolicy(jitter=jitter)
    bounds = tuple(
        wait_before(policy, fault, attempt=2, retry_after=None, rng=Die(value))
        for value in (0.0, 1.0)
    )
    assert expected == pytest.approx(bounds)


@pytest.mark.parametrize("jitter", [-0.1, 1.1])
def test_jitter_is_a_share(jitter: float) -> None:
    """Less than nothing or more than all of a wait makes no sense."""
    with pytest.raises(ValueError, match="jitter"):
        RetryPolicy(jitter=jitter)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_processes_wait_for_different_times() -> None:
    """Otherwise all workers of a web server retry in the same instant, jitter or not."""
    program = (
        "import os\n"
        "from cleverreach_async.transport.clock import SYSTEM_RANDOM\n"
        "for _ in range(3):\n"
        "    if not os.fork():\n"
        "        os.write(1, b'%a\\n' % SYSTEM_RANDOM.random())\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)  # noqa: S603 - our own
    assert 3 == len({*ended.stdout.split()})
