"""What a failed attempt means, and when to try again: pure decisions, no event loop."""

import enum
from http import HTTPStatus
from typing import Any, Final

import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    CleverReachError,
    ConfigurationError,
    ConflictError,
    InternalServerError,
    PayloadTooLargeError,
    RateLimitError,
    TokenStoreError,
    UnprocessableEntityError,
)
from cleverreach_async.transport.clock import Random
from cleverreach_async.transport.numbers import check_above_zero, check_number

__all__ = [
    "MAX_PAUSE",
    "Diagnosis",
    "Fault",
    "RetryBudget",
    "RetryPolicy",
    "UnusableStoreError",
    "diagnose",
    "wait_before",
]

MAX_PAUSE: Final = 3600.0
"""Seconds. A longer ``Retry-After`` is a mistake of the server, which is soon well again."""


class Fault(enum.Enum):
    """Kind of a temporary failure, which decides whether a retry is safe."""

    NOT_SENT = "not sent"
    """The request did not reach the server."""
    THROTTLED = "throttled"
    """The server refused the request before processing it."""
    AMBIGUOUS = "ambiguous"
    """The server may have executed the request."""


@attrs.frozen(kw_only=True)
class Diagnosis:
    """What one failed attempt means for the request, the account and an import.

    Attributes:
        fault: Kind of a temporary failure; ``None`` for an error that no retry can fix.
        in_token_call: Whether the call for a token failed, so that the request itself was not sent.
        closes_gate: Whether the server, not this request, is in trouble, so that all calls of the
            account should wait.
        lowers_limit: Whether fewer requests should be in flight.
        body_too_large: Whether a smaller body may be accepted.
        batch_refused: Whether the request was refused as a whole, though parts of it may be valid.
        server_error: Whether the server failed on this request, perhaps because of its content.
        retry_after: Seconds the server asked to wait, or ``None``.
    """

    fault: Fault | None = None
    in_token_call: bool = False
    closes_gate: bool = False
    lowers_limit: bool = False
    body_too_large: bool = False
    batch_refused: bool = False
    server_error: bool = False
    retry_after: float | None = None

    @property
    def perhaps_executed(self) -> bool:
        """Whether the server may have executed the request."""
        return self.fault is Fault.AMBIGUOUS and not self.in_token_call

    @property
    def stops_import(self) -> bool:
        """Whether no batch can succeed: wrong credentials, missing rights, an unknown group."""
        return self.fault is None and not (self.body_too_large or self.batch_refused)

    def may_repeat(self, *, idempotent: bool) -> bool:
        """Whether a retry can succeed without executing the request twice.

        Args:
            idempotent: Whether executing the request twice does no harm.
        """
        return self.fault is not None and (idempotent or self.fault is not Fault.AMBIGUOUS)


class UnusableStoreError(TokenStoreError):
    """A store of tokens refuses what it is asked, such as for a wrong password; waiting is useless.

    It is not raised where a token is saved: a new one must not get lost while somebody mends that.
    """


_AMBIGUOUS: Final = Diagnosis(fault=Fault.AMBIGUOUS, server_error=True)
_THROTTLED: Final = Diagnosis(fault=Fault.THROTTLED, closes_gate=True, lowers_limit=True)
# A new token that could not be saved is saved by the next attempt.
_NO_STORE: Final = Diagnosis(fault=Fault.NOT_SENT, in_token_call=True)
_NO_USE: Final = Diagnosis(in_token_call=True)
_REFUSED: Final = Diagnosis(batch_refused=True)
_FINAL: Final = Diagnosis()

_BY_CLASS: Final[tuple[tuple[type[CleverReachError], Diagnosis], ...]] = (
    (UnusableStoreError, _NO_USE),
    (TokenStoreError, _NO_STORE),
    (RateLimitError, _THROTTLED),
    (InternalServerError, _AMBIGUOUS),
    (PayloadTooLargeError, Diagnosis(body_too_large=True)),
    (BadRequestError, _REFUSED),
    (ConflictError, _REFUSED),
    (UnprocessableEntityError, _REFUSED),
)
_UNAVAILABLE: Final = Diagnosis(fault=Fault.AMBIGUOUS, closes_gate=True, lowers_limit=True)
_NOT_SENT: Final = Diagnosis(fault=Fault.NOT_SENT, closes_gate=True, lowers_limit=True)
# A single lost response says nothing about how many requests the server can handle.
_LOST: Final = Diagnosis(fault=Fault.AMBIGUOUS, closes_gate=True)


def diagnose(error: CleverReachError, path: str) -> Diagnosis:
    """Return what an error means.

    Args:
        error: The error of one attempt.
        path: Path template of the call that failed.
    """
    diagnosis = _diagnose(error)
    retry_after: float | None = getattr(error, "retry_after", None)
    # The call for a token runs inside other calls, and its errors name its own path.
    in_token_call = getattr(error, "path", "") not in {"", path}
    if retry_after is None and not in_token_call:
        return diagnosis
    return attrs.evolve(diagnosis, retry_after=retry_after, in_token_call=in_token_call)


