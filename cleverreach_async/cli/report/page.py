"""The report of an import as one HTML file that loads nothing from elsewhere.

Its text passes a filter for e-mail addresses, so that it can be handed on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import attrs

from cleverreach_async import __version__
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.cli.imports.summary import Reason
from cleverreach_async.cli.output import plain
from cleverreach_async.cli.report.plots import Plot, Series, clock, plot
from cleverreach_async.cli.report.timeline import Point, Timeline
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import check_replaceable, replace_file
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["RunFacts", "check_report_path", "render_report_page", "write_report_page"]

_MOST_COLUMNS: Final = 160
"""Steps of a plot: more would be narrower than a finger, and sharper than the eye."""
_MOST_FIGURES: Final = 40
_MINUTE: Final = 60

_NOTHING: Final = "\N{EN DASH}"


@attrs.frozen(kw_only=True)
class RunFacts:
    """What the page tells beside figures.

    Attributes:
        file: The file that was imported.
        group: Where it went; ``None`` when the rows were only checked.
        began: When the import began, with its time zone.
        settings: What was in force, by name; flags as yes and no, ``None`` as a dash.
        reasons: Why rows were not accepted, the most frequent first.
        rejects: The file of those rows, or ``None`` when there are none.
        stopped: Why the import ended early, or ``None`` when it did not.
    """

    file: str
    group: str | None
    began: datetime
    settings: Mapping[str, object]
    reasons: Sequence[Reason] = ()
    rejects: str | None = None
    stopped: str | None = None


def check_report_path(path: Path, *, others: Iterable[Path] = ()) -> None:
    """Find out before an import whether its report can be written afterwards.

    Args:
        path: Where the page shall be.
        others: Files of the import that it must not replace.

    Raises:
        ConfigurationError: It cannot be written there, or would replace one of the others.
    """
    for other in others:
        if path.resolve() == other.resolve() or (
            path.exists() and other.exists() and path.samefile(other)
        ):
            raise ConfigurationError(
                f"{path} is a file of the import itself, and the report would replace it; name"
                " another with --report"
            )
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is not a file; name one with --report")
    try:
        check_replaceable(path.resolve())
    except OSError as error:
        raise _unwritable(path, error) from None


def write_report_page(
    path: Path, *, timeline: Timeline, report: ImportReport, facts: RunFacts
) -> None:
    """Write the page; readers see the one before it or all of it, never a part.

    Args:
        path: Where to; a file there is replaced.
        timeline: What happened when.
        report: The counters.
        facts: Names, settings and reasons.

    Raises:
        ConfigurationError: It cannot be written there.
    """
    page = render_report_page(timeline=timeline, report=report, facts=facts)
    try:
        # Follow a symbolic link, and let others read the page as the umask permits.
        replace_file(path.resolve(), [page.encode()], mode=0o666)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: cannot write the report there: {error.strerror or error}")


def render_report_page(*, timeline: Timeline, report: ImportReport, facts: RunFacts) -> str:
    """Return the page as HTML. The arguments are those of :func:`write_report_page`."""
    template = Template(
        files("cleverreach_async.cli.report").joinpath("page.html").read_text("utf-8")
    )
    mood, verdict = _verdict(report, facts)
    return template.substitute(
        title=_safe(f"Import of {Path(facts.file).name}"),
        headline=_safe(_headline(report, facts)),
        mood=mood,
        verdict=_safe(verdict),
        when=_safe(f"{facts.file}, {facts.began:%Y-%m-%d %H:%M %Z}"),
        tiles="".join(
            [*_counts(report, dry_run=facts.group is None), *_measures(report, timeline)]
        ),
        reasons=_reasons(facts),
        plots=_plots(timeline),
        settings="".join(
            f'<tr><th scope="row">{_safe(name)}</th>'
            f'<td class="words">{_safe(_word(value))}</td></tr>'
            for name, value in facts.settings.items()
        ),
        footer=_safe(f"cleverreach-async {__version__}"),
    )


def _safe(text: str) -> str:
    """Return text for HTML, without what could identify a receiver."""
    return escape(plain(mask_emails(text)))


def _word(value: object) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _headline(report: ImportReport, facts: RunFacts) -> str:
    if facts.group is None:
        return f"Checked {report.read:,} rows; nothing was sent"
    return f"Imported {report.accepted:,} of {report.read:,} rows into {facts.group}"


def _verdict(report: ImportReport, facts: RunFacts) -> tuple[str, str]:
    """The class of the style sheet and the sentence that tell how it went."""
    if facts.stopped is not None:
        return "stopped", f"Stopped before the end: {facts.stopped}"
    others = report.rejected + report.unknown
    if others:
        rows = "1 row was" if others == 1 else f"{others:,} rows were"
        return "mixed", f"{rows} not accepted"
    return "good", "No row was rejected"


def _counts(report: ImportReport, *, dry_run: bool) -> Iterator[str]:
    counts = [
        ("read", report.read, ""),
        ("accepted", report.accepted, "good"),
        ("rejected", report.rejected, "bad"),
        ("unknown", report.unknown, "bad"),
        ("would be sent" if dry_run else "not sent", report.pending, "" if dry_run else "bad"),
        ("superseded", report.superseded, ""),
        ("skipped, done before", report.skipped, ""),
    ]
    always = {"read", "would be sent"} if dry_run else {"read", "accepted", "rejected", "unknown"}
    for name, count, mood in counts:
        if count or name in always:
            yield _tile(name, f"{count:,}", mood if count else "")


def _measures(report: ImportReport, timeline: Timeline) -> Iterator[str]:
    yield _tile(
        "took",
        _seconds(report.elapsed) if report.elapsed < _MINUTE else clock(round(report.elapsed)),
    )
    done = report.read - report.skipped
    if report.elapsed > 0:
        yield _tile("rows/s", f"{done / report.elapsed:,.0f}")
    if report.requests:
        yield _tile("requests", f"{report.requests:,}")
        yield _tile("repeated", f"{report.retries:,}")
    for name, count in sorted(timeline.total().answers.items()):
        if name != "2xx":
            yield _tile(name if name == "no answer" else f"answered {name}", f"{count:,}", "bad")


def _tile(name: str, value: str, mood: str = "") -> str:
    return f'<div class="{mood}"><dt>{_safe(name)}</dt><dd>{_safe(value)}</dd></div>'


def _reasons(facts: RunFacts) -> str:
    if not facts.reasons:
        return ""
    where = ""
    if facts.rejects is not None:
        where = f'<p class="soft">All of them, row by row: {_safe(facts.rejects)}</p>'
    rows = "".join(
        f'<tr><td class="number">{reason.count:,}</td><td><code>{_safe(reason.code)}</code></td>'
        f'<td class="words">{_safe(reason.message)}</td>'
        f'<td class="lines">{_safe(_lines(reason))}</td></tr>'
        for reason in facts.reasons
    )
    return (
        "<section><h2>Not accepted, and why</h2>"
        '<div class="card"><table class="reasons"><thead><tr><th class="number">Rows</th>'
        "<th>Code</th><th>First words</th><th>Lines</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{where}</section>"
    )


def _lines(reason: Reason) -> str:
    more = ", …" if reason.count > len(reason.lines) else ""
    return ", ".join(map(str, reason.lines)) + more


def _plots(timeline: Timeline) -> str:
    points = timeline.points(_MOST_COLUMNS)
    if not timeline.end or not points:
        return '<p class="soft">It was over before anything could be measured.</p>'
    drawn = "".join(plot(what, points) for what in _PLOTS)
    return drawn + _figures(timeline)


def _figures(timeline: Timeline) -> str:
    """The plots as a table, for those who cannot see them or want the figures."""
    points = timeline.points(_MOST_FIGURES)
    classes = sorted({name for point in points for name in point.answers})
    names = ("from", "rows", "rows/s", "requests", *classes)
    names += ("p50", "p95", "longest", "limit", "in flight", "paused")
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in _cells(point, classes))
        + "</tr>"
        for point in points
    )
    return (
        "<details><summary>The figures behind the plots</summary>"
        f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></details>"
    )


def _cells(point: Point, classes: Sequence[str]) -> list[str]:
    slow = point.latencies
    times = (slow.quantile(0.5), slow.quantile(0.95), slow.longest if slow.count else None)
    return [
        clock(point.start),
        f"{point.rows:,.0f}",
        f"{point.rows_per_second:,.0f}",
        f"{point.requests:,}",
        *(f"{point.answers[name]:,}" for name in classes),
        *(_NOTHING if seconds is None else _seconds(seconds) for seconds in times),
        *(
            _NOTHING if value is None else f"{value:.1f}"
            for value in (point.limit, point.in_flight)
        ),
        f"{point.paused:.0%}",
    ]


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.3g} s"


_PLOTS: Final = (
    Plot(
        title="Throughput, rows per second",
        series=[
            Series(name="rows/s", style="one", value=lambda it: it.rows_per_second, filled=True)
        ],
        say=lambda value: f"{value:,.0f}",
        least=4,
    ),
    Plot(
        title="Latency of requests",
        series=[
            Series(name="p95", style="two", value=lambda it: it.latencies.quantile(0.95)),
            Series(name="p50", style="one", value=lambda it: it.latencies.quantile(0.5)),
        ],
        say=_seconds,
        least=0.01,
    ),
    Plot(
        title="Concurrency, requests at a time",
        series=[
            Series(name="limit", style="two", value=lambda it: it.limit),
            Series(name="in flight", style="one", value=lambda it: it.in_flight, filled=True),
        ],
        say=lambda value: f"{value:.3g}",
        least=2,
    ),
)
