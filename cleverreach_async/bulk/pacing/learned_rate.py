"""How many requests per second a server takes, learned from its refusals: a pure decision.

See ``docs/pacing.md``.
"""

from math import sqrt
from typing import Final

import attrs

__all__ = ["LearnedRate"]

DEPTH: Final = 0.1
"""How far below the rate of the last refusal the next attempt begins, as a share of it."""

FIRST_PERIOD: Final = 4.0
"""Seconds from a refusal until the rate is what it was then. Short, because it is a guess yet."""

LONGEST_PERIOD: Final = 20.0
"""The same after several refusals. Each costs a pause, so they must be rare."""

LOWEST: Final = 0.25
"""Lowest rate that one refusal leads to, as a share of what was tried."""

LEAST_SECONDS: Final = 0.001
"""Shorter times are not measured."""

LEAST_ACCEPTED: Final = 8
"""Fewer accepted requests between two refusals say nothing about a rate."""

GAIN: Final = 0.5
"""Share of its refusals that must remain at most when a rate is kept, or it is chance."""

SAMPLE: Final = 4
"""Refusals to count before a rate is judged, and at first before another is learned."""

LARGEST_SAMPLE: Final = 32
"""Most refusals to count before a rate is learned again, so that a later limit is found."""

LEAST_SHARE: Final = 0.01
"""What counts as few refusals. A limit may begin after an hour without any."""


@attrs.define
class _Tally:
    """Answers of one stage.

    Attributes:
        accepted: Requests that were accepted.
        refused: Requests that were refused.
    """

    accepted: int = 0
    refused: int = 0

    @property
    def share(self) -> float:
        """Share of the requests that were refused."""
        return self.refused / max(1, self.accepted + self.refused)


@attrs.define
class _Stretch:
    """Requests accepted since the last refusal.

    Attributes:
        start: Clock reading at its start; ``None`` before the first response of all.
        accepted: Number of the requests.
        waited: Sum of their round trips in seconds.
    """

    start: float | None = None
    accepted: int = 0
    waited: float = 0.0


class LearnedRate:
    """Learns a rate from refusals, tries a higher one, and forgets one that does not help.

    A rate is learned at a refusal that the number of requests in flight does not explain. The true
    limit lies between what was accepted per second and what was tried, since a server lets a burst
    pass; the geometric mean of both is close. The rate begins a tenth below, returns in a period,
    and then grows faster and faster until the next refusal: a cubic curve, flat where the limit is.

    Refusals by chance do not get rarer at a lower rate. A rate that does not halve the share of
    refusals is forgotten, and each time more refusals are awaited before another is learned.
    """

    def __init__(self) -> None:
        self._mean: float | None = None
        self._since = float("-inf")
        self._period = FIRST_PERIOD
        self._free_at = float("-inf")
        self._delays = False
        self._stretch = _Stretch()
        self._without, self._with = _Tally(), _Tally()
        self._skip = 0
        self._sample = SAMPLE

    def per_second(self, now: float) -> float | None:
        """Most requests per second now; ``None`` while none is known."""
        if self._mean is None:
            return None
        return self._mean * (1 + DEPTH * ((now - self._since) / self._period - 1) ** 3)

    def reserve(self, now: float) -> float:
        """Reserve the next free turn; returns the seconds to wait for it."""
        rate = self.per_second(now)
        if rate is None:
            return 0.0
        starts_at = max(self._free_at, now)
        self._free_at = starts_at + 1 / rate
        self._delays = self._delays or starts_at > now
        return starts_at - now

    def succeeded(self, *, sent_at: float, now: float) -> None:
        """Count an accepted request."""
        stretch = self._stretch
        if stretch.start is None:
            stretch.start = sent_at
        stretch.accepted += 1
        stretch.waited += now - sent_at
        (self._without if self._mean is None else self._with).accepted += 1

    def refused(self, *, in_flight: int, now: float) -> None:
        """Learn from a refusal that the number of requests in flight does not explain.

        Args:
            in_flight: Requests that were in flight.
            now: Clock reading in seconds.
        """
        if self._mean is None:
            self._without.refused += 1
        if self._stretch.accepted < LEAST_ACCEPTED:
            return  # with a rate, requests refused at the same moment count once
        if self._mean is not None:
            self._with.refused += 1
        if self._skip:
            self._skip -= 1
        elif self._is_chance():
            self._forget()
        else:
            self._learn(in_flight, now)
        self.restart(now)

    def restart(self, now: float) -> None:
        """Measure anew."""
        self._stretch = _Stretch(now)

    def reopened(self, now: float) -> None:
        """Do not grow because of the time in which the account's gate was closed."""
        self._since = now

    def _learn(self, in_flight: int, now: float) -> None:
        stretch = self._stretch
        tried = self.per_second(now)
        if tried is None or not self._delays:
            # No rate was in force, only the number of requests in flight.
            tried = in_flight * stretch.accepted / max(stretch.waited, LEAST_SECONDS)
            self._period = FIRST_PERIOD
            self._with = _Tally()
        else:
            self._period = min(LONGEST_PERIOD, 2 * self._period)
        start = now if stretch.start is None else stretch.start
        accepted = stretch.accepted / max(now - start, LEAST_SECONDS)
        # An idle source or an outage is no limit.
        self._mean = sqrt(tried * min(max(accepted, tried * LOWEST**2), tried))
        self._since = now
        self._delays = False

    def _is_chance(self) -> bool:
        """Whether refusals are about as frequent with a rate as without one."""
        if self._with.refused < SAMPLE:
            return False
        return self._with.share > GAIN * max(self._without.share, LEAST_SHARE)

    def _forget(self) -> None:
        self._mean = None
        self._without, self._with = _Tally(), _Tally()
        self._skip = self._sample
        self._sample = min(LARGEST_SAMPLE, 2 * self._sample)
