"""How many requests may be on the wire, and how fast rows may go: decisions on plain values.

The server does not say how much it can bear, so :class:`LimitFinder` tries: one request more as
long as that brings more rows through, fewer when the server pushes back. See ``docs/pacing.md``.
"""

from typing import Final, Protocol

import attrs

from cleverreach_async.errors import ConfigurationError

__all__ = ["FixedPacing", "LimitFinder", "Pacing", "RowRate"]

DECREASE: Final = 0.85
"""What is left of the limit after a push-back. Gentle, since it comes once per round trip."""

REOPENING: Final = 0.5
"""What is left of the limit after an outage; all callers come back at the same moment."""

NEED: Final = 0.5
"""The share of its growth that a higher limit must bring in goodput, or it is taken back.

At 0.7 noise passes for a saturated server, at 0.3 a saturated server passes for noise.
"""

SPARE: Final = 0.25
"""The share of its decrease that a lower limit may cost in goodput, or it is taken back.

Less than ``NEED``, so that one and the same slope does not send the limit both up and down.
"""

FAILED_BEFORE_LESS: Final = 3
"""Higher limits in a row that must fail before a lower one is tried.

The first doubling may have gone far beyond what the server bears. After fewer failures than three,
noise leads the limit down on servers that have room.
"""

SLOW_START: Final = 2.0
"""Growth per window until the first sign of a limit."""

GROWTH: Final = 0.1
"""Growth per window afterwards, as a share of the limit and never less than one request."""

LONGEST_HOLD: Final = 8
"""Most windows to wait before growth is tried again. A server that got better is found out."""

LEAST_ANSWERS: Final = 8
"""Fewer say nothing about goodput: a single slow answer would decide."""

ANSWERS_PER_PLACE: Final = 2
"""Answers to wait for per place on the wire, so that each is measured more than once."""

ROUND_TRIPS: Final = 2
"""Least length of a window. The first round trip still carries what the limit before let out."""

GREW: Final = 1.01
"""Limits that differ by less than this factor are the same; nothing was tried."""


class Pacing(Protocol):
    """Decides how many requests may be on the wire, by what becomes of those sent.

    Instants are seconds of one monotonic clock.
    """

    @property
    def limit(self) -> int:
        """Requests that may be on the wire now, at least 1."""
        ...

    def started(self, in_flight: int) -> None:
        """Take note that a request goes out; ``in_flight`` counts it and those out already."""
        ...

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Take note that the server took ``rows`` rows, with a request sent at ``sent_at``."""
        ...

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Take note that the server did not want, or could not take, what was sent at ``sent_at``.

        That is a 429, a 503 or a refused connection. A refusal of the rows themselves is none.
        """
        ...

    def reopened(self, now: float) -> None:
        """Take note that the account's gate was closed and is open again."""
        ...


@attrs.frozen
class FixedPacing:
    """The same limit whatever happens.

    Attributes:
        limit: Requests that may be on the wire.

    Raises:
        ConfigurationError: The limit is below 1.
    """

    limit: int

    def __attrs_post_init__(self) -> None:
        _check_least("limit", self.limit, 1)

    def started(self, in_flight: int) -> None:
        """Do nothing."""

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Do nothing."""

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Do nothing."""

    def reopened(self, now: float) -> None:
        """Do nothing."""


@attrs.define
class _Window:
    """What was measured at one limit.

    Attributes:
        start: Instant it began; ``None`` before the first answer of all, which begins it.
        rows: Rows taken by requests sent since.
        answers: Number of those requests.
        waited: Sum of their round trips in seconds.
        used: Whether the limit was reached, so that the source is not what limits.
    """

    start: float | None = None
    rows: int = 0
    answers: int = 0
    waited: float = 0.0
    used: bool = False

    def add(self, rows: int, sent_at: float, now: float) -> None:
        """Count an answer, unless its request went out before the window began."""
        if self.start is None:
            self.start = sent_at
        if sent_at >= self.start:
            self.rows += rows
            self.answers += 1
            self.waited += now - sent_at

    def goodput(self, now: float, *, limit: int) -> float | None:
        """Rows per second, or ``None`` while there are too few answers to tell."""
        if self.start is None or self.answers < max(ANSWERS_PER_PLACE * limit, LEAST_ANSWERS):
            return None
        length = now - self.start
        if length <= 0 or length < ROUND_TRIPS * self.waited / self.answers:
            return None
        return self.rows / length


