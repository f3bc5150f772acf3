"""The limit finder, one window at a time, and the rate of rows."""

from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import ConfigurationError
from cleverreach_async.bulk.pacing.limits import (
    LEAST_RESPONSES,
    RESPONSES_PER_REQUEST,
    AdaptiveLimit,
    FixedLimit,
    RateLimit,
)

WINDOW = 10.0


@attrs.define
class Course:
    """Feeds a finder whole windows, and keeps the time.

    Attributes:
        finder: What is under test.
        now: Instant at which the present window began.
    """

    finder: AdaptiveLimit
    now: float = 0.0

    def window(self, goodput: float, *, used: bool = True) -> int:
        """Let one window pass with a goodput in rows per second; returns the next limit."""
        answers = max(RESPONSES_PER_REQUEST * self.finder.limit, LEAST_RESPONSES)
        if used:
            self.finder.started(self.finder.limit)
        rows = round(goodput * WINDOW / answers)
        for number in range(answers):
            last = number == answers - 1
            end = WINDOW if last else 1.0
            self.finder.succeeded(rows=rows, sent_at=self.now, now=self.now + end)
        self.now += WINDOW
        return self.finder.limit

    def windows(self, *goodputs: float) -> list[int]:
        """Let windows pass; returns the limit after each."""
        return [self.window(goodput) for goodput in goodputs]

    def push_back(self) -> int:
        """Have a request refused that was sent just now."""
        self.finder.pushed_back(sent_at=self.now, now=self.now)
        return self.finder.limit


def test_growth_that_pays_doubles_up_to_the_most() -> None:
    """A server that takes twice the rows with twice the requests is asked for more, to the end."""
    course = Course(AdaptiveLimit(max_limit=20))

    assert 2 == course.finder.limit
    assert [4, 8, 16, 20, 20] == course.windows(8000, 16000, 32000, 64000, 80000)


def test_growth_that_brings_less_than_half_its_share_is_taken_back() -> None:
    """Twice the requests have to bring half as many rows again."""
    assert [4, 2] == Course(AdaptiveLimit()).windows(8000, 11900)
    assert [4, 8] == Course(AdaptiveLimit()).windows(8000, 12100)


def test_after_a_failed_trial_the_limit_holds_and_then_grows_by_one() -> None:
    """The first failure ends the doubling; the next trial comes after a window of holding."""
    course = Course(AdaptiveLimit())

    assert [4, 2, 2, 3] == course.windows(8000, 8000, 8000, 8000)


def test_holds_get_longer_until_growth_pays_again() -> None:
    """A server that stays as it is is asked less and less often, but never less than that."""
    course = Course(AdaptiveLimit(max_limit=30, first=10))
    course.push_back()
    course.windows(8000, 8000)
    holds: list[int] = []
    for _ in range(6):
        course.push_back()
        base, count = course.finder.limit, 0
        while course.window(8000) <= base:
            count += 1
        holds.append(count)

    assert [2, 4, 8, 8, 8, 8] == holds


def test_after_three_failures_lower_limits_are_tried_while_they_cost_nothing() -> None:
    """A first doubling beyond what the server bears is not for ever."""
    course = Course(AdaptiveLimit(max_limit=30))
    course.windows(8000, 16000)
    seen = [course.window(4000 * min(6, course.finder.limit)) for _ in range(40)]

    assert [16, 8, 8, 9, 8, 8, 8, 9, 8] == seen[:9]
    assert [7, 6, 5, 6] == seen[seen.index(7) :][:4]
    assert {5, 6, 7} == set(seen[seen.index(6) :])


def test_push_back_ends_the_count_of_failures() -> None:
    """Three in a row mean a full server; with a push-back between them nothing lower is tried."""
    course = Course(AdaptiveLimit(max_limit=30, first=10))
    course.push_back()

    assert [8, 9, 8, 8, 8, 9, 8] == course.windows(*[8000] * 7)

    base = course.push_back()

    assert base == min(course.windows(*[8000] * 24))


