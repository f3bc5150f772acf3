"""When to try again, and after how long: pure decisions, no event loop."""

import enum

import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    CleverReachError,
    InternalServerError,
    RateLimitError,
)
from cleverreach_async.transport.clock import Random

__all__ = [
    "Fault",
    "RetryBudget",
    "RetryPolicy",
    "classify",
    "is_of_another_call",
    "may_repeat",
    "pushes_back",
    "wait_before",
]


class Fault(enum.Enum):
    """What a failure says about the request, which decides whether a repeat is safe."""

    NOT_SENT = "not sent"
    """It surely never reached the server."""
    THROTTLED = "throttled"
    """The server refused it before processing."""
    AMBIGUOUS = "ambiguous"
    """It may have been executed."""


_SERVICE_UNAVAILABLE = 503


def classify(error: CleverReachError) -> Fault | None:
    """Return the kind of fault, or ``None`` for an error that no repeat can mend."""
    if isinstance(error, APIConnectionError):
        return Fault.AMBIGUOUS if error.sent else Fault.NOT_SENT
    if isinstance(error, RateLimitError):
        return Fault.THROTTLED
    if isinstance(error, InternalServerError):
        told_to_wait = error.status_code == _SERVICE_UNAVAILABLE and error.retry_after is not None
        return Fault.THROTTLED if told_to_wait else Fault.AMBIGUOUS
    return None


def is_of_another_call(error: CleverReachError, path: str) -> bool:
    """Whether the error met the call for the token, so that the one of ``path`` was not sent."""
    return getattr(error, "path", "") not in {"", path}


def may_repeat(fault: Fault, *, idempotent: bool) -> bool:
    """Whether sending again cannot execute something twice."""
    return idempotent or fault is not Fault.AMBIGUOUS


def pushes_back(error: CleverReachError) -> bool:
    """Whether the error says that the server, not this request, is in trouble."""
    if isinstance(error, APIStatusError):
        return isinstance(error, RateLimitError) or error.status_code == _SERVICE_UNAVAILABLE
    return isinstance(error, APIConnectionError)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How ordinary calls are retried. Import batches follow the importer's own rules.

    Attributes:
        attempts: Tries in all, the first one included; 1 switches retries off.
        wait: Seconds that the first backoff may last after a passing fault; doubles each time.
        throttled_wait: The same after push-back without ``Retry-After``.
        cap: Longest backoff in seconds.
        jitter: Share of a backoff that is left to chance, 0 to 1. After push-back it is half of
            that, because a wait close to zero would hit a throttled server again.
        retry_on: The kinds of fault that are retried at all; a call that is not idempotent is
            never repeated after an ambiguous one.
        max_retry_after: Longest ``Retry-After`` in seconds that a call sits out; a longer one is
            raised at once, with ``retry_after`` on the error.
    """

    attempts: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    wait: float = attrs.field(default=0.2, validator=attrs.validators.ge(0))
    throttled_wait: float = attrs.field(default=1.0, validator=attrs.validators.ge(0))
    cap: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    jitter: float = attrs.field(
        default=1.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)]
    )
    retry_on: frozenset[Fault] = frozenset(Fault)
    max_retry_after: float = attrs.field(default=60.0, validator=attrs.validators.ge(0))


def wait_before(
    policy: RetryPolicy, fault: Fault, *, attempt: int, retry_after: float | None, rng: Random
) -> float:
    """Seconds to wait before the attempt after ``attempt`` (one-based)."""
    if retry_after is not None:
        return retry_after + rng.random() * max(0.25, retry_after / 10)
    throttled = fault is Fault.THROTTLED
    ceiling = min(
        policy.cap, _growth(attempt) * (policy.throttled_wait if throttled else policy.wait)
    )
    jitter = policy.jitter / 2 if throttled else policy.jitter
    return ceiling * (1 - jitter + rng.random() * jitter)


def _growth(attempt: int) -> float:
    # Any cap is long reached by then, and a float overflows past 2 to the power of 1023.
    return 2.0 ** min(attempt - 1, 64)


_COST = {Fault.THROTTLED: 1.0, Fault.NOT_SENT: 3.0, Fault.AMBIGUOUS: 5.0}


def _capacity(budget: "RetryBudget") -> float:
    return budget.capacity


@attrs.define
class RetryBudget:
    """A token bucket that all retries of one account share, so that an outage is not multiplied.

    Attributes:
        capacity: Most tokens it holds.
        refund: Tokens a success gives back.
        trickle: Tokens per second that come back by themselves.
        level: Tokens left; a new budget is full.
        at: Clock reading of the last change, in seconds.
    """

    capacity: float = 50.0
    refund: float = 0.2
    trickle: float = 0.1
    level: float = attrs.Factory(_capacity, takes_self=True)
    at: float | None = None

    def spend(self, fault: Fault, now: float) -> bool:
        """Take the price of one retry; ``False`` when the budget does not cover it."""
        self._refill(now)
        if self.level < _COST[fault]:
            return False
        self.level -= _COST[fault]
        return True

    def succeeded(self, now: float) -> None:
        """Give back a share for a successful call."""
        self._refill(now)
        self.level = min(self.capacity, self.level + self.refund)

    def _refill(self, now: float) -> None:
        if self.at is not None:
            self.level = min(self.capacity, self.level + max(0.0, now - self.at) * self.trickle)
        self.at = now
