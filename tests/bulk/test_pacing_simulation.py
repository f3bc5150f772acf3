"""Pacing against toy servers in virtual time: what it reaches, and that others reach less.

Letters and titles of the servers are those of ``docs/pacing.md``. Bounds leave room below what was
measured, so that a harmless change of a constant does not fail here; the table shows such a change.
"""

from functools import cache
from pathlib import Path
from statistics import fmean

import pytest
from support.pacing_simulation import OURS, RULES, SCENARIOS, SEEDS, Measured, measure, row

PAGE = Path(__file__).parents[2] / "docs" / "pacing.md"
FEW = range(2)
"""Seeds for the rivals, whose distance from us is wide."""


@cache
def ours(name: str) -> list[Measured]:
    """Our runs against a server."""
    return measure(OURS, name)


def share(name: str, runs: list[Measured]) -> float:
    """Throughput as a share of what the best client would reach."""
    return fmean(run.throughput() for run in runs) / SCENARIOS[name].best


@pytest.mark.parametrize("name", ["B", "C", "D"])
def test_few_requests_are_refused(name: str) -> None:
    """At most 3 % are answered 429, the search for the limit included."""
    assert 0.03 >= fmean(run.refused_share for run in ours(name))


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("A", 0.90),  # a queue hides the limit, and costs time but no throughput
        ("B", 0.85),  # a hard cap: growth is punished each time it is tried
        ("C", 0.70),  # each refusal closes the gate for a second, then comes the probe
        ("D", 0.80),  # the cap falls and comes back
        ("E", 0.85),  # answers of very different length are noise, not a limit
        ("F", 0.80),  # pushed through the knee, everything takes longer for everybody
        ("G", 0.80),  # slow answers are no drops
    ],
)
def test_throughput_stays_near_the_best(name: str, least: float) -> None:
    """Care must not cost the import its speed."""
    assert least <= share(name, ours(name))


def test_the_limit_comes_back_with_the_servers_places() -> None:
    """A minute after a cap of three is lifted, 90 % of what the server can do is back."""
    dip = SCENARIOS["D"].dip
    assert dip is not None
    back = fmean(run.throughput(dip[1] + 60) for run in ours("D"))

    assert 0.9 * 12.5 <= back


def test_a_silent_queue_is_not_filled_for_nothing() -> None:
    """Without any push-back the limit settles where more requests bring no more rows."""
    assert 2 * SCENARIOS["A"].places > fmean(run.mean_limit for run in ours("A"))


@pytest.mark.parametrize("rival", sorted(set(RULES) - {OURS}))
def test_fewer_are_refused_than_with_others(rival: str) -> None:
    """B: others take a refusal for a price worth paying, many times a minute."""
    theirs = fmean(run.refused_share for run in measure(rival, "B", seeds=range(1)))

    assert theirs > 4 * fmean(run.refused_share for run in ours("B"))


@pytest.mark.parametrize("rival", sorted(set(RULES) - {OURS}))
def test_more_gets_through_a_contended_server_than_with_others(rival: str) -> None:
    """F: others see latency or nothing, and push the server through its knee."""
    assert 1.2 * share("F", measure(rival, "F", seeds=FEW)) < share("F", ours("F"))


def test_slow_batches_do_not_stall() -> None:
    """G: a rule that takes five seconds for a drop stays at one request."""
    assert 2 * share("G", measure("Netflix AIMD", "G", seeds=FEW)) < share("G", ours("G"))


def test_the_servers_are_no_faster_than_said() -> None:
    """Nobody beats the best by more than chance, or the shares above would mean nothing."""
    assert 1.02 >= max(share(name, ours(name)) for name in SCENARIOS)
    assert len(SEEDS) == len(ours("A"))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_page_shows_what_is_measured(name: str) -> None:
    """Our rows of the table are those that the simulation prints now."""
    assert row(OURS, name, ours(name)) in PAGE.read_text("utf-8").splitlines()
