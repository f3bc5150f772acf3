"""Bars of what the suites have measured, as SVG."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import attrs
import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.measure import Comparison, quartiles
from benchmarks.ours import OURS

__all__ = ["draw"]

_OURS: Final = "#1f6f8b"
_OTHERS: Final = "#b8bec4"

# Texts stay texts, and the same figures give the same file.
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9})

Bar = tuple[float, float, float]
"""A lower quartile, the value and an upper quartile."""


@attrs.frozen
class _Plot:
    """What a suite's plot shows.

    Attributes:
        label: What the bars are.
        bar: Returns the bar of a case.
        beginning: Only comparisons whose titles begin so.
    """

    label: str
    bar: Callable[[Comparison, str], Bar]
    beginning: str = ""


def _cpu_ratio(comparison: Comparison, case: str) -> Bar:
    ratio = comparison.ratio(case)
    return ratio.low, ratio.value, ratio.high


def _share(comparison: Comparison, case: str) -> Bar:
    return quartiles([value * 100 for value in comparison.samples[case]["share"]])


def _lag(comparison: Comparison, case: str) -> Bar:
    return quartiles(comparison.samples[case]["p99"])


def _peak(comparison: Comparison, case: str) -> Bar:
    return quartiles(comparison.samples[case]["peak"])


_PLOTS: Final[Mapping[str, tuple[str, _Plot]]] = {
    "calls": ("calls", _Plot("CPU of one small call, httpx = 1", _cpu_ratio)),
    "pool": ("pool", _Plot("share of the ideal, %", _share)),
    "bulk-upsertplus": (
        "bulk",
        _Plot("CPU of a row with upsertplus, requests + json = 1", _cpu_ratio, "upsertplus,"),
    ),
    "bulk-upsert": (
        "bulk",
        _Plot("CPU of a row with upsert, requests + json = 1", _cpu_ratio, "upsert,"),
    ),
    "latency": ("latency", _Plot("share of the ideal, %", _share)),
    "lag": ("lag", _Plot("p99 of the event loop's lag, ms", _lag)),
    "memory": ("memory", _Plot("peak memory, MB", _peak)),
    "export": ("export", _Plot("CPU of a receiver, httpx + json = 1", _cpu_ratio)),
}


def draw(comparisons: Sequence[Comparison], folder: Path) -> None:
    """Write the plots of one suite."""
    for name, (suite, plot) in _PLOTS.items():
        mine = [
            one
            for one in comparisons
            if one.suite == suite and one.title.startswith(plot.beginning)
        ]
        if mine:
            folder.mkdir(exist_ok=True)
            _save(_figure(mine, plot), folder / f"{name}.svg")


def _figure(comparisons: Sequence[Comparison], plot: _Plot) -> Any:
    most = max(len(comparison.samples) for comparison in comparisons)
    columns = min(len(comparisons), 2)
    lines = -(-len(comparisons) // columns)
    figure: Any = Figure(figsize=(4.6 * columns, (0.28 * most + 0.8) * lines), layout="constrained")
    figure.suptitle(plot.label, fontsize=10)
    axes = figure.subplots(lines, columns, squeeze=False)
    for number, comparison in enumerate(comparisons):
        _bars(
            axes[number // columns][number % columns],
            comparison,
            plot,
            has_title=len(comparisons) > 1,
        )
    for unused in range(len(comparisons), lines * columns):
        axes[unused // columns][unused % columns].set_visible(False)
    return figure


def _bars(axis: Any, comparison: Comparison, plot: _Plot, *, has_title: bool) -> None:
    cases = list(comparison.samples)
    bars = [plot.bar(comparison, case) for case in cases]
    values = [value for _, value, _ in bars]
    errors = [
        [max(value - low, 0) for low, value, _ in bars],
        [max(high - value, 0) for _, value, high in bars],
    ]
    colours = [_OURS if case.startswith(OURS) else _OTHERS for case in cases]
    axis.barh(cases, values, xerr=errors, color=colours, error_kw={"linewidth": 0.8})
    axis.invert_yaxis()
    axis.set_title(comparison.title if has_title else "", fontsize=9)
    # Every bar has its value beside it, which an axis would repeat.
    axis.xaxis.set_visible(False)
    axis.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axis.spines[side].set_visible(False)
    middle = median(values)
    for position, (value, (_, _, high)) in enumerate(zip(values, bars, strict=True)):
        text = f" {value:.2f}" if middle < 10 else f" {value:.0f}"  # noqa: PLR2004
        axis.text(max(value, high), position, text, va="center", fontsize=8)
    axis.margins(x=0.15)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    # Spaces at the ends of lines are no part of the picture.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
