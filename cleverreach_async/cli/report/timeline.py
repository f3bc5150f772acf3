"""What happened when during an import, in bounded memory. Pure, but for the recorder's clock.

Time is cut into equal stretches. When they become too many, each two neighbours become one, so a
run of a second and a run of a week are both a few hundred to two thousand points.
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

__all__ = ["MOST_POINTS", "Latencies", "Point", "Recorder", "Timeline", "answer_class"]

MOST_POINTS: Final = 2000
FIRST_WIDTH: Final = 0.25
"""Seconds of a stretch at first; they double, so all boundaries are exact in binary."""

_SHORTEST: Final = 0.001
_GROWTH: Final = math.log(1.04)
_BATCH_CALLS: Final = "/groups/{group_id}/receivers/"


def answer_class(status_code: int | None) -> str:
    """Return the class of an answer: ``2xx``, ``429``, ``5xx``, ..., ``no answer``."""
    if status_code is None:
        return "no answer"
    if status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return "429"
    return f"{status_code // 100}xx"


@attrs.define
class Latencies:
    """Seconds that requests took, as a histogram whose classes grow by 4 % each.

    So a quantile is off by 2 % at most, however many requests there were.

    Attributes:
        longest: The longest, exactly.
        counts: How many requests by class.
    """

    longest: float = 0.0
    counts: Counter[int] = attrs.field(factory=Counter[int], init=False)

    @property
    def count(self) -> int:
        """How many requests."""
        return self.counts.total()

    def add(self, seconds: float) -> None:
        """Count a request."""
        self.longest = max(self.longest, seconds)
        self.counts[math.ceil(math.log(max(seconds, _SHORTEST) / _SHORTEST) / _GROWTH)] += 1

    def merge(self, other: "Latencies") -> None:
        """Count the requests of another histogram too."""
        self.longest = max(self.longest, other.longest)
        self.counts.update(other.counts)

    def quantile(self, share: float) -> float | None:
        """Return the seconds that a share of the requests took at most; ``None`` without any.

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
    """What happened in one stretch of time.

    Attributes:
        start: Seconds from the beginning of the import.
        seconds: Length of the stretch.
        rows: Rows that arrived at their outcome.
        answers: Number of requests by class of answer.
        latencies: How long the requests took.
        watched: Seconds of the stretch in which the following three were known.
        limit_seconds: The limit of requests, times the seconds it stood.
        in_flight_seconds: The requests on the wire, times the seconds they were.
        paused_seconds: Seconds in which the gate was closed.
    """

    start: float
    seconds: float = 0.0
    rows: float = 0.0
    answers: Counter[str] = attrs.field(factory=Counter[str])
    latencies: Latencies = attrs.field(factory=Latencies)
    watched: float = 0.0
    limit_seconds: float = 0.0
    in_flight_seconds: float = 0.0
    paused_seconds: float = 0.0

    @property
    def rows_per_second(self) -> float:
        """Rows that arrived at their outcome per second."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def requests(self) -> int:
        """Requests answered, or given up."""
        return self.answers.total()

    @property
    def limit(self) -> float | None:
        """Mean limit of requests on the wire; ``None`` if nothing was told of it."""
        return self.limit_seconds / self.watched if self.watched > 0 else None

    @property
    def in_flight(self) -> float | None:
        """Mean number of requests on the wire; ``None`` if nothing was told of it."""
        return self.in_flight_seconds / self.watched if self.watched > 0 else None

    @property
    def paused(self) -> float:
        """Share of the stretch in which the gate was closed, from 0 to 1."""
        return min(1.0, self.paused_seconds / self.seconds) if self.seconds > 0 else 0.0

    def absorb(self, other: "Point") -> None:
        """Take in the stretch that follows."""
        self.seconds += other.seconds
        self.rows += other.rows
        self.answers.update(other.answers)
        self.latencies.merge(other.latencies)
        self.watched += other.watched
        self.limit_seconds += other.limit_seconds
        self.in_flight_seconds += other.in_flight_seconds
        self.paused_seconds += other.paused_seconds


@attrs.define
class Timeline:
    """Points of an import, gathered from its events.

    Attributes:
        most: Most points that are kept.
        width: Seconds of a point.
        end: Seconds from the beginning to the last event.
    """

    most: int = MOST_POINTS
    width: float = attrs.field(default=FIRST_WIDTH, init=False)
    end: float = attrs.field(default=0.0, init=False)
    _points: list[Point] = attrs.field(factory=list[Point], init=False)
    _latest: ImportProgress | None = attrs.field(default=None, init=False)

    def progress(self, event: ImportProgress) -> None:
        """Take a progress event.

        The rows since the event before are spread over the time since, unless that was a pause.
        Limit, requests in flight and pause are taken to stay as they are told until the next event
        tells otherwise.
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
                point.watched += seconds
                point.limit_seconds += before.limit * seconds
                point.in_flight_seconds += before.in_flight * seconds
                point.paused_seconds += before.paused * seconds

    def request(self, event: RequestEvent, *, at: float) -> None:
        """Take a request.

        Args:
            event: What came of it.
            at: Seconds from the beginning of the import to its end.
        """
        point = self._point_at(at)
        point.answers[answer_class(event.status_code)] += 1
        point.latencies.add(event.elapsed)

    def total(self) -> Point:
        """Return the whole import as one point."""
        whole = Point(start=0.0)
        for point in self.points():
            whole.absorb(point)
        return whole

    def points(self, most: int | None = None) -> list[Point]:
        """Return the points without a gap, in order of time.

        Args:
            most: Most points, so that neighbours are merged; ``None`` for all there are.
        """
        group = 1
        while most is not None and len(self._points) > most * group:
            group *= 2
        width = self.width * group
        merged: list[Point] = []
        for number, point in enumerate(self._points):
            if number % group == 0:
                merged.append(Point(start=point.start))
            merged[-1].absorb(point)
        for point in merged:
            point.seconds = min(width, max(0.0, self.end - point.start))
        if len(merged) > 1 and merged[-1].seconds < width / 2:
            # A sliver's averages would stand out for nothing.
            sliver = merged.pop()
            merged[-1].absorb(sliver)
        return merged

    def _point_at(self, seconds: float) -> Point:
        """Return the point of an instant, having made room for it."""
        seconds = max(0.0, seconds)
        self.end = max(self.end, seconds)
        while seconds // self.width >= self.most:
            self._halve()
        number = int(seconds // self.width)
        for missing in range(len(self._points), number + 1):
            self._points.append(Point(start=missing * self.width))
        return self._points[number]

    def _halve(self) -> None:
        """Make one point of each two."""
        self.width *= 2
        halved = self._points[::2]
        for point, other in zip(halved, self._points[1::2], strict=False):
            point.absorb(other)
        self._points = halved

    def _overlaps(self, start: float, end: float) -> Iterator[tuple[Point, float]]:
        """The points that a span touches, each with the seconds that lie in it."""
        self._point_at(end)
        for number in range(int(start // self.width), int(end // self.width) + 1):
            point = self._points[number]
            seconds = min(end, point.start + self.width) - max(start, point.start)
            if seconds > 0:
                yield point, seconds


class Recorder:
    """Feeds a timeline from the callbacks of an import under way.

    Args:
        timeline: Where to.
        clock: The client's clock.
    """

    def __init__(self, timeline: Timeline, clock: Clock) -> None:
        self._timeline = timeline
        self._clock = clock
        self._began = clock.monotonic()

    def on_progress(self, progress: ImportProgress) -> None:
        """Take a progress event at once; it tells when the import began."""
        self._began = self._clock.monotonic() - progress.elapsed
        self._timeline.progress(progress)

    def on_event(self, event: RequestEvent) -> None:
        """Take what came of a request; those that carry no batch are left out."""
        if event.path.startswith(_BATCH_CALLS):
            self._timeline.request(event, at=self._clock.monotonic() - self._began)
