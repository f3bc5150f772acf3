"""The adaptive concurrency limit, one window at a time, and the rate limit of rows."""

from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import ConfigurationError
from cleverreach_async.bulk.pacing.limits import (
    LEAST_RESPONSES,
    MOST_EXCUSED,
    RESPONSES_PER_REQUEST,
    AdaptiveLimit,
    FixedLimit,
)
from cleverreach_async.transport.rate import RateLimit

WINDOW = 10.0


@attrs.define
class Windows:
    """Passes whole windows of responses to a limit.

    Attributes:
        adaptive: The limit under test.
        now: Clock reading at the start of the current window.
    """

    adaptive: AdaptiveLimit
    now: float = 0.0

    def window(self, goodput: float, *, used: bool = True) -> int:
        """Run one window with a goodput in rows per second; returns the next limit."""
        responses = max(RESPONSES_PER_REQUEST * self.adaptive.limit, LEAST_RESPONSES)
        if used:
            self.adaptive.started(self.adaptive.limit)
        rows = round(goodput * WINDOW / responses)
        for number in range(responses):
            last = number == responses - 1
            end = WINDOW if last else 1.0
            self.adaptive.succeeded(rows=rows, sent_at=self.now, now=self.now + end)
        self.now += WINDOW
        return self.adaptive.limit

    def run(self, *goodputs: float) -> list[int]:
        """Run windows; returns the limit after each."""
        return [self.window(goodput) for goodput in goodputs]

    def push_back(self) -> int:
        """Push back requests that were just sent until the limit falls; returns it."""
        before = self.adaptive.limit
        for _ in range(MOST_EXCUSED + 1):
            if self.adaptive.limit == before:
                self.adaptive.pushed_back(sent_at=self.now, now=self.now)
        return self.adaptive.limit


def test_growth_that_pays_doubles_the_limit_up_to_the_maximum() -> None:
    """If twice the requests bring twice the rows, the limit grows up to ``max_limit``."""
    windows = Windows(AdaptiveLimit(max_limit=20))

    assert 2 == windows.adaptive.limit
    assert [4, 8, 16, 20, 20] == windows.run(8000, 16000, 32000, 64000, 80000)


def test_growth_that_brings_too_few_rows_is_reverted() -> None:
    """Twice the requests must bring at least half as many more rows."""
    assert [4, 2] == Windows(AdaptiveLimit()).run(8000, 11900)
    assert [4, 8] == Windows(AdaptiveLimit()).run(8000, 12100)


def test_after_failed_growth_the_limit_holds_and_then_grows_by_one() -> None:
    """The first failure ends the doubling; the next growth follows after one window."""
    windows = Windows(AdaptiveLimit())

    assert [4, 2, 2, 3] == windows.run(8000, 8000, 8000, 8000)


def test_holds_get_longer_until_growth_pays_again() -> None:
    """If the server does not change, growth is tried less often, down to a minimum."""
    windows = Windows(AdaptiveLimit(max_limit=30, first=10))
    windows.push_back()
    windows.run(8000, 8000)
    holds: list[int] = []
    for _ in range(6):
        windows.push_back()
        base, count = windows.adaptive.limit, 0
        while windows.window(8000) <= base:
            count += 1
        holds.append(count)

    assert [2, 4, 8, 8, 8, 8] == holds


def test_after_three_failures_lower_limits_are_tried_if_they_cost_no_rows() -> None:
    """A limit that was doubled too often is lowered again."""
    windows = Windows(AdaptiveLimit(max_limit=30))
    windows.run(8000, 16000)
    seen = [windows.window(4000 * min(6, windows.adaptive.limit)) for _ in range(40)]

    assert [16, 8, 8, 9, 8, 8, 8, 9, 8] == seen[:9]
    assert [7, 6, 5, 6] == seen[seen.index(7) :][:4]
    assert {5, 6, 7} == set(seen[seen.index(6) :])


def test_push_back_resets_the_count_of_failures() -> None:
    """Lower limits are tried only after three failures without a push-back in between."""
    windows = Windows(AdaptiveLimit(max_limit=30, first=10))
    windows.push_back()

    assert [8, 9, 8, 8, 8, 9, 8] == windows.run(*[8000] * 7)

    base = windows.push_back()

    assert base == min(windows.run(*[8000] * 24))


def test_growth_that_pays_resets_the_count_of_failures() -> None:
    """The holds are short again, so that a faster server is used."""
    windows = Windows(AdaptiveLimit(max_limit=30, first=10))
    windows.push_back()
    windows.run(*[8000] * 11)

    assert [9, 10] == windows.run(8000, 16000)
    assert [9, 9, 10, 9, 9, 9, 10, 9, 9, 9, 9] == windows.run(*[16000] * 11)