def _diagnose(error: CleverReachError) -> Diagnosis:
    if isinstance(error, APIConnectionError):
        return _LOST if error.sent else _NOT_SENT
    if isinstance(error, APIStatusError):
        if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            # With Retry-After the server says that it did not process the request.
            return _UNAVAILABLE if error.retry_after is None else _THROTTLED
        if error.status_code == HTTPStatus.OK:
            return _REFUSED  # the response says that the call failed, not why
    return next((found for kind, found in _BY_CLASS if isinstance(error, kind)), _FINAL)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How ordinary calls are retried. Import batches follow the importer's own rules.

    Attributes:
        attempts: Number of attempts, including the first one; 1 disables retries.
        wait: Longest first backoff in seconds after a temporary failure; doubles each time.
        throttled_wait: The same when the server throttles without ``Retry-After``.
        cap: Longest backoff in seconds.
        jitter: Random share of a backoff, 0 to 1. When the server throttles it is half of that,
            because a wait close to zero would hit a throttled server again.
        retry_on: The kinds of failure that are retried at all; a call that is not idempotent is
            never retried after an ambiguous one.
        max_retry_after: Longest ``Retry-After`` in seconds that a call waits for; a longer one is
            raised immediately, with ``retry_after`` on the error.
        max_pause: Longest time in seconds for which a ``Retry-After`` pauses all calls of the
            account. After it one call is tried, whatever the server asked for.

    Raises:
        ConfigurationError: One is out of range.
    """

    attempts: int = 4
    wait: float = 0.2
    throttled_wait: float = 1.0
    cap: float = 30.0
    jitter: float = 1.0
    retry_on: frozenset[Fault] = frozenset(Fault)
    max_retry_after: float = 60.0
    max_pause: float = MAX_PAUSE

    def __attrs_post_init__(self) -> None:
        check_number("attempts", self.attempts, least=1)
        check_number("jitter", self.jitter, most=1, whole=False)
        for name in ("wait", "throttled_wait", "max_retry_after"):
            check_number(name, getattr(self, name), whole=False)
        for name in ("cap", "max_pause"):
            check_above_zero(name, getattr(self, name), "number of seconds", may_be_infinite=True)
        kinds: Any = self.retry_on
        is_set = issubclass(kinds.__class__, set | frozenset | list | tuple)
        if not is_set or not all(isinstance(kind, Fault) for kind in kinds):
            raise ConfigurationError("retry_on is no set of Fault, such as {Fault.THROTTLED}")


def wait_before(
    policy: RetryPolicy, fault: Fault, *, attempt: int, retry_after: float | None, rng: Random
) -> float:
    """Return the seconds to wait before the next attempt.

    Args:
        policy: Length of the waits.
        fault: Kind of the failure.
        attempt: One-based number of the attempt that failed.
        retry_after: Seconds the server asked to wait, or ``None``.
        rng: Source of jitter.
    """
    if retry_after is not None:
        return min(retry_after + rng.random() * max(0.25, retry_after / 10), policy.max_pause)
    throttled = fault is Fault.THROTTLED
    ceiling = min(
        policy.cap, _growth(attempt) * (policy.throttled_wait if throttled else policy.wait)
    )
    jitter = policy.jitter / 2 if throttled else policy.jitter
    return ceiling * (1 - jitter + rng.random() * jitter)


def _growth(attempt: int) -> float:
    # The cap is reached long before, and a float overflows past 2 to the power of 1023.
    return 2.0 ** min(attempt - 1, 64)


_COST: Final = {None: 1.0, Fault.THROTTLED: 1.0, Fault.NOT_SENT: 3.0, Fault.AMBIGUOUS: 5.0}


def _capacity(budget: "RetryBudget") -> float:
    return budget.capacity


@attrs.define
class RetryBudget:
    """A token bucket that all retries of one account share, so that they do not multiply an outage.

    Attributes:
        capacity: Most tokens it holds.
        refund: Tokens returned by a successful call.
        trickle: Tokens per second that return over time.
        level: Tokens left; a new budget is full.
        at: Clock reading of the last change, in seconds.
    """

    capacity: float = 50.0
    refund: float = 0.2
    trickle: float = 0.1
    level: float = attrs.Factory(_capacity, takes_self=True)
    at: float | None = None

    def spend(self, diagnosis: Diagnosis, now: float) -> bool:
        """Pay for one retry.

        Args:
            diagnosis: Why the call is retried; the riskier a retry, the higher its price.
            now: Clock reading in seconds.

        Returns:
            ``False``, and nothing is taken, when too few tokens are left.
        """
        self._refill(now)
        cost = _COST[diagnosis.fault]
        if self.level < cost:
            return False
        self.level -= cost
        return True

    @property
    def is_full(self) -> bool:
        """Whether nothing was spent lately."""
        return self.level >= self.capacity

    def succeeded(self, now: float) -> None:
        """Return a share of a token for a successful call. A full budget need not be told."""
        self._refill(now)
        self.level = min(self.capacity, self.level + self.refund)

    def _refill(self, now: float) -> None:
        if self.at is not None:
            self.level = min(self.capacity, self.level + max(0.0, now - self.at) * self.trickle)
        self.at = now
