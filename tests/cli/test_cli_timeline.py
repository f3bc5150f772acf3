"""The events of an import by time: nothing lost by merging, memory bounded, values right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import FakeClock

from cleverreach_async import ImportProgress, RequestEvent
from cleverreach_async.cli.report.timeline import (
    Latencies,
    Timeline,
    TimelineRecorder,
    response_class,
)


def progress(
    elapsed: float, done: int = 0, *, limit: int = 0, in_flight: int = 0, paused: bool = False
) -> ImportProgress:
    """A progress event."""
    return ImportProgress(
        read=done,
        accepted=done,
        rejected=0,
        unknown=0,
        superseded=0,
        requests=0,
        retries=0,
        elapsed=elapsed,
        limit=limit,
        in_flight=in_flight,
        paused=paused,
    )


def request(
    elapsed: float = 0.2,
    status_code: int | None = 200,
    path: str = "/groups/{group_id}/receivers/upsertplus",
) -> RequestEvent:
    """A request event."""
    return RequestEvent(
        method="POST", path=path, status_code=status_code, attempt=1, elapsed=elapsed, wait=None
    )


@pytest.mark.parametrize(
    ("status_code", "expected"),
    [
        *((200, "2xx"), (302, "3xx"), (422, "4xx"), (429, "429"), (503, "5xx")),
        (None, "no response"),
    ],
)
def test_responses_have_classes(status_code: int | None, expected: str) -> None:
    """429 is separate from other errors."""
    assert expected == response_class(status_code)


def test_rows_are_spread_over_the_time_since_the_last_event() -> None:
    """A batch that took a second is not a burst at its end."""
    timeline = Timeline()

    timeline.progress(progress(1.0, 1000))

    assert [1000.0] * 4 == [point.rows_per_second for point in timeline.points()]


def test_values_hold_until_the_next_event() -> None:
    """There are no events while the gate is closed."""
    timeline = Timeline()
    timeline.progress(progress(1.0, limit=4, in_flight=4))
    timeline.progress(progress(1.5, limit=4, in_flight=1, paused=True))
    timeline.progress(progress(2.5, limit=2, in_flight=2))

    points = timeline.points(3)

    assert [1.0, 1.0, 0.5] == [point.seconds for point in points]
    assert [None, 4.0, 4.0] == [point.limit for point in points]
    assert [None, 2.5, 1.0] == [point.in_flight for point in points]
    assert [0.0, 0.5, 1.0] == [point.paused for point in points]


def test_rows_after_a_pause_do_not_belong_to_it() -> None:
    """While the gate is closed no rows are sent, and the chart shows that."""
    timeline = Timeline()
    timeline.progress(progress(0.5, 100, paused=True))
    timeline.progress(progress(2.2, 300))

    assert [50, 50, *[0] * 6, 200] == [point.rows for point in timeline.points()]


def test_requests_are_counted_at_their_end() -> None:
    """By class of response, with their duration."""
    timeline = Timeline()
    timeline.request(request(0.1), at=0.2)
    timeline.request(request(9.0, None), at=9.0)
    timeline.request(request(0.3, 429), at=9.2)

    points = timeline.points()

    assert [1, *[0] * 35, 2] == [point.requests for point in points]
    assert ({"2xx": 1}, 0.1) == (points[0].responses, points[0].latencies.longest)
    assert ({"no response": 1, "429": 1}, 9.0) == (
        points[-1].responses,
        points[-1].latencies.longest,
    )


@given(
    seconds=st.lists(
        st.floats(0.001, 1000.0, allow_nan=False, allow_infinity=False), min_size=1, max_size=60
    ),
    share=st.sampled_from([0.5, 0.95, 1.0]),
)
def test_quantiles_have_an_error_of_two_percent_at_most(seconds: list[float], share: float) -> None:
    """For any distribution, and never above the longest."""
    latencies = Latencies()
    for one in seconds:
        latencies.add(one)

    found = latencies.quantile(share)

    rank = max(1, -(-len(seconds) * round(share * 100) // 100))
    assert found == pytest.approx(sorted(seconds)[rank - 1], rel=0.0202)
    assert found is not None
    assert found <= max(seconds)


def test_without_requests_there_is_no_quantile() -> None:
    """A gap is not a zero."""
    assert None is Latencies().quantile(0.5)


def test_a_duration_of_zero_is_counted() -> None:
    """A response from memory takes less time than the lowest class."""
    latencies = Latencies()
    latencies.add(0.0)

    assert 0.0 == latencies.quantile(0.5)


@given(
    steps=st.lists(
        st.tuples(st.floats(0.0, 50.0), st.integers(0, 1000), st.booleans()),
        min_size=1,
        max_size=80,
    ),
    most=st.integers(1, 40),
)
def test_merging_loses_nothing(steps: list[tuple[float, int, bool]], most: int) -> None:
    """Sums are the same for any number of points, and there are never more than allowed."""
    whole, small = Timeline(), Timeline(max_points=most)
    at, done = 0.0, 0
    for wait, rows, paused in steps:
        at, done = at + wait, done + rows
        for timeline in (whole, small):
            timeline.progress(progress(at, done, limit=3, in_flight=2, paused=paused))
            timeline.request(request(wait, 503 if paused else 200), at=at)

    assert len(small.points()) <= most
    first, second = whole.total(), small.total()
    assert done == pytest.approx(first.rows)
    assert first.rows == pytest.approx(second.rows)
    assert first.paused_seconds == pytest.approx(second.paused_seconds)
    assert first.limit_seconds == pytest.approx(second.limit_seconds)
    assert (first.responses, first.latencies) == (second.responses, second.latencies)
    assert at == pytest.approx(first.seconds)


def test_memory_is_bounded() -> None:
    """A week of events has at most two thousand points, and at least half as many."""
    timeline = Timeline()
    for minute in range(0, 7 * 24 * 60, 5):
        timeline.progress(progress(minute * 60.0, minute))

    assert 1000 <= len(timeline.points()) <= 2000
    assert 0.25 < timeline.width


def test_fewer_points_can_be_requested() -> None:
    """There are no gaps between them, and the timeline does not change."""
    timeline = Timeline()
    for second in range(1, 100):
        timeline.progress(progress(second, second * 10, limit=1))

    few = timeline.points(10)

    assert 6 == len(few)
    assert [point.start + point.seconds for point in few[:-1]] == [it.start for it in few[1:]]
    assert 99.0 == few[-1].start + few[-1].seconds
    assert 396 == len(timeline.points())


def test_a_short_interval_at_the_end_is_merged() -> None:
    """Its averages would be outliers."""
    timeline = Timeline()
    timeline.progress(progress(1.0, 100))
    timeline.progress(progress(1.01, 300))

    points = timeline.points()

    assert 4 == len(points)
    assert 1.01 == points[-1].start + points[-1].seconds


def test_without_events_there_are_no_points() -> None:
    """An import may end before its first event."""
    assert ([], 0.0) == (Timeline().points(), Timeline().total().rows_per_second)


def test_events_without_duration_are_one_point() -> None:
    """A clock may not advance; there is no rate then."""
    timeline = Timeline()
    timeline.progress(progress(0.0, 50))

    (point,) = timeline.points()

    assert (50, 0.0, 0.0) == (point.rows, point.rows_per_second, point.paused)


def test_the_recorder_uses_one_time_axis_for_all_events() -> None:
    """The import may have begun before the recorder; progress events say when."""
    clock = FakeClock()
    timeline = Timeline()
    recorder = TimelineRecorder(timeline, clock)
    clock.elapsed += 2.0
    recorder.on_progress(progress(5.0, 10))
    clock.elapsed += 1.2

    recorder.on_event(request())

    assert [6.0] == [point.start for point in timeline.points() if point.requests]


@pytest.mark.parametrize("path", ["/oauth/token.php", "/groups/{group_id}"])
def test_other_calls_are_left_out(path: str) -> None:
    """The duration of a token renewal says nothing about batches."""
    timeline = Timeline()

    TimelineRecorder(timeline, FakeClock()).on_event(request(path=path))

    assert [] == timeline.points()
