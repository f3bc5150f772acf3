"""Charts over time as SVG in HTML.

They are simple enough to need no plotting library: steps over equal intervals. So they stay small,
scale to every width, follow the colours of the reader's theme, and show values on hover.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import Final

import attrs

from cleverreach_async.cli.report.timeline import Point

__all__ = ["Plot", "Series", "clock", "draw", "ticks"]

WIDTH: Final = 1000.0
HEIGHT: Final = 100.0
"""The picture is stretched to its width; labels are text beside it, so they are not."""

_MINUTE: Final = 60
_HOUR: Final = 3600
_TIME_STEPS: Final = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE),
    *(15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR, 6 * _HOUR, 12 * _HOUR, 24 * _HOUR),
)
_MAX_TIME_TICKS: Final = 6


@attrs.frozen(kw_only=True)
class Series:
    """A line of a chart.

    Attributes:
        name: Name in the legend.
        style: Class in the style sheet of the page.
        value: Returns the value of a point; ``None`` leaves a gap.
        filled: Whether the area below the line is filled.
    """

    name: str
    style: str
    value: Callable[[Point], float | None]
    filled: bool = False


@attrs.frozen(kw_only=True)
class Plot:
    """A chart.

    Attributes:
        title: Title, with the unit.
        series: The lines.
        label: Formats a value, with the unit.
        min_top: The smallest value for the top of the axis.
    """

    title: str
    series: Sequence[Series]
    label: Callable[[float], str]
    min_top: float = 1.0


def clock(seconds: float) -> str:
    """Return seconds as a time on an axis: ``0:05``, ``0:05.25``, ``1:00:00``."""
    seconds = round(seconds, 2)
    whole = math.floor(seconds)
    hours, minutes = whole // _HOUR, whole // _MINUTE % 60
    if hours:
        return f"{hours}:{minutes:02}:{whole % _MINUTE:02}"
    fraction = f"{seconds - whole:.2f}"[2:].rstrip("0")
    return f"{minutes}:{whole % _MINUTE:02}" + (f".{fraction}" if fraction else "")


def ticks(most: float, *, about: int = 4) -> list[float]:
    """Return round values from zero to the first that is at least ``most``.

    Args:
        most: The largest value to show, above zero.
        about: Approximate number of steps.
    """
    rough = most / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    count = max(1, math.ceil(most / step - 1e-9))
    return [round(step * number, 10) for number in range(count + 1)]


def _time_ticks(end: float) -> list[float]:
    fitting = (step for step in _TIME_STEPS if end / step <= _MAX_TIME_TICKS)
    step = next(fitting, math.ceil(end / _MAX_TIME_TICKS / _TIME_STEPS[-1]) * _TIME_STEPS[-1])
    return [step * number for number in range(int(end / step + 1e-9) + 1)]


def draw(plot: Plot, points: Sequence[Point]) -> str:
    """Return a chart as HTML.

    Args:
        plot: The chart.
        points: At least one point, in order of time; their total duration is not zero.
    """
    end = points[-1].start + points[-1].seconds
    values = [value for series in plot.series for point in points if (value := series.value(point))]
    scale = ticks(max([plot.min_top, *values]))
    x, y = WIDTH / end, HEIGHT / scale[-1]
    shapes = [
        *(f'<path class="grid" d="M0 {HEIGHT - at * y:.6g}H{WIDTH:g}"/>' for at in scale[1:]),
        *_shades(points, x),
        *(shape for series in plot.series for shape in _lines(series, points, x, y)),
        *_hints(plot, points, x),
    ]
    legend = [f'<li class="{it.style}">{escape(it.name)}</li>' for it in plot.series]
    if any(point.paused for point in points):
        legend.append('<li class="shade">paused by the server</li>')
    title = escape(plot.title)

    def label(value: float) -> str:
        return plot.label(value) if value else "0"

    return (
        f"<figure><figcaption><h3>{title}</h3><ul>{''.join(legend)}</ul></figcaption>"
        f'<div class="plot"><div class="y">{_labels(scale, "bottom", label)}</div>'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img"'
        f' aria-label="{title} over time">{"".join(shapes)}</svg>'
        f'<div class="x">{_labels(_time_ticks(end), "left", clock, end)}</div></div></figure>'
    )


def _labels(
    values: Sequence[float], side: str, label: Callable[[float], str], end: float | None = None
) -> str:
    whole = end or values[-1]
    return "".join(
        f'<span style="{side}:{100 * value / whole:.6g}%">{escape(label(value))}</span>'
        for value in values
    )


def _runs(series: Series, points: Iterable[Point]) -> Iterator[list[tuple[Point, float]]]:
    """Runs of adjacent points that have a value."""
    run: list[tuple[Point, float]] = []
    for point in points:
        value = series.value(point)
        if value is not None:
            run.append((point, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _lines(series: Series, points: Sequence[Point], x: float, y: float) -> Iterator[str]:
    """The series as steps: each value is the mean of an interval."""
    lines: list[str] = []
    areas: list[str] = []
    for run in _runs(series, points):
        first = run[0][0]
        steps = "".join(
            f"V{HEIGHT - value * y:.5g}H{(point.start + point.seconds) * x:.6g}"
            for point, value in run
        )
        lines.append(f"M{first.start * x:.6g} {HEIGHT - run[0][1] * y:.5g}{steps}")
        areas.append(f"M{first.start * x:.6g} {HEIGHT:g}{steps}V{HEIGHT:g}Z")
    if series.filled and areas:
        yield f'<path class="{series.style} area" d="{"".join(areas)}"/>'
    if lines:
        yield f'<path class="{series.style} line" d="{"".join(lines)}"/>'


def _box(point: Point, x: float) -> str:
    return f'x="{point.start * x:.6g}" y="0" width="{point.seconds * x:.6g}" height="{HEIGHT:g}"'


def _shades(points: Iterable[Point], x: float) -> Iterator[str]:
    for point in points:
        if point.paused:
            opacity = 0.15 + 0.85 * point.paused
            yield f'<rect class="shade" fill-opacity="{opacity:.2f}" {_box(point, x)}/>'


def _hints(plot: Plot, points: Iterable[Point], x: float) -> Iterator[str]:
    """The values of each point, shown on hover."""
    for point in points:
        lines = [f"{clock(point.start)} to {clock(point.start + point.seconds)}"]
        for series in plot.series:
            value = series.value(point)
            if value is not None:
                lines.append(f"{series.name}: {plot.label(value)}")
        if point.paused:
            lines.append(f"paused: {point.paused:.0%} of the time")
        hint = escape("\n".join(lines))
        yield f'<rect class="hint" {_box(point, x)}><title>{hint}</title></rect>'
