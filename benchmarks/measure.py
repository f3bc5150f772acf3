"""Alternate cases in one process, and compare what they cost.

Every suite alternates its cases in small pieces, so that a change of the machine's speed affects
all of them: A B C, C B A, then with another first case. The figures of a case are the medians of
its pieces. A ratio compares medians; its quartiles are those of the ratios within each pass.
"""

import gc
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Protocol

import attrs

__all__ = [
    "Columns",
    "Comparison",
    "Counters",
    "MeasuredServer",
    "Ratio",
    "Skipped",
    "Work",
    "alternate",
    "order",
    "percentile",
    "quartiles",
    "ratio",
    "rounded",
]

Columns = dict[str, list[float]]
"""What was measured in each piece, by column: ``cpu``, ``wall`` …"""

Outcome = Mapping[str, float]
"""What one piece says about itself: ``count``, and further columns."""

Work = Callable[[], Awaitable[Outcome]]


class Skipped(Exception):  # noqa: N818 - not an error
    """A case that cannot run here; the text says why."""


@attrs.frozen
class Counters:
    """What a server has counted so far.

    Attributes:
        rows: Rows received or sent.
        requests: Requests, without those that read the counters.
        connections: Connections accepted, likewise.
        cpu: Seconds of processor time of its process.
    """

    rows: int
    requests: int
    connections: int
    cpu: float


class MeasuredServer(Protocol):
    """A server that counts."""

    def counters(self) -> Counters:
        """Return the counters."""
        ...


@attrs.frozen
class Ratio:
    """A median relative to another, with quartiles."""

    value: float
    low: float
    high: float


@attrs.define(kw_only=True)
class Comparison:
    """Cases that were measured alternately.

    Attributes:
        suite: Name of the suite.
        title: What distinguishes it from the suite's other comparisons.
        unit: What is counted: ``request`` or ``row``.
        baseline: The case that the ratios refer to.
        samples: What was measured, by case.
        skipped: Cases that could not run, and why.
    """

    suite: str
    title: str
    unit: str
    baseline: str
    samples: dict[str, Columns]
    skipped: dict[str, str] = attrs.field(factory=dict[str, str])

    def each(self, case: str, column: str) -> list[float]:
        """Return a column per unit, in microseconds."""
        columns = self.samples[case]
        pairs = zip(columns[column], columns["count"], strict=True)
        return [value / count * 1e6 for value, count in pairs]

    def ratio(self, case: str, column: str = "cpu") -> Ratio:
        """Return the cost per unit of a case relative to the baseline's."""
        return ratio(self.each(case, column), self.each(self.baseline, column))


def order(cases: Sequence[str], rounds: int) -> list[str]:
    """Return the order of the pieces: forth and back, each round with another first case.

    Every case is as often early as late, so neither a warm cache nor a slow minute favours one.
    """
    pieces: list[str] = []
    for number in range(rounds):
        turn = number % len(cases)
        forth = [*cases[turn:], *cases[:turn]]
        pieces += [*forth, *reversed(forth)]
    return pieces


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which a share of the values lies, by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    return percentile(values, 0.25), median(values), percentile(values, 0.75)


def ratio(mine: Sequence[float], base: Sequence[float]) -> Ratio:
    """Compare values that were measured in the same passes."""
    pairs = [one / other for one, other in zip(mine, base, strict=True)]
    low, _, high = quartiles(pairs)
    return Ratio(median(mine) / median(base), low, high)


def rounded(columns: Columns) -> Columns:
    """Return the columns with five significant digits, which are more than any is worth."""
    return {name: [float(f"{value:.5g}") for value in column] for name, column in columns.items()}


async def alternate(
    works: Mapping[str, Work],
    server: MeasuredServer,
    *,
    rounds: int,
    counted: str = "rows",
    warm: bool = True,
) -> dict[str, Columns]:
    """Run the works alternately, and return the columns of each.

    Args:
        works: The cases. Each does one piece and returns its ``count``.
        server: What they talk to, in a process of its own.
        rounds: Each round runs every case twice.
        counted: The server's counter, ``rows`` or ``requests``, that must show the same count.
        warm: Whether every case runs once before, for what is done only the first time.

    Raises:
        SystemExit: A count of a case differs from the server's.
    """
    samples: dict[str, Columns] = {name: {} for name in works}
    if warm:
        for work in works.values():
            await work()
    gc.collect()
    gc.freeze()  # what exists by now is no garbage of a case
    try:
        for name in order(list(works), rounds):
            for column, value in (await _piece(name, works[name], server, counted)).items():
                samples[name].setdefault(column, []).append(value)
    finally:
        gc.unfreeze()
    return {name: rounded(columns) for name, columns in samples.items()}


async def _piece(name: str, work: Work, server: MeasuredServer, counted: str) -> dict[str, float]:
    gc.collect()
    before = server.counters()
    wall, cpu = time.perf_counter(), time.process_time()
    outcome = await work()
    cpu = time.process_time() - cpu
    wall = time.perf_counter() - wall
    after = server.counters()
    served = getattr(after, counted) - getattr(before, counted)
    if served != outcome["count"]:
        raise SystemExit(
            f"{name}: {outcome['count']:,} {counted} by the client's count, {served:,} by the "
            "server's"
        )
    return {
        "cpu": cpu,
        "wall": wall,
        "server_cpu": after.cpu - before.cpu,
        "connections": after.connections - before.connections,
        **outcome,
    }