def test_growth_that_pays_ends_the_count_of_failures() -> None:
    """And the holds are short again: a server that got better is asked for more."""
    course = Course(AdaptiveLimit(max_limit=30, first=10))
    course.push_back()
    course.windows(*[8000] * 11)

    assert [9, 10] == course.windows(8000, 16000)
    assert [9, 9, 10, 9, 9, 9, 10, 9, 9, 9, 9] == course.windows(*[16000] * 11)


def test_a_lower_limit_that_costs_rows_is_taken_back() -> None:
    """Below the knee rows go with requests, so the limit stays at it."""
    course = Course(AdaptiveLimit(max_limit=30))
    seen = [course.window(2000 * min(8, course.finder.limit)) for _ in range(200)]

    assert 7 in seen
    assert {7, 8, 9} == set(seen[20:])


def test_a_limit_of_one_is_not_for_ever() -> None:
    """However often growth failed, a server that got better is found out soon."""
    course = Course(AdaptiveLimit(max_limit=8))
    for _ in range(30):
        course.push_back()
    assert 1 == course.finder.limit
    for _ in range(60):
        course.window(8000)
    assert 2 >= course.finder.limit

    for _ in range(16):
        course.window(4000 * course.finder.limit)

    assert 8 == course.finder.limit


def test_no_growth_without_use() -> None:
    """When the source is what limits, nothing is known about more requests."""
    course = Course(AdaptiveLimit())

    assert [2, 2, 2] == [course.window(8000 * n, used=False) for n in (1, 2, 3)]


def test_push_back_lowers_the_limit_once_per_round_trip() -> None:
    """Requests that were out when the limit went down tell nothing new."""
    finder = AdaptiveLimit(max_limit=20, first=20)
    for n in range(10):
        finder.pushed_back(sent_at=float(n), now=10.0 + n)

    assert 17 == finder.limit

    finder.pushed_back(sent_at=10.0, now=30.0)

    assert 14 == finder.limit


def test_a_limit_that_is_taken_back_is_a_decrease_too() -> None:
    """What was sent at the limit that failed does not lower the one that was good."""
    course = Course(AdaptiveLimit(first=2))
    course.windows(8000, 8000)
    course.finder.pushed_back(sent_at=course.now - 1, now=course.now)

    assert 2 == course.finder.limit
    assert 1 == course.push_back()


def test_requests_sent_before_a_window_do_not_count_in_it() -> None:
    """They were sent under another limit."""
    course = Course(AdaptiveLimit())
    course.window(8000)
    course.finder.started(4)
    for n in range(40):
        course.finder.succeeded(rows=1000, sent_at=course.now - 1, now=course.now + n)

    assert 4 == course.finder.limit


def test_a_window_is_two_round_trips_long() -> None:
    """Fast answers to the first of slow requests are no evidence."""
    finder = AdaptiveLimit()
    finder.started(2)
    for _ in range(40):
        finder.succeeded(rows=1000, sent_at=0.0, now=5.0)

    assert 2 == finder.limit


def test_after_an_outage_half_the_limit_and_quickly_back() -> None:
    """All callers come back at once, but what the server could bear before is not forgotten."""
    course = Course(AdaptiveLimit(max_limit=16, first=12))
    course.finder.reopened(course.now)

    assert 6 == course.finder.limit
    assert [12, 12, 13] == course.windows(6000, 12000, 12000)

    for _ in range(10):
        course.finder.reopened(course.now)

    assert 1 == course.finder.limit


def test_windows_without_a_row_are_no_reason_to_fail() -> None:
    """A server that refuses every row still bears the requests."""
    course = Course(AdaptiveLimit())

    assert [4, 8, 8] == course.windows(0, 0, 0)