def test_a_lower_limit_that_costs_rows_is_reverted() -> None:
    """Below the knee fewer requests bring fewer rows, so the limit stays at the knee."""
    windows = Windows(AdaptiveLimit(max_limit=30))
    seen = [windows.window(2000 * min(8, windows.adaptive.limit)) for _ in range(200)]

    assert 7 in seen
    assert {7, 8, 9} == set(seen[20:])


def test_a_limit_of_one_can_grow_again() -> None:
    """However often growth failed, a faster server is detected soon."""
    windows = Windows(AdaptiveLimit(max_limit=8))
    for _ in range(30):
        windows.push_back()
    assert 1 == windows.adaptive.limit
    for _ in range(60):
        windows.window(8000)
    assert 2 >= windows.adaptive.limit

    for _ in range(16):
        windows.window(4000 * windows.adaptive.limit)

    assert 8 == windows.adaptive.limit


def test_a_limit_that_is_not_reached_does_not_grow() -> None:
    """If the source is the bottleneck, nothing is known about more requests."""
    windows = Windows(AdaptiveLimit())

    assert [2, 2, 2] == [windows.window(8000 * n, used=False) for n in (1, 2, 3)]


def test_push_back_lowers_the_limit_once_per_round_trip() -> None:
    """Requests that were in flight when the limit was lowered are ignored."""
    adaptive = AdaptiveLimit(max_limit=20, first=20)
    for n in range(10):
        adaptive.pushed_back(sent_at=float(n), now=10.0 + n)

    assert 17 == adaptive.limit

    adaptive.pushed_back(sent_at=10.0, now=30.0)

    assert 14 == adaptive.limit


def test_a_refusal_at_a_new_limit_lowers_it() -> None:
    """Nothing shows that the server can handle so many."""
    windows = Windows(AdaptiveLimit(first=8))
    windows.adaptive.pushed_back(sent_at=windows.now, now=windows.now)

    assert 6 == windows.adaptive.limit


@pytest.mark.parametrize(("accepted", "limit"), [(7, 6), (8, 8)])
def test_a_limit_that_worked_is_no_reason_for_a_refusal(accepted: int, limit: int) -> None:
    """It worked when as many requests as the limit were accepted at it; then a rate is learned."""
    adaptive = AdaptiveLimit(max_limit=8, first=8)
    for _ in range(accepted):
        adaptive.succeeded(rows=1, sent_at=0.0, now=1.0)
    adaptive.pushed_back(sent_at=1.0, now=1.0)
    adaptive.reserve(1.0)

    assert limit == adaptive.limit
    assert (limit == 8) == (adaptive.reserve(1.0) > 0)


def test_refusals_in_a_row_lower_a_limit_that_worked_for_long() -> None:
    """The server can handle fewer now."""
    windows = Windows(AdaptiveLimit(max_limit=8, first=8))
    for _ in range(100):
        windows.window(8000)
    for _ in range(MOST_EXCUSED):
        windows.adaptive.pushed_back(sent_at=windows.now, now=windows.now)
        assert 8 == windows.adaptive.limit

    windows.adaptive.pushed_back(sent_at=windows.now, now=windows.now)
    assert 6 == windows.adaptive.limit


def test_a_pause_that_the_limit_did_not_cause_does_not_halve_it() -> None:
    """All requests do not resume at once if a rate was learned."""
    windows = Windows(AdaptiveLimit(max_limit=8, first=8))
    windows.window(8000)
    windows.adaptive.pushed_back(sent_at=windows.now, now=windows.now)
    windows.adaptive.reopened(windows.now + 1)
    assert 8 == windows.adaptive.limit

    windows.push_back()
    windows.adaptive.reopened(windows.now + 1)
    assert 3 == windows.adaptive.limit


def test_reverted_growth_is_a_decrease_too() -> None:
    """Push-back of requests sent under the failed limit does not lower the previous one."""
    windows = Windows(AdaptiveLimit(first=2))
    windows.run(8000, 8000)
    windows.adaptive.pushed_back(sent_at=windows.now - 1, now=windows.now)

    assert 2 == windows.adaptive.limit
    assert 1 == windows.push_back()


def test_requests_sent_before_a_window_do_not_count_in_it() -> None:
    """They were sent under another limit."""
    windows = Windows(AdaptiveLimit())
    windows.window(8000)
    windows.adaptive.started(4)
    for n in range(40):
        windows.adaptive.succeeded(rows=1000, sent_at=windows.now - 1, now=windows.now + n)

    assert 4 == windows.adaptive.limit


def test_a_window_is_two_round_trips_long() -> None:
    """A few fast responses are not sufficient evidence."""
    adaptive = AdaptiveLimit()
    adaptive.started(2)
    for _ in range(40):
        adaptive.succeeded(rows=1000, sent_at=0.0, now=5.0)

    assert 2 == adaptive.limit


