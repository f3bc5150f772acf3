"""The events of an import by time, in bounded memory. Pure, except for the recorder's clock.

Time is divided into equal intervals. If there are too many, each two neighbours are merged, so an
import of a second and one of a week both have at most two thousand points.
"""

import math
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

import attrs

from cleverreach_async.bulk.report import ImportProgress
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.transport import RequestEvent

__all__ = [
    "MAX_POINTS",
    "NO_RESPONSE",
    "Latencies",
    "Point",
    "Timeline",
    "TimelineRecorder",
    "response_class",
]

MAX_POINTS: Final = 2000
FIRST_WIDTH: Final = 0.25
"""Seconds of an interval at first; it doubles, so all boundaries are exact in binary."""

NO_RESPONSE: Final = "no response"

_SHORTEST: Final = 0.001
_GROWTH: Final = math.log(1.04)
_BATCH_CALLS: Final = "/groups/{group_id}/receivers/"


def response_class(status_code: int | None) -> str:
    """Return the class of a response: ``2xx``, ``429``, ``5xx``, ..., ``no response``."""
    if status_code is None:
        return NO_RESPONSE
    if status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return "429"
    return f"{status_code // 100}xx"


@attrs.define
class Latencies:
    """Durations of requests, as a histogram whose classes grow by 4 % each.

    So the error of a quantile is at most 2 %, however many requests there are.

    Attributes:
        longest: The longest, in seconds.
        counts: Number of requests by class.
    """

    longest: float = 0.0
    counts: Counter[int] = attrs.field(factory=Counter[int], init=False)

    @property
    def count(self) -> int:
        """Number of requests."""
        return self.counts.total()

    def add(self, seconds: float) -> None:
        """Add a request."""
        self.longest = max(self.longest, seconds)
        self.counts[math.ceil(math.log(max(seconds, _SHORTEST) / _SHORTEST) / _GROWTH)] += 1

    def merge(self, other: "Latencies") -> None:
        """Add the requests of another histogram."""
        self.longest = max(self.longest, other.longest)
        self.counts.update(other.counts)

    def quantile(self, share: float) -> float | None:
        """Return the seconds within which a share of the requests completed; ``None`` without any.

        Args:
            share: From 0 to 1, such as 0.95.
        """
        rest = max(1, math.ceil(share * self.count))
        for step, count in sorted(self.counts.items()):
            rest -= count
            if rest <= 0:
                middle = _SHORTEST * math.exp(_GROWTH * (step - 0.5))
                return min(middle, self.longest)
        return None


