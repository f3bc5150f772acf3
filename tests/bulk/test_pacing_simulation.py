"""Pacing with simulated servers in virtual time, compared with other rules.

The servers have the letters and titles of ``docs/pacing.md``. Bounds are below what was
measured, so that a small change of a constant does not fail here; the table shows such a change.
"""

from functools import cache
from pathlib import Path
from statistics import fmean

import attrs
import pytest
from support.pacing_simulation import (
    OURS,
    RULES,
    SCENARIOS,
    SEEDS,
    Measured,
    measure,
    row,
    simulate,
)

pytestmark = pytest.mark.no_cover  # long, and its lines are those of the tests of the limiter

PAGE = Path(__file__).parents[2] / "docs" / "pacing.md"
FEW = range(2)
"""Seeds for the other rules and servers; few are enough, because the difference is large."""


@cache
def ours(name: str) -> list[Measured]:
    """Runs of our rule with a server."""
    return measure(OURS, name)


def share(name: str, runs: list[Measured]) -> float:
    """Throughput as a share of that of an ideal client."""
    return fmean(run.throughput() for run in runs) / SCENARIOS[name].best


@pytest.mark.parametrize("name", ["B", "C", "D", "H", "I", "J", "M", "N"])
def test_few_requests_are_refused(name: str) -> None:
    """At most 3 % get status 429, including the search for the limit."""
    assert 0.03 >= fmean(run.refused_share() for run in ours(name))


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("A", 0.90),  # a queue hides the limit; it costs time but no throughput
        ("B", 0.85),  # a hard cap: each growth causes a push-back
        ("C", 0.90),  # each refusal closes the gate for a second, then comes the probe
        ("D", 0.80),  # the cap is lowered and raised again
        ("E", 0.85),  # very different response times are noise, not a limit
        ("F", 0.80),  # beyond the knee all requests take longer
        ("G", 0.80),  # slow responses are not drops
        ("H", 0.90),  # a rate is learned, since two in flight are too many and one too few
        ("I", 0.90),  # without Retry-After too
        ("J", 0.90),  # a server that counts by the second lets a burst pass
        ("K", 0.75),  # refusals by chance are no limit
        ("M", 0.90),  # each process learns its share
        ("N", 0.90),  # and none mistakes requests in flight of the others for a rate
    ],
)
def test_throughput_is_near_the_optimum(name: str, least: float) -> None:
    """Avoiding push-back must not slow the import down."""
    assert least <= share(name, ours(name))


@pytest.mark.parametrize("name", ["K", "L"])
def test_refusals_by_chance_do_not_leave_one_request_at_a_time(name: str) -> None:
    """Not even if one request in ten is refused, whatever the load."""
    assert 2.5 <= fmean(run.mean_limit for run in ours(name))


def test_the_limit_grows_again_after_refusals_by_chance() -> None:
    """L: a minute after the last one, throughput is 90 % of the optimum."""
    server = attrs.evolve(SCENARIOS["L"], chance_ends=120.0)
    runs = [simulate(RULES[OURS], server, seed=seed, seconds=240.0) for seed in FEW]

    assert 0.9 * server.best <= fmean(run.throughput(180) for run in runs)


def test_the_rate_is_learned_in_half_a_minute() -> None:
    """H: a short import profits too."""
    soon = fmean(run.throughput(15, 45) for run in ours("H"))

    assert 0.8 * SCENARIOS["H"].best <= soon


def test_the_limit_grows_again_with_the_cap_of_the_server() -> None:
    """A minute after a cap of three is raised, throughput is 90 % of the optimum."""
    dip = SCENARIOS["D"].dip
    assert dip is not None
    later = fmean(run.throughput(dip[1] + 60) for run in ours("D"))

    assert 0.9 * 12.5 <= later


def test_a_queue_without_push_back_is_not_filled() -> None:
    """The limit stays where more requests bring no more rows."""
    assert 2 * SCENARIOS["A"].places > fmean(run.mean_limit for run in ours("A"))


@pytest.mark.parametrize("rival", sorted(set(RULES) - {OURS}))
def test_fewer_requests_are_refused_than_with_other_rules(rival: str) -> None:
    """B: other rules cause refusals many times a minute."""
    theirs = fmean(run.refused_share() for run in measure(rival, "B", seeds=range(1)))

    assert theirs > 4 * fmean(run.refused_share() for run in ours("B"))


@pytest.mark.parametrize("rival", sorted(set(RULES) - {OURS}))
def test_throughput_of_a_contended_server_is_higher_than_with_other_rules(rival: str) -> None:
    """F: other rules overload the server beyond its knee."""
    assert 1.2 * share("F", measure(rival, "F", seeds=FEW)) < share("F", ours("F"))


def test_slow_batches_do_not_stall() -> None:
    """G: a rule that treats five seconds as a drop stays at one request."""
    assert 2 * share("G", measure("Netflix AIMD", "G", seeds=FEW)) < share("G", ours("G"))


def test_no_rule_exceeds_the_optimum() -> None:
    """Except by chance; otherwise the shares above would mean nothing."""
    assert 1.02 >= max(share(name, ours(name)) for name in SCENARIOS)
    assert len(SEEDS) == len(ours("A"))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_documentation_shows_the_measured_values(name: str) -> None:
    """Our rows of the table are those that the simulation prints."""
    assert row(OURS, name, ours(name)) in PAGE.read_text("utf-8").splitlines()
