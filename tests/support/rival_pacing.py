"""Concurrency limits of other projects, reimplemented from their published rules and defaults.

They implement the same protocol as our limit, and use the arguments that their rule needs. Floor
and ceiling are those of the simulation: with a floor of 20, which one of them has, a server for
eight requests would always be overloaded.
"""

from typing import Final

import attrs

__all__ = ["Gradient2", "NetflixAimd", "VectorArc"]

FLOOR: Final = 1


@attrs.define
class NetflixAimd:
    """Grows by one per response, shrinks by 10 % per drop; a response after 5 s is a drop too."""

    ceiling: int
    limit: int = 10
    in_flight: int = 0

    def reserve(self, now: float) -> float:
        """Return 0: the rule has no rate."""
        return 0.0

    def started(self, in_flight: int) -> None:
        """Store how many requests are in flight."""
        self.in_flight = in_flight

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Grow by one if at least half of the limit is used."""
        if now - sent_at > 5.0:
            self.pushed_back(sent_at=sent_at, now=now)
        elif self.in_flight * 2 >= self.limit:
            self.limit = min(self.ceiling, self.limit + 1)

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Shrink by 10 %, at least by one."""
        self.limit = max(FLOOR, min(self.limit - 1, int(self.limit * 0.9)))

    def reopened(self, now: float) -> None:
        """Do nothing: the rule has no gate."""


@attrs.define
class Gradient2:
    """The limit follows the ratio of a long average of round trips to the last one."""

    ceiling: int
    estimate: float = 20.0
    in_flight: int = 0
    long_rtt: float = 0.0
    samples: int = 0

    @property
    def limit(self) -> int:
        """The estimate, rounded down."""
        return int(self.estimate)

    def reserve(self, now: float) -> float:
        """Return 0: the rule has no rate."""
        return 0.0

    def started(self, in_flight: int) -> None:
        """Store how many requests are in flight."""
        self.in_flight = in_flight

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Shrink by the gradient, add room for a queue of four, smooth by a fifth."""
        rtt = now - sent_at
        self.samples += 1
        weight = 1 / self.samples if self.samples <= 10 else 2 / 601
        self.long_rtt += weight * (rtt - self.long_rtt)
        if self.long_rtt > 2 * rtt:
            self.long_rtt *= 0.9
        if self.in_flight < self.estimate / 2:
            return
        gradient = max(0.5, min(1.0, 1.5 * self.long_rtt / rtt))
        aim = self.estimate * gradient + 4
        self.estimate = min(float(self.ceiling), max(FLOOR, 0.8 * self.estimate + 0.2 * aim))

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Do nothing: the rule uses only round trips."""

    def reopened(self, now: float) -> None:
        """Do nothing: the rule has no gate."""


@attrs.define
class VectorArc:
    """Per mean round trip: grows by one if not slower than usual, shrinks by 10 % if slower."""

    ceiling: int
    limit: int = 1
    mean: float | None = None
    variance: float = 0.0
    next_update: float = 0.0
    round_trips: list[float] = attrs.field(factory=list[float])
    pushed: bool = False
    reached: bool = False

    def reserve(self, now: float) -> float:
        """Return 0: the rule has no rate."""
        return 0.0

    def started(self, in_flight: int) -> None:
        """Store whether the limit was reached."""
        self.reached = self.reached or in_flight >= self.limit

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Add a round trip."""
        self.round_trips.append(now - sent_at)
        self._update(now)

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Store the push-back until the end of the interval."""
        self.pushed = True
        self._update(now)

    def reopened(self, now: float) -> None:
        """Do nothing: the rule has no gate."""

    def _update(self, now: float) -> None:
        trips = self.round_trips
        current = sum(trips) / len(trips) if trips else None
        if self.mean is None:
            if current is not None:
                self.mean = current
                self.next_update = now + current
            return
        if now < self.next_update:
            return
        self._move(current, self.mean)
        if current is not None:
            # Exponentially weighted mean and variance, alpha 0.4.
            step = 0.4 * (current - self.mean)
            self.variance = 0.6 * (self.variance + (current - self.mean) * step)
            self.mean += step
        self.next_update = now + self.mean
        self.round_trips, self.pushed, self.reached = [], False, False

    def _move(self, current: float | None, mean: float) -> None:
        quick = current is not None and current <= mean
        slow = (current or 0.0) >= mean + 2.5 * self.variance**0.5
        if self.limit < self.ceiling and self.reached and not self.pushed and quick:
            self.limit += 1
        elif self.limit > FLOOR and (self.pushed or slow):
            self.limit = max(FLOOR, int(self.limit * 0.9))
