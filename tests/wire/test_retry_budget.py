"""The retry budget: an outage is not multiplied, and no account is locked out for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.transport.retry import Diagnosis, Fault, RetryBudget

STEPS = st.lists(
    st.tuples(
        st.sampled_from([None, *Fault]),
        st.floats(-100, 10_000, allow_nan=False),
    ),
    max_size=80,
)


@given(st.floats(0, 1000), STEPS)
def test_level_stays_within_the_budget(
    capacity: float, steps: list[tuple[Fault | None, float]]
) -> None:
    """Nothing overdraws it or fills it beyond its capacity, not even a clock that runs back."""
    budget = RetryBudget(capacity=capacity)
    now = 0.0
    for fault, seconds in steps:
        now += seconds
        before = budget.level
        if fault is None:
            budget.succeeded(now)
            assert budget.level >= before
        elif not budget.spend(Diagnosis(fault=fault), now):
            assert budget.level >= before
        assert 0 <= budget.level <= capacity


def test_new_budget_is_full() -> None:
    """It begins with its capacity, whatever that is."""
    expected = (50.0, 10.0)
    assert expected == (RetryBudget().level, RetryBudget(capacity=10.0).level)


@pytest.mark.parametrize(
    ("fault", "expected"), [(Fault.THROTTLED, 50), (Fault.NOT_SENT, 16), (Fault.AMBIGUOUS, 10)]
)
def test_retries_in_an_outage(fault: Fault, expected: int) -> None:
    """The more a retry may cost the server, the fewer there are."""
    budget = RetryBudget()
    assert expected == sum(budget.spend(Diagnosis(fault=fault), 0.0) for _ in range(100))


def test_refused_retry_costs_nothing() -> None:
    """A cheap retry may still go where a dear one may not."""
    budget = RetryBudget(capacity=4.0)
    outcomes = [
        budget.spend(Diagnosis(fault=Fault.AMBIGUOUS), 0.0),
        budget.spend(Diagnosis(fault=Fault.NOT_SENT), 0.0),
    ]
    expected = [False, True]
    assert expected == outcomes
    assert budget.level == pytest.approx(1.0)


def test_time_fills_the_budget() -> None:
    """An empty budget allows a retry again after a while, without any success."""
    budget = RetryBudget(level=0.0)
    outcomes = [budget.spend(Diagnosis(fault=Fault.THROTTLED), now) for now in (0.0, 9.0, 10.0)]
    expected = [False, False, True]
    assert expected == outcomes


def test_success_fills_the_budget() -> None:
    """Five successes pay for one retry after push-back."""
    budget = RetryBudget(level=0.0, trickle=0.0)
    for _ in range(5):
        budget.succeeded(0.0)
    assert budget.spend(Diagnosis(fault=Fault.THROTTLED), 0.0)
    assert budget.level == pytest.approx(0.0)
