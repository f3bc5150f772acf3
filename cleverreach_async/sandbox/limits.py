"""The limits of one account: requests per second, requests at once, and outages."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypedDict

from .faults import Fault

Outage = tuple[float, float]
"""The first second of an outage and the one after its last, counted from the start."""


class LimitOptions(TypedDict, total=False):
    """The arguments of :class:`AccountLimits` except the clock."""

    rate: float | None
    max_in_flight: int | None
    outages: Iterable[Outage]
    retry_after: bool


class LimitHit(NamedTuple):
    """Why a request is refused, and the response.

    Attributes:
        name: ``rate``, ``in_flight`` or ``outage``.
        fault: The response.
    """

    name: str
    fault: Fault


class AccountLimits:
    """How much an account may ask, and when it is out of order; change the values at any time.

    U: no source has numbers of the real API, and none has seen a Retry-After; 429 exists. Limits
    count the same requests as faults: all under /v3 except ping.

    Args:
        clock: Returns the time in unix seconds.
        rate: The most requests per second.
        max_in_flight: The most requests at once.
        outages: When every request gets 503, in seconds since the account was added.
        retry_after: Whether a 429 for the rate says how long to wait.

    Raises:
        ValueError: A limit is not valid.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        rate: float | None = None,
        max_in_flight: int | None = None,
        outages: Iterable[Outage] = (),
        retry_after: bool = False,
    ) -> None:
        self._clock = clock
        self._start = clock()
        self._in_flight = 0
        self._admitted = deque[float]()
        self.rate = rate
        self.max_in_flight = max_in_flight
        self.outages = tuple(outages)
        self.retry_after: bool = retry_after

    @property
    def rate(self) -> float | None:
        """The most requests per second, None for no limit."""
        return self._rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        """Change it."""
        if rate is not None and not 0 < rate < math.inf:
            raise ValueError(f"The rate must be above 0 requests per second, not {rate}")
        self._rate = rate
        self._admitted.clear()

    @property
    def max_in_flight(self) -> int | None:
        """The most requests at once, None for no limit."""
        return self._max_in_flight

    @max_in_flight.setter
    def max_in_flight(self, number: int | None) -> None:
        """Change it."""
        if number is not None and number < 1:
            raise ValueError(f"At least 1 request must be allowed in flight, not {number}")
        self._max_in_flight = number

    @property
    def outages(self) -> tuple[Outage, ...]:
        """The outages, in seconds since the account was added."""
        return self._outages

    @outages.setter
    def outages(self, outages: tuple[Outage, ...]) -> None:
        """Change them."""
        for first, end in outages:
            if not 0 <= first < end:
                raise ValueError(f"An outage must end after its start, not {first:g}:{end:g}")
        self._outages = outages

    @property
    def are_set(self) -> bool:
        """Whether there is any limit."""
        return bool(self._rate or self._max_in_flight or self._outages)

    def enter(self) -> LimitHit | None:
        """Count a request, or return why it is refused; :meth:`leave` must follow in any case."""
        self._in_flight += 1
        now = self._clock()
        if any(first <= now - self._start < end for first, end in self._outages):
            return LimitHit("outage", Fault("status", code=503))
        if self._max_in_flight is not None and self._in_flight > self._max_in_flight:
            return LimitHit("in_flight", Fault("status", code=429))
        if (wait := self._wait(now)) > 0:
            seconds = math.ceil(wait) if self.retry_after else None
            return LimitHit("rate", Fault("status", code=429, retry_after=seconds))
        return None

    def leave(self) -> None:
        """A request has its response, or is refused."""
        self._in_flight -= 1

    def _wait(self, now: float) -> float:
        """Return the seconds until the rate allows a request; 0 admits this one.

        In no second are more requests admitted than the rate; below one per second, one in each
        longer period. What is refused does not count.
        """
        if self._rate is None:
            return 0.0
        most = math.ceil(self._rate)
        period = most / self._rate
        while self._admitted and self._admitted[0] <= now - period:
            self._admitted.popleft()
        if len(self._admitted) < most:
            self._admitted.append(now)
            return 0.0
        return self._admitted[0] + period - now


def parse_outage(spec: str) -> Outage:
    """Parse an outage of a command line: ``10:30`` is from second 10 to second 30.

    Raises:
        ValueError: It is not valid.
    """
    first, _, end = spec.partition(":")
    try:
        outage = float(first), float(end)
    except ValueError:
        outage = 0.0, 0.0
    if not 0 <= outage[0] < outage[1]:
        raise ValueError(
            f"Outage {spec!r} needs a first and a last second with a colon, such as 10:30"
        )
    return outage