def test_a_fixed_limit_stays() -> None:
    """Whoever chooses a number gets it."""
    pacing = FixedLimit(3)
    pacing.started(3)
    pacing.succeeded(rows=1000, sent_at=0.0, now=1.0)
    pacing.pushed_back(sent_at=1.0, now=2.0)
    pacing.reopened(3.0)

    assert 3 == pacing.limit


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: FixedLimit(0), "limit"),
        (lambda: AdaptiveLimit(max_limit=0), "max_limit"),
        (lambda: AdaptiveLimit(first=0), "first"),
        (lambda: RateLimit(0), "rows_per_second"),
        (lambda: RateLimit(float("nan")), "rows_per_second"),
        (lambda: RateLimit(float("inf")), "rows_per_second"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make: Any, name: str) -> None:
    """Before any request, with the name of the argument."""
    with pytest.raises(ConfigurationError, match=f"^{name} is"):
        make()


def test_the_first_limit_is_below_the_most() -> None:
    """Two requests at the beginning are too many where one is allowed."""
    assert 1 == AdaptiveLimit(max_limit=1).limit


calls = st.lists(
    st.tuples(
        st.sampled_from(["started", "succeeded", "pushed_back", "reopened"]),
        st.integers(0, 1000),
        st.floats(0, 30),
        st.floats(0, 5),
    ),
    max_size=300,
)


def play(finder: AdaptiveLimit, call: tuple[str, int, float, float], now: float) -> float:
    """Make one call on a finder; returns the instant at which its request was sent."""
    kind, number, ago, _ = call
    match kind:
        case "started":
            finder.started(number % 40)
        case "succeeded":
            finder.succeeded(rows=number, sent_at=now - ago, now=now)
        case "pushed_back":
            finder.pushed_back(sent_at=now - ago, now=now)
        case _:
            finder.reopened(now)
    return now - ago


@given(calls=calls, most=st.integers(1, 40), first=st.integers(1, 40))
def test_the_limit_is_always_in_range(
    calls: list[tuple[str, int, float, float]], most: int, first: int
) -> None:
    """No history leads out of 1 … most, nor to an error."""
    finder = AdaptiveLimit(max_limit=most, first=first)
    now = 0.0
    for call in calls:
        now += call[3]
        play(finder, call, now)
        assert 1 <= finder.limit <= most


@given(calls=calls)
def test_one_decrease_per_round_trip(calls: list[tuple[str, int, float, float]]) -> None:
    """A decrease follows from what was sent after the one before, or from a gate that opened."""
    finder = AdaptiveLimit(max_limit=40, first=30)
    now, decreased_at = 0.0, float("-inf")
    for call in calls:
        now += call[3]
        before = finder.limit
        sent_at = play(finder, call, now)
        if finder.limit < before:
            assert call[0] == "reopened" or sent_at >= decreased_at
            decreased_at = now


@given(
    asked=st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 20)), min_size=1, max_size=60),
    rate=st.floats(0.5, 5000),
)
def test_rows_never_exceed_the_rate_by_more_than_one_reservation(
    asked: list[tuple[int, float]], rate: float
) -> None:
    """Between any two instants: no more than rate x time, and the rows of one reservation."""
    limiter = RateLimit(rate)
    now = 0.0
    gone: list[tuple[float, int]] = []
    for rows, pause in asked:
        now += pause
        wait = limiter.reserve(rows, now)
        assert wait >= 0
        gone.append((now + wait, rows))

    assert all(earlier[0] <= later[0] + 1e-6 for earlier, later in pairwise(gone))
    for start, (since, _) in enumerate(gone):
        total = 0
        for instant, rows in gone[start:]:
            assert total <= rate * (instant - since) * (1 + 1e-9) + 1e-3
            total += rows


def test_reservations_follow_each_other_at_the_rate() -> None:
    """Time that nobody used is not saved up."""
    rate = RateLimit(100)

    assert [0, 5, 10] == [rate.reserve(500, 0.0) for _ in range(3)]
    assert 0 == rate.reserve(500, 1000.0)
    assert 5 == rate.reserve(500, 1000.0)