def test_after_an_outage_the_limit_is_halved_and_grows_quickly() -> None:
    """All callers return at once, but the limit before the outage is still known."""
    windows = Windows(AdaptiveLimit(max_limit=16, first=12))
    windows.adaptive.reopened(windows.now)

    assert 6 == windows.adaptive.limit
    assert [12, 12, 13] == windows.run(6000, 12000, 12000)

    for _ in range(10):
        windows.adaptive.reopened(windows.now)

    assert 1 == windows.adaptive.limit


def test_windows_without_rows_are_not_an_error() -> None:
    """A server that refuses every row can still handle the requests."""
    windows = Windows(AdaptiveLimit())

    assert [4, 8, 8] == windows.run(0, 0, 0)


def test_a_fixed_limit_does_not_change() -> None:
    """Whatever happens."""
    fixed = FixedLimit(3)
    fixed.started(3)
    fixed.succeeded(rows=1000, sent_at=0.0, now=1.0)
    fixed.pushed_back(sent_at=1.0, now=2.0)
    fixed.reopened(3.0)

    assert 3 == fixed.limit


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: FixedLimit(0), "limit"),
        (lambda: AdaptiveLimit(max_limit=0), "max_limit"),
        (lambda: AdaptiveLimit(first=0), "first"),
        (lambda: RateLimit(0), "max_rows_per_second"),
        (lambda: RateLimit(float("nan")), "max_rows_per_second"),
        (lambda: RateLimit(float("inf")), "max_rows_per_second"),
    ],
)
def test_invalid_numbers_are_refused(make: Any, name: str) -> None:
    """The message contains the name of the argument."""
    with pytest.raises(ConfigurationError, match=f"^{name} is"):
        make()


def test_the_first_limit_is_at_most_the_maximum() -> None:
    """The default of two is too high if only one is allowed."""
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


def play(adaptive: AdaptiveLimit, call: tuple[str, int, float, float], now: float) -> float:
    """Make one call; returns the time at which its request was sent."""
    kind, number, ago, _ = call
    match kind:
        case "started":
            adaptive.started(number % 40)
        case "succeeded":
            adaptive.succeeded(rows=number, sent_at=now - ago, now=now)
        case "pushed_back":
            adaptive.pushed_back(sent_at=now - ago, now=now)
        case _:
            adaptive.reopened(now)
    return now - ago


@given(calls=calls, most=st.integers(1, 40), first=st.integers(1, 40))
def test_the_limit_is_always_in_range(
    calls: list[tuple[str, int, float, float]], most: int, first: int
) -> None:
    """After any calls it is from 1 to the maximum, and none raises."""
    adaptive = AdaptiveLimit(max_limit=most, first=first)
    now = 0.0
    for call in calls:
        now += call[3]
        play(adaptive, call, now)
        assert 1 <= adaptive.limit <= most


@given(calls=calls)
def test_one_decrease_per_round_trip(calls: list[tuple[str, int, float, float]]) -> None:
    """Requests sent before a decrease do not cause another; a reopened gate may."""
    adaptive = AdaptiveLimit(max_limit=40, first=30)
    now, decreased_at = 0.0, float("-inf")
    for call in calls:
        now += call[3]
        before = adaptive.limit
        sent_at = play(adaptive, call, now)
        if adaptive.limit < before:
            assert call[0] == "reopened" or sent_at >= decreased_at
            decreased_at = now


@given(
    reservations=st.lists(
        st.tuples(st.integers(1, 1000), st.floats(0, 20)), min_size=1, max_size=60
    ),
    rate=st.floats(0.5, 5000),
)
def test_rows_never_exceed_the_rate_by_more_than_one_reservation(
    reservations: list[tuple[int, float]], rate: float
) -> None:
    """Between any two times: at most rate x time, and the rows of one reservation."""
    limiter = RateLimit(rate)
    now = 0.0
    sent: list[tuple[float, int]] = []
    for rows, pause in reservations:
        now += pause
        wait = limiter.reserve(rows, now)
        assert wait >= 0
        sent.append((now + wait, rows))

    assert all(earlier[0] <= later[0] + 1e-6 for earlier, later in pairwise(sent))
    for start, (since, _) in enumerate(sent):
        total = 0
        for instant, rows in sent[start:]:
            assert total <= rate * (instant - since) * (1 + 1e-9) + 1e-3
            total += rows


def test_reservations_follow_each_other_at_the_rate() -> None:
    """Unused time is not saved."""
    rate = RateLimit(100)

    assert [0, 5, 10] == [rate.reserve(500, 0.0) for _ in range(3)]
    assert 0 == rate.reserve(500, 1000.0)
    assert 5 == rate.reserve(500, 1000.0)
