"""The goals of the project, and whether the figures meet them."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final

import attrs

from benchmarks.clients import HTTPX2
from benchmarks.latency import cap
from benchmarks.measure import Comparison, ratio
from benchmarks.ours import OURS, OURS_AIOHTTP
from benchmarks.rivals import AIOHTTP_MSGSPEC

__all__ = ["GOALS", "Goal", "Verdict", "judge", "judge_start"]

Results = Mapping[str, Sequence[Comparison]]
Figure = Callable[[Comparison, str], float]


@attrs.frozen
class Goal:
    """A limit of one figure.

    Attributes:
        what: The figure in words.
        case: Whose.
        suite: Where it is measured.
        title: Title of the comparison.
        figure: How it is computed.
        limit: The limit, which may depend on the comparison.
        at_most: Whether the figure has to be below the limit, not above.
        form: How both are printed.
    """

    what: str
    case: str
    suite: str
    title: str
    figure: Figure
    limit: Figure
    at_most: bool = True
    form: str = "{:.2f}"


@attrs.frozen(kw_only=True)
class Verdict:
    """What was measured, beside its limit; the attributes are those of :class:`Goal`."""

    what: str
    case: str
    measured: float
    limit: float
    at_most: bool = True
    form: str = "{:.2f}"

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps the limit."""
        if self.at_most:
            return self.measured <= self.limit
        return self.measured >= self.limit


def _cpu(comparison: Comparison, case: str) -> float:
    return comparison.ratio(case).value


def _cpu_by_hand(comparison: Comparison, case: str) -> float:
    return ratio(comparison.each(case, "cpu"), comparison.each(AIOHTTP_MSGSPEC, "cpu")).value


def _p99(comparison: Comparison, case: str) -> float:
    base = comparison.samples[comparison.baseline]["p99"]
    return ratio(comparison.samples[case]["p99"], base).value


def _share(comparison: Comparison, case: str) -> float:
    return median(comparison.samples[case]["share"])


def _share_of_httpx2(comparison: Comparison, case: str) -> float:
    del case
    return _share(comparison, HTTPX2)


def _near_cap(comparison: Comparison, case: str) -> float:
    return cap(comparison.samples[case]["count"][0]) - 0.01


def _lag(comparison: Comparison, case: str) -> float:
    columns = comparison.samples[case]
    return median(columns["p99"]) - median(columns["idle_p99"])


def _fixed(limit: float) -> Figure:
    def get(comparison: Comparison, case: str) -> float:
        del comparison, case
        return limit

    return get


_MOST_GROWTH: Final = 5.0

_PLUS: Final = "upsertplus, ready rows"
_SHORT: Final = "upsert, ready rows"
_CPU: Final = "CPU / requests + json"

GOALS: Final = (
    Goal(f"import, {_PLUS}, plain: {_CPU}", OURS, "bulk", f"{_PLUS}, plain", _cpu, _fixed(0.42)),
    Goal(f"import, {_PLUS}, TLS: {_CPU}", OURS, "bulk", f"{_PLUS}, TLS", _cpu, _fixed(0.5)),
    Goal(f"import, {_SHORT}, plain: {_CPU}", OURS, "bulk", f"{_SHORT}, plain", _cpu, _fixed(0.85)),
    Goal(
        f"import, {_PLUS}, plain: {_CPU}",
        *(OURS_AIOHTTP, "bulk", f"{_PLUS}, plain"),
        *(_cpu, _fixed(0.33)),
    ),
    Goal(f"import, {_PLUS}, TLS: {_CPU}", OURS_AIOHTTP, "bulk", f"{_PLUS}, TLS", _cpu, _fixed(0.4)),
    Goal(
        f"import, {_SHORT}, plain: {_CPU}",
        *(OURS_AIOHTTP, "bulk", f"{_SHORT}, plain"),
        *(_cpu, _fixed(0.65)),
    ),
    Goal(
        f"import, {_PLUS}, plain: CPU / {AIOHTTP_MSGSPEC}",
        *(OURS_AIOHTTP, "bulk", f"{_PLUS}, plain"),
        *(_cpu_by_hand, _fixed(2)),
    ),
    Goal("small call: CPU / httpx", OURS, "calls", "plain", _cpu, _fixed(0.75)),
    Goal("small call: CPU / httpx", OURS_AIOHTTP, "calls", "plain", _cpu, _fixed(0.45)),
    Goal("small call: p99 / httpx", OURS, "calls", "plain", _p99, _fixed(0.9)),
    Goal(
        "100 connections, 50 ms: share of the ideal, at least httpx2's",
        *(OURS, "pool", "1 account"),
        *(_share, _share_of_httpx2),
        at_most=False,
        form="{:.1%}",
    ),
    Goal(
        "100 connections, 50 ms: share of the ideal",
        *(OURS_AIOHTTP, "pool", "1 account"),
        *(_share, _fixed(0.85)),
        at_most=False,
        form="{:.1%}",
    ),
    Goal(
        "200 ms, 10 at a time, 200,000 rows: share of the ideal, within a point of the cap",
        *(OURS, "latency", "200,000 rows"),
        *(_share, _near_cap),
        at_most=False,
        form="{:.1%}",
    ),
    Goal(
        "200 ms, 10 at a time, 1,000,000 rows: share of the ideal",
        *(OURS, "latency", "1,000,000 rows"),
        *(_share, _fixed(0.97)),
        at_most=False,
        form="{:.1%}",
    ),
    Goal("event-loop lag, no latency: p99 above idle, ms", OURS, "lag", "0 ms", _lag, _fixed(2.0)),
    Goal("event-loop lag, 200 ms: p99 above idle, ms", OURS, "lag", "200 ms", _lag, _fixed(2.0)),
)


def judge(results: Results) -> list[Verdict]:
    """Return a verdict for every goal that was measured."""
    verdicts = [
        Verdict(
            what=goal.what,
            case=goal.case,
            measured=goal.figure(comparison, goal.case),
            limit=goal.limit(comparison, goal.case),
            at_most=goal.at_most,
            form=goal.form,
        )
        for goal in GOALS
        for comparison in results.get(goal.suite, ())
        if comparison.title == goal.title and goal.case in comparison.samples
    ]
    return verdicts + _growth(results.get("memory", ()))


def _growth(memory: Sequence[Comparison]) -> list[Verdict]:
    if len(memory) < 2:  # noqa: PLR2004
        return []
    few, many = memory[0], memory[-1]
    peaks = [median(one.samples[OURS]["peak"]) for one in (few, many)]
    what = f"memory from {few.title} to {many.title}: growth in MB"
    return [Verdict(what=what, case=OURS, measured=peaks[1] - peaks[0], limit=_MOST_GROWTH)]


def judge_start(data: Mapping[str, Any] | None) -> list[Verdict]:
    """Return a verdict for every case of ``start`` that has a goal.

    Args:
        data: The figures of that script, by case; ``None`` if it did not run.
    """
    return [
        Verdict(
            what=f"start, {case}: ms above a bare interpreter",
            case=OURS,
            measured=values["wall"]["median"],
            limit=values["goal"],
            form="{:.0f}",
        )
        for case, values in (data or {}).items()
        if "goal" in values
    ]
