"""Plots over time as SVG inside HTML.

Drawn here and not by a plotting library: steps over equal stretches of time take no more than this,
and stay small, sharp at every width, in the colours of the reader's theme, and told by hovering.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import Final

import attrs

from cleverreach_async.cli.report.timeline import Point

__all__ = ["Plot", "Series", "clock", "plot", "ticks"]

WIDTH: Final = 1000.0
HEIGHT: Final = 100.0
"""The picture is stretched to its place; labels stand beside it as text, so they are not."""

_MINUTE: Final = 60
_HOUR: Final = 3600
_TIME_STEPS: Final = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE),
    *(15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR, 6 * _HOUR, 12 * _HOUR, 24 * _HOUR),
)
_MOST_TIME_TICKS: Final = 6


@attrs.frozen(kw_only=True)
class Series:
    """A line of a plot.

    Attributes:
        name: What it is called in the legend.
        style: Class in the page's style sheet.
        value: Takes the value from a point; ``None`` leaves a gap.
        filled: Whether the area below the line is tinted.
    """

    name: str
    style: str
    value: Callable[[Point], float | None]
    filled: bool = False


@attrs.frozen(kw_only=True)
class Plot:
    """What a plot shows.

    Attributes:
        title: Its heading, with the unit.
        series: Its lines.
        say: Puts a value into words, unit included.
        least: The smallest value that the axis goes up to.
    """

    title: str
    series: Sequence[Series]
    say: Callable[[float], str]
    least: float = 1.0


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
    """Return round values from zero to the first that is not below ``most``.

    Args:
        most: The largest value to show, above zero.
        about: How many steps.
    """
    rough = most / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    count = max(1, math.ceil(most / step - 1e-9))
    return [round(step * number, 10) for number in range(count + 1)]


def _time_ticks(end: float) -> list[float]:
    fitting = (step for step in _TIME_STEPS if end / step <= _MOST_TIME_TICKS)
    step = next(fitting, math.ceil(end / _MOST_TIME_TICKS / _TIME_STEPS[-1]) * _TIME_STEPS[-1])
    return [step * number for number in range(int(end / step + 1e-9) + 1)]


def plot(what: Plot, points: Sequence[Point]) -> str:
    """Return a figure in HTML.

    Args:
        what: What it shows.
        points: At least one point, in order of time; together longer than no time.
    """
    end = points[-1].start + points[-1].seconds
    values = [value for one in what.series for point in points if (value := one.value(point))]
    scale = ticks(max([what.least, *values]))
    x, y = WIDTH / end, HEIGHT / scale[-1]
    shapes = [
        *(f'<path class="grid" d="M0 {HEIGHT - at * y:.6g}H{WIDTH:g}"/>' for at in scale[1:]),
        *_shades(points, x),
        *(shape for one in what.series for shape in _lines(one, points, x, y)),
        *_hints(what, points, x),
    ]
    legend = [f'<li class="{one.style}">{escape(one.name)}</li>' for one in what.series]
    if any(point.paused for point in points):
        legend.append('<li class="shade">paused by the server</li>')
    title = escape(what.title)

    def say(value: float) -> str:
        return what.say(value) if value else "0"

    return (
        f"<figure><figcaption><h3>{title}</h3><ul>{''.join(legend)}</ul></figcaption>"
        f'<div class="plot"><div class="y">{_labels(scale, "bottom", say)}</div>'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img"'
        f' aria-label="{title} over time">{"".join(shapes)}</svg>'
        f'<div class="x">{_labels(_time_ticks(end), "left", clock, end)}</div></div></figure>'
    )


def _labels(
    values: Sequence[float], side: str, say: Callable[[float], str], end: float | None = None
) -> str:
    whole = end or values[-1]
    return "".join(
        f'<span style="{side}:{100 * value / whole:.6g}%">{escape(say(value))}</span>'
        for value in values
    )


def _runs(series: Series, points: Iterable[Point]) -> Iterator[list[tuple[Point, float]]]:
    """Stretches of points that have a value."""
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
    """The series as steps: each value is the mean of its stretch, not of an instant."""
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


def _hints(what: Plot, points: Iterable[Point], x: float) -> Iterator[str]:
    """What is told when the pointer rests on a stretch."""
    for point in points:
        words = [f"{clock(point.start)} to {clock(point.start + point.seconds)}"]
        for one in what.series:
            value = one.value(point)
            if value is not None:
                words.append(f"{one.name}: {what.say(value)}")
        if point.paused:
            words.append(f"paused: {point.paused:.0%} of the time")
        hint = escape("\n".join(words))
        yield f'<rect class="hint" {_box(point, x)}><title>{hint}</title></rect>'
