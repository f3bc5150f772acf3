"""How many requests may be in flight: pure decisions.

The server does not say how many requests it can handle, so :class:`AdaptiveLimit` tries: one more
as long as that increases the throughput, fewer when the server throttles, and fewer per second when
that is what it limits. See ``docs/pacing.md``.
"""

from typing import Final, Protocol

import attrs

from cleverreach_async.bulk.pacing.learned_rate import LearnedRate
from cleverreach_async.transport.numbers import check_number

__all__ = ["AdaptiveLimit", "ConcurrencyLimit", "FixedLimit"]

DECREASE: Final = 0.85
"""Factor of the limit after push-back. Close to 1, since it applies once per round trip."""

REOPENING: Final = 0.5
"""Factor of the limit after an outage, when all requests resume at the same moment."""

NEED: Final = 0.5
"""Share of its growth that a higher limit must gain in goodput, or it is reverted.

At 0.7 noise looks like a saturated server, at 0.3 a saturated server looks like noise.
"""

SPARE: Final = 0.25
"""Share of its decrease that a lower limit may lose in goodput, or it is reverted.

Less than ``NEED``, so that the same slope does not move the limit both up and down.
"""

FAILED_BEFORE_LESS: Final = 3
"""Higher limits in a row that must fail before a lower one is tried.

The first doubling may have gone far beyond what the server can handle. With fewer failures than
three, noise lowers the limit on servers that could handle more.
"""

SLOW_START: Final = 2.0
"""Growth per measurement until the first sign of a limit."""

GROWTH: Final = 0.1
"""Growth per measurement afterwards, as a share of the limit, at least one request."""

MOST_SKIPPED: Final = 8
"""Most measurements to wait before growth is tried again, to detect a server that recovered."""

LEAST_RESPONSES: Final = 8
"""Fewer responses say nothing about goodput: a single slow one would decide."""

RESPONSES_PER_REQUEST: Final = 2
"""Responses to wait for per request in flight, so that each slot is measured more than once."""

ROUND_TRIPS: Final = 2
"""Least length of a measurement. Its first round trip still contains earlier requests."""

LEAST_TO_EXCUSE: Final = 2
"""Fewest requests that must be accepted at a limit before it is no reason for a refusal.

Otherwise it is as many as the limit: a server that handles one less refuses one in each round.
"""

MOST_EXCUSED: Final = 4
"""Most refusals in a row of which the limit is no reason, however many requests were accepted."""

GREW: Final = 1.01
"""Limits that differ by less than this factor count as equal; nothing was tried."""


class ConcurrencyLimit(Protocol):
    """Decides how many requests may be in flight, by the results of earlier ones.

    Times are seconds of one monotonic clock.
    """

    @property
    def limit(self) -> int:
        """Requests that may be in flight now, at least 1."""
        ...

    def reserve(self, now: float) -> float:
        """Reserve the turn of a request; returns the seconds to wait before it is sent."""
        ...

    def started(self, in_flight: int) -> None:
        """Record that a request is sent; ``in_flight`` includes it."""
        ...

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Record that the server accepted ``rows`` rows, in a request sent at ``sent_at``."""
        ...

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Record that the server could not handle the request sent at ``sent_at``.

        That is a 429, a 503 or a refused connection, not a refusal of the rows themselves.
        """
        ...

    def reopened(self, now: float) -> None:
        """Record that the account's gate was closed and is open again."""
        ...


@attrs.frozen
class FixedLimit:
    """A constant limit.

    Attributes:
        limit: Requests that may be in flight.

    Raises:
        ConfigurationError: The limit is below 1.
    """

    limit: int

    def __attrs_post_init__(self) -> None:
        check_number("limit", self.limit, least=1)

    def reserve(self, now: float) -> float:  # noqa: ARG002 - of the protocol
        """Return 0: there is no rate."""
        return 0.0

    def started(self, in_flight: int) -> None:
        """Do nothing."""

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Do nothing."""

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Do nothing."""

    def reopened(self, now: float) -> None:
        """Do nothing."""


@attrs.define
class _Measurement:
    """What was measured at one limit.

    Attributes:
        start: Clock reading at its start; ``None`` before the first response of all.
        rows: Rows accepted by requests sent since.
        responses: Number of those requests.
        waited: Sum of their round trips in seconds.
        used: Whether the limit was reached, so that the source is not the bottleneck.
    """

    start: float | None = None
    rows: int = 0
    responses: int = 0
    waited: float = 0.0
    used: bool = False

    def add(self, rows: int, sent_at: float, now: float) -> None:
        """Count a response, unless its request was sent before the start."""
        if self.start is None:
            self.start = sent_at
        if sent_at >= self.start:
            self.rows += rows
            self.responses += 1
            self.waited += now - sent_at

    def goodput(self, now: float, *, limit: int) -> float | None:
        """Rows per second, or ``None`` while there are too few responses to know."""
        if self.start is None or self.responses < max(
            RESPONSES_PER_REQUEST * limit, LEAST_RESPONSES
        ):
            return None
        length = now - self.start
        if length <= 0 or length < ROUND_TRIPS * self.waited / self.responses:
            return None
        return self.rows / length