@attrs.frozen
class _Trial:
    """A limit and the goodput it brought, in rows per second."""

    limit: float
    goodput: float

    def differs_from(self, before: "_Trial") -> bool:
        """Whether the limits are far enough apart, and rows went through before, to compare."""
        apart = max(self.limit, before.limit) > GREW * min(self.limit, before.limit)
        return apart and before.goodput > 0

    def share_against(self, before: "_Trial") -> float:
        """Relative change of goodput over relative change of limit; 1 when they go together."""
        goodput = (self.goodput - before.goodput) / before.goodput
        return goodput / ((self.limit - before.limit) / before.limit)


class LimitFinder:
    """Finds the limit: additive increase that has to pay, multiplicative decrease.

    A window is measured at each limit. When the limit was used in it, the next one is higher. When
    the higher one brings less than half of its growth in rows per second, the server is saturated
    and the limit goes back, also without any push-back. When that has happened several times in a
    row, lower limits are tried, as long as they cost next to nothing. Goodput judges, not latency:
    how long a batch takes depends on its rows and the server's mood, and an import knows no time
    of rest to compare with.

    Args:
        max_limit: Most requests on the wire.
        first: Limit to begin with; ``max_limit`` when that is lower.

    Raises:
        ConfigurationError: An argument is below 1.
    """

    def __init__(self, max_limit: int = 8, first: int = 2) -> None:
        _check_least("max_limit", max_limit, 1)
        _check_least("first", first, 1)
        self._max = float(max_limit)
        self._estimate = min(float(first), self._max)
        self._double_until = self._max
        self._decreased_at = float("-inf")
        self._window = _Window()
        self._before: _Trial | None = None
        self._failed = 0
        self._hold = 0
        self._next_hold = 1

    @property
    def limit(self) -> int:
        """Requests that may be on the wire now."""
        return int(self._estimate)

    def started(self, in_flight: int) -> None:
        """Remember whether the limit was reached; growth without that would have no evidence."""
        if in_flight >= self.limit:
            self._window.used = True

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Count an answer; with the last one of a window, judge the limit."""
        self._window.add(rows, sent_at, now)
        goodput = self._window.goodput(now, limit=self.limit)
        if goodput is not None:
            tried = self._estimate
            self._judge(_Trial(tried, goodput), used=self._window.used)
            self._window = _Window(now)
            if self._estimate < tried:
                self._decreased_at = now

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Lower the limit, once per round trip.

        What was sent before the last decrease tells of the limit before it.
        """
        if sent_at >= self._decreased_at:
            self._decrease(DECREASE, now)

    def reopened(self, now: float) -> None:
        """Begin again with half of the limit, and go back to it quickly when that goes well."""
        known = self._estimate
        self._decrease(REOPENING, now)
        self._double_until = known

    def _judge(self, trial: _Trial, *, used: bool) -> None:
        if self._hold and self._estimate >= self._double_until:
            self._hold -= 1
            if not self._hold:
                self._before = trial
            return
        before, self._before = self._before, trial
        if not used:
            return
        if before is not None and trial.differs_from(before):
            share = trial.share_against(before)
            higher = trial.limit > before.limit
            if (higher and share < NEED) or (not higher and share > SPARE):
                self._take_back(before, higher=higher)
                return
            if higher:
                self._next_hold, self._failed = 1, 0
        self._move()

    def _take_back(self, before: _Trial, *, higher: bool) -> None:
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
        self._decreased_at = now
        self._failed = 0
        self._window = _Window(now)
        self._stop_growing()

    def _stop_growing(self) -> None:
        """Let windows pass before the next trial, twice as many each time one fails."""
        self._double_until = self._estimate
        self._before = None
        self._hold = max(self._hold, self._next_hold)
        self._next_hold = min(LONGEST_HOLD, 2 * self._next_hold)


class RowRate:
    """Keeps rows below a rate in the long run (the generic cell rate algorithm).

    No more than one reservation passes beyond the rate: time without rows is not saved up.

    Args:
        rows_per_second: Most rows per second.

    Raises:
        ConfigurationError: The rate is not a positive number.
    """

    def __init__(self, rows_per_second: float) -> None:
        if not 0 < rows_per_second < float("inf"):
            raise ConfigurationError(
                f"rows_per_second is {rows_per_second}; it has to be a positive number"
            )
        self._rate = rows_per_second
        self._free_at = float("-inf")

    def reserve(self, rows: int, now: float) -> float:
        """Take the next free place for rows.

        Args:
            rows: Number of rows.
            now: The present instant, in seconds of a monotonic clock.

        Returns:
            Seconds to wait before these rows may go.
        """
        goes_at = max(self._free_at, now)
        self._free_at = goes_at + rows / self._rate
        return goes_at - now


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigurationError(f"{name} is {value}; it has to be at least {least}")