@attrs.define(kw_only=True)
class Point:
    """The events of one interval.

    Attributes:
        start: Seconds from the beginning of the import.
        seconds: Length of the interval.
        rows: Rows that got an outcome.
        responses: Number of requests by class of response.
        latencies: Durations of the requests.
        known_seconds: Seconds of the interval in which the following three were known.
        limit_seconds: Limit of requests in flight, multiplied by its seconds.
        in_flight_seconds: Requests in flight, multiplied by their seconds.
        paused_seconds: Seconds in which the gate was closed.
    """

    start: float
    seconds: float = 0.0
    rows: float = 0.0
    responses: Counter[str] = attrs.field(factory=Counter[str])
    latencies: Latencies = attrs.field(factory=Latencies)
    known_seconds: float = 0.0
    limit_seconds: float = 0.0
    in_flight_seconds: float = 0.0
    paused_seconds: float = 0.0

    @property
    def rows_per_second(self) -> float:
        """Rows per second that got an outcome."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def requests(self) -> int:
        """Requests that got a response or failed."""
        return self.responses.total()

    @property
    def limit(self) -> float | None:
        """Mean limit of requests in flight; ``None`` if unknown."""
        return self.limit_seconds / self.known_seconds if self.known_seconds > 0 else None

    @property
    def in_flight(self) -> float | None:
        """Mean number of requests in flight; ``None`` if unknown."""
        return self.in_flight_seconds / self.known_seconds if self.known_seconds > 0 else None

    @property
    def paused(self) -> float:
        """Share of the interval in which the gate was closed, from 0 to 1."""
        return min(1.0, self.paused_seconds / self.seconds) if self.seconds > 0 else 0.0

    def extend(self, other: "Point") -> None:
        """Add the interval that follows."""
        self.seconds += other.seconds
        self.rows += other.rows
        self.responses.update(other.responses)
        self.latencies.merge(other.latencies)
        self.known_seconds += other.known_seconds
        self.limit_seconds += other.limit_seconds
        self.in_flight_seconds += other.in_flight_seconds
        self.paused_seconds += other.paused_seconds


@attrs.define
class Timeline:
    """The points of an import, made from its events.

    Attributes:
        max_points: Maximum number of points.
        width: Length of an interval in seconds.
        end: Seconds from the beginning to the last event.
    """

    max_points: int = MAX_POINTS
    width: float = attrs.field(default=FIRST_WIDTH, init=False)
    end: float = attrs.field(default=0.0, init=False)
    _points: list[Point] = attrs.field(factory=list[Point], init=False)
    _latest: ImportProgress | None = attrs.field(default=None, init=False)

    def progress(self, event: ImportProgress) -> None:
        """Add a progress event.

        The rows since the event before are spread over the time since, unless that was a pause.
        Limit, requests in flight and pause are assumed not to change until the next event.
        """
        before, self._latest = self._latest, event
        since = before.elapsed if before else 0.0
        rows = event.done - (before.done if before else 0)
        span = event.elapsed - since
        at_once = span <= 0 or (before is not None and before.paused)
        if at_once:
            self._point_at(event.elapsed).rows += rows
        for point, seconds in self._overlaps(since, event.elapsed):
            if not at_once:
                point.rows += rows * seconds / span
            if before is not None:
                point.known_seconds += seconds
                point.limit_seconds += before.limit * seconds
                point.in_flight_seconds += before.in_flight * seconds
                point.paused_seconds += before.paused * seconds

    def request(self, event: RequestEvent, *, at: float) -> None:
        """Add a request.

        Args:
            event: The request.
            at: Seconds from the beginning of the import to the end of the request.
        """
        point = self._point_at(at)
        point.responses[response_class(event.status_code)] += 1
        point.latencies.add(event.elapsed)

    def total(self) -> Point:
        """Return the whole import as one point."""
        whole = Point(start=0.0)
        for point in self.points():
            whole.extend(point)
        return whole

    def points(self, most: int | None = None) -> list[Point]:
        """Return the points in order of time, without gaps.

        Args:
            most: Maximum number of points, reached by merging neighbours; ``None`` for all.
        """
        group = 1
        while most is not None and len(self._points) > most * group:
            group *= 2
        width = self.width * group
        merged: list[Point] = []
        for number, point in enumerate(self._points):
            if number % group == 0:
                merged.append(Point(start=point.start))
            merged[-1].extend(point)
        for point in merged:
            point.seconds = min(width, max(0.0, self.end - point.start))
        if len(merged) > 1 and merged[-1].seconds < width / 2:
            # The averages of a short interval would be outliers.
            last = merged.pop()
            merged[-1].extend(last)
        return merged

    def _point_at(self, seconds: float) -> Point:
        """Return the point of a time, and create it if necessary."""
        seconds = max(0.0, seconds)
        self.end = max(self.end, seconds)
        while seconds // self.width >= self.max_points:
            self._halve()
        number = int(seconds // self.width)
        for missing in range(len(self._points), number + 1):
            self._points.append(Point(start=missing * self.width))
        return self._points[number]

    def _halve(self) -> None:
        """Merge each two neighbours."""
        self.width *= 2
        halved = self._points[::2]
        for point, other in zip(halved, self._points[1::2], strict=False):
            point.extend(other)
        self._points = halved

    def _overlaps(self, start: float, end: float) -> Iterator[tuple[Point, float]]:
        """The points that overlap a period, each with the seconds of the overlap."""
        self._point_at(end)
        for number in range(int(start // self.width), int(end // self.width) + 1):
            point = self._points[number]
            seconds = min(end, point.start + self.width) - max(start, point.start)
            if seconds > 0:
                yield point, seconds


class TimelineRecorder:
    """Adds the events of a running import to a timeline.

    Args:
        timeline: The timeline.
        clock: The client's clock.
    """

    def __init__(self, timeline: Timeline, clock: Clock) -> None:
        self._timeline = timeline
        self._clock = clock
        self._began = clock.monotonic()

    def on_progress(self, progress: ImportProgress) -> None:
        """Add a progress event, from which the beginning of the import is known."""
        self._began = self._clock.monotonic() - progress.elapsed
        self._timeline.progress(progress)

    def on_event(self, event: RequestEvent) -> None:
        """Add a request, unless it is not a batch call."""
        if event.path.startswith(_BATCH_CALLS):
            self._timeline.request(event, at=self._clock.monotonic() - self._began)