@attrs.frozen
class _Trial:
    """A limit and its goodput in rows per second."""

    limit: float
    goodput: float

    def differs_from(self, before: "_Trial") -> bool:
        """Whether the limits differ enough, and there was goodput before, to compare them."""
        apart = max(self.limit, before.limit) > GREW * min(self.limit, before.limit)
        return apart and before.goodput > 0

    def share_against(self, before: "_Trial") -> float:
        """Relative change of goodput over relative change of limit; 1 if they are proportional."""
        goodput = (self.goodput - before.goodput) / before.goodput
        return goodput / ((self.limit - before.limit) / before.limit)


class AdaptiveLimit:
    """Searches the limit: additive increase that has to pay off, multiplicative decrease.

    Goodput is measured at each limit. If the limit was used, the next one is higher. If the higher
    one gains less than half of its growth in rows per second, the server is saturated and the limit
    is reverted, also without any push-back. After several such failures in a row lower limits are
    tried, as long as they lose almost nothing. Goodput decides, not latency: how long a batch takes
    depends on its rows and on the server's load, and an import has no idle time to compare with.

    A refusal lowers the limit if the limit is new. If as many requests as the limit were accepted
    at it, something else is the reason: a rate, which is learned, or chance.

    Args:
        max_limit: Most requests in flight.
        first: First limit; ``max_limit`` if that is lower.

    Raises:
        ConfigurationError: An argument is below 1.
    """

    def __init__(self, max_limit: int = 8, first: int = 2) -> None:
        check_number("max_limit", max_limit, least=1)
        check_number("first", first, least=1)
        self._max = float(max_limit)
        self._estimate = min(float(first), self._max)
        self._double_until = self._max
        self._rate = LearnedRate()
        self._handled = 0
        self._changed_at = float("-inf")
        self._is_reason = True
        self._measurement = _Measurement()
        self._before: _Trial | None = None
        self._failed = 0
        self._skip = 0
        self._next_skip = 1

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return int(self._estimate)

    def reserve(self, now: float) -> float:
        """Reserve the next turn in the learned rate; returns the seconds to wait for it."""
        return self._rate.reserve(now)

    def started(self, in_flight: int) -> None:
        """Record whether the limit was reached; without that a higher one has no evidence."""
        if in_flight >= self.limit:
            self._measurement.used = True

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Count a response; with the last one of a measurement, evaluate the limit."""
        self._rate.succeeded(sent_at=sent_at, now=now)
        if sent_at >= self._changed_at:
            self._handled = min(self._handled + 1, MOST_EXCUSED * self._excuse)
        self._measurement.add(rows, sent_at, now)
        goodput = self._measurement.goodput(now, limit=self.limit)
        if goodput is not None:
            tried, limit = self._estimate, self.limit
            self._evaluate(_Trial(tried, goodput), used=self._measurement.used)
            self._measurement = _Measurement(now)
            if self.limit != limit:
                self._handled, self._changed_at = 0, now

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Lower the limit once per round trip, or learn a rate if the limit is not the reason.

        Requests sent before the last decrease say something about the earlier limit only.
        """
        if sent_at < self._changed_at:
            return
        self._is_reason = self._handled < self._excuse
        if self._is_reason:
            self._rate.restart(now)
            self._decrease(DECREASE, now)
        else:
            self._handled -= self._excuse
            self._rate.refused(in_flight=self.limit, now=now)

    def reopened(self, now: float) -> None:
        """Continue with half of the limit, and return to it quickly if that succeeds.

        Not if the limit was not the reason for the pause.
        """
        self._rate.reopened(now)
        if self._is_reason:
            known = self._estimate
            self._decrease(REOPENING, now)
            self._double_until = known
        self._is_reason = True

    @property
    def _excuse(self) -> int:
        """Requests that must have been accepted at this limit to excuse one refusal."""
        return max(LEAST_TO_EXCUSE, self.limit)

    def _evaluate(self, trial: _Trial, *, used: bool) -> None:
        if self._skip and self._estimate >= self._double_until:
            self._skip -= 1
            if not self._skip:
                self._before = trial
            return
        before, self._before = self._before, trial
        if not used:
            return
        if before is not None and trial.differs_from(before):
            share = trial.share_against(before)
            higher = trial.limit > before.limit
            if (higher and share < NEED) or (not higher and share > SPARE):
                self._revert(before, higher=higher)
                return
            if higher:
                self._next_skip, self._failed = 1, 0
        self._move()

    def _revert(self, before: _Trial, *, higher: bool) -> None:
        self._failed = self._failed + 1 if higher else 0
        self._estimate = before.limit
        self._stop_growing()

    def _move(self) -> None:
        """Go to the next limit to try."""
        step = max(1.0, GROWTH * self._estimate)
        if self._estimate < self._double_until:
            self._estimate = min(self._estimate * SLOW_START, self._double_until)
        elif self._failed >= FAILED_BEFORE_LESS and self._estimate > 1:
            self._estimate = self._double_until = max(1.0, self._estimate - step)
        else:
            self._estimate = min(self._estimate + step, self._max)

    def _decrease(self, factor: float, now: float) -> None:
        self._estimate = max(1.0, self._estimate * factor)
        self._changed_at = now
        self._handled = 0
        self._failed = 0
        self._measurement = _Measurement(now)
        self._stop_growing()

    def _stop_growing(self) -> None:
        """Skip measurements before the next trial, twice as many each time one fails."""
        self._double_until = self._estimate
        self._before = None
        self._skip = max(self._skip, self._next_skip)
        self._next_skip = min(MOST_SKIPPED, 2 * self._next_skip)
